#!/usr/bin/env python3
"""Writes the seeds of the corpus: one file for each thing that can be right or wrong with a tensor file.

Files that a fuzzer found (found_*) are not touched. Run it from anywhere; it needs nothing but Python.
"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def one(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"a": entry(dtype, shape, begin, end)}


def raw(shape: str, offsets: str, dtype: str = '"F32"') -> bytes:
    """An entry whose values are not what json.dumps would write."""
    return f'{{"a":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'.encode()


U8 = entry("U8", [1], 0, 1)
PAIR = {"b": entry("U8", [4], 4, 8), "a": entry("F32", [1], 0, 4)}

SAFETENSORS = {
    "ok_empty": safetensors({}),
    "ok_one": safetensors(one("F32", [2, 3], 0, 24), bytes(range(24))),
    "ok_two": safetensors(PAIR, b"abcdefgh"),
    "ok_padded": safetensors(json.dumps(one("I8", [2], 0, 2)).encode() + b"   ", b"ab"),
    "ok_metadata": safetensors({"__metadata__": {"k": "v", "": "\n\u00e9"}, "a": U8}, b"a"),
    "ok_metadata_null": safetensors({"__metadata__": None}),
    "ok_scalar": safetensors(one("BF16", [], 0, 2), b"ab"),
    "ok_no_elements": safetensors({"x": entry("F64", [0, 5], 4, 4), **one("F32", [1], 0, 4)}, b"abcd"),
    "ok_fp8": safetensors({"a": entry("F8_E4M3", [2], 0, 2), "b": entry("F8_E5M2", [2], 2, 4)}, b"abcd"),
    "ok_half_bytes": safetensors(one("F4", [4], 0, 2), b"ab"),
    "ok_six_bits": safetensors(one("F6_E2M3", [4], 0, 3), b"abc"),
    "ok_unknown_member": safetensors({"a": {**U8, "x": {"y": [1, {}, None, 2.5, "z"]}}}, b"a"),
    "ok_names": safetensors({"": U8, "\u0000\n\u202e'": entry("U8", [1], 1, 2)}, b"ab"),
    "file_empty": b"",
    "file_one_byte": b"a",
    "file_seven_bytes": b"\2\0\0\0\0\0\0",
    "length_zero": safetensors(b""),
    "length_lies": safetensors(b"{}" + b" " * 98, length=812),
    "length_huge": safetensors(b"{}", length=2**64 - 1),
    "length_sign_bit": safetensors(b"{}", length=2**63),
    "length_above_limit": safetensors(b"{}", length=100_000_001),
    "length_cuts_json": safetensors(one("U8", [1], 0, 1), b"a", length=20),
    "truncated_data": safetensors(one("F32", [2], 0, 8), b"abcd"),
    "trailing_data": safetensors(one("F32", [1], 0, 4), b"abcdefgh"),
    "data_without_tensors": safetensors({}, b"a"),
    "begin_after_end": safetensors(one("F32", [1], 8, 4), b"abcdefgh"),
    "size_not_shape": safetensors(one("F32", [3], 0, 8), b"abcdefgh"),
    "overlap": safetensors({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, b"abcdef"),
    "overlap_same": safetensors({"a": U8, "b": U8}, b"a"),
    "overlap_empty_inside": safetensors({"a": entry("U8", [4], 0, 4), "b": entry("U8", [0], 2, 2)}, b"abcd"),
    "hole": safetensors({"a": U8, "b": entry("U8", [1], 2, 3)}, b"abc"),
    "hole_at_start": safetensors(one("U8", [1], 1, 2), b"ab"),
    "past_the_end": safetensors(one("U8", [2], 2**63 - 3, 2**63 - 1), b"ab"),
    "duplicate_name": safetensors(b'{"a":%s,"\\u0061":%s}' % ((json.dumps(U8).encode(),) * 2), b"a"),
    "duplicate_member": safetensors(b'{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"a"),
    "duplicate_metadata": safetensors(b'{"__metadata__":{},"__metadata__":{}}'),
    "duplicate_metadata_key": safetensors(b'{"__metadata__":{"k":"1","k":"2"}}'),
    "metadata_number": safetensors({"__metadata__": {"k": 1}}),
    "metadata_array": safetensors({"__metadata__": ["k"]}),
    "json_nan": safetensors(raw("[NaN]", "[0,4]"), b"abcd"),
    "json_infinity": safetensors(raw("[1e999]", "[0,4]"), b"abcd"),
    "json_comment": safetensors(b"{/**/}"),
    "json_leading_space": safetensors(b" {}"),
    "json_array": safetensors(b"[]"),
    "json_trailing_comma": safetensors(json.dumps({"a": U8}).encode()[:-1] + b",}", b"a"),
    "json_two_values": safetensors(b"{}{}"),
    "json_nul": safetensors(b"{}\0\0"),
    "json_not_utf8": safetensors(b'{"\xff":{}}'),
    "json_lone_surrogate": safetensors(b'{"\\ud800":{}}'),
    "json_control": safetensors(b'{"\n":{}}'),
    "json_deep": safetensors(b'{"a":{"x":' + b"[" * 200),
    "json_deep_objects": safetensors(b'{"a":' + b'{"x":' * 200),
    "dtype_unknown": safetensors(one("F128", [1], 0, 16), bytes(16)),
    "dtype_number": safetensors(raw("[1]", "[0,4]", "5"), b"abcd"),
    "dtype_missing": safetensors({"a": {"shape": [1], "data_offsets": [0, 1]}}, b"a"),
    "shape_missing": safetensors({"a": {"dtype": "U8", "data_offsets": [0, 1]}}, b"a"),
    "shape_negative": safetensors(raw("[-1]", "[0,4]"), b"abcd"),
    "shape_minus_zero": safetensors(raw("[-0]", "[0,0]")),
    "shape_float": safetensors(raw("[1.0]", "[0,4]"), b"abcd"),
    "shape_number": safetensors(raw("1", "[0,4]"), b"abcd"),
    "shape_nested": safetensors(raw("[[1]]", "[0,4]"), b"abcd"),
    "shape_above_int64": safetensors(raw(f"[{2**63}]", "[0,4]"), b"abcd"),
    "shape_above_uint64": safetensors(raw(f"[{2**64}]", "[0,4]"), b"abcd"),
    "shape_overflow": safetensors(one("F32", [2**62, 4], 0, 0)),
    "shape_overflow_empty": safetensors(one("U8", [0, 2**40, 2**40], 0, 0)),
    "shape_65_dimensions": safetensors(one("U8", [1] * 65, 0, 1), b"a"),
    "shape_half_byte": safetensors(one("F4", [3], 0, 2), b"ab"),
    "offsets_missing": safetensors({"a": {"dtype": "U8", "shape": [1]}}, b"a"),
    "offsets_one": safetensors(raw("[1]", "[0]"), b"abcd"),
    "offsets_three": safetensors(raw("[1]", "[0,4,8]"), b"abcd"),
    "offsets_negative": safetensors(raw("[1]", "[-4,0]"), b"abcd"),
    "offsets_string": safetensors(raw("[1]", '["0","4"]'), b"abcd"),
    "entry_array": safetensors(b'{"a":["U8",[1],[0,1]]}', b"a"),
    "entry_null": safetensors({"a": None}),
    "foreign_zip": b"PK\3\4\x14\0\0\0\x08\0",
    "foreign_pickle": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P",
    "foreign_gguf": b"GGUF\3\0\0\0\1\0",
}


def npy(text: str | bytes, data: bytes = b"", version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    text = text if isinstance(text, bytes) else text.encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", size) + text + data


def dictionary(descr: str, shape: str, fortran: bool = False) -> str:
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    return text + " " * (63 - (10 + len(text)) % 64) + "\n"


NPY = {
    "ok_f4": npy(dictionary("<f4", "(2, 3)"), bytes(range(24))),
    "ok_f2_version_2": npy(dictionary("<f2", "(3,)"), b"abcdef", (2, 0)),
    "ok_i8_version_3": npy(dictionary("<i8", "()"), b"abcdefgh", (3, 0)),
    "ok_bool": npy(dictionary("|b1", "(2,)"), b"\0\1"),
    "ok_no_elements": npy(dictionary("<f8", "(0, 3)")),
    "ok_any_order": npy('{"shape":(4,),"fortran_order":False,"descr":"|u1"}', b"abcd"),
    "ok_python_2": npy(dictionary("<u2", "(2L, 1L)"), b"abcd"),
    "ok_fortran_vector": npy(dictionary("<f4", "(1, 2)", True), b"abcdefgh"),
    "ok_byte_order_of_a_byte": npy(dictionary(">i1", "(2,)"), b"ab"),
    "fortran": npy(dictionary("<f4", "(2, 2)", True), bytes(16)),
    "big_endian": npy(dictionary(">f4", "(1,)"), b"abcd"),
    "bfloat16": npy(dictionary("<V2", "(2,)"), b"abcd"),
    "fp8_void": npy(dictionary("<V1", "(2,)"), b"ab"),
    "fp8_e5m2": npy(dictionary("<f1", "(2,)"), b"ab"),
    "object": npy(dictionary("|O", "(1,)"), b"\x80\x04."),
    "unicode": npy(dictionary("<U3", "(1,)"), bytes(12)),
    "complex128": npy(dictionary("<c16", "(1,)"), bytes(16)),
    "structure": npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", b"abcd"),
    "descr_empty": npy(dictionary("", "(1,)"), b"abcd"),
    "descr_native": npy(dictionary("=f4", "(1,)"), b"abcd"),
    "descr_missing": npy("{'fortran_order': False, 'shape': ()}", b"abcd"),
    "descr_twice": npy("{'descr': '<f4', 'descr': '<f4'}"),
    "descr_escape": npy("{'descr': '\\x3cf4', 'fortran_order': False, 'shape': ()}", b"abcd"),
    "descr_open": npy("{'descr': '<f4"),
    "order_missing": npy("{'descr': '<f4', 'shape': ()}", b"abcd"),
    "order_number": npy("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", b"abcd"),
    "shape_missing": npy("{'descr': '<f4', 'fortran_order': False}", b"abcd"),
    "shape_list": npy(dictionary("<f4", "[1]"), b"abcd"),
    "shape_no_tuple": npy(dictionary("<f4", "(1)"), b"abcd"),
    "shape_open": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"),
    "shape_comma": npy(dictionary("<f4", "(,)"), b"abcd"),
    "shape_no_comma": npy(dictionary("<f4", "(1 1)"), b"abcd"),
    "shape_float": npy(dictionary("<f4", "(1.0,)"), b"abcd"),
    "shape_negative": npy(dictionary("<f4", "(-1,)")),
    "shape_above_int64": npy(dictionary("<f4", f"({2**63},)")),
    "shape_overflow": npy(dictionary("<f4", f"({2**62}, 4)")),
    "shape_65_dimensions": npy(dictionary("|u1", "(" + "1, " * 65 + ")"), b"a"),
    "key_unknown": npy("{'descr': '<f4', 'x': 1}"),
    "dictionary_open": npy("{"),
    "dictionary_trailing": npy(dictionary("<f4", "()").strip() + "}", b"abcd"),
    "not_a_dictionary": npy("[1, 2]"),
    "header_empty": npy(""),
    "header_not_text": npy(b"\x00\xff\x80\n"),
    "truncated_data": npy(dictionary("<f4", "(2,)"), b"abcd"),
    "trailing_data": npy(dictionary("<f4", "(1,)"), b"abcdefgh"),
    "length_lies": npy(dictionary("<f4", "()"), length=60000),
    "length_huge": npy(dictionary("<f4", "()"), version=(2, 0), length=2**32 - 1),
    "length_missing": b"\x93NUMPY\2\0\1\0\0",
    "version_0": npy(dictionary("<f4", "()"), b"abcd", (0, 0)),
    "version_4": npy(dictionary("<f4", "()"), b"abcd", (4, 0)),
    "version_1_1": npy(dictionary("<f4", "()"), b"abcd", (1, 1)),
    "file_empty": b"",
    "magic_only": b"\x93NUMPY",
    "magic_cut": b"\x93NU",
    "magic_wrong": b"\x93NUMPX\1\0\0\0",
}


def main() -> None:
    for name, files in (("safetensors", SAFETENSORS), ("npy", NPY)):
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for stem, data in files.items():
            (folder / stem).write_bytes(data)


if __name__ == "__main__":
    main()
