"""Building a netlist gate by gate, where nothing that is known or there already becomes a gate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dse.circuits._netlist import GATES, ONE, ZERO, Netlist, Signal
from dse.exceptions import InputError

_NOT, _AND, _OR, _XOR, _NAND, _NOR, _XNOR = range(len(GATES))
_NEGATED = {_NAND: _AND, _NOR: _OR, _XNOR: _XOR}


class Builder:
    """Adds gates to a netlist and returns the signals of their outputs.

    Constants are folded (`a and 0` is 0, `a xor 1` an inverter), a signal meets itself or its inverse without a gate, and a
    gate that is there already is used again. `netlist` leaves out what no output needs.

    Args:
        x_bits, w_bits: Widths of the operands, 1 to 12.
        signed: Operands and product are two's complement.

    Raises:
        InputError: `signed` is no bool.
    """

    def __init__(self, x_bits: int, w_bits: int, *, signed: bool = False) -> None:
        if not isinstance(signed, bool | np.bool_):
            raise InputError(f"signed must be True or False, got {signed!r}")
        self.x_bits, self.w_bits, self.signed = x_bits, w_bits, bool(signed)
        self._gates: list[tuple[int, Signal, Signal]] = []
        self._known: dict[tuple[int, Signal, Signal], Signal] = {}
        self._inverse: dict[Signal, Signal] = {ZERO: ONE, ONE: ZERO}

    @property
    def x(self) -> list[Signal]:
        """Bits of the activation from the lowest."""
        return list(range(2, 2 + self.x_bits))

    @property
    def w(self) -> list[Signal]:
        """Bits of the weight from the lowest."""
        return list(range(2 + self.x_bits, 2 + self.x_bits + self.w_bits))

    def not_(self, a: Signal) -> Signal:
        """Return `not a`."""
        if a not in self._inverse:
            out = self._gate(_NOT, a, a)
            self._inverse[a], self._inverse[out] = out, a
        return self._inverse[a]

    def and_(self, a: Signal, b: Signal) -> Signal:
        """Return `a and b`."""
        return self.add(_AND, a, b)

    def or_(self, a: Signal, b: Signal) -> Signal:
        """Return `a or b`."""
        return self.add(_OR, a, b)

    def xor(self, a: Signal, b: Signal) -> Signal:
        """Return `a xor b`."""
        return self.add(_XOR, a, b)

    def nand(self, a: Signal, b: Signal) -> Signal:
        """Return `not (a and b)`."""
        return self.add(_NAND, a, b)

    def nor(self, a: Signal, b: Signal) -> Signal:
        """Return `not (a or b)`."""
        return self.add(_NOR, a, b)

    def xnor(self, a: Signal, b: Signal) -> Signal:
        """Return `not (a xor b)`."""
        return self.add(_XNOR, a, b)

    def mux(self, select: Signal, low: Signal, high: Signal) -> Signal:
        """Return `high` where `select` is 1, else `low`."""
        return self.or_(self.and_(select, high), self.and_(self.not_(select), low))

    def half_adder(self, a: Signal, b: Signal) -> tuple[Signal, Signal]:
        """Return sum and carry of two bits."""
        return self.xor(a, b), self.and_(a, b)

    def full_adder(self, a: Signal, b: Signal, c: Signal) -> tuple[Signal, Signal]:
        """Return sum and carry of three bits."""
        partial, both = self.half_adder(a, b)
        total, carried = self.half_adder(partial, c)
        return total, self.or_(both, carried)

    def add(self, kind: int, a: Signal, b: Signal) -> Signal:
        """Add a gate by the index of its kind in `GATES`; an inverter takes `a` alone."""
        if kind == _NOT:
            return self.not_(a)
        folded = self._folded(_NEGATED.get(kind, kind), a, b)
        if folded is not None:
            return self.not_(folded) if kind in _NEGATED else folded
        return self._gate(kind, *sorted((a, b)))

    def netlist(self, outputs: Iterable[Signal]) -> Netlist:
        """Return the netlist whose product has these bits, from the lowest, without gates that none of them needs.

        Gates stand by their level, then by kind and inputs, so that the same circuit is the same netlist in whatever order
        it was built.
        """
        outputs = tuple(outputs)
        first = 2 + self.x_bits + self.w_bits
        place, kept = self._in_order(self._needed(outputs, first), first)
        return Netlist(
            self.x_bits,
            self.w_bits,
            self.signed,
            kinds=np.array([kind for kind, *_ in kept], dtype=np.uint8),
            inputs=np.array([inputs for _, *inputs in kept], dtype=np.int32).reshape(-1, 2),
            outputs=tuple(place.get(signal, signal) for signal in outputs),
        )

    def _folded(self, kind: int, a: Signal, b: Signal) -> Signal | None:
        """Return what `and`, `or` or `xor` of two signals is where that needs no gate or an inverter, else None."""
        if b in (ZERO, ONE):
            a, b = b, a
        if a == ZERO:
            return ZERO if kind == _AND else b
        if a == ONE:
            return {_AND: b, _OR: ONE}[kind] if kind != _XOR else self.not_(b)
        if a == b:
            return ZERO if kind == _XOR else a
        if self._inverse.get(a) == b:
            return ZERO if kind == _AND else ONE
        return None

    def _gate(self, kind: int, a: Signal, b: Signal) -> Signal:
        key = kind, a, b
        if key not in self._known:
            self._gates.append(key)
            self._known[key] = 1 + self.x_bits + self.w_bits + len(self._gates)
        return self._known[key]

    def _in_order(
        self, needed: list[int], first: Signal
    ) -> tuple[dict[Signal, Signal], list[tuple[int, Signal, Signal]]]:
        """Return where needed gates come to stand, and these with their new inputs."""
        level: dict[Signal, int] = {}
        by_level: dict[int, list[int]] = {}
        for gate in needed:
            deepest = 1 + max(level.get(signal, 0) for signal in self._gates[gate][1:])
            level[first + gate] = deepest
            by_level.setdefault(deepest, []).append(gate)
        place: dict[Signal, Signal] = {}
        kept: list[tuple[int, Signal, Signal]] = []
        for _, gates in sorted(by_level.items()):  # what a level takes has its place already
            moved = []
            for gate in gates:
                kind, a, b = self._gates[gate]
                moved.append((kind, *sorted((place.get(a, a), place.get(b, b))), gate))
            for kind, a, b, gate in sorted(moved):
                place[first + gate] = first + len(kept)
                kept.append((kind, a, b))
        return place, kept

    def _needed(self, outputs: tuple[Signal, ...], first: Signal) -> list[int]:
        """Return the gates that the outputs depend on, in order."""
        needed = [False] * len(self._gates)
        for signal in outputs:
            if signal >= first:
                needed[signal - first] = True
        for gate in range(len(self._gates) - 1, -1, -1):
            if needed[gate]:
                for signal in self._gates[gate][1:]:
                    if signal >= first:
                        needed[signal - first] = True
        return [gate for gate, is_needed in enumerate(needed) if is_needed]


def simplified(netlist: Netlist, *, split: bool = False) -> Netlist:
    """Return the netlist with constants folded, repeated gates joined, and gates that no output needs left out.

    With `split`, a NAND, NOR or XNOR becomes the gate and an inverter, which others may use apart.
    """
    builder = Builder(netlist.x_bits, netlist.w_bits, signed=netlist.signed)
    signals: list[Signal] = list(range(netlist.first_gate))
    for kind, (a, b) in zip(netlist.kinds.tolist(), netlist.inputs.tolist(), strict=True):
        if split and kind in _NEGATED:
            signals.append(builder.not_(builder.add(_NEGATED[kind], signals[a], signals[b])))
        else:
            signals.append(builder.add(kind, signals[a], signals[b]))
    return builder.netlist(signals[signal] for signal in netlist.outputs)
