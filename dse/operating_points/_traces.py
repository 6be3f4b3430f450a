"""Budgets that change from request to request: synthetic traces, drawn by a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dse.exceptions import InputError
from dse.types import Floats

Kind = Literal["energy", "loss", "battery"]
_DAYS_SHARE = 0.05  # of the range between the budgets: standard deviation of a day's clouds
_MEMORY = 0.98  # of what clouds change, what is left at the next request
_LOAD = 0.25  # share of a battery that other consumers take
_BURSTS = 12  # of other consumers in a trace, on average
_MOST_REQUESTS = 1_000_000  # some hundred bytes each, and a row in a table
_MOST = 1e6  # of energies relative to the exact network's, and of losses in pp


@dataclass(frozen=True, eq=False)
class BudgetTrace:
    """What may be spent, or lost, at each of N requests; a request is the classification of one image.

    Energies are relative to one image on the exact network.
    """

    name: str
    kind: Kind  # `energy`: most energy of a request; `loss`: most loss in pp; `battery`: one store for the whole trace
    amounts: Floats  # (N,) the budget; of a battery what other consumers take from it before each request
    capacity: float = math.inf  # of the battery at the start

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"trace: expected a budget of {', '.join(get_args(Kind))}, got '{self.kind}'")
        try:
            object.__setattr__(self, "amounts", np.asarray(self.amounts, dtype=np.float64))
        except (TypeError, ValueError):
            raise InputError(f"trace: expected amounts that are numbers, got {type(self.amounts).__name__}") from None
        if self.amounts.ndim != 1 or len(self.amounts) == 0:
            raise InputError(f"trace: expected at least one request, got amounts of shape {self.amounts.shape}")
        if not (np.isfinite(self.amounts).all() and (self.amounts >= 0).all()):
            raise InputError("trace: expected finite amounts, none below 0")
        if (self.kind == "battery") != math.isfinite(self.capacity) or self.capacity <= 0:
            raise InputError(
                f"trace: expected a finite capacity above 0 of a battery and of nothing else, got {self.capacity}"
            )


def steps(requests: int, *, kind: Kind, low: float, high: float, levels: int = 8, rng: np.random.Generator) -> BudgetTrace:
    """Return a budget that jumps between levels, equally spaced from `low` to `high`, in random order at random times.

    Args:
        requests: Length, N.
        kind: `energy` or `loss`.
        low, high: Range of the budget, in relative energy or pp.
        levels: How many levels, at least 1; no more than N are drawn.
        rng: Draws times and levels.

    Raises:
        InputError: No or more than a million requests, no level, or no range 0 <= low <= high <= 1e6 with high above 0.
    """
    _check_range(requests, low, high)
    if levels < 1:
        raise InputError(f"levels: expected at least 1, got {levels}")
    count = min(levels, requests)
    jumps = np.sort(rng.permutation(requests - 1)[: count - 1]) + 1
    level = np.searchsorted(jumps, np.arange(requests), side="right")
    amounts = rng.permutation(np.linspace(low, high, count))[level]
    return BudgetTrace("steps", kind, amounts)


def daily(requests: int, *, kind: Kind, low: float, high: float, days: float = 1.0, rng: np.random.Generator) -> BudgetTrace:
    """Return a budget that follows the sun: `low` at midnight, `high` at noon, less what clouds take.

    Clouds are an autoregressive process with a standard deviation of 5 % of the range; the budget stays in `low`..`high`.

    Args:
        requests: Length, N, over so many `days`.
        kind, low, high, rng: See `steps`.
        days: How many days the trace lasts, above 0.

    Raises:
        InputError: As of `steps`, or days are not above 0.
    """
    _check_range(requests, low, high)
    if not (math.isfinite(days) and days > 0):
        raise InputError(f"trace: expected days above 0, got {days}")
    time = (np.arange(requests) + 0.5) / requests * days
    clouds = np.zeros(requests)
    shocks = _DAYS_SHARE * math.sqrt(1 - _MEMORY**2) * rng.standard_normal(requests)
    for i in range(1, requests):
        clouds[i] = _MEMORY * clouds[i - 1] + shocks[i]
    share = np.clip((1 - np.cos(2 * np.pi * time)) / 2 + clouds, 0, 1)
    return BudgetTrace("daily", kind, low + share * (high - low))


def battery(requests: int, *, capacity: float, rng: np.random.Generator) -> BudgetTrace:
    """Return a battery that has to last for all requests, and from which other consumers take a quarter, in bursts.

    When bursts come and how long they last is random; whoever chooses points does not know those to come.

    Args:
        requests: Length, N.
        capacity: Energy in the battery per request, relative to one image on the exact network.
        rng: Draws the bursts.

    Raises:
        InputError: No or more than a million requests, or no capacity above 0 and at most 1e6.
    """
    _check_requests(requests)
    if not 0 < capacity <= _MOST:
        raise InputError(f"capacity: expected a number above 0 and at most {_MOST:g}, got {capacity:g}")
    starts, ends = np.sort(rng.integers(0, requests + 1, (2, _BURSTS)), axis=0)
    ends = np.minimum(ends, starts + max(1, requests // _BURSTS))
    active = np.zeros(requests)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        active[start:end] += 1
    total = capacity * requests
    amounts = active * (_LOAD * total / active.sum()) if active.any() else active
    return BudgetTrace("battery", "battery", amounts, total)


def _check_requests(requests: int) -> None:
    if not 1 <= requests <= _MOST_REQUESTS:
        raise InputError(f"requests: expected at least 1 and at most {_MOST_REQUESTS}, got {requests}")


def _check_range(requests: int, low: float, high: float) -> None:
    _check_requests(requests)
    if not (0 <= low <= high <= _MOST and high > 0):
        raise InputError(
            f"low and high: expected budgets 0 <= low <= high <= {_MOST:g} with high above 0, got {low:g} and {high:g}"
        )
