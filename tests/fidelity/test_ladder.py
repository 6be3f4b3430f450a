"""Rank correlations against SciPy and naive loops, the half near the front by hand, names of fidelities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from dse.error_model import predict_errors
from dse.exceptions import InputError
from dse.fidelity import (
    Ladder,
    NoiseSimulator,
    RungScores,
    correlation,
    ladder_rows,
    near_front,
    parse_fidelity,
    proxy,
    timed_figures,
    timed_proxy,
)
from dse.nn.tracing import trace
from dse.objectives import Simulator
from dse.operands import operand_format
from dse.robustness import RobustnessProfile
from tests.objectives.test_simulation import everything, part
from tests.small import images, library, network


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 10, 40).astype(float)  # with ties
    b = a + rng.normal(0, 3, 40)
    found = correlation(a, b)
    assert found.designs == 40
    assert found.spearman == pytest.approx(spearmanr(a, b).statistic)
    assert found.kendall == pytest.approx(kendalltau(a, b).statistic)
    assert found.low is not None and found.high is not None and found.spearman is not None
    assert found.low < found.spearman < found.high
    assert correlation(a, b) == found and correlation(a, b, seed=1).low != found.low


def test_the_interval_is_the_bootstraps() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=12)
    b = a + rng.normal(size=12)
    drawn = np.random.default_rng(0).integers(0, 12, (1000, 12))
    by_loop = [spearmanr(a[rows], b[rows]).statistic for rows in drawn]
    found = correlation(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_loop, [0.025, 0.975])))


def test_intervals_cover() -> None:
    rng = np.random.default_rng(2)
    truth = 6 / np.pi * np.arcsin(0.8 / 2)  # Spearman's rho of a bivariate normal of correlation 0.8 (Pearson 1907)
    hits = 0
    for _ in range(60):
        a, noise = rng.normal(size=(2, 60))
        found = correlation(a, 0.8 * a + 0.6 * noise)
        hits += found.low is not None and found.high is not None and found.low <= truth <= found.high
    assert hits >= 50


@pytest.mark.parametrize("values", [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])])
def test_no_correlation_without_variation(values: tuple[list[float], list[float]]) -> None:
    found = correlation(np.array(values[0]), np.array(values[1]))
    assert found.spearman is found.low is found.high is found.kendall is None


def test_failed_designs_are_left_out() -> None:
    a, b = np.array([1, 2, np.nan, 3, 4.0]), np.array([1, 2, 0, 3, np.nan])
    found = correlation(a, b)
    assert found.designs == 3 and found.spearman == 1


def test_near_the_front_by_hand() -> None:
    energy = np.array([0.2, 0.4, 0.4, 0.6, 0.8, 0.9])
    loss = np.array([5.0, 2.0, 4.0, 2.5, np.nan, 2.1])  # excess 0, 0, 2, 0.5, -, 0.1
    assert near_front(energy, loss).tolist() == [True, True, False, False, False, True]


def test_rows() -> None:
    energy = np.linspace(0.1, 1, 10)
    loss, kl = np.linspace(9, 0, 10), np.linspace(9, 0, 10) ** 2
    rungs = [RungScores("proxy a", "proxy", kl, 0.1), RungScores("lut-5", "accuracy", -loss, 3.0)]
    rows = ladder_rows(rungs, {"accuracy_loss_pp": loss, "kl": kl}, energy)
    assert [(r.rung, r.target, r.ms) for r in rows] == [
        ("proxy a", "accuracy_loss_pp", 0.1),
        ("lut-5", "accuracy_loss_pp", 3.0),
        ("proxy a", "kl", 0.1),
        ("lut-5", "kl", 3.0),
    ]
    assert [round(r.every.spearman or 0, 9) for r in rows] == [1, -1, 1, -1]
    assert [(r.every.designs, r.near.designs) for r in rows] == [(10, 5)] * 4
    with pytest.raises(InputError, match="ladder: expected targets and rungs of 10 designs"):
        ladder_rows(rungs, {"kl": kl[:3]}, energy)


# -- rungs ---------------------------------------------------------------------------------------------------------------


def test_every_rung_of_a_small_network() -> None:
    model = network()
    seen = trace(model, images())
    errors = predict_errors(seen, library())
    made = part(model, 80)
    simulator = Simulator(model, made, [None if m.is_exact else operand_format("sm8").table(m) for m in library()])
    ladder = Ladder(simulator, lambda: NoiseSimulator(model, made, seen, errors))
    assert ladder["lut"] is simulator and ladder["lut-20"] is ladder["lut-20"]
    assert [ladder[name].images for name in ("lut-20", "noise", "noise-7", "lut-80")] == [20, 80, 7, 80]
    asked = everything()[:30]
    accuracy, kl = timed_figures("lut", ladder["lut"].evaluate, asked)
    assert accuracy.scores.tolist() == (-simulator.accuracies(asked)).tolist() and accuracy.ms > 0
    rungs = [accuracy, kl, *timed_figures("lut-20", ladder["lut-20"].evaluate, asked)]
    rungs += timed_figures("noise", ladder["noise"].evaluate, asked)
    profile = RobustnessProfile.from_alpha(seen.names, np.array([0.1, 0.2, 0.3]))
    cheap = proxy("proxy", profile, seen, errors)
    rungs.append(timed_proxy("proxy", cheap, asked))
    by_loop = [sum([0.1, 0.2, 0.3][l] * errors.rms[l, m] ** 2 for l, m in enumerate(row)) for row in asked.tolist()]
    assert rungs[-1].scores == pytest.approx(by_loop)
    rows = ladder_rows(rungs, {"kl": kl.scores}, np.linspace(0, 1, 30))
    found = {(r.rung, r.figure): r.every.spearman for r in rows}
    assert found["lut", "kl"] == pytest.approx(1)
    assert (
        (found["lut-20", "kl"] or 0) > 0.9
        and (found["noise", "kl"] or 0) > 0.8
        and (found["proxy", "proxy"] or 0) > 0.4
    )
    with pytest.raises(InputError, match=r"proxy: expected a population \(P, 3\)"):
        cheap(asked[:, :2])
    with pytest.raises(InputError, match="subset: expected 1 to 80 images"):
        ladder["lut-81"]
    with pytest.raises(InputError, match="fidelity 'noise': expected lut or lut-<images>"):
        Ladder(simulator)["noise"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lut", ("lut", None)), ("lut-250", ("lut", 250)), ("noise", ("noise", None)), ("noise-1", ("noise", 1))],
)
def test_names(name: str, expected: tuple[str, int | None]) -> None:
    assert parse_fidelity(name) == expected


@pytest.mark.parametrize("name", ["", "lu", "lut-", "lut-0", "lut-x", "lut-1.5", "lut--3", "test", "noise-02", "lut-²"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="fidelity: expected lut, noise"):
        parse_fidelity(name)
