"""Whether a state dict is one of a network with operating points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dse.exceptions import InputError

_ROWS = ".correction_row"  # a buffer of every layer, with one entry for each point
_GROWING = (".correction_scale", ".correction_offset")  # as many rows as there are different corrections


def require_fit(state: Mapping[str, Any], expected: Mapping[str, Tensor], points: int) -> None:
    """Raise InputError unless a state has the names and shapes of `expected`, a model of so many points."""
    rows = [value for name, value in state.items() if name.endswith(_ROWS)]
    if not rows:
        raise InputError("state: expected that of an OperatingPointModel, got one without operating points")
    if len(rows[0]) != points:
        raise InputError(
            f"state: expected {points} operating points, got {len(rows[0])}; make the model with the points of the state"
        )
    for what, names in (("missing", expected.keys() - state.keys()), ("unexpected", state.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"state: {what} '{min(names)}'{more}; is it of another network?")
    for name, tensor in expected.items():
        first = 1 if name.endswith(_GROWING) else 0
        if state[name].shape[first:] != tensor.shape[first:] or state[name].ndim != tensor.ndim:
            shapes = f"expected {tuple(tensor.shape)}, got {tuple(state[name].shape)}"
            raise InputError(f"state: '{name}': {shapes}; is it of another network?")
