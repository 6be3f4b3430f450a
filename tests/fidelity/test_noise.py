"""Injected errors: their moments, that they depend on the design alone, and that they rank as simulation does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dse.error_model import ErrorTable, predict_errors
from dse.exceptions import InputError
from dse.fidelity import NoiseSimulator
from dse.fidelity._noise import PredictedError
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers
from dse.nn.datasets import Part
from dse.nn.tracing import Trace, trace
from dse.nn.training import logits
from tests.objectives.test_simulation import everything
from tests.small import library, network


def problem(count: int = 40) -> tuple[Any, Part, Trace, ErrorTable]:
    model = network()
    x = torch.randn(count, 2, 5, 5, generator=torch.Generator().manual_seed(3))
    seen = trace(model, x)
    part = Part(x, logits(model, x).argmax(1))
    return model, part, seen, predict_errors(seen, library())


def injected(noisy: NoiseSimulator, row: list[int], x: Tensor) -> dict[str, Tensor]:
    """Return what each layer's output has beside the exact product, by layer."""
    noisy.evaluate(np.array([row]))
    found = {}
    for name, layer in approximable_layers(noisy._model).items():
        given: list[Tensor] = []
        handle = layer.register_forward_pre_hook(lambda _m, args, store=given: store.append(args[0]))
        with torch.no_grad():
            noisy._model(x)
            handle.remove()
            found[name] = layer.arithmetic(layer, given[0]) - FloatArithmetic()(layer, given[0])
    return found


@pytest.mark.parametrize("by_channel", [True, False])
def test_moments_are_those_of_the_table(by_channel: bool) -> None:
    model, part, seen, errors = problem(3000)
    if not by_channel:
        errors = replace(errors, channels=())
    noisy = NoiseSimulator(model, part, seen, errors)
    for l, error in enumerate(injected(noisy, [1, 2, 3], part.x).values()):
        multiplier, scale = l + 1, seen.layers[l].output_std
        assert float(error.mean()) == pytest.approx(scale * errors.mean[l, multiplier], abs=0.02 * scale)
        assert float(error.std()) == pytest.approx(scale * errors.std[l, multiplier], rel=0.03, abs=1e-6)
        channels = error.movedim(1, -1).reshape(-1, error.shape[1]).mean(0).numpy() / scale
        expected = errors.channels[l].mean[multiplier] if by_channel else errors.mean[l, multiplier]
        assert channels == pytest.approx(expected * np.ones(len(channels)), abs=0.05)


def test_outputs_beyond_the_draws_use_them_again() -> None:
    layer = next(iter(approximable_layers(network()).values()))
    x = torch.randn(10, 2, 5, 5)
    eps = torch.arange(7.0)
    with torch.no_grad():
        found = PredictedError(torch.zeros(4), 1.0, eps)(layer, x) - FloatArithmetic()(layer, x)
    assert found.flatten().tolist() == pytest.approx([i % 7 for i in range(found.numel())], abs=1e-4)


def test_a_figure_depends_on_the_design_alone() -> None:
    model, part, seen, errors = problem()
    asked = everything()
    state = torch.get_rng_state()
    together = NoiseSimulator(model, part, seen, errors, seed=1).evaluate(asked)
    alone = NoiseSimulator(model, part, seen, errors, seed=1)
    expected = {tuple(row): alone.evaluate(np.array([row])).figures[0] for row in np.ndindex(4, 4, 4)}
    assert list(together.figures) == [expected[tuple(row)] for row in asked.tolist()]
    assert torch.equal(state, torch.get_rng_state())
    assert expected[0, 0, 0]["kl"] == 0
    other = NoiseSimulator(model, part, seen, errors, seed=2).evaluate(asked)
    assert [f["kl"] for f in other.figures] != [f["kl"] for f in together.figures]


def test_the_network_is_left_as_it_was() -> None:
    model, part, seen, errors = problem()
    before = [layer.arithmetic for layer in approximable_layers(model).values()]
    said = logits(model, part.x)
    NoiseSimulator(model, part, seen, errors).evaluate(everything())
    assert [layer.arithmetic for layer in approximable_layers(model).values()] == before
    assert torch.equal(logits(model, part.x), said)


def test_first_images() -> None:
    model, part, seen, errors = problem()
    noisy = NoiseSimulator(model, part, seen, errors)
    assert noisy.first(8).images == 8 and noisy.first(8).evaluate(everything()[:4]).total == 8


def test_parts_that_do_not_belong_together() -> None:
    model, part, seen, errors = problem()
    with pytest.raises(InputError, match="noise: expected trace and errors of layers"):
        NoiseSimulator(model, part, seen, replace(errors, layers=("a", "b", "c")))
