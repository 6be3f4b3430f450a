"""Methods alone and together on one network: what they do, undo, repeat, refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dse.compensation import Compensator, Folded, closed_form
from dse.error_model import predict_errors
from dse.exceptions import InputError
from dse.nn.convert import fake_quantized, quantized_layers, simulate
from dse.nn.tracing import trace
from dse.types import Assignment
from tests.compensation.small import LAYERS, design, give, images, network
from tests.small import library

ALONE = (["bias"], ["affine"], ["moments"], ["batch-norm"])
COMBINED = (["bias", "moments"], ["affine", "batch-norm"], ["batch-norm", "moments", "affine"], ["moments", "batch-norm"])
combinations = pytest.mark.parametrize("methods", [*ALONE, *COMBINED], ids="+".join)
DESIGN = design(1, 2, 1, 1)


def compensator(model: nn.Module, methods: list[str]) -> Compensator:
    seen = trace(model, images(), patches=60)
    return Compensator(model, methods, images=images(), errors=predict_errors(seen, library()), trace=seen)


def said(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(images(seed=3))


@combinations
def test_a_design_is_changed_and_changed_back(methods: list[str]) -> None:
    model = network()
    made = compensator(model, methods)
    give(model, library(), DESIGN)
    before, state = said(model), {name: t.clone() for name, t in model.state_dict().items()}
    made.apply(DESIGN)
    assert not torch.allclose(said(model), before)
    made.undo()
    assert torch.equal(said(model), before)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], t) for name, t in model.state_dict().items())


@combinations
@pytest.mark.parametrize("chosen", [DESIGN, design(0, 0, 0, 2)], ids=["all", "last"])  # whose first layers are exact
def test_what_came_before_leaves_no_trace(methods: list[str], chosen: Assignment) -> None:
    model = network()
    made = compensator(model, methods)
    give(model, library(), chosen)
    found = made.apply(chosen)
    first = said(model)
    give(model, library(), design(2, 1, 0, 2))
    made.apply(design(2, 1, 0, 2))
    other = said(model)
    assert not torch.equal(other, first)
    give(model, library(), chosen)
    made.apply(chosen)
    assert torch.equal(said(model), first)
    made.undo()
    found.put(model)  # what an earlier call found is as good as finding it again
    assert torch.equal(said(model), first)
    fresh = network()
    again = compensator(fresh, methods)
    give(fresh, library(), chosen)
    again.apply(chosen)
    assert torch.equal(said(fresh), first)


def test_closed_forms_are_folded_in_by_choice() -> None:
    model = network()
    made = compensator(model, ["affine"])
    give(model, library(), design(0, 2, 1, 0))
    made.apply(design(0, 2, 1, 0))
    seen = trace(network(), images(), patches=60)
    expected = closed_form(predict_errors(seen, library()), seen, "affine").of(design(0, 2, 1, 0))
    for name, layer in quantized_layers(model).items():
        if expected[name] is None:
            assert layer.correction is None
        else:
            assert torch.equal(layer.correction.scale, expected[name].scale)
            assert torch.equal(layer.correction.offset, expected[name].offset)


def test_moments_are_those_of_the_exact_network_whatever_the_closed_form() -> None:
    outcomes = []
    for methods in (["moments"], ["affine", "moments"], ["bias", "moments"]):
        model = network()
        made = compensator(model, methods)
        give(model, library(), DESIGN)
        made.apply(DESIGN)
        outcomes.append(said(model))
    assert torch.equal(outcomes[0], outcomes[1]) and torch.equal(outcomes[0], outcomes[2])


@pytest.mark.parametrize("methods", [["affine"], ["moments"], ["affine", "moments"]])
def test_compensation_brings_logits_closer_to_those_of_the_exact_network(methods: list[str]) -> None:
    model = network()
    simulate(model)
    exact = said(model)
    made = compensator(model, methods)
    give(model, library(), DESIGN)
    raw = (said(model) - exact).square().mean()
    made.apply(DESIGN)
    assert (said(model) - exact).square().mean() < 0.9 * raw


def test_the_exact_network_passes_once_and_each_design_once() -> None:
    model = network()
    made = compensator(model, ["affine", "moments", "batch-norm"])
    calls: list[int] = []
    model.plain.register_forward_hook(lambda *_: calls.append(1))
    for count in (2, 3, 4):
        give(model, library(), DESIGN)
        arithmetics = [layer.arithmetic for layer in quantized_layers(model).values()]
        made.apply(DESIGN)
        assert len(calls) == count
        assert arithmetics == [layer.arithmetic for layer in quantized_layers(model).values()]


def test_no_method_changes_nothing() -> None:
    model = network()
    made = Compensator(model, [])
    give(model, library(), DESIGN)
    before = said(model)
    folded: Folded = made.apply(DESIGN)
    assert torch.equal(said(model), before) and set(folded.corrections.values()) == {None}


def test_a_network_without_batch_norm_is_refused_for_batch_norm_only() -> None:
    from tests.small import images as plain_images
    from tests.small import network as plain_network

    with pytest.raises(InputError, match="expected a network with BatchNorm for 'batch-norm'"):
        Compensator(plain_network(), ["batch-norm"], images=plain_images())
    Compensator(plain_network(), ["moments"], images=plain_images())


@pytest.mark.parametrize(
    ("methods", "given", "message"),
    [
        (["momets"], {}, "unknown compensation method 'momets'; did you mean 'moments'"),
        (["bias", "affine"], {}, "expected one of 'bias' and 'affine', got both"),
        (["moments", "moments"], {}, "expected each method once"),
        (["moments"], {}, "expected at least one calibration image for 'moments', got none"),
        (["batch-norm"], {"images": images()[:0]}, "expected at least one calibration image for 'batch-norm', got none"),
        (["affine"], {"images": images()}, "expected errors and trace of the direct model for 'affine', got none"),
    ],
)
def test_bad_input(methods: list[str], given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Compensator(network(), methods, **given)


def test_a_network_that_is_not_quantised_or_not_simulated_is_refused() -> None:
    with pytest.raises(InputError, match="expected a quantised model"):
        Compensator(nn.Linear(2, 2), [])
    model = network()
    made = compensator(model, ["moments"])
    fake_quantized(model)
    with pytest.raises(InputError, match=f"got layer '{LAYERS[0]}' in floating point; call simulate first"):
        made.apply(DESIGN)
