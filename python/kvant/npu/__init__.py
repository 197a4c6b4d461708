"""Runs scripts that were written for an Ascend NPU on a machine that has none.

    python -m kvant.npu script.py [arguments]     also -m module and -c command

or, at the top of a program, `import kvant.npu; kvant.npu.install()`. Then `import torch_npu` and `import torchair`
work, and `.npu()`, `device="npu"` and `torch.npu.*` mean the CPU, or a CUDA device, where there is one and kvant was
built for it. What is not emulated of torch_npu, torch.npu and torchair fails with a sentence that says so.
"""

from kvant.npu._device import target as target
from kvant.npu._install import install as install

__all__ = ["install", "target"]
