"""One network, its methods, and what they need of the exact network: made once, applied to design after design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, get_args

from torch import Tensor, nn

from dse.compensation._calibration import Moments, calibrate, output_moments
from dse.compensation._closed_form import ClosedForm, Corrections, closed_form
from dse.compensation._folded import Folded, statistics
from dse.error_model import ErrorTable
from dse.exceptions import InputError, unknown_name
from dse.nn.arithmetic import FloatArithmetic, NoiseArithmetic
from dse.nn.convert import quantized_layers, simulate
from dse.nn.layers import ApproxLayer
from dse.nn.tracing import Trace
from dse.types import Assignment

Method = Literal["bias", "affine", "moments", "batch-norm"]
METHODS: tuple[Method, ...] = get_args(Method)


class Compensator:
    """Compensates designs of one network, without retraining and at no cost in inference.

    The closed form is folded in first; then one pass of the images adjusts layers (`moments`) and BatchNorms (`batch-norm`)
    in the order in which it meets them. `moments` sets scale and offset anew, so that it gives the same with a closed form
    before it as without. The outcome follows from network, design and images alone, and for each layer
    from the choices up to it alone: designs that begin alike are compensated alike that far.

    Args:
        model: A quantised model, with the weights and BatchNorm statistics of the exact network.
        methods: Any of `METHODS`, each once, in any order; `bias` and `affine` exclude each other.
        images: Calibration images `(N, ...)`, for `moments` and `batch-norm`; they pass in one batch.
        errors, trace: Predictions of the direct model for the library and their origin, for `bias` and `affine`.

    Raises:
        InputError: If a method is unknown, comes twice, excludes another or lacks what it works with, the model is not
            quantised, or the predictions are not of its layers.
    """

    def __init__(
        self,
        model: nn.Module,
        methods: Sequence[str],
        *,
        images: Tensor | None = None,
        errors: ErrorTable | None = None,
        trace: Trace | None = None,
    ) -> None:
        check_methods(methods)
        check_network(model, methods)
        self._model = model
        self._methods = frozenset(methods)
        self._images = _needed(images, methods)
        self._closed = _corrections(errors, trace, methods)
        self._found = Folded.of(model)
        self._clean = Folded(dict.fromkeys(self._found.corrections), self._found.statistics)

    def apply(self, assignment: Assignment) -> Folded:
        """Compensate the model, whose layers multiply as the design `assignment` (L,) says, in place of what was folded in.

        Returns:
            What is folded in now: `put` it when the same design comes back.

        Raises:
            InputError: If a layer multiplies in floating point.
        """
        layers = quantized_layers(self._model)
        _require_simulated(layers)
        self._clean.put(self._model)
        targets = self._exact if "moments" in self._methods else None  # before any correction
        if self._closed is not None:
            for name, correction in self._closed.of(assignment).items():
                layers[name].correction = correction
        if self._images is not None:
            calibrate(self._model, self._images, targets=targets, batch_norm="batch-norm" in self._methods)
        return Folded.of(self._model)

    def undo(self) -> None:
        """Give the model back the corrections and statistics that it was handed in with."""
        self._found.put(self._model)

    @cached_property
    def _exact(self) -> Mapping[str, Moments]:
        """Moments of the exact network, from one pass without corrections; the layers keep their arithmetics."""
        assert self._images is not None
        kept = {layer: layer.arithmetic for layer in quantized_layers(self._model).values()}
        simulate(self._model)
        try:
            return output_moments(self._model, self._images)
        finally:
            for layer, arithmetic in kept.items():
                layer.arithmetic = arithmetic


def check_methods(methods: Sequence[str]) -> None:
    """Raise InputError unless `methods` can be applied together."""
    for method in methods:
        if method not in METHODS:
            raise unknown_name("compensation method", method, METHODS)
    if len(set(methods)) < len(methods):
        raise InputError(f"compensation: expected each method once, got {', '.join(methods)}")
    if set(get_args(ClosedForm)) <= set(methods):
        raise InputError("compensation: expected one of 'bias' and 'affine', got both; 'affine' takes the mean off as well")


def check_network(model: nn.Module, methods: Sequence[str]) -> None:
    """Raise InputError unless `methods` find in a model what they adjust."""
    if not quantized_layers(model):
        raise InputError("compensation: expected a quantised model, got one without such layers; call quantize first")
    if "batch-norm" in methods and not statistics(model):
        raise InputError("compensation: expected a network with BatchNorm for 'batch-norm', got one without")


def _corrections(errors: ErrorTable | None, trace: Trace | None, methods: Sequence[str]) -> Corrections | None:
    for method in get_args(ClosedForm):
        if method in methods:
            if errors is None or trace is None:
                raise InputError(f"compensation: expected errors and trace of the direct model for '{method}', got none")
            return closed_form(errors, trace, method)
    return None


def _needed(images: Tensor | None, methods: Sequence[str]) -> Tensor | None:
    """Return the calibration images if a method needs them."""
    simulating = [method for method in methods if method in ("moments", "batch-norm")]
    if simulating and (images is None or len(images) == 0):
        raise InputError(f"compensation: expected at least one calibration image for '{simulating[0]}', got none")
    return images if simulating else None


def _require_simulated(layers: Mapping[str, ApproxLayer]) -> None:
    for name, layer in layers.items():
        if isinstance(layer.arithmetic, FloatArithmetic | NoiseArithmetic):
            raise InputError(
                f"compensation: expected a simulated network, got layer '{name}' in floating point; call simulate first"
            )
