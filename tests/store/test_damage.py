"""Cut and flipped files: never a wrong number, and every intact row is salvaged. DSE_HEAVY=1 runs the full numbers."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.store import Evaluation, StudyFile, _wal, salvage
from dse.store._evaluation import to_row
from tests.store.samples import CONFIG, EVALUATOR, FIDELITY, HEAVY, MANIFEST, designs, evaluation_of, in_memory, study_of

__all__ = ["in_memory"]
COUNT = 120
CUTS, FLIPS = (200, 1000) if HEAVY else (20, 60)
WHERE = ("", "-wal")


@pytest.fixture
def sound(in_memory: Path) -> Path:
    """A study with half of its rows in the file and the others in the log, as a killed process leaves it."""
    path = in_memory / "sound"
    with study_of(path, COUNT // 2) as study:
        study._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for start in range(COUNT // 2, COUNT, 5):
            study.settle([evaluation_of(i) for i in range(start, start + 5)])
        study.claim(designs(COUNT + 5), FIDELITY, EVALUATOR)
        copy = in_memory / "s"
        for suffix in WHERE:
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


def encoded(evaluation: Evaluation) -> bytes:
    """Return the row as SQLite's description of its file format says, written independently of the reader."""
    kinds, body = [0], b""
    for value in to_row(evaluation):
        if value is None:
            kinds.append(0)
        elif isinstance(value, bytes):
            kinds.append(12 + 2 * len(value))
            body += value
        elif isinstance(value, str):
            kinds.append(13 + 2 * len(value.encode()))
            body += value.encode()
        elif value == int(value):  # whole numbers, also in real columns, as few bytes as hold them
            kind, size = next((k, s) for k, s in ((8, 0), (9, 0), (1, 1), (2, 2), (3, 3), (4, 4)) if _fits(int(value), k, s))
            kinds.append(kind)
            body += int(value).to_bytes(size, "big", signed=True) if size else b""
        else:
            kinds.append(7)
            body += struct.pack(">d", value)
    header = b"".join(bytes([kind]) if kind < 128 else bytes([128 + kind // 128, kind % 128]) for kind in kinds)
    return bytes([len(header) + 1]) + header + body


def is_intact(row: bytes, data: bytes) -> bool:
    """Whether a row stands in a file; its key, behind header and checksum, may be wrong, since the rest tells it."""
    before, after = row[: row[0] + 16], row[row[0] + 32 :]
    at = data.find(after)
    while at >= 0 and data[at - 16 - len(before) : at - 16] != before:
        at = data.find(after, at + 1)
    return at >= 0


def _fits(value: int, kind: int, size: int) -> bool:
    return value == kind - 8 if not size else -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1


ROWS = {encoded(evaluation_of(i)): evaluation_of(i) for i in range(COUNT)}


def damages(path: Path) -> Iterator[tuple[str, Callable[[bytes, int], bytes], np.ndarray]]:
    """Yield what to do to which file of `path` at which offsets."""
    rng = np.random.default_rng(0)
    for suffix in WHERE:
        size = Path(f"{path}{suffix}").stat().st_size
        yield suffix, lambda data, at: data[:at], rng.integers(0, size, CUTS // 2)
        yield (
            suffix,
            lambda data, at: data[:at] + bytes(512) + data[at + 512 :],
            rng.integers(0, size // 512, CUTS // 2) * 512,
        )
        offsets = np.concatenate([np.arange(0, 100, 100 // min(FLIPS // 4, 100)), rng.integers(0, size, FLIPS // 2)])
        yield suffix, lambda data, at: data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], offsets


def check(damaged: Path) -> bool:
    """Whether a damaged study opens; whatever it then hands out must be right, and all it refuses one line."""
    known = set(map(str, ROWS.values()))
    try:
        with StudyFile.open(damaged) as study:
            assert study.config == CONFIG and study.manifest == MANIFEST
            found = study.lookup(designs(COUNT), FIDELITY, EVALUATOR)
            assert all(e is None or e == evaluation_of(i) for i, e in enumerate(found))
            study.counts()
            assert {str(e) for e in study.evaluations()} <= known
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith(str(damaged)) and "salvage" in str(error)
        return False
    return True


def test_damage_gives_no_wrong_number_and_salvage_every_intact_row(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wal, "_PAUSE_S", 0.0)  # nobody writes to these logs
    original = {suffix: Path(f"{sound}{suffix}").read_bytes() for suffix in WHERE}
    assert all(row in b"".join(original.values()) for row in ROWS)
    opened = refused = 0
    for suffix, damage, offsets in list(damages(sound)):
        for at in offsets.tolist():
            content = original | {suffix: damage(original[suffix], at)}
            for other in WHERE:
                Path(f"{sound}{other}").write_bytes(content[other])
            for extra in ("-shm", ".out"):
                Path(f"{sound}{extra}").unlink(missing_ok=True)
            _assert_salvaged(sound, content)
            good = check(sound)
            opened, refused = opened + good, refused + (not good)
    assert opened > CUTS / 10 and refused > FLIPS / 10, (opened, refused)


def _assert_salvaged(damaged: Path, content: dict[str, bytes]) -> None:
    intact = [e for row, e in ROWS.items() if any(is_intact(row, data) for data in content.values())]
    out = damaged.with_suffix(".out")
    try:
        done = salvage(damaged, out)
    except InputError as error:
        assert "no intact row" in str(error) and not intact
        return
    with StudyFile.open(out) as study:
        assert list(study.evaluations()) == sorted(intact, key=lambda e: e.assignment)
        assert study.config == (CONFIG if done.config else {}) and study.manifest == (MANIFEST if done.manifest else {})
    assert done.kept == len(intact) and done.kept + done.lost <= COUNT


def test_a_log_that_was_cut_opens_with_what_comes_before(sound: Path) -> None:
    log = Path(f"{sound}-wal")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    with StudyFile.open(sound) as study:
        assert COUNT // 2 < len(list(study.evaluations())) < COUNT


def test_a_log_damaged_in_the_middle_is_not_dropped_silently(sound: Path) -> None:
    log = Path(f"{sound}-wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 3] ^= 1
    log.write_bytes(data)
    with sqlite3.connect(f"file:{sound}?mode=ro", uri=True) as connection:
        (rows,) = connection.execute("SELECT COUNT(*) FROM evaluation").fetchone()
    connection.close()
    assert rows < COUNT - 5, "what SQLite alone would do"
    with pytest.raises(InputError, match="s-wal is damaged.*salvage"):
        StudyFile.open(sound)
    assert salvage(sound, sound.with_suffix(".out")).kept >= COUNT - 1
