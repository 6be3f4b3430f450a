"""The arrays of a hand-over bundle."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dse.operating_points._handover_check import Array, sha256


class Arrays:
    """Arrays by name; one with the content of an earlier one is kept under that one's name."""

    def __init__(self) -> None:
        self.held: dict[str, Array] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self._known: dict[tuple[str, tuple[int, ...], str], str] = {}

    def keep(self, name: str, values: Tensor | Array) -> str:
        """Keep an array, and return the name that it has."""
        array: Array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        key = array.dtype.name, array.shape, sha256(array)
        if key not in self._known:
            self._known[key] = name
            self.held[name] = array
            self.described[name] = {"dtype": key[0], "shape": list(key[1]), "sha256": key[2]}
        return self._known[key]
