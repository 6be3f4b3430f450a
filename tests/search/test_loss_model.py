"""The loss model against its two parts written out: an isotonic trend, and kriging of what departs from it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dse.search._guidance import Guidance
from dse.search._loss_model import LossModel
from dse.types import Floats, Population
from tests.small import guidance, toy


def designs(count: int, seed: int = 0) -> Population:
    every = np.random.default_rng(seed).integers(0, 6, (3 * count, 5))
    return np.unique(every, axis=0)[np.random.default_rng(seed).permutation(count)]


def isotonic(x: Floats, y: Floats) -> list[float]:
    """Return the non-decreasing values nearest to y, by the max-min formula over distinct sorted x."""
    n = len(x)
    return [max(min(y[i : j + 1].mean() for j in range(k, n)) for i in range(k + 1)) for k in range(n)]


def brute_force(given: Guidance, known: Population, losses: Floats, asked: Population) -> list[float]:
    order = np.argsort(given.proxy(known))
    known, losses = known[order], losses[order]
    proxies = given.proxy(known)
    levels = isotonic(proxies, losses)
    near = [i for i in range(len(known)) if losses[i] <= max(2 * given.max_loss, losses.min())]

    def similar(a: np.ndarray, b: np.ndarray) -> float:
        costs = [[given.cost[layer, m] + 1e-9 for layer, m in enumerate(design)] for design in (a, b)]
        common = sum(cost for cost, p, q in zip(costs[0], a, b, strict=True) if p == q)
        return math.exp((common / math.sqrt(sum(costs[0]) * sum(costs[1])) - 1) / 0.5)

    kernel = np.array([[similar(known[i], known[j]) + 0.05 * (i == j) for j in near] for i in near])
    weights = np.linalg.inv(kernel) @ [losses[i] - levels[i] for i in near]
    return [
        float(np.interp(given.proxy(design[None])[0], proxies, levels))
        + sum(w * similar(design, known[i]) for w, i in zip(weights, near, strict=True))
        for design in asked
    ]


@pytest.mark.parametrize("max_loss", [0.0, 0.7, 10.0])
def test_is_trend_plus_kriging(max_loss: float) -> None:
    _, _, loss = toy(5, 6)
    given = replace(guidance(toy(5, 6)[0]), max_loss=max_loss)
    known, asked = designs(25), designs(40, seed=1)
    losses = loss(known)
    found = LossModel(given, known, losses[:, None]).predict(asked)[:, 0]
    assert found == pytest.approx(brute_force(given, known, losses, asked))


def test_good_proxy_and_simulated_designs_make_good_predictions() -> None:
    made, _, loss = toy(5, 6)
    known, asked = designs(40), designs(60, seed=1)
    truth = loss(asked)

    def error(cost: Floats) -> float:
        model = LossModel(Guidance(known[:1], cost, 10.0), known, loss(known)[:, None])
        assert np.abs(model.predict(known)[:, 0] - loss(known)).mean() < 0.1 * loss(known).std()
        return float(np.abs(model.predict(asked)[:, 0] - truth).mean())

    spread = float(np.abs(truth - truth.mean()).mean())
    assert error(3 * loss.cost) < 0.25 * spread  # the proxy has no unit
    assert error(guidance(made).cost) < spread  # one that knows nothing is made up for in part


def test_one_design_or_equal_losses() -> None:
    given = guidance(toy(5, 6)[0])
    assert LossModel(given, designs(1), np.array([[3.0]])).predict(designs(4))[:, 0] == pytest.approx([3] * 4)
    assert LossModel(given, designs(9), np.full((9, 1), 2.0)).predict(designs(4))[:, 0] == pytest.approx([2] * 4)
    repeated = np.repeat(designs(2), 3, axis=0)
    assert np.isfinite(LossModel(given, repeated, np.arange(6.0)[:, None]).predict(designs(4))).all()


def test_each_figure_as_if_it_stood_beside_the_loss_alone() -> None:
    _, _, loss = toy(5, 6)
    given = replace(guidance(toy(5, 6)[0]), max_loss=0.7)
    known, asked = designs(25), designs(40, seed=1)
    losses = np.stack([loss(known), loss(known) ** 2], axis=1)
    found = LossModel(given, known, losses).predict(asked)
    assert found.shape == (40, 2)
    assert found[:, 0] == pytest.approx(LossModel(given, known, losses[:, :1]).predict(asked)[:, 0])
    # with no design left out by the bound, the second figure's own model
    both = LossModel(replace(given, max_loss=100.0), known, losses).predict(asked)
    assert both[:, 1] == pytest.approx(LossModel(replace(given, max_loss=100.0), known, losses[:, 1:]).predict(asked)[:, 0])


def test_only_the_latest_designs_are_interpolated_between(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, loss = toy(5, 6)
    given, known = guidance(toy(5, 6)[0]), designs(25)
    monkeypatch.setattr("dse.search._loss_model._MOST_KNOWN", 10)
    model = LossModel(given, known, loss(known)[:, None])
    assert model._known.shape == (30, 10) and len(model._weights) == 10
    residual = np.abs(model.predict(known)[:, 0] - loss(known))
    assert residual[-10:].mean() < 0.3 * residual[:-10].mean()
