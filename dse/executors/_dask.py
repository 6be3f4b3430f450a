"""Jobs on several machines: Dask carries them there, and on each the supervisor of worker processes runs them."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dse.exceptions import InputError
from dse.executors._attempt import Outcome, describe, settle
from dse.executors._process import ProcessExecutor, check_timeout
from dse.executors._types import Check, Executor, Factory, P, R, Settled, WorkersLost

if TYPE_CHECKING:
    from distributed import Client, Future

_NO_SCHEDULER = "the connection to the Dask scheduler was lost"
_CONNECT_S = 4.0  # to the scheduler, and again for the first worker


@dataclass(frozen=True)
class Parcel:
    """What a Dask worker needs once; it stays in its memory."""

    token: str
    factory: Factory[Any, Any]
    timeout_s: float | None


class DaskExecutor(Executor[P, R]):
    """Runs jobs on the workers of a Dask scheduler, each of which needs this package and what the factory reads.

    A thread of a Dask worker keeps one `ProcessExecutor` with one process, so what that one says of dying workers, strikes
    and timeouts holds here too, and a job never takes the Dask worker with it. `dask worker --nthreads N` runs N jobs at a
    time. What befalls a Dask worker or its machine is the scheduler's to repair: the jobs there are run elsewhere. Those
    with which several workers were lost (`distributed.scheduler.allowed-failures`) run again alone, when all others have
    settled, and are failed when as many are lost again. Without any worker jobs wait for one to come. Threads per job are
    those of the Dask worker's environment, by default one.

    joblib's Dask backend was tried first: with a job that ends its worker each time (joblib 1.6.0, unordered generator) the
    39 others came, and then the generator neither ended nor raised.

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
        self._run = ""  # the one in progress

    def run(self, payloads: Sequence[P]) -> Iterator[Settled[P, R]]:
        """Yield every payload once, as it settles.

        Raises:
            InputError: The factory raised one in a worker.
            WorkersLost: The factory raised something else, or the scheduler is gone.
        """
        from distributed import as_completed

        if self._run:
            raise RuntimeError("an executor runs one sequence of jobs at a time")
        self._run = uuid.uuid4().hex
        waiting = deque(enumerate(payloads))
        suspects: deque[tuple[int, P]] = deque()
        accused: set[int] = set()
        running: dict[Future, int] = {}
        settled = as_completed(loop=self._client.loop)
        try:
            # A task of its own, which the scheduler runs again where the workers that had it are lost
            parcel = self._client.submit(_keep, self._parcel, key=f"dse-{self._parcel.token}")
            while waiting or running or suspects:
                if not waiting and not running:
                    waiting.append(suspects.popleft())  # alone, because what shares a lost worker shares the blame
                for _ in range(min(len(waiting), self._slots() - len(running))):
                    index, payload = waiting.popleft()
                    future = self._client.submit(_perform, parcel, self._run, payload, pure=False)
                    running[future] = index
                    settled.add(future)
                future = next(settled)
                index = running.pop(future)
                if index not in accused and _cost_workers(future):
                    accused.add(index)
                    suspects.append((index, payloads[index]))
                    continue
                yield self._settle(index, payloads[index], future)
        finally:
            if running:
                self._stop(list(running))
            self._run = ""

    def close(self) -> None:
        """Kill the processes that were started for this executor, whatever they do, and leave the scheduler."""
        if self._client.status == "running":
            self._stop([])
        self._client.close(timeout=1)

    def _slots(self) -> int:
        """Return how many jobs can run now: no more are handed out, lest a lost worker be held against others."""
        try:
            return max(1, sum(self._client.nthreads().values()))
        except OSError as error:
            raise WorkersLost(_NO_SCHEDULER) from error

    def _settle(self, index: int, payload: P, future: Future) -> Settled[P, R]:
        from distributed.scheduler import KilledWorker

        if future.cancelled():
            raise WorkersLost(_NO_SCHEDULER)
        try:
            there: Settled[P, R] = future.result()
        except KilledWorker as error:
            attempts = error.allowed_failures + 1  # and as many before
            reason = f"{attempts} Dask workers were lost, though it ran alone"
            return settle(index, payload, Outcome(None, reason, 0.0), "(gone)", 2 * attempts)
        except (InputError, WorkersLost):
            raise
        except Exception as error:
            return settle(index, payload, Outcome(None, describe(error), 0.0), "(gone)")
        outcome = Outcome(there.result, there.reason, there.seconds)
        return settle(index, payload, outcome, there.worker, there.attempts, self._check)

    def _stop(self, futures: list[Future]) -> None:
        with suppress(Exception):  # a scheduler that is gone has nothing to be told
            self._client.cancel(futures, force=True)
            self._client.run(_forget, self._parcel.token, self._run, on_error="ignore")


def _cost_workers(future: Future) -> bool:
    from distributed.scheduler import KilledWorker

    return future.status == "error" and isinstance(future.exception(), KilledWorker)


def _connect(scheduler: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("running on several machines needs Dask: pip install 'dse[dask]'") from error
    try:
        with ThreadPoolExecutor(1) as thread:  # an event loop of its own, wherever this is called
            thread.submit(lambda: asyncio.run(_dial(scheduler))).result()
        client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except Exception as error:  # whatever answers there, and in whatever language
        raise InputError(f"scheduler '{scheduler}': no Dask scheduler answers there (tcp://host:8786 is one)") from error
    try:
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except TimeoutError as error:
        client.close(timeout=1)
        raise InputError(f"scheduler '{scheduler}': it has no workers; start some: dask worker {scheduler}") from error
    return client


async def _dial(scheduler: str) -> None:
    """Ask a scheduler who it is; a client that fails to connect would be noisy about it, and slow to give up."""
    from distributed import rpc

    async with rpc(scheduler, timeout=_CONNECT_S) as remote:
        await asyncio.wait_for(remote.identity(), _CONNECT_S)


# What follows runs in Dask workers.

_kept: dict[int, tuple[str, ProcessExecutor[Any, Any]]] = {}  # by thread
_stopped: set[str] = set()  # runs that were given up


def _keep(parcel: Parcel) -> Parcel:
    return parcel


def _perform(parcel: Parcel, run: str, payload: P) -> Settled[P, Any]:
    """Run one job in this thread's process, which is started first where it belongs to another executor."""
    thread = threading.get_ident()
    token, executor = _kept.get(thread, ("", None))
    if executor is None or token != parcel.token:
        if executor is not None:
            executor.close()
        executor = ProcessExecutor(parcel.factory, jobs=1, timeout_s=parcel.timeout_s)
        _kept[thread] = (parcel.token, executor)
    if run in _stopped:  # asked only now, so that `_forget` has either been here or finds the executor
        raise WorkersLost("the run was given up")
    (settled,) = executor.run([payload])
    return settled


def _forget(token: str, run: str) -> None:
    """Stop a run, and kill the processes of its executor in all threads."""
    _stopped.add(run)
    for thread, (kept, executor) in list(_kept.items()):
        if kept == token:
            del _kept[thread]
            executor.close()
