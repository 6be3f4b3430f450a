"""Approximate circuits by cartesian genetic programming: an exact netlist, changed gate by gate as long as it gets cheaper.

Every netlist is a genome of one row of nodes (Miller and Thomson, EuroGP 2000): for each gate its kind and two inputs, for
each output its signal. The search is a (1 + 4) evolution strategy whose child replaces its parent when it is not worse, so
that gates without effect drift (Vasicek and Sekanina, IEEE TEVC 19(3), 2015). It minimises switched capacitance under a
bound of the mean error distance, weighted by how often operands come (WMED: Vasicek, Mrazek, Sekanina, DATE 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.circuits._evaluate import product_table
from dse.circuits._measure import Measure, active
from dse.circuits._netlist import GATES, Netlist
from dse.exceptions import InputError

Weights = NDArray[np.floating] | NDArray[np.integer]
Progress = Callable[[int, float], None]  # candidates so far, cost of the best relative to the start

_CHILDREN = 4
_TOTAL = 2**16  # what the weights of an operand sum up to: whole numbers, so that errors are exact on any machine
_NOT = GATES.index("not")


@dataclass(frozen=True)
class Genome:
    """A netlist's arrays, as `Netlist` has them."""

    kinds: NDArray[np.uint8]
    inputs: NDArray[np.int32]
    outputs: NDArray[np.int32]

    def copy(self) -> Genome:
        """Return a genome of its own."""
        return Genome(self.kinds.copy(), self.inputs.copy(), self.outputs.copy())


def evolve(
    netlist: Netlist,
    gate_costs: NDArray[np.float64],
    *,
    max_error: float,
    candidates: int,
    seed: int,
    x_weights: Weights | None = None,
    w_weights: Weights | None = None,
    mutations: int = 4,
    progress: Progress | None = None,
) -> Netlist:
    """Return a cheaper netlist whose weighted mean error distance is within a bound.

    Args:
        netlist: Where the search starts, exact.
        gate_costs: `(7,)` float64, what one change of a gate's output costs, by kind; any unit.
        max_error: Largest mean of |approximate - exact|, in units of the product, over operands drawn by the weights.
        candidates: Netlists tried.
        seed: Of all random numbers. Equal arguments give equal netlists, compiled or not.
        x_weights, w_weights: How often each code comes, `(2^x_bits,)` and `(2^w_bits,)`, not negative; None: uniform.
        mutations: Most genes changed in a child, at least 1.
        progress: Called about a hundred times.

    Returns:
        The cheapest netlist met; gates without effect are still in it (`simplified` leaves them out).

    Raises:
        InputError: A number is out of range or weights do not fit the operands.
    """
    for key, value, low in (("max_error", max_error, 0), ("candidates", candidates, 1), ("mutations", mutations, 1)):
        if not value >= low:
            raise InputError(f"evolve: {key} must be at least {low}, got {value!r}")
    weights = [
        _whole(key, values, bits)
        for key, values, bits in (("x_weights", x_weights, netlist.x_bits), ("w_weights", w_weights, netlist.w_bits))
    ]
    bound = int(max_error * (int(weights[0].sum()) * int(weights[1].sum())))
    search = _Search(netlist, Measure(netlist, product_table(netlist), weights[0], weights[1], bound), gate_costs, mutations)
    rng = np.random.default_rng(seed)
    start, step = search.cost, max(1, candidates // 100)
    for count in range(0, candidates, _CHILDREN):
        search.next_generation(rng, min(_CHILDREN, candidates - count))
        if progress is not None and count % step < _CHILDREN:
            progress(count, search.cost / start if start else 1.0)
    return search.netlist


class _Search:
    def __init__(self, netlist: Netlist, measure: Measure, gate_costs: NDArray[np.float64], mutations: int) -> None:
        self._shape = netlist.x_bits, netlist.w_bits, netlist.signed
        self._first, self._mutations = netlist.first_gate, mutations
        self._pairs = 1 << (netlist.x_bits + netlist.w_bits)
        self._measure, self._gate_costs = measure, gate_costs
        self._parent = Genome(netlist.kinds.copy(), netlist.inputs.copy(), np.array(netlist.outputs, dtype=np.int32))
        self._active = active(netlist)
        self.cost = self._cost(self._parent)

    @property
    def netlist(self) -> Netlist:
        """The parent."""
        parent = self._parent
        return Netlist(*self._shape, parent.kinds, parent.inputs, tuple(parent.outputs.tolist()))

    def next_generation(self, rng: np.random.Generator, children: int) -> None:
        """Let the best of some children take the parent's place, unless all are worse."""
        best, best_cost, same = None, self.cost, False
        for _ in range(children):
            child, has_effect = self._child(rng)
            if not has_effect:  # as good as the parent, known without a look at it
                if best is None:
                    best, same = child, True
                continue
            cost = self._cost(child) if self._measure.error(child) is not None else np.inf
            if cost < best_cost or (cost == best_cost and (best is None or same)):
                best, best_cost, same = child, cost, False
        if best is not None:
            self._parent, self.cost = best, best_cost
            if not same:
                self._active = active(self.netlist)

    def _child(self, rng: np.random.Generator) -> tuple[Genome, bool]:
        """Return the parent with some genes changed, and whether one of a needed gate or an output is among them."""
        child, gates, has_effect = self._parent.copy(), len(self._active), False
        for gene, value in rng.random((rng.integers(1, self._mutations + 1), 2)):
            place = int(gene * (3 * gates + len(child.outputs)))
            if place >= 3 * gates:
                child.outputs[place - 3 * gates] = int(value * (self._first + gates))
                has_effect = True
                continue
            gate, part = divmod(place, 3)
            if part == 2:
                child.kinds[gate] = int(value * len(GATES))
            else:
                child.inputs[gate, part] = int(value * (self._first + gate))
            has_effect = has_effect or bool(self._active[gate])
        return child, has_effect

    def _cost(self, genome: Genome) -> float:
        """Return the mean cost of a pair of operands after another: changes of each gate's output, without glitches."""
        share = self._measure.ones(genome) / self._pairs
        changes = 2 * share * (1 - share)
        return float((self._gate_costs[genome.kinds] * changes).sum())


def _whole(key: str, weights: Weights | None, bits: int) -> NDArray[np.int32]:
    """Return weights as whole numbers that sum up to about `_TOTAL`; a code that comes at all counts at least once."""
    values = np.ones(1 << bits) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape != (1 << bits,) or not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise InputError(f"evolve: {key} must be {1 << bits} finite numbers >= 0, not all 0, got shape {values.shape}")
    scaled = np.rint(values * (_TOTAL / values.sum()))
    return np.where(values > 0, np.maximum(scaled, 1), 0).astype(np.int32)
