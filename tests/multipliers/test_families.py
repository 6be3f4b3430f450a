"""Generated families against scalar definitions, written one pair of operands at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import (
    Multiplier,
    broken_array,
    builtin,
    column_truncated,
    drum,
    exact,
    load_library,
    mitchell,
    mitchell_truncated,
    reduced,
)
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox


def value(code: int, bits: int, signed: bool) -> int:
    return code - (1 << bits) if signed and code >> (bits - 1) else code


def array_product(x: int, w: int, bits: int, signed: bool, keep: Callable[[int, int], bool]) -> int:
    total = 0
    for i in range(bits):
        for j in range(bits):
            if keep(i, j) and x >> i & 1 and w >> j & 1:
                negative = signed and (i == bits - 1) != (j == bits - 1)
                total += (-1 if negative else 1) * 2 ** (i + j)
    return total


def drum_operand(magnitude: int, kept: int) -> int:
    digits = f"{magnitude:b}"
    if len(digits) <= kept:
        return magnitude
    return int(digits[: kept - 1] + "1" + "0" * (len(digits) - kept), 2)


def mitchell_log(magnitude: int, fraction_bits: int) -> Fraction:
    k = len(f"{magnitude:b}") - 1
    fraction = Fraction(magnitude, 2**k) - 1
    return k + Fraction(floor(fraction * 2**fraction_bits), 2**fraction_bits)


def mitchell_product(x: int, w: int, fraction_bits: int) -> int:
    if x == 0 or w == 0:
        return 0
    total = mitchell_log(x, fraction_bits) + mitchell_log(w, fraction_bits)
    return floor(2 ** floor(total) * (1 + total - floor(total)))


def on_magnitudes(core: Callable[[int, int], int], x: int, w: int) -> int:
    return core(abs(x), abs(w)) * (-1 if (x < 0) != (w < 0) else 1)


def check(multiplier: Multiplier, bits: int, product: Callable[[int, int], int]) -> None:
    """Compare a table with a scalar definition: all pairs of 4-bit codes, 300 random ones and the corners of more."""
    last = (1 << bits) - 1
    corners = [(x, w) for x in (0, 1, last // 2, last // 2 + 1, last) for w in (0, 1, last // 2, last // 2 + 1, last)]
    random = np.random.default_rng(bits).integers(0, last + 1, (300, 2)).tolist()
    everything = [(x, w) for x in range(16) for w in range(16)]
    for x, w in everything if bits == 4 else corners + random:
        assert multiplier.table[x, w] == product(x, w), (multiplier.name, x, w)


formats = pytest.mark.parametrize(("bits", "signed"), [(4, False), (4, True), (8, False), (8, True)])


@formats
def test_exact(bits: int, signed: bool) -> None:
    assert exact(bits, signed).is_exact
    check(exact(bits, signed), bits, lambda x, w: value(x, bits, signed) * value(w, bits, signed))


@formats
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_reduced(bits: int, signed: bool, kept: int) -> None:
    unit = 1 << (bits - kept)

    def product(x: int, w: int) -> int:
        return (value(x, bits, signed) // unit * unit) * (value(w, bits, signed) // unit * unit)

    check(reduced(kept, bits=bits, signed=signed), bits, product)


@formats
@pytest.mark.parametrize("columns", [1, 3, 5])
def test_column_truncated(bits: int, signed: bool, columns: int) -> None:
    multiplier = column_truncated(columns, bits=bits, signed=signed)
    check(multiplier, bits, lambda x, w: array_product(x, w, bits, signed, lambda i, j: i + j >= columns))


@formats
@pytest.mark.parametrize(("h", "v"), [(0, 3), (1, 0), (2, 4), (3, 5)])
def test_broken_array(bits: int, signed: bool, h: int, v: int) -> None:
    multiplier = broken_array(h, v, bits=bits, signed=signed)
    check(multiplier, bits, lambda x, w: array_product(x, w, bits, signed, lambda i, j: j >= h and i + j >= v))


@formats
@pytest.mark.parametrize("kept", [3, 4])
def test_drum(bits: int, signed: bool, kept: int) -> None:
    def product(x: int, w: int) -> int:
        x, w = value(x, bits, signed), value(w, bits, signed)
        return on_magnitudes(lambda a, b: drum_operand(a, kept) * drum_operand(b, kept), x, w)

    check(drum(kept, bits=bits, signed=signed), bits, product)


@formats
@pytest.mark.parametrize("fraction_bits", [None, 1, 2])
def test_mitchell(bits: int, signed: bool, fraction_bits: int | None) -> None:
    def product(x: int, w: int) -> int:
        x, w = value(x, bits, signed), value(w, bits, signed)
        return on_magnitudes(lambda a, b: mitchell_product(a, b, fraction_bits or bits), x, w)

    if fraction_bits is None:
        multiplier = mitchell(bits=bits, signed=signed)
    else:
        multiplier = mitchell_truncated(fraction_bits, bits=bits, signed=signed)
    check(multiplier, bits, product)


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_dropped_is_exact(signed: bool) -> None:
    for multiplier in (
        reduced(8, signed=signed),
        column_truncated(0, signed=signed),
        broken_array(0, 0, signed=signed),
        drum(8, signed=signed),
    ):
        assert multiplier.is_exact, multiplier.name
    assert np.array_equal(mitchell_truncated(7, signed=signed).table, mitchell(signed=signed).table)


def test_known_bounds() -> None:
    # Mitchell (1962): never above the exact product, at most 1/9 below it.
    m = mitchell()
    nonzero = m.exact > 0
    relative = m.error[nonzero] / m.exact[nonzero]
    assert relative.max() == 0 and relative.min() == pytest.approx(-1 / 9, abs=1e-3)
    # Setting the lowest kept bit makes DRUM nearly unbiased (half a unit per cut operand); dropping bits does not.
    assert 0 < drum(4).errors.mean_error < 127.5 and drum(4).errors.mae > 900
    assert reduced(6).errors.mean_error == -reduced(6).errors.mae
    # Truncation drops (c + 1) 2^c of column c, each product bit being one with chance 1/4.
    assert column_truncated(4).errors.mae == sum((c + 1) * 2**c for c in range(4)) / 4


@pytest.mark.parametrize("bits", [2, 3, 5, 12])
def test_other_widths(bits: int) -> None:
    for signed in (False, True):
        assert exact(bits, signed).is_exact
        assert mitchell(bits=bits, signed=signed).table.shape == (1 << bits, 1 << bits)


def test_names_tell_widths_apart() -> None:
    assert [exact(4).name, exact(8, True).name, mitchell(bits=6).name] == ["exact4u", "exact8s", "mitchell6u"]
    assert [drum(4).name, drum(4, bits=4).name, drum(4, bits=6, signed=True).name] == [
        "drum4u",
        "drum4u_4bit",
        "drum4s_6bit",
    ]
    assert broken_array(2, 6).name == "bam_h2_v6u" and column_truncated(6).name == "trunc6u"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exact(1), "bits must be an integer from 2 to 12, got 1"),
        (lambda: exact(13), "bits must be"),
        (lambda: reduced(0), "reduced: kept_bits must be an integer from 1 to 8, got 0"),
        (lambda: reduced(9), "kept_bits"),
        (lambda: reduced(2.0), "kept_bits"),  # type: ignore[arg-type]
        (lambda: column_truncated(15), "columns must be an integer from 0 to 14"),
        (lambda: column_truncated(-1), "columns"),
        (lambda: broken_array(8, 0), "horizontal must be an integer from 0 to 7"),
        (lambda: broken_array(0, 15), "vertical"),
        (lambda: drum(2), "kept_bits must be an integer from 3 to 8"),
        (lambda: drum(9), "kept_bits"),
        (lambda: drum(True), "kept_bits"),
        (lambda: drum(3, bits=13), "bits must be"),
        (lambda: mitchell(bits=0), "bits must be"),
        (lambda: mitchell_truncated(0), "fraction_bits must be an integer from 1 to 7"),
        (lambda: mitchell_truncated(8), "fraction_bits"),
    ],
)
def test_refuses(make: Callable[[], Multiplier], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("signed", [False, True])
def test_builtin(signed: bool) -> None:
    start = time.perf_counter()
    library = builtin(signed=signed)
    assert time.perf_counter() - start < 3  # 0.03 s on an idle machine
    assert len(library) >= (12 if signed else 20)
    assert library.names[0] == ("exact8s" if signed else "exact8u")
    assert len({m.table_hash for m in library}) == len(library)
    assert (np.diff(library.power_mw) < 0).all()
    assert all(m.area_um2 and m.delay_ns and m.power_mw and "estimated from gate count" in m.origin for m in library)
    assert all(m.name.endswith("s" if signed else "u") and m.x_signed == m.w_signed == signed for m in library)


@needs_evoapprox
def test_published_circuits_compute_our_tables() -> None:
    theirs = load_library(FOLDER, signed=True)
    for name, ours in {
        "1KV8": column_truncated(2, signed=True),
        "1KV9": column_truncated(3, signed=True),
        "1KVA": column_truncated(4, signed=True),
        "1L2J": reduced(7, signed=True),
        "1L2L": reduced(6, signed=True),
        "1L2N": reduced(5, signed=True),
    }.items():
        assert np.array_equal(theirs[f"mul8s_{name}"].table, ours.table), name
    # These drop low bits of their first operand, ours of its second.
    for name, levels in {"1KVP": (1, 3), "1KX5": (2, 5)}.items():
        assert np.array_equal(theirs[f"mul8s_{name}"].table.T, broken_array(*levels, signed=True).table), name
