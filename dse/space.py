"""The space a search moves in: which multiplier each approximable layer may get, and what a design has to keep to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.subsets import best_subset, count_vectors
from dse.types import Assignment, Floats, Population


@dataclass(frozen=True)
class SearchSpace:
    """Assignments of M multipliers to L layers.

    Every method proposes only designs that are allowed, hold to the tile limit and spend at most `max_rel_energy`, since
    these are known without simulation. `max_loss_pp` is known afterwards: whatever the method, no front holds a
    design beyond it (`dse.pareto.reportable`), and methods that learn from losses steer by it.

    A tile is a circuit: variants of one (`dse.variants`) are the same hardware, fed with other weights or with its operands
    exchanged, so any number of them needs one tile.

    Args:
        layers: Qualified names of the approximable layers `(L,)`, in forward order.
        multipliers: Names of the library `(M,)`, index 0 exact.
        op_counts: Multiplications per layer `(L,)`.
        rel_energy: Energy of one multiplication relative to the exact multiplier's `(M,)`.
        fixed_op_count: Multiplications in layers that stay exact.
        tiles: At most so many distinct circuits in one design; None: no limit.
        overhead: What every design spends beside multiplications, in units of one exact multiplication, 0 or more: 0 at
            energy level `multiplier`, else `dse.objectives.NetworkEnergy.overhead`.
        allowed: Which multipliers each layer may get, `(L, M)` bool, as `dse.layer_rules` builds it from names; None: all.
            Each layer must allow the exact multiplier: then a design exists for every tile limit, and every repair ends.
        max_rel_energy: Most energy a design may spend, as `energy` counts it, above 0; None: no bound.
        max_loss_pp: Most accuracy loss in percentage points (the second objective) of a design in a front; None: no bound.
        circuits: Which circuit each multiplier is a variant of `(M,)` int64, numbered from 0 in the order of their first
            multiplier; None: each is a circuit of its own.

    Raises:
        InputError: If these do not fit together, or no design is found that spends at most `max_rel_energy`.
    """

    layers: tuple[str, ...]
    multipliers: tuple[str, ...]
    op_counts: NDArray[np.int64]
    rel_energy: Floats
    fixed_op_count: int = 0
    tiles: int | None = None
    overhead: float = 0.0
    allowed: NDArray[np.bool_] | None = None
    max_rel_energy: float | None = None
    max_loss_pp: float | None = None
    circuits: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("op_counts", "rel_energy", "allowed", "circuits"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        if not self.layers or not self.multipliers:
            raise InputError("search space: expected at least one layer and one multiplier")
        if self.tiles is not None and self.tiles < 1:
            raise InputError(f"space.tiles: expected at least 1, got {self.tiles}")
        if self.allowed is not None:
            _check_allowed(self.allowed, self.layers, self.multipliers)
        if self.circuits is not None:
            _check_circuits(self.circuits, self.multipliers, self.rel_energy)
        if self.max_loss_pp is not None and not math.isfinite(self.max_loss_pp):
            raise InputError(f"space.max_loss_pp: expected a finite number, got {self.max_loss_pp}")
        if self.max_rel_energy is not None:
            self._check_energy_bound(self.max_rel_energy)

    @property
    def tile_limit(self) -> int:
        """Most distinct circuits a design can hold."""
        most = min(len(self.layers), self.n_circuits)
        return most if self.tiles is None else min(self.tiles, most)

    @property
    def choices(self) -> NDArray[np.bool_]:
        """Which multipliers each layer may get `(L, M)`: `allowed`, or all."""
        shape = (len(self.layers), len(self.multipliers))
        return np.ones(shape, dtype=bool) if self.allowed is None else self.allowed

    @cached_property
    def circuit_of(self) -> NDArray[np.int64]:
        """The circuit that each multiplier is a variant of `(M,)`."""
        return np.arange(len(self.multipliers)) if self.circuits is None else self.circuits

    @property
    def n_circuits(self) -> int:
        """Number of circuits, `C`."""
        return int(self.circuit_of.max()) + 1

    def best_variants(self, cost: Floats) -> NDArray[np.int64]:
        """Return the variant of each circuit that costs least in each layer, of those it allows: `(L, M)` -> `(L, C)`."""
        price = np.where(self.choices, cost, np.inf)
        groups = [np.flatnonzero(self.circuit_of == c) for c in range(self.n_circuits)]
        return np.stack([group[np.argmin(price[:, group], axis=1)] for group in groups], axis=1)

    def uniform(self) -> Population:
        """Return M designs `(M, L)`: one multiplier in all layers that allow it, in the others the next stronger allowed.

        Where nothing is forbidden they hold one multiplier each. Row m belongs to multiplier m, whatever is forbidden; rows
        may be equal, and may spend more than `max_rel_energy`.
        """
        every = np.repeat(np.arange(len(self.multipliers))[:, None], len(self.layers), axis=1)
        return self._within_tiles(self._allowed_only(every))

    def cheapest(self) -> Assignment:
        """Return the design `(L,)` of least energy; under a tile limit and forbidden multipliers the least one found.

        Set of circuits by set where there are few, else by adding and exchanging one at a time from the exact one.
        """
        return self._cheapest.copy()

    def energy(self, population: Population) -> Floats:
        """Return the energy of designs relative to the exact multiplier everywhere: `(P, L)` -> `(P,)`.

        `sum_l c_l P(m_l) / (P(exact) sum_l c_l)` (ICCAD 2022 and ALWANN, objective 1), where layers that stay exact count
        in both sums, and so does the overhead, which is 0 where only multiplications are counted.
        """
        # not `@`, whose last bit depends on how many designs are scored together
        spent = (self.rel_energy[population] * self.op_counts).sum(axis=1)
        unchanged = self.fixed_op_count + self.overhead
        return (spent + unchanged) / (self.op_counts.sum() + unchanged)

    def violations(self, population: Population) -> NDArray[np.bool_]:
        """Return what designs `(P, L)` break, `(P, 3)`: a forbidden multiplier, the tile limit, the bound of the energy."""
        broken = np.zeros((len(population), 3), dtype=bool)
        broken[:, 0] = ~self.choices[np.arange(len(self.layers)), population].all(axis=1)
        broken[:, 1] = self._used(population).sum(axis=1) > self.tile_limit
        if self.max_rel_energy is not None:
            broken[:, 2] = self.energy(population) > self.max_rel_energy
        return broken

    def permits(self, population: Population) -> NDArray[np.bool_]:
        """Mark the designs `(P, L)` that break nothing, `(P,)`."""
        return np.logical_not(self.violations(population).any(axis=1))

    def size(self) -> int:
        """Return the number of designs that are allowed and hold to the tile limit, exactly; the bounds do not count.

        The number of designs that use exactly k circuits follows from the numbers that any j <= k suffice for, by inclusion
        and exclusion; circuits of which the same layers allow as many variants are counted together.
        """
        variants = np.zeros((len(self.layers), self.n_circuits), dtype=np.int64)
        np.add.at(variants.T, self.circuit_of, self.choices.T)
        columns, counts = np.unique(variants, axis=1, return_counts=True)
        if self.tile_limit >= min(variants.shape):
            return math.prod(int(row @ counts) for row in columns)
        suffice = [0] * (self.tile_limit + 1)
        for taken in count_vectors(counts.tolist(), self.tile_limit):
            ways = math.prod(math.comb(int(n), t) for n, t in zip(counts, taken, strict=True))
            suffice[sum(taken)] += ways * math.prod((columns @ np.array(taken)).tolist())
        return sum(
            (-1) ** (k - j) * math.comb(self.n_circuits - j, k - j) * suffice[j]
            for k in range(1, self.tile_limit + 1)
            for j in range(1, k + 1)
        )

    def repair(self, population: Population) -> Population:
        """Return designs `(P, L)` that `permits` accepts, changing as few multiplications as possible; others stay.

        A forbidden multiplier becomes the next more powerful one that its layer allows (the next cheaper where there is
        none). A design over the tile limit gives up the circuit that serves the fewest multiplications; each of its layers
        moves to the design's next more powerful one that it allows (to the next cheaper where there is none), to a variant
        that the design holds where that is allowed, and so on until the limit holds; where no circuit can be given up so,
        the exact one takes its place. In a design over
        the energy bound layers move to the cheapest multiplier within reach, those first that save most; where even that
        is too dear, the design becomes the space's cheapest.
        """
        return self._within_energy(self._within_tiles(self._allowed_only(population)))

    @cached_property
    def _cheapest(self) -> Assignment:
        energy = np.where(self.choices, self.op_counts[:, None] * self.rel_energy, np.inf)
        least = np.take_along_axis(energy, self.best_variants(energy), axis=1)
        tiles = best_subset(least, self.tile_limit)
        within = np.isin(self.circuit_of, tiles)
        return np.argmin(np.where(within, energy, np.inf), axis=1)

    def _used(self, population: Population) -> NDArray[np.bool_]:
        """Return which circuits designs hold: `(P, L)` -> `(P, C)`."""
        return _held(self.circuit_of[population], self.n_circuits)

    def _nearest(self, distance: Floats, population: Population) -> NDArray[np.int64]:
        """Return the nearest multipliers `(R, ..., M)` -> `(R, ...)`; of equally near variants one that the design holds."""
        if self.circuits is None:
            return np.argmin(distance, axis=-1)
        held = _held(population, len(self.multipliers))
        held = held.reshape(len(held), *[1] * (distance.ndim - 2), -1)
        return np.argmax((distance == distance.min(axis=-1, keepdims=True)) * (1 + held), axis=-1)

    def _preference(self, given: NDArray[np.int64]) -> Floats:
        """Return how far each multiplier lies from those given up: `(R,)` -> `(R, M)`; cheaper ones behind all stronger."""
        gain = self.rel_energy - self.rel_energy[given][:, None]
        return np.where(gain >= 0, gain, 2 * np.ptp(self.rel_energy) - gain)

    def _allowed_only(self, population: Population) -> Population:
        if self.allowed is None:
            return population
        # which multiplier stands for which in each layer (L, M)
        every = self._preference(np.arange(len(self.multipliers)))
        stand_in = np.argmin(np.where(self.allowed[:, None, :], every, np.inf), axis=2)
        stand_in = np.where(self.allowed, np.arange(len(self.multipliers)), stand_in)
        return np.asarray(stand_in[np.arange(len(self.layers)), population])

    def _within_tiles(self, population: Population) -> Population:
        repaired = population.copy()
        while len(over := np.flatnonzero(self._used(repaired).sum(axis=1) > self.tile_limit)):
            repaired[over] = self._without_one(repaired[over])
        return repaired

    def _without_one(self, designs: Population) -> Population:
        """Give up one circuit of each design `(R, L)`; where that cannot be, put the exact one in its place."""
        rows, circuits = np.arange(len(designs)), self.circuit_of[designs]
        used = self._used(designs)
        cells = (rows[:, None] * self.n_circuits + circuits).ravel()
        load = np.bincount(cells, np.tile(self.op_counts, len(designs)), used.size).reshape(used.shape)
        stuck = np.zeros_like(used)  # circuits that some layer cannot do without
        if self.allowed is not None:
            offered = np.zeros((len(self.layers), self.n_circuits), dtype=bool)
            np.logical_or.at(offered.T, self.circuit_of, self.allowed.T)
            alone = used.astype(np.int64) @ offered.T.astype(np.int64) < 2
            stuck[np.repeat(rows, alone.sum(axis=1)), circuits[alone]] = True
        hopeless: NDArray[np.bool_] = np.asarray((stuck | ~used).all(axis=1))
        victim = np.argmin(np.where(used & (~stuck | hopeless[:, None]), load, np.inf), axis=1)
        used[hopeless] = False
        used[hopeless, 0] = True
        used[rows, victim] = False
        given = np.unique(self.circuit_of, return_index=True)[1][victim]  # any variant: all have the circuit's energy
        distance = np.where(used[:, self.circuit_of], self._preference(given), np.inf)
        if self.allowed is None:
            target = self._nearest(distance, designs)[:, None]
        else:
            target = self._nearest(np.where(self.allowed, distance[:, None, :], np.inf), designs)
        return np.where(circuits == victim[:, None], target, designs)

    def _within_energy(self, population: Population) -> Population:
        if self.max_rel_energy is None:
            return population
        repaired = population.copy()
        over = np.flatnonzero(self.energy(population) > self.max_rel_energy)
        if len(over):
            repaired[over] = self._cheaper(population[over], self.max_rel_energy)
        return repaired

    def _cheaper(self, designs: Population, bound: float) -> Population:
        """Move layers of designs `(R, L)` to cheaper multipliers until each spends at most `bound`."""
        cheapest = self._cheapest
        within_reach = self._used(designs)
        joined = within_reach | self._used(cheapest[None])
        fits = joined.sum(axis=1) <= self.tile_limit
        within_reach[fits] = joined[fits]
        price = np.where(within_reach[:, None, self.circuit_of] & self.choices, self.rel_energy, np.inf)
        floor = self._nearest(price, designs)
        saved = self.op_counts * (self.rel_energy[designs] - self.rel_energy[floor])
        cheaper, rows = designs.copy(), np.arange(len(designs))
        for layer in np.argsort(-saved, axis=1, kind="stable").T:
            over = self.energy(cheaper) > bound
            cheaper[rows[over], layer[over]] = floor[rows[over], layer[over]]
        cheaper[self.energy(cheaper) > bound] = cheapest
        return cheaper

    def _check_energy_bound(self, bound: float) -> None:
        if not math.isfinite(bound) or bound <= 0:
            raise InputError(f"max_rel_energy: expected a finite number above 0, got {bound}")
        least = float(self.energy(self._cheapest[None])[0])
        if least > bound:
            raise InputError(
                f"space.max_rel_energy: expected at least {least:.6g}, the energy of the cheapest design found, got {bound}"
            )


def _frozen(values: Any) -> Any:
    """Return a copy of an array that cannot be written to: methods, also a user's, share the space."""
    if not isinstance(values, np.ndarray):
        return values
    copy = values.copy()
    copy.setflags(write=False)
    return copy


