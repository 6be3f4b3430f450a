"""Whether a state dict is one of a network with operating points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dse.exceptions import InputError

_ROW, _SCALE, _OFFSET = ".correction_row", ".correction_scale", ".correction_offset"  # buffers of every layer
_GROWING = (_SCALE, _OFFSET)  # as many rows as there are different corrections

# end of a name, what its numbers are, and which are
_NUMBERS: tuple[tuple[str, str, Callable[[Tensor], Tensor]], ...] = (
    (".running_var", "numbers of 0 or more", lambda values: values >= 0),
    (".x_quantizer.scale", "numbers above 0", lambda values: values > 0),
    (".x_quantizer.zero_point", "codes, -128 to 255", lambda values: (values >= -128) & (values <= 255)),
    ("", "finite numbers", torch.isfinite),
)


def require_fit(state: Mapping[str, Any], expected: Mapping[str, Tensor], points: int) -> None:
    """Raise InputError unless a state has the names of `expected`, a model of so many points."""
    if not isinstance(state, Mapping):
        raise InputError(f"state: expected the state dict of an OperatingPointModel, got {type(state).__name__}")
    rows = [value for name, value in state.items() if str(name).endswith(_ROW)]
    if not rows:
        raise InputError("state: expected that of an OperatingPointModel, got one without operating points")
    if isinstance(rows[0], Tensor) and rows[0].ndim == 1 and len(rows[0]) != points:
        raise InputError(
            f"state: expected {points} operating points, got {len(rows[0])}; make the model with the points of the state"
        )
    for what, names in (("missing", expected.keys() - state.keys()), ("unexpected", state.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"state: {what} {min(names, key=str)!r}{more}; is it of another network?")


def require_sound(state: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    """Raise InputError unless what a state has of `expected` is of its shapes and kinds, in rows that there are."""
    for name, tensor in expected.items():
        if name in state:
            _require_like(name, state[name], tensor)
    for name in expected:
        if name.endswith(_ROW):
            scale, offset, row = ({**expected, **state}[name.removesuffix(_ROW) + end] for end in (_SCALE, _OFFSET, _ROW))
            _require_rows(name, scale, offset, row)


def _require_like(name: str, found: Any, tensor: Tensor) -> None:
    if not isinstance(found, Tensor):
        raise InputError(f"state: '{name}': expected a tensor, got {type(found).__name__}; use the state as it was saved")
    first = 1 if name.endswith(_GROWING) else 0
    if found.shape[first:] != tensor.shape[first:] or found.ndim != tensor.ndim:
        shapes = f"expected {tuple(tensor.shape)}, got {tuple(found.shape)}"
        raise InputError(f"state: '{name}': {shapes}; is it of another network?")
    if _kind(found) != _kind(tensor):
        raise InputError(f"state: '{name}': expected {_kind(tensor)}, got {found.dtype}; use the state as it was saved")
    for end, expected, holds in _NUMBERS:
        if name.endswith(end) and not bool(holds(found.to(tensor.dtype)).all()):
            raise InputError(f"state: '{name}': expected {expected}; use the state as it was saved")


def _require_rows(name: str, scale: Tensor, offset: Tensor, row: Tensor) -> None:
    if len(scale) != len(offset):
        place = name.removesuffix(_ROW)
        raise InputError(
            f"state: '{place}{_SCALE}' has {len(scale)} rows, '{place}{_OFFSET}' {len(offset)}; "
            "use the state as it was saved"
        )
    if not bool(((row >= -1) & (row < len(scale))).all()):
        raise InputError(
            f"state: '{name}': expected rows -1..{len(scale) - 1} (-1: not corrected), got {row.tolist()}; "
            "use the state as it was saved"
        )


def _kind(tensor: Tensor) -> str:
    if tensor.is_complex() or tensor.dtype is torch.bool:
        return str(tensor.dtype)
    return "floats" if tensor.is_floating_point() else "integers"
