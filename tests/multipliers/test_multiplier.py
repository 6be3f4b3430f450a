"""One multiplier: what it keeps, what it derives, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier

EXACT = np.multiply.outer(np.arange(16), np.arange(8))  # 4 x 3 bits


def make(table: Any = EXACT, name: str = "m", **changes: Any) -> Multiplier:
    return Multiplier(name, table, **{"x_bits": 4, "w_bits": 3, **changes})


def test_keeps_a_read_only_copy() -> None:
    mine = np.asfortranarray(EXACT.astype(np.int32))
    table = make(mine).table
    assert table.dtype == np.int32 and table.flags.c_contiguous and not table.flags.writeable
    assert mine.flags.writeable
    mine[0, 0] = 7
    assert table[0, 0] == 0


def test_derives_from_the_table() -> None:
    m = make(EXACT + (EXACT > 100))
    assert not m.is_exact and make().is_exact
    assert m.error.sum() == np.count_nonzero(EXACT > 100)
    assert m.errors is m.errors and m.errors.wce == 1
    assert m.exact.dtype == np.int32 and np.array_equal(m.exact, EXACT)


def test_values_of_signed_codes() -> None:
    values = np.array([0, 1, -2, -1])
    m = Multiplier("m", np.outer(range(8), values), x_bits=3, w_bits=2, w_signed=True)
    assert m.w_values.tolist() == values.tolist() and m.x_values.tolist() == list(range(8))
    assert m.is_exact


def test_hash_tells_tables_and_formats_apart() -> None:
    other = EXACT.copy()
    other[1, 1] = 0
    hashes = {make().table_hash, make(other).table_hash, make(x_signed=True, table=np.minimum(EXACT, 63)).table_hash}
    hashes.add(make(np.minimum(EXACT, 63)).table_hash)
    assert len(hashes) == 4
    assert make(name="other", power_mw=1.0).table_hash == make().table_hash


def test_full_range_of_wide_storage() -> None:
    table = np.zeros((256, 256), dtype=np.uint16)
    table[255, 255] = 65535
    assert make(table, x_bits=8, w_bits=8).table[255, 255] == 65535


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name must be"),
        ({"name": "  "}, "name must be"),
        ({"name": "a,b"}, "name must be"),
        ({"name": "a\nb"}, "name must be"),
        ({"name": "a\x07"}, "name must be"),
        ({"x_bits": 1}, "x_bits must be an integer from 2 to 12, got 1"),
        ({"w_bits": 13}, "w_bits must be"),
        ({"w_bits": 8.0}, "w_bits must be"),
        ({"x_bits": True}, "x_bits must be"),
        ({"power_mw": -0.1}, "power_mw must be"),
        ({"area_um2": float("nan")}, "area_um2 must be"),
        ({"delay_ns": float("inf")}, "delay_ns must be"),
        ({"power_mw": "0.4"}, "power_mw must be"),
        ({"table": EXACT.astype(float)}, "must hold integers, got float64"),
        ({"table": EXACT > 0}, "must hold integers, got bool"),
        ({"table": EXACT.T}, r"must be \(16, 8\) for 4 x 3 bits, got \(8, 16\)"),
        ({"table": EXACT.ravel()}, "must be"),
        ({"table": EXACT - 1}, "holds -1..104, outside 0..127 of unsigned 7-bit products; check"),
        ({"table": EXACT + 100}, "outside 0..127"),
        ({"table": EXACT, "w_signed": True}, "outside -64..63"),
        ({"table": EXACT.astype(np.int64) + 2**32}, "outside 0..127"),
        ({"table": EXACT.astype(np.uint64) + np.uint64(2**63)}, "outside 0..127"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make(**changes)
    assert "\n" not in str(caught.value) and "multiplier" in str(caught.value)
