"""Choose an executor by what is asked of it."""

from __future__ import annotations

from dse.exceptions import InputError
from dse.executors._dask import DaskExecutor
from dse.executors._process import ProcessExecutor
from dse.executors._serial import SerialExecutor
from dse.executors._types import Check, Executor, Factory, P, R


def open_executor(
    factory: Factory[P, R],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    timeout_s: float | None = None,
    check: Check[R] | None = None,
) -> Executor[P, R]:
    """Return the executor for so many jobs at a time; all give the same results.

    Args:
        factory: Builds the work: `factory()(payload)` is a result. It, payloads and results are sent between processes
            and must be small, but for one job in this process.
        jobs: How many at a time on this machine. One runs in this process, or in one worker process where a timeout is
            asked for, which cannot be kept otherwise.
        scheduler: Address of a Dask scheduler (extra `[dask]`), whose workers say how many jobs run at a time.
        timeout_s: Longest time of a job; what takes longer is failed.
        check: Raises ValueError with one line when a result is none; the job is then failed with it.

    Raises:
        InputError: An argument is out of range, jobs and a scheduler are both given, or the scheduler cannot be used.
    """
    if scheduler is not None:
        if jobs != 1:
            raise InputError(f"jobs: expected 1 beside a scheduler, whose workers say how many run at a time, got {jobs}")
        return DaskExecutor(factory, scheduler=scheduler, timeout_s=timeout_s, check=check)
    if jobs == 1 and timeout_s is None:
        return SerialExecutor(factory, check=check)
    return ProcessExecutor(factory, jobs=jobs, timeout_s=timeout_s, check=check)
