"""kvant on several machines, by torch.distributed.

`dynamic_quant` quantizes a tensor that is split along its last dimension as one machine would quantize the whole, and
importing this module tells DTensor how kvant's functional operators may be sharded. docs/DISTRIBUTED.md says when that
is needed, and when not, with an example.
"""

from kvant.distributed._dynamic_quant import dynamic_quant as dynamic_quant
from kvant.distributed._sharding import register as _register

__all__ = ["dynamic_quant"]

_register()
