"""Accuracy of designs by bit-exact simulation of their multipliers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.convert import approximable_layers, quantized_layers, simulate
from dse.nn.datasets import Part
from dse.nn.training import device_of, evaluating
from dse.objectives._early_stop import EarlyStop
from dse.objectives._prefix import PrefixMemo
from dse.objectives._prepared import PreparedLayers
from dse.objectives._resume import ResumedPass, resumed_pass
from dse.types import Assignment, Floats, Population, Table

_TABLE_BYTES = 2**30  # prepared tables of (layer, multiplier) pairs kept between designs
_PREFIX_BYTES = 2**30  # outputs of layers kept for the next design, of one batch
_BATCH = 256  # images per forward pass


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Accuracy of designs, and on how many images: on all of them unless a design was stopped early."""

    accuracy: Floats  # (P,) share of the images seen that a design classifies right
    images: NDArray[np.int64]  # (P,) images seen
    total: int  # all images

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """Which accuracies are estimates from some of the images only `(P,)`."""
        return self.images < self.total


class Simulator:
    """Accuracy of assignments of one quantised network on one set of images, by LUT simulation.

    Designs evaluated together share what they have in common: equal designs everything, any designs the prepared tables,
    and the same first choices the outputs of these layers. Each outcome is that of the design by itself, bit for bit.

    Args:
        model: A quantised model; its arithmetic is changed at every call, and left as the last design has it.
        part: Images and labels.
        tables: Layer tables of the library `(M)` in library order, each `(256, 2^Bw)` int32; None for exact products.
    """

    def __init__(self, model: nn.Module, part: Part, tables: Sequence[Table | None]) -> None:
        simulate(model)
        self._model = model
        self._part = part
        self._choices = len(tables)
        self._layers = list(approximable_layers(model).values())
        self._prepared = PreparedLayers(self._layers, tables, _TABLE_BYTES)
        self._passes: ResumedPass | PrefixMemo | None = None

    def accuracy(self, assignment: Assignment) -> float:
        """Return the share of images classified correctly under `assignment` (L,)."""
        return float(self.accuracies(assignment[None])[0])

    def accuracies(self, population: Population) -> Floats:
        """Return the share of images that each design classifies correctly: `(P, L)` int64 -> `(P,)` float64."""
        return self.evaluate(population).accuracy

    def evaluate(self, population: Population, stop: EarlyStop | None = None) -> Evaluated:
        """Return the accuracies of designs `(P, L)` int64, on all images or until `stop` gives up on them.

        For one batch of images after the other, the designs are gone through in lexicographic order. Beside the prepared
        tables (1 GiB) this keeps what the next design shares: one output per call of a layer for one batch, 1 GiB at most.

        Raises:
            InputError: If there are no images, or the population or the floors do not have the shape they should.
        """
        total = len(self._part)
        self._check(population, stop)
        rows, which = np.unique(population, axis=0, return_inverse=True)
        floors = np.full(len(rows), np.inf)
        which = which.reshape(-1)  # numpy 2.0 gives it another dimension
        np.minimum.at(floors, which, -np.inf if stop is None else stop.floors)  # equal designs go on for any of them
        right, seen = np.zeros((2, len(rows)), dtype=np.int64)
        batch = _BATCH if stop is None else stop.every
        with evaluating(self._model, self._part.x[:batch].numel()):
            for group in self._prepared.groups(rows) if len(rows) else ():
                self._run(rows[group], floors[group], stop, right[group], seen[group])
        if len(population):
            self._prepared.assign(population[-1])
        return Evaluated((right / np.maximum(seen, 1))[which], seen[which], total)

    def _run(
        self, rows: Population, floors: Floats, stop: EarlyStop | None, right: NDArray[np.int64], seen: NDArray[np.int64]
    ) -> None:
        """Fill in right answers and images seen of distinct, sorted designs."""
        passes = self._shared_passes()
        alive, total = np.arange(len(rows)), len(self._part)
        looks = 0 if stop is None else (total - 1) // stop.every  # after every batch but the last
        for x, y in self._batches(stop):
            right[alive] += self._right_answers(passes, rows[alive], x, y)
            seen[alive] += len(y)
            done = int(seen[alive[0]])
            if stop is not None and done < total:
                alive = alive[~stop.hopeless(right[alive], floors[alive], seen=done, images=total, looks=looks)]
            if len(alive) == 0:
                return

    def _right_answers(
        self, passes: ResumedPass | PrefixMemo, rows: Population, x: Tensor, y: Tensor
    ) -> list[int]:
        """Return how many images of one batch each of the sorted designs classifies right."""
        passes.clear()
        counts = []
        for row, shared in zip(rows, _shared_with_next(rows), strict=True):
            self._prepared.assign(row)
            logits = passes.run(x, changing=set(self._layers[shared:]))
            counts.append(int((logits.argmax(dim=1) == y).sum()))
        passes.clear()
        return counts

    def _shared_passes(self) -> ResumedPass | PrefixMemo:
        """Return what shares the beginnings of passes: the faster way where the network allows it."""
        if self._passes is None:
            few = self._part.x[:8].to(device_of(self._model))
            layers = list(quantized_layers(self._model).values())
            self._passes = resumed_pass(self._model, few, _PREFIX_BYTES) or PrefixMemo(self._model, layers, _PREFIX_BYTES)
        return self._passes

    def _batches(self, stop: EarlyStop | None) -> Iterator[tuple[Tensor, Tensor]]:
        device, x, y, batch = device_of(self._model), self._part.x, self._part.y, _BATCH
        if stop is not None:
            order, batch = stop.order(len(y)).to(y.device), stop.every
            x, y = x[order], y[order]
        for images, labels in zip(x.split(batch), y.split(batch), strict=True):
            yield images.to(device), labels.to(device)

    def _check(self, population: Population, stop: EarlyStop | None) -> None:
        if len(self._part) == 0:
            raise InputError("part: expected at least one image, got none")
        if population.ndim != 2 or population.shape[1] != len(self._layers):
            raise InputError(f"population: expected (P, {len(self._layers)}) int64, got shape {population.shape}")
        if population.dtype != np.int64:
            raise InputError(f"population: expected (P, {len(self._layers)}) int64, got {population.dtype}")
        if population.size and not 0 <= population.min() <= population.max() < self._choices:
            got = f"{population.min()}..{population.max()}"
            raise InputError(f"population: expected choices in 0..{self._choices - 1}, got {got}")
        if stop is not None and stop.floors.shape != population.shape[:1]:
            raise InputError(f"floors: expected one for each of {len(population)} designs, got {stop.floors.shape}")


def _shared_with_next(rows: Population) -> list[int]:
    """Return how many first choices each row has in common with the row after it, 0 for the last."""
    return [*np.cumprod(rows[1:] == rows[:-1], axis=1).sum(axis=1).tolist(), 0]
