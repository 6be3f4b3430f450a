"""Moments and BatchNorm statistics, against what numpy makes of one layer's input after the other."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.compensation import SCALE_RANGE, Correction, calibrate, output_moments
from dse.exceptions import InputError
from dse.nn.convert import quantize, quantized_layers, simulate
from dse.nn.layers import ApproxLayer
from tests.compensation.small import LAYERS, design, give, images, network
from tests.small import library


def raw(layer: ApproxLayer, x: Tensor) -> Tensor:
    with torch.no_grad():
        return layer.arithmetic(layer, x)


def channels(y: Tensor, dim: int) -> np.ndarray:
    """Return `(C, values)` float64."""
    return np.moveaxis(y.numpy().astype(np.float64), dim, 0).reshape(y.shape[dim], -1)


def exact_network() -> nn.Module:
    model = network()
    simulate(model)
    return model


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_moments_are_those_of_each_channel_before_bias_and_correction(format: str) -> None:
    model, x = network(format), images()
    simulate(model)
    model.plain.correction = Correction(torch.full((4,), 2.0), torch.ones(4))
    found = output_moments(model, x)
    assert tuple(found) == LAYERS
    with torch.no_grad():
        for name, module in model.named_children():
            if name in found:
                y = channels(raw(module, x), -1 if name == "linear" else 1)
                assert np.allclose(found[name].mean, y.mean(1), rtol=1e-9, atol=1e-9)
                assert np.allclose(found[name].std, y.std(1), rtol=1e-9, atol=1e-9)
            x = module(x)


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
@pytest.mark.parametrize("choices", [(1, 1, 1, 1), (2, 1, 0, 2)])
def test_after_matching_all_moments_are_those_of_the_exact_network(format: str, choices: tuple[int, ...]) -> None:
    model, multipliers, x = network(format), library(signed=format == "s8"), images()
    simulate(model)
    targets = output_moments(model, x)
    give(model, multipliers, design(*choices))
    before = output_moments(model, x)
    calibrate(model, x, targets=targets)
    with torch.no_grad():
        for name, module in model.named_children():
            if name in targets:
                y = raw(module, x)
                scale, offset = (v.view(-1, *[1] * module.trailing_dims) for v in vars(module.correction).values())
                y = channels(scale * y + offset, -1 if name == "linear" else 1)
                tolerance = 1e-4 * targets[name].std.max().item()
                assert np.allclose(y.mean(1), targets[name].mean, rtol=0, atol=tolerance)
                assert np.allclose(y.std(1), targets[name].std, rtol=0, atol=tolerance)
                if choices[0] == 1:
                    assert not np.allclose(before[name].std, targets[name].std, rtol=0, atol=10 * tolerance)
            x = module(x)


def test_what_comes_before_the_first_table_stays_as_it_is() -> None:
    model, x = exact_network(), images()
    targets, before = output_moments(model, x), copy.deepcopy(model.state_dict())
    calibrate(model, x, targets=targets, batch_norm=True)
    assert model.state_dict().keys() == before.keys()  # no correction
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    give(model, library(), design(0, 0, 1, 0))
    calibrate(model, x, targets=targets, batch_norm=True)
    corrected = [layer.correction is not None for layer in quantized_layers(model).values()]
    assert corrected == [False, False, True, True]
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    third = [name for name, _ in model.named_modules()].index(LAYERS[2])
    for name in norms:
        unchanged = torch.equal(model.state_dict()[f"{name}.running_mean"], before[f"{name}.running_mean"])
        assert unchanged == ([n for n, _ in model.named_modules()].index(name) < third)


def test_a_layer_depends_on_no_later_choice() -> None:
    model, x = exact_network(), images()
    targets = output_moments(model, x)
    found = []
    for later in ((1, 1), (0, 2)):
        give(model, library(), design(1, 2, *later))
        calibrate(model, x, targets=targets, batch_norm=True)
        found.append(copy.deepcopy(model))
    for name in LAYERS[:2]:
        one, other = (vars(quantized_layers(each)[name].correction).values() for each in found)
        assert all(map(torch.equal, one, other))
    assert torch.equal(found[0].bn2.running_var, found[1].bn2.running_var)
    assert not torch.equal(found[0].grouped.correction.scale, found[1].grouped.correction.scale)


def test_scales_are_limited_and_constant_channels_keep_theirs() -> None:
    model, x = exact_network(), images()
    targets = output_moments(model, x)
    targets["plain"].std[:] = torch.tensor([1e3, 1e-3, 1.0, 1.0]) * targets["plain"].std
    give(model, library(), design(1, 3, 0, 0))  # 3: a multiplier that is always 0
    calibrate(model, x, targets=targets)
    scale = model.plain.correction.scale
    assert scale[:2].tolist() == [SCALE_RANGE[1], SCALE_RANGE[0]] and torch.allclose(scale[2:], torch.ones(2), rtol=0.3)
    assert (model.depthwise.correction.scale == 1).all()
    assert torch.allclose(model.depthwise.correction.offset.double(), targets["depthwise"].mean, rtol=1e-5)


def test_a_layer_called_twice_is_matched_at_its_first_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(F.relu(self.inner(x)))

    torch.manual_seed(0)
    x = torch.randn(50, 6)
    model = quantize(Twice(), x)
    simulate(model)
    targets = output_moments(model, x)
    first = channels(raw(model.inner, x), 1)
    assert np.allclose(targets["inner"].mean, first.mean(1))
    simulate(model, {"inner": library()[1]})
    calibrate(model, x, targets=targets)
    y = channels(model.inner(x).detach() - model.inner.bias.detach(), 1)
    assert np.allclose(y.mean(1), first.mean(1), atol=1e-5) and np.allclose(y.std(1), first.std(1), atol=1e-5)


@pytest.mark.parametrize("choices", [(1, 0, 0, 0), (1, 2, 0, 1)])
def test_batch_norms_get_the_statistics_of_their_inputs(choices: tuple[int, ...]) -> None:
    model, x = exact_network(), images()
    give(model, library(), design(*choices))
    naive = copy.deepcopy(model)
    calibrate(model, x, batch_norm=True)
    given = x
    with torch.no_grad():
        for name, module in naive.named_children():
            if name.startswith("bn"):
                values = channels(given, 1)
                found = getattr(model, name)
                assert np.allclose(found.running_mean, values.mean(1), rtol=1e-5, atol=1e-6)
                assert np.allclose(found.running_var, values.var(1), rtol=1e-5)
                assert not np.allclose(module.running_var, values.var(1), rtol=0.05)
                module.running_mean.copy_(torch.from_numpy(values.mean(1)))
                module.running_var.copy_(torch.from_numpy(values.var(1)))
            given = module(given)
        assert torch.allclose(model(x), given, rtol=1e-4, atol=1e-5)
    assert model.bn1.num_batches_tracked == 0 and not model.training
    assert all(layer.correction is None for layer in quantized_layers(model).values())


def test_hooks_and_images_are_left_as_they_were() -> None:
    model, x = exact_network(), images()
    model.relu1.inplace = True
    model = nn.Sequential(nn.ReLU(inplace=True), model)
    calibrate(model, x, batch_norm=True, targets=output_moments(model, x))
    assert torch.equal(x, images())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_no_images() -> None:
    for call in (output_moments, calibrate):
        with pytest.raises(InputError, match="expected at least one calibration image, got none"):
            call(exact_network(), images()[:0])
