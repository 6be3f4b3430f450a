"""One attempt at one job: an exception becomes a reason, a result is checked."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from dse.exceptions import one_line
from dse.executors._types import Check, P, R, Settled

_LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What an attempt came to, as it travels from the worker."""

    result: R | None
    reason: str | None
    seconds: float


def attempt(work: Callable[[P], R], payload: P) -> Outcome[R]:
    """Call `work`; whatever it raises is the reason of a failure, but for KeyboardInterrupt and SystemExit."""
    start = time.perf_counter()
    result: R | None = None
    reason = None
    try:
        result = work(payload)
    except Exception as error:
        reason = describe(error)
    return Outcome(result, reason, time.perf_counter() - start)


def settle(
    index: int, payload: P, outcome: Outcome[R], worker: str, attempts: int = 1, check: Check[R] | None = None
) -> Settled[P, R]:
    """Return what became of a payload, failed also where `check` refuses the result."""
    result, reason = outcome.result, outcome.reason
    if reason is None and check is not None:
        reason = _refusal(check, result)
    if reason is not None:
        result = None
    return Settled(index, payload, result, reason, outcome.seconds, worker, attempts)


def describe(error: BaseException) -> str:
    """Return an exception's type and message in one line of bounded length."""
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:_LONGEST_REASON]


def worker_name(pid: int | None = None) -> str:
    """Return `host:pid` of a process of this machine, by default of this one."""
    return f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"


def _refusal(check: Check[R], result: R | None) -> str | None:
    try:
        check(result)  # type: ignore[arg-type]  # a result of None is a result
    except ValueError as error:
        return one_line(error)[:_LONGEST_REASON]
    except Exception as error:  # a check that trips over what it was given
        return describe(error)
    return None
