"""A method whose every proposal is checked before it is believed, and whose failures are told in one line."""

from __future__ import annotations

import numpy as np

from dse.exceptions import InputError, one_line
from dse.space import SearchSpace
from dse.types import Objectives, Population, Search


class Checked:
    """Passes on what a method asks and is told.

    Args:
        name: Of the method, in messages.
        search: The method, perhaps a user's.
        space: What its designs must belong to.
    """

    def __init__(self, name: str, search: Search, space: SearchSpace) -> None:
        self._name, self._search, self._space = name, search, space

    def ask(self) -> Population:
        """Return designs `(P, L)` int64 of the space.

        Raises:
            InputError: The method failed, or asked for anything else.
        """
        try:
            asked = self._search.ask()
            found = np.asarray(asked)
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            raise self._fault(f"ask failed: {type(error).__name__}: {one_line(error)}") from error
        layers, choices = len(self._space.layers), len(self._space.multipliers)
        if found.ndim != 2 or found.shape[1] != layers or found.dtype != np.int64:
            raise self._fault(f"expected designs (P, {layers}) int64, got {found.shape} {found.dtype}")
        if found.size and not 0 <= found.min() <= found.max() < choices:
            raise self._fault(f"expected multipliers 0 to {choices - 1}, got {found.min()} to {found.max()}")
        if not self._space.permits(found).all():
            raise self._fault("proposed a design that the space does not permit; pass designs through `space.repair`")
        return found

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Tell the method the objectives `(P, K)` of what it asked last.

        Raises:
            InputError: The method failed.
        """
        try:
            self._search.tell(population, objectives)
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            raise self._fault(f"tell failed: {type(error).__name__}: {one_line(error)}") from error

    def _fault(self, what: str) -> InputError:
        return InputError(f"search.methods: '{self._name}': {what}"[:600])
