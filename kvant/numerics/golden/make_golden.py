#!/usr/bin/env python3
"""Golden vectors of kvant's number formats, from exact rational arithmetic.

A format is described by its set of representable magnitudes, and a code is found by comparing fractions with the
neighbours in that set. The library works on bit patterns instead, so the two share no step that could be wrong in
both. Only the standard library is used.

    python3 make_golden.py            writes the vectors beside this file
    python3 make_golden.py --check    compares them with what is there; exit status 1 if anything differs
"""

import argparse
import random
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

TWO = Fraction(2)
SIGN = 0x80000000
INF = 0x7F800000
NAN = 0x7FC00000  # the one NaN that kvant writes
NANS = (0x7F800001, 0x7FA00000, 0x7FBFFFFF, 0x7FC00000, 0x7FC00001, 0x7FFFFFFF)


# fp32 bit patterns <-> fractions


def magnitude(bits: int) -> Fraction:
    """Absolute value of a finite fp32."""
    exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    if exponent == 0:
        return fraction * TWO**-149
    return (fraction + (1 << 23)) * TWO ** (exponent - 150)


def magnitude_bits(value: Fraction) -> int:
    """Bits of a non-negative value that fp32 represents; anything else is an error, never a rounding."""
    exponent = 1
    while value >= TWO ** (exponent - 126):
        exponent += 1
    significand = value / TWO ** (exponent - 150)
    if significand.denominator != 1 or exponent > 254:
        raise ValueError(f"{value} is not an fp32 value")
    # The implicit bit of a normal number carries into the exponent field; a subnormal one has neither.
    return int(significand) + ((exponent - 1) << 23)


def is_nan(bits: int) -> bool:
    return bits & ~SIGN > INF


# Integers


def integer_encoder(low: int, high: int) -> Callable[[int], int]:
    def encode(bits: int) -> int:
        if is_nan(bits):
            return 0
        if bits & ~SIGN == INF:
            value = low if bits & SIGN else high
        else:
            exact = magnitude(bits)
            # round() of a Fraction is exact, ties to even.
            value = min(max(round(-exact if bits & SIGN else exact), low), high)
        return value & (high - low)

    return encode


# FP8. The positive codes are in value order, so a code is also an index.


def float8_magnitudes(exponent_bits: int, mantissa_bits: int, largest_code: int) -> list[Fraction]:
    bias = (1 << (exponent_bits - 1)) - 1
    values = []
    for code in range(largest_code + 1):
        exponent, mantissa = (
            code >> mantissa_bits,
            Fraction(code & ((1 << mantissa_bits) - 1), 1 << mantissa_bits),
        )
        values.append(TWO ** (1 - bias) * mantissa if exponent == 0 else TWO ** (exponent - bias) * (1 + mantissa))
    return values


E4M3FN = float8_magnitudes(4, 3, 0x7E)
E5M2 = float8_magnitudes(5, 2, 0x7B)


def float8_encoder(values: list[Fraction]) -> Callable[[int], int]:
    largest = len(values) - 1

    def encode(bits: int) -> int:
        if is_nan(bits):
            return 0x7F
        sign = 0x80 if bits & SIGN else 0
        if bits & ~SIGN == INF or magnitude(bits) >= values[largest]:
            return sign | largest
        value = magnitude(bits)
        low = bisect_right(values, value) - 1
        below, above = value - values[low], values[low + 1] - value
        up = above < below or (above == below and low % 2 == 1)
        return sign | (low + up)

    return encode


# HiFloat8

# D1..D4: prefix, width of the prefix, exponent bits below the implicit leading 1, mantissa bits.
HIFLOAT8_ROWS = ((0b001, 3, 0, 3), (0b01, 2, 1, 3), (0b10, 2, 2, 2), (0b11, 2, 3, 1))


