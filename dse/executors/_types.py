"""What an executor is given, what it gives back, and the interface all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, TypeAlias, TypeVar

from dse.exceptions import RunError

P = TypeVar("P")  # payload
R = TypeVar("R")  # result

Factory: TypeAlias = Callable[[], Callable[[P], R]]
Check: TypeAlias = Callable[[R], None]


class WorkersLost(RunError):
    """There are no workers to run anything on, whatever the job; the message is one line."""


@dataclass(frozen=True)
class Settled(Generic[P, R]):
    """What became of one payload.

    Attributes:
        index: Its position in what `run` was given.
        payload: The payload itself, not a copy.
        result: What the work returned; None when it failed.
        reason: One line saying why it failed; None when it did not.
        seconds: Wall-clock time of the last attempt, without sending and waiting.
        worker: `host:pid` of the process that made the last attempt, `(gone)` where it is not known any more.
        attempts: How often it was started.
    """

    index: int
    payload: P
    result: R | None
    reason: str | None
    seconds: float
    worker: str
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.reason is None


class Executor(Protocol[P, R]):
    """Runs jobs and survives them. One `run` at a time; use it as a context manager, or call `close`."""

    def run(self, payloads: Sequence[P]) -> Iterator[Settled[P, R]]:
        """Yield every payload exactly once, as it settles: in any order, so sort by `index` where order matters.

        An iterator that is given up stops what it has started.

        Raises:
            InputError: The factory says that something handed in is wrong.
            WorkersLost: Workers cannot be started or reached.
        """
        ...

    def close(self) -> None:
        """Stop everything at once, running jobs too."""
        ...

    def __enter__(self) -> Executor[P, R]:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()
