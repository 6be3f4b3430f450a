"""Error figures that papers print, and published circuits with equal tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from dse.circuits import Netlist, product_table
from dse.circuits.families import (
    booth,
    broken_array,
    column_truncated,
    compressed,
    drum,
    minimally_biased,
    mitchell,
    recursive,
    reduced,
    roba,
)
from tests.circuits.models import operand_values
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox


@dataclass(frozen=True)
class Errors:
    """Relative errors of an unsigned multiplier over pairs of nonzero operands."""

    bias: float
    mean: float
    peak: float
    share_wrong: float  # of all pairs
    distance: float  # mean absolute error relative to the largest product


def errors(netlist: Netlist) -> Errors:
    table = product_table(netlist).astype(np.float64)
    values = operand_values(netlist.x_bits, False)[1:]
    exact = np.multiply.outer(values, values).astype(np.float64)
    error = table[1:, 1:] - exact
    relative = error / exact
    return Errors(
        relative.mean(),
        np.abs(relative).mean(),
        np.abs(relative).max(),
        np.count_nonzero(error) / table.size,
        np.abs(error).mean() / exact.max(),
    )


@pytest.mark.parametrize(("bits", "share_wrong", "mean"), [(2, 0.0625, 0.0139), (4, 0.19, 0.0260), (8, 0.46, 0.0325)])
def test_kulkarni(bits: int, share_wrong: float, mean: float) -> None:
    # Table I of the paper, where pairs with a zero count as right.
    got = errors(recursive(bits=bits))
    pairs = (1 - 2.0**-bits) ** 2
    assert got.share_wrong == pytest.approx(share_wrong, abs=0.008)
    assert got.mean * pairs == pytest.approx(mean, abs=0.0001)
    assert got.peak == pytest.approx(2 / 9)


@pytest.mark.parametrize(("columns", "distance", "right"), [(16, 0.5352e-1, 458), (7, 0.7827e-3, 9320)])
def test_momeni(columns: int, distance: float, right: int) -> None:
    # Multipliers 2 and 4 of the paper. Which bits meet in a compressor is drawn there and differs here: the figures are
    # close, not equal.
    got = errors(compressed("momeni2", columns))
    assert got.distance == pytest.approx(distance, rel=0.1)
    assert round((1 - got.share_wrong) * 65536) - 511 == pytest.approx(right, abs=200)  # without pairs with a zero


@pytest.mark.parametrize(
    ("kept", "mean", "peak"), [(3, 11.90, 56.25), (4, 5.89, 26.56), (5, 2.94, 12.86), (6, 1.47, 6.31)]
)
def test_drum(kept: int, mean: float, peak: float) -> None:
    # Table of the paper, in per cent, from random pairs of 16 bits; these are all pairs of 12.
    got = errors(drum(kept, bits=12))
    assert 100 * got.mean == pytest.approx(mean, abs=0.06)
    assert 100 * got.peak == pytest.approx(peak, abs=0.2)


def test_mitchell() -> None:
    got = errors(mitchell())
    assert got.bias == -got.mean == pytest.approx(-0.038, abs=0.001)
    assert got.peak == pytest.approx(1 / 9, abs=1e-6)


def test_roba() -> None:
    assert errors(roba()).peak == pytest.approx(1 / 9)


def test_mbm() -> None:
    # 8 bits: bias 0.05 %, mean 2.69 %; the peak of 7.81 % holds where rounding down to an integer does not add to it.
    got = errors(minimally_biased())
    assert 100 * got.bias == pytest.approx(0.05, abs=0.01)
    assert 100 * got.mean == pytest.approx(2.69, abs=0.03)
    values = operand_values(8, False)[16:]
    exact = np.multiply.outer(values, values)
    assert np.abs(product_table(minimally_biased())[16:, 16:] / exact - 1).max() == pytest.approx(0.0781, abs=0.0005)


def test_approximate_encoders_err_one_way_and_both_ways() -> None:
    # R4ABE1 only loses ones, where a digit is 2 or -2; errors of R4ABE2 go both ways (Liu et al., section 3).
    def row_errors(encoder: str) -> np.ndarray:
        exact, approximate = (
            product_table(booth(encoder=encoder, approximate_columns=p, bits=2, signed=True)) for p in (0, 1)
        )
        return approximate - exact

    # Column 0 of one row: x[0] alone, the digits are -2, -1, 0, 1.
    assert row_errors("abe1")[:, 2].tolist() == [-1, -1, -1, -1]  # digit -2: its inverted 0 is lost
    assert row_errors("abe2")[:, 0].tolist() == [0, 1, 0, 1]  # digit 0 is taken for 1
    assert row_errors("abe2")[:, 2].tolist() == [0, -1, 0, -1]
    for encoder in ("abe1", "abe2"):
        assert not row_errors(encoder)[:, [1, 3]].any()


def test_corrected_truncation_is_nearly_unbiased() -> None:
    values = operand_values(8, False)
    exact = np.multiply.outer(values, values)
    for columns in (4, 6, 8):
        plain, constant, variable = (
            product_table(column_truncated(columns, correction=correction)) - exact
            for correction in ("none", "constant", "variable")
        )
        # The constant is the mean error to the nearest multiple of the lowest kept column (Schulte and Swartzlander).
        assert abs(constant.mean()) <= 2 ** (columns - 1)
        assert abs(variable.mean()) < abs(plain.mean()) / 3 and variable.std() < plain.std()


@needs_evoapprox
def test_published_circuits_compute_our_tables() -> None:
    with np.load(FOLDER / "mul8s.npz") as theirs:
        for name, ours in {
            "1KV8": column_truncated(2, signed=True),
            "1KV9": column_truncated(3, signed=True),
            "1KVA": column_truncated(4, signed=True),
            "1L2J": reduced(7, signed=True),
            "1L2L": reduced(6, signed=True),
            "1L2N": reduced(5, signed=True),
        }.items():
            np.testing.assert_array_equal(theirs[f"mul8s_{name}"], product_table(ours))
        # These drop low bits of their first operand, ours of its second.
        for name, levels in {"1KVP": (1, 3), "1KVQ": (1, 4), "1KX5": (2, 5)}.items():
            table = product_table(broken_array(*levels, signed=True))
            np.testing.assert_array_equal(theirs[f"mul8s_{name}"].T, table)
    with np.load(FOLDER / "mul8u.npz") as theirs:
        np.testing.assert_array_equal(theirs["mul8u_Y48"], product_table(recursive("kulkarni", 1)))
