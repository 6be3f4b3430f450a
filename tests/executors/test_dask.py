"""Jobs on two Dask workers of this machine, in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from dse.exceptions import InputError
from dse.executors import DaskExecutor, SerialExecutor, WorkersLost
from tests.executors.dask_cluster import started
from tests.executors.jobs import be_number, in_session, make, wait_until

distributed = pytest.importorskip("distributed")

@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with started(2, tmp_path_factory.mktemp("cluster")) as address_and_session:
        yield address_and_session


def job_processes(session: int) -> list[int]:
    return [pid for pid in in_session(session) if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_results_are_those_of_one_process(cluster: tuple[str, int]) -> None:
    payloads = [("square", x / 7) for x in range(30)] + [("raise", 1), ("nan", 0), ("none", 0)]
    with DaskExecutor(make, scheduler=cluster[0], check=be_number) as executor:
        there = sorted(executor.run(payloads), key=lambda s: s.index)
        assert len({s.worker for s in executor.run([("sleep", 0.2)] * 8)}) == 2
    here = list(SerialExecutor(make, check=be_number).run(payloads))
    assert [(s.index, s.payload, s.result, s.reason) for s in there] == [
        (s.index, s.payload, s.result, s.reason) for s in here
    ]
    assert wait_until(lambda: not job_processes(cluster[1]), 5)


def test_each_misbehaviour_costs_its_own_job_only(cluster: tuple[str, int]) -> None:
    payloads = [("square", x) for x in range(8)] + [("exit", 3), ("hang", 0), ("unreadable", 0), ("unsendable", 0)]
    payloads += [("square", 8), ("segfault", 0), ("square", 9)]
    with DaskExecutor(make, scheduler=cluster[0], timeout_s=1.5) as executor:
        settled = {s.payload: s for s in executor.run(payloads)}
    assert [settled["square", x].result for x in range(10)] == [x * x for x in range(10)]
    assert {kind: (s.reason, s.attempts) for (kind, _), s in settled.items() if kind != "square"} == {
        "exit": ("worker exited with code 3", 3),
        "segfault": ("worker killed by SIGSEGV", 3),
        "hang": ("timed out after 1.5 s", 1),
        "unreadable": ("the result cannot be read: ValueError: cannot be read", 1),
        "unsendable": ("the result cannot be sent: TypeError: cannot pickle 'generator' object", 1),
    }


def test_the_work_is_built_once_in_each_process(cluster: tuple[str, int]) -> None:
    def build() -> Callable[[int], tuple[int, int]]:
        built.append(1)
        return lambda x: (os.getpid(), len(built))

    built: list[int] = []
    with DaskExecutor(build, scheduler=cluster[0]) as executor:
        results = [s.result for _ in range(2) for s in executor.run(list(range(10)))]
    pids = {pid for pid, _ in results if pid}
    assert len(pids) <= 2 and {count for _, count in results} == {1}


def test_a_lost_dask_worker_loses_no_job(cluster: tuple[str, int], tmp_path: Path) -> None:
    payloads = [("square", x) for x in range(6)] + [("kill parent once", str(tmp_path / "flag"))]
    with DaskExecutor(make, scheduler=cluster[0]) as executor:
        settled = {s.index: s.result for s in executor.run(payloads)}
    assert settled == {**{x: x * x for x in range(6)}, 6: "second try"}


@pytest.mark.skipif(os.environ.get("DSE_HEAVY") != "1", reason="DSE_HEAVY=1")
def test_a_job_that_costs_dask_workers_is_failed(cluster: tuple[str, int]) -> None:
    with DaskExecutor(make, scheduler=cluster[0]) as executor:
        settled = {s.index: s for s in executor.run([("kill parent", 0), ("square", 2), ("square", 3)])}
    assert (settled[1].result, settled[2].result) == (4, 9)
    assert settled[0].reason == "4 Dask workers were lost, though it ran alone"


def test_what_is_given_up_is_stopped(cluster: tuple[str, int]) -> None:
    with distributed.Client(cluster[0], set_as_default=False) as client:
        client.wait_for_workers(2, timeout=30)  # after what the tests before have done to them
    with DaskExecutor(make, scheduler=cluster[0]) as executor:
        for _ in executor.run([("square", 2), ("hang", 0), ("hang", 0)]):
            with pytest.raises(RuntimeError, match="one sequence"):
                next(executor.run([("square", 3)]))
            break
        assert wait_until(lambda: not job_processes(cluster[1]), 5)
        assert [s.result for s in executor.run([("square", 5)])] == [25]


def test_a_lost_scheduler_ends_the_run(tmp_path: Path) -> None:
    with started(1, tmp_path) as (address, session):
        with DaskExecutor(make, scheduler=address) as executor, pytest.raises(WorkersLost, match="scheduler was lost"):
            for _ in executor.run([("square", 2), ("hang", 0)]):
                os.kill(session, signal.SIGKILL)
        assert wait_until(lambda: not job_processes(session), 5)


def test_a_factory_that_fails_is_the_callers_to_hear_of(cluster: tuple[str, int]) -> None:
    def mistaken() -> NoReturn:
        raise InputError("model.pt: no such file")

    def broken() -> NoReturn:
        raise OSError("disk on fire")

    with DaskExecutor(mistaken, scheduler=cluster[0]) as executor, pytest.raises(InputError, match="^model.pt: no such"):
        list(executor.run([1]))
    with DaskExecutor(broken, scheduler=cluster[0]) as executor, pytest.raises(WorkersLost, match="OSError: disk on fire$"):
        list(executor.run([1]))


def test_a_scheduler_without_workers_is_said(tmp_path: Path) -> None:
    with started(0, tmp_path) as (address, _):
        with pytest.raises(InputError, match=f"'{address}': it has no workers"):
            DaskExecutor(make, scheduler=address)


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:9", "nonsense", ""])
def test_no_scheduler_is_said_in_one_line(scheduler: str) -> None:
    with pytest.raises(InputError, match=f"^scheduler '{scheduler}': no Dask scheduler answers there [^\n]*$"):
        DaskExecutor(make, scheduler=scheduler)


def test_another_server_than_a_scheduler_is_said_in_one_line() -> None:
    def serve() -> None:
        with suppress(OSError), listener:
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
                    connection.recv(100)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        DaskExecutor(make, scheduler=f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
