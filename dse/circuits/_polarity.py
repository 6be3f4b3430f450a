"""Which signals a circuit forms inverted, so that its gates become the smallest cells.

In CMOS a NAND is smaller than an AND, which is a NAND and an inverter. Two ANDs into an OR are therefore built as three
NANDs, and so on through every tree of gates: the cheapest polarity of each inner signal follows from those of its inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from typing import NamedTuple

from dse.circuits._builder import Builder
from dse.circuits._cells import CellLibrary
from dse.circuits._netlist import GATES, Netlist, Signal

_NOT, _AND, _OR, _XOR, _NAND, _NOR, _XNOR = range(len(GATES))
# Gates that form `a <kind> b` from inputs that may be inverted: kind, whether a and b are inverted.
_AND_FORMS = ((_AND, False, False), (_NOR, True, True))
_OR_FORMS = ((_OR, False, False), (_NAND, True, True))
_NAND_FORMS = ((_NAND, False, False), (_OR, True, True))
_NOR_FORMS = ((_NOR, False, False), (_AND, True, True))
_XOR_FORMS = ((_XOR, False, False), (_XNOR, True, False), (_XNOR, False, True), (_XOR, True, True))
_XNOR_FORMS = ((_XNOR, False, False), (_XOR, True, False), (_XOR, False, True), (_XNOR, True, True))
_FORMS = {  # for the signal itself and for its inverse
    _AND: (_AND_FORMS, _NAND_FORMS),
    _OR: (_OR_FORMS, _NOR_FORMS),
    _XOR: (_XOR_FORMS, _XNOR_FORMS),
    _NAND: (_NAND_FORMS, _AND_FORMS),
    _NOR: (_NOR_FORMS, _OR_FORMS),
    _XNOR: (_XNOR_FORMS, _XOR_FORMS),
}


class _Choice(NamedTuple):
    """The cheapest way to form a signal or its inverse."""

    area_um2: float
    energy_fj: float  # decides between equal areas
    kind: int  # of the gate; `_NOT` for a wire from the first input
    inverted: tuple[bool, bool]  # whether it takes the inverse of its inputs
    then_not: bool  # an inverter follows


def with_cheap_polarities(netlist: Netlist, kept: Set[Signal], cells: CellLibrary) -> Netlist:
    """Return the same function in gates whose cells are smaller, where there are such.

    Args:
        netlist: A simplified netlist.
        kept: Signals of gates that stay as they are, with inputs that are not inverted.
        cells: The library; areas count, then energies.
    """
    gates = list(zip(netlist.kinds.tolist(), netlist.inputs.tolist(), strict=True))
    roots = _roots(netlist, gates, kept)
    costs = [_leaf(cells)] * netlist.first_gate
    choices: list[tuple[_Choice, _Choice]] = []
    for signal, (kind, (a, b)) in enumerate(gates, netlist.first_gate):
        choices.append(_choices(kind, costs[a], costs[b], cells))
        costs.append(_leaf(cells) if signal in roots else choices[-1])
    return _rebuilt(netlist, gates, roots, kept, choices)


def _roots(netlist: Netlist, gates: list[tuple[int, list[Signal]]], kept: Set[Signal]) -> set[Signal]:
    """Return the signals that must be there as they are: outputs, those used twice, what is kept and what that takes."""
    uses = Counter(netlist.outputs)
    roots = {*netlist.outputs, *kept}
    for signal, (kind, (a, b)) in enumerate(gates, netlist.first_gate):
        uses.update((a,) if kind == _NOT else (a, b))
        if signal in kept:
            roots.update((a, b))
    return roots | {signal for signal, count in uses.items() if count > 1}


def _leaf(cells: CellLibrary) -> tuple[_Choice, _Choice]:
    """Return what it takes to use a signal that is there, and its inverse."""
    wire = _Choice(0.0, 0.0, _NOT, (False, False), False)
    return wire, _Choice(
        cells.cells["not"].area_um2, cells.cells["not"].outputs[0].energy_fj, _NOT, (False, False), True
    )


def _choices(
    kind: int, a: tuple[_Choice, _Choice], b: tuple[_Choice, _Choice], cells: CellLibrary
) -> tuple[_Choice, _Choice]:
    """Return the cheapest way to a gate's signal and that to its inverse."""
    if kind == _NOT:
        plain = [
            a[inverse]._replace(kind=_NOT, inverted=(inverse, inverse), then_not=False) for inverse in (True, False)
        ]
    else:
        plain = [min(_formed(forms, a, b, cells)) for forms in _FORMS[kind]]
    inverter = cells.cells["not"]
    other = [
        choice._replace(
            area_um2=round(choice.area_um2 + inverter.area_um2, 6),
            energy_fj=choice.energy_fj + inverter.outputs[0].energy_fj,
            then_not=True,
        )
        for choice in reversed(plain)
    ]
    return min(plain[0], other[0]), min(plain[1], other[1])


def _formed(
    forms: tuple[tuple[int, bool, bool], ...],
    a: tuple[_Choice, _Choice],
    b: tuple[_Choice, _Choice],
    cells: CellLibrary,
) -> Iterator[_Choice]:
    for kind, not_a, not_b in forms:
        cell = cells.cells[GATES[kind]]
        area = cell.area_um2 + a[not_a].area_um2 + b[not_b].area_um2
        energy = cell.outputs[0].energy_fj + a[not_a].energy_fj + b[not_b].energy_fj
        yield _Choice(round(area, 6), energy, kind, (not_a, not_b), False)


def _rebuilt(
    netlist: Netlist,
    gates: list[tuple[int, list[Signal]]],
    roots: set[Signal],
    kept: Set[Signal],
    choices: list[tuple[_Choice, _Choice]],
) -> Netlist:
    first, wanted = netlist.first_gate, dict[Signal, bool]()  # whether the inverse of an inner signal is wanted
    for place in range(len(gates) - 1, -1, -1):
        if first + place not in kept:
            choice = choices[place][wanted.get(first + place, False)]
            for signal, inverse in zip(gates[place][1], choice.inverted, strict=True):
                if signal not in roots:
                    wanted[signal] = inverse
    builder = Builder(netlist.x_bits, netlist.w_bits, signed=netlist.signed)
    made: list[Signal] = list(range(first))

    def used(signal: Signal, inverse: bool) -> Signal:
        return builder.not_(made[signal]) if inverse and (signal in roots or signal < first) else made[signal]

    for place, (kind, (a, b)) in enumerate(gates):
        if first + place in kept:
            made.append(builder.add(kind, made[a], made[b]))
            continue
        choice = choices[place][wanted.get(first + place, False)]
        left, right = (used(signal, inverse) for signal, inverse in zip((a, b), choice.inverted, strict=True))
        out = left if choice.kind == _NOT else builder.add(choice.kind, left, right)
        made.append(builder.not_(out) if choice.then_not else out)
    return builder.netlist(made[signal] for signal in netlist.outputs)
