"""Injected noise: its mean and std against what was predicted, its gradients, and who gets none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dse.error_model import ErrorTable, predict_errors
from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.models import seeded
from dse.nn.tracing import trace
from dse.retrain import InjectedError, OutputError, inject, predicted_errors
from tests import small


def test_noise_has_the_predicted_mean_by_channel_and_std() -> None:
    model, x = small.network(), small.images(2000)
    fake_quantized(model)
    layer = approximable_layers(model)["grouped"]
    mean = np.array([0.5, -0.2, 0.0, 0.1])
    with seeded(0), torch.no_grad():
        exact = FloatArithmetic()(layer, x)
        error = (InjectedError(OutputError(mean, 0.3))(layer, x) - exact) / exact.std(correction=0)
    assert np.allclose(error.mean((0, 2, 3)).numpy(), mean, atol=0.01)
    assert np.allclose(error.std((0, 2, 3)).numpy(), 0.3, atol=0.01)


def test_noise_grows_with_the_output_and_lets_gradients_through() -> None:
    model, x = small.network(), small.images(50)
    layer = approximable_layers(model)["linear"]
    arithmetic, values = InjectedError(OutputError(np.zeros(1), 0.5)), torch.rand(50, 12)
    with seeded(0), torch.no_grad():
        before = arithmetic(layer, values) - FloatArithmetic()(layer, values)
    with torch.no_grad():
        layer.weight.mul_(4)
    with seeded(0), torch.no_grad():
        after = arithmetic(layer, values) - FloatArithmetic()(layer, values)
    torch.testing.assert_close(after, 4 * before)
    inject(model, {"linear": OutputError(np.zeros(1), 0.5)})
    with seeded(0):
        model(x).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_what_is_predicted_comes_to_the_layers_it_was_predicted_for() -> None:
    model, library = small.network(), small.library()
    errors = predict_errors(trace(model, small.images()), library)
    assignment = np.array([1, 0, 2])
    found = predicted_errors(errors, assignment)
    assert tuple(found) == errors.layers == ("grouped", "strided", "linear")
    for position, (name, choice) in enumerate(zip(found, assignment, strict=True)):
        mean = errors.channels[position].mean[choice]
        assert np.array_equal(found[name].mean, mean)
        assert np.hypot(found[name].std, mean.std()) == pytest.approx(errors.std[position, choice])
    inject(model, found)
    kinds = {name: type(layer.arithmetic) for name, layer in approximable_layers(model).items()}
    assert kinds == {"grouped": InjectedError, "strided": FloatArithmetic, "linear": InjectedError}


def test_without_channels_all_have_the_layers_mean() -> None:
    table = ErrorTable(("a",), ("m", "n"), np.array([[0.0, 0.2]]), np.array([[0.0, 0.1]]), "global")
    found = predicted_errors(table, np.array([1]))["a"]
    assert np.array_equal(found.mean, [0.2]) and found.std == 0.1


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(InputError, match="unknown approximable layer 'linea'; did you mean 'linear'"):
        inject(small.network(), {"linea": OutputError(np.zeros(1), 0.1)})
