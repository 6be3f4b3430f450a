"""Figures of designs against naive loops over images, whatever is evaluated together, and what makes a design fail."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dse.objectives._simulation as simulation
from dse.exceptions import InputError
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.datasets import Part
from dse.nn.training import logits
from dse.objectives import EarlyStop, FigureSums, Simulator
from dse.operands import operand_format
from tests.objectives.test_simulation import everything, part
from tests.small import images, library, network


def simulator(count: int = 40) -> Simulator:
    model = network()
    return Simulator(
        model, part(model, count), [None if m.is_exact else operand_format("sm8").table(m) for m in library()]
    )


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(v - top) for v in row]
    return [p / math.fsum(powers) for p in powers]


def naive(said: list[list[float]], exact: list[list[float]], labels: list[int]) -> dict[str, float]:
    """Return the figures by loops over images and classes, with Python's own arithmetic."""
    classes = len(said[0])
    right, top5, kl, only = [], 0, [], {True: 0, False: 0}
    for row, reference, label in zip(said, exact, labels, strict=True):
        order = sorted(range(classes), key=lambda c: (-row[c], c))
        right.append(order[0] == label)
        right_before = max(range(classes), key=lambda c: (reference[c], -c)) == label
        if right_before != right[-1]:
            only[right_before] += 1
        top5 += label in order[:5]
        p, q = softmax(reference), softmax(row)
        kl.append(math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))
    by_class = [[r for r, label in zip(right, labels, strict=True) if label == c] for c in set(labels)]
    figures = {
        "accuracy": sum(right) / len(right),
        "kl": math.fsum(kl) / len(kl),
        "worst_class": min(sum(rs) / len(rs) for rs in by_class),
        "lost": only[True] / len(right),
        "gained": only[False] / len(right),
    }
    return {**figures, "top5": top5 / len(right)} if classes > 5 else figures


def test_figures_are_those_of_a_fresh_network() -> None:
    made = simulator()
    labels = made._part.y.tolist()
    exact = network()
    simulate(exact)
    reference = logits(exact, made._part.x).tolist()
    asked = np.random.default_rng(0).integers(0, 4, (8, 3))
    for row, found in zip(asked, made.evaluate(asked).figures, strict=True):
        fresh = network()
        names = approximable_layers(fresh)
        simulate(fresh, {name: library()[int(m)] for name, m in zip(names, row, strict=True)})
        expected = naive(logits(fresh, made._part.x).tolist(), reference, labels)
        assert found.keys() == expected.keys() == {"accuracy", "kl", "worst_class", "lost", "gained"}  # five classes
        assert all(found[name] == expected[name] for name in found.keys() - {"kl"})
        assert found["kl"] == pytest.approx(expected["kl"], rel=1e-9, abs=1e-12)


def test_the_exact_design_does_not_diverge() -> None:
    made = simulator()
    figures = made.evaluate(np.array([[0, 0, 0], [3, 3, 3]])).figures
    assert figures[0]["kl"] == 0.0 and figures[1]["kl"] > 0.001
    assert figures[0]["lost"] == figures[0]["gained"] == 0.0
    apart = figures[0]["accuracy"] - figures[1]["accuracy"]
    assert figures[1]["lost"] > 0 and figures[1]["lost"] - figures[1]["gained"] == pytest.approx(apart)


