"""What is asked of a choice of operating points, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from dse.exceptions import InputError
from dse.space import SearchSpace
from dse.types import LARGEST_SEED

# budgets, what Python and a shell both call them, and how they run from the most accurate point to the cheapest
_BUDGETS = (("loss_budgets_pp", "loss budgets", 1, "rising"), ("energy_budgets", "energy budgets", -1, "falling"))


@dataclass(frozen=True)
class PointsRequest:
    """At most `instances` circuits in the whole network, and `points` assignments of them to layers, dear to cheap.

    Without budgets the front that the points span is to be as good as possible, by its hypervolume; with loss budgets the
    energy of the points, on average; with energy budgets the expected loss of the worst point, then their mean.

    Args:
        instances: Most distinct circuits over all points, n; variants of a circuit share it.
        points: Operating points, O.
        loss_budgets_pp: Most loss that each point may be expected to have `(O,)` pp, rising; None: none is set. It is the
            loss that the divergence on the search images lets expect (`dse.expected_loss`); the one counted there may
            be larger, as the one on any other images.
        energy_budgets: Most relative energy that each point may spend `(O,)`, falling; None: none is set.
        evaluations: Distinct designs simulated, at most.
        seed: Of all draws, 0 to 2^32 - 1.

    Raises:
        InputError: What is no number or out of range, budgets of both kinds, not as many budgets as points, or budgets in
            another order.
    """

    instances: int = 4
    points: int = 3
    loss_budgets_pp: Sequence[float] | None = None
    energy_budgets: Sequence[float] | None = None
    evaluations: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("instances", "points", "evaluations", "seed"):
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, Integral):
                raise InputError(f"{name}: expected a whole number, got {value!r}")
            object.__setattr__(self, name, int(value))  # numpy's cannot be written as JSON
        for name, least in (("instances", 1), ("points", 1), ("evaluations", self.points), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        if self.seed > LARGEST_SEED:
            raise InputError(f"seed: expected at most {LARGEST_SEED}, got {self.seed}")
        if self.loss_budgets_pp is not None and self.energy_budgets is not None:
            raise InputError("expected loss budgets or energy budgets, got both; leave one of them out")
        for name, said, sign, order in _BUDGETS:
            if (budgets := getattr(self, name)) is not None:
                object.__setattr__(self, name, _numbers(said, budgets))
                self._check_budgets(said, getattr(self, name), sign, order)

    @property
    def budgets(self) -> tuple[float, ...] | None:
        """The budgets of whichever kind `(O,)`."""
        return tuple(self.loss_budgets_pp or self.energy_budgets or ()) or None

    def space(self, space: SearchSpace) -> SearchSpace:
        """Return a search space in which a design may hold n circuits, whatever tile limit it had.

        Raises:
            InputError: The library has fewer than n circuits, or no design spends as little as a point's budget.
        """
        if self.instances > space.n_circuits:
            raise InputError(
                f"instances: expected at most {space.n_circuits}, the circuits of the library, got {self.instances}"
            )
        tiled = replace(space, tiles=self.instances)
        least = float(tiled.energy(tiled.cheapest()[None])[0]) if self.energy_budgets else 0.0
        for point, budget in enumerate(self.energy_budgets or ()):
            if budget < least:
                raise InputError(
                    f"energy budgets: point {point} has {budget:g}, expected at least {least:.6g}, the energy of the "
                    "cheapest design; raise it, or add cheaper multipliers to the library"
                )
        return tiled

    def _check_budgets(self, name: str, budgets: tuple[float, ...], sign: int, order: str) -> None:
        if len(budgets) != self.points:
            raise InputError(f"{name}: expected {self.points} numbers, one for each point, got {len(budgets)}")
        if not all(math.isfinite(budget) and budget >= 0 for budget in budgets):
            raise InputError(f"{name}: expected finite numbers, none below 0, got {_listed(budgets)}")
        if (sign * np.diff(budgets) <= 0).any():
            raise InputError(
                f"{name}: expected {order} numbers, from the most accurate point to the cheapest, got {_listed(budgets)}"
            )


def _numbers(name: str, budgets: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(budget) for budget in budgets)
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected numbers, got {str(budgets)[:60]!r}") from None


def _listed(budgets: Sequence[float]) -> str:
    return ", ".join(f"{budget:g}" for budget in budgets)
