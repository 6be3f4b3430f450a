"""Matching against the rule spelled out in loops; the sweep against a dense scan of tolerance scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.error_model import ErrorTable
from dse.exceptions import InputError
from dse.matching import match, matching_sweep, sensitivity, tolerances
from dse.robustness import RobustnessProfile
from dse.types import Floats

ENERGY = np.array([1.0, 0.8, 0.5, 0.5, 0.2])


def problem(seed: int, n_layers: int = 3) -> tuple[RobustnessProfile, ErrorTable]:
    """Return random errors, the exact multiplier's first, and what the layers bear."""
    rng = np.random.default_rng(seed)
    names = tuple(f"l{i}" for i in range(n_layers))
    mean, std = rng.normal(0, 0.5, (n_layers, 5)), rng.exponential(0.5, (n_layers, 5))
    mean[:, 0] = std[:, 0] = 0
    errors = ErrorTable(names, tuple("abcde"), mean.round(3), std.round(3), "direct")
    return RobustnessProfile(names, rng.uniform(0.05, 0.5, n_layers)), errors


def magnitude(errors: ErrorTable, use_mean: bool) -> Floats:
    return np.sqrt(errors.mean**2 + errors.std**2) if use_mean else errors.std


def brute_force(profile: RobustnessProfile, errors: ErrorTable, energy: Floats, scale: float, use_mean: bool) -> list[int]:
    chosen = []
    for sigma, row in zip(profile.sigma, magnitude(errors, use_mean), strict=True):
        best = int(np.argmin(row))  # always allowed
        for m, error in enumerate(row):
            if error <= scale * sigma and (energy[m], error) < (energy[best], row[best]):
                best = m
        chosen.append(best)
    return chosen


@pytest.mark.parametrize("use_mean", [True, False])
@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 4.0, 1e3])
@pytest.mark.parametrize("seed", range(5))
def test_rule(seed: int, scale: float, use_mean: bool) -> None:
    profile, errors = problem(seed)
    found = match(profile, errors, ENERGY, scale=scale, use_mean=use_mean)
    assert found.dtype == np.int64
    assert found.tolist() == brute_force(profile, errors, ENERGY, scale, use_mean)


def one_layer(errors: list[float], sigma: float) -> tuple[RobustnessProfile, ErrorTable]:
    std = np.array([errors])
    return RobustnessProfile(("l",), np.array([sigma])), ErrorTable(("l",), tuple("abcde"), 0 * std, std, "direct")


@pytest.mark.parametrize(
    ("errors", "sigma", "chosen"),
    [
        ([0, 0.1, 0.3, 0.2, 0.9], 0.5, 3),  # of c and d, equally cheap, the one of smaller error
        ([0, 0.1, 0.2, 0.2, 0.9], 0.5, 2),  # equal in both: the first
        ([0, 0.1, 0.2, 0.3, 0.5], 0.5, 4),  # an error of just what the layer bears is borne
        ([0, 0.1, 0.2, 0.3, 0.9], 0.0, 0),  # nothing is borne: the smallest error
        ([0, 0.0, 0.2, 0.3, 0.9], 0.0, 1),  # ... and of those the cheapest
        ([0.4, 0.3, 0.6, 0.7, 0.9], 0.1, 1),  # nothing is feasible: the smallest error
    ],
)
def test_by_hand(errors: list[float], sigma: float, chosen: int) -> None:
    assert match(*one_layer(errors, sigma), ENERGY).tolist() == [chosen]


def test_mean_counts_only_when_used() -> None:
    profile = RobustnessProfile(("l",), np.array([0.5]))
    errors = ErrorTable(("l",), tuple("ab"), np.array([[0, 0.6]]), np.array([[0, 0.1]]), "direct")
    energy = np.array([1.0, 0.5])
    assert match(profile, errors, energy).tolist() == [0]
    assert match(profile, errors, energy, use_mean=False).tolist() == [1]


