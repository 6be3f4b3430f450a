"""Turn a trained network into a quantised one, layer by layer, and set what each layer multiplies with."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dse.exceptions import InputError, under, unknown_name
from dse.kernels import LutTable
from dse.multipliers import Multiplier
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic
from dse.nn.layers import ApproxConv2d, ApproxLayer, ApproxLinear
from dse.nn.quantizers import ActivationQuantizer, QuantizationSettings, RangeObserver, WeightQuantizer
from dse.operands import operand_format
from dse.types import Table

Given = Multiplier | Table | Tensor  # what a layer may be given to multiply with

_BATCH = 128
_WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear, nn.Bilinear, nn.MultiheadAttention, nn.RNNBase)


def quantize(
    model: nn.Module,
    calibration: Tensor,
    settings: QuantizationSettings | None = None,
    *,
    include: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
) -> nn.Module:
    """Return a quantised copy of `model`: every Conv2d and Linear that the forward pass reaches is replaced.

    The copy multiplies in fake-quantised floating point until `simulate` gives its layers integer arithmetic.

    Args:
        model: The trained network.
        calibration: Input images `(N, ...)` float32 that fix the activation ranges.
        settings: Operand format, granularity and range rule; the defaults of `QuantizationSettings` when None.
        include, exclude: Patterns over qualified names: the approximable layers are those that match any of `include` and
            none of `exclude`. The others are quantised as well and stay exact.

    Raises:
        InputError: If no image is given, a pattern matches no layer, or no layer is left to approximate.
    """
    settings = settings or QuantizationSettings()
    if len(calibration) == 0:
        raise InputError("calibration: expected at least one image, got none")
    model = copy.deepcopy(model).eval()
    observers = _observe(model, calibration, settings)
    chosen = _choose(list(observers), include, exclude)
    replaced: dict[nn.Module, ApproxLayer] = {}
    for position, (name, observer) in enumerate(observers.items()):
        original = model.get_submodule(name)
        replaced[original] = _approximate(original, observer, settings, approximable=name in chosen, position=position)
    if model in replaced:  # the model is a single layer, with nothing around it to put the new one in
        return replaced[model].eval()
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in replaced:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, replaced[module])
    return model.eval()


def approximable_layers(model: nn.Module) -> dict[str, ApproxLayer]:
    """Return the approximable layers of a quantised model by qualified name, in forward order."""
    return {name: layer for name, layer in quantized_layers(model).items() if layer.approximable}


def quantized_layers(model: nn.Module) -> dict[str, ApproxLayer]:
    """Return all quantised layers by qualified name, in forward order."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, ApproxLayer)}
    return dict(sorted(found.items(), key=lambda item: item[1].position))


def float_layers(model: nn.Module) -> tuple[str, ...]:
    """Return the names of layers of a quantised model that multiply weights and yet stay in floating point.

    These are neither `Conv2d` nor `Linear` themselves (other dimensions, subclasses, parametrised layers, attention,
    recurrent layers), or the forward pass on the calibration images did not reach them.
    """
    return tuple(name for name, module in model.named_modules() if isinstance(module, _WEIGHTED))


def simulate(model: nn.Module, tables: Mapping[str, Given] | None = None) -> None:
    """Give every quantised layer integer arithmetic: through its table where `tables` names one, exact elsewhere.

    With no tables the model computes the quantised network exactly.

    Args:
        model: A quantised model, changed in place.
        tables: Layer's qualified name -> its `Multiplier`, or a table `(256, 2^Bw)` int32 in the layer's operand format
            (`OperandFormat.table`), numpy or torch.

    Raises:
        InputError: If the model is not quantised, a name is no approximable layer of it, or a table does not fit.
    """
    give_arithmetic(model, tables, IntegerArithmetic)


