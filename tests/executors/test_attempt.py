"""One attempt: what becomes a reason, and what a check refuses."""

from __future__ import annotations

import math

import pytest

from dse.executors._attempt import attempt, describe, settle
from tests.executors.jobs import be_number, perform


def test_a_result_is_kept_and_timed() -> None:
    outcome = attempt(perform, ("square", 3))
    assert (outcome.result, outcome.reason) == (9, None)
    assert 0 <= outcome.seconds < 60


def test_an_exception_becomes_one_line() -> None:
    assert attempt(perform, ("raise", 1)).reason == "ValueError: line 1 and more"
    assert describe(KeyError()) == "KeyError"
    assert len(describe(ValueError("x" * 10_000))) == 300


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes_through(error: type[BaseException]) -> None:
    def work(_: int) -> None:
        raise error

    with pytest.raises(error):
        attempt(work, 1)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nan", "expected a finite number, got nan"),
        ("infinite", "expected a finite number, got -inf"),
        ("none", "expected a number, got NoneType"),
        ("complex", "expected a number, got complex"),
        ("list", "expected a number, got list"),
    ],
)
def test_a_check_refuses(kind: str, reason: str) -> None:
    payload = (kind, 0)
    settled = settle(0, payload, attempt(perform, payload), "here", check=be_number)
    assert (settled.ok, settled.result, settled.reason) == (False, None, reason)
    assert settle(0, payload, attempt(perform, payload), "here").ok


def test_a_check_that_trips_is_a_refusal() -> None:
    settled = settle(0, ("none", 0), attempt(perform, ("none", 0)), "here", check=math.sqrt)  # type: ignore[arg-type]
    assert settled.reason is not None and settled.reason.startswith("TypeError: ")


def test_a_failure_is_not_checked() -> None:
    assert settle(0, 1, attempt(perform, ("raise", 1)), "here", check=be_number).reason == "ValueError: line 1 and more"
