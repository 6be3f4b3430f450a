"""Training through a table: outputs bit for bit those of the simulation, gradients against loops and finite differences."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.kernels import ENGINE_VARIABLE, _slope_sums, smoothed, table_gradient
from dse.multipliers import Multiplier, clipped, load_library
from dse.nn._slopes import clipped_at
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic
from dse.nn.convert import approximable_layers, simulate
from dse.nn.layers import ApproxLayer
from dse.nn.lut_gradient import Gradient, TrainableArithmetic, simulate_trainable
from dse.nn.quantizers import Granularity
from dse.operands import FORMATS
from tests import small
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox
from tests.multipliers.test_clip import nearest
from tests.nn import naive
from tests.nn.test_layers import GEOMETRIES as GEOMETRIES_OF_LAYERS
from tests.nn.test_layers import convolution

GEOMETRIES: dict[str, dict[str, Any]] = {
    **GEOMETRIES_OF_LAYERS,  # and those where taps fall into phases of the stride in different ways
    "stride and dilation alike": dict(kernel_size=3, stride=2, dilation=2, padding=2),
    "stride twice the dilation": dict(kernel_size=3, stride=4, dilation=2, padding=(2, 3)),
    "stride prime to the dilation": dict(kernel_size=3, stride=2, dilation=3, padding=(3, 2), groups=2),
    "taps beyond all outputs": dict(kernel_size=2, stride=4, padding=9, dilation=21),
    "stride beyond the image": dict(kernel_size=2, stride=(7, 3), padding=1),
}
GRADIENTS = get_args(Gradient)
CODES = np.arange(256)
formats = pytest.mark.parametrize("name", FORMATS)
gradients = pytest.mark.parametrize("gradient", GRADIENTS)
granularities = pytest.mark.parametrize("granularity", get_args(Granularity))
geometries = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)


def trainable(layer: ApproxLayer, table: np.ndarray | None, gradient: Gradient, window: int = 16) -> TrainableArithmetic:
    lut = None if table is None else torch.from_numpy(table.copy())
    return TrainableArithmetic(layer, lut, gradient=gradient, window=window)


def pulled(arithmetic: nn.Module, layer: ApproxLayer, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the output's random gradient, and what becomes of it at the input and the weight."""
    x = x.clone().requires_grad_()
    y = arithmetic(layer, x)
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(4))
    to_x, to_weight = torch.autograd.grad(y, (x, layer.weight), grad)
    return grad, to_x, to_weight


def linear(name: str = "u8", granularity: Granularity = "per-channel") -> ApproxLayer:
    torch.manual_seed(0)
    return naive.layer(nn.Linear(5, 4), name, granularity)


def close(left: Tensor, right: Tensor) -> None:
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5 * float(right.abs().max()) + 1e-6)


@geometries
@formats
@gradients
def test_output_is_that_of_the_simulation(geometry: dict[str, Any], name: str, gradient: Gradient) -> None:
    layer, x = naive.layer(convolution(**geometry), name), naive.inputs(2, 4, 4, 5)
    table = naive.random_table(FORMATS[name])
    expected = IntegerArithmetic(layer, torch.from_numpy(table))(layer, x)
    arithmetic = trainable(layer, table, gradient)
    assert torch.equal(arithmetic(layer, x.clone().requires_grad_()), expected)
    with torch.no_grad():
        assert torch.equal(arithmetic(layer, x), expected)


@geometries
@formats
@granularities
@gradients
def test_with_exact_products_all_gradients_are_those_of_the_float_product(
    geometry: dict[str, Any], name: str, granularity: Granularity, gradient: Gradient
) -> None:
    layer, x = naive.layer(convolution(**geometry), name, granularity), naive.inputs(2, 4, 4, 5)
    _, *expected = pulled(FloatArithmetic(), layer, x)
    _, *got = pulled(trainable(layer, FORMATS[name].exact, gradient), layer, x)
    for left, right in zip(got, expected, strict=True):
        close(left, right)


@gradients
def test_without_a_table_products_are_exact(gradient: Gradient) -> None:
    layer, x = linear(), naive.inputs(3, 5)
    _, *expected = pulled(FloatArithmetic(), layer, x)
    _, *got = pulled(trainable(layer, None, gradient), layer, x)
    for left, right in zip(got, expected, strict=True):
        close(left, right)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
