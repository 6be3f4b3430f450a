"""Cells of the circuits around a small core: leading-one detectors, shifters, sign handling."""

from __future__ import annotations

import numpy as np

from dse.multipliers._gates import Gates, array_gates, cells, parallel, series


def drum_gates(bits: int, kept_bits: int, signed: bool) -> Gates:
    """Count DRUM-k (Hashemi et al., ICCAD 2015): detect, select, multiply, add the shifts, shift back.

    Args:
        bits: Operand width.
        kept_bits: Width `k` of the exact core.
        signed: Wrapped as sign and magnitude.

    Returns:
        The cells and the longest path.
    """
    core = array_gates(np.ones((kept_bits, kept_bits), dtype=bool), signed=False)
    drop = bits - kept_bits
    if drop > 0:
        # The leading one matters only above the lowest k bits; each of the k - 2 middle bits and the leading one is
        # selected from drop + 1 places, the lowest bit is forced to one by an OR.
        detect = leading_one(drop, _clog2(drop + 1))
        select = series(cells("mux", (kept_bits - 1) * drop, _clog2(drop + 1)), cells("or", 1))
        adder = cells("full_adder", _clog2(drop + 1), _clog2(drop + 1))
        steer = parallel(detect, detect)
        core = series(
            steer, parallel(select, select), parallel(core, adder), shifter(2 * kept_bits, 2 * drop, 2 * bits)
        )
    return sign_magnitude(core, bits) if signed else core


def mitchell_gates(bits: int, fraction_bits: int, signed: bool) -> Gates:
    """Count Mitchell's multiplier (IRE Trans. EC 1962): two logarithms, one adder, one antilogarithm.

    Args:
        bits: Operand width.
        fraction_bits: Bits kept of each logarithm's fraction.
        signed: Wrapped as sign and magnitude.

    Returns:
        The cells and the longest path.
    """
    exponent = _clog2(bits)
    # Bringing the leading one to the top takes one stage per exponent bit, at most as wide as what is kept.
    normalise = cells("mux", exponent * fraction_bits, exponent)
    zero = cells("or", bits - 1, exponent)
    logarithm = series(leading_one(bits, exponent), parallel(normalise, zero))
    adder = cells("full_adder", exponent + fraction_bits, exponent + fraction_bits)
    antilog = series(shifter(fraction_bits + 1, 2 * bits - 1, 2 * bits), cells("and", 2 * bits))
    core = series(parallel(logarithm, logarithm), adder, antilog)
    return sign_magnitude(core, bits) if signed else core


def leading_one(bits: int, position_bits: int) -> Gates:
    """Count a leading-one detector (a chain that masks what is below) and the encoder of its position."""
    chain = series(cells("or", bits - 1, _clog2(bits)), cells("and", bits - 1))
    return series(chain, cells("or", position_bits * (bits // 2 - 1), max(_clog2(bits) - 1, 0)))


def shifter(width: int, most: int, limit: int) -> Gates:
    """Count a left shifter of `width` bits by 0..`most`, a stage per binary digit, at most `limit` bits wide.

    A stage needs a multiplexer where the moved and the unmoved word overlap and an AND gate where only one of them is.
    """
    stages: list[Gates] = []
    for stage in range(_clog2(most + 1)):
        wider = min(width + (1 << stage), limit)
        muxes = max(0, width - (1 << stage))
        stages.append(parallel(cells("mux", muxes), cells("and", wider - muxes)))
        width = wider
    return series(*stages)


def sign_magnitude(core: Gates, bits: int) -> Gates:
    """Wrap an unsigned core: conditional negation of both operands and of the product."""
    operand = _negate(bits)
    return series(parallel(operand, operand, cells("xor", 1)), core, _negate(2 * bits))


def _negate(bits: int) -> Gates:
    return series(cells("xor", bits), cells("half_adder", bits - 1, bits - 1))


def _clog2(value: int) -> int:
    return (value - 1).bit_length()
