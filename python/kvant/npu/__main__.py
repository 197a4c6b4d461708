"""python -m kvant.npu script.py [arguments], or as python has them -m module and -c command"""

import runpy
import sys
from pathlib import Path

from kvant.npu import install

USAGE = """usage: python -m kvant.npu (script.py | -m module | -c command) [arguments]

Runs a program written for torch_npu without an NPU."""


def main() -> int:
    given = sys.argv[1:]
    if not given or given[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if given else 2
    option = given[0] if given[0] in ("-m", "-c") else ""
    if option and len(given) < 2:
        print(f"kvant.npu: nothing after {option}", file=sys.stderr)
        return 2
    if not option and not Path(given[0]).is_file():
        print(f"kvant.npu: no such file: {given[0]}", file=sys.stderr)
        return 2
    install()
    # As if the program had been started itself.
    if option == "-m":
        sys.argv, sys.path[0] = given[1:], str(Path.cwd())
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
    elif option == "-c":
        sys.argv, sys.path[0] = ["-c", *given[2:]], ""
        exec(compile(given[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = given, str(Path(given[0]).resolve().parent)
        runpy.run_path(given[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
