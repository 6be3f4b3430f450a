"""Arithmetics: integers that never wrap, a prepared product that is never stale, and noise of the stated amount."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic, NoiseArithmetic
from dse.nn.layers import ApproxLayer
from dse.operands import FORMATS
from tests.nn import naive

formats = pytest.mark.parametrize("name", FORMATS)
tables = pytest.mark.parametrize("with_table", [False, True])


def linear(n_in: int = 6, n_out: int = 3, name: str = "u8") -> ApproxLayer:
    torch.manual_seed(0)
    return naive.layer(nn.Linear(n_in, n_out), name)


def integer(layer: ApproxLayer, table: np.ndarray | None) -> IntegerArithmetic:
    return IntegerArithmetic(layer, None if table is None else torch.from_numpy(table))


def definition(layer: ApproxLayer, x: Tensor, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of the input, and the corrected sums by numpy in int64."""
    name = layer.operands.name
    codes = naive.quantize_activation(x.numpy(), -1, 2, name)
    weight = naive.quantize_weight(layer.weight.detach().numpy(), name, "per-channel")
    products = table.astype(np.int64)[codes.codes[:, :, None], weight.codes.T[None]].sum(1)
    zx, zw = codes.zero_point, weight.zero_point[None]
    correction = -zw * codes.values.sum(1, keepdims=True) - zx * weight.values.sum(1)[None] + layer.fan_in * zx * zw
    return codes.codes, products + correction