@pytest.mark.parametrize("batch", [16, 7])
def test_together_as_one_by_one_bit_for_bit(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(simulation, "_BATCH", batch)
    alone, together, asked = simulator(), simulator(), everything()
    expected = {tuple(row): alone.evaluate(np.array([row])).figures[0] for row in np.ndindex(4, 4, 4)}
    found = together.evaluate(asked)
    assert list(found.figures) == [expected[tuple(row)] for row in asked.tolist()]
    assert list(together.evaluate(asked[::-1]).figures) == list(found.figures)[::-1]
    assert found.reasons == ("",) * len(asked)
    # the divergence tells designs apart that classify alike
    assert len({f["kl"] for f in found.figures}) > 30 > len({f["accuracy"] for f in found.figures}) > 5
    assert json.loads(json.dumps(found.figures)) == list(found.figures)  # plain numbers


def test_figures_of_designs_stopped_early() -> None:
    made, asked = simulator(160), everything()
    full = made.evaluate(asked)
    going = made.evaluate(asked, EarlyStop(np.full(len(asked), -np.inf), every=16))
    for a, b in zip(full.figures, going.figures, strict=True):
        assert (a["accuracy"], a["worst_class"]) == (b["accuracy"], b["worst_class"])
        assert a["kl"] == pytest.approx(b["kl"], rel=1e-12)
    stopped = made.evaluate(asked, EarlyStop(np.full(len(asked), 1.1), every=16))
    assert (stopped.images == 16).all()
    assert [f["accuracy"] for f in stopped.figures] == stopped.accuracy.tolist()


def test_logits_of_many_classes_with_ties_and_labels_out_of_range() -> None:
    rng = np.random.default_rng(0)
    said = rng.integers(0, 4, (60, 8)).astype(np.float32)  # many ties
    exact = rng.normal(size=(60, 8))
    exact = exact - np.log(np.exp(exact).sum(1, keepdims=True))
    labels = rng.integers(0, 8, 60)
    sums = FigureSums(2, 8)
    for start in range(0, 60, 25):
        rows = slice(start, start + 25)
        sums.add(1, torch.from_numpy(said[rows]), labels[rows], exact[rows])
    sums.add(0, torch.zeros(3, 8), np.array([0, 5, 9]), exact[:3])
    flat, found = sums.figures()
    expected = naive(said.tolist(), exact.tolist(), labels.tolist())
    assert found.keys() == expected.keys() and found["top5"] == expected["top5"]
    assert found == pytest.approx(expected)
    assert (flat["accuracy"], flat["top5"], flat["worst_class"]) == (1 / 3, 1 / 3, 0.0)  # all equal: the first classes


def test_extreme_logits_stay_finite() -> None:
    sums = FigureSums(1, 3)
    huge = torch.tensor([[3e38, -3e38, 0.0]])
    sums.add(0, huge, np.array([0]), np.log([[0.2, 0.3, 0.5]]))
    (found,) = sums.figures()
    assert all(map(math.isfinite, found.values())) and found["kl"] > 1e38


class Dividing(nn.Module):
    """Divides by what a layer gives: not finite where that is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.other = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return self.other(x) * y / y


def test_a_design_whose_logits_are_not_finite_fails_with_a_reason() -> None:
    torch.manual_seed(0)
    x = torch.rand(20, 4) + 0.1
    model = quantize(Dividing(), x)
    with torch.no_grad():
        model.layer.bias.zero_()
        model.layer.weight.abs_().add_(0.1)
    made = Simulator(model, Part(x, torch.arange(20) % 3), [None, np.zeros((256, 512), dtype=np.int32)])
    asked = np.array([[1, 0], [0, 0], [0, 1], [1, 0]])
    found = made.evaluate(asked)
    assert found.reasons == (
        "logits are not finite on 20 of 20 images",
        "",
        "",
        "logits are not finite on 20 of 20 images",
    )
    assert found.figures[0] == {} and found.figures[1]["kl"] == 0 and set(found.figures[2]) == set(found.figures[1])
    assert found.accuracy[0] == 0
    alone = [made.evaluate(row[None]) for row in asked]
    assert [a.figures[0] for a in alone] == list(found.figures) and [a.reasons[0] for a in alone] == list(found.reasons)


def test_an_exact_network_whose_logits_are_not_finite_is_refused() -> None:
    model = quantize(nn.Sequential(nn.Linear(4, 3)), torch.rand(5, 4))
    with torch.no_grad():
        model[0].bias.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(InputError, match="finite logits of the exact quantised network"):
        Simulator(model, Part(torch.rand(5, 4), torch.zeros(5, dtype=torch.int64)), [None]).accuracy(np.array([0]))


# -- the first images ----------------------------------------------------------------------------------------------------


def test_the_first_images_give_what_a_simulator_of_them_gives() -> None:
    made, asked = simulator(160), everything()[:20]
    few = made.first(50)
    fresh = Simulator(network(), few._part, [None if m.is_exact else operand_format("sm8").table(m) for m in library()])
    assert few.images == 50 and made.images == 160
    before = made.evaluate(asked).figures
    assert few.evaluate(asked).figures == fresh.evaluate(asked).figures
    assert made.evaluate(asked).figures == before
    assert few._prepared is made._prepared
    assert made.first(160).evaluate(asked).accuracy.tolist() == made.evaluate(asked).accuracy.tolist()


@pytest.mark.parametrize("count", [0, -1, 41])
def test_how_many_first_images_there_are(count: int) -> None:
    with pytest.raises(InputError, match=f"subset: expected 1 to 40 images, the number there are, got {count}"):
        simulator().first(count)


def test_one_image() -> None:
    assert simulator().first(1).evaluate(np.zeros((1, 3), dtype=np.int64)).figures[0]["kl"] == 0
    assert len(images()) == 6
