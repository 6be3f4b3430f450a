"""Quantisers: ranges, codes, error bounds, gradients, and the inputs that would make a scale of zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dse.exceptions import InputError
from dse.nn.quantizers import ActivationQuantizer, Granularity, QuantizationSettings, RangeObserver, WeightQuantizer
from dse.operands import FORMATS, OperandFormat
from tests.nn import naive

formats = pytest.mark.parametrize("operands", FORMATS.values(), ids=FORMATS)
granularities = pytest.mark.parametrize("granularity", ["per-tensor", "per-channel"])
bound = st.floats(-1e4, 1e4, width=32)


def real_range(quantizer: ActivationQuantizer) -> tuple[float, float]:
    """Return the smallest and the largest real value that the quantiser represents."""
    operands, zero, scale = quantizer.operands, int(quantizer.zero_point), float(quantizer.scale)
    return (operands.x_low - zero) * scale, (operands.x_high - zero) * scale


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(list(FORMATS)), ends=st.tuples(bound, bound).map(sorted), seed=st.integers(0, 999))
def test_activations(name: str, ends: list[float], seed: int) -> None:
    low, high = ends
    operands = FORMATS[name]
    quantizer = ActivationQuantizer(operands, low, high)
    scale, zero = float(quantizer.scale), int(quantizer.zero_point)
    span = max(high, 0) - min(low, 0) if operands.x_affine else 2 * max(high, -low, 0)
    lowest, highest = real_range(quantizer)
    assert scale > 0 and operands.x_low <= zero <= operands.x_high
    assert lowest <= 0 <= highest
    assert lowest <= low + 0.51 * scale and high - 0.51 * scale <= highest  # the range, but for its rounded ends
    assert quantizer.fake(torch.zeros(3)).tolist() == [0, 0, 0]
    assert quantizer.codes(torch.zeros(1)).item() == zero % 256

    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(200, generator=generator) * 1.4 - 0.2) * max(span, 1e-3) + min(low, 0)
    codes, fake = quantizer.codes(x), quantizer.fake(x)
    values = torch.from_numpy(operands.x_values)[codes.long()]
    assert codes.dtype == torch.uint8 and codes.shape == x.shape
    assert values.min() >= operands.x_low and values.max() <= operands.x_high
    assert torch.equal((values - zero).float() * quantizer.scale, fake)  # codes and fake round alike
    inside = (x >= lowest) & (x <= highest)
    assert ((x - fake)[inside].abs() <= 0.5001 * scale).all()
    assert torch.allclose(fake[~inside], x[~inside].clamp(lowest, highest), rtol=1e-6)  # clipped to the nearer end
    assert torch.equal(quantizer.fake(fake), fake)  # representable values stay


@formats
def test_activation_codes_equal_the_definition(operands: OperandFormat) -> None:
    x = naive.inputs(5000)
    x[:3] = torch.tensor([0.5, 1.5, 2.5]) * (2 / 127)  # ties of the symmetric format: to the even neighbour
    expected = naive.quantize_activation(x.numpy(), -1, 2, operands.name)
    quantizer = ActivationQuantizer(operands, -1, 2)
    assert quantizer.scale.item() == expected.scale and quantizer.zero_point.item() == expected.zero_point
    assert quantizer.codes(x).tolist() == expected.codes.tolist()


@formats
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, -1e-45, 1e-40])
def test_constant_zero_input_does_not_divide_by_zero(operands: OperandFormat, value: float) -> None:
    quantizer = ActivationQuantizer(operands, value, value)
    x = torch.tensor([0.0, value])
    assert float(quantizer.scale) > 0
    assert (operands.x_values[quantizer.codes(x)[0]] - int(quantizer.zero_point)) == 0
    assert quantizer.fake(x).isfinite().all() and quantizer.fake(x)[0] == 0


@pytest.mark.parametrize(("low", "high", "zero"), [(2.0, 6.0, 0), (-6.0, -2.0, 255), (-1.0, 1.0, 128)])
def test_affine_range_is_widened_to_contain_zero(low: float, high: float, zero: int) -> None:
    quantizer = ActivationQuantizer(FORMATS["u8"], low, high)
    assert int(quantizer.zero_point) == zero
    assert float(quantizer.scale) == pytest.approx((max(high, 0) - min(low, 0)) / 255)


@formats
@pytest.mark.parametrize("ends", [(float("nan"), float("nan")), (0.0, float("inf")), (-float("inf"), 1.0)])
def test_range_that_is_not_finite_is_refused(operands: OperandFormat, ends: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="finite"):
        ActivationQuantizer(operands, *ends)


@formats
def test_activation_gradient_is_one_inside_and_zero_where_clipped(operands: OperandFormat) -> None:
    quantizer = ActivationQuantizer(operands, -1.0, 2.0)
    low, high = real_range(quantizer)
    x = torch.tensor([low - 0.1, low + 0.1, -0.5, 0.0, 0.7, high - 0.1, high + 0.1, 50.0], requires_grad=True)
    upstream = torch.arange(1.0, 9.0)
    (quantizer.fake(x) * upstream).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0, 2, 3, 4, 5, 6, 0, 0])


weights = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 999), st.floats(1e-3, 1e3), st.floats(-1, 1))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(list(FORMATS)), granularity=st.sampled_from(["per-tensor", "per-channel"]), drawn=weights)
def test_weights(name: str, granularity: Granularity, drawn: tuple[int, int, int, float, float]) -> None:
    channels, fan_in, seed, size, shift = drawn
    operands, generator = FORMATS[name], torch.Generator().manual_seed(seed)
    weight = (torch.randn(channels, fan_in, 2, generator=generator) + shift) * size
    weight[0] *= 0.01
    quantizer = WeightQuantizer(operands, granularity)
    quantized = quantizer.quantize(weight)
    scale, zero = quantized.scale[:, None, None], quantized.zero_point[:, None, None]
    assert quantized.values.dtype == torch.int32 and quantized.values.shape == weight.shape
    assert quantized.scale.shape == quantized.zero_point.shape == (channels,)
    assert quantized.values.min() >= operands.w_low and quantized.values.max() <= operands.w_high
    assert (quantized.zero_point >= operands.w_low).all() and (quantized.zero_point <= operands.w_high).all()
    fake = quantizer.fake(weight)
    assert torch.equal(fake, (quantized.values - zero) * scale)
    # nothing is clipped but the end of an affine range, which its rounded zero point moves by up to half a step
    assert ((fake - weight).abs() <= (1.001 if operands.w_affine else 0.5001) * scale).all()
    assert (quantizer.fake(torch.zeros_like(weight)) == 0).all()
    expected = naive.quantize_weight(weight.numpy(), name, granularity)
    assert np.allclose(quantized.scale.numpy(), expected.scale, rtol=1e-6)
    if granularity == "per-tensor":
        assert len(quantized.scale.unique()) == 1
    else:
        alone = quantizer.quantize(weight[-1:])
        assert torch.equal(alone.values[0], quantized.values[-1])


@formats
@granularities
def test_weight_values_equal_the_definition(operands: OperandFormat, granularity: Granularity) -> None:
    weight = naive.inputs(4, 3, 5, 5, low=-0.4, high=1.0)
    weight[1] *= 3
    quantized = WeightQuantizer(operands, granularity).quantize(weight)
    expected = naive.quantize_weight(weight.numpy(), operands.name, granularity)
    assert quantized.scale.tolist() == expected.scale.tolist()
    assert quantized.zero_point.tolist() == expected.zero_point.tolist()
    assert quantized.values.tolist() == expected.values.tolist()


@formats
@granularities
@pytest.mark.parametrize("value", [0.0, 1e-45])
def test_all_zero_weights_do_not_divide_by_zero(
    operands: OperandFormat, granularity: Granularity, value: float
) -> None:
    weight = torch.ones(3, 4)
    weight[1] = value
    quantizer = WeightQuantizer(operands, granularity)
    for w in (weight, torch.full((3, 4), value)):
        quantized, fake = quantizer.quantize(w), quantizer.fake(w)
        assert (quantized.scale > 0).all()
        assert (quantized.values[1] - quantized.zero_point[1] == 0).all() or value
        assert fake.isfinite().all() and fake[1].abs().max() <= value


@formats
@granularities
def test_weight_gradient_passes_straight_through(operands: OperandFormat, granularity: Granularity) -> None:
    weight = naive.inputs(3, 5, low=-0.4, high=1.0).requires_grad_()
    upstream = torch.arange(15.0).view(3, 5)
    (WeightQuantizer(operands, granularity).fake(weight) * upstream).sum().backward()
    assert weight.grad is not None
    # only an extreme weight of an affine range can be clipped, where the rounded zero point moved the range's end
    clipped = (weight.grad == 0) & (upstream > 0)
    assert int(clipped.sum()) <= (3 if operands.w_affine else 0)
    assert torch.allclose(weight.grad[~clipped], upstream[~clipped])


def test_weights_that_are_not_finite_are_refused() -> None:
    weight = torch.ones(2, 3)
    weight[1, 2] = float("nan")
    with pytest.raises(InputError, match="finite"):
        WeightQuantizer(FORMATS["sm8"], "per-channel").quantize(weight)


def test_weight_range_follows_the_weight() -> None:
    weight, quantizer = torch.tensor([[0.5, -0.25]]), WeightQuantizer(FORMATS["sm8"], "per-tensor")
    assert quantizer.quantize(weight).scale.item() == pytest.approx(0.5 / 255)
    assert quantizer.quantize(4 * weight).scale.item() == pytest.approx(2 / 255)


class TestRangeObserver:
    def test_min_max_spans_all_batches(self) -> None:
        observer = RangeObserver(QuantizationSettings())
        for batch in (torch.tensor([[1.0, -2.0]]), torch.tensor([5.0]), torch.tensor([[[-1.0]]])):
            observer.update(batch)
        assert observer.range == (-2.0, 5.0)

    @pytest.mark.parametrize("percentile", [60.0, 99.0, 99.9, 100.0])
    def test_percentile_is_averaged_over_batches(self, percentile: float) -> None:
        batches = [naive.inputs(40, 50, seed=seed, low=-1 - seed, high=2) for seed in range(3)]
        observer = RangeObserver(QuantizationSettings(calibration="percentile", percentile=percentile))
        for batch in batches:
            observer.update(batch)
        lows = [np.percentile(batch.numpy(), 100 - percentile) for batch in batches]
        highs = [np.percentile(batch.numpy(), percentile) for batch in batches]
        assert observer.range == pytest.approx((np.mean(lows), np.mean(highs)), rel=1e-4)

    def test_percentile_ignores_an_outlier(self) -> None:
        x = naive.inputs(10_000, low=0.0, high=1.0)
        x[7] = 1000.0
        observer = RangeObserver(QuantizationSettings(calibration="percentile"))
        observer.update(x)
        assert observer.range[1] < 1.1

    @pytest.mark.parametrize("size", [2**16, 2**17 - 1, 2**17, 3 * 2**16 + 5])
    def test_large_batches_are_sampled(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        sampled: list[int] = []
        quantile = torch.quantile

        def spy(values: Tensor, *args: Any) -> Tensor:
            sampled.append(len(values))
            return quantile(values, *args)

        monkeypatch.setattr(torch, "quantile", spy)
        observer = RangeObserver(QuantizationSettings(calibration="percentile", percentile=90.0))
        observer.update(torch.linspace(0, 1, size))
        assert 2**15 < sampled[0] <= 2**16
        assert observer.range == pytest.approx((0.1, 0.9), abs=1e-3)

    def test_needs_no_gradient(self) -> None:
        observer = RangeObserver(QuantizationSettings(calibration="percentile"))
        observer.update(torch.ones(3, requires_grad=True))
        assert observer.range == (1.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "sm9"}, "unknown operand format 'sm9'; did you mean 'sm8'"),
        ({"percentile": 50}, r"quantisation.percentile: expected a value in \(50, 100\], got 50"),
        ({"percentile": 100.1}, "percentile"),
        ({"percentile": float("nan")}, "percentile"),
        ({"weights": "per-chanel"}, "quantisation.weights '.*'; did you mean 'per-channel'"),
        ({"calibration": "percentil"}, "quantisation.calibration '.*'; did you mean 'percentile'"),
    ],
)
def test_settings_refuse(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        QuantizationSettings(**arguments)
