"""A quantised network that is switched from one assignment of multipliers to another between any two batches."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from dse.compensation import Folded
from dse.evaluator import EvaluatorFactory
from dse.exceptions import InputError, unknown_name
from dse.nn.convert import approximable_layers, quantized_layers
from dse.nn.layers import ApproxLayer, Correction
from dse.nn.training import device_of
from dse.operating_points._overhead import Overhead, stored_bytes
from dse.operating_points._point import OperatingPoint, designs_of
from dse.operating_points._state import require_fit, require_sound
from dse.operating_points._switched import Switch, SwitchedArithmetic, SwitchedNorm
from dse.operating_points._tables import Make, PointTables, integer
from dse.variants import Choice, LayerTables


class OperatingPointModel(nn.Module):
    """One set of weights, and for each operating point an assignment, corrections and the state of the BatchNorms.

    Switching exchanges references: tables and weights are prepared once for each pair of layer and choice, which all points
    that use the pair share. A point's outputs are, bit for bit, those of the network that simulates it alone.

    Statistics of BatchNorms are each point's own, `gamma` and `beta` are one for all until `own_norms`. A state dict holds
    every point, whichever is in use, and does not say which that is.

    Args:
        network: A quantised network; a copy is made.
        points: The operating points `(O,)`; each assigns every approximable layer. The first is in use.
        names: Of the choices in `tables` `(M,)`, such as those of a library.
        tables: What each choice computes in each layer (`dse.variants.plain_tables` for the multipliers of a library).
        folded: What compensates each point (`dse.compensation.Compensator.apply`); None: what is folded into the network.

    Raises:
        InputError: The network is not quantised, or points, names, tables and corrections do not fit together.
    """

    @torch.inference_mode(False)  # what is made here may be trained later
    def __init__(
        self,
        network: nn.Module,
        points: Sequence[OperatingPoint],
        names: Sequence[str],
        tables: LayerTables,
        *,
        folded: Sequence[Folded] | None = None,
    ) -> None:
        super().__init__()
        network = copy.deepcopy(network)
        approximable = approximable_layers(network)
        if not approximable:
            raise InputError(
                "operating points: expected a quantised network, got one without such layers; call quantize"
            )
        folded = [Folded.of(network)] * len(points) if folded is None else folded
        if len(folded) != len(points):
            raise InputError(
                f"operating points: expected what compensates each of {len(points)} points, got {len(folded)}"
            )
        if any(one.corrections.keys() != quantized_layers(network).keys() for one in folded):
            raise InputError("operating points: what compensates them is of other layers; apply it to this network")
        exact = next(iter(approximable.values())).operands.exact
        self.points = tuple(points)
        self.tables = PointTables.of(points, tuple(approximable), names, tables, exact)
        self._switch = Switch()
        # References beside the module tree, because looking through it takes longer than switching.
        self._layers = quantized_layers(network)
        for (name, layer), made in zip(self._layers.items(), self.arithmetics(integer), strict=True):
            corrections = [_checked(layer, one.corrections[name]) for one in folded]
            layer.arithmetic = SwitchedArithmetic(layer, made, corrections, self._switch)
        self.network, self._norms = _with_norms(network, folded, self._switch)
        self._device = device_of(network)
        self._correct()
        self.register_load_state_dict_post_hook(_loaded)

    @classmethod
    def of(cls, factory: EvaluatorFactory, points: Sequence[OperatingPoint], names: Sequence[str]) -> Self:
        """Return the model of a run's network, each point compensated as the run compensates designs.

        Args:
            factory: What scores the run's designs (`Prepared.factory`).
            points: As of the class.
            names: Of the run's choices (`Prepared.space.multipliers`).
        """
        designs = np.array(designs_of(points, tuple(approximable_layers(factory.model)), names), dtype=np.int64)
        folded = [Folded.of(factory.network(design)) for design in designs]
        return cls(factory.model, points, names, factory.tables, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x)
        return y

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        with torch.inference_mode(False):  # a copy may be trained later, wherever it is made
            made = self.__class__.__new__(self.__class__)
            memo[id(self)] = made
            made.__setstate__(copy.deepcopy(self.__dict__, memo))
        return made

    @property
    def operating_point(self) -> int:
        """Index of the point in use; set it to an index or a name (InputError where there is no such point)."""
        return self._switch.point

    @operating_point.setter
    def operating_point(self, point: int | str) -> None:
        self._switch.point = self.index(point)
        self._correct()

    @contextmanager
    def at(self, point: int | str) -> Iterator[None]:
        """Use a point in the body, and then the one before again."""
        before = self.operating_point
        self.operating_point = self.index(point)
        try:
            yield
        finally:
            self.operating_point = before

    def index(self, point: int | str) -> int:
        """Return the index of a point by index or name; InputError where there is no such point."""
        names = [known.name for known in self.points]
        if isinstance(point, str):
            if point not in names:
                raise unknown_name("operating point", point, names)
            return names.index(point)
        if isinstance(point, bool) or not hasattr(point, "__index__") or not 0 <= operator.index(point) < len(names):
            expected = f"an index 0..{len(names) - 1} or a name ({', '.join(names)})"
            raise InputError(f"operating_point: expected {expected}, got {point!r}")
        return operator.index(point)

    def own_norms(self) -> None:
        """Give each point `gamma` and `beta` of its own in every BatchNorm; they start as what it had."""
        for norm in self._norms:
            norm.own()

    @property
    def norms(self) -> tuple[SwitchedNorm, ...]:
        """The BatchNorms, each once for every point."""
        return self._norms

    @property
    def owns_norms(self) -> bool:
        """Whether each point has `gamma` and `beta` of its own."""
        return all(norm.owned for norm in self._norms)

    def arithmetics(self, make: Make) -> list[list[nn.Module]]:
        """Return what `make` makes for every quantised layer and point `(L', O)`, once for each pair of layer and choice."""
        return self.tables.arithmetics(self._layers, make)

    def give(self, arithmetics: Sequence[Sequence[nn.Module]]) -> None:
        """Multiply with these in every quantised layer and at every point `(L', O)`."""
        for switched, given in zip(self._arithmetics, arithmetics, strict=True):
            switched.give(given)

    def overhead(self, choices: Iterable[Choice] = ()) -> Overhead:
        """Return what the points beyond the first add to the network.

        Args:
            choices: What the names of choices stand for (`Prepared.inputs.choices`). Without them, weights that were tuned
                once for all layers are taken for those that are stored, and operands for unclipped.
        """
        operands = next(iter(self._layers.values())).operands
        wirings = self.tables.wirings(choices, operands)
        columns = {name: self.tables.column(name) for name in self.tables.layers}
        held = [
            (
                self._layers[name].weight.numel(),
                [wirings[c].held_in(self.tables.stored(name, c), operands) for c in column],
            )
            for name, column in columns.items()
        ]
        return Overhead(
            base_parameters=sum(p.numel() for p in self.parameters()) - sum(norm.owned_parameters() for norm in self._norms),
            corrections=sum(switched.extra_parameters() for switched in self._arithmetics),
            norms=sum(norm.extra_parameters() for norm in self._norms),
            ranges=sum(2 * (len({wirings[c].clips for c in column}) - 1) for column in columns.values()),
            statistics=sum(norm.extra_statistics() for norm in self._norms),
            stored_bytes=stored_bytes(held, 2**operands.w_bits),
        )

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state of all points; nothing is changed when it is refused.

        Raises:
            InputError: A tensor is of another shape or kind than the network's, or a point's row of corrections is none; or
                it is `strict`, and the state is of another network or of another number of points.
        """
        if strict:
            require_fit(state_dict, self.state_dict(), len(self.points))
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Refuse a state before any part takes of it, also where the model is part of another network."""
        given = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
        require_sound(given, self.state_dict())
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    def _arithmetics(self) -> list[SwitchedArithmetic]:
        return [cast(SwitchedArithmetic, layer.arithmetic) for layer in self._layers.values()]

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        if (device := device_of(self)) != self._device:  # what is prepared has stayed behind
            self._device = device
            self.give(self.arithmetics(integer))
        self._correct()
        return self

    def _correct(self) -> None:
        """Let every layer be corrected as at the point in use."""
        for layer in self._layers.values():
            cast(SwitchedArithmetic, layer.arithmetic).correct(layer)


def _loaded(model: nn.Module, incompatible: object) -> None:
    """Show the layers what has been loaded; a function, for a method would stay that of the model when it is copied."""
    assert isinstance(model, OperatingPointModel)
    model._correct()


def _checked(layer: ApproxLayer, given: Correction | None) -> Correction | None:
    """Return a copy of a correction that fits the layer; InputError where it does not."""
    layer.correction = given
    return layer.correction


def _with_norms(
    network: nn.Module, folded: Sequence[Folded], switch: Switch
) -> tuple[nn.Module, tuple[SwitchedNorm, ...]]:
    """Put a `SwitchedNorm` in the place of every BatchNorm of a network, with the statistics of the points."""
    made: dict[nn.modules.batchnorm._BatchNorm, SwitchedNorm] = {}
    for name, module in list(network.named_modules(remove_duplicate=False)):
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        if module not in made:
            made[module] = SwitchedNorm(module, len(folded), switch)
            for norm, one in zip(made[module].norms, folded, strict=True):
                if name in one.statistics:
                    mean, variance = one.statistics[name]
                    norm.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, made[module])
    return network, tuple(made.values())
