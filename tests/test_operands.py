"""Operand formats against their definition: one pair of codes at a time."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, generate
from dse.operands import FORMATS, OperandFormat, operand_format


def multiplier(*, signed: bool = False, x_bits: int = 8, w_bits: int = 8, seed: int = 0) -> Multiplier:
    """Return a multiplier that gets everything wrong, zero operands and their order included."""
    low, high = (-16000, 16000) if signed else (0, 65000)
    table = np.random.default_rng(seed).integers(low, high, (2**x_bits, 2**w_bits)) >> (16 - x_bits - w_bits)
    return Multiplier("random", table, x_bits=x_bits, w_bits=w_bits, x_signed=signed, w_signed=signed)


def value(code: int, bits: int, signed: bool) -> int:
    return code - (1 << bits) if signed and code >> (bits - 1) else code


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@pytest.mark.parametrize(
    ("name", "x_signed", "w_bits", "w_signed"),
    [("sm8", False, 9, True), ("u8", False, 8, False), ("s8", True, 8, True)],
)
def test_code_values_and_exact_table(name: str, x_signed: bool, w_bits: int, w_signed: bool) -> None:
    operands = FORMATS[name]
    assert operands.name == name
    assert operands.x_values.tolist() == [value(code, 8, x_signed) for code in range(256)]
    assert operands.w_values.tolist() == [value(code, w_bits, w_signed) for code in range(2**w_bits)]
    assert operands.exact.dtype == np.int32 and operands.exact.shape == (256, 2**w_bits)
    for x_code, x in enumerate(operands.x_values.tolist()):
        for w_code, w in enumerate(operands.w_values.tolist()):
            if w >= operands.w_low:
                assert operands.exact[x_code, w_code] == x * w


@pytest.mark.parametrize("operands", FORMATS.values(), ids=FORMATS)
def test_quantised_range_is_coded(operands: OperandFormat) -> None:
    assert set(range(operands.x_low, operands.x_high + 1)) <= set(operands.x_values.tolist())
    assert set(range(operands.w_low, operands.w_high + 1)) <= set(operands.w_values.tolist())
    assert operands.x_affine or operands.x_low == -operands.x_high
    assert operands.w_affine or operands.w_low == -operands.w_high


@pytest.mark.parametrize(("name", "signed"), [("sm8", False), ("u8", False), ("s8", False), ("s8", True)])
def test_exact_multiplier_gives_the_exact_table(name: str, signed: bool) -> None:
    operands = FORMATS[name]
    reached = operands.w_values >= operands.w_low
    table = operands.table(generate("exact8s" if signed else "exact8u"))
    assert table.dtype == np.int32
    assert np.array_equal(table[:, reached], operands.exact[:, reached])


def test_u8_is_the_multiplier_itself() -> None:
    circuit = multiplier()
    assert np.array_equal(FORMATS["u8"].table(circuit), circuit.table)


def test_s8_is_a_signed_multiplier_itself() -> None:
    circuit = multiplier(signed=True)
    assert np.array_equal(FORMATS["s8"].table(circuit), circuit.table)


def test_sm8_multiplies_magnitudes_and_applies_the_sign_outside() -> None:
    circuit = multiplier()
    table = FORMATS["sm8"].table(circuit)
    assert table.shape == (256, 512) and table.dtype == np.int32 and table.flags.c_contiguous
    assert (table[0] != 0).any()  # a zero activation passes through the circuit
    for x in range(256):
        for w in range(-255, 256):
            expected = int(circuit.table[x, abs(w)]) * sign(w)  # sign 0 gates the product
            assert table[x, w % 512] == expected


def test_s8_wraps_an_unsigned_multiplier_in_signs_and_magnitudes() -> None:
    circuit = multiplier()
    table = FORMATS["s8"].table(circuit)
    assert table.shape == (256, 256) and table.dtype == np.int32
    for x in range(-127, 128):
        for w in range(-127, 128):
            assert table[x % 256, w % 256] == sign(x) * sign(w) * int(circuit.table[abs(x), abs(w)])


@pytest.mark.parametrize(
    ("name", "faulty", "message"),
    [
        ("sm8", multiplier(signed=True), "'random' is signed, which format 'sm8' cannot use; use an unsigned library"),
        ("u8", multiplier(signed=True), "format 'u8' cannot use; .*quantisation.format = 's8'"),
        ("u8", multiplier(x_bits=7), "'random' is 7 x 8 bits, .*; use 8 x 8"),
        ("sm8", multiplier(w_bits=4), "is 8 x 4 bits"),
        ("s8", multiplier(x_bits=6, w_bits=6, signed=True), "is 6 x 6 bits"),
        ("s8", Multiplier("mixed", np.zeros((256, 256), int), w_signed=True), "'mixed' mixes signed and unsigned"),
    ],
)
def test_refuses_a_multiplier_that_does_not_fit(name: str, faulty: Multiplier, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FORMATS[name].table(faulty)


def test_format_by_name() -> None:
    assert operand_format("u8") is FORMATS["u8"]
    with pytest.raises(InputError, match="unknown operand format 'sm9'; did you mean 'sm8'"):
        operand_format("sm9")