def hifloat8_magnitudes() -> dict[int, Fraction]:
    """Positive code -> value. The infinity, 0x6F, has what its fields spell, 49152: the neighbour above 32768."""
    values = {0x00: Fraction(0)}
    for m in range(1, 8):
        values[m] = TWO ** (m - 23)
    for m in range(8):
        values[0x08 | m] = 1 + Fraction(m, 8)
    for prefix, prefix_bits, exponent_bits, mantissa_bits in HIFLOAT8_ROWS:
        if prefix_bits + 1 + exponent_bits + mantissa_bits != 7:
            raise ValueError("the fields of a HiFloat8 code do not fill seven bits")
        for sign in range(2):
            for e in range(1 << exponent_bits):
                for m in range(1 << mantissa_bits):
                    code = (((prefix << 1 | sign) << exponent_bits | e) << mantissa_bits) | m
                    exponent = (1 << exponent_bits) + e
                    values[code] = TWO ** (-exponent if sign else exponent) * (1 + Fraction(m, 1 << mantissa_bits))
    return values


HIFLOAT8 = hifloat8_magnitudes()
HIFLOAT8_CODES = sorted(HIFLOAT8, key=lambda code: HIFLOAT8[code])
HIFLOAT8_VALUES = [HIFLOAT8[code] for code in HIFLOAT8_CODES]
HIFLOAT8_INF, HIFLOAT8_MAX = 0x6F, 0x6E
HIFLOAT8_OVERFLOW = (HIFLOAT8[HIFLOAT8_MAX] + HIFLOAT8[HIFLOAT8_INF]) / 2
HIFLOAT8_UNDERFLOW = TWO**-23


def rounds_up_away(value: Fraction, low: Fraction, high: Fraction, _ulp: Fraction) -> bool:
    return value - low >= high - value


def rounds_up_hybrid(value: Fraction, low: Fraction, high: Fraction, ulp: Fraction) -> bool:
    """The value's own discarded bits decide: their top 14 against their low 14."""
    if TWO**-3 <= value < TWO**4:
        return rounds_up_away(value, low, high, ulp)
    if value == low:
        return False
    discarded, scale = (value - low) / ulp, (high - low) / ulp
    top = discarded * (1 << 14) // scale
    return top >= discarded % (1 << 14)


def hifloat8_encoder(
    rounds_up: Callable[[Fraction, Fraction, Fraction, Fraction], bool],
) -> Callable[[int], int]:
    def encode(bits: int) -> int:
        if is_nan(bits):
            return 0
        sign = 0x80 if bits & SIGN else 0
        if bits & ~SIGN == INF or magnitude(bits) >= HIFLOAT8_OVERFLOW:
            return sign | HIFLOAT8_MAX
        value = magnitude(bits)
        if value < HIFLOAT8_UNDERFLOW:
            return 0
        low = bisect_right(HIFLOAT8_VALUES, value) - 1
        ulp = TWO ** (((bits >> 23) & 0xFF) - 150)
        low += rounds_up(value, HIFLOAT8_VALUES[low], HIFLOAT8_VALUES[low + 1], ulp)
        code = HIFLOAT8_CODES[low]
        if code == HIFLOAT8_INF:
            code = HIFLOAT8_MAX
        return sign | code if code else 0

    return encode


# Inputs


def around(values: Iterable[Fraction]) -> set[int]:
    """Every value, every midpoint between neighbours, and the fp32 numbers up to two steps from each, in both signs."""
    ordered = sorted(set(values))
    ordered += [(a + b) / 2 for a, b in pairwise(ordered)]
    found = set()
    for bits in map(magnitude_bits, ordered):
        for step in range(-2, 3):
            if bits + step >= 0:
                found |= {bits + step, bits + step | SIGN}
    return found


def everywhere() -> set[int]:
    """All powers of two, a few mantissas at every exponent, infinities and NaNs, in both signs."""
    found = {exponent << 23 | m for exponent in range(255) for m in (0, 1, 0x400000, 0x5A5A5A, 0x7FFFFF)}
    found |= {1 << b for b in range(23)} | {INF, *NANS}
    return found | {bits | SIGN for bits in found}


def hybrid_tie(width: int, rng: random.Random) -> int:
    """A number of `width` bits whose top 14 bits equal its low 14."""
    period = width - 14
    value = rng.getrandbits(period)
    if width == 24:
        value |= 1 << 3  # bits 3, 13 and 23 are equal, and bit 23 is the leading 1
    for b in range(14):
        value |= (value >> b & 1) << (b + period)
    return value


