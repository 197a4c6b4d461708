"""Runs the kvant command, and reads and writes the files it works on without its help.

The command is the file that KVANT_CLI names, else the one in the build folder that KVANT_BUILD_DIR names, else the
newest one below build/.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from oracle_formats import Array

ROOT = Path(__file__).parents[2]

ELEMENT_TYPES: dict[str, Any] = {
    "U8": np.uint8,
    "I8": np.int8,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I32": np.int32,
    "F32": np.float32,
    "I64": np.int64,
    "F64": np.float64,
}
NAMES = {np.dtype(dtype): name for name, dtype in ELEMENT_TYPES.items()}


def program() -> str:
    if "KVANT_CLI" in os.environ:
        return os.environ["KVANT_CLI"]
    if "KVANT_BUILD_DIR" in os.environ:
        return str(Path(os.environ["KVANT_BUILD_DIR"]) / "cli" / "kvant")
    built = sorted(ROOT.glob("build/*/cli/kvant"), key=lambda path: path.stat().st_mtime)
    assert built, "no kvant command: build one, or set KVANT_CLI"
    return str(built[-1])


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "KVANT_TARGET"}
    return {**inherited, "OMP_WAIT_POLICY": "passive", **variables}


def kvant(*arguments: Any, **variables: str) -> str:
    """What the command prints, having succeeded without a word on standard error."""
    done = subprocess.run(
        [program(), *map(str, arguments)], capture_output=True, text=True, env=environment(**variables), check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"kvant {arguments}: {done.returncode}, {done.stderr}"
    return done.stdout


def refused(*arguments: Any, **variables: str) -> str:
    """The one line that the command ends with, with exit code 2; without its "kvant: "."""
    done = subprocess.run(
        [program(), *map(str, arguments)], capture_output=True, text=True, env=environment(**variables), check=False
    )
    assert done.returncode == 2, f"kvant {arguments}: {done.returncode}, {done.stderr}"
    assert done.stdout == ""
    assert done.stderr.startswith("kvant") and done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    return done.stderr.removeprefix("kvant: ").removesuffix("\n")


def as_json(*arguments: Any, **variables: str) -> Any:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(kvant(*arguments, "--json", **variables), parse_constant=no_constant)


def save(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> Path:
    """A .safetensors file, the tensors in the given order."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name, tensor in tensors.items():
        dtype, shape = NAMES[tensor.dtype], list(tensor.shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + tensor.nbytes]}
        position += tensor.nbytes
    text = json.dumps(header).encode()
    data = b"".join(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def load(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """(tensors, metadata) of a .safetensors file."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = (begin + offset for offset in entry["data_offsets"])
        dtype = np.dtype(ELEMENT_TYPES[entry["dtype"]])
        tensors[name] = np.frombuffer(content[first:last], dtype).reshape(entry["shape"])
    return tensors, metadata


def info(metadata: Mapping[str, str], name: str) -> Any:
    """What the metadata say about a quantized tensor."""
    return json.loads(metadata[f"kvant:{name}"])
