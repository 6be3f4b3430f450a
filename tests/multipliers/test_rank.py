"""The rank of error tables."""

from __future__ import annotations

import numpy as np
import pytest

from dse.multipliers import Multiplier
from dse.multipliers._operands import exact_products
from dse.multipliers._rank import MOST_RANK, error_rank
from tests.multipliers.files import CRUDE, EXACT


def test_small_tables() -> None:
    assert error_rank(Multiplier("exact", EXACT, x_bits=4, w_bits=4)) == 0
    assert error_rank(Multiplier("crude", CRUDE, x_bits=4, w_bits=4)) == 1  # x * (w & 3)


@pytest.mark.parametrize(("bits", "rank"), [(11, 0), (11, 5), (11, 300), (11, MOST_RANK)])
def test_large_tables(bits: int, rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors in `rank` rows alone; no table is decomposed that is larger than `MOST_RANK`."""
    decompose = np.linalg.matrix_rank
    sizes = []
    monkeypatch.setattr("numpy.linalg.matrix_rank", lambda a: sizes.append(a.shape) or decompose(a))
    table = exact_products(bits, bits, False, False).copy()
    errors = np.random.default_rng(1).integers(0, 1000, (2 * rank if rank == MOST_RANK else rank, table.shape[1]))
    table[: len(errors)] = np.maximum(table[: len(errors)] - errors, 0) + (errors > 500)
    m = Multiplier("m", table, x_bits=bits, w_bits=bits)
    assert error_rank(m) == min(np.count_nonzero(m.error.any(axis=1)), MOST_RANK)
    assert sizes == [(MOST_RANK, MOST_RANK)] * (rank > 0)
