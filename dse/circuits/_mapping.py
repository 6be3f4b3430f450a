"""From gates to standard cells.

Adders and multiplexers are recognised by their gates and become one cell each. Between them, gates take the polarity in
which their cells are smallest, and each becomes the cell of its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dse.circuits._builder import simplified
from dse.circuits._cells import CellLibrary, load_cells
from dse.circuits._netlist import GATES, Netlist, Signal
from dse.circuits._polarity import with_cheap_polarities

_NOT, _AND, _OR, _XOR, _NAND, _NOR, _XNOR = range(len(GATES))


@dataclass(frozen=True)
class CellInstance:
    """One cell of a mapped circuit."""

    function: str  # key of the cell in the library
    inputs: tuple[Signal, ...]
    outputs: tuple[Signal | None, ...]  # None: not used


@dataclass(frozen=True)
class MappedCircuit:
    """A netlist and the cells it becomes; their signals are the netlist's."""

    netlist: Netlist  # simplified, and in the gates that the cells are
    cells: tuple[CellInstance, ...]  # in an order in which every input is ready


def mapped(netlist: Netlist, cells: CellLibrary | None = None) -> MappedCircuit:
    """Choose the cells of a circuit.

    The netlist is simplified first. Then gates are covered from the outputs back: a full adder where both sum and carry
    are formed by `(a xor b) xor c` and `(a and b) or ((a xor b) and c)` (or the carry alone is), a half adder where two
    gates are `a xor b` and `a and b`, a multiplexer for `(s and h) or (not s and l)`. What lies inside of a cell may feed
    nothing outside.

    Args:
        netlist: The circuit.
        cells: The library; only its areas and which functions it has matter here.

    Returns:
        The same cells for the same netlist.
    """
    cells = cells or load_cells()
    cover = _Cover(simplified(netlist), cells)
    netlist = with_cheap_polarities(cover.netlist, cover.inside_cells(), cells)
    return MappedCircuit(netlist, tuple(_Cover(netlist, cells).instances()))


class _Cover:
    def __init__(self, netlist: Netlist, library: CellLibrary) -> None:
        self.netlist, self.first = netlist, netlist.first_gate
        self.gates = [
            (kind, a, b) for kind, (a, b) in zip(netlist.kinds.tolist(), netlist.inputs.tolist(), strict=True)
        ]
        self.place = {gate: self.first + index for index, gate in enumerate(self.gates)}  # simplified: no gate twice
        self.fanout = Counter(netlist.outputs)
        for kind, a, b in self.gates:
            self.fanout.update((a,) if kind == _NOT else (a, b))
        self.library = library
        self.level = [0] * self.first  # gates on the longest path from the operands
        for _, a, b in self.gates:
            self.level.append(1 + max(self.level[a], self.level[b]))

    def instances(self) -> list[CellInstance]:
        """Return the cells that the outputs need, inputs first."""
        adders = self._adders()
        needed, chosen = set(self.netlist.outputs), {}
        for signal in range(self.first + len(self.gates) - 1, self.first - 1, -1):
            if signal in needed:
                cell = adders.get(signal) or self._mux(signal) or self._plain(signal)
                chosen[_first_output(cell)] = cell
                needed.update(cell.inputs)
        return sorted(chosen.values(), key=_first_output)

    def inside_cells(self) -> set[Signal]:
        """Return the signals of the gates that adders and multiplexers consist of."""
        inside: set[Signal] = set()
        for cell in self.instances():
            stack = [signal for signal in cell.outputs if signal is not None] if cell.function not in GATES else []
            while stack:
                signal = stack.pop()
                inside.add(signal)
                stack.extend(set(self._gate(signal)[1:]) - set(cell.inputs))
        return inside

    def _gate(self, signal: Signal) -> tuple[int, Signal, Signal]:
        """Return the gate that drives a signal, or no kind at all for constants and operands."""
        return self.gates[signal - self.first] if signal >= self.first else (-1, signal, signal)

    def _adders(self) -> dict[Signal, CellInstance]:
        """Return the adder cells by each of their outputs."""
        found: dict[Signal, CellInstance] = {}
        for cell in (*self._full_adders(), *self._half_adders()):
            if not any(signal in found for signal in cell.outputs if signal):
                found.update({signal: cell for signal in cell.outputs if signal})
        return found

    def _full_adders(self) -> Iterator[CellInstance]:
        if "full_adder" not in self.library.cells:
            return
        for carry, (kind, left, right) in enumerate(self.gates, self.first):
            for both, passed in ((left, right), (right, left)) if kind in (_OR, _XOR) else ():
                cell = self._full_adder(carry, both, passed)
                if cell is not None:
                    yield cell
                    break

    def _full_adder(self, carry: Signal, both: Signal, passed: Signal) -> CellInstance | None:
        """Return the full adder with this carry, `both = a and b` and `passed = (a xor b) and c`, if there is one."""
        (kind, a, b), (passing, left, right) = self._gate(both), self._gate(passed)
        half = self.place.get((_XOR, a, b))
        if kind != _AND or passing != _AND or half not in (left, right) or half is None:
            return None
        c = right if left == half else left
        total = self.place.get((_XOR, min(half, c), max(half, c)))
        inside = self.fanout[both] == self.fanout[passed] == 1 and self.fanout[half] == 1 + (total is not None)
        return CellInstance("full_adder", self._latest_last(a, b, c), (total, carry)) if inside else None

    def _latest_last(self, *signals: Signal) -> tuple[Signal, ...]:
        """Give the latest signal to an adder's last input, the lightest, as a synthesis does that exchanges pins."""
        return tuple(sorted(signals, key=lambda signal: (self.level[signal], signal)))

    def _half_adders(self) -> Iterator[CellInstance]:
        if "half_adder" not in self.library.cells:
            return
        for total, (kind, a, b) in enumerate(self.gates, self.first):
            carry = self.place.get((_AND, a, b))
            if kind == _XOR and carry is not None:
                yield CellInstance("half_adder", self._latest_last(a, b), (total, carry))

    def _mux(self, signal: Signal) -> CellInstance | None:
        kind, *terms = self._gate(signal)
        if kind != _OR or "mux" not in self.library.cells or any(self.fanout[term] > 1 for term in terms):
            return None
        (first, *high), (second, *low) = (self._gate(term) for term in terms)
        if first != _AND or second != _AND:
            return None
        for one, zero in ((high, low), (low, high)):
            for select in one:
                inverse = self.place.get((_NOT, select, select))
                if inverse in zero:
                    data = one[one[0] == select], zero[zero[0] == inverse]
                    return CellInstance("mux", (select, data[1], data[0]), (signal,))
        return None

    def _plain(self, signal: Signal) -> CellInstance:
        kind, a, b = self._gate(signal)
        return CellInstance(GATES[kind], (a,) if kind == _NOT else (a, b), (signal,))


def _first_output(cell: CellInstance) -> Signal:
    return min(signal for signal in cell.outputs if signal is not None)
