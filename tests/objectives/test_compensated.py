"""Figures of compensated designs, together and against each design compensated by hand."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

import dse.objectives._simulation as simulation
from dse.compensation import Compensation, output_moments
from dse.error_model import predict_errors
from dse.evaluator import EvaluatorFactory, Job
from dse.nn.convert import simulate
from dse.nn.datasets import Part
from dse.nn.tracing import Trace, trace
from dse.nn.training import accuracy, logits
from dse.objectives import Simulator
from dse.variants import plain_tables
from tests.compensation.small import give, images, network
from tests.small import library

DESIGNS = np.array(
    [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 1, 0], [0, 2, 1, 1], [1, 1, 1, 1], [1, 1, 1, 2], [2, 0, 0, 1], [2, 2, 2, 2]]
)


def made(methods: Sequence[str]) -> tuple[nn.Module, Part, Trace, Compensation]:
    model = network()
    x = images(40, seed=9)
    simulate(model)
    part = Part(x, logits(model, x).argmax(1))
    seen = trace(model, images(), patches=40)
    errors = predict_errors(seen, library())
    return model, part, seen, Compensation(tuple(methods), images(24, seed=5), errors, seen)


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize(
    "methods", [["bias"], ["affine"], ["moments"], ["batch-norm"], ["affine", "batch-norm"], ["moments", "batch-norm"]]
)
def test_designs_together_are_what_each_is_alone(
    monkeypatch: pytest.MonkeyPatch, methods: list[str], resumed: bool
) -> None:
    if not resumed:
        monkeypatch.setattr(simulation, "resumed_pass", lambda *_: None)  # the memo of prefixes instead
    model, part, seen, compensation = made(methods)
    alone = []
    for design in DESIGNS:
        network = copy.deepcopy(model)
        give(network, library(), design)
        if design.any():
            compensation.of(network).apply(design)
        alone.append((accuracy(network, part), logits(network, part.x)))
    tables = plain_tables(library(), seen.operands)
    scorer = Simulator(model, part, tables, compensator=compensation.of(model))
    found = scorer.evaluate(DESIGNS)
    assert found.accuracy.tolist() == [right for right, _ in alone]
    exact = torch.log_softmax(alone[0][1].double(), 1)
    for figures, (_, said) in zip(found.figures, alone, strict=True):
        kl = (exact.exp() * (exact - torch.log_softmax(said.double(), 1))).sum(1).mean()
        assert figures["kl"] == pytest.approx(float(kl), rel=1e-6, abs=1e-12)
    backwards = scorer.evaluate(DESIGNS[::-1].copy())  # from what is kept
    assert backwards.figures[::-1] == found.figures
    raw = Simulator(copy.deepcopy(made(methods)[0]), part, tables).evaluate(DESIGNS)
    assert raw.figures[0] == found.figures[0]  # the exact network is never compensated
    assert all(a["kl"] != b["kl"] for a, b in zip(raw.figures[3:], found.figures[3:], strict=True))


def test_the_threads_do_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        model, part, seen, compensation = made(["moments", "batch-norm"])
        scorer = Simulator(model, part, plain_tables(library(), seen.operands), compensator=compensation.of(model))
        figures.append(scorer.evaluate(DESIGNS).figures)
    torch.set_num_threads(before)
    assert figures[0] == figures[1]


def test_an_evaluator_compensates_on_both_parts_and_draws_noise_for_the_network_as_it_was() -> None:
    model, part, seen, compensation = made(["affine"])
    tables = plain_tables(library(), seen.operands)
    plain = EvaluatorFactory(model, part, part, tables, seen, compensation.errors)
    factory = EvaluatorFactory(model, part, part, tables, seen, compensation.errors, compensation=compensation)
    evaluate = factory()
    noise_first = factory()(Job(DESIGNS, "noise-32"))
    lut, test = (evaluate(Job(DESIGNS, fidelity)) for fidelity in ("lut", "test"))
    assert lut == test != plain()(Job(DESIGNS, "lut"))
    assert evaluate(Job(DESIGNS, "noise-32")) == noise_first != plain()(Job(DESIGNS, "noise-32"))
    for design, figures in zip(DESIGNS, lut, strict=True):
        assert accuracy(factory.network(design), part) == figures["accuracy"]
    assert factory.hash("") not in (plain.hash(""), EvaluatorFactory(
        model, part, part, tables, seen, compensation.errors, compensation=made(["bias"])[3]
    ).hash(""))


def test_a_network_given_out_is_compensated_and_the_factory_unchanged() -> None:
    model, part, seen, compensation = made(["moments"])
    tables = plain_tables(library(), seen.operands)
    factory = EvaluatorFactory(model, part, part, tables, seen, compensation.errors, compensation=compensation)
    before = copy.deepcopy(model.state_dict())
    found = output_moments(factory.network(DESIGNS[4]), compensation.images)
    assert model.state_dict().keys() == before.keys()
    assert set(factory.given(DESIGNS[3])) == {"depthwise", "grouped", "linear"} and len(found) == 4
