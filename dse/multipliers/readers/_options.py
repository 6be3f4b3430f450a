"""What the caller says about files that do not say it themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from dse.circuits.parts import check_integer
from dse.exceptions import InputError
from dse.multipliers._candidate import Order
from dse.multipliers._figures import Figures
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS

ElementType = Literal["uint16", "int16", "int32"]
# EvoApproxLib's names: mul8u_1JFF, mul8x4u_03J, mul12s_2PT.
_NAME = re.compile(r"mul(\d{1,2})(?:x(\d{1,2}))?([us])(?=_|$)")


@dataclass(frozen=True)
class ReadOptions:
    """What holds for every file that does not say otherwise."""

    x_bits: int | None = None
    w_bits: int | None = None
    signed: bool | None = None
    order: Order = "xw"  # which operand is a table's first axis and a function's first parameter
    dtype: ElementType | None = None  # of the elements of a `.bin` file
    figures: Mapping[str, Figures] = field(default_factory=dict)  # by the multiplier's name

    def __post_init__(self) -> None:
        for key in ("x_bits", "w_bits"):
            if getattr(self, key) is not None:
                check_integer("import", key, getattr(self, key), MIN_BITS, MAX_BITS)
        for key, kind in (("order", Order), ("dtype", ElementType)):
            value = getattr(self, key)
            if value is not None and value not in get_args(kind):
                raise InputError(f"import: {key} must be one of {', '.join(get_args(kind))}, got {value!r}")


@dataclass(frozen=True)
class Format:
    """Widths and sign of the operands, None where nobody says."""

    a_bits: int | None = None
    b_bits: int | None = None
    signed: bool | None = None


def named_format(name: str) -> Format | None:
    """Return what a name in EvoApproxLib's style says (Mrazek et al., DATE 2017): widths of both operands, `u` or `s`."""
    match = _NAME.match(name)
    if match is None:
        return None
    a_bits = int(match[1])
    return Format(a_bits, int(match[2] or a_bits), match[3] == "s")


def stated_format(name: str, options: ReadOptions, own: Format | None = None) -> Format:
    """Return what is said about a multiplier: by its row of figures, else by itself, else by the options.

    Args:
        name: The multiplier's name.
        options: The options.
        own: What the file says; by default what the name says.
    """
    row = options.figures.get(name)
    a_bits, b_bits = options.x_bits, options.w_bits
    if options.order == "wx":
        a_bits, b_bits = b_bits, a_bits
    stated = (
        Format() if row is None else Format(row.x_bits, row.w_bits, row.signed),
        own or named_format(name) or Format(),
        Format(a_bits, b_bits, options.signed),
    )
    return Format(
        next((f.a_bits for f in stated if f.a_bits is not None), None),
        next((f.b_bits for f in stated if f.b_bits is not None), None),
        next((f.signed for f in stated if f.signed is not None), None),
    )
