"""The form of a hand-over bundle's description: every key, what stands there, and the arrays that are referred to.

A check is a function of a value and of where it stands, and raises InputError unless the value is as it should be. The form
is checks put together, read from `description` downwards. It needs numpy and nothing else that computes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError

Check = Callable[[Any, str], None]

_MOST = float(np.finfo(np.float32).max)
_PADDING = 1024  # at most, on each side: the checker forms the padded inputs


@dataclass(frozen=True)
class Form:
    """The form of a description whose arrays are these; it notes which of them are referred to."""

    arrays: Mapping[str, NDArray[Any]]
    used: set[str] = field(default_factory=set)

    def description(self, operands: Mapping[str, Any]) -> Check:
        """Return the form of a whole description with these operands, whose own form is `OPERANDS_FORM`."""
        levels, (x_low, x_high) = 2 ** operands["w_bits"], operands["x_range"]
        digest = text("[0-9a-f]{64}")
        choice = {
            "name": text(),
            "instance": text(),
            "first_operand": one_of("activation", "weight"),
            "x_clip": integer(1, 100),
            "w_clip": integer(1, 100),
            "tuning": one_of("none", "uniform", "histogram"),
            "table": self.array("int32", 256, None),
            "table_sha256": digest,
            "words": optional(self.array("int16", None, 2)),
        }
        at_point = {
            "choice": text(),
            "stored": optional(self.array("int16", levels)),
            "scale": optional(self.array("floats", None)),
            "offset": optional(self.array("floats", None)),
            "x_codes": self.array("uint8"),
            "sums": self.array("int64"),
            "circuit_sums": optional(self.array("int64")),
        }
        layer = {
            "name": text(),
            "approximable": truth,
            "x_scale": number(above=0.0),
            "x_zero_point": integer(x_low, x_high),
            "w_codes": self.array("int16", low=0, high=levels - 1),
            "w_scale": self.array("floats", None),
            "w_zero_point": self.array("int32", None),
            "bias": optional(self.array("floats", None)),
            "points": listed(keys(at_point)),
        }
        positive = integer(1, 2**31 - 1)
        conv2d = {
            **{name: listed(positive, 2) for name in ("kernel", "stride", "dilation")},
            "groups": positive,
            "padding": listed(listed(integer(0, _PADDING), 2), 2),
        }
        norm = {name: optional(self.array("floats", None)) for name in ("gamma", "beta", "mean", "variance")}
        point = {
            "name": text(),
            "rel_energy": number(),
            "assignment": named(text()),
            "outputs": self.array("floats"),
        }
        instance = {
            "name": text(),
            "signed": optional(truth),
            "table": optional(self.array("int32", 256, 256)),
            "table_sha256": optional(digest),
            "verilog": optional(text("[A-Za-z_][A-Za-z_0-9]*")),
            "verilog_sha256": optional(digest),
        }
        return keys(
            {
                "format": text(),
                "version": integer(),
                "operands": anything,
                "instances": listed(keys(instance)),
                "choices": listed(keys(choice)),
                "points": listed(keys(point)),
                "images": self.array("floats"),
                "layers": listed(by_kind(linear=layer, conv2d={**layer, **conv2d})),
                "norms": listed(keys({"name": text(), "points": listed(keys({**norm, "eps": number()}))}), at_least=0),
                "arrays": anything,
                "sha256": text(),
            }
        )

    def array(self, kind: str, *shape: int | None, low: int | None = None, high: int | None = None) -> Check:
        """Return the check of an array's name: type or `floats`, lengths (None: any; none given: any shape), bounds."""

        def check(value: Any, where: str) -> None:
            text()(value, where)
            if value not in self.arrays:
                raise _wrong(where, "the name of an array", value)
            self.used.add(value)
            array = self.arrays[value]
            fits = len(shape) == array.ndim and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
            if (shape and not fits) or (array.dtype.name != kind and not (kind == "floats" and array.dtype.kind == "f")):
                lengths = f" {str(shape).replace('None', '*')}" if shape else ""
                raise _wrong(where, f"an array of {kind}{lengths}", f"{value}: {array.dtype.name} {array.shape}")
            if kind == "floats" and not np.isfinite(array).all():
                raise _wrong(where, "finite numbers", f"{value}: NaN or infinity")
            if low is not None and array.size and not low <= array.min() <= array.max() <= high:
                raise _wrong(where, f"{low}..{high}", f"{value}: {array.min()}..{array.max()}")

        return check