@formats
@pytest.mark.parametrize("fan_in", [1, 2, 100, 4097])
@pytest.mark.parametrize("kind", ["exact", "products", "max", "min"])
def test_corrected_sums_do_not_wrap(name: str, fan_in: int, kind: str) -> None:
    layer = linear(fan_in, 2, name)
    operands = layer.operands
    with torch.no_grad():
        layer.weight.copy_(naive.inputs(2, fan_in, low=-1.0, high=0.02))  # a zero point near the upper end
    table = {
        "exact": operands.exact,
        "products": naive.random_table(operands),
        "max": np.full_like(operands.exact, (2**31 - 1) // fan_in),  # products that just fit int32
        "min": np.full_like(operands.exact, -((2**31 - 1) // fan_in)),
    }[kind]
    for x in (naive.inputs(3, fan_in), torch.full((1, fan_in), 9.0), torch.full((1, fan_in), -9.0)):
        codes, sums = definition(layer, x, table)
        computed = integer(layer, table).sums(layer, torch.from_numpy(codes.astype(np.uint8)))
        assert np.array_equal(computed[:, 0].numpy(), sums)
        if kind == "exact":
            without = integer(layer, None).sums(layer, torch.from_numpy(codes.astype(np.uint8)))
            assert np.array_equal(without[:, 0].numpy(), sums)


@formats
@tables
def test_very_long_sums(name: str, with_table: bool) -> None:
    """With 40,000 products of 255 x 255 the sum no longer fits int32."""
    layer = linear(40_000, 1, name)
    with torch.no_grad():
        layer.weight.fill_(1.0)[0, 0] = -0.1
    x = torch.full((1, 40_000), 9.0)
    codes, sums = definition(layer, x, layer.operands.exact)
    arithmetic = integer(layer, layer.operands.exact if with_table else None)
    assert arithmetic.sums(layer, torch.from_numpy(codes.astype(np.uint8))).item() == sums.item()


def sgd_step(layer: ApproxLayer) -> None:
    layer.weight.grad = torch.ones_like(layer.weight) * naive.inputs(*layer.weight.shape, seed=5)
    torch.optim.SGD([layer.weight], lr=0.1).step()


def through_data(layer: ApproxLayer) -> None:
    layer.weight.data.mul_(naive.inputs(*layer.weight.shape, seed=5))  # does not count as a change for autograd


def replaced(layer: ApproxLayer) -> None:
    layer.weight = nn.Parameter(naive.inputs(*layer.weight.shape, seed=5))


def loaded(layer: ApproxLayer) -> None:
    """Another calibration of another network."""
    other = naive.layer(nn.Linear(*reversed(layer.weight.shape)), layer.operands.name, low=-3, high=1)
    layer.load_state_dict(other.state_dict())


def recalibrated(layer: ApproxLayer) -> None:
    layer.x_quantizer.load_state_dict({"scale": torch.tensor(0.02), "zero_point": torch.tensor(0, dtype=torch.int32)})


def one_element(layer: ApproxLayer) -> None:
    with torch.no_grad():
        layer.weight[1, 2] += 0.5


CHANGES = [sgd_step, through_data, replaced, loaded, recalibrated, one_element]


@tables
@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
@pytest.mark.parametrize("in_copy", [False, True])
@formats
def test_prepared_product_is_never_stale(
    name: str, in_copy: bool, change: Callable[[ApproxLayer], None], with_table: bool
) -> None:
    layer, x = linear(name=name), naive.inputs(4, 6)
    table = naive.random_table(layer.operands) if with_table else None
    sgd_step(layer)  # so that the weight has been changed before it is prepared and a copy starts its count anew
    layer.arithmetic = integer(layer, table)
    with torch.no_grad():
        before = layer(x)
        if in_copy:
            layer = copy.deepcopy(layer)
        change(layer)
        after = layer(x)
        layer.arithmetic = integer(layer, table)
        assert not torch.equal(before, after)
        assert torch.equal(after, layer(x))


def test_unchanged_weight_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = linear()
    layer.arithmetic = integer(layer, layer.operands.exact)
    monkeypatch.setattr(layer.w_quantizer, "quantize", pytest.fail)
    layer(naive.inputs(2, 6))
    layer(naive.inputs(2, 6))


def test_bytes_of_the_prepared_rows() -> None:
    layer = linear()
    weights = 6 * 3 * (4 + 2 + 4)  # as real numbers, codes and values
    assert 0 <= integer(layer, None).nbytes - weights < 150
    through_torch = IntegerArithmetic(layer, torch.from_numpy(layer.operands.exact), engine="torch")
    through_torch(layer, torch.zeros(2, 6))
    assert 0 <= through_torch.nbytes - weights - 6 * 256 * 3 * 4 < 150


@formats
@pytest.mark.parametrize("fault", ["narrow", "wide", "short", "long", "dtype", "rank"])
def test_refuses_a_table_of_another_format(name: str, fault: str) -> None:
    layer = linear(name=name)
    table = torch.from_numpy(layer.operands.exact)
    faulty = {
        "narrow": table[:, :-1],
        "wide": torch.cat([table, table], 1),
        "short": table[:128],
        "long": torch.cat([table, table]),
        "dtype": table.long(),
        "rank": table.flatten(),
    }[fault]
    with pytest.raises(InputError, match=rf"expected .*256, {2**layer.operands.w_bits}.*int32, got"):
        IntegerArithmetic(layer, faulty)


def test_integer_arithmetic_adds_nothing_to_the_state() -> None:
    layer = linear()
    keys = list(layer.state_dict())
    layer.arithmetic = integer(layer, layer.operands.exact)
    assert list(layer.state_dict()) == keys == ["weight", "bias", "x_quantizer.scale", "x_quantizer.zero_point"]


@formats
def test_float_arithmetic_multiplies_fake_quantised_operands(name: str) -> None:
    layer, x = linear(name=name), naive.inputs(4, 6)
    expected = layer.x_quantizer.fake(x) @ layer.w_quantizer.fake(layer.weight).t()
    assert torch.allclose(FloatArithmetic()(layer, x), expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_noise_is_sigma_stds_of_the_output(sigma: float) -> None:
    layer, x = linear(6, 50), naive.inputs(400, 6)
    exact = FloatArithmetic()(layer, x)
    torch.manual_seed(3)
    noisy = NoiseArithmetic(sigma)(layer, x)
    torch.manual_seed(3)
    eps = torch.randn_like(exact)
    assert torch.allclose(noisy, exact + sigma * exact.std(correction=0) * eps, atol=1e-5)
    assert (noisy - exact).std().item() == pytest.approx(sigma * exact.std(correction=0).item(), rel=0.02)


def test_gradients_of_noise() -> None:
    """With y = x w: d(y + sigma std(y) eps)/d sigma = std(y) eps, and the gradient flows through std(y) as well."""
    layer, x = linear(), naive.inputs(4, 6)
    noise = NoiseArithmetic(0.1)
    torch.manual_seed(3)
    out = noise(layer, x)
    torch.manual_seed(3)
    eps = torch.randn_like(out)
    out.sum().backward()
    exact = FloatArithmetic()(layer, x).detach().requires_grad_()
    assert noise.sigma.grad is not None and layer.weight.grad is not None
    assert noise.sigma.grad.item() == pytest.approx((exact.std(correction=0) * eps).sum().item(), rel=1e-3)
    (exact + 0.1 * exact.std(correction=0) * eps).sum().backward()
    got = layer.weight.grad.clone()
    layer.weight.grad = None
    FloatArithmetic()(layer, x).backward(exact.grad)
    assert torch.allclose(got, layer.weight.grad, atol=1e-3)


def test_noise_on_a_single_output_is_finite() -> None:
    layer, noise = linear(6, 1), NoiseArithmetic(0.1)
    out = noise(layer, naive.inputs(1, 6))
    out.sum().backward()
    assert out.isfinite().all() and noise.sigma.grad is not None and noise.sigma.grad.isfinite()
