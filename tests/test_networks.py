"""Every step of a run on MobileNetV2 and VGG-16 with random weights: depthwise layers, ReLU6, residual sums, dropout."""

from __future__ import annotations

import copy
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dse
from dse.compensation import ClosedForm, calibrate, closed_form, output_moments
from dse.error_model import agreement, measure_errors, predict_errors
from dse.multipliers import Multiplier, MultiplierLibrary, builtin, catalogue
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, fake_quantized, float_layers, quantize, simulate
from dse.nn.datasets import Part, arrays_dataset
from dse.nn.lut_gradient import Gradient
from dse.nn.models import build_model, mobilenetv2, seeded
from dse.nn.quantizers import QuantizationSettings
from dse.nn.tracing import Trace, trace
from dse.objectives import product_energy
from dse.objectives._energy_table import DEFAULT_ENERGY_TABLE
from dse.objectives._resume import resumed_pass
from dse.operands import FORMATS
from dse.retrain import Retrained, RetrainSettings, retrain
from dse.robustness import PROFILES, RobustnessSettings, profile_by_name
from tests.nn import naive

if find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)

CLASSES = 4
SIZES = {"mobilenetv2": 16, "vgg16bn": 32}
COUNTS = {"mobilenetv2": 8, "vgg16bn": 16}  # few positions are looked up entry by entry, which takes VGG-16 long
networks = pytest.mark.parametrize("name", SIZES)
formats = pytest.mark.parametrize("format", FORMATS)


def images(name: str, count: int | None = None, seed: int = 1) -> Tensor:
    return torch.randn(count or COUNTS[name], 3, SIZES[name], SIZES[name], generator=torch.Generator().manual_seed(seed))


def labels(count: int = 8) -> Tensor:
    return torch.arange(count) % CLASSES


@cache
def original(name: str) -> nn.Module:
    """Return VGG-16, or the narrowest MobileNetV2, with the statistics of the images in its batch normalisation."""
    with seeded(0):
        shape = (3, SIZES[name], SIZES[name])
        model = mobilenetv2(shape, CLASSES, width=0.1) if name == "mobilenetv2" else build_model(
            name, in_shape=shape, n_classes=CLASSES
        )  # fmt: skip
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            model.train()(images(name))
    return model.eval()


@cache
def _quantised(name: str, format: str) -> nn.Module:
    return quantize(original(name), images(name), QuantizationSettings(format=format))


def quantised(name: str, format: str = "sm8") -> nn.Module:
    return copy.deepcopy(_quantised(name, format))


