"""Which executor is chosen, and that it makes no difference to the results."""

from __future__ import annotations

import sys

import pytest

from dse.exceptions import InputError
from dse.executors import ProcessExecutor, SerialExecutor, open_executor
from tests.executors.jobs import be_number, make


@pytest.mark.parametrize(
    ("jobs", "timeout_s", "kind"), [(1, None, SerialExecutor), (1, 5.0, ProcessExecutor), (2, None, ProcessExecutor)]
)
def test_the_choice(jobs: int, timeout_s: float | None, kind: type) -> None:
    with open_executor(make, jobs=jobs, timeout_s=timeout_s) as executor:
        assert type(executor) is kind


def test_any_number_of_jobs_gives_the_same() -> None:
    payloads = [("square", x / 7) for x in range(40)] + [("raise", 1), ("nan", 0)] + [("square", -x) for x in range(40)]

    def run(jobs: int) -> list[tuple[object, ...]]:
        with open_executor(make, jobs=jobs, check=be_number) as executor:
            return sorted((s.index, s.payload, s.result, s.reason, s.attempts) for s in executor.run(payloads))

    one = run(1)
    assert [row[0] for row in one] == list(range(len(payloads)))
    for jobs in (2, 4, 8):
        assert run(jobs) == one


def test_nothing_to_do() -> None:
    with open_executor(make, jobs=2) as executor:
        assert list(executor.run([])) == []


@pytest.mark.parametrize("jobs", [0, -3])
def test_bad_numbers_are_refused(jobs: int) -> None:
    with pytest.raises(InputError, match="jobs: expected at least 1"):
        open_executor(make, jobs=jobs)


def test_jobs_beside_a_scheduler_are_refused() -> None:
    with pytest.raises(InputError, match="jobs: expected 1 beside a scheduler"):
        open_executor(make, jobs=2, scheduler="tcp://localhost:8786")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'dse\[dask\]'"):
        open_executor(make, scheduler="tcp://localhost:8786")
