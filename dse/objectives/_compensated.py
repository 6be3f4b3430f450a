"""Layers of a design, compensated for what its multipliers do to them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from dse.compensation import Compensator, Folded
from dse.exceptions import InputError
from dse.nn.layers import ApproxLayer
from dse.objectives._prepared import PreparedLayers
from dse.types import Assignment
from dse.variants import LayerTables

_KEPT = 512  # designs whose compensation is kept: a few kilobytes each


class CompensatedLayers(PreparedLayers):
    """Gives layers the arithmetics of a design, and folds into the network what compensates it.

    Designs that begin alike are compensated alike that far, so they may share the beginnings of their passes.

    Args:
        layers, tables, limit: As of `PreparedLayers`.
        model: The network that the layers are of.
        compensator: Of that network.
    """

    def __init__(
        self,
        layers: Sequence[ApproxLayer],
        tables: LayerTables,
        limit: int,
        *,
        model: nn.Module,
        compensator: Compensator,
    ) -> None:
        super().__init__(layers, tables, limit)
        self._model = model
        self._compensator = compensator
        self._folded: OrderedDict[bytes, Folded] = OrderedDict()

    def assign(self, assignment: Assignment) -> None:
        """Give every layer the arithmetic that `assignment` (L,) chooses, and compensate the design.

        Raises:
            ArithmeticError: The design's outputs are not finite.
        """
        super().assign(assignment)
        key = assignment.tobytes()
        if key in self._folded:
            self._folded.move_to_end(key)
            self._folded[key].put(self._model)
            return
        try:
            self._folded[key] = self._compensator.apply(assignment)
        except InputError as error:
            raise ArithmeticError(str(error)) from error
        if len(self._folded) > _KEPT:
            self._folded.popitem(last=False)
