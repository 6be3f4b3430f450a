"""Traces of tiny networks against counts by hand and a naive integer network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.convert import quantize, quantized_layers, simulate
from dse.nn.quantizers import QuantizationSettings
from dse.nn.tracing import TRACE_IMAGES, layer_inputs, trace
from dse.operands import FORMATS
from tests.nn import naive

formats = pytest.mark.parametrize("name", FORMATS)
IMAGES = naive.inputs(3, 2, 5, 6)


class Tiny(nn.Module):
    """Stride, groups, dilation, a layer called twice, and one that is excluded."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.first = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(4, 6, (2, 1), groups=2)
        self.twice = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.first(x)).mean((2, 3))
        return self.head(self.twice(self.twice(x)))


def tiny(name: str = "sm8", granularity: Any = "per-channel", **patterns: Any) -> nn.Module:
    torch.manual_seed(0)
    return quantize(Tiny(), IMAGES, QuantizationSettings(name, granularity), **patterns)


def test_counts_by_hand() -> None:
    traced = trace(tiny(exclude=["head"]), IMAGES)
    assert traced.names == ("first", "grouped", "twice")
    assert traced.op_counts.tolist() == [
        3 * 3 * 4 * (2 * 3 * 3),  # 5 x 6 -> 3 x 3 positions, 4 channels, 18 products each
        2 * 3 * 6 * (2 * 2 * 1),  # 3 x 3 -> 2 x 3 positions, 6 channels that see 2 of 4
        2 * 6 * 6,  # called twice
    ]
    assert traced.op_counts.dtype == np.int64
    assert traced.fixed_op_count == 6 * 3
    assert [layer.fan_in for layer in traced.layers] == [18, 4, 6]
    assert [(s.name, s.op_count, s.fan_in, s.channels, s.positions) for s in traced.shapes] == [
        ("first", 648, 18, 4, 9),
        ("grouped", 144, 4, 3, 6),  # 3 channels of each group read the same activations
        ("twice", 72, 6, 6, 2),
        ("head", 18, 6, 3, 1),
    ]
    assert traced.n_images == 3
    assert traced.format == "sm8" and traced.operands is FORMATS["sm8"]


def test_counts_are_those_of_one_image() -> None:
    model = tiny()
    counts = [trace(model, IMAGES[:n]).op_counts.tolist() for n in (1, 2, 3)]
    assert counts[0] == counts[1] == counts[2]


def test_linear_layer_on_sequences_counts_every_position() -> None:
    model = quantize(nn.Sequential(nn.Linear(4, 3)), naive.inputs(2, 7, 4))
    assert trace(model, naive.inputs(2, 7, 4)).op_counts.tolist() == [7 * 4 * 3]


def test_no_more_images_than_stated() -> None:
    images = naive.inputs(TRACE_IMAGES + 9, 4)
    model = quantize(nn.Sequential(nn.Linear(4, 3)), images)
    traced, first = trace(model, images), trace(model, images[:TRACE_IMAGES])
    assert traced.n_images == TRACE_IMAGES
    assert traced.layers[0].output_std == first.layers[0].output_std


def conv_rows(codes: np.ndarray, conv: nn.Conv2d, zero: int) -> list[list[list[int]]]:
    """Return the operands of every output position, by group, one tap at a time."""
    (ph, pw), (th, tw), (kh, kw) = conv.padding, conv.stride, conv.kernel_size
    padded = np.pad(codes, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=zero)
    batch, channels, height, width = padded.shape
    per_group = channels // conv.groups
    return [
        [
            [
                int(padded[b, g * per_group + c, y + i, x + j])
                for i in range(kh)
                for j in range(kw)
                for c in range(per_group)
            ]
            for g in range(conv.groups)
        ]
        for b in range(batch)
        for y in range(0, height - kh + 1, th)
        for x in range(0, width - kw + 1, tw)
    ]


