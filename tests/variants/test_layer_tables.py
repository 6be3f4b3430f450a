"""Tables of layers that are made when they are asked for."""

from __future__ import annotations

import pickle
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operands import operand_format
from dse.variants import LayerTables, plain_tables
from tests.small import library

TABLE = np.arange(256 * 8, dtype=np.int32).reshape(256, 8)
CODES = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 1]], dtype=np.int16)
MADE = LayerTables((None, TABLE), np.array([0, 1, 1]), (None, None, CODES))


def test_a_tuned_table_looks_other_codes_up() -> None:
    assert len(MADE) == 3 and [MADE.is_exact(m) for m in range(3)] == [True, False, False]
    assert MADE.table(1, 0) is None and MADE.codes(1, 0) is None
    assert MADE.table(1, 1) is TABLE and MADE.codes(1, 1) is None
    found = MADE.table(1, 2)
    assert found is not None and found.flags.c_contiguous and found.dtype == np.int32
    for x in range(256):
        for w in range(8):
            assert found[x, w] == TABLE[x, CODES[1, w]]
    assert np.array_equal(MADE.table(0, 2), TABLE)  # type: ignore[arg-type]


def test_variants_share_what_is_kept_and_sent() -> None:
    many = LayerTables((None, TABLE), np.array([0, *[1] * 200]), (None, None, *[CODES] * 199))
    assert len(pickle.dumps(many)) < TABLE.nbytes + 200 * (CODES.nbytes + 200)
    again = pickle.loads(pickle.dumps(MADE))
    assert list(again.content()) == list(MADE.content())


def digest(tables: LayerTables) -> str:
    return sha256(b"".join(tables.content())).hexdigest()


def test_the_content_is_all_that_decides() -> None:
    other = CODES.copy()
    other[1, 7] = 0
    changed = [
        MADE,
        replace(MADE, stored=(None, None, other)),
        replace(MADE, stored=(None, CODES, None)),
        replace(MADE, circuit=np.array([0, 1, 1, 1]), stored=(None, None, CODES, None)),
        replace(MADE, tables=(None, TABLE + 1)),
        LayerTables.of([None, TABLE]),
    ]
    assert len({digest(tables) for tables in changed}) == len(changed)
    assert list(LayerTables.of([None, TABLE]).content()) == [b"exact", TABLE.tobytes()]  # as before there were variants


def test_tables_of_a_library() -> None:
    operands = operand_format("sm8")
    made = plain_tables(library(), operands)
    assert LayerTables.of(made) is made and made.is_exact(0)
    for m, multiplier in enumerate(library()):
        assert m == 0 or np.array_equal(made.table(5, m), operands.table(multiplier))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is signed"):
        plain_tables(library(signed=True), operands)


@pytest.mark.parametrize(
    ("circuit", "stored", "message"),
    [
        ([0, 2], (None, None), "expected a table of 0..1"),
        ([0, 1], (None,), "codes or None for each choice"),
        ([0], (CODES,), "choice 0 forms exact products"),
        ([1], (CODES[:, :7],), r"expected codes \(L, 8\) int16 of choice 0, got \(2, 7\) int16"),
        ([1], (CODES.astype(np.int64),), "int16 of choice 0, got .* int64"),
        ([1], (CODES + np.int16(1),), "expected codes in 0..7 of choice 0, got 1..8"),
        ([1], (CODES - np.int16(1),), "got -1..6"),
    ],
)
def test_refuses(circuit: list[int], stored: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LayerTables((None, TABLE), np.array(circuit), stored)