@formats
@granularities
@gradients
def test_linear_layers_alike(shape: tuple[int, ...], name: str, granularity: Granularity, gradient: Gradient) -> None:
    layer, x = linear(name, granularity), naive.inputs(*shape)
    _, *expected = pulled(FloatArithmetic(), layer, x)
    _, *got = pulled(trainable(layer, FORMATS[name].exact, gradient), layer, x)
    for left, right in zip(got, expected, strict=True):
        close(left, right)


@geometries
@formats
def test_straight_through_takes_no_notice_of_the_table(geometry: dict[str, Any], name: str) -> None:
    layer, x = naive.layer(convolution(**geometry), name), naive.inputs(2, 4, 4, 5)
    _, *expected = pulled(FloatArithmetic(), layer, x)
    _, *got = pulled(trainable(layer, naive.random_table(FORMATS[name]), "straight-through"), layer, x)
    for left, right in zip(got, expected, strict=True):
        close(left, right)


Slope = Callable[[int, int], float]
CLIPS = (40, 60)  # per cent of the ranges of activations and weights


def slope_functions(table: np.ndarray, name: str, gradient: str) -> tuple[Slope, Slope]:
    """Return dT/dx and dT/dw as functions of both codes; `straight-through` of a table that clips at `CLIPS`."""
    if gradient == "straight-through":
        x_values, w_values = (values.tolist() for values in (FORMATS[name].x_values, FORMATS[name].w_values))
        x_most, w_most = (
            min(v for v in values if nearest(Fraction(100 * v, clip)) >= max(values))
            for clip, values in zip(CLIPS, (x_values, w_values), strict=True)
        )
        return (
            lambda x, w: float(np.clip(w_values[w], -w_most, w_most)) if abs(x_values[x]) <= x_most else 0.0,
            lambda x, w: float(np.clip(x_values[x], -x_most, x_most)) if abs(w_values[w]) <= w_most else 0.0,
        )
    slopes = table_gradient(table, FORMATS[name].x_values, FORMATS[name].w_values, window=16)
    if gradient == "table-1d":
        return lambda x, w: float(slopes.x1d[w]), lambda x, w: float(slopes.w1d[x])
    return lambda x, w: float(slopes.x2d[x, w]), lambda x, w: float(slopes.w2d[x, w])


