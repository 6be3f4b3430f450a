"""Processes that die at any moment, and processes that share a study. DSE_HEAVY=1 runs the full numbers (a minute)."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dse.store import StudyFile
from tests.store.samples import CONFIG, EVALUATOR, FIDELITY, HEAVY, MANIFEST, designs, evaluation_of, number_of
from tests.store.workers import ended, events, start, start_opening


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_acknowledged_is_lost_or_repeated_when_writers_are_killed(tmp_path: Path, workers: int) -> None:
    path, log = tmp_path / "s", tmp_path / "log"
    kills, count = (50, 6000) if HEAVY else (6, 1500)
    rng = np.random.default_rng(workers)
    StudyFile.create(path, CONFIG, MANIFEST).close()
    for _ in range(kills):
        processes = [start(path, log, count, batch=3) for _ in range(workers)]
        with ended(processes):
            before, more = sum(1 for _ in events(log)), int(rng.integers(1, 60))
            deadline = time.monotonic() + 60
            while sum(1 for _ in events(log)) < before + more and time.monotonic() < deadline and processes[0].is_alive():
                time.sleep(0.0005)
            processes[int(rng.integers(workers))].kill()
            time.sleep(rng.uniform(0, 0.02))  # the other one goes on for a moment
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        acknowledged = {number for what, number in events(log) if what == "acknowledged"}
        with StudyFile.open(path) as study:
            assert acknowledged <= {number_of(e.assignment) for e in study.evaluations()}
    assert len(acknowledged) < count, "the killing came too late to test anything"
    process = start(path, log, count, batch=100)
    with ended([process]):
        process.join(120)
        assert process.exitcode == 0
    _assert_settled_once(path, log, count, killed=kills * workers * 3)


def test_processes_that_share_a_study_do_each_design_once(tmp_path: Path) -> None:
    path, log = tmp_path / "s", tmp_path / "log"
    count = 1000 if HEAVY else 200
    StudyFile.create(path, CONFIG, MANIFEST).close()
    processes = [start(path, log, count, batch=4) for _ in range(8)]
    with ended(processes):
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * 8  # no lock error among others
    _assert_settled_once(path, log, count, killed=0)
    begun = Counter(number for what, number in events(log) if what == "begun")
    assert set(begun.values()) == {1}


def test_the_last_to_close_does_not_disturb_the_next_to_open(tmp_path: Path) -> None:
    each = 60 if HEAVY else 6
    StudyFile.create(tmp_path / "s", CONFIG, MANIFEST).close()
    processes = [start_opening(tmp_path / "s", i * each, each) for i in range(8)]
    with ended(processes):
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * 8
    with StudyFile.open(tmp_path / "s") as study:
        assert study.lookup(designs(8 * each), FIDELITY, EVALUATOR) == [evaluation_of(i) for i in range(8 * each)]


def _assert_settled_once(path: Path, log: Path, count: int, killed: int) -> None:
    """The table is that of a run without kills; only what was in flight when a process died was begun again."""
    with StudyFile.open(path) as study:
        assert study.lookup(designs(count), FIDELITY, EVALUATOR) == [evaluation_of(i) for i in range(count)]
        assert study.counts()[FIDELITY].running == 0
    done: set[int] = set()
    begun = 0
    for what, number in events(log):
        assert what == "acknowledged" or number not in done, f"design {number} was begun again"
        done.update({number} if what == "acknowledged" else ())
        begun += what == "begun"
    assert count <= begun <= count + killed
