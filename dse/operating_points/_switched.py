"""Parts of a network that exist once for each operating point, in the place of the one that they replace."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dse.nn.layers import ApproxLayer, Correction

_CORRECTION = ("correction_scale", "correction_offset")


@dataclass
class Switch:
    """The point in use: one object that all parts of a network look at, for setting attributes of modules takes longer."""

    point: int = 0


class SwitchedArithmetic(nn.Module):
    """What a layer multiplies with at each operating point, and how its output is corrected there.

    Points that are corrected alike share a row. The rows are buffers, the layer itself shows the row in use and keeps none.

    Args:
        layer: The layer, whose own correction is no part of its state any more.
        arithmetics: One for each point; points with one multiplier have one arithmetic.
        corrections: One for each point; None: not corrected.
        switch: Says which point is in use.
    """

    correction_scale: Tensor  # (K, C)
    correction_offset: Tensor  # (K, C)
    correction_row: Tensor  # (O,) int64, row of each point; -1: not corrected

    def __init__(
        self,
        layer: ApproxLayer,
        arithmetics: Sequence[nn.Module],
        corrections: Sequence[Correction | None],
        switch: Switch,
    ) -> None:
        super().__init__()
        rows: list[Correction] = []
        chosen = [-1 if given is None else _row_of(given, rows) for given in corrections]
        like = layer.weight.detach()
        for name, values in zip(_CORRECTION, ([c.scale for c in rows], [c.offset for c in rows]), strict=True):
            empty = like.new_empty((0, len(like)), dtype=torch.float32)
            self.register_buffer(name, torch.stack(values).to(empty) if values else empty)
            layer.register_buffer(name, None, persistent=False)
        self.register_buffer("correction_row", torch.tensor(chosen, device=like.device))
        self._rows = chosen
        self._switch = switch
        self.give(arithmetics)

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y: Tensor = self.at(self._switch.point)(layer, x)
        return y

    def give(self, arithmetics: Sequence[nn.Module]) -> None:
        """Multiply with these, one for each point."""
        distinct = list(dict.fromkeys(arithmetics))
        self.arithmetics = nn.ModuleList(distinct)
        self._place = [distinct.index(arithmetic) for arithmetic in arithmetics]

    def at(self, point: int) -> nn.Module:
        """Return the arithmetic of a point."""
        return self.arithmetics[self._place[point]]

    def correction(self, point: int) -> Correction | None:
        """Return the correction of a point."""
        row = self._rows[point]
        return None if row < 0 else Correction(self.correction_scale[row], self.correction_offset[row])

    def correct(self, layer: ApproxLayer) -> None:
        """Let the layer be corrected as at the point in use."""
        given = self.correction(self._switch.point)
        # not by `layer.correction`, which checks and copies, nor as attributes, which takes ten times as long
        layer._buffers["correction_scale"] = None if given is None else given.scale
        layer._buffers["correction_offset"] = None if given is None else given.offset

    def extra_parameters(self) -> int:
        """Return how many numbers the rows of points beyond the first are: offsets, and scales where one is not 1."""
        extra = {row for row in self._rows if row >= 0} - {self._rows[0]}
        scaled = sum(bool((self.correction_scale[row] != 1).any()) for row in extra)
        return self.correction_offset.shape[1] * (len(extra) + scaled)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Make room for as many rows as the state has."""
        for name in _CORRECTION:
            own, found = getattr(self, name), state_dict.get(prefix + name)
            if found is not None:
                with torch.inference_mode(False):  # later passes may train through it
                    setattr(self, name, own.new_empty(found.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._rows = self.correction_row.tolist()


class SwitchedNorm(nn.Module):
    """A BatchNorm at each operating point: statistics of its own, `gamma` and `beta` of its own or shared.

    Args:
        norm: What it replaces.
        points: How many.
        switch: Says which point is in use.
    """

    def __init__(self, norm: nn.Module, points: int, switch: Switch) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm, *(copy.deepcopy(norm) for _ in range(points - 1))])
        self._switch = switch
        self._shared = True
        self._share()
        self.register_load_state_dict_post_hook(_loaded)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norms[self._switch.point](x)
        return y

    @property
    def owned(self) -> bool:
        """Whether each point has `gamma` and `beta` of its own."""
        return self.norms[0].weight is None or len(self.norms) == 1 or not self._shared

    def own(self) -> None:
        """Give each point a `gamma` and a `beta` of its own, which start as what it had."""
        if self.owned:
            return
        self._shared = False
        for norm in self.norms[1:]:
            for name in ("weight", "bias"):
                shared = getattr(norm, name)
                with torch.inference_mode(False):  # later passes may train it
                    setattr(norm, name, nn.Parameter(shared.detach().clone(), requires_grad=shared.requires_grad))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take what the state has for each point, also where it has been one for all so far."""
        for name in ("weight", "bias"):
            keys = [f"{prefix}norms.{i}.{name}" for i in range(len(self.norms))]
            found = [state_dict[key] for key in keys if key in state_dict]
            if not all(torch.equal(found[0], other) for other in found[1:]):
                self.own()
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _share(self) -> None:
        """Let all points have the first one's `gamma` and `beta`, unless each has its own."""
        if self._shared:
            for other in self.norms[1:]:
                other.weight, other.bias = self.norms[0].weight, self.norms[0].bias

    def owned_parameters(self) -> int:
        """Return how many numbers points beyond the first own, whether they differ or not."""
        known = {id(parameter) for parameter in self.norms[0].parameters()}
        return sum(p.numel() for p in self.norms[1:].parameters() if id(p) not in known)

    def extra_parameters(self) -> int:
        """Return how many numbers in `gamma` and `beta` of points beyond the first differ from the first's, as tensors."""
        return self._differing(("weight", "bias"))

    def extra_statistics(self) -> int:
        """Return how many running means and variances of points beyond the first differ from the first's, as tensors."""
        return self._differing(("running_mean", "running_var"))

    def _differing(self, names: Sequence[str]) -> int:
        pairs = [(getattr(norm, name), getattr(self.norms[0], name)) for norm in self.norms[1:] for name in names]
        return sum(a.numel() for a, b in pairs if a is not None and not torch.equal(a, b))


def _loaded(norm: nn.Module, incompatible: object) -> None:
    """Tie again what `assign` has taken apart; a function, for a method would stay that of the module when it is copied."""
    assert isinstance(norm, SwitchedNorm)
    norm._share()


def _row_of(given: Correction, rows: list[Correction]) -> int:
    """Return the row of a correction, a new one where no earlier one is the same."""
    for row, known in enumerate(rows):
        if torch.equal(known.scale, given.scale) and torch.equal(known.offset, given.offset):
            return row
    rows.append(given)
    return len(rows) - 1
