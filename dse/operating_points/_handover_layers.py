"""The layers of a hand-over bundle: integers, scales, corrections and golden vectors at every operating point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import quantized_layers
from dse.nn.layers import ApproxConv2d, ApproxLayer
from dse.nn.training import device_of, evaluating
from dse.operating_points._handover_arrays import Arrays
from dse.operating_points._handover_check import EXACT
from dse.operating_points._handover_choices import Hardware
from dse.operating_points._handover_replay import circuit_sums
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._switched import SwitchedArithmetic
from dse.operating_points._wiring import Wiring
from dse.variants import StoredCodes


def points_and_layers(model: OperatingPointModel, found: Hardware, images: Tensor, arrays: Arrays) -> dict[str, Any]:
    """Return the entries `points` and `layers` of a bundle, and keep their arrays.

    Args:
        model: The network.
        found: What it multiplies with.
        images: `(N, ...)`; they pass at every point, in one batch.
        arrays: Where arrays are kept.
    """
    layers = quantized_layers(model.network)
    described = [_layer(name, layer, arrays) for name, layer in layers.items()]
    points = []
    for number, point in enumerate(model.points):
        with model.at(number):
            outputs, inputs = _passed(model, layers, images)
        for entry, (name, layer) in zip(described, layers.items(), strict=True):
            choice = point.assignment.get(name, EXACT)
            entry["points"].append(_at(model, found, number, choice, name, entry, layer, inputs[name], arrays))
        plain = {"name": point.name, "rel_energy": point.rel_energy, "assignment": dict(point.assignment)}
        points.append({**plain, "outputs": arrays.keep(f"points.{number}.outputs", outputs)})
    return {"points": points, "layers": described}


def norms(model: OperatingPointModel, arrays: Arrays) -> list[dict[str, Any]]:
    """Return the entry `norms` of a bundle: every BatchNorm at every point, and keep their arrays."""
    names = {module: name for name, module in model.network.named_modules()}
    keys = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
    found = []
    for norm in model.norms:
        points = []
        for number, at in enumerate(norm.norms):
            given = {key: getattr(at, attribute) for key, attribute in keys.items()}
            kept = {k: None if v is None else arrays.keep(f"{names[norm]}.{number}.{k}", v) for k, v in given.items()}
            points.append({**kept, "eps": at.eps})
        found.append({"name": names[norm], "points": points})
    return found


def _layer(name: str, layer: ApproxLayer, arrays: Arrays) -> dict[str, Any]:
    quantized = layer.w_quantizer.quantize(layer.weight)
    codes = torch.remainder(quantized.values, 2**layer.operands.w_bits).to(torch.int16)
    return {
        "name": name,
        "approximable": layer.approximable,
        **_geometry(layer),
        "x_scale": float(layer.x_quantizer.scale),
        "x_zero_point": int(layer.x_quantizer.zero_point),
        "w_codes": arrays.keep(f"{name}.w_codes", codes),
        "w_scale": arrays.keep(f"{name}.w_scale", quantized.scale),
        "w_zero_point": arrays.keep(f"{name}.w_zero_point", quantized.zero_point),
        "bias": None if layer.bias is None else arrays.keep(f"{name}.bias", layer.bias),
        "points": [],
    }


def _geometry(layer: ApproxLayer) -> dict[str, Any]:
    if not isinstance(layer, ApproxConv2d):
        return {"kind": "linear"}
    shape = layer.geometry
    left, right, top, bottom = shape.padding
    pairs = {"kernel": list(shape.kernel), "stride": list(shape.stride), "dilation": list(shape.dilation)}
    return {"kind": "conv2d", "groups": layer.groups, **pairs, "padding": [[top, bottom], [left, right]]}


def _at(
    model: OperatingPointModel,
    found: Hardware,
    point: int,
    choice: str,
    name: str,
    entry: Mapping[str, Any],
    layer: ApproxLayer,
    x: Tensor,
    arrays: Arrays,
) -> dict[str, Any]:
    """Return what a layer is at a point."""
    switched = cast(SwitchedArithmetic, layer.arithmetic)
    arithmetic = switched.at(point)
    if not isinstance(arithmetic, IntegerArithmetic):
        raise InputError(
            f"handover: layer '{name}' has the arithmetic of a training, expected the integer one; "
            "end the training, or load its state into a new model"
        )
    x = layer.prepare(x)
    codes = layer.x_quantizer.codes(x)
    sums = layer.fold(arithmetic.sums(layer, codes), x)
    stored = _stored(model, found.wirings[choice], name, choice) if layer.approximable else None
    correction = switched.correction(point)
    place = f"{name}.{point}"
    raw = found.raw.get(choice)
    if raw is not None:
        w_codes, zeros = arrays.held[entry["w_codes"]], {"w_zero_point": arrays.held[entry["w_zero_point"]]}
        raw = circuit_sums(codes.cpu().numpy(), w_codes, raw, stored, {**entry, **zeros})
    return {
        "choice": choice,
        "stored": None if stored is None else arrays.keep(f"{place}.stored", stored),
        "scale": None if correction is None else arrays.keep(f"{place}.scale", correction.scale),
        "offset": None if correction is None else arrays.keep(f"{place}.offset", correction.offset),
        "x_codes": arrays.keep(f"{place}.x_codes", codes),
        "sums": arrays.keep(f"{place}.sums", sums),
        "circuit_sums": None if raw is None else arrays.keep(f"{place}.circuit_sums", raw),
    }


def _stored(model: OperatingPointModel, wiring: Wiring, name: str, choice: str) -> StoredCodes | None:
    return wiring.stored_in(model.tables.stored(name, model.tables.choices.index(choice)))


def _passed(
    model: OperatingPointModel, layers: Mapping[str, ApproxLayer], images: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the network's outputs and the input of every layer, at its first call."""
    inputs: dict[str, Tensor] = {}
    with _recording(layers, inputs), evaluating(model, images.numel()):
        outputs: Tensor = model(images.to(device_of(model), copy=True))  # the network may write to its input
    for name in layers:
        if name not in inputs:
            raise InputError(f"handover: layer '{name}' is not reached by the images; expected all layers to be")
    return outputs, inputs


@contextmanager
def _recording(layers: Mapping[str, ApproxLayer], inputs: dict[str, Tensor]) -> Iterator[None]:
    def recorder(name: str) -> Any:
        def record(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            inputs.setdefault(name, given[0].detach().clone())  # which later layers may change in place

        return record

    handles = [layer.register_forward_pre_hook(recorder(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
