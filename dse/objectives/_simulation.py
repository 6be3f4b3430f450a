"""Accuracy of a design by bit-exact simulation of its multipliers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, simulate
from dse.nn.datasets import Part
from dse.nn.training import accuracy
from dse.types import Assignment, Floats, Population, Table

_CACHE_BYTES = 2**30  # prepared tables of (layer, multiplier) pairs kept between designs


class Simulator:
    """Accuracy of assignments of one quantised network on one set of images, by LUT simulation.

    Args:
        model: A quantised model; its arithmetic is changed at every call.
        part: Images and labels.
        tables: Layer tables of the library `(M)` in library order, each `(256, 2^Bw)` int32; None for exact products.
    """

    def __init__(self, model: nn.Module, part: Part, tables: Sequence[Table | None]) -> None:
        simulate(model)
        self._model = model
        self._part = part
        self._layers = list(approximable_layers(model).values())
        self._tables = [None if table is None else torch.from_numpy(np.array(table)) for table in tables]
        self._prepared: OrderedDict[tuple[int, int], IntegerArithmetic] = OrderedDict()

    def accuracy(self, assignment: Assignment) -> float:
        """Return the share of images classified correctly under `assignment` (L,)."""
        for position, (layer, choice) in enumerate(zip(self._layers, assignment, strict=True)):
            layer.arithmetic = self._arithmetic(position, int(choice))
        return accuracy(self._model, self._part)

    def _arithmetic(self, position: int, choice: int) -> IntegerArithmetic:
        key = (position, choice)
        if key not in self._prepared:
            self._prepared[key] = IntegerArithmetic(self._layers[position], self._tables[choice])
            while sum(a.nbytes for a in self._prepared.values()) > _CACHE_BYTES and len(self._prepared) > len(
                self._layers
            ):
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]


class AccuracyLoss:
    """Loss of accuracy against the exact quantised network on the same images, in percentage points.

    Repeated designs are answered from memory.

    Args:
        accuracy: Gives the accuracy of one assignment (L,), a fraction.
        exact_accuracy: Accuracy of the exact quantised network.
    """

    name = "accuracy_loss_pp"
    unit = "pp"

    def __init__(self, accuracy: Callable[[Assignment], float], exact_accuracy: float) -> None:
        self._accuracy = accuracy
        self._exact = exact_accuracy
        self._known: dict[bytes, float] = {}

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64, negative where a design is better than the exact network."""
        return 100 * (self._exact - self.accuracies(population))

    def accuracies(self, population: Population) -> Floats:
        """Return the accuracy of each design: `(P, L)` int64 -> `(P,)` float64, fractions."""
        return np.array([self._recall(row) for row in population], dtype=np.float64)

    def _recall(self, assignment: Assignment) -> float:
        key = assignment.tobytes()
        if key not in self._known:
            self._known[key] = self._accuracy(assignment)
        return self._known[key]
