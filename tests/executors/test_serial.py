"""Jobs in this process."""

from __future__ import annotations

import os

import pytest

from dse.executors import SerialExecutor
from tests.executors.jobs import be_number, make


def test_jobs_settle_in_order_in_this_process() -> None:
    with SerialExecutor(make) as executor:
        settled = list(executor.run([("square", 2), ("raise", 1), ("pid", 0)]))
    assert [s.index for s in settled] == [0, 1, 2]
    assert [s.result for s in settled] == [4, None, os.getpid()]
    assert [s.reason for s in settled] == [None, "ValueError: line 1 and more", None]
    assert {s.attempts for s in settled} == {1}
    assert all(s.worker.endswith(f":{os.getpid()}") for s in settled)


def test_results_are_checked() -> None:
    (settled,) = SerialExecutor(make, check=be_number).run([("nan", 0)])
    assert settled.reason == "expected a finite number, got nan"


def test_the_work_is_built_once_and_only_when_needed() -> None:
    built = []
    executor = SerialExecutor(lambda: built.append(1) or abs)
    assert not list(executor.run([])) and not built
    assert [s.result for s in executor.run([-1, -2])] == [1, 2]
    assert [s.result for s in executor.run([-3])] == [3]
    assert len(built) == 1


def test_exit_passes_through() -> None:
    with pytest.raises(SystemExit):
        list(SerialExecutor(make).run([("sysexit", 3)]))
