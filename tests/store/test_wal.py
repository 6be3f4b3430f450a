from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from dse.store import StudyFile, _wal
from dse.store._schema import PAGE_SIZE
from tests.store.samples import EVALUATOR, FIDELITY, designs, evaluation_of, in_memory, study_of

__all__ = ["in_memory"]
FRAME = _wal.FRAME_HEADER + PAGE_SIZE


@pytest.fixture
def log(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a study with 20 commits, copied while the study was open."""
    monkeypatch.setattr(_wal, "_PAUSE_S", 0.0)
    with study_of(in_memory / "s", 200):
        shutil.copy(in_memory / "s", in_memory / "t")
        return shutil.copy(in_memory / "s-wal", in_memory / "t-wal")


def valid_frames(log: Path) -> int:
    """Return how many frames SQLite itself accepts."""
    connection = sqlite3.connect(str(log).removesuffix("-wal"))
    _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    connection.close()
    return int(frames)


def test_frames_verify_as_in_sqlite(log: Path) -> None:
    data = log.read_bytes()
    file = Path(str(log).removesuffix("-wal")).read_bytes()
    count = (len(data) - _wal.HEADER) // FRAME
    assert count > 60
    frames = np.frombuffer(data, np.uint8, offset=_wal.HEADER).reshape(count, FRAME)
    header = np.frombuffer(data, "<u4", 6)
    state = _wal._chain((0, 0), _wal._sums(header[None]), 3)[0]
    for broken in (None, 0, 1, 17, count - 1):
        changed = frames.copy()
        if broken is not None:
            changed[broken, 1000] ^= 4
        log.write_bytes(data[: _wal.HEADER] + changed.tobytes())
        Path(str(log).removesuffix("-wal")).write_bytes(file)
        ours = _wal._valid_frames(changed, state, "<")
        assert ours == (count if broken is None else broken)
        last_commit = max([0, *(i + 1 for i in range(ours) if changed[i, 4:8].any())])
        assert valid_frames(log) == last_commit


def test_blocks_of_frames_make_no_difference(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wal, "_BLOCK", 7)
    assert not _wal.is_broken(log, PAGE_SIZE)


def test_a_torn_end_is_no_damage(log: Path) -> None:
    data = log.read_bytes()
    for cut in range(len(data) - 2 * FRAME, len(data), 397):
        log.write_bytes(data[:cut])
        assert not _wal.is_broken(log, PAGE_SIZE)
    log.write_bytes(data[:-FRAME] + bytes(FRAME))  # allocated and not written when the power went
    assert not _wal.is_broken(log, PAGE_SIZE)


@pytest.mark.parametrize("at", [0, 5, 17, 30, _wal.HEADER + 9, _wal.HEADER + 20, _wal.HEADER + 3000, 10 * FRAME])
def test_damage_before_acknowledged_commits_is(log: Path, at: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= 1
    log.write_bytes(data)
    assert _wal.is_broken(log, PAGE_SIZE)


def test_claims_may_be_lost_with_the_machine(log: Path) -> None:
    with StudyFile.open(str(log).removesuffix("-wal")) as study:
        study._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        for i in range(200, 300):
            study.claim(designs(i + 1)[i:], FIDELITY, EVALUATOR)
        data = bytearray(log.read_bytes())
    data[_wal.HEADER + 20] ^= 1
    log.write_bytes(data)
    assert not _wal.is_broken(log, PAGE_SIZE)


def test_frames_from_before_a_reset_do_not_count(in_memory: Path) -> None:
    with study_of(in_memory / "s", 200) as study:
        study._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        study.settle([evaluation_of(200)])
        assert not _wal.is_broken(in_memory / "s-wal", PAGE_SIZE)


def test_no_log(tmp_path: Path) -> None:
    assert not _wal.is_broken(tmp_path / "s-wal", PAGE_SIZE)
    (tmp_path / "s-wal").write_bytes(b"x" * 31)
    assert not _wal.is_broken(tmp_path / "s-wal", PAGE_SIZE)
