"""Approximate circuits by cartesian genetic programming: a netlist changed gate by gate as long as it gets cheaper.

Every netlist is a genome of one row of nodes (Miller and Thomson, EuroGP 2000): for each gate its kind and two inputs, for
each output its signal. The search is a (1 + 1) evolution strategy: a child takes its parent's place when it is not worse,
so that gates without effect drift (Vasicek and Sekanina, IEEE TEVC 19(3), 2015, who take the best of four children). It
minimises switched capacitance under a bound of the mean error distance, weighted by how often operands come (WMED: Vasicek,
Mrazek, Sekanina, DATE 2019).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.circuits._activity import counts
from dse.circuits._cells import CellLibrary, gate_energies, load_cells
from dse.circuits._evaluate import product_table
from dse.circuits._measure import Genome, Measure, active
from dse.circuits._netlist import GATES, Netlist
from dse.exceptions import InputError
from dse.types import Table

_TOTAL = 2**16  # what the weights of an operand sum up to: whole numbers, so that errors are exact on any machine
_NOT = GATES.index("not")


def evolve(
    netlist: Netlist,
    *,
    max_error: float,
    candidates: int,
    seed: int,
    products: Table | None = None,
    x_weights: ArrayLike | None = None,
    w_weights: ArrayLike | None = None,
    mutations: int = 4,
    cells: CellLibrary | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Netlist:
    """Return a cheaper netlist whose weighted mean error distance is within a bound.

    Args:
        netlist: Where the search starts.
        max_error: Largest mean of |approximate - exact|, in units of the product, over operands drawn by the weights.
        candidates: Netlists tried.
        seed: Of all random numbers. Equal arguments give equal netlists, compiled or not.
        products: What the netlist should compute, `(2^x_bits, 2^w_bits)` int32; None: what it does.
        x_weights, w_weights: How often each code comes, `(2^x_bits,)` and `(2^w_bits,)`, not negative; None: uniform.
        mutations: Most genes changed in a child, at least 1.
        cells: Their switching energy is what counts (`gate_energies`); by default those of `load_cells()`.
        progress: Called about a hundred times with the candidates so far and the cost relative to the start's.

    Returns:
        The cheapest netlist met; gates without effect are still in it (`simplified` leaves them out).

    Raises:
        InputError: A number is out of range, weights or products do not fit the operands, or the netlist's own error is
            above the bound.
    """
    for key, value, low in (("max_error", max_error, 0), ("candidates", candidates, 1), ("mutations", mutations, 1)):
        if not low <= value < np.inf:
            raise InputError(f"evolve: {key} must be at least {low} and finite, got {value!r}")
    x, w = _whole("x_weights", x_weights, netlist.x_bits), _whole("w_weights", w_weights, netlist.w_bits)
    products = product_table(netlist) if products is None else products
    if products.shape != (1 << netlist.x_bits, 1 << netlist.w_bits) or products.dtype != np.int32:
        raise InputError(
            f"evolve: products must be int32 of the netlist's codes, got {products.dtype} {products.shape}"
        )
    bound = min(int(max_error * (int(x.sum()) * int(w.sum()))), 2**62)  # no error is as large
    costs = gate_energies(cells or load_cells())
    search = _Search(netlist, Measure(netlist, products, x, w, bound), costs, mutations)
    rng = np.random.default_rng(seed)
    start, step = search.cost, max(1, candidates // 100)
    for count in range(candidates):
        search.try_child(rng)
        if progress is not None and count % step == 0:
            progress(count, search.cost / start if start else 1.0)
    return search.netlist


class _Search:
    def __init__(self, netlist: Netlist, measure: Measure, gate_costs: NDArray[np.float64], mutations: int) -> None:
        self._shape = netlist.x_bits, netlist.w_bits, netlist.signed
        self._first, self._mutations = netlist.first_gate, mutations
        self._pairs = 1 << (netlist.x_bits + netlist.w_bits)
        self._measure, self._gate_costs = measure, gate_costs
        self._parent = Genome(netlist.kinds.copy(), netlist.inputs.copy(), np.array(netlist.outputs, dtype=np.int32))
        self._active = active(self._parent, self._first)
        self.cost = self._cost(self._parent)
        if measure.error(self._parent) is None:
            raise InputError("evolve: the netlist's own error is above max_error; start from another or allow more")

    @property
    def netlist(self) -> Netlist:
        """The parent."""
        parent = self._parent
        return Netlist(*self._shape, parent.kinds, parent.inputs, tuple(parent.outputs.tolist()))

    def try_child(self, rng: np.random.Generator) -> None:
        """Let a child take the parent's place unless it is worse or too wrong."""
        child, has_effect = self._child(rng)
        if not has_effect:  # as good as the parent, known without a look at it
            self._parent = child
        elif self._measure.error(child) is not None and (cost := self._cost(child)) <= self.cost:
            self._parent, self.cost = child, cost
            self._active = active(child, self._first)

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


def _whole(key: str, weights: ArrayLike | None, bits: int) -> NDArray[np.int32]:
    """Return weights as whole numbers that sum up to about `_TOTAL`; a code that comes at all counts at least once."""
    values = counts(f"evolve: {key}", weights, bits)
    scaled = np.rint(values * (_TOTAL / values.sum()))
    return np.where(values > 0, np.maximum(scaled, 1), 0).astype(np.int32)
