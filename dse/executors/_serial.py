"""Jobs in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dse.executors._attempt import attempt, settle, worker_name
from dse.executors._types import Check, Executor, Factory, P, R, Settled


class SerialExecutor(Executor[P, R]):
    """Runs every job in this process, in order.

    What a job raises becomes its failure; KeyboardInterrupt and SystemExit pass through. A job cannot be stopped, so
    there is no timeout, and one that kills its process kills this one: `open_executor` takes a worker process where a
    timeout is asked for.

    Args:
        factory: Builds the work, at the first job.
        check: Raises ValueError with one line when a result is none.
    """

    def __init__(self, factory: Factory[P, R], *, check: Check[R] | None = None) -> None:
        self._factory, self._check = factory, check
        self._work: Callable[[P], R] | None = None

    def run(self, payloads: Sequence[P]) -> Iterator[Settled[P, R]]:
        """Yield every payload once, in order; what the factory raises passes through."""
        name = worker_name()
        for index, payload in enumerate(payloads):
            if self._work is None:
                self._work = self._factory()
            yield settle(index, payload, attempt(self._work, payload), name, check=self._check)

    def close(self) -> None:
        """Let go of the work; another `run` would build it again."""
        self._work = None
