"""python -m kvant.npu script.py [arguments]"""

import runpy
import sys
from pathlib import Path

from kvant.npu import install


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: python -m kvant.npu script.py [arguments]\n\nRuns a script written for torch_npu without an NPU.")
        return 0 if len(sys.argv) > 1 else 2
    script = sys.argv[1]
    if not Path(script).is_file():
        print(f"kvant.npu: no such file: {script}", file=sys.stderr)
        return 2
    install()
    # As if the script had been started itself.
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")
    return 0


sys.exit(main())
