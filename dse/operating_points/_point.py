"""One operating point: which choice multiplies in which layer, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from dse.exceptions import InputError, unknown_name
from dse.space import SearchSpace
from dse.types import Assignment


@dataclass(frozen=True)
class OperatingPoint:
    """An assignment that a network can be switched to.

    Args:
        name: Of the point, such as `eco`.
        assignment: Layer's qualified name -> name of its multiplier, or of its choice where circuits have variants.
        rel_energy: Energy relative to the exact network's.

    Raises:
        InputError: The name is empty or not printable, no layer is named, or the energy is not finite or negative.
    """

    name: str
    assignment: Mapping[str, str]
    rel_energy: float

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise InputError(f"operating point {self.name!r}: expected a printable name")
        if not self.assignment:
            raise InputError(f"operating point '{self.name}': expected a multiplier for every layer, got no layer")
        if not (math.isfinite(self.rel_energy) and self.rel_energy >= 0):
            raise InputError(f"operating point '{self.name}': expected rel_energy 0 or more, got {self.rel_energy}")
        object.__setattr__(self, "assignment", dict(self.assignment))  # the caller's may change

    @classmethod
    def of(cls, space: SearchSpace, design: Assignment, name: str) -> Self:
        """Return the point that a design `(L,)` of a search is."""
        chosen = (space.multipliers[choice] for choice in design.tolist())
        energy = float(space.energy(np.asarray(design)[None])[0])
        return cls(name, dict(zip(space.layers, chosen, strict=True)), energy)


def designs_of(points: Sequence[OperatingPoint], layers: Sequence[str], choices: Sequence[str]) -> list[list[int]]:
    """Return the points as indices into `choices`, `(O, L)`.

    Raises:
        InputError: There is no point, two share a name, or one does not assign a known choice to each of the layers.
    """
    names = [point.name for point in points]
    if not points or len(set(names)) < len(names):
        got = ", ".join(names) or "none"
        raise InputError(f"operating points: expected one or more, each with a name of its own, got {got}")
    for point in points:
        for name in point.assignment:
            if name not in layers:
                raise unknown_name(f"layer in operating point '{point.name}':", name, layers)
        if missing := [name for name in layers if name not in point.assignment]:
            raise InputError(
                f"operating point '{point.name}': expected a multiplier for layer '{missing[0]}', got none"
            )
        for name in point.assignment.values():
            if name not in choices:
                raise unknown_name(f"multiplier in operating point '{point.name}':", name, choices)
    return [[list(choices).index(point.assignment[name]) for name in layers] for point in points]
