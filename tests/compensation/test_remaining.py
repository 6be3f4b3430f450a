"""What corrections leave of the errors, against loops over channels and against simulated layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.compensation import closed_form, remaining_errors
from dse.error_model import predict_errors
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary
from dse.nn.convert import quantized_layers, simulate
from dse.nn.tracing import trace
from tests.compensation.small import images, network
from tests.compensation.test_closed_form import outputs
from tests.small import library


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_remaining_errors_are_those_of_corrected_outputs_pooled_over_channels(format: str) -> None:
    multipliers = library(signed=format == "s8")
    seen = trace(network(format), images(), patches=40, seed=4)
    errors, exact = predict_errors(seen, multipliers), seen.operands.exact
    for method in ("bias", "affine"):
        left = remaining_errors(errors, seen, method)  # type: ignore[arg-type]
        corrections = closed_form(errors, seen, method)  # type: ignore[arg-type]
        assert (left.mean == 0).all() and left.channels == () and left.grade == "direct"
        for l, layer in enumerate(seen.layers):
            target = outputs(layer, exact, exact)
            for m, correction in enumerate(corrections.table[l]):
                y = outputs(layer, seen.operands.table(multipliers[m]), exact)
                if correction is not None:
                    y = y * correction.scale.double().numpy() + correction.offset.double().numpy()
                error = (y - target) / layer.output_std
                assert left.std[l, m] == pytest.approx(error.std(), rel=1e-4, abs=1e-6)
                if method == "affine":
                    assert np.allclose(errors.channels[l].residual[m], error.std(axis=0), rtol=1e-4, atol=1e-6)
    assert (left.std <= errors.std + 1e-9).all() and (left.std[:, 1] < 0.9 * errors.std[:, 1]).any()


def simulated_error(model: nn.Module, name: str, multipliers: MultiplierLibrary, m: int, x: Tensor) -> Tensor:
    """Return the errors of one layer's output, its input being the exact network's."""
    found = []
    hook = quantized_layers(model)[name].register_forward_hook(lambda layer, inputs, y: found.append((layer, inputs[0], y)))
    simulate(model)
    correction = quantized_layers(model)[name].correction
    quantized_layers(model)[name].correction = None
    with torch.no_grad():
        model(x)
    hook.remove()
    layer, given, exact = found[0]
    simulate(model, {name: multipliers[m]})
    layer.correction = correction
    with torch.no_grad():
        return layer(given) - exact


@pytest.mark.parametrize("name", ["plain", "depthwise", "grouped", "linear"])
@pytest.mark.parametrize("method", ["bias", "affine"])
def test_they_are_what_simulation_shows(name: str, method: str) -> None:
    """Receptive fields drawn far more often than there are: only the drawing is left between the two."""
    model, multipliers, x = network(), library(), images(64)
    seen = trace(model, x, patches=30_000)
    errors = predict_errors(seen, multipliers)
    left = remaining_errors(errors, seen, method)  # type: ignore[arg-type]
    corrections = closed_form(errors, seen, method)  # type: ignore[arg-type]
    l = seen.names.index(name)
    for m in (1, 2):
        quantized_layers(model)[name].correction = corrections.table[l][m]
        error = simulated_error(model, name, multipliers, m, x).double() / seen.layers[l].output_std
        assert left.std[l, m] == pytest.approx(float(error.std(correction=0)), rel=0.02, abs=1e-6)
        assert abs(float(error.mean())) < 0.03 * left.std[l, m] + 1e-6


def test_bad_input() -> None:
    seen = trace(network(), images(), patches=10)
    errors = predict_errors(seen, library())
    with pytest.raises(InputError, match="expected predictions of the layers"):
        remaining_errors(replace(errors, layers=("a", "b", "c", "d")), seen, "affine")
    with pytest.raises(InputError, match="expected predictions by channel"):
        remaining_errors(predict_errors(seen, library(), grade="global"), seen, "bias")
