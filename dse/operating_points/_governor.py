"""A governor: before each request it chooses an operating point by the budget of the moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.operating_points._traces import BudgetTrace
from dse.types import Floats

_ROUND_OFF = 1e-9


@dataclass(frozen=True, eq=False)
class Designs:
    """Designs that requests can be served with, O of them, each known by figures and by its answers to T test images.

    Raises:
        InputError: The arrays do not fit together, or there is no design or no image.
    """

    names: tuple[str, ...]  # (O,)
    rel_energy: Floats  # (O,) of one image, relative to the exact network's
    loss_pp: Floats  # (O,) by which designs are chosen, on images that are not the test images
    right: NDArray[np.bool_]  # (O, T) which test images each classifies right

    def __post_init__(self) -> None:
        count = len(self.names)
        if not (self.rel_energy.shape == self.loss_pp.shape == self.right.shape[:1] == (count,) and self.right.ndim == 2):
            shapes = f"{self.rel_energy.shape}, {self.loss_pp.shape} and {self.right.shape}"
            raise InputError(f"designs: expected ({count},), ({count},) and ({count}, images), got {shapes}")
        if self.right.size == 0:
            raise InputError(f"designs: expected at least one design and one test image, got {self.right.shape}")

    def some(self, places: Sequence[int]) -> Designs:
        """Return some of the designs."""
        at = np.array(places, dtype=np.int64)
        return Designs(tuple(self.names[i] for i in places), self.rel_energy[at], self.loss_pp[at], self.right[at])


@dataclass(frozen=True)
class Policy:
    """How eagerly the governor switches. A point over the budget is left at once, whatever these say.

    Args:
        dwell: Requests for which a point is kept at least before a better one within the budget is taken, 1 or more.
        margin: Hysteresis: a better point must stay below the budget by this share of it, 0 to below 1.
    """

    dwell: int = 1
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.dwell < 1:
            raise InputError(f"dwell: expected at least 1 request, got {self.dwell}")
        if not 0 <= self.margin < 1:
            raise InputError(f"margin: expected a share from 0 to below 1, got {self.margin}")


@dataclass(frozen=True, eq=False)
class Served:
    """A trace of N requests, served."""

    name: str
    designs: Designs
    point: NDArray[np.int64]  # (N,) which design served each request
    budget: Floats  # (N,) most energy or loss at each request; of a battery what was left per request still to come
    spent: Floats  # (N,) energy of each request; 0 where a battery had not enough for it
    answered: NDArray[np.bool_]  # (N,) all but those that a battery had not enough for
    right: NDArray[np.bool_]  # (N,) whether each was answered right
    violated: NDArray[np.bool_]  # (N,) more energy or loss than the budget; of a battery: not answered

    @property
    def rel_energy(self) -> float:
        """Energy per request, relative to the exact network's."""
        return float(self.spent.mean())

    def expected_accuracy(self, exact: float) -> float:
        """Return the share to be expected right, by the losses that points were chosen by, of a network that is `exact`."""
        return float(np.where(self.answered, exact - self.designs.loss_pp[self.point] / 100, 0.0).mean())

    @property
    def accuracy(self) -> float:
        """Share of the requests answered right."""
        return float(self.right.mean())

    @property
    def switches(self) -> int:
        """How often a request was served by another design than the one before it."""
        return int(np.count_nonzero(np.diff(self.point)))

    @property
    def violations(self) -> int:
        """Requests served beyond the budget."""
        return int(self.violated.sum())


