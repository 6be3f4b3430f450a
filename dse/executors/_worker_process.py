"""A worker process as its supervisor sees it: start it, talk to it, end it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Generic

from joblib.externals.loky.backend import get_context
from joblib.externals.loky.backend.reduction import loads

from dse.executors._attempt import Outcome, describe, worker_name
from dse.executors._types import P
from dse.executors._worker import Prepared, serve

_LAST_BREATH_S = 1.0  # from a closed pipe to the end of the process that held it


@dataclass
class Job(Generic[P]):
    """A payload on its way."""

    index: int
    payload: P
    packed: memoryview  # as it is sent
    attempts: int = 0


class WorkerProcess(Generic[P]):
    """One process, started by loky: a new interpreter, which needs no `if __name__ == "__main__"` in the caller's script.

    It is started by a method of its own, so that a supervisor that is interrupted there knows it already and ends it.

    Args:
        environment: Variables it has beside this process's own, set before it imports anything.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        context = get_context("loky")
        self.connection, self._theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(self._theirs, os.getpid()), env=environment)
        self.name = ""  # until it has been started and told what to build
        self.prepared = False
        self.job: Job[P] | None = None
        self._since = 0.0

    def start(self, factory: memoryview) -> None:
        """Start the process and send it what builds the work, packed."""
        with _without_ctrl_c(), _as_no_daemon():
            self._process.start()
        self._theirs.close()  # so that the pipe ends when the worker does
        self._send(factory)
        self.name = worker_name(self._process.pid)

    def give(self, job: Job[P]) -> None:
        """Start a job."""
        job.attempts += 1
        self.job, self._since = job, time.monotonic()
        self._send(job.packed)

    @property
    def seconds(self) -> float:
        """How long it has been working at its job."""
        return time.monotonic() - self._since

    def answer(self) -> Outcome[Any] | Prepared | None:
        """Return what it has said, or None when it has said nothing or will say nothing more."""
        try:
            if not self.connection.poll():
                return None
            data = self.connection.recv_bytes()
        except (EOFError, OSError):
            return None
        try:
            return loads(data)
        except Exception as error:
            return Outcome(None, f"the result cannot be read: {describe(error)}", self.seconds)

    def alive(self) -> bool:
        """Return whether the process exists."""
        return bool(self._process.is_alive())

    def ending(self) -> str:
        """Return how a process ended whose pipe has, killing it when only the pipe has."""
        self._process.join(_LAST_BREATH_S)
        if self.alive():
            return "worker closed its pipe"
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"worker killed by {_signal_name(-code)}"
        return f"worker exited with code {code}"

    def kill(self) -> None:
        """End it and what it has started, now."""
        if self._process.pid is not None:
            with suppress(ProcessLookupError):  # no group of its own yet, or not any more
                os.killpg(self._process.pid, signal.SIGKILL)
            if self.alive():
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
        self._theirs.close()
        self.connection.close()

    def _send(self, packed: memoryview) -> None:
        with suppress(OSError):  # it has ended, which is noticed where its answer is awaited
            self.connection.send_bytes(packed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that leave Ctrl-C to this one, from their first moment; here it is only put off."""
    resource_tracker.ensure_running()  # it would let the signal through again when it is started with the first of them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _as_no_daemon() -> Iterator[None]:
    """Let a daemon of multiprocessing's, as a Dask worker is one, have children: `end_with_parent` ends them with it."""
    config: dict[str, Any] = vars(multiprocessing.current_process())["_config"]
    before = config.pop("daemon", None)
    try:
        yield
    finally:
        if before is not None:
            config["daemon"] = before
