"""What can be read off the text of a C model: its function, and the figures in its comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dse.multipliers._declared import DeclaredError

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
# No search here goes back (`+` behind a quantifier) nor begins inside of what it would go over again (the lookbehind), so
# that all take time in proportion to the text.
_FUNCTION = re.compile(r"(?<![\w\s])([\w\s]*+)\(([\w\s]*+),([\w\s]*+)\)\s*+\{")
_NUMBER = r"([+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+)"
_FIGURE = re.compile(rf"\b(?:\w+_)?(PWR|POWER|AREA|DELAY)\s*[=:]\s*{_NUMBER}\s*([A-Za-zµ]+\d?)")
_ERROR = re.compile(rf"(?<!\w)(MAE%|WCE%|MRE%|EP%|MAE|WCE|MSE)\s*=\s*{_NUMBER}")
_KINDS = {"PWR": "power_mw", "POWER": "power_mw", "AREA": "area_um2", "DELAY": "delay_ns"}
_UNITS = {
    "power_mw": {"w": 1e3, "mw": 1.0, "uw": 1e-3, "µw": 1e-3, "nw": 1e-6},
    "area_um2": {"um2": 1.0, "µm2": 1.0},
    "delay_ns": {"ns": 1.0, "ps": 1e-3},
}
_BITS = re.compile(r"u?int(8|16|32|64)_t")


@dataclass(frozen=True)
class Operand:
    """One parameter of a function."""

    type: str
    name: str

    @property
    def unsigned(self) -> bool:
        """Whether the type holds no negative values."""
        return "unsigned" in self.type or "uint" in self.type

    @property
    def bits(self) -> int | None:
        """Width of the type, None where its name does not say."""
        match = _BITS.search(self.type)
        return int(match[1]) if match else 8 if "char" in self.type else None


@dataclass(frozen=True)
class Function:
    """A function of two operands."""

    name: str
    a: Operand
    b: Operand


def without_comments(text: str) -> str:
    """Return C or Verilog source, whose comments are alike, with a blank in place of every comment."""
    return _COMMENT.sub(" ", text)


def functions(text: str) -> list[Function]:
    """Return the functions of two parameters that C source defines, in its order."""
    found = []
    for declared in _FUNCTION.findall(without_comments(text)):
        head, *operands = map(_operand, declared)
        if head is not None and head.name not in ("if", "for", "while", "switch") and None not in operands:
            found.append(Function(head.name, *operands))  # type: ignore[arg-type]
    return found


def figures(text: str) -> dict[str, float]:
    """Return power (mW), area (um2) and delay (ns) from comments such as `PDK45_PWR = 0.391 mW`, the first of each.

    A figure without a known unit is none.
    """
    found: dict[str, float] = {}
    for comment in _COMMENT.findall(text):
        for kind, number, unit in _FIGURE.findall(comment):
            key = _KINDS[kind]
            scale = _UNITS[key].get(unit.lower())
            if scale is not None:
                found.setdefault(key, float(number) * scale)
    return found


def declared_errors(text: str) -> tuple[DeclaredError, ...]:
    """Return the error figures in EvoApproxLib's comments, such as `MAE% = 6.53 %` and `MSE = 29320.446e3`.

    The slack is one unit of the last digit, because some are rounded and some cut.
    """
    found: dict[str, DeclaredError] = {}
    for comment in _COMMENT.findall(text):
        for metric, number in _ERROR.findall(comment):
            found.setdefault(metric.lower(), DeclaredError(metric.lower(), float(number), _last_digit(number)))
    return tuple(found.values())


def _operand(text: str) -> Operand | None:
    """Return a type and the name behind it."""
    words = [word for word in text.split() if word not in ("const", "register", "volatile")]
    return Operand(" ".join(words[:-1]), words[-1]) if len(words) >= 2 else None


def _last_digit(number: str) -> float:
    mantissa, _, exponent = number.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    place = min(float(exponent or 0) - decimals, 300.0)  # no number where the figure is none either
    return 10.0**place * 1.0001  # a little more, for the figure itself is a float
