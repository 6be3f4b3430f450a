"""Which engine computes a product: what each needs, and the one function that decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dse.exceptions import InputError, unknown_name
from dse.kernels import _low_rank, _triton
from dse.kernels._compiled import why_not as _not_compiled
from dse.kernels._native import NativeProduct
from dse.kernels._reference import NaiveProduct
from dse.kernels._table import LutTable
from dse.kernels._torch_rows import TorchProduct

VARIABLE = "DSE_ENGINE"  # environment variable that forces an engine


class Product(Protocol):
    """Products with fixed weights: checked codes `(M, G, K)` -> `(M, G, N)` int32 or int64 (`LutTable.sum_dtype`)."""

    @property
    def nbytes(self) -> int:
        """Bytes held by what was prepared."""
        ...

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums."""
        ...


def _never(*_: object) -> str | None:
    return None


@dataclass(frozen=True)
class Engine:
    """One way to compute products.

    Args:
        text: One line about it.
        prepare: Makes the product of weight codes `(G, K, N)` with a table.
        missing: What this machine lacks for it, None where it can run.
        refuses: Why it cannot take this table on this device, None where it can.
        declines: Why it is not chosen unless named; None where it may be. Asked only when it does not refuse.
    """

    text: str
    prepare: Callable[[Tensor, LutTable], Product]
    missing: Callable[[], str | None] = _never
    refuses: Callable[[LutTable, torch.device], str | None] = _never
    declines: Callable[[LutTable, torch.device], str | None] = _never


def _native_refuses(table: LutTable, device: torch.device) -> str | None:
    if device.type != "cpu":
        return f"runs on the CPU, the operands are on {device}"
    if table.levels > 256:
        return f"takes activations of at most 8 bits, the table has {table.levels} rows"
    if table.w_levels > 2**15:
        return f"takes weights of at most 15 bits, the table has {table.w_levels} columns"
    return None


def _native_declines(table: LutTable, device: torch.device) -> str | None:
    return None if table.fits_rows else "would look entries up one by one: a column of the table spans more than 16 bits"


def _low_rank_declines(table: LutTable, device: torch.device) -> str | None:
    return _low_rank.why_not(table.lut, device)


def _triton_missing() -> str | None:
    return _triton.why_not(torch.device("cuda"))


def _triton_refuses(table: LutTable, device: torch.device) -> str | None:
    return _triton.why_not(device)


def _for_tests(table: LutTable, device: torch.device) -> str | None:
    return "is a slow reference for tests"


def _low_rank_product(w_codes: Tensor, table: LutTable, max_rank: int | None = None) -> Product:
    product = _low_rank.LowRankProduct(w_codes, table.lut, max_rank=max_rank)
    if max_rank is None and not product.report.is_exact:
        raise InputError(
            f"engine 'low-rank' cannot be exact for this table: its rank is above {product.report.rank}; "
            "use another engine, or give max_rank to have sums approximated"
        )
    return product


# The first that runs here, takes the operands and does not decline is chosen.
ENGINES: dict[str, Engine] = {
    "low-rank": Engine("a product of factors, for tables of low rank", _low_rank_product, declines=_low_rank_declines),
    "native": Engine(
        "compiled C: table rows summed in registers", NativeProduct, _not_compiled, _native_refuses, _native_declines
    ),
    "triton": Engine("look-ups on a GPU", _triton.TritonProduct, _triton_missing, _triton_refuses),
    "torch": Engine("plain torch: permuted rows through embedding_bag", TorchProduct),
    "naive": Engine("a Python loop over every product", NaiveProduct, declines=_for_tests),
}


def choose(engine: str | None, w_codes: Tensor, table: LutTable, max_rank: int | None = None) -> tuple[str, Product]:
    """Return the name of the engine to use and its product with these weights.

    Args:
        engine: The caller's wish; None: what DSE_ENGINE names, else the first of `ENGINES` that is exact and suits.
        w_codes: Weight codes `(G, K, N)`, checked.
        table: The table.
        max_rank: Most columns of the factors of "low-rank", which is then not exact for tables that need more.

    Raises:
        InputError: For an unknown engine, one that cannot run here or take this table, or a max_rank for another engine.
    """
    name = engine_name(engine, table, w_codes.device)
    if max_rank is None:
        return name, ENGINES[name].prepare(w_codes, table)
    if engine != "low-rank":
        raise InputError(f"max_rank: only engine='low-rank' has one, got max_rank={max_rank} with engine={engine!r}")
    return name, _low_rank_product(w_codes, table, max_rank)


def engine_name(engine: str | None, table: LutTable, device: torch.device, *, layer: bool = False) -> str:
    """Return the name of the engine to use for a table on a device; see `choose`.

    Args:
        engine: The caller's wish.
        table: The table.
        device: Where the operands are.
        layer: Whether a whole layer is wanted, real numbers in and out: an engine that takes it as one is then preferred.
    """
    wish = engine or os.environ.get(VARIABLE) or None
    if wish is None:
        key = (device.type, layer)
        if key not in table.engines:  # asked again for every layer with the table
            table.engines[key] = _suitable(table, device, layer)
        return table.engines[key]
    source = "engine" if engine else VARIABLE
    if wish not in ENGINES:
        raise InputError(f"{source}: {unknown_name('engine', wish, ENGINES)}")
    reason = ENGINES[wish].missing() or ENGINES[wish].refuses(table, device)
    if reason:
        raise InputError(f"{source}: '{wish}' cannot be used: {reason}; leave it unset to have one chosen")
    return wish


def _suitable(table: LutTable, device: torch.device, layer: bool) -> str:
    order = sorted(ENGINES, key=lambda name: not (layer and name == "native"))  # the one that does whole layers comes first
    for name in order:
        engine = ENGINES[name]
        if not (engine.missing() or engine.refuses(table, device) or engine.declines(table, device)):
            return name
    raise AssertionError("plain torch never declines")
