"""Chances of ones against a sum over pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.circuits import Netlist, figures, one_probabilities
from dse.exceptions import InputError
from tests.circuits.test_evaluate import BOOLEAN, GATES, netlists, ripple_product


def naive(netlist: Netlist, x_weights: np.ndarray, w_weights: np.ndarray) -> np.ndarray:
    ones = np.zeros(netlist.first_gate + len(netlist))
    for x, w in np.ndindex(len(x_weights), len(w_weights)):
        values = [False, True, *(bool(x >> i & 1) for i in range(netlist.x_bits))]
        values += [bool(w >> i & 1) for i in range(netlist.w_bits)]
        for kind, (a, b) in zip(netlist.kinds, netlist.inputs, strict=True):
            values.append(BOOLEAN[GATES[kind]](values[a], values[b]))
        ones += np.array(values) * x_weights[x] * w_weights[w]
    return ones / (x_weights.sum() * w_weights.sum())


@settings(deadline=None, max_examples=60)
@given(netlists(), st.integers(0, 2**32 - 1))
def test_chances_agree_with_a_sum_over_pairs(netlist: Netlist, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.integers(0, 5, 1 << netlist.x_bits), rng.random(1 << netlist.w_bits)
    x[0] += 1
    np.testing.assert_allclose(one_probabilities(netlist, x, w), naive(netlist, x, w), atol=1e-12)
    np.testing.assert_allclose(one_probabilities(netlist, x), naive(netlist, x, np.ones(len(w))), atol=1e-12)
    np.testing.assert_allclose(one_probabilities(netlist), naive(netlist, np.ones(len(x)), np.ones(len(w))), atol=1e-12)


def test_blocks_of_wide_operands_get_their_own_weights() -> None:
    netlist = ripple_product(10, 8)  # four blocks
    x = np.arange(1 << 10) >= 700
    got = one_probabilities(netlist, x)
    assert got[netlist.x[9]] == pytest.approx(1.0)
    assert got[netlist.x[0]] == pytest.approx(0.5)
    uniform = np.ones(1 << 10)
    np.testing.assert_allclose(one_probabilities(netlist, uniform), one_probabilities(netlist), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(7), r"x_probabilities must be 8 finite numbers >= 0, not all 0, got float64 \(7,\)"),
        (np.ones((2, 4)), r"got float64 \(2, 4\)"),
        (np.zeros(8), "not all 0"),
        (["a"] * 8, "got <U1"),
        ([None] * 8, "got object"),
        ([[1], [1, 2]], "must be 8 finite numbers"),
        (np.ones(8, dtype=complex), "got complex128"),
        (np.ones(8, dtype="m8[s]"), "got timedelta64"),
        (np.ones(8, dtype=[("a", "i4")]), "got \\[\\('a', '<i4'\\)\\]"),
        ([10**400] * 8, "got object"),
        (np.array([1, 1, 1, 1, 1, 1, 1, -1]), ">= 0"),
        (np.array([1, 1, 1, 1, 1, 1, 1, np.nan]), "finite"),
    ],
)
def test_what_is_no_distribution_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        one_probabilities(ripple_product(3, 3), values)


@pytest.mark.parametrize("scale", [1e308, 2e-308, 5e-324])
def test_counts_of_any_size(scale: float) -> None:
    netlist = ripple_product(3, 3)
    np.testing.assert_allclose(one_probabilities(netlist, np.full(8, scale)), one_probabilities(netlist), atol=1e-12)
    assert figures(netlist, w_probabilities=np.full(8, scale)) == figures(netlist)
