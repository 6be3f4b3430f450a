"""Accuracy by simulation against a network simulated afresh, and the memory of the accuracy loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import dse.objectives._simulation as simulation
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.datasets import Part
from dse.nn.quantizers import QuantizationSettings
from dse.nn.training import accuracy, logits
from dse.objectives import AccuracyLoss, Simulator
from dse.operands import operand_format
from dse.types import Assignment, Objective
from tests.small import images, library, network


def part(model: nn.Module, count: int = 40) -> Part:
    """Return images labelled as the exact quantised network classifies most of them."""
    x = torch.cat([images(), torch.randn(count - 6, 2, 5, 5, generator=torch.Generator().manual_seed(3))])
    simulate(model)
    labels = logits(model, x).argmax(1)
    labels[::7] = (labels[::7] + 1) % 5
    return Part(x, labels)


def fresh(format: str, images: Part, assignment: Assignment) -> tuple[float, bytes]:
    """Return accuracy and logits of a network quantised and simulated for this assignment alone."""
    model = network(format)
    multipliers = library(signed=format == "s8")
    operands = operand_format(format)
    names = approximable_layers(model)
    simulate(model, {name: operands.table(multipliers[int(m)]) for name, m in zip(names, assignment, strict=True)})
    return accuracy(model, images), logits(model, images.x).numpy().tobytes()


@pytest.mark.parametrize("cache_bytes", [2**30, 0, 200_000])
@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_accuracy_is_that_of_a_fresh_simulation(monkeypatch: pytest.MonkeyPatch, format: str, cache_bytes: int) -> None:
    monkeypatch.setattr(simulation, "_CACHE_BYTES", cache_bytes)
    model = network(format)
    images = part(model)
    operands = operand_format(format)
    tables = [None if m.is_exact else operands.table(m) for m in library(signed=format == "s8")]
    simulator = Simulator(model, images, tables)
    asked = np.random.default_rng(0).integers(0, 4, (8, 3))
    asked = np.vstack([asked, asked[:2], np.zeros((1, 3), dtype=np.int64)])
    found = [(simulator.accuracy(row), logits(model, images.x).numpy().tobytes()) for row in asked]
    held = sum(arithmetic.nbytes for arithmetic in simulator._prepared.values())
    assert held <= cache_bytes or len(simulator._prepared) <= 3
    assert found == [fresh(format, images, row) for row in asked]
    assert len(set(found)) >= 6  # of 8 designs, two of which give the last layer the zero multiplier


def test_layers_that_stay_exact_and_simulators_that_share_a_network() -> None:
    x = images()
    net = nn.Sequential(nn.Flatten(), nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 5))
    model = quantize(net, x, QuantizationSettings(), exclude=["3"])
    tables = [None, np.zeros((256, 512), dtype=np.int32)]
    first, second = part(model), Part(x, torch.zeros(6, dtype=torch.int64))
    one, two = Simulator(model, first, tables), Simulator(model, second, tables)
    exact, zero = np.array([0]), np.array([1])
    before = one.accuracy(exact), two.accuracy(zero)
    assert (one.accuracy(exact), two.accuracy(zero)) == before  # each sets the multipliers it needs
    simulate(model, {"1": tables[1]})  # type: ignore[dict-item]
    assert accuracy(model, second) == before[1]
    with pytest.raises(ValueError):
        one.accuracy(np.array([0, 0]))


def test_loss_in_points_with_a_memory() -> None:
    asked: list[tuple[int, ...]] = []

    def accuracy_of(assignment: Assignment) -> float:
        asked.append(tuple(assignment.tolist()))
        return 0.9 - 0.1 * float(assignment.sum())

    loss = AccuracyLoss(accuracy_of, exact_accuracy=0.85)
    assert isinstance(loss, Objective) and (loss.name, loss.unit) == ("accuracy_loss_pp", "pp")
    population = np.array([[0, 1], [1, 0], [0, 1], [0, 0]])
    assert loss(population) == pytest.approx([5, 5, 5, -5])  # the last is better than the exact network
    assert asked == [(0, 1), (1, 0), (0, 0)]
    assert loss.accuracies(population[::-1]) == pytest.approx([0.9, 0.8, 0.8, 0.8])
    assert loss(np.asfortranarray(population)) == pytest.approx([5, 5, 5, -5]) and len(asked) == 3
    assert loss(population[:0]).shape == (0,)
