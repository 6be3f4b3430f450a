"""Figures of designs by bit-exact simulation of their multipliers."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.compensation import Compensator
from dse.exceptions import InputError
from dse.nn.convert import approximable_layers, quantized_layers, simulate
from dse.nn.datasets import Part
from dse.nn.divergence import log_probabilities
from dse.nn.training import device_of, evaluating, logits
from dse.objectives._compensated import CompensatedLayers
from dse.objectives._early_stop import EarlyStop
from dse.objectives._figures import Figures, FigureSums
from dse.objectives._prefix import PrefixMemo
from dse.objectives._prepared import PreparedLayers
from dse.objectives._resume import ResumedPass, resumed_pass
from dse.objectives._subset import first_images
from dse.types import Assignment, Floats, Population, Table
from dse.variants import LayerTables

_TABLE_BYTES = 2**30  # prepared tables of (layer, multiplier) pairs kept between designs
_PREFIX_BYTES = 2**30  # outputs of layers kept for the next design, of one batch
_BATCH = 256  # images per forward pass


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Figures of designs, and on how many images: on all of them unless a design was stopped early."""

    accuracy: Floats  # (P,) share of the images seen that a design classifies right
    images: NDArray[np.int64]  # (P,) images seen
    total: int  # all images
    figures: tuple[Figures, ...]  # (P,) by name, all finite; see `FigureSums`; empty where a design failed
    reasons: tuple[str, ...]  # (P,) why it failed, one line; empty where it did not

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """Which figures are estimates from some of the images only `(P,)`."""
        return self.images < self.total


class Arithmetics(Protocol):
    """Gives the layers of a network what each design computes with."""

    def assign(self, assignment: Assignment) -> None:
        """Give every approximable layer the arithmetic of a design `(L,)`."""
        ...

    def groups(self, rows: Population) -> Iterator[slice]:
        """Cut sorted designs into runs whose arithmetics can be kept together."""
        ...


