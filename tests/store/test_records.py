from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from dse.store._records import Pages
from dse.store._schema import PAGE_SIZE


@pytest.mark.parametrize("in_log", [False, True])
def test_all_kinds_of_values_are_read_as_sqlite_reads_them(tmp_path: Path, in_log: bool) -> None:
    rng = np.random.default_rng(0)
    connection = sqlite3.connect(tmp_path / "s", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, checksum BLOB, a, b, c)")
    connection.execute("BEGIN")
    numbers = [0, 1, 2, -1, *(sign * 2**power - 1 for power in range(7, 63, 4) for sign in (1, -1)), 0.5, 1e300, None]
    texts = ["", "ä", "x" * 57, b"", b"y" * 58, "z" * 5000, b"w" * 9000]
    for i, number in enumerate([1, 127, 128, 16_383, 16_384, 2**31, 2**40]):
        for value in numbers:
            number += 1
            row = (number, rng.bytes(16), value, texts[i % len(texts)], 7)
            connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, ?)", row)
    connection.execute("COMMIT")
    expected = {row[0]: row[1:] for row in connection.execute("SELECT * FROM t")}
    if not in_log:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = {
        number: tuple(row[1:]) for number, row in Pages(tmp_path / "s").rows() if row[1:] == list(expected.get(number, ()))
    }
    connection.close()
    assert found == expected and len(expected) > 5


def test_chains_that_run_in_circles_end(tmp_path: Path) -> None:
    size = 10_000_000
    kind = 12 + 2 * size
    header = b"\x07\x00\x2c" + bytes([128 | kind >> 21 & 127, 128 | kind >> 14 & 127, 128 | kind >> 7 & 127, kind & 127])
    itself = b"\x00\x00\x00\x01"
    (tmp_path / "s").write_bytes((itself + header + itself * PAGE_SIZE)[:PAGE_SIZE])
    pages = Pages(tmp_path / "s")
    assert list(pages.rows()) == []
    assert pages._chains_left < 0
