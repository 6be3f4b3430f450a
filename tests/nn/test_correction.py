"""Corrections of layers: folded into requantisation and bias by hand, copied, saved, trained through."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic, NoiseArithmetic
from dse.nn.layers import ApproxLayer, Correction
from dse.nn.lut_gradient import TrainableArithmetic
from dse.operands import FORMATS
from tests.nn import naive

LAYERS: dict[str, nn.Module] = {}
with torch.random.fork_rng():
    torch.manual_seed(0)
    LAYERS = {
        "plain": nn.Conv2d(4, 6, 3, padding=1),
        "no bias": nn.Conv2d(4, 6, 3, stride=2, bias=False),
        "grouped": nn.Conv2d(4, 6, 2, groups=2),
        "depthwise": nn.Conv2d(4, 8, 3, groups=4, padding=1, dilation=2),
        "reflect": nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
        "linear": nn.Linear(5, 7),
        "linear, no bias": nn.Linear(5, 7, bias=False),
    }
layers = pytest.mark.parametrize("original", LAYERS.values(), ids=LAYERS)
formats = pytest.mark.parametrize("name", FORMATS)


def correction(layer: ApproxLayer) -> Correction:
    channels = len(layer.weight)
    return Correction(torch.linspace(0.5, 1.7, channels), torch.linspace(-1, 2, channels))


def inputs(layer: ApproxLayer) -> Tensor:
    return naive.inputs(2, 4, 4, 5) if layer.trailing_dims else naive.inputs(2, 3, 5)


def by_channel(layer: ApproxLayer, values: Any) -> Any:
    return values.reshape(-1, *[1] * layer.trailing_dims)


@layers
@formats
@pytest.mark.parametrize("engine", ["native", "torch"])
def test_it_is_a_scale_of_the_requantisation_and_an_offset_of_the_bias(
    original: Any, name: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSE_ENGINE", engine)
    layer = naive.layer(original, name)
    x, given = inputs(layer), correction(layer)
    layer.arithmetic = IntegerArithmetic(layer, torch.from_numpy(naive.random_table(FORMATS[name])))
    layer.correction = given
    prepared = layer.prepare(x)
    sums = layer.arithmetic.sums(layer, layer.x_quantizer.codes(prepared)).numpy()  # (R, G, N)
    weight_scale = layer.matrices().scale.numpy() * given.scale.numpy().reshape(layer.groups, -1)
    bias = (0 if layer.bias is None else layer.bias.detach().numpy()) + given.offset.numpy()
    real = sums * (layer.x_quantizer.scale.numpy() * weight_scale) + bias.reshape(layer.groups, -1)
    expected = layer.fold(torch.from_numpy(real), prepared).numpy()
    with torch.no_grad():
        assert np.allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@layers
@pytest.mark.parametrize("kind", ["float", "noise", "integer", "trainable"])
def test_every_arithmetic_is_corrected_and_none_without(original: Any, kind: str) -> None:
    layer = naive.layer(original, "sm8")
    table = torch.from_numpy(FORMATS["sm8"].exact)
    layer.arithmetic = {
        "float": FloatArithmetic(),
        "noise": NoiseArithmetic(0.0),
        "integer": IntegerArithmetic(layer, table),
        "trainable": TrainableArithmetic(layer, table),
    }[kind]
    x, given = inputs(layer), correction(layer)
    with torch.no_grad():
        product, plain = layer.arithmetic(layer, x), layer(x)
    bias = 0 if layer.bias is None else by_channel(layer, layer.bias.detach())
    assert torch.equal(plain, product + bias)
    layer.correction = given
    expected = by_channel(layer, given.scale) * product + by_channel(layer, given.offset) + bias
    assert torch.allclose(layer(x), expected, rtol=1e-5, atol=1e-5)
    layer.correction = None
    assert torch.equal(layer(x), plain)


@layers
def test_gradients_flow_through(original: Any) -> None:
    layer = naive.layer(copy.deepcopy(original), "u8")
    x = inputs(layer).requires_grad_()
    with torch.inference_mode():  # what it comes from must not matter
        layer.correction = correction(layer)
    torch.manual_seed(0)
    y = layer(x)
    probe = torch.randn_like(y)
    wanted = [x, *layer.parameters()]
    found = torch.autograd.grad((y * probe).sum(), wanted)
    given = correction(layer)
    by_hand = by_channel(layer, given.scale) * layer.arithmetic(layer, x) + by_channel(layer, given.offset)
    by_hand = by_hand if layer.bias is None else by_hand + by_channel(layer, layer.bias)
    for one, other in zip(found, torch.autograd.grad((by_hand * probe).sum(), wanted), strict=True):
        assert one.abs().max() > 0 and torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def corrected() -> ApproxLayer:
    layer = naive.layer(copy.deepcopy(LAYERS["plain"]), "sm8")
    layer.correction = correction(layer)
    return layer


def uncorrected() -> ApproxLayer:
    return naive.layer(copy.deepcopy(LAYERS["plain"]), "sm8")


def test_a_state_without_correction_has_no_more_names_than_before() -> None:
    assert set(uncorrected().state_dict()) == {"weight", "bias", "x_quantizer.scale", "x_quantizer.zero_point"}
    assert set(corrected().state_dict()) - set(uncorrected().state_dict()) == {"correction_scale", "correction_offset"}


def test_it_is_copied_and_the_callers_tensors_are_not_kept() -> None:
    layer, given = uncorrected(), correction(uncorrected())
    layer.correction = given
    given.scale.fill_(9)
    twin = copy.deepcopy(layer)
    layer.correction = None
    assert torch.equal(twin.correction.scale, correction(twin).scale)
    assert torch.equal(twin.correction.offset, correction(twin).offset)


def test_a_saved_state_brings_its_correction_or_none(tmp_path: Path) -> None:
    first, second = nn.Sequential(corrected()), nn.Sequential(uncorrected())
    x = inputs(first[0])
    plain = second(x)
    save_file(first.state_dict(), tmp_path / "corrected.safetensors")
    save_file(second.state_dict(), tmp_path / "plain.safetensors")
    second.load_state_dict(load_file(tmp_path / "corrected.safetensors"))
    assert torch.equal(second(x), first(x)) and not torch.equal(second(x), plain)
    second.load_state_dict(load_file(tmp_path / "plain.safetensors"))
    assert torch.equal(second(x), plain) and second[0].correction is None


def test_half_a_correction_is_no_state() -> None:
    state = corrected().state_dict()
    del state["correction_offset"]
    with pytest.raises(RuntimeError, match="correction_offset"):
        uncorrected().load_state_dict(state)


@pytest.mark.parametrize("bad", [torch.ones(5), torch.ones(6, 1), torch.tensor([1.0] * 5 + [torch.nan])])
def test_what_does_not_fit_is_refused(bad: Tensor) -> None:
    layer, good = corrected(), torch.ones(6)
    for given in (Correction(bad, good), Correction(good, bad)):
        with pytest.raises(InputError, match=r"correction: expected scale and offset \(6,\)"):
            layer.correction = given
    assert torch.equal(layer.correction.scale, correction(layer).scale)