class DesignScorer(ABC):
    """Figures of assignments of one quantised network on one set of images.

    Designs evaluated together share what they have in common: equal designs everything, any designs the prepared
    arithmetics, and the same first choices the outputs of these layers. Each outcome is that of the design by itself, bit
    for bit. The outputs of the exact network, which `kl` refers to, are computed once.

    Args:
        model: A quantised model; its arithmetic is changed at every call, and left as the last design has it. Its weights
            stay as they are from the first call on.
        part: Images and labels.
        prepared: What the designs compute with.
        choices: Multipliers a layer can have.
    """

    def __init__(self, model: nn.Module, part: Part, prepared: Arithmetics, choices: int) -> None:
        self._model = model
        self._part = part
        self._choices = choices
        self._layers = list(approximable_layers(model).values())
        self._prepared = prepared
        self._passes: ResumedPass | PrefixMemo | None = None
        self._exact: Floats | None = None

    @abstractmethod
    def _make_exact(self) -> None:
        """Give every layer of the network the arithmetic of the exact network."""

    @property
    def images(self) -> int:
        """Images that decide."""
        return len(self._part)

    def first(self, images: int) -> Self:
        """Return the same on the first images, in an order that mixes the classes evenly (`balanced_order`).

        A larger number has all images of a smaller one. Prepared arithmetics are shared.

        Raises:
            InputError: If there are not so many images.
        """
        fewer = copy.copy(self)
        fewer._part, fewer._exact = first_images(self._part, images), None
        return fewer

    def accuracy(self, assignment: Assignment) -> float:
        """Return the share of images classified correctly under `assignment` (L,)."""
        return float(self.accuracies(assignment[None])[0])

    def accuracies(self, population: Population) -> Floats:
        """Return the share of images that each design classifies correctly: `(P, L)` int64 -> `(P,)` float64.

        An image whose logits are not finite counts as wrong.
        """
        return self.evaluate(population).accuracy

    def evaluate(self, population: Population, stop: EarlyStop | None = None) -> Evaluated:
        """Return the figures of designs `(P, L)` int64, on all images or until `stop` gives up on them.

        For one batch of images after the other, the designs are gone through in lexicographic order. Beside what is
        prepared this keeps what the next design shares: one output per call of a layer for one batch, 1 GiB at most.
        A design with a logit that is not finite on any image has failed: it has a reason and no figures.
        With `stop`, images come in another order, on which the last bit of `kl` depends.

        Raises:
            InputError: If there are no images, the population or the floors do not have the shape they should, or the exact
                network's own logits are not finite.
        """
        total = len(self._part)
        self._check(population, stop)
        rows, which = np.unique(population, axis=0, return_inverse=True)
        floors = np.full(len(rows), np.inf)
        which = which.reshape(-1)  # numpy 2.0 gives it another dimension
        np.minimum.at(floors, which, -np.inf if stop is None else stop.floors)  # equal designs go on for any of them
        batch = _BATCH if stop is None else stop.every
        right, seen = np.zeros((2, len(rows)), dtype=np.int64)
        figures: list[Figures] = []
        reasons: list[str] = []
        exact = self._exact_log_probabilities()
        with evaluating(self._model, self._part.x[:batch].numel()):
            for group in self._prepared.groups(rows) if len(rows) else ():
                sums = self._run(rows[group], floors[group], stop, exact)
                right[group], seen[group] = sums.right, sums.seen
                figures += sums.figures()
                reasons += sums.reasons()
        if len(population):
            self._prepared.assign(population[-1])
        order = which.tolist()
        return Evaluated(
            accuracy=(right / np.maximum(seen, 1))[which],
            images=seen[which],
            total=total,
            figures=tuple(dict(figures[i]) for i in order),
            reasons=tuple(reasons[i] for i in order),
        )

    def _run(self, rows: Population, floors: Floats, stop: EarlyStop | None, exact: Floats) -> FigureSums:
        """Return the sums of distinct, sorted designs over the images that each of them sees."""
        sums = FigureSums(len(rows), exact.shape[1])
        alive, total = np.arange(len(rows)), len(self._part)
        looks = 0 if stop is None else (total - 1) // stop.every  # after every batch but the last
        for x, labels, said in self._batches(stop, exact):
            self._add(sums, alive, rows[alive], x, labels, said)
            done = int(sums.seen[alive[0]])
            if stop is not None and done < total:
                right = sums.right[alive]
                alive = alive[~stop.hopeless(right, floors[alive], seen=done, images=total, looks=looks)]
            if len(alive) == 0:
                break
        return sums

    def _add(
        self,
        sums: FigureSums,
        which: NDArray[np.int64],
        rows: Population,
        x: Tensor,
        labels: NDArray[np.int64],
        exact: Floats,
    ) -> None:
        """Add one batch of images to the sums of sorted designs; `which` are their places there."""
        passes = self._shared_passes()
        passes.clear()
        for design, row, shared in zip(which.tolist(), rows, _shared_with_next(rows), strict=True):
            self._prepared.assign(row)
            sums.add(design, passes.run(x, changing=set(self._layers[shared:])), labels, exact)
        passes.clear()

    def _exact_log_probabilities(self) -> Floats:
        """Return what the exact network says of all images, `(N, C)` log-probabilities."""
        if self._exact is None:
            self._make_exact()
            said = logits(self._model, self._part.x, _BATCH)
            if said.ndim != 2:
                raise InputError(f"model: expected logits (B, classes), got shape {tuple(said.shape)}")
            if not said.isfinite().all():
                raise InputError("model: expected finite logits of the exact quantised network, got others")
            self._exact = np.concatenate([log_probabilities(batch) for batch in said.split(_BATCH)])
        return self._exact

    def _shared_passes(self) -> ResumedPass | PrefixMemo:
        """Return what shares the beginnings of passes: the faster way where the network allows it."""
        if self._passes is None:
            few = self._part.x[:8].to(device_of(self._model))
            layers = list(quantized_layers(self._model).values())
            self._passes = resumed_pass(self._model, few, _PREFIX_BYTES) or PrefixMemo(
                self._model, layers, _PREFIX_BYTES
            )
        return self._passes

    def _batches(self, stop: EarlyStop | None, exact: Floats) -> Iterator[tuple[Tensor, NDArray[np.int64], Floats]]:
        """Yield images on the network's device, their labels, and what the exact network says of them."""
        device, x, y, batch = device_of(self._model), self._part.x, self._part.y, _BATCH
        if stop is not None:
            order, batch = stop.order(len(y)), stop.every
            x, y, exact = x[order.to(x.device)], y[order.to(y.device)], exact[order.numpy()]
        for start in range(0, len(y), batch):
            part = slice(start, start + batch)
            yield x[part].to(device), y[part].cpu().numpy(), exact[part]

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


class Simulator(DesignScorer):
    """Figures by LUT simulation, bit-exact; see `DesignScorer`. Prepared tables take 1 GiB at most.

    Args:
        model: A quantised model.
        part: Images and labels.
        tables: What each choice computes in each layer, or where that is the same in all layers: one table
            `(256, 2^Bw)` int32 for each of M multipliers, None for exact products.
        compensator: Of the model; every design but the exact one is compensated. None: none is.
    """

    _prepared: PreparedLayers

    def __init__(
        self,
        model: nn.Module,
        part: Part,
        tables: LayerTables | Sequence[Table | None],
        *,
        compensator: Compensator | None = None,
    ) -> None:
        simulate(model)
        tables, layers = LayerTables.of(tables), list(approximable_layers(model).values())
        prepared = (
            PreparedLayers(layers, tables, _TABLE_BYTES)
            if compensator is None
            else CompensatedLayers(layers, tables, _TABLE_BYTES, model=model, compensator=compensator)
        )
        self._compensator = compensator
        super().__init__(model, part, prepared, len(tables))

    def _make_exact(self) -> None:
        if self._compensator is not None:
            self._compensator.undo()
        simulate(self._model)


def _shared_with_next(rows: Population) -> list[int]:
    """Return how many first choices each row has in common with the row after it, 0 for the last."""
    return [*np.cumprod(rows[1:] == rows[:-1], axis=1).sum(axis=1).tolist(), 0]
