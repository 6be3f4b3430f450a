"""What runs in a worker process: build the work once, then do what comes through the pipe."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from joblib.externals.loky.backend.reduction import dumps, loads

from dse.exceptions import InputError, one_line
from dse.executors._attempt import Outcome, attempt, describe
from dse.executors._orphans import end_with_parent


@dataclass(frozen=True)
class Prepared:
    """The first thing a worker says: whether it could build the work."""

    reason: str | None = None
    mistake: bool = False  # the caller's, an InputError


def serve(connection: Connection, parent: int) -> None:
    """Read the factory, then payloads, and answer each, until the other end closes.

    Args:
        connection: To the supervisor.
        parent: Its process.
    """
    end_with_parent(parent)
    os.setpgid(0, 0)  # so that what a job has started can be killed with this process
    with suppress(EOFError, OSError):  # the supervisor has gone
        try:
            work = loads(connection.recv_bytes())()
        except Exception as error:
            mistake = isinstance(error, InputError)
            connection.send_bytes(dumps(Prepared(one_line(error) if mistake else describe(error), mistake)))
            return
        connection.send_bytes(dumps(Prepared()))
        while True:
            packed = connection.recv_bytes()
            connection.send_bytes(_packed(attempt(lambda data: work(loads(data)), packed)))


def _packed(outcome: Outcome[Any]) -> memoryview:
    try:
        return dumps(outcome)
    except Exception as error:
        reason = f"the result cannot be sent: {describe(error)}"
        return dumps(Outcome(None, reason, outcome.seconds))