def give_arithmetic(
    model: nn.Module,
    tables: Mapping[str, Given] | None,
    make: Callable[[ApproxLayer, LutTable | None], nn.Module],
) -> None:
    """Give every quantised layer the arithmetic that `make` returns for it and its table, all of them or none.

    Raises:
        InputError: As for `simulate`.
    """
    tables = dict(tables or {})
    approximable = approximable_layers(model)
    if not approximable:
        raise InputError(
            "simulate: expected a quantised model, got one without approximable layers; call quantize first"
        )
    for name in tables:
        if name not in approximable:
            raise unknown_name("approximable layer", name, approximable)
    layers = quantized_layers(model)
    shared: dict[int, LutTable] = {}  # by the caller's object: a uniform design has one table
    for name, table in tables.items():
        if id(table) not in shared:
            with under(f"layer '{name}': "):
                shared[id(table)] = _layer_table(table, approximable[name])
    made = [make(layer, shared[id(tables[name])] if name in tables else None) for name, layer in layers.items()]
    for layer, arithmetic in zip(layers.values(), made, strict=True):
        layer.arithmetic = arithmetic


def _layer_table(given: Given, layer: ApproxLayer) -> LutTable:
    """Return the table of a layer: of a multiplier, or as the caller has made it."""
    if isinstance(given, Multiplier):
        given = layer.operands.table(given)
    if isinstance(given, np.ndarray) and given.dtype == np.int32:
        given = torch.from_numpy(given.copy())
    shape = (256, 2**layer.operands.w_bits)
    if not isinstance(given, Tensor) or given.dtype != torch.int32 or tuple(given.shape) != shape:
        got = f"{tuple(given.shape)} {given.dtype}" if isinstance(given, Tensor | np.ndarray) else type(given).__name__
        raise InputError(
            f"expected a Multiplier, or its table in format '{layer.operands.name}', {shape} int32, got {got}; "
            "put the circuit's own table into dse.Multiplier"
        )
    return LutTable(given)


def operand_formats(model: nn.Module) -> dict[str, list[str]]:
    """Return operand format and granularity of the weights' scales of every quantised layer, which no state shows."""
    return {name: [q.operands.name, q.w_quantizer.granularity] for name, q in quantized_layers(model).items()}


def fake_quantized(model: nn.Module) -> None:
    """Give every quantised layer differentiable floating-point arithmetic again, in place."""
    for layer in quantized_layers(model).values():
        layer.arithmetic = FloatArithmetic()


def _observe(model: nn.Module, calibration: Tensor, settings: QuantizationSettings) -> dict[str, RangeObserver]:
    """Run the calibration images and return the input range of every reached layer, in forward order."""
    observers: dict[str, RangeObserver] = {}
    hooks = []
    for name, module in model.named_modules():
        if type(module) in (nn.Conv2d, nn.Linear):  # subclasses may compute something else

            def observe(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                observers.setdefault(name, RangeObserver(settings)).update(inputs[0])

            hooks.append(module.register_forward_pre_hook(observe))
    with torch.inference_mode():
        for batch in calibration.split(_BATCH):
            model(batch)
    for hook in hooks:
        hook.remove()
    return observers


def _choose(names: list[str], include: Sequence[str], exclude: Sequence[str]) -> set[str]:
    for key, patterns in (("include", include), ("exclude", exclude)):
        for pattern in patterns:
            if names and not fnmatch.filter(names, pattern):
                raise InputError(f"layers.{key}: {unknown_name('layer', pattern, names)}")
    chosen = {
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, p) for p in include) and not any(fnmatch.fnmatchcase(name, p) for p in exclude)
    }
    if not chosen:
        raise InputError(
            "layers: no approximable layer: the model's forward pass reaches "
            + (
                f"only {len(names)} Conv2d/Linear, and include and exclude leave none of them"
                if names
                else "no Conv2d or Linear"
            )
        )
    return chosen


def _approximate(
    original: nn.Module, observer: RangeObserver, settings: QuantizationSettings, *, approximable: bool, position: int
) -> ApproxLayer:
    operands = operand_format(settings.format)
    x_quantizer = ActivationQuantizer(operands, *observer.range)
    w_quantizer = WeightQuantizer(operands, settings.weights)
    kind = ApproxConv2d if isinstance(original, nn.Conv2d) else ApproxLinear
    return kind(original, x_quantizer, w_quantizer, FloatArithmetic(), approximable=approximable, position=position)  # type: ignore[arg-type]