def anything(value: Any, where: str) -> None:
    """Accept what is checked elsewhere."""


def truth(value: Any, where: str) -> None:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)


def integer(low: int = 0, high: int = 2**31 - 1) -> Check:
    """Return the check of an integer in a range."""

    def check(value: Any, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(where, f"an integer {low}..{high}", value)

    return check


def number(*, above: float = -math.inf) -> Check:
    """Return the check of a finite number of 0 or more, and above a bound."""

    def check(value: Any, where: str) -> None:
        if type(value) not in (int, float) or not (0 <= value <= _MOST and value > above):
            raise _wrong(where, f"a finite number {'of 0 or more' if above < 0 else f'above {above:g}'}", value)

    return check


def text(pattern: str = ".+") -> Check:
    """Return the check of a printable text of a pattern."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not value.isprintable() or not re.fullmatch(pattern, value):
            raise _wrong(where, "a printable text" if pattern == ".+" else f"a text of the form {pattern}", value)

    return check


def one_of(*values: str) -> Check:
    """Return the check of one of some texts."""

    def check(value: Any, where: str) -> None:
        if value not in values:
            raise _wrong(where, f"one of {', '.join(values)}", value)

    return check


def optional(check: Check) -> Check:
    """Return the check of null, or of what another check accepts."""
    return lambda value, where: None if value is None else check(value, where)


def listed(check: Check, length: int | None = None, *, at_least: int = 1) -> Check:
    """Return the check of a list of what another check accepts."""

    def each(value: Any, where: str) -> None:
        fits = isinstance(value, list) and (len(value) >= at_least if length is None else len(value) == length)
        if not fits:
            raise _wrong(where, f"a list of {f'{at_least} or more' if length is None else length}", value)
        for place, item in enumerate(value):
            check(item, f"{where}[{place}]")

    return each


def named(check: Check) -> Check:
    """Return the check of an object with names of the caller's."""

    def each(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        for name, item in value.items():
            text()(name, f"{where}: a name")
            check(item, f"{where}.{name}")

    return each


def keys(checks: Mapping[str, Check]) -> Check:
    """Return the check of an object with just these keys."""

    def each(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        if differing := sorted(checks.keys() ^ value.keys()):
            wanted, got = ("the", "none") if differing[0] in checks else ("no", "one")
            raise _wrong(where, f"{wanted} key {differing[0]!r}", got)
        for name, check in checks.items():
            check(value[name], f"{where}.{name}" if where else name)

    return each


def by_kind(**kinds: Mapping[str, Check]) -> Check:
    """Return the check of an object whose `kind` says which keys it has."""

    def each(value: Any, where: str) -> None:
        kind: Any = value.get("kind") if isinstance(value, dict) else None
        one_of(*kinds)(kind, f"{where}.kind")
        keys({"kind": anything, **kinds[kind]})(value, where)

    return each


OPERANDS_FORM = keys(
    {
        "format": one_of("sm8", "u8", "s8"),
        "x_bits": integer(8, 8),
        "w_bits": integer(2, 12),
        "x_signed": truth,
        "w_signed": truth,
        "x_range": listed(integer(-128, 255), 2),
        "w_range": listed(integer(-4096, 4095), 2),
    }
)

ARRAYS_FORM = named(keys({"dtype": text(), "shape": listed(integer(), at_least=0), "sha256": text("[0-9a-f]{64}")}))


def _wrong(where: str, expected: str, got: Any) -> InputError:
    shown = got if isinstance(got, str) and got.isprintable() else repr(got)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    return InputError(f"not of the documented form: {where or 'the whole'}: expected {expected}, got {shown}")