def test_parts_that_do_not_belong_together() -> None:
    profile, errors = problem(0)
    with pytest.raises(InputError, match="do not belong to an error table"):
        match(profile, errors, ENERGY[:-1])
    with pytest.raises(InputError, match="do not belong to an error table"):
        match(RobustnessProfile(("x", "y", "z"), profile.sigma), errors, ENERGY)


@pytest.mark.parametrize("use_mean", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_sweep_is_every_match_of_a_dense_scan(seed: int, use_mean: bool) -> None:
    profile, errors = problem(seed)
    sweep = matching_sweep(profile, errors, ENERGY, use_mean=use_mean)
    ratios = np.sort((magnitude(errors, use_mean) / profile.sigma[:, None]).ravel())
    scales = np.concatenate([[0], np.geomspace(1e-3, 1e3, 2000), (ratios[1:] + ratios[:-1]) / 2])
    scan = {tuple(match(profile, errors, ENERGY, scale=s, use_mean=use_mean).tolist()) for s in scales}
    found = [tuple(row) for row in sweep.tolist()]
    assert sweep.dtype == np.int64 and len(set(found)) == len(found)
    assert set(found) == scan


@pytest.mark.parametrize("seed", range(5))
def test_sweep_goes_from_least_error_to_cheapest(seed: int) -> None:
    profile, errors = problem(seed)
    sweep = matching_sweep(profile, errors, ENERGY)
    assert (np.diff(ENERGY[sweep], axis=0) <= 0).all()  # in every layer, hence in sum
    assert sweep[0].tolist() == errors.rms.argmin(axis=1).tolist()
    assert sweep[-1].tolist() == [ENERGY.argmin()] * 3


@pytest.mark.parametrize("seed", range(5))
def test_forbidden_multipliers_are_as_good_as_infinitely_wrong(seed: int) -> None:
    profile, errors = problem(seed)
    allowed = np.random.default_rng(seed).random(errors.std.shape) < 0.6
    allowed[:, 0] = True
    hopeless = replace(errors, mean=np.where(allowed, errors.mean, 1e9))
    for scale in (0.0, 0.5, 1.0, 7.0):
        found = match(profile, errors, ENERGY, scale=scale, allowed=allowed)
        assert allowed[np.arange(3), found].all()
        assert found.tolist() == match(profile, hopeless, ENERGY, scale=scale).tolist()
    sweep = matching_sweep(profile, errors, ENERGY, allowed=allowed)
    assert allowed[np.arange(3), sweep].all()
    assert {match(profile, errors, ENERGY, scale=s, allowed=allowed).tobytes() for s in np.geomspace(0.01, 100, 300)} <= {
        row.tobytes() for row in sweep
    }


@pytest.mark.parametrize("use_mean", [True, False])
def test_tolerances_are_error_over_sigma(use_mean: bool) -> None:
    profile, errors = problem(0)
    found = tolerances(profile, errors, use_mean=use_mean)
    assert found == pytest.approx(magnitude(errors, use_mean) / profile.sigma[:, None])


def test_sweep_with_layers_that_bear_nothing() -> None:
    profile, errors = problem(0)
    silent = RobustnessProfile(profile.layers, np.array([profile.sigma[0], 0.0, 0.0]))
    sweep = matching_sweep(silent, errors, ENERGY)
    assert np.isfinite(sweep).all() and sweep[0].tolist() == [0, 0, 0]
    assert match(silent, errors, ENERGY).tolist() in sweep.tolist()
    bold = (sweep[:, 1:] > 0).any(axis=1)
    assert (sweep[bold, 0] == ENERGY.argmin()).all()  # they move only after the layer that bears something


def test_sensitivity_is_its_formula() -> None:
    profile, errors = problem(0)
    counts = np.array([100, 300, 600])
    cost = sensitivity(profile, counts, errors)
    for l in range(3):
        for m in range(5):
            error = errors.mean[l, m] ** 2 + errors.std[l, m] ** 2
            assert cost[l, m] == pytest.approx(counts[l] / 1000 / profile.sigma[l] * error)
    silent = RobustnessProfile(profile.layers, np.zeros(3))
    assert np.isfinite(sensitivity(silent, counts, errors)).all()
