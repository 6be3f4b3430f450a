"""Jobs in worker processes that are killed, crash, hang and lie, for real."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dse.exceptions import InputError
from dse.executors import ProcessExecutor, Settled, WorkersLost
from dse.executors._worker_process import WorkerProcess
from tests.executors.jobs import Unreadable, be_number, exists, make, wait_until, workers_of

HEAVY = os.environ.get("DSE_HEAVY") == "1"


def in_order(settled: list[Settled[Any, Any]]) -> list[Settled[Any, Any]]:
    ordered = sorted(settled, key=lambda s: s.index)
    assert [s.index for s in ordered] == list(range(len(ordered)))
    return ordered


def test_each_misbehaviour_costs_its_own_job_only() -> None:
    bad = {
        "raise": (1, "ValueError: line 1 and more", 1),
        "nan": (0, "expected a finite number, got nan", 1),
        "none": (0, "expected a number, got NoneType", 1),
        "complex": (0, "expected a number, got complex", 1),
        "memory": (0, "MemoryError", 1),
        "hang": (0, "timed out after 1.5 s", 1),
        "hang in C": (0, "timed out after 1.5 s", 1),
        "unreadable": (0, "the result cannot be read: ValueError: cannot be read", 1),
        "unsendable": (0, "the result cannot be sent: TypeError: cannot pickle 'generator' object", 1),
        "exit": (137, "worker exited with code 137", 3),
        "sysexit": (5, "worker exited with code 5", 3),
        "kill": (signal.SIGKILL, "worker killed by SIGKILL", 3),
        "segfault": (0, "worker killed by SIGSEGV", 3),
    }
    payloads: list[tuple[str, Any]] = [("square", x) for x in range(13 * 9)]
    for place, (kind, (argument, _, _)) in enumerate(bad.items()):
        payloads.insert(place * 10 + 5, (kind, argument))  # one in ten
    with ProcessExecutor(make, jobs=2, timeout_s=1.5, check=be_number) as executor:
        settled = in_order(list(executor.run(payloads)))
    assert len(settled) == len(payloads)
    for payload, outcome in zip(payloads, settled, strict=True):
        assert outcome.payload is payload
        if payload[0] == "square":
            assert (outcome.result, outcome.reason, outcome.attempts) == (payload[1] ** 2, None, 1)
        else:
            assert (outcome.result, outcome.reason, outcome.attempts) == (None, *bad[payload[0]][1:])
            assert "\n" not in (outcome.reason or "") and outcome.worker


@pytest.mark.parametrize("kills", [5, pytest.param(25, marks=pytest.mark.skipif(not HEAVY, reason="DSE_HEAVY=1"))])
def test_workers_killed_at_random_lose_nothing(kills: int) -> None:
    payloads = [("sleep", 0.05 + x / 1e6) for x in range(20 * kills)]
    rng = random.Random(kills)
    first, done = threading.Event(), threading.Event()
    killed: list[int] = []

    def kill() -> None:
        first.wait(60)
        while len(killed) < kills and not done.wait(rng.uniform(0.1, 0.6)):
            if workers := workers_of(os.getpid()):
                killed.append(rng.choice(workers))
                os.kill(killed[-1], signal.SIGKILL)

    with ProcessExecutor(make, jobs=2) as executor:
        killer = threading.Thread(target=kill)
        killer.start()
        settled = []
        for job in executor.run(payloads):
            settled.append(job)
            first.set()
        done.set()
        killer.join()
    assert len(killed) == kills
    settled = in_order(settled)
    assert [s.result for s in settled] == [seconds for _, seconds in payloads]
    assert sum(s.attempts - 1 for s in settled) <= kills


def test_a_job_that_was_killed_once_is_tried_again_at_the_end(tmp_path: Path) -> None:
    with ProcessExecutor(make, jobs=2) as executor:
        settled = list(executor.run([("die once", str(tmp_path / "flag"))] + [("square", x) for x in range(10)]))
    assert (settled[-1].index, settled[-1].result, settled[-1].attempts) == (0, "second try", 2)


def test_idle_workers_that_are_killed_are_no_jobs_fault() -> None:
    with ProcessExecutor(make, jobs=2) as executor:
        before = {s.result for s in executor.run([("pid", 0)] * 8)}
        for pid in workers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not any(exists(pid) for pid in before), 20)
        after = list(executor.run([("pid", 0)] * 8))
    assert {s.attempts for s in after} == {1}
    assert not before & {s.result for s in after}


def test_a_timeout_ends_what_the_job_has_started(tmp_path: Path) -> None:
    with ProcessExecutor(make, jobs=1, timeout_s=1) as executor:
        (settled,) = executor.run([("hang with child", str(tmp_path / "pid"))])
        assert settled.reason == "timed out after 1 s"
        assert settled.seconds >= 1
        assert wait_until(lambda: not exists(int((tmp_path / "pid").read_text())), 5)


def test_building_the_work_does_not_count_as_time() -> None:
    def slow() -> Callable[[int], int]:
        time.sleep(1.5)
        return abs

    with ProcessExecutor(slow, jobs=1, timeout_s=1) as executor:
        assert [s.result for s in executor.run([-1])] == [1]


def test_the_work_is_built_once_in_each_worker() -> None:
    def build() -> Callable[[int], tuple[int, int]]:
        built.append(1)
        return lambda x: (os.getpid(), len(built))

    built: list[int] = []
    with ProcessExecutor(build, jobs=2) as executor:
        results = [s.result for _ in range(3) for s in executor.run(list(range(10)))]
    pids = {pid for pid, _ in results if pid}
    assert len(pids) <= 2 and {count for _, count in results} == {1}


def test_large_results_come_whole() -> None:
    with ProcessExecutor(make, jobs=2) as executor:
        assert {len(s.result) for s in executor.run([("large", 5_000_000)] * 4)} == {5_000_000}


def test_what_is_given_up_is_stopped_and_not_mixed_up() -> None:
    with ProcessExecutor(make, jobs=2) as executor:
        for settled in executor.run([("square", 2), ("hang", 0), ("square", 3)]):
            assert settled.result in (4, 9)
            break
        assert sorted(s.result for s in executor.run([("square", 5), ("square", 6)])) == [25, 36]


def test_one_run_at_a_time_and_none_after_the_end() -> None:
    executor = ProcessExecutor(make, jobs=1)
    first = executor.run([("square", 1), ("square", 2)])
    next(first)
    with pytest.raises(RuntimeError, match="one sequence"):
        next(executor.run([("square", 1)]))
    executor.close()
    with pytest.raises(WorkersLost, match="closed"):
        list(first)
    assert not workers_of(os.getpid())


def test_closing_does_not_wait_for_jobs() -> None:
    executor = ProcessExecutor(make, jobs=2)
    running = executor.run([("square", 1), ("hang", 0)])
    next(running)
    workers = workers_of(os.getpid())
    executor.close()
    assert workers and not any(exists(pid) for pid in workers)


@pytest.mark.parametrize(("error", "seen"), [(KeyboardInterrupt, KeyboardInterrupt), (OSError, WorkersLost)])
def test_a_worker_whose_start_is_interrupted_does_not_stay(
    error: type[BaseException], seen: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    with ProcessExecutor(make, jobs=1) as executor:
        with monkeypatch.context() as patched, pytest.raises(seen) as caught:
            patched.setattr(WorkerProcess, "_send", fail)
            list(executor.run([("square", 1)]))
        assert caught.value is not None and not workers_of(os.getpid())  # though the exception holds its frames
        assert [s.result for s in executor.run([("square", 2)])] == [4]


def test_a_process_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with ProcessExecutor(make, jobs=2) as executor:
        with monkeypatch.context() as patched, pytest.raises(WorkersLost, match="could not be started: BlockingIOError"):
            patched.setattr("joblib.externals.loky.backend.popen_loky_posix.Popen._launch", fail)
            list(executor.run([("square", 1)]))
        assert [s.result for s in executor.run([("square", 2)])] == [4]


def test_an_executor_that_is_forgotten_leaves_no_process() -> None:
    executor = ProcessExecutor(make, jobs=2)
    list(executor.run([("square", 1)] * 4))
    assert workers_of(os.getpid())
    del executor
    assert wait_until(lambda: not workers_of(os.getpid()), 5)


def test_a_factory_that_fails_is_the_callers_to_hear_of() -> None:
    def mistaken() -> NoReturn:
        raise InputError("model.pt: no such file")

    def broken() -> NoReturn:
        raise OSError("disk\non fire")

    with ProcessExecutor(mistaken, jobs=2) as executor, pytest.raises(InputError, match="^model.pt: no such file$"):
        list(executor.run([1]))
    with ProcessExecutor(broken, jobs=2) as executor, pytest.raises(WorkersLost, match="OSError: disk on fire$"):
        list(executor.run([1]))
    with ProcessExecutor(lambda: os._exit(9), jobs=2) as executor, pytest.raises(WorkersLost, match="exited with code 9"):
        list(executor.run([1, 2, 3]))
    assert not workers_of(os.getpid())


def test_what_cannot_be_sent_or_read_is_said() -> None:
    with ProcessExecutor(lambda: type, jobs=1) as executor:
        sent, read, good = in_order(list(executor.run([(x for x in ()), Unreadable(), 1])))
    assert sent.reason == "the job cannot be sent: TypeError: cannot pickle 'generator' object"
    assert (sent.attempts, read.reason, good.result) == (0, "ValueError: cannot be read", int)
    with pytest.raises(InputError, match="the factory cannot be sent"):
        ProcessExecutor((x for x in ()), jobs=1)  # type: ignore[arg-type]


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.executors._process.cpu_count", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    with ProcessExecutor(make, jobs=2) as executor:
        settled = in_order(list(executor.run([("environment", "OMP_NUM_THREADS"), ("environment", "MKL_NUM_THREADS")])))
    assert [s.result for s in settled] == ["3", "5"]
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("jobs", [0, -1])
def test_there_is_at_least_one_worker(jobs: int) -> None:
    with pytest.raises(InputError, match="jobs: expected at least 1"):
        ProcessExecutor(make, jobs=jobs)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_positive_time(timeout_s: float) -> None:
    with pytest.raises(InputError, match="timeout_s: expected a positive number"):
        ProcessExecutor(make, jobs=1, timeout_s=timeout_s)
