"""Jobs in worker processes of this machine, under supervision."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.util import Finalize

from joblib import cpu_count
from joblib.externals.loky.backend.reduction import dumps

from dse.exceptions import InputError
from dse.executors._attempt import Outcome, describe, settle, worker_name
from dse.executors._types import Check, Executor, Factory, P, R, Settled, WorkersLost
from dse.executors._worker import Prepared
from dse.executors._worker_process import Job, WorkerProcess

STRIKES = 3  # workers a job may cost before it is failed
_LOST_AT_FIRST = 5  # workers in a row that ended while they were being prepared, when none ever was
_LOST_LATER = 50  # when some were: somebody may be killing them
_LOOK_EVERY_S = 0.5  # at processes whose pipe somebody else holds open
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class ProcessExecutor(Executor[P, R]):
    """Runs jobs in processes that may die.

    Every worker has one job at a time and a pipe of its own, so a worker that dies (killed, out of memory, crashed,
    exited) is known to have died of its job and takes nothing else with it. Such a job is tried again when all others
    have settled, alone, since it may have been the memory of its neighbours that killed it; at the third strike it is
    failed. A job that raises is failed at once, and so is one that exceeds the timeout: what hangs once hangs again.
    Its worker is killed and replaced.

    Workers share the cores: each computes with `cores / jobs` threads, unless the variables that say so
    (`OMP_NUM_THREADS`, ...) are set. They end with this process however it ends (`_orphans.py`) and leave Ctrl-C to it.

    Args:
        factory: Builds the work, once in every worker; sent once to each. Whatever cloudpickle can send will do.
        jobs: Workers.
        timeout_s: Longest time of a job, counted from when a worker that is ready gets it; None: no limit.
        check: Raises ValueError with one line when a result is none; called in this process.

    Raises:
        InputError: `jobs` or `timeout_s` is not positive, or the factory cannot be sent.
    """

    def __init__(
        self, factory: Factory[P, R], *, jobs: int, timeout_s: float | None = None, check: Check[R] | None = None
    ) -> None:
        if jobs < 1:
            raise InputError(f"jobs: expected at least 1, got {jobs}")
        check_timeout(timeout_s)
        try:
            self._factory: memoryview = dumps(factory)
        except Exception as error:
            raise InputError(f"the factory cannot be sent to a worker process: {describe(error)}") from error
        self._jobs, self._timeout_s, self._check = jobs, timeout_s, check
        self._lost, self._most_lost = 0, _LOST_AT_FIRST
        self._closed = self._running = False
        self._workers: list[WorkerProcess[P]] = []
        Finalize(self, _kill, (self._workers,), exitpriority=0)  # when the interpreter ends, before it waits for children

    def run(self, payloads: Sequence[P]) -> Iterator[Settled[P, R]]:
        """Yield every payload once, as it settles.

        Raises:
            InputError: The factory raised one in a worker.
            WorkersLost: The factory raised something else, killed five workers in a row, or the executor is closed.
        """
        if self._running:
            raise RuntimeError("an executor runs one sequence of jobs at a time")
        self._running = True
        fresh: deque[Job[P]] = deque()
        suspects: deque[Job[P]] = deque()
        try:
            for index, payload in enumerate(payloads):
                try:
                    fresh.append(Job(index, payload, dumps(payload)))
                except Exception as error:
                    reason = f"the job cannot be sent: {describe(error)}"
                    yield settle(index, payload, Outcome(None, reason, 0.0), worker_name(), attempts=0)
            while fresh or suspects or any(worker.job for worker in self._workers):
                self._dispatch(fresh, suspects)
                for worker in self._heard():
                    settled = self._hear(worker, suspects)
                    if settled is not None:
                        yield settled
        finally:
            self._running = False
            for worker in [worker for worker in self._workers if worker.job or not worker.name]:
                self._discard(worker)  # what was given up, or interrupted while it was started

    def close(self) -> None:
        """Kill the workers, whatever they do."""
        self._closed = True
        _kill(self._workers)

    def _dispatch(self, fresh: deque[Job[P]], suspects: deque[Job[P]]) -> None:
        """Give jobs to idle workers, and start the workers that are missing."""
        if self._closed:
            raise WorkersLost("the executor is closed")
        for worker in [worker for worker in self._workers if worker.prepared and not worker.job]:
            alone = not any(other.job for other in self._workers)
            queue = fresh or (suspects if alone else ())
            if not queue:
                break
            if worker.alive():
                worker.give(queue.popleft())
            else:
                self._discard(worker)
        wanted = len(fresh) + bool(suspects) - sum(not worker.job for worker in self._workers)
        for _ in range(min(wanted, self._jobs - len(self._workers))):
            self._start()

    def _start(self) -> None:
        try:
            worker: WorkerProcess[P] = WorkerProcess(self._environment())
            self._workers.append(worker)
            worker.start(self._factory)
        except OSError as error:  # no memory, no process, no descriptor
            raise WorkersLost(f"a worker could not be started: {describe(error)}") from error

    def _heard(self) -> list[WorkerProcess[P]]:
        """Wait until some workers have something to say, have ended, or have had their time."""
        patience = _LOOK_EVERY_S
        if self._timeout_s is not None:
            left = [self._timeout_s - worker.seconds for worker in self._workers if worker.job]
            patience = max(0.0, min([patience, *left]))
        ready = wait([worker.connection for worker in self._workers], patience)
        return [w for w in self._workers if w.connection in ready or self._overdue(w) or not w.alive()]

    def _hear(self, worker: WorkerProcess[P], suspects: deque[Job[P]]) -> Settled[P, R] | None:
        """Take a worker's answer, or its end; return what has settled by it."""
        answer = worker.answer()
        if answer is None:
            return self._bury(worker, suspects)
        if isinstance(answer, Prepared):
            self._welcome(worker, answer)
            return None
        job, worker.job = worker.job, None
        assert job is not None  # only jobs are answered
        return settle(job.index, job.payload, answer, worker.name, job.attempts, self._check)

    def _welcome(self, worker: WorkerProcess[P], answer: Prepared) -> None:
        if answer.reason is None:
            worker.prepared = True
            self._lost, self._most_lost = 0, _LOST_LATER
            return
        self._discard(worker)
        if answer.mistake:
            raise InputError(answer.reason)
        raise WorkersLost(f"a worker could not be prepared: {answer.reason}")

    def _bury(self, worker: WorkerProcess[P], suspects: deque[Job[P]]) -> Settled[P, R] | None:
        """Remove a worker that has ended or had its time; return its job if that has had its last strike."""
        job, seconds, overdue = worker.job, worker.seconds, self._overdue(worker)
        reason = f"timed out after {self._timeout_s:g} s" if overdue else worker.ending()
        self._discard(worker)
        if job is None:
            self._lost += not worker.prepared  # one that was ready is simply replaced
            if self._lost >= self._most_lost:
                raise WorkersLost(f"{self._lost} workers in a row ended while they were being prepared: {reason}")
            return None
        if not overdue and job.attempts < STRIKES:
            suspects.append(job)
            return None
        return settle(job.index, job.payload, Outcome(None, reason, seconds), worker.name, job.attempts)

    def _overdue(self, worker: WorkerProcess[P]) -> bool:
        return self._timeout_s is not None and worker.job is not None and worker.seconds >= self._timeout_s

    def _discard(self, worker: WorkerProcess[P]) -> None:
        worker.kill()
        if worker in self._workers:
            self._workers.remove(worker)

    def _environment(self) -> dict[str, str]:
        share = max(1, cpu_count() // self._jobs)
        return {name: str(share) for name in _THREADS if name not in os.environ}


def check_timeout(timeout_s: float | None) -> None:
    """Raise InputError unless a timeout is a positive number of seconds, or None."""
    if timeout_s is not None and not 0 < timeout_s < float("inf"):
        raise InputError(f"timeout_s: expected a positive number of seconds, got {timeout_s}")


def _kill(workers: list[WorkerProcess[P]]) -> None:
    while workers:
        workers.pop().kill()