@formats
@pytest.mark.parametrize("granularity", ["per-tensor", "per-channel"])
def test_trace_is_consistent_with_the_naive_integer_network(name: str, granularity: Any) -> None:
    """Run the network layer by layer from the definition, and compare all that the trace says of it."""
    torch.manual_seed(0)
    original = Tiny()
    model = quantize(original, IMAGES, QuantizationSettings(name, granularity))
    traced = trace(model, IMAGES, patches=400, seed=1)
    exact = FORMATS[name].exact.astype(np.int64)
    x = IMAGES.numpy()
    for recorded in traced.layers[:2]:
        conv = original.get_submodule(recorded.name)
        assert isinstance(conv, nn.Conv2d)
        quantizer = quantized_layers(model)[recorded.name].x_quantizer
        zero, scale = int(quantizer.zero_point), quantizer.scale.numpy()
        values = np.clip(np.rint(x / scale).astype(np.int64) + zero, *naive.RANGES[name][0])
        codes = naive.Quantized(values, values % 256, scale, np.int64(zero))
        weight = naive.quantize_weight(conv.weight.detach().numpy(), name, granularity)
        rows = conv_rows(codes.codes, conv, zero % 256)
        sums = naive.conv_sums(codes, weight, exact, conv)
        real = sums * (scale * weight.scale).astype(np.float64)[None, :, None, None]

        assert recorded.x_zero_point == zero
        groups, per_group = conv.groups, conv.out_channels // conv.groups
        assert recorded.w_codes.shape == (groups, recorded.fan_in, per_group)
        by_channel = recorded.w_codes.transpose(0, 2, 1).reshape(conv.out_channels, -1)
        assert np.array_equal(by_channel, np.moveaxis(weight.codes, 1, -1).reshape(conv.out_channels, -1))
        assert recorded.scale.flatten() == pytest.approx(scale * weight.scale, rel=1e-6)
        assert recorded.scale.shape == recorded.w_zero_point.shape == (groups, per_group)
        assert np.array_equal(recorded.w_zero_point.flatten(), np.broadcast_to(weight.zero_point, conv.out_channels))
        assert recorded.output_std == pytest.approx(real.std(), rel=1e-6)

        assert recorded.patches.dtype == np.uint8 and recorded.patches.shape == (400, groups, recorded.fan_in)
        drawn, existing = {p.tobytes() for p in recorded.patches}, {np.uint8(row).tobytes() for row in rows}
        assert drawn <= existing
        assert len(drawn) > 0.9 * len(existing)  # 400 draws from at most 27 positions
        counts = np.bincount(np.array(rows).flatten(), minlength=256)
        assert recorded.x_histogram == pytest.approx(counts / counts.sum())
        x = naive.dequantized(sums, codes, weight, conv.bias, 1)


@formats
def test_trace_describes_the_sums_of_the_simulation(name: str) -> None:
    """From patches, weight codes, scales and zero points alone follow the layer's real outputs."""
    model = tiny(name)
    traced = trace(model, IMAGES, patches=30)
    x_values, w_values = FORMATS[name].x_values, FORMATS[name].w_values
    for recorded in traced.layers:
        layer = quantized_layers(model)[recorded.name]
        x = x_values[recorded.patches] - recorded.x_zero_point  # (S, G, K)
        w = w_values[recorded.w_codes] - recorded.w_zero_point[:, None]  # (G, K, N)
        real = np.einsum("sgk,gkn->sgn", x, w) * recorded.scale
        fake_x = torch.from_numpy(x) * layer.x_quantizer.scale
        fake_w = layer.w_quantizer.fake(layer.weight).detach().movedim(1, -1).reshape(len(w), -1, recorded.fan_in)
        wanted = torch.einsum("sgk,gnk->sgn", fake_x, fake_w)
        assert real == pytest.approx(wanted.numpy(), abs=1e-5)


