"""Approximate 4:2 compressors: four bits of one column become a sum bit and one carry bit; there is no carry chain.

Definitions were read from public implementations of the papers, and checked by what the papers say of their truth tables:
how many of 16 rows are wrong (`momeni2`, `yang1`, `lin`, `akbari1`, `akbari3`, `akbari4`), or that no row is off by more
than one (`venkatachalam`). `ha`, `strollo` and `sabetzadeh` have no such check. Design 1 of Momeni et al. and DQ4:2C2 of
Akbari et al. have a second carry and are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, Signal

Compressor: TypeAlias = Callable[[Builder, Signal, Signal, Signal, Signal], tuple[Signal, Signal]]


def momeni2(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """Design 2 of Momeni, Han, Montuschi, Lombardi (IEEE TC 64(4), 2015), 4 wrong; four zeros count as one."""
    return b.or_(b.xnor(x1, x2), b.xnor(x3, x4)), b.and_(b.or_(x1, x2), b.or_(x3, x4))


def yang1(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """ACCI1 of Yang, Han, Lombardi (DFTS 2015), 1 wrong: four ones count as three."""
    parity, both, pairs = _exact_terms(b, x1, x2, x3, x4)
    return b.or_(parity, b.and_(b.and_(x1, x2), b.and_(x3, x4))), b.or_(both, pairs)


def lin(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """The inaccurate counter of Lin and Lin (ICCD 2013), 1 wrong: four ones count as two."""
    parity, both, pairs = _exact_terms(b, x1, x2, x3, x4)
    return parity, b.or_(both, pairs)


def ha(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """Ha and Lee (IEEE Embedded Systems Letters 10(1), 2018), 4 wrong: x3 and x4 count as their OR. No recovery module."""
    return b.full_adder(x1, x2, b.or_(x3, x4))


def akbari1(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """DQ4:2C1 of Akbari, Kamal, Afzali-Kusha, Pedram (IEEE TVLSI 25(4), 2017) in approximate mode, 10 wrong: two wires."""
    return x1, x4


def akbari3(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """DQ4:2C3 of Akbari et al. (IEEE TVLSI 25(4), 2017) in approximate mode, 8 wrong."""
    return b.or_(b.xor(x1, x2), b.xor(x3, x4)), x4


def akbari4(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """DQ4:2C4 of Akbari et al. (IEEE TVLSI 25(4), 2017) in approximate mode, 5 wrong."""
    return b.or_(b.xor(x1, x2), b.xor(x3, x4)), b.or_(b.and_(x1, x2), b.and_(x3, x4))


def venkatachalam(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """Venkatachalam and Ko (IEEE TVLSI 25(5), 2017), 5 wrong by one each; without their altered partial products."""
    first, second = b.and_(x1, x2), b.and_(x3, x4)
    total = b.or_(b.or_(b.xor(x1, x2), b.xor(x3, x4)), b.and_(first, second))
    return total, b.or_(first, second)


def strollo(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """Strollo, Napoli, De Caro, Petra, Di Meo (IEEE TCAS-I 67(9), 2020): a stacker, then a full adder.

    The stacker's bits are `x1 or x2`, `x3 or x1 x2` and `x4`; its rarest term, `x1 x2 x3`, is left out.
    """
    return b.full_adder(b.or_(x1, x2), b.or_(x3, b.and_(x1, x2)), x4)


def sabetzadeh(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal]:
    """Sabetzadeh, Moaiyeri, Ahmadinejad (IEEE TCAS-I 66(11), 2019): the sum is 1, the carry the majority of x1, x3, x4."""
    return ONE, b.or_(b.and_(x1, x3), b.and_(x4, b.or_(x1, x3)))


COMPRESSORS: dict[str, Compressor] = {
    f.__name__: f for f in (momeni2, yang1, lin, ha, akbari1, akbari3, akbari4, venkatachalam, strollo, sabetzadeh)
}


def _exact_terms(b: Builder, x1: Signal, x2: Signal, x3: Signal, x4: Signal) -> tuple[Signal, Signal, Signal]:
    """Return the parity, and two terms whose OR says that two bits or more are set."""
    parity = b.xor(b.xor(x1, x2), b.xor(x3, x4))
    pairs = b.or_(b.and_(x1, x2), b.and_(x3, x4))
    return parity, b.and_(b.or_(x1, x2), b.or_(x3, x4)), pairs
