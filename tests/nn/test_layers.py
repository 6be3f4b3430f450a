"""Approximate layers, bit for bit against loops written from the definition, for every geometry and operand format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.layers import ApproxConv2d, ApproxLayer
from dse.nn.quantizers import Granularity
from dse.operands import FORMATS
from tests.nn import naive

GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": dict(kernel_size=3),
    "1x1": dict(kernel_size=1),
    "1x1, stride and padding": dict(kernel_size=1, stride=2, padding=1),
    "no bias": dict(kernel_size=2, bias=False),
    "stride": dict(kernel_size=3, stride=(2, 1)),
    "stride leaves a rest": dict(kernel_size=2, stride=3),
    "padding": dict(kernel_size=3, padding=1),
    "tuple of padding": dict(kernel_size=(3, 2), padding=(2, 1)),
    "padding wider than kernel": dict(kernel_size=2, padding=3, stride=2),
    "same": dict(kernel_size=3, padding="same"),
    "same, even kernel": dict(kernel_size=(2, 4), padding="same"),
    "same, even kernel, dilated": dict(kernel_size=(2, 3), padding="same", dilation=(3, 1)),
    "valid": dict(kernel_size=(2, 3), padding="valid"),
    "dilation": dict(kernel_size=(3, 2), dilation=(2, 3), padding=(1, 2)),
    "groups": dict(kernel_size=2, groups=2, padding=1),
    "depthwise": dict(kernel_size=3, groups=4, padding=1),
    "depthwise, two per channel": dict(kernel_size=2, groups=4, out_channels=8, stride=2),
    "reflect": dict(kernel_size=3, padding=(1, 2), padding_mode="reflect"),
    "circular": dict(kernel_size=3, padding=1, padding_mode="circular", stride=2),
    "replicate": dict(kernel_size=(3, 1), padding=(2, 0), padding_mode="replicate"),
    "reflect, same, even kernel": dict(kernel_size=(2, 4), padding="same", padding_mode="reflect"),
    "whole input": dict(kernel_size=(4, 5)),
}
geometries = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
formats = pytest.mark.parametrize("name", FORMATS)
granularities = pytest.mark.parametrize("granularity", ["per-tensor", "per-channel"])


def convolution(**geometry: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    conv = nn.Conv2d(**{"in_channels": 4, "out_channels": 4, **geometry})
    conv.weight.data *= torch.tensor([1.0, 0.3, 2.0, 1.5]).repeat(2)[: len(conv.weight), None, None, None]
    return conv


def simulated(layer: ApproxLayer, table: np.ndarray | None) -> IntegerArithmetic:
    layer.arithmetic = IntegerArithmetic(layer, None if table is None else torch.from_numpy(table))
    return layer.arithmetic


@geometries
@formats
@granularities
def test_convolution_equals_the_definition(geometry: dict[str, Any], name: str, granularity: Granularity) -> None:
    conv, x = convolution(**geometry), naive.inputs(2, 4, 4, 5)
    layer = naive.layer(conv, name, granularity)
    table = naive.random_table(FORMATS[name])
    arithmetic = simulated(layer, table)
    codes = naive.quantize_activation(naive.padded_input(x.numpy(), conv), -1, 2, name)
    weight = naive.quantize_weight(conv.weight.detach().numpy(), name, granularity)
    sums = naive.conv_sums(codes, weight, table, conv)
    computed = arithmetic.sums(layer, torch.from_numpy(codes.codes.astype(np.uint8)))
    batch, channels, rows, columns = sums.shape
    assert np.array_equal(computed.numpy().reshape(batch, rows, columns, channels).transpose(0, 3, 1, 2), sums)
    with torch.no_grad():
        out = layer(x)
    assert out.dtype == torch.float32
    assert np.array_equal(out.numpy(), naive.dequantized(sums, codes, weight, conv.bias, 1))


@formats
@granularities
@pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 5), (2, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_equals_the_definition(name: str, granularity: Granularity, shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(5, 4, bias=bias), naive.inputs(*shape)
    layer = naive.layer(linear, name, granularity)
    table = naive.random_table(FORMATS[name])
    arithmetic = simulated(layer, table)
    codes = naive.quantize_activation(x.numpy(), -1, 2, name)
    weight = naive.quantize_weight(linear.weight.detach().numpy(), name, granularity)
    sums = naive.linear_sums(codes, weight, table)
    computed = arithmetic.sums(layer, torch.from_numpy(codes.codes.astype(np.uint8)))
    assert np.array_equal(computed.numpy().reshape(sums.shape), sums)
    with torch.no_grad():
        assert np.array_equal(layer(x).numpy(), naive.dequantized(sums, codes, weight, linear.bias, -1))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # torch's, of its own convolution
@geometries
@formats
def test_exact_products_with_and_without_a_table_and_in_floating_point(geometry: dict[str, Any], name: str) -> None:
    conv, x = convolution(**geometry), naive.inputs(2, 4, 4, 5)
    layer = naive.layer(conv, name)
    with torch.no_grad():
        fake = layer(x)
        simulated(layer, None)
        exact = layer(x)
        simulated(layer, FORMATS[name].exact)
        through_table = layer(x)
        original = functional_call(conv, {"weight": layer.w_quantizer.fake(conv.weight)}, layer.x_quantizer.fake(x))
    assert torch.equal(exact, through_table)
    assert torch.allclose(exact, fake, rtol=1e-5, atol=1e-5)
    assert torch.allclose(exact, original, rtol=1e-5, atol=1e-5)


@formats
def test_zero_padding_goes_through_the_table(name: str) -> None:
    """A table that is wrong only for zero activations shows in every output that padding reaches, and nowhere else."""
    conv = convolution(kernel_size=3, padding=1)
    layer = naive.layer(conv, name)
    zero = int(layer.x_quantizer.zero_point)
    table = FORMATS[name].exact.copy()
    table[zero] += 1000
    x = naive.inputs(1, 4, 4, 5, low=0.5, high=1.5)
    sums = {}
    for key, lut in (("exact", None), ("wrong", table)):
        sums[key] = simulated(layer, lut).sums(layer, layer.x_quantizer.codes(x)).reshape(4, 5, 4)
    inside = np.pad(np.ones((4, 5), dtype=int), 1)
    padded_taps = np.array([[9 - inside[i : i + 3, j : j + 3].sum() for j in range(5)] for i in range(4)])
    excess = (sums["wrong"] - sums["exact"]).numpy()
    assert np.array_equal(excess, np.broadcast_to(4 * 1000 * padded_taps[..., None], excess.shape))


@pytest.mark.parametrize("low", [-4.0, -1.0, 0.0, 0.3])
@pytest.mark.parametrize("name", ["sm8", "u8"])
def test_zero_points_are_taken_out_exactly(low: float, name: str) -> None:
    """Real products: whatever the zero points, exact integer sums times the scales are the fake-quantised products."""
    torch.manual_seed(0)
    linear = nn.Linear(7, 3)
    linear.weight.data += 0.4  # a weight zero point far from the middle
    layer = naive.layer(linear, name, low=low, high=3.0)
    assert (int(layer.x_quantizer.zero_point) != 0) == (low < 0)
    x = naive.inputs(6, 7, low=low, high=3.0)
    with torch.no_grad():
        wanted = layer.x_quantizer.fake(x).double() @ layer.w_quantizer.fake(linear.weight).double().t() + linear.bias
        simulated(layer, None)
        assert torch.allclose(layer(x).double(), wanted, atol=1e-5)


@formats
def test_unusual_memory_layouts_give_the_same_output(name: str) -> None:
    layer = naive.layer(convolution(kernel_size=3, padding=1), name)
    simulated(layer, naive.random_table(FORMATS[name]))
    x = naive.inputs(2, 4, 4, 5)
    with torch.no_grad():
        expected = layer(x)
        assert torch.equal(layer(x.contiguous(memory_format=torch.channels_last)), expected)
        assert torch.equal(layer(x.repeat(1, 1, 1, 2)[..., :5]), expected)
        assert torch.equal(layer(x[:1].expand(3, 4, 4, 5)), expected[:1].expand(3, *expected.shape[1:]))


@pytest.mark.parametrize("table", [False, True])
def test_output_is_laid_out_as_that_of_the_original(table: bool) -> None:
    """Networks flatten with `.view`, which a permuted result would refuse."""
    layer = naive.layer(convolution(kernel_size=3), "sm8")
    simulated(layer, FORMATS["sm8"].exact if table else None)
    assert layer(naive.inputs(2, 4, 4, 5)).view(2, -1).shape == (2, 4 * 2 * 3)


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize(
    ("original", "shape"),
    [(nn.Conv2d(4, 6, 3, padding=1, groups=2), (0, 4, 4, 5)), (nn.Linear(5, 2), (0, 5)), (nn.Linear(5, 2), (2, 0, 5))],
)
def test_empty_batch(original: nn.Conv2d | nn.Linear, shape: tuple[int, ...], table: bool) -> None:
    layer = naive.layer(original, "sm8")
    simulated(layer, FORMATS["sm8"].exact if table else None)
    assert layer(torch.zeros(shape)).shape == original(torch.zeros(shape)).shape


@formats
def test_matrices_hold_codes_and_values_of_each_group(name: str) -> None:
    conv = convolution(kernel_size=(2, 3), groups=2, out_channels=6)
    matrices = naive.layer(conv, name).matrices()
    weight = naive.quantize_weight(conv.weight.detach().numpy(), name, "per-channel")
    assert matrices.codes.shape == matrices.values.shape == (2, 12, 3)
    for n in range(6):
        group, column = divmod(n, 3)
        assert matrices.codes[group, :, column].tolist() == np.moveaxis(weight.codes[n], 0, -1).flatten().tolist()
        assert matrices.values[group, :, column].tolist() == np.moveaxis(weight.values[n], 0, -1).flatten().tolist()
        assert matrices.scale[group, column].item() == weight.scale[n]
        assert matrices.zero_point[group, column].item() == weight.zero_point[n]


def test_parameters_are_shared_with_the_original() -> None:
    conv = convolution(kernel_size=3)
    layer = naive.layer(conv, "sm8")
    assert layer.weight is conv.weight and layer.bias is conv.bias
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}
    assert isinstance(layer, ApproxConv2d) and layer.fan_in == 36
