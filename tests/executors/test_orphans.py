"""Nothing outlives the main process, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.executors.jobs import in_session, wait_until, workers_of

ROOT = Path(__file__).parents[2]
MAIN = """
import sys
from dse.executors import ProcessExecutor
from tests.executors.jobs import make

with ProcessExecutor(make, jobs=2) as executor:
    print("up", flush=True)
    for settled in executor.run([("square", 1), ("square", 2), ("hang", 0), ("hang in C", 0)]):
        print("settled", flush=True)
"""
WATCHED = """
import os, subprocess, sys, time
child = '''
import os, time
import dse.executors._orphans as o
{change}
o.end_with_parent(os.getppid())
print("on", flush=True)
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


@contextmanager
def started(code: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a session of its own, of which nothing is left afterwards."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            for pid in in_session(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def read(process: subprocess.Popen[str], *expected: str) -> None:
    assert process.stdout is not None
    for line in expected:
        assert process.stdout.readline() == line + "\n"


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGKILL, False), (signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGINT, True)],
)
def test_workers_end_with_the_main_process(number: signal.Signals, whole_group: bool) -> None:
    with started(MAIN) as process:
        read(process, "up", "settled", "settled")
        time.sleep(0.3)  # both workers hang now, one of them without ever letting go of the interpreter
        assert len(workers_of(process.pid)) == 2
        (os.killpg if whole_group else os.kill)(process.pid, number)
        assert wait_until(lambda: not in_session(process.pid), 5)
        assert process.wait() == -number
        assert process.stderr is not None
        assert process.stderr.read().count("Traceback") == (number == signal.SIGINT)  # the main process's own


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("delay", [x / 40 for x in range(25)] if os.environ.get("DSE_HEAVY") == "1" else [0.05, 0.2])
def test_an_end_while_workers_start(delay: float, number: signal.Signals) -> None:
    with started(MAIN) as process:
        read(process, "up")
        time.sleep(delay)
        os.killpg(process.pid, number)
        assert wait_until(lambda: not in_session(process.pid), 5)
        assert process.stderr is not None
        assert number == signal.SIGKILL or process.stderr.read().count("Traceback") == 1


def test_an_executor_that_was_never_closed_does_not_hold_up_the_end() -> None:
    code = MAIN.replace("with ProcessExecutor(make, jobs=2) as executor:", "executor = ProcessExecutor(make, jobs=2)\nif 1:")
    with started(code.replace('print("settled"', 'sys.exit(0); print("settled"')) as process:
        read(process, "up")
        assert wait_until(lambda: not in_session(process.pid), 20)
        assert process.wait() == 0


@pytest.mark.parametrize("change", ["pass", "o._kernel_will_kill = lambda: False; o._LOOK_EVERY_S = 0.1"])
def test_either_way_of_noticing_works(change: str) -> None:
    with started(WATCHED.replace("{change}", change)) as process:
        read(process, "on")
        assert len(in_session(process.pid)) == 2
        process.kill()
        assert wait_until(lambda: not in_session(process.pid), 5)


def test_a_parent_that_has_gone_already_is_noticed() -> None:
    code = "import dse.executors._orphans as o; o.end_with_parent(1 << 30); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
