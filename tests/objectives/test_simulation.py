"""Accuracy by simulation against a network simulated afresh, one design at a time and many together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dse.objectives._simulation as simulation
from dse.exceptions import InputError
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.datasets import Part
from dse.nn.layers import ApproxLayer
from dse.nn.quantizers import QuantizationSettings
from dse.nn.training import accuracy, logits
from dse.objectives import EarlyStop, Simulator
from dse.operands import operand_format
from dse.types import Assignment, Population
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
    monkeypatch.setattr(simulation, "_TABLE_BYTES", cache_bytes)
    model = network(format)
    images = part(model)
    operands = operand_format(format)
    tables = [None if m.is_exact else operands.table(m) for m in library(signed=format == "s8")]
    simulator = Simulator(model, images, tables)
    asked = np.random.default_rng(0).integers(0, 4, (8, 3))
    asked = np.vstack([asked, asked[:2], np.zeros((1, 3), dtype=np.int64)])
    found = []
    for row in asked:
        right = simulator.accuracy(row)
        assert simulator._prepared.nbytes <= cache_bytes or len(simulator._prepared) <= 3
        found.append((right, logits(model, images.x).numpy().tobytes()))
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


def simulator(count: int = 40) -> Simulator:
    model = network()
    images = part(model, count)
    return Simulator(model, images, [None if m.is_exact else operand_format("sm8").table(m) for m in library()])


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_BATCH", 16)


def everything() -> Population:
    """Return all 64 designs, in an order of their own and some of them twice."""
    designs = np.array(list(np.ndindex(4, 4, 4)), dtype=np.int64)
    return np.random.default_rng(1).permutation(np.vstack([designs, designs[::5]]))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("table_bytes", "prefix_bytes"), [(2**30, 2**30), (0, 2**30), (300_000, 3000), (2**30, 0)])
def test_together_as_one_by_one(monkeypatch: pytest.MonkeyPatch, table_bytes: int, prefix_bytes: int) -> None:
    monkeypatch.setattr(simulation, "_TABLE_BYTES", table_bytes)
    monkeypatch.setattr(simulation, "_PREFIX_BYTES", prefix_bytes)
    alone = simulator()
    expected = {tuple(row): alone.accuracy(np.array(row)) for row in np.ndindex(4, 4, 4)}
    assert len(set(expected.values())) > 5
    asked = everything()
    together = simulator()
    found = together.accuracies(asked)
    assert found.dtype == np.float64 and found.tolist() == [expected[tuple(row)] for row in asked.tolist()]
    assert accuracy(together._model, together._part) == found[-1]  # the network is left as the last design has it
    evaluated = together.evaluate(asked)
    assert evaluated.accuracy.tolist() == found.tolist()
    assert evaluated.images.tolist() == [40] * len(asked) and not evaluated.stopped.any()


@pytest.mark.usefixtures("small_batches")
def test_equal_designs_and_equal_first_layers_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = ApproxLayer.forward

    def forward(self: ApproxLayer, x: Tensor) -> Tensor:
        calls.append(self.position)
        return original(self, x)

    made = simulator()
    made.accuracy(np.array([1, 1, 1]))  # sizes are known from now on
    monkeypatch.setattr(ApproxLayer, "forward", forward)
    made.accuracies(np.array([[0, 1, 2], [1, 1, 1], [0, 1, 3], [0, 1, 2], [1, 1, 0], [0, 2, 2]]))
    batches = 3
    assert [calls.count(position) for position in range(3)] == [2 * batches, 3 * batches, 5 * batches]


def test_early_stop() -> None:
    made, asked = simulator(160), everything()
    full = made.accuracies(asked)
    never = made.evaluate(asked, EarlyStop(np.full(len(asked), -np.inf), every=16))
    assert never.accuracy.tolist() == full.tolist() and never.images.tolist() == [160] * len(asked)
    good = made.evaluate(asked, EarlyStop(full, confidence=0.9, every=16))  # no design is below a floor that it reaches
    assert good.stopped.sum() <= 2
    assert good.accuracy[~good.stopped].tolist() == full[~good.stopped].tolist()
    best = made.evaluate(asked, EarlyStop(np.full(len(asked), full.max()), every=16))
    assert best.stopped[full < 0.5].all() and not best.stopped[full == full.max()].any()
    assert (best.images[full < 0.3] == 16).all()  # hopeless from the first batch on
    assert set(best.images.tolist()) <= set(range(16, 161, 16))
    right = best.accuracy * best.images
    assert right == pytest.approx(np.round(right)) and (np.abs(best.accuracy - full) < 0.3).all()
    again = made.evaluate(asked, EarlyStop(np.full(len(asked), full.max()), every=16))
    assert again.accuracy.tolist() == best.accuracy.tolist()  # the same seed, the same images
    beyond = made.evaluate(asked, EarlyStop(np.full(len(asked), 1.1), every=16))
    assert (beyond.images == 16).all()


def test_equal_designs_go_on_for_the_lowest_of_their_floors() -> None:
    made = simulator()
    asked, floors = np.array([[3, 3, 3], [3, 3, 3], [3, 3, 2]]), np.array([1.1, -np.inf, 1.1])
    evaluated = made.evaluate(asked, EarlyStop(floors, every=16))
    assert evaluated.images.tolist() == [40, 40, 16] and evaluated.stopped.tolist() == [False, False, True]


def test_no_designs() -> None:
    evaluated = simulator().evaluate(np.zeros((0, 3), dtype=np.int64), EarlyStop(np.zeros(0)))
    assert evaluated.accuracy.shape == evaluated.images.shape == evaluated.stopped.shape == (0,)
    assert evaluated.accuracy.dtype == np.float64 and evaluated.images.dtype == np.int64


@pytest.mark.parametrize(
    ("population", "floors", "message"),
    [
        (np.zeros((2, 4), dtype=np.int64), None, r"population: expected \(P, 3\) int64, got shape \(2, 4\)"),
        (np.zeros(3, dtype=np.int64), None, r"population: expected \(P, 3\)"),
        (np.zeros((1, 3)), None, r"population: expected \(P, 3\) int64, got float64"),
        (np.array([[0, 1, 4]]), None, r"population: expected choices in 0..3, got 0..4"),
        (np.array([[0, 1, -1]]), None, r"population: expected choices in 0..3, got -1..1"),
        (np.array([[0, 1, 1]]), np.zeros(2), r"floors: expected one for each of 1 designs, got \(2,\)"),
    ],
)
def test_what_is_no_population(population: Population, floors: np.ndarray | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulator().evaluate(population, None if floors is None else EarlyStop(floors))


def test_no_images() -> None:
    model = network()
    nothing = Part(images()[:0], torch.zeros(0, dtype=torch.int64))
    with pytest.raises(InputError, match="part: expected at least one image"):
        Simulator(model, nothing, [None]).accuracy(np.zeros(3, dtype=np.int64))
