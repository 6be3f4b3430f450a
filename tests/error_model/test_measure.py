"""Measured errors against naive sums over whole layer outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dse.error_model import measure_errors
from dse.exceptions import InputError
from dse.nn.convert import approximable_layers, simulate
from dse.nn.layers import ApproxConv2d, ApproxLayer
from dse.nn.tracing import trace
from tests.error_model.naive import tables
from tests.small import images, library, network


def unfolded(layer: ApproxLayer, codes: Tensor) -> Tensor:
    """Return the operand codes of all outputs `(R, G, K)` by `F.unfold`."""
    if not isinstance(layer, ApproxConv2d):
        return codes[:, None]
    padding = 1 if layer.kernel_size == (3, 3) and layer.stride == (1, 1) else 0  # that of the test network
    padded = F.pad(codes.float(), [padding] * 4, value=float(layer.x_quantizer.zero_point))
    columns = F.unfold(padded, layer.kernel_size, stride=layer.stride)  # (B, C * kh * kw, positions)
    return columns.transpose(1, 2).reshape(-1, layer.groups, layer.fan_in).to(torch.uint8)


def test_measured_errors_are_naive_sums_over_all_outputs(case) -> None:  # type: ignore[no-untyped-def]
    model, seen, multipliers = case
    batch = torch.cat([images(), images(9) * 0.5])
    found = measure_errors(model, batch, seen, multipliers)
    inputs: dict[str, Tensor] = {}
    layers = approximable_layers(model)
    simulate(model)
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: inputs.update({name: args[0]}))
        for name, layer in layers.items()
    ]
    model(batch)
    for hook in hooks:
        hook.remove()
    assert found.grade == "measured" and found.layers == tuple(layers)
    for l, (name, layer) in enumerate(layers.items()):
        x = unfolded(layer, layer.x_quantizer.codes(inputs[name])).long().numpy()
        weight = layer.w_quantizer.quantize(layer.weight)
        by_group = weight.values.reshape(layer.groups, -1, layer.fan_in).transpose(1, 2)
        w = by_group.numpy() % 2**layer.operands.w_bits  # a code is the value's two's complement
        scale = (layer.x_quantizer.scale * weight.scale).double().reshape(layer.groups, -1).numpy()
        for m, table in enumerate(tables(seen, multipliers)):
            error = table.astype(np.float64) - seen.operands.exact
            outputs = error[x[..., None], w[None]].sum(2) * scale / seen.layers[l].output_std
            assert (found.mean[l, m], found.std[l, m]) == pytest.approx((outputs.mean(), outputs.std()), abs=1e-9)


def test_no_images_to_measure_on() -> None:
    model = network()
    with pytest.raises(InputError, match="at least one image"):
        measure_errors(model, images(0), trace(model, images()), library())


def test_unit_is_the_std_of_the_exact_output_before_the_bias() -> None:
    model = network()
    seen = trace(model, images())
    simulate(model)
    outputs: dict[str, Tensor] = {}
    for name, layer in approximable_layers(model).items():
        layer.arithmetic.register_forward_hook(lambda _, __, y, name=name: outputs.update({name: y}))
    model(images())
    for known in seen.layers:
        assert known.output_std == pytest.approx(float(outputs[known.name].double().std(correction=0)), rel=1e-5)