@formats
def test_output_std_is_that_of_the_layer_output(name: str) -> None:
    """Both calls of a layer count, and the bias does not."""
    model = tiny(name)
    outputs: list[Tensor] = []
    simulate(model)
    with torch.no_grad():
        hook = model.twice.register_forward_hook(lambda layer, _, out: outputs.append(out - layer.bias))
        model(IMAGES)
        hook.remove()
    assert len(outputs) == 2
    recorded = trace(model, IMAGES).layers[2]
    assert recorded.output_std == pytest.approx(torch.cat(outputs).double().std(correction=0).item(), rel=1e-5)
    assert recorded.x_histogram.sum() == pytest.approx(1)


def test_patches_are_drawn_by_seed() -> None:
    model = tiny()
    one, same, other = (trace(model, IMAGES, seed=seed) for seed in (0, 0, 1))
    for left, right, different in zip(one.layers, same.layers, other.layers, strict=True):
        assert len(left.patches) == 512
        assert np.array_equal(left.patches, right.patches)
        assert not np.array_equal(left.patches, different.patches)
        assert np.array_equal(left.x_histogram, different.x_histogram)
        assert left.output_std == right.output_std == different.output_std


def test_trace_leaves_exact_integer_arithmetic_and_no_hooks() -> None:
    model = tiny()
    simulate(model, {"twice": naive.random_table(FORMATS["sm8"])})
    model.train()
    trace(model, IMAGES)
    with torch.no_grad():
        left = model(IMAGES)
        simulate(model)
        assert torch.equal(left, model(IMAGES))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_inputs_are_the_codes_of_each_call() -> None:
    model = tiny("s8")
    inputs = layer_inputs(model, IMAGES)
    assert {name: [tuple(codes.shape) for codes in calls] for name, calls in inputs.items()} == {
        "first": [(3, 2, 5, 6)],
        "grouped": [(3, 4, 3, 3)],
        "twice": [(3, 6), (3, 6)],
        "head": [(3, 6)],
    }
    assert all(codes.dtype == torch.uint8 for calls in inputs.values() for codes in calls)
    assert torch.equal(inputs["first"][0], quantized_layers(model)["first"].x_quantizer.codes(IMAGES))


def test_failed_pass_leaves_no_hooks() -> None:
    model = tiny()
    with pytest.raises(InputError, match=r"expected an input \(B, 2, H, W\), got shape \(1, 3, 5, 6\)"):
        layer_inputs(model, torch.zeros(1, 3, 5, 6))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_reflected_padding_is_part_of_the_operands() -> None:
    model = quantize(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")), IMAGES)
    recorded = trace(model, IMAGES, patches=5).layers[0]
    assert recorded.op_count == 5 * 6 * 3 * 18
    codes = model[0].x_quantizer.codes(IMAGES).numpy()
    padded = np.pad(codes, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3)).transpose(0, 2, 3, 4, 5, 1)
    rows = {row.tobytes() for row in np.ascontiguousarray(windows).reshape(-1, 18)}
    assert {patch.tobytes() for patch in recorded.patches} <= rows


def test_refuses_no_images() -> None:
    with pytest.raises(InputError, match="at least one image"):
        trace(tiny(), IMAGES[:0])


def test_refuses_a_model_that_is_not_quantised() -> None:
    with pytest.raises(InputError, match="quantize"):
        trace(Tiny(), IMAGES)


def test_refuses_a_layer_that_the_pass_does_not_reach() -> None:
    """Such as one that the forward pass finds in a list of its own, where no replacement reaches it."""

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shown, self.hidden = nn.Linear(4, 4), nn.Linear(4, 4)
            self.layers = [self.hidden]

        def forward(self, x: Tensor) -> Tensor:
            return self.layers[0](self.shown(x))

    model = quantize(Hidden(), naive.inputs(3, 4))
    with pytest.raises(InputError, match="'hidden'.*not reached"):
        trace(model, naive.inputs(3, 4))
