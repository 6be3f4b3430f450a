"""A multiplier whose operands cover a part of their range, with all their codes."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from dse.circuits.parts import check_integer
from dse.multipliers._multiplier import Multiplier


def clipped(multiplier: Multiplier, x_clip: int = 100, w_clip: int = 100) -> Multiplier:
    """Return what a circuit computes where its operands are clipped at a part of their range and spread over all codes.

    Few activations come near the largest one. Clipping (Banner et al., NeurIPS 2019, choose where for low-bit quantisers)
    trades the error of those few against larger codes of all others, relative to which most circuits err less.

    The table keeps the codes of the unclipped operands, so that choices of a layer compare: with the shares `s = clip / 100`
    it holds `T'[x, w] = round(s_x s_w T[q(x / s_x), q(w / s_w)])`, where `q` rounds to the nearest code, halves away from 0,
    and no further than the largest one on either side. The circuit multiplies the codes `q`; products are rounded likewise.
    Shares count from code 0: where a layer's zero point is 0 (rectified activations; weights of `sm8` and `s8`), clipping is
    another scale of quantisation and folds into the factors of the requantisation. Elsewhere it clips one side alone.

    Args:
        multiplier: The circuit.
        x_clip: Share of the activation's range that is covered, per cent, 1 to 100.
        w_clip: The weight's.

    Returns:
        The multiplier `NAME.x50`, `NAME.w75` or `NAME.x50w75` with the same figures and without the netlist, which computes
        products of other codes; the multiplier itself where both shares are 100 %.

    Raises:
        InputError: A share is no whole number from 1 to 100.
    """
    for key, share in (("x_clip", x_clip), ("w_clip", w_clip)):
        check_integer(f"multiplier '{multiplier.name}'", key, share, 1, 100)
    x_clip, w_clip = int(x_clip), int(w_clip)
    if (x_clip, w_clip) == (100, 100):
        return multiplier
    rows, columns = spread_codes(multiplier.x_values, x_clip), spread_codes(multiplier.w_values, w_clip)
    products = multiplier.table.astype(np.int64)[np.ix_(rows, columns)]
    shares = "".join(f"{key}{share}" for key, share in (("x", x_clip), ("w", w_clip)) if share < 100)
    covered = f"activations over {x_clip} %, weights over {w_clip} % of their range"
    return dataclasses.replace(
        multiplier,
        name=f"{multiplier.name}.{shares}",
        table=_rounded(products * (x_clip * w_clip), 100 * 100).astype(np.int32),
        origin="; ".join(filter(None, (multiplier.origin, covered))),
        netlist=None,
    )


def spread_codes(values: NDArray[np.int64], clip: int) -> NDArray[np.int64]:
    """Return the code that stands for each code where all of them cover a part of the range.

    Args:
        values: The value of each code `(N,)` int64.
        clip: The part, per cent.

    Returns:
        Codes `(N,)` int64.
    """
    if clip == 100:
        return np.arange(len(values))
    most = values.max()  # of two's complement, too: quantisation leaves its one value beyond out
    return np.clip(_rounded(100 * values, clip), -most, most) % len(values)


def _rounded(numerators: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """Divide and round to the nearest integer, halves away from 0."""
    return np.sign(numerators) * ((2 * np.abs(numerators) + denominator) // (2 * denominator))
