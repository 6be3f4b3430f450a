"""One multiplier: the table of its products, how its operands are coded, and what the circuit costs."""

from __future__ import annotations

import hashlib
import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from dse.circuits import MAX_BITS, Netlist
from dse.exceptions import InputError
from dse.multipliers._metrics import ErrorMetrics, error_metrics
from dse.multipliers._operands import exact_products, operand_values, product_range
from dse.types import Table

MIN_BITS = 2


@dataclass(frozen=True, eq=False)
class Multiplier:
    """A multiplier circuit as the table of its products.

    Args:
        name: Unique name; printable and without comma, so that it can stand in a CSV file.
        table: Products, `(2^x_bits, 2^w_bits)` integers. The first axis is the activation's code and the second the
            weight's: most circuits are not symmetric. A signed operand's code is its two's complement byte. Kept as
            a read-only, C-contiguous int32 copy.
        x_bits: Width of the activation, 2 to 12.
        w_bits: Width of the weight, 2 to 12.
        x_signed: The activation is two's complement.
        w_signed: The weight is two's complement.
        power_mw: Power in mW, or None where it is unknown.
        area_um2: Area in um2, or None.
        delay_ns: Delay in ns, or None.
        origin: Where table and figures come from, one line.
        netlist: The circuit's gates where they are known; its table is not held against `table`.

    Raises:
        InputError: One of the above does not hold, or a product does not fit `x_bits + w_bits` bits.
    """

    name: str
    table: Table
    _: KW_ONLY
    x_bits: int = 8
    w_bits: int = 8
    x_signed: bool = False
    w_signed: bool = False
    power_mw: float | None = None
    area_um2: float | None = None
    delay_ns: float | None = None
    origin: str = ""
    netlist: Netlist | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        for key in ("x_bits", "w_bits"):
            _check_bits(self.name, key, getattr(self, key))
        for key in ("power_mw", "area_um2", "delay_ns"):
            _check_figure(self.name, key, getattr(self, key))
        table = np.asarray(self.table)
        _check_table(self, table)
        # Copied even when the type is right already, because the caller's array must stay writable.
        table = np.array(table, dtype=np.int32, order="C")
        table.setflags(write=False)
        object.__setattr__(self, "table", table)

    @property
    def x_values(self) -> NDArray[np.int64]:
        """Value of every activation code, `(2^x_bits,)` int64."""
        return operand_values(self.x_bits, self.x_signed)

    @property
    def w_values(self) -> NDArray[np.int64]:
        """Value of every weight code, `(2^w_bits,)` int64."""
        return operand_values(self.w_bits, self.w_signed)

    @property
    def exact(self) -> Table:
        """Exact product of every pair of codes, `(2^x_bits, 2^w_bits)` int32, read-only."""
        return exact_products(self.x_bits, self.w_bits, self.x_signed, self.w_signed)

    @property
    def error(self) -> NDArray[np.int64]:
        """Error `table - exact` of every pair of codes, `(2^x_bits, 2^w_bits)` int64."""
        return self.table.astype(np.int64) - self.exact

    @cached_property
    def is_exact(self) -> bool:
        """Whether every product is right."""
        return bool(np.array_equal(self.table, self.exact))

    @cached_property
    def errors(self) -> ErrorMetrics:
        """Error figures over uniformly distributed operands."""
        return error_metrics(self.table, self.exact)

    @cached_property
    def table_hash(self) -> str:
        """SHA-256 (hex) of what the multiplier computes: the table, and the widths and signs of its operands."""
        digest = hashlib.sha256(repr((*_operands(self),)).encode())
        digest.update(self.table.astype("<i4").tobytes())
        return digest.hexdigest()


def _operands(multiplier: Multiplier) -> tuple[int, int, bool, bool]:
    return int(multiplier.x_bits), int(multiplier.w_bits), bool(multiplier.x_signed), bool(multiplier.w_signed)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.strip() or "," in name or not name.isprintable():
        raise InputError(f"multiplier {name!r}: name must be printable text without comma; rename it")


def _check_bits(name: str, key: str, bits: int) -> None:
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not MIN_BITS <= bits <= MAX_BITS:
        raise InputError(f"multiplier '{name}': {key} must be an integer from {MIN_BITS} to {MAX_BITS}, got {bits!r}")


def _check_figure(name: str, key: str, value: float | None) -> None:
    if value is not None and not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
        raise InputError(f"multiplier '{name}': {key} must be a finite number >= 0 or None, got {value!r}")


def _check_table(multiplier: Multiplier, table: NDArray[np.integer]) -> None:
    """Check the table as it came, before a conversion to int32 could wrap a value."""
    x_bits, w_bits, x_signed, w_signed = _operands(multiplier)
    where = f"multiplier '{multiplier.name}': table"
    if table.dtype.kind not in "iu":
        raise InputError(f"{where} must hold integers, got {table.dtype}; convert it")
    if table.shape != (1 << x_bits, 1 << w_bits):
        wanted = (1 << x_bits, 1 << w_bits)
        raise InputError(f"{where} must be {wanted} for {x_bits} x {w_bits} bits, got {table.shape}; set the widths")
    low, high = product_range(x_bits, w_bits, x_signed or w_signed)
    least, most = int(table.min()), int(table.max())
    if least < low or most > high:
        kind = "signed" if x_signed or w_signed else "unsigned"
        raise InputError(
            f"{where} holds {least}..{most}, outside {low}..{high} of {kind} {x_bits + w_bits}-bit products; "
            "check the signs and widths of its operands"
        )
