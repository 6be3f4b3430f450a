"""The library that comes with the package: one multiplier per point of the generated families."""

from __future__ import annotations

from dse.multipliers._drum import drum
from dse.multipliers._families import broken_array, column_truncated, exact, reduced
from dse.multipliers._library import MultiplierLibrary
from dse.multipliers._mitchell import mitchell, mitchell_truncated
from dse.multipliers._multiplier import Multiplier

# (horizontal, vertical) break levels; horizontal 0 would repeat the truncated arrays.
BREAK_LEVELS = ((1, 3), (1, 5), (1, 7), (2, 5), (2, 6), (2, 8), (3, 7), (4, 9))


def builtin(*, signed: bool = False) -> MultiplierLibrary:
    """Return the generated 8-bit multipliers: exact, reduced width, truncated and broken arrays, DRUM, Mitchell.

    Their tables follow published definitions; their power, area and delay are estimates (see each one's `origin`).

    Args:
        signed: Two's complement operands instead of unsigned ones.

    Returns:
        The library, by falling power behind the exact multiplier; no two tables are the same. A circuit estimated to
        need more power than the exact one is left out: at 8 bits these are the signed DRUM and Mitchell multipliers,
        whose sign handling costs more than the small core saves.
    """
    reference = exact(8, signed)
    items: list[Multiplier] = [reduced(k, signed=signed) for k in range(7, 2, -1)]
    items += [column_truncated(c, signed=signed) for c in range(2, 11)]
    items += [broken_array(h, v, signed=signed) for h, v in BREAK_LEVELS]
    items += [drum(k, signed=signed) for k in range(3, 7)]
    items += [mitchell(signed=signed), mitchell_truncated(3, signed=signed)]
    cheaper = [m for m in items if _power(m) < _power(reference)]
    return MultiplierLibrary([reference, *sorted(cheaper, key=_power, reverse=True)])


def _power(multiplier: Multiplier) -> float:
    assert multiplier.power_mw is not None  # every generated multiplier has an estimate
    return multiplier.power_mw