def conv_gradients(
    x: naive.Quantized, w: naive.Quantized, grad: np.ndarray, slopes: tuple[Slope, Slope], conv: nn.Conv2d
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the rounded operands, product by product; that of the input still has its zero padding."""
    left, right, top, bottom = naive.zero_padding(conv)
    zx, ends = int(x.zero_point), ((0, 0), (0, 0), (top, bottom), (left, right))
    codes = np.pad(x.codes, ends, constant_values=zx % 256)
    to_x, to_w = np.zeros(codes.shape), np.zeros(w.codes.shape)
    per_group, columns = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    for (b, n, row, column), g in np.ndenumerate(grad):
        scale, zw = float(w.scale[n].item()), int(w.zero_point[n].item())
        for c, i, j in np.ndindex(*w.codes.shape[1:]):
            y, z = row * conv.stride[0] + i * conv.dilation[0], column * conv.stride[1] + j * conv.dilation[1]
            place = (b, n // columns * per_group + c, y, z)
            pair = int(codes[place]), int(w.codes[n, c, i, j])
            to_x[place] += g * scale * (slopes[0](*pair) - zw)
            to_w[n, c, i, j] += g * float(x.scale) * (slopes[1](*pair) - zx)
    return torch.from_numpy(to_x).float(), torch.from_numpy(to_w).float()


@pytest.mark.parametrize(("clip", "most"), [(50, 128), (35, 90), (80, 204)])
def test_a_table_tells_where_it_clips_and_steps_are_no_clipping(clip: int, most: int) -> None:
    exact, operands = small.library()[0], FORMATS["sm8"]
    made = operands.table(clipped(exact, clip, clip))
    assert (clipped_at(made, operands.x_values), clipped_at(made.T, operands.w_values)) == (most, most)
    for keep in (~0, ~7, ~63, 0):  # bits of the operands that a circuit looks at
        table = operands.table(Multiplier("coarse", np.multiply.outer(CODES & keep, CODES & keep), power_mw=0.1))
        assert clipped_at(table, operands.x_values) == clipped_at(table.T, operands.w_values) == math.inf


@needs_evoapprox
def test_no_published_circuit_clips_of_itself() -> None:
    operands = FORMATS["sm8"]
    for multiplier in load_library(str(FOLDER), signed=False):
        table = operands.table(multiplier)
        assert clipped_at(table, operands.x_values) == clipped_at(table.T, operands.w_values) == math.inf


def passes(real: np.ndarray, q: naive.Quantized, bounds: tuple[int, int]) -> Tensor:
    """Return 1 where a value was not clipped, else 0."""
    shape = [-1] + [1] * (real.ndim - 1)
    values = np.rint(real / q.scale.reshape(shape)) + q.zero_point.reshape(shape)
    return torch.from_numpy((values >= bounds[0]) & (values <= bounds[1])).float()


CASES = [("u8", geometry) for geometry in GEOMETRIES] + [
    (name, geometry) for name in ("sm8", "s8") for geometry in ("tuple of padding", "stride", "depthwise", "groups")
]


@pytest.mark.parametrize(("name", "geometry"), CASES)
@gradients
def test_table_gradients_equal_the_definition(name: str, geometry: str, gradient: Gradient) -> None:
    conv, x = convolution(**GEOMETRIES[geometry]), naive.inputs(2, 4, 4, 5)
    layer, table = naive.layer(conv, name), naive.random_table(FORMATS[name])
    if gradient == "straight-through":
        table = FORMATS[name].table(clipped(small.library(signed=name == "s8")[0], *CLIPS))
    grad, *got = pulled(trainable(layer, table, gradient), layer, x)
    weight = conv.weight.detach().numpy()
    padded = x.clone().requires_grad_()
    prepared = layer.prepare(padded)
    codes = naive.quantize_activation(prepared.detach().numpy(), -1, 2, name)
    weights = naive.quantize_weight(weight, name, "per-channel")
    to_x, to_w = conv_gradients(codes, weights, grad.numpy(), slope_functions(table, name, gradient), conv)
    left, right, top, bottom = naive.zero_padding(conv)
    to_x = to_x[:, :, top : to_x.shape[2] - bottom, left : to_x.shape[3] - right]
    to_x = to_x * passes(prepared.detach().numpy(), codes, naive.RANGES[name][0])
    close(got[0], torch.autograd.grad(prepared, padded, to_x)[0])
    close(got[1], to_w * passes(weight, weights, naive.RANGES[name][1]))


def interpolated(line: np.ndarray, place: float) -> float:
    """Return a line between its entries, and beyond its ends as it runs there."""
    at = min(max(int(np.floor(place)), 0), len(line) - 2)
    return float(line[at] + (line[at + 1] - line[at]) * (place - at))


class SmoothNetwork:
    """A linear layer in real numbers, where one operand moves on the smoothed table and the other rests on its code."""

    def __init__(self, layer: ApproxLayer, table: np.ndarray, window: int) -> None:
        self.o, self.sx, self.zx = layer.operands, float(layer.x_quantizer.scale), int(layer.x_quantizer.zero_point)
        weight = layer.w_quantizer.quantize(layer.weight)
        self.w, self.sw, self.zw = weight.values.numpy(), weight.scale.double().numpy(), weight.zero_point.numpy()
        xs = np.arange(self.o.x_low, self.o.x_high + 1) % 256
        ws = np.arange(self.o.w_low, self.o.w_high + 1) % table.shape[1]
        self.along_x = smoothed(table[xs], window, 0)  # rows in the order of the activation's value
        self.along_w = smoothed(table[:, ws], window, 1)

    def product(self, n: int, x: float, w: float, moving: str) -> float:
        """Return one corrected product in real units; `x` and `w` are values, whole but for the one that moves."""
        if moving == "x":
            through = interpolated(self.along_x[:, int(w) % self.along_x.shape[1]], x - self.o.x_low)
        else:
            through = interpolated(self.along_w[int(x) % 256], w - self.o.w_low)
        return self.sx * self.sw[n] * (through - self.zw[n] * x - self.zx * w + self.zx * self.zw[n])

    def slope(self, n: int, x: int, w: int, moving: str) -> float:
        """Return the central difference of a product over one step of the moving operand, per real unit."""
        if moving == "x":
            return (self.product(n, x + 1, w, "x") - self.product(n, x - 1, w, "x")) / (2 * self.sx)
        return (self.product(n, x, w + 1, "w") - self.product(n, x, w - 1, "w")) / (2 * self.sw[n])


@formats
@granularities
@pytest.mark.parametrize("window", [1, 16])
def test_finite_differences_of_the_smoothed_table(name: str, granularity: Granularity, window: int) -> None:
    """The loss is linear in the outputs, so that its differences are sums of those of the products."""
    layer, x = linear(name, granularity), naive.inputs(6, 5, low=-0.99, high=1.99)
    table = naive.random_table(FORMATS[name])
    grad, to_x, to_w = pulled(trainable(layer, table, "table-2d", window), layer, x)
    network = SmoothNetwork(layer, table, window)
    codes = layer.x_quantizer.codes(x)
    values = (codes.view(torch.int8) if layer.operands.x_low < 0 else codes).int().numpy()
    expected_x, expected_w = np.zeros(values.shape), np.zeros(network.w.shape)
    for m, n, k in np.ndindex(*grad.shape, x.shape[1]):
        pair = int(values[m, k]), int(network.w[n, k])
        expected_x[m, k] += float(grad[m, n]) * network.slope(n, *pair, "x")
        expected_w[n, k] += float(grad[m, n]) * network.slope(n, *pair, "w")
    close(to_x, torch.from_numpy(expected_x).float())
    close(to_w, torch.from_numpy(expected_w).float())


@gradients
def test_clipped_values_get_no_gradient(gradient: Gradient) -> None:
    layer = linear()
    x = torch.tensor([[-1.5, -0.9, 0.0, 1.9, 2.5]])
    _, to_x, _ = pulled(trainable(layer, naive.random_table(layer.operands), gradient), layer, x)
    assert ((to_x == 0) == torch.tensor([[True, False, False, False, True]])).all()


@pytest.mark.parametrize("chunk", [1, 100])
def test_plain_torch_takes_a_batch_in_parts(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = naive.layer(convolution(kernel_size=3, stride=2, padding=1), "u8"), naive.inputs(5, 4, 4, 5)
    table = naive.random_table(layer.operands)
    _, *expected = pulled(trainable(layer, table, "table-2d"), layer, x)
    monkeypatch.setenv(ENGINE_VARIABLE, "torch")
    monkeypatch.setattr(_slope_sums, "_CHUNK", chunk)
    _, *got = pulled(trainable(layer, table, "table-2d"), layer, x)
    for left, right in zip(got, expected, strict=True):
        close(left, right)


@gradients
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("make", [linear, lambda: naive.layer(convolution(kernel_size=3, padding=1), "u8")])
def test_inputs_of_another_dtype(gradient: Gradient, dtype: torch.dtype, make: Callable[[], ApproxLayer]) -> None:
    layer = make()
    x = naive.inputs(2, 4, 4, 5) if layer.trailing_dims else naive.inputs(3, 5)
    arithmetic = trainable(layer, naive.random_table(layer.operands), gradient)
    _, to_x, to_weight = pulled(arithmetic, layer, x.to(dtype))
    assert to_x.dtype == dtype and to_weight.dtype == layer.weight.dtype
    _, *expected = pulled(arithmetic, layer, x.to(dtype).float())
    close(to_x.float(), expected[0].to(dtype).float())
    close(to_weight, expected[1])


@gradients
@pytest.mark.parametrize(("needs_x", "needs_w"), [(True, False), (False, True)])
def test_only_wanted_gradients(gradient: Gradient, needs_x: bool, needs_w: bool) -> None:
    layer = naive.layer(convolution(kernel_size=3, padding=1), "u8")
    x = naive.inputs(2, 4, 4, 5)
    arithmetic = trainable(layer, naive.random_table(layer.operands), gradient)
    grad, *expected = pulled(arithmetic, layer, x)
    layer.weight.requires_grad_(needs_w)
    x.requires_grad_(needs_x)
    arithmetic(layer, x).backward(grad)
    for got, wanted, right in zip((x.grad, layer.weight.grad), (needs_x, needs_w), expected, strict=True):
        assert (got is not None) == wanted
        assert got is None or torch.equal(got, right)


def kept(layer: ApproxLayer, x: Tensor) -> list[Tensor]:
    """Return what a forward pass keeps for the backward pass."""
    tensors: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x)
    return tensors


@gradients
def test_keeps_nothing_but_the_operands_and_only_where_a_gradient_is_wanted(gradient: Gradient) -> None:
    layer = naive.layer(nn.Conv2d(4, 4, 3, bias=False), "u8")
    layer.arithmetic = trainable(layer, naive.random_table(layer.operands), gradient)
    x = naive.inputs(2, 4, 4, 5).requires_grad_()
    assert [tensor.data_ptr() for tensor in kept(layer, x)] == [x.data_ptr(), layer.weight.data_ptr()]  # no copies
    with torch.no_grad():
        assert kept(layer, x) == []
    layer.weight.requires_grad_(False)
    assert kept(layer, x.detach()) == []
    assert not layer(x.detach()).requires_grad


@gradients
def test_output_may_be_changed_in_place(gradient: Gradient) -> None:
    for original, x in ((nn.Linear(5, 4, bias=False), naive.inputs(3, 5)), (nn.Conv2d(4, 4, 3), naive.inputs(2, 4, 4, 5))):
        layer = naive.layer(original, "u8")
        layer.arithmetic = trainable(layer, naive.random_table(layer.operands), gradient)
        x.requires_grad_()
        torch.relu_(layer(x)).sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


def test_a_weight_changed_between_the_passes_is_noticed() -> None:
    layer = linear()
    out = trainable(layer, layer.operands.exact, "table-2d")(layer, naive.inputs(3, 5))
    with torch.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@pytest.mark.parametrize("wrong", ["straigth-through", "2d", ""])
def test_refuses_an_unknown_gradient(wrong: Any) -> None:
    layer = linear()
    hint = "did you mean 'straight-through'" if "gth" in wrong else "valid: straight-through, table-1d, table-2d"
    with pytest.raises(InputError, match=f"^unknown gradient '{wrong}'; {hint}"):
        trainable(layer, layer.operands.exact, wrong)


@pytest.mark.parametrize("gradient", ["table-1d", "table-2d"])
@pytest.mark.parametrize("window", [0, -3, 128])
def test_refuses_a_window_that_does_not_fit(gradient: Gradient, window: int) -> None:
    layer = linear()
    with pytest.raises(InputError, match="^window: expected 1..127"):
        trainable(layer, layer.operands.exact, gradient, window)


@gradients
def test_refuses_a_table_of_another_format(gradient: Gradient) -> None:
    with pytest.raises(InputError, match=r"table: expected \(256, 512\)"):
        trainable(linear("sm8"), FORMATS["u8"].exact, gradient)


def bad_tables(model: nn.Module) -> dict[str, np.ndarray]:
    """Return tables of a multiplier that drops the four low bits of the activation and adds a little noise."""
    made = {}
    for name, layer in approximable_layers(model).items():
        coarse = layer.operands.x_values // 16 * 16
        noise = np.random.default_rng(0).integers(-200, 200, layer.operands.exact.shape)
        made[name] = (np.multiply.outer(coarse, layer.operands.w_values) + noise).astype(np.int32)
    return made


@formats
@gradients
def test_training_adapts_to_a_bad_multiplier(name: str, gradient: Gradient) -> None:
    model, x = small.network(name), small.images(24)
    with torch.no_grad():
        target = model(x).argmax(1)
    simulate_trainable(model.train(), bad_tables(model), gradient=gradient)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(x), target)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]


@gradients
def test_model_computes_what_simulate_does(gradient: Gradient) -> None:
    model, x = small.network("sm8"), small.images()
    tables = bad_tables(model)
    tables.pop("strided")
    keys = list(model.state_dict())
    simulated = copy.deepcopy(model)
    simulate(simulated, tables)
    simulate_trainable(model, tables, gradient=gradient)
    assert list(model.state_dict()) == keys
    with torch.no_grad():
        assert torch.equal(model(x), simulated(x))
    assert torch.equal(model.train()(x), model.eval()(x))


@gradients
def test_a_copy_trains_on_its_own(gradient: Gradient) -> None:
    model, x = small.network("sm8"), small.images()
    simulate_trainable(model, bad_tables(model), gradient=gradient)
    twin = copy.deepcopy(model)
    before = model(x)
    twin(x).square().sum().backward()
    assert all(p.grad is None for p in model.parameters())
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    assert torch.equal(model(x), before) and not torch.equal(twin(x), before)


def test_simulate_trainable_refuses_and_leaves_the_model_alone() -> None:
    with pytest.raises(InputError, match="^simulate: expected a quantised model"):
        simulate_trainable(nn.Linear(2, 2))
    model = small.network("sm8")
    before = [layer.arithmetic for layer in approximable_layers(model).values()]
    good = bad_tables(model)
    with pytest.raises(InputError, match="^unknown approximable layer 'liner'; did you mean 'linear'"):
        simulate_trainable(model, {"liner": good["linear"]})
    with pytest.raises(InputError, match="^unknown gradient 'table-3d'"):
        simulate_trainable(model, good, gradient="table-3d")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="^window: "):
        simulate_trainable(model, good, gradient="table-1d", window=0)
    with pytest.raises(InputError, match="layer 'linear': expected a Multiplier, or its table"):
        simulate_trainable(model, {"linear": FORMATS["u8"].exact})
    assert all(a is layer.arithmetic for a, layer in zip(before, approximable_layers(model).values(), strict=True))
