from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from dse.store import _process
from dse.store._process import LEASE_S, Process

here_only = pytest.mark.skipif(not _process._started(os.getpid()), reason="processes cannot be looked up here")


def test_this_process_lives_until_it_ends() -> None:
    process = Process.this()
    assert process.lives(time.time())
    process.end()
    assert not process.lives(time.time()) or not process.started


@here_only
def test_a_process_is_known_by_number_and_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = _process._started(child.pid)
    other = replace(Process.this(), pid=child.pid, started=started, token="t")
    assert other.lives(0.0)
    assert not replace(other, started="1").lives(time.time())  # the number belongs to another now
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not other.lives(time.time())  # a zombie
    child.communicate()
    assert not other.lives(time.time())


@pytest.mark.parametrize("change", [{"machine": "elsewhere"}, {"started": ""}])
def test_where_processes_cannot_be_looked_up_the_lease_decides(change: dict[str, str]) -> None:
    process = replace(Process.this(), **change)
    now = time.time()
    assert process.lives(now) and process.lives(now - 0.5 * LEASE_S)
    assert not process.lives(now - 2 * LEASE_S)
    assert not process.lives(now + 2 * LEASE_S)  # the clock was set back
