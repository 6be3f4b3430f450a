"""Jobs on several machines: Dask carries them there, and on each the supervisor of worker processes runs them."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dse.exceptions import InputError
from dse.executors._attempt import Outcome, describe, settle
from dse.executors._process import ProcessExecutor, check_timeout
from dse.executors._types import Check, Executor, Factory, P, R, Settled, WorkersLost

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 4.0  # to the scheduler, and again for the first worker


@dataclass(frozen=True)
class Parcel:
    """What a Dask worker needs once; it stays in its memory."""

    token: str
    factory: Factory[Any, Any]
    timeout_s: float | None


class DaskExecutor(Executor[P, R]):
    """Runs jobs on the workers of a Dask scheduler, each of which needs this package and what the factory reads.

    A thread of a Dask worker keeps one `ProcessExecutor` with one process, so what that one says of dying workers,
    strikes and timeouts holds here too, and a job never takes the Dask worker with it. `dask worker --nthreads N` runs N
    jobs at a time. What befalls a Dask worker or its machine is the scheduler's to repair: the jobs there are run
    elsewhere, and failed when several workers (`distributed.scheduler.allowed-failures`) were lost with them. Without
    any worker jobs wait for one to come. Threads per job are those of the Dask worker's environment, by default one.

    joblib's Dask backend was not taken: its generator ends at the first job that a lost worker has failed, and the rest
    of the results with it.

    Args:
        factory: Builds the work, once in every process; sent once to each Dask worker.
        scheduler: Its address, such as `tcp://host:8786`.
        timeout_s: Longest time of a job; None: no limit.
        check: Raises ValueError with one line when a result is none; called in this process.

    Raises:
        InputError: The extra is not installed, or within 10 s no scheduler answers or none of its workers is there.
    """

    def __init__(
        self, factory: Factory[P, R], *, scheduler: str, timeout_s: float | None = None, check: Check[R] | None = None
    ) -> None:
        check_timeout(timeout_s)
        self._client = _connect(scheduler)
        self._check = check
        self._parcel = Parcel(uuid.uuid4().hex, factory, timeout_s)

    def run(self, payloads: Sequence[P]) -> Iterator[Settled[P, R]]:
        """Yield every payload once, as it settles.

        Raises:
            InputError: The factory raised one in a worker.
            WorkersLost: The factory raised something else, or the scheduler is gone.
        """
        from distributed import as_completed

        waiting = deque(enumerate(payloads))
        running: dict[Future, int] = {}
        settled = as_completed(loop=self._client.loop)
        # A task of its own, which the scheduler runs again where the workers that had it are lost
        parcel = self._client.submit(_keep, self._parcel, key=f"dse-{self._parcel.token}")
        try:
            while waiting or running:
                for _ in range(min(len(waiting), self._slots() - len(running))):
                    index, payload = waiting.popleft()
                    future = self._client.submit(_perform, parcel, payload, pure=False)
                    running[future] = index
                    settled.add(future)
                future = next(settled)
                index = running.pop(future)
                yield self._settle(index, payloads[index], future)
        finally:
            if running:
                self._abandon(list(running))

    def close(self) -> None:
        """Kill the processes that were started for this executor, whatever they do, and leave the scheduler."""
        if self._client.status == "running":
            with suppress(Exception):  # a scheduler that is gone has nothing to be told
                self._client.run(_forget, self._parcel.token, on_error="ignore")
        self._client.close(timeout=1)

    def _slots(self) -> int:
        """Return how many jobs can run now: no more are handed out, lest a lost worker be held against others."""
        return max(1, sum(self._client.nthreads().values()))

    def _settle(self, index: int, payload: P, future: Future) -> Settled[P, R]:
        from distributed.scheduler import KilledWorker

        if future.cancelled():
            raise WorkersLost("the connection to the scheduler was lost")
        error = future.exception()
        if error is None:
            there: Settled[P, R] = future.result()
            outcome = Outcome(there.result, there.reason, there.seconds)
            return settle(index, payload, outcome, there.worker, there.attempts, self._check)
        if isinstance(error, KilledWorker):
            attempts = error.allowed_failures + 1
            return settle(index, payload, Outcome(None, f"{attempts} Dask workers were lost", 0.0), "(gone)", attempts)
        if isinstance(error, InputError | WorkersLost):
            raise error
        return settle(index, payload, Outcome(None, describe(error), 0.0), "(gone)")

    def _abandon(self, futures: list[Future]) -> None:
        with suppress(Exception):
            self._client.cancel(futures, force=True)
            self._client.run(_forget, self._parcel.token, on_error="ignore")


def _connect(scheduler: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("running on several machines needs Dask: pip install 'dse[dask]'") from error
    try:
        client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"scheduler '{scheduler}': nothing answers; expected an address such as tcp://host:8786") from error
    try:
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except TimeoutError as error:
        client.close(timeout=1)
        raise InputError(f"scheduler '{scheduler}': it has no workers; start some: dask worker {scheduler}") from error
    return client


# What follows runs in Dask workers.

_kept: dict[int, tuple[str, ProcessExecutor[Any, Any]]] = {}  # by thread


def _keep(parcel: Parcel) -> Parcel:
    return parcel


def _perform(parcel: Parcel, payload: P) -> Settled[P, Any]:
    """Run one job in this thread's process, which is started first where it belongs to another executor."""
    thread = threading.get_ident()
    token, executor = _kept.get(thread, ("", None))
    if executor is None or token != parcel.token:
        if executor is not None:
            executor.close()
        executor = ProcessExecutor(parcel.factory, jobs=1, timeout_s=parcel.timeout_s)
        _kept[thread] = (parcel.token, executor)
    (settled,) = executor.run([payload])
    return settled


def _forget(token: str) -> None:
    """Kill the processes of one executor, in all threads."""
    for thread, (kept, executor) in list(_kept.items()):
        if kept == token:
            del _kept[thread]
            executor.close()