def hybrid_inputs() -> set[int]:
    """Per binade with abs E >= 4: ties of the two 14-bit fields and one step beside them, the ends of the interval
    between two representable values, its middle, and anywhere."""
    rng = random.Random(1)
    found = set()
    for exponent in [*range(-23, -3), *range(4, 16)]:
        kept = 0 if exponent < -15 else 1 if abs(exponent) >= 8 else 2
        # At -23 nothing is kept and the leading 1 is discarded as well.
        width = 24 if exponent == -23 else 23 - kept
        discarded = [0, 1, 2, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, (1 << width) - 1]
        discarded += [(1 << (width - 1)) + step for step in (-1, 0, 1)]
        discarded += [rng.getrandbits(width) for _ in range(12)]
        for _ in range(10):
            tie = hybrid_tie(width, rng)
            discarded += [tie + step for step in (-1, 0, 1)]
        for rest in discarded:
            fraction = (rng.getrandbits(kept) << width | rest) & 0x7FFFFF
            found.add(rng.getrandbits(1) << 31 | (exponent + 127) << 23 | fraction)
    return found


# Files

INT8 = [Fraction(v) for v in range(130)]
INT4 = [Fraction(v) for v in range(10)]
FORMATS: dict[str, tuple[Callable[[int], int], list[Fraction], set[int]]] = {
    "int8": (integer_encoder(-128, 127), INT8, set()),
    "int4": (integer_encoder(-8, 7), INT4, set()),
    # One more step than the format has, so that the largest finite value has a midpoint above it.
    "float8_e4m3fn": (float8_encoder(E4M3FN), [*E4M3FN, Fraction(480)], set()),
    "float8_e5m2": (float8_encoder(E5M2), [*E5M2, Fraction(65536)], set()),
    "hifloat8_round": (hifloat8_encoder(rounds_up_away), HIFLOAT8_VALUES, set()),
    "hifloat8_hybrid": (hifloat8_encoder(rounds_up_hybrid), HIFLOAT8_VALUES, hybrid_inputs()),
}


def encode_lines(name: str) -> list[str]:
    encode, values, more = FORMATS[name]
    return [f"# fp32 bits, {name} code"] + [
        f"{b:08x} {encode(b):02x}" for b in sorted(around(values) | everywhere() | more)
    ]


def signed_bits(value: Fraction | None, sign: int, special: int = NAN) -> int:
    bits = special if value is None else magnitude_bits(value)
    return bits if bits == NAN else bits | (SIGN if sign else 0)


def decode_lines() -> list[str]:
    lines = ["# format, code, fp32 bits"]
    for name, low, high in (("int8", -128, 127), ("int4", -8, 7)):
        for value in [*range(high + 1), *range(low, 0)]:
            lines.append(f"{name} {value & (high - low):02x} {signed_bits(Fraction(abs(value)), value < 0):08x}")
    tables: dict[str, tuple[dict[int, Fraction], int]] = {
        "float8_e4m3fn": (dict(enumerate(E4M3FN)), -1),
        "float8_e5m2": (dict(enumerate(E5M2)), 0x7C),
        "hifloat8": ({c: v for c, v in HIFLOAT8.items() if c != HIFLOAT8_INF}, HIFLOAT8_INF),
    }
    for name, (values, infinity) in tables.items():
        for code in range(256):
            positive = code & 0x7F
            bits = signed_bits(values.get(positive), code >> 7, INF if positive == infinity else NAN)
            # The pattern that would be minus zero.
            bits = NAN if name == "hifloat8" and code == 0x80 else bits
            lines.append(f"{name} {code:02x} {bits:08x}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    folder = Path(__file__).parent
    files = {f"{name}.txt": encode_lines(name) for name in FORMATS} | {"decode.txt": decode_lines()}
    stale = []
    for name, lines in files.items():
        data = ("\n".join(lines) + "\n").encode()
        path = folder / name
        if not check:
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            stale.append(name)
    if stale:
        print("not what this script writes: " + ", ".join(stale), file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