def serve(
    points: Designs, trace: BudgetTrace, images: NDArray[np.int64], policy: Policy | None = None, *, name: str = "governor"
) -> Served:
    """Serve a trace, choosing before each request among operating points.

    With a budget of energy the most accurate point within it is chosen, with one of the loss the cheapest within it; where
    none is, the cheapest or the most accurate one, and the budget is violated. With a battery the budget of a request is
    what is left, divided by the requests still to come.

    Args:
        points: The operating points.
        trace: The budgets of N requests.
        images: The test image of each request `(N,)`.
        policy: When to switch; as soon as possible when None.
        name: Of what is served.

    Raises:
        InputError: Images are no integers or not as many as requests, or there is no such image.
    """
    policy, images = policy or Policy(), np.asarray(images)
    _check(points, trace, images)
    axes = _axes(points, trace)
    count, left, current, since = len(trace.amounts), trace.capacity, -1, 0
    chosen, budgets, spent = np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count)
    answered = np.ones(count, dtype=bool)
    for i, amount in enumerate(trace.amounts.tolist()):
        if trace.kind == "battery":
            left = max(left - amount, 0.0)
        budgets[i] = left / (count - i) if trace.kind == "battery" else amount
        point = _next(*axes, float(budgets[i]), current, since, policy)
        since = since + 1 if point == current else 1
        chosen[i] = current = point
        energy = float(points.rel_energy[point])
        answered[i] = energy <= left + _ROUND_OFF
        spent[i] = energy if answered[i] else 0.0
        left -= spent[i]
    return Served(
        name=name,
        designs=points,
        point=chosen,
        budget=budgets,
        spent=spent,
        answered=answered,
        right=points.right[chosen, images] & answered,
        violated=~answered if trace.kind == "battery" else axes[0][chosen] > budgets + _ROUND_OFF,
    )


def serve_static(designs: Designs, place: int, trace: BudgetTrace, images: NDArray[np.int64], *, name: str) -> Served:
    """Serve a trace with one design; see `serve`."""
    return serve(designs.some([place]), trace, images, name=name)


def best_static(designs: Designs, trace: BudgetTrace, *, on_average: bool) -> int | None:
    """Return the best single design for a trace known beforehand: one that keeps the budget at all times, or on average.

    The most accurate one for a budget of energy, the cheapest for one of the loss; by the figures that designs are chosen
    by. What a battery has for each request is the same at all times. None: no design does.
    """
    if trace.kind == "battery":
        budget = (trace.capacity - float(trace.amounts.sum())) / len(trace.amounts)
    else:
        budget = float(trace.amounts.mean() if on_average else trace.amounts.min())
    bounded, better = _axes(designs, trace)
    place = _best(bounded, better, budget)
    return place if bounded[place] <= budget + _ROUND_OFF else None


def request_images(requests: int, images: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the test image of each request `(N,)`: all images in random order, and again where requests are more.

    Raises:
        InputError: There are no requests or no images.
    """
    if requests < 1 or images < 1:
        raise InputError(f"images of requests: expected at least 1 request and 1 image, got {requests} and {images}")
    rounds = math.ceil(requests / images)
    return np.concatenate([rng.permutation(images) for _ in range(rounds)])[:requests]


def _axes(designs: Designs, trace: BudgetTrace) -> tuple[Floats, Floats]:
    """Return what a budget bounds and what is to be as small as possible within it, `(O,)` each."""
    axes = designs.rel_energy, designs.loss_pp
    return axes[::-1] if trace.kind == "loss" else axes


def _next(bounded: Floats, better: Floats, budget: float, current: int, since: int, policy: Policy) -> int:
    """Return the point for a request, after `since` requests with the current one; -1: none has been served yet."""
    if current < 0 or bounded[current] > budget + _ROUND_OFF:
        return _best(bounded, better, budget)
    wanted = _best(bounded, better, budget * (1 - policy.margin))
    fits = bounded[wanted] <= budget * (1 - policy.margin) + _ROUND_OFF
    return wanted if fits and better[wanted] < better[current] and since >= policy.dwell else current


def _best(bounded: Floats, better: Floats, budget: float) -> int:
    """Return the design of least `better` within the budget; where none is, that of least `bounded`."""
    within = np.flatnonzero(bounded <= budget + _ROUND_OFF)
    if len(within) == 0:
        return int(np.lexsort((better, bounded))[0])
    return int(within[np.lexsort((bounded[within], better[within]))[0]])


def _check(designs: Designs, trace: BudgetTrace, images: NDArray[np.int64]) -> None:
    count, known = len(trace.amounts), designs.right.shape[1]
    if images.shape != (count,) or not np.issubdtype(images.dtype, np.integer):
        raise InputError(f"images: expected ({count},) integers, one for each request, got {images.shape} {images.dtype}")
    if not 0 <= images.min() <= images.max() < known:
        raise InputError(f"images: expected numbers from 0 to {known - 1}, got {images.min()} to {images.max()}")