def said(model: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return model(x)


@cache
def library() -> MultiplierLibrary:
    kept = {"dadda_trunc4u", "dadda_trunc6u", "drum4u"}
    return MultiplierLibrary([builtin(signed=False)[0], *(m for m in catalogue(signed=False) if m.name in kept)])


def everywhere(model: nn.Module, multiplier: Multiplier) -> dict[str, Multiplier]:
    return dict.fromkeys(approximable_layers(model), multiplier)


def coarse() -> Multiplier:
    return next(multiplier for multiplier in library() if multiplier.name == "dadda_trunc6u")


@cache
def traced(name: str) -> Trace:
    return trace(quantised(name), images(name), patches=256 if name == "mobilenetv2" else 16)


@pytest.mark.parametrize(("name", "format"), [*(("mobilenetv2", name) for name in FORMATS), ("vgg16bn", "sm8")])
def test_integers_compute_the_quantised_network(name: str, format: str) -> None:
    model, x = quantised(name, format), images(name)
    assert not float_layers(model)
    simulate(model)
    exact, calls = said(model, x), layer_calls(name, model, x)
    simulate(model, dict.fromkeys(approximable_layers(model), FORMATS[format].exact))  # type: ignore[arg-type]
    assert torch.equal(said(model, x), exact)
    fake_quantized(model)
    for layer, (given, computed) in calls.items():
        fake = said(model.get_submodule(layer), given)
        torch.testing.assert_close(computed, fake, rtol=1e-4, atol=1e-4 * float(fake.abs().max()))


@formats
def test_every_layer_of_mobilenet_equals_the_definition(format: str) -> None:
    """The stem's and the widest layers' loops would take long; what is left has depthwise layers of both strides."""
    model, x = quantised("mobilenetv2", format), images("mobilenetv2", 1)
    table = naive.random_table(FORMATS[format])
    simulate(model, dict.fromkeys(approximable_layers(model), table))
    ranges, calls = input_ranges("mobilenetv2"), layer_calls("mobilenetv2", model, x)
    checked = set()
    for name, layer in approximable_layers(model).items():
        conv, (given, computed) = original("mobilenetv2").get_submodule(name), calls[name]
        if isinstance(conv, nn.Conv2d) and computed[0].numel() * layer.fan_in < 15_000:
            codes = naive.quantize_activation(given.numpy(), *ranges[name], format)
            weight = naive.quantize_weight(conv.weight.detach().numpy(), format, "per-channel")
            sums = naive.conv_sums(codes, weight, table.astype(np.int64), conv)
            assert np.array_equal(computed.numpy(), naive.dequantized(sums, codes, weight, conv.bias, 1)), name
            checked.add((conv.kernel_size, conv.stride, conv.groups > 1))
    assert checked == {((1, 1), (1, 1), False), ((3, 3), (1, 1), True), ((3, 3), (2, 2), True)}


def input_ranges(name: str) -> dict[str, tuple[float, float]]:
    """Return the least and the largest input of every layer of the float network, and 0."""
    inputs = {layer: given for layer, (given, _) in layer_calls(name, original(name), images(name)).items()}
    return {layer: (min(x.min().item(), 0), max(x.max().item(), 0)) for layer, x in inputs.items()}


def layer_calls(name: str, model: nn.Module, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Return input and output of every layer that multiplies, as they were when it ended."""
    calls = {}
    hooks = [
        module.register_forward_hook(lambda _, given, y, layer=layer: calls.update({layer: (given[0].clone(), y.clone())}))
        for layer, module in model.named_modules()
        if layer in approximable_layers(_quantised(name, "sm8"))
    ]
    said(model, x)
    for hook in hooks:
        hook.remove()
    return calls


@networks
def test_predicted_errors_are_those_measured(name: str) -> None:
    pair = MultiplierLibrary([library()[0], coarse()])
    errors = predict_errors(traced(name), pair)
    measured = measure_errors(quantised(name), images(name), traced(name), pair)
    fit = agreement(errors, measured)
    assert fit.median_relative_error < 0.1 and fit.pearson_log_std > 0.99
    depthwise = [layer.fan_in == 9 for layer in traced(name).layers]
    assert sum(depthwise) == (17 if name == "mobilenetv2" else 0)
    np.testing.assert_allclose(errors.std[depthwise], measured.std[depthwise], rtol=0.25, atol=1e-3)


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_have_a_figure_for_every_layer(profile: str) -> None:
    model, x = quantised("mobilenetv2"), images("mobilenetv2")
    before = said(model, x)
    settings = RobustnessSettings(steps=2, batch_size=4)
    found, _ = profile_by_name(profile, model, x, labels(), traced("mobilenetv2").op_counts, settings)
    assert found.layers == traced("mobilenetv2").names and len(found.layers) == 53
    assert np.isfinite(found.sigma).all() and (found.sigma > 0).all()
    fake_quantized(model)
    assert torch.equal(said(model, x), before)


def test_calibration_restores_moments_and_statistics() -> None:
    """With a coarse multiplier everywhere; channels that differ by more than the largest scale or are constant aside."""
    model, x = quantised("mobilenetv2"), images("mobilenetv2")
    simulate(model)
    exact = output_moments(model, x)
    simulate(model, everywhere(model, coarse()))
    calibrate(model, x, targets=exact, batch_norm=True)
    inputs: dict[str, Tensor] = {}
    norms = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    hooks = [
        norm.register_forward_pre_hook(lambda _, given, name=name: inputs.update({name: given[0].clone()}))
        for name, norm in norms.items()
    ]
    said(model, x)
    for hook in hooks:
        hook.remove()
    for name, norm in norms.items():
        torch.testing.assert_close(inputs[name].mean((0, 2, 3)), norm.running_mean, rtol=1e-3, atol=1e-4)
    depthwise = [layer.name for layer in traced("mobilenetv2").layers if layer.fan_in == 9]
    assert len(depthwise) == 17
    for layer in depthwise:
        norm = layer.rpartition(".")[0] + ".1"
        target = exact[layer]
        size = float(target.std.mean())
        torch.testing.assert_close(inputs[norm].double().mean((0, 2, 3)), target.mean, rtol=1e-3, atol=1e-3 * size)


@pytest.mark.parametrize("method", ["bias", "affine"])
def test_a_closed_form_takes_the_mean_error_off_a_depthwise_layer(method: ClosedForm) -> None:
    model, x = quantised("mobilenetv2"), images("mobilenetv2")
    name = "features.3.conv.1.0"
    l = traced("mobilenetv2").names.index(name)
    errors = predict_errors(traced("mobilenetv2"), library())
    design = np.zeros(53, dtype=np.int64)
    design[l] = library().names.index(coarse().name)
    simulate(model)
    exact = layer_calls("mobilenetv2", model, x)[name][1]
    simulate(model, {name: coarse()})
    before = (layer_calls("mobilenetv2", model, x)[name][1] - exact).mean((0, 2, 3)).abs()
    model.get_submodule(name).correction = closed_form(errors, traced("mobilenetv2"), method).of(design)[name]  # type: ignore[assignment]
    after = (layer_calls("mobilenetv2", model, x)[name][1] - exact).mean((0, 2, 3)).abs()
    assert float(after.mean()) < 0.1 * float(before.mean())


@pytest.mark.parametrize("gradient", ["straight-through", "table-1d", "table-2d"])
def test_retraining_repeats_itself_with_dropout_and_leaves_it_out_of_evaluation(gradient: Gradient) -> None:
    first, again = retrained(gradient), retrained(gradient)
    state = again.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in first.model.state_dict().items())
    assert [epoch.loss for epoch in first.log] == [epoch.loss for epoch in again.log]
    x = images("mobilenetv2", seed=3)
    assert torch.equal(said(first.model, x), said(first.model, x))


def retrained(gradient: Gradient) -> Retrained:
    model, part = quantised("mobilenetv2"), Part(images("mobilenetv2"), labels())
    settings = RetrainSettings(epochs=1, batch_size=4, gradient=gradient)
    return retrain(model, everywhere(model, coarse()), part, part, settings, seed=0)


@networks
def test_a_pass_goes_on_where_the_one_before_differs(name: str) -> None:
    model, x = quantised(name), images(name)
    simulate(model)
    passes = resumed_pass(model, x, 2**30)
    assert passes is not None
    layers = list(approximable_layers(model).values())
    for layer in (layers[-1], layers[len(layers) // 2], layers[0]):
        passes.run(x, [layer])
        layer.arithmetic = IntegerArithmetic(layer, torch.from_numpy(layer.operands.table(coarse())))
        assert torch.equal(passes.run(x), said(model, x))


@pytest.mark.parametrize(("name", "count"), [("mobilenetv2", 87_976_448), ("vgg16bn", 313_201_664)])
def test_a_trace_counts_all_multiplications(name: str, count: int) -> None:
    """As published for 32x32 images: 87.98 M (chenyaofo/pytorch-cifar-models), 313.2 M (kuangliu/pytorch-cifar)."""
    x = torch.zeros(1, 3, 32, 32)
    model = quantize(build_model(name, in_shape=(3, 32, 32), n_classes=10), x)
    seen = trace(model, x, patches=1)
    assert seen.op_counts.sum() == count and seen.fixed_op_count == 0


def test_a_depthwise_layer_reads_each_activation_for_one_channel() -> None:
    """Memory accesses by hand, 8-bit activations and 9-bit weights on 16 x 16 PEs: activations, weights, outputs."""
    shapes = {shape.name: shape for shape in traced("mobilenetv2").shapes}
    expand, depthwise = shapes["features.3.conv.0.0"], shapes["features.3.conv.1.0"]
    assert (expand.channels, depthwise.channels) == (48, 1) and expand.positions == depthwise.positions == 256
    for shape, bits in ((expand, 8 / 16 + 9 / 16 + 8 / 8), (depthwise, 8 / 1 + 9 / 16 + 8 / 9)):
        levels = product_energy(shape, DEFAULT_ENERGY_TABLE, w_bits=9)
        assert levels[3] - levels[2] == pytest.approx(DEFAULT_ENERGY_TABLE.sram_pj_per_bit * bits)


def test_a_run_from_quantisation_to_retraining(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % CLASSES
    x = (rng.normal(0, 1, (40, 3, 16, 16)) + y[:, None, None, None] - 1.5).astype(np.float32)
    config = dse.parse_config(
        {
            "space": {
                "name": "mobile",
                "tiles": 3,
                "dataset": {"calibration_images": 8, "search_images": 8},
                "multipliers": {"library": "catalogue", "include": list(library().names)},
            },
            "robustness": {"steps": 2, "batch_size": 8, "compare": []},
            "error_model": {"patches": 64, "truth_images": 4},
            "compensation": {"methods": ["affine", "batch-norm"]},
            "search": {"methods": ["nsga2"], "evaluations": 6, "population": 4},
            "retrain": {"epochs": 1, "batch_size": 8, "validation_images": 8, "designs": [100.0]},
        }
    )
    data = arrays_dataset(x, y, x[:16], y[:16], name="noise")
    outcome = dse.run(config, out=tmp_path / "run", model=original("mobilenetv2"), dataset=data)
    assert outcome.metrics["float_layers"] == [] and outcome.metrics["failed"] == {"nsga2": 0}
    assert outcome.trace.names == traced("mobilenetv2").names
    assert len(outcome.retrained) == 1 and (tmp_path / "run" / "manifest.json").is_file()
