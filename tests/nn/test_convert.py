"""Conversion: which modules are replaced, that the original stays as it was, and what the copy computes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic
from dse.nn.convert import approximable_layers, fake_quantized, quantize, quantized_layers, simulate
from dse.nn.layers import ApproxConv2d, ApproxLayer, ApproxLinear
from dse.nn.models import build_model
from dse.nn.quantizers import QuantizationSettings
from dse.operands import FORMATS
from tests.nn import naive
from tests.small import library

formats = pytest.mark.parametrize("name", FORMATS)


class OddConv(nn.Conv2d):
    """A subclass: it may compute anything."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class Branches(nn.Module):
    """Nested, shared and idle layers, whose forward order is not the order of registration."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.idle = nn.Linear(8, 8)
        self.odd = OddConv(4, 4, 1)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(2)])
        self.again = self.blocks[0]  # a block under two names
        self.stem = nn.ModuleDict({"conv": nn.Conv2d(1, 4, 3, padding=1), "norm": nn.BatchNorm2d(4)})
        self.twice = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem["norm"](self.stem["conv"](x))
        x = self.odd(self.again(self.blocks[1](x)))
        x = F.max_pool2d(x, 4).view(len(x), -1)
        x = torch.cat([x, x], 1)
        return self.head(self.twice(self.twice(x).relu()))


FORWARD_ORDER = ["stem.conv", "blocks.1.0", "blocks.0.0", "twice", "head"]
IMAGES = naive.inputs(6, 1, 4, 4)


def branches() -> Branches:
    torch.manual_seed(0)
    return Branches()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same_state(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def output(model: nn.Module, x: Tensor = IMAGES) -> Tensor:
    with torch.no_grad():
        return model(x)


def exact_tables(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: layer.operands.exact for name, layer in approximable_layers(model).items()}


def test_layers_in_forward_order_by_qualified_name() -> None:
    model = quantize(branches(), IMAGES)
    assert list(quantized_layers(model)) == list(approximable_layers(model)) == FORWARD_ORDER
    assert [layer.position for layer in quantized_layers(model).values()] == [0, 1, 2, 3, 4]
    kinds = [type(layer) for layer in quantized_layers(model).values()]
    assert kinds == [ApproxConv2d] * 3 + [ApproxLinear] * 2


def test_what_is_replaced_and_what_is_not() -> None:
    model = quantize(branches(), IMAGES)
    assert isinstance(model, Branches)
    assert model.again is model.blocks[0] and isinstance(model.again[0], ApproxConv2d)
    assert type(model.idle) is nn.Linear
    assert type(model.odd) is OddConv
    assert not any(module.training for module in model.modules())


def test_shared_module_under_two_names_in_one_parent() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = self.first
            self.tied = nn.Linear(4, 4)
            self.tied.weight = self.first.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.second(self.first(x)))

    model = quantize(Tied(), naive.inputs(3, 4))
    assert list(quantized_layers(model)) == ["first", "tied"]
    assert model.second is model.first and isinstance(model.second, ApproxLinear)
    assert model.tied.weight is model.first.weight


@pytest.mark.parametrize("original", [nn.Linear(4, 3), nn.Conv2d(4, 3, 1)], ids=["linear", "conv"])
def test_model_that_is_one_layer(original: nn.Module) -> None:
    x = naive.inputs(5, 4, *((2, 2) if isinstance(original, nn.Conv2d) else ()))
    model = quantize(original, x)
    assert isinstance(model, ApproxLayer) and type(original) in (nn.Linear, nn.Conv2d)
    assert list(approximable_layers(model)) == [""]
    assert torch.allclose(output(model, x), output(original, x), atol=0.05)
    simulate(model, {"": np.zeros_like(model.operands.exact)})
    assert not torch.allclose(output(model, x), output(original, x), atol=0.05)


@pytest.mark.parametrize("training", [True, False])
def test_original_is_left_as_it_was(training: bool) -> None:
    original = branches().train(training)
    original.odd.eval()
    modes = [module.training for module in original.modules()]
    before, modules = state(original), list(original.modules())
    requires = [p.requires_grad for p in original.parameters()]
    model = quantize(original, IMAGES)
    simulate(model, exact_tables(model))
    for parameter in model.parameters():
        parameter.data.zero_()
    assert list(original.modules()) == modules
    assert [module.training for module in original.modules()] == modes
    assert same_state(state(original), before)
    assert [p.requires_grad for p in original.parameters()] == requires
    assert not any(module._forward_pre_hooks for module in original.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


@formats
@pytest.mark.parametrize("granularity", ["per-tensor", "per-channel"])
@pytest.mark.parametrize("calibration", ["min-max", "percentile"])
def test_exact_simulation_is_the_quantised_network(name: str, granularity: Any, calibration: Any) -> None:
    settings = QuantizationSettings(name, granularity, calibration)
    original = branches().eval()
    model = quantize(original, IMAGES, settings)
    fake = output(model)
    simulate(model)
    exact = output(model)
    simulate(model, exact_tables(model))
    assert torch.equal(output(model), exact)
    # float sums may round an operand of a later layer to the neighbouring code: steps, not float errors
    last = quantized_layers(model)["head"]
    step = float(last.x_quantizer.scale) * float(last.w_quantizer.fake(last.weight.detach()).abs().sum(1).max())
    assert torch.allclose(exact, fake, atol=step)
    assert torch.allclose(exact, output(original), atol=0.05)


@pytest.mark.parametrize("name", ["digits-cnn", "lenet5", "resnet8"])
def test_built_in_networks(name: str) -> None:
    original = build_model(name, in_shape=(1, 28, 28), n_classes=4, seed=0).eval()
    x = naive.inputs(3, 1, 28, 28)
    model = quantize(original, x)
    fake = output(model, x)
    simulate(model)
    exact = output(model, x)
    simulate(model, exact_tables(model))
    assert torch.equal(output(model, x), exact)
    size = float(output(original, x).abs().max())
    assert torch.allclose(exact, fake, atol=0.02 * size)
    assert torch.allclose(exact, output(original, x), atol=0.1 * size)


def test_calibration_range_is_that_of_the_layer_input() -> None:
    original = branches().eval()
    seen: list[Tensor] = []
    hook = original.twice.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    output(original)
    hook.remove()
    values = torch.cat(seen)  # both calls
    quantizer = quantized_layers(quantize(original, IMAGES))["twice"].x_quantizer
    low, high = min(values.min().item(), 0), max(values.max().item(), 0)
    assert quantizer.scale.item() == pytest.approx((high - low) / 255)
    assert int(quantizer.zero_point) == round(-low / (high - low) * 255)


def test_calibration_runs_in_evaluation_mode() -> None:
    """Neither batch statistics nor dropout reach the ranges, and running statistics stay."""
    torch.manual_seed(0)
    original = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Conv2d(1, 2, 3)).train()
    wide = IMAGES * 5
    model = quantize(original, wide)
    assert isinstance(model[2], ApproxConv2d)
    low, high = (bound.item() for bound in torch.aminmax(original.eval()[0](wide)))
    assert model[2].x_quantizer.scale.item() == pytest.approx((high - low) / 255)
    assert model[0].running_mean.item() == 0


def test_all_calibration_batches_count() -> None:
    x = torch.zeros(300, 4)
    x[299, 0] = 51.0
    assert quantize(nn.Sequential(nn.Linear(4, 2)), x)[0].x_quantizer.scale.item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        (("*",), (), FORWARD_ORDER),
        (("*",), ("head", "stem.*"), ["blocks.1.0", "blocks.0.0", "twice"]),
        (("blocks.*",), (), ["blocks.1.0", "blocks.0.0"]),
        (("blocks.*", "head"), ("*.0.0",), ["blocks.1.0", "head"]),
        (("blocks.[01].0", "t?ice"), (), ["blocks.1.0", "blocks.0.0", "twice"]),
    ],
)
def test_include_and_exclude(include: tuple[str, ...], exclude: tuple[str, ...], chosen: list[str]) -> None:
    model = quantize(branches(), IMAGES, include=include, exclude=exclude)
    assert list(approximable_layers(model)) == chosen
    assert list(quantized_layers(model)) == FORWARD_ORDER  # the others are quantised and stay exact
    simulate(model)
    exact = output(model)
    simulate(model, exact_tables(model))
    assert torch.equal(output(model), exact)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"include": ["heat"]}, "layers.include: unknown layer 'heat'; did you mean 'head'"),
        ({"exclude": ["twise", "head"]}, "layers.exclude: unknown layer 'twise'; did you mean 'twice'"),
        ({"include": ["idle"]}, "layers.include: unknown layer 'idle'"),
        ({"include": ["zzz*"]}, "unknown layer 'zzz\\*'; valid: blocks.0.0, blocks.1.0, head, stem.conv, twice"),
        ({"exclude": ["*"]}, "no approximable layer: .*only 5 Conv2d/Linear"),
        ({"include": []}, "no approximable layer"),
    ],
)
def test_patterns_are_checked(arguments: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantize(branches(), IMAGES, **arguments)


def test_refuses_an_empty_calibration() -> None:
    with pytest.raises(InputError, match="calibration: expected at least one image, got none"):
        quantize(branches(), IMAGES[:0])


def test_refuses_a_model_without_layers() -> None:
    with pytest.raises(InputError, match="no approximable layer: the model's forward pass reaches no Conv2d or Linear"):
        quantize(nn.Sequential(nn.Flatten(), nn.ReLU()), IMAGES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_images_that_are_not_finite(value: float) -> None:
    x = IMAGES.clone()
    x[0, 0, 0, 0] = value
    with pytest.raises(InputError, match="finite"):
        quantize(branches(), x)


def test_one_table_changes_one_layer() -> None:
    model = quantize(branches(), IMAGES)
    simulate(model)
    exact = output(model)
    table = {"twice": naive.random_table(FORMATS["sm8"])}
    simulate(model, table)
    for name, layer in quantized_layers(model).items():
        assert isinstance(layer.arithmetic, IntegerArithmetic) and (layer.arithmetic.table is not None) == (name == "twice")
    assert not torch.allclose(output(model), exact)
    table["twice"][:] = 0  # the caller's array may change afterwards
    assert not torch.allclose(output(model), exact)
    simulate(model)
    assert torch.equal(output(model), exact)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"twise": FORMATS["sm8"].exact}, "unknown approximable layer 'twise'; did you mean 'twice'"),
        ({"head": FORMATS["sm8"].exact}, "unknown approximable layer 'head'"),  # excluded: it stays exact
        ({"twice": FORMATS["u8"].exact}, r"expected .*\(256, 512\) int32, got \(256, 256\)"),
        ({"twice": FORMATS["sm8"].exact.astype(np.int64)}, "int32, got .*int64"),
    ],
)
def test_simulate_refuses(tables: dict[str, np.ndarray], message: str) -> None:
    model = quantize(branches(), IMAGES, exclude=["head"])
    fake = output(model)
    with pytest.raises(InputError, match=message):
        simulate(model, tables)
    assert torch.equal(output(model), fake)  # nothing was changed halfway


def test_simulate_refuses_a_model_that_is_not_quantised() -> None:
    with pytest.raises(InputError, match="quantize"):
        simulate(branches())


def test_read_only_tables_are_taken() -> None:
    table = FORMATS["sm8"].exact.copy()
    table.setflags(write=False)
    model = quantize(branches(), IMAGES)
    simulate(model, {"twice": table})
    assert output(model).isfinite().all()


@pytest.mark.parametrize("mode", ["fake", "exact", "table"])
def test_deepcopy_and_state_dict_round_trip(mode: str) -> None:
    model = quantize(branches(), IMAGES)
    other = quantize(branches(), 3 * IMAGES)  # another calibration of other weights
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.7)
    tables = {name: naive.random_table(FORMATS["sm8"]) for name in FORWARD_ORDER} if mode == "table" else None
    if mode != "fake":
        simulate(model, tables)
        simulate(other, tables)
    expected = output(model)
    assert not torch.equal(output(other), expected)
    assert torch.equal(output(copy.deepcopy(model)), expected)
    other.load_state_dict(model.state_dict())
    assert torch.equal(output(other), expected)


def test_copy_is_independent() -> None:
    model = quantize(branches(), IMAGES)
    simulate(model)
    expected = output(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.head.weight.mul_(-1)
    assert torch.equal(output(model), expected)
    assert not torch.equal(output(twin), expected)


def test_weights_changed_after_simulate_give_a_new_result() -> None:
    model = quantize(branches(), IMAGES)
    simulate(model)
    before = output(model)
    with torch.no_grad():
        model.blocks[1][0].weight.mul_(-0.5)
    after = output(model)
    assert not torch.equal(after, before)
    simulate(model)
    assert torch.equal(output(model), after)


@formats
def test_training_the_fake_quantised_network_moves_its_weights(name: str) -> None:
    original = branches().eval()
    model = quantize(original, IMAGES, QuantizationSettings(name))
    simulate(model)
    fake_quantized(model)
    assert all(isinstance(layer.arithmetic, FloatArithmetic) for layer in quantized_layers(model).values())
    labels = torch.arange(len(IMAGES)) % 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(IMAGES), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    for key, layer in quantized_layers(model).items():
        assert not torch.equal(layer.weight, original.get_submodule(key).weight)
    simulate(model)
    assert F.cross_entropy(output(model), labels).item() == pytest.approx(losses[-1], abs=0.1)


def test_simulation_works_in_inference_mode_and_afterwards() -> None:
    model = quantize(branches(), IMAGES)
    with torch.inference_mode():
        simulate(model)
        inside = model(IMAGES).clone()
    assert torch.equal(output(model), inside)
    assert torch.equal(model(IMAGES), inside)  # with gradients switched on


def test_a_layer_takes_a_multiplier_or_its_table_of_either_library() -> None:
    x, net = torch.randn(6, 10), nn.Sequential(nn.Linear(10, 3))
    outputs = []
    multiplier = library()[1]
    table = FORMATS["sm8"].table(multiplier)
    for given in (multiplier, table, torch.from_numpy(table.copy())):
        model = quantize(net, x)
        simulate(model, {"0": given})
        outputs.append(model(x))
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize(
    "given", [[[1, 2]], np.zeros((256, 512)), np.zeros((256, 256), dtype=np.int32), torch.zeros(256, 512), "exact"]
)
def test_a_layer_refuses_anything_else(given: object) -> None:
    model = quantize(nn.Sequential(nn.Linear(10, 3)), torch.randn(6, 10))
    with pytest.raises(InputError, match=r"^layer '0': expected a Multiplier, or its table in format 'sm8', \(256, 512\)"):
        simulate(model, {"0": given})  # type: ignore[dict-item]
