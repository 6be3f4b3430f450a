"""The part of Verilog that netlists are written in: modules of declarations, assignments, gates and instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

MAX_WIDTH = 1 << 16


@dataclass(frozen=True)
class Number:
    """A constant, bits from the lowest."""

    bits: tuple[int, ...]
    line: int


@dataclass(frozen=True)
class Name:
    """A net, or those of its bits from `left` to `right`."""

    name: str
    left: int | None
    right: int | None
    line: int


@dataclass(frozen=True)
class Operation:
    """An operator and what it is applied to; `{}` joins parts, the highest first."""

    operator: str
    operands: tuple[Expression, ...]
    line: int


Expression: TypeAlias = Number | Name | Operation


@dataclass(frozen=True)
class Net:
    """A declared vector: its range, and whether it is a port."""

    left: int
    right: int
    direction: str  # input, output or wire
    signed: bool
    line: int

    def __len__(self) -> int:
        return abs(self.left - self.right) + 1

    def position(self, index: int) -> int:
        """Return the place of a bit from the lowest, which stands on the right, negative or too high if it is none."""
        return index - self.right if self.left >= self.right else self.right - index


@dataclass(frozen=True)
class Instance:
    """A gate or another module with what is connected to it, by name or in order."""

    module: str
    named: dict[str, Expression | None]
    ordered: tuple[Expression, ...]
    line: int


@dataclass
class Module:
    """One module as written."""

    name: str
    line: int
    ports: list[str] = field(default_factory=list)
    nets: dict[str, Net] = field(default_factory=dict)
    assigns: list[tuple[Expression, Expression]] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
