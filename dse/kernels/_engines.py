"""Which engine computes a product: what each needs, and the one function that decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dse.exceptions import InputError, unknown_name
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


@dataclass(frozen=True)
class Engine:
    """One way to compute products.

    Args:
        text: One line about it.
        prepare: Makes the product of weight codes `(G, K, N)` with a table.
        missing: What this machine lacks for it, None where it can run.
        refuses: Why it cannot take this table on this device, None where it can.
        declines: Why it is not chosen unless named; None where it is the best choice. Asked only when it does not refuse.
    """

    text: str
    prepare: Callable[[Tensor, LutTable], Product]
    missing: Callable[[], str | None]
    refuses: Callable[[LutTable, torch.device], str | None]
    declines: Callable[[LutTable, torch.device], str | None]


def _never(*_: object) -> str | None:
    return None


def _native_refuses(table: LutTable, device: torch.device) -> str | None:
    if device.type != "cpu":
        return f"runs on the CPU, the operands are on {device}"
    if table.levels > 256:
        return f"takes activations of at most 8 bits, the table has {table.levels} rows"
    if table.w_levels > 2**15:
        return f"takes weights of at most 15 bits, the table has {table.w_levels} columns"
    return None


def _for_tests(table: LutTable, device: torch.device) -> str | None:
    return "is a slow reference for tests"


# The first that runs here, takes the operands and does not decline is chosen.
ENGINES: dict[str, Engine] = {
    "native": Engine(
        "compiled C: table rows summed in registers", NativeProduct, _not_compiled, _native_refuses, _never
    ),
    "torch": Engine("plain torch: permuted rows through embedding_bag", TorchProduct, _never, _never, _never),
    "naive": Engine("a Python loop over every product", NaiveProduct, _never, _never, _for_tests),
}


def choose(engine: str | None, w_codes: Tensor, table: LutTable, max_rank: int | None = None) -> tuple[str, Product]:
    """Return the name of the engine to use and its product with these weights.

    Args:
        engine: The caller's wish; None: what DSE_ENGINE names, else the first of `ENGINES` that is exact and suits.
        w_codes: Weight codes `(G, K, N)`, checked.
        table: The table.
        max_rank: For "low-rank" only.

    Raises:
        InputError: For an unknown engine, one that cannot run here or take this table, or a max_rank for another engine.
    """
    name = engine_name(engine, table, w_codes.device)
    return name, ENGINES[name].prepare(w_codes, table)


def engine_name(engine: str | None, table: LutTable, device: torch.device) -> str:
    """Return the name of the engine to use for a table on a device; see `choose`."""
    wish = engine or os.environ.get(VARIABLE) or None
    if wish is None:
        return next(
            name
            for name, e in ENGINES.items()
            if not (e.missing() or e.refuses(table, device) or e.declines(table, device))
        )
    source = "engine" if engine else VARIABLE
    if wish not in ENGINES:
        raise InputError(f"{source}: {unknown_name('engine', wish, ENGINES)}")
    reason = ENGINES[wish].missing() or ENGINES[wish].refuses(table, device)
    if reason:
        raise InputError(f"{source}: '{wish}' cannot be used: {reason}; leave it unset to have one chosen")
    return wish