def _check_allowed(allowed: NDArray[np.bool_], layers: tuple[str, ...], multipliers: tuple[str, ...]) -> None:
    shape = (len(layers), len(multipliers))
    if allowed.shape != shape or allowed.dtype != bool:
        raise InputError(f"space.allowed: expected {shape} bool, got {allowed.shape} {allowed.dtype}")
    if not allowed[:, 0].all():
        layer = layers[int(np.argmin(allowed[:, 0]))]
        raise InputError(f"space.allowed: expected every layer to allow '{multipliers[0]}' (exact), '{layer}' does not")


def _check_circuits(circuits: NDArray[np.int64], multipliers: tuple[str, ...], rel_energy: Floats) -> None:
    if circuits.shape != (len(multipliers),) or circuits.dtype != np.int64:
        got = f"{circuits.shape} {circuits.dtype}"
        raise InputError(f"space.circuits: expected ({len(multipliers)},) int64, one for each multiplier, got {got}")
    numbers, first = np.unique(circuits, return_index=True)
    if not np.array_equal(numbers, np.arange(len(numbers))) or (np.diff(first) < 0).any():
        raise InputError(f"space.circuits: expected numbers from 0 in the order of their first, got {circuits.tolist()}")
    if (odd := np.flatnonzero(rel_energy != rel_energy[first][circuits])).size:
        name, other = multipliers[odd[0]], multipliers[first[circuits[odd[0]]]]
        raise InputError(f"space.circuits: '{name}' and '{other}' are one circuit; expected one energy, got two")


def _held(population: Population, count: int) -> NDArray[np.bool_]:
    """Return which of `count` numbers stand in each row: `(P, L)` -> `(P, count)`."""
    held = np.zeros((len(population), count), dtype=bool)
    held[np.arange(len(population))[:, None], population] = True
    return held
