"""The set of multipliers a search chooses from, the exact one first."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, runtime_checkable

import numpy as np

from dse.exceptions import InputError, unknown_name
from dse.multipliers._multiplier import Multiplier
from dse.types import Floats


@runtime_checkable
class MultiplierSource(Protocol):
    """Anything that yields multipliers: a library, a list, a reader of someone's files."""

    def __iter__(self) -> Iterator[Multiplier]:
        """Yield the multipliers in order."""
        ...


class MultiplierLibrary:
    """Multipliers of one operand format, in order, the exact reference at index 0.

    Where several multipliers are exact, the reference is the one with the highest power (`P_max` of the papers, which
    relative energies refer to); of equals, the first. The others keep the order they came in.

    Args:
        multipliers: The multipliers, `M` of them, each with a name of its own and a known power.

    Raises:
        InputError: There is no multiplier, two share a name, they differ in widths or signs, one has no power, none is
            exact, or the exact one's power is zero.
    """

    def __init__(self, multipliers: MultiplierSource) -> None:
        items = list(multipliers)
        _check(items)
        reference = max((m for m in items if m.is_exact), key=_power)
        if _power(reference) == 0:
            raise InputError(
                f"exact multiplier '{reference.name}': power_mw is 0, so no energy is relative to it; set it"
            )
        self._items = (reference, *(m for m in items if m is not reference))
        self._index = {m.name: i for i, m in enumerate(self._items)}
        self._power_mw = np.array([_power(m) for m in self._items])
        self._power_mw.setflags(write=False)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Multiplier]:
        return iter(self._items)

    def __getitem__(self, key: int | str) -> Multiplier:
        """Return a multiplier by index, or by name (InputError with the nearest name where it is unknown)."""
        return self._items[self.index(key) if isinstance(key, str) else key]

    def __repr__(self) -> str:
        return f"MultiplierLibrary({len(self)} multipliers, reference '{self.names[0]}')"

    def index(self, name: str) -> int:
        """Return the index of a name; raises InputError with the nearest name where it is unknown."""
        if name not in self._index:
            raise unknown_name("multiplier", name, self._index)
        return self._index[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order, `M` of them."""
        return tuple(self._index)

    @property
    def power_mw(self) -> Floats:
        """Power in mW, `(M,)` float64, read-only."""
        return self._power_mw

    @property
    def rel_energy(self) -> Floats:
        """Energy per product relative to the exact multiplier's, `(M,)` float64: power over the reference's power."""
        return self._power_mw / self._power_mw[0]

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of everything that can change a result: order, names, tables, figures (no origins)."""
        content = [(m.name, m.table_hash, m.power_mw, m.area_um2, m.delay_ns) for m in self]
        # As float, because the same figure may come as a Python or a NumPy number.
        plain = [(*row[:2], *(None if v is None else float(v) for v in row[2:])) for row in content]
        return hashlib.sha256(repr(plain).encode()).hexdigest()

    def select(self, include: Sequence[str] = ("*",), exclude: Sequence[str] = ()) -> MultiplierLibrary:
        """Keep the multipliers whose name matches a pattern of `include` and none of `exclude`.

        Args:
            include: Glob patterns (`*`, `?`, `[...]`), case-sensitive.
            exclude: Glob patterns; they win over `include`.

        Returns:
            A library in the same order. The exact reference is always kept: energies are relative to it.

        Raises:
            InputError: A pattern matches no name, or a bare string came instead of a sequence.
        """
        wanted = _matches("include", include, self.names) - _matches("exclude", exclude, self.names)
        return MultiplierLibrary(m for m in self if m is self._items[0] or m.name in wanted)


def _power(multiplier: Multiplier) -> float:
    if multiplier.power_mw is None:
        raise InputError(
            f"multiplier '{multiplier.name}': a library needs power_mw of every multiplier, got None; set it"
        )
    return float(multiplier.power_mw)


def _check(items: list[Multiplier]) -> None:
    if not items:
        raise InputError("multiplier library: expected at least the exact multiplier, got none")
    name, count = Counter(m.name for m in items).most_common(1)[0]
    if count > 1:
        raise InputError(f"multiplier library: the name '{name}' comes {count} times; give every multiplier its own")
    for m in items:
        if operand_format(m) != operand_format(items[0]):
            raise InputError(
                f"multiplier library: '{m.name}' is {operand_format(m)} but '{items[0].name}' is "
                f"{operand_format(items[0])}; use one operand format per library"
            )
        _power(m)
    if not any(m.is_exact for m in items):
        best = min(items, key=lambda m: m.errors.mae)
        raise InputError(
            f"multiplier library: none of the {len(items)} multipliers is exact (nearest: '{best.name}', mean error "
            f"distance {best.errors.mae:g}); add the exact one as the reference"
        )


def operand_format(multiplier: Multiplier) -> str:
    """Return sign and width of both operands in words, the same for all multipliers of a library."""
    x = f"{'s' if multiplier.x_signed else 'u'}{multiplier.x_bits}"
    return f"{x} x {'s' if multiplier.w_signed else 'u'}{multiplier.w_bits}"


def _matches(key: str, patterns: Sequence[str], names: tuple[str, ...]) -> set[str]:
    if isinstance(patterns, str):
        raise InputError(f"select: {key} must be a sequence of patterns, got the text '{patterns}'; put it in a list")
    found: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern)}
        if not hits:
            raise unknown_name(f"multiplier in select's {key}", pattern, names)
        found |= hits
    return found
