"""Work that misbehaves in every way a test asks for, and what finds processes."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Payload = tuple[str, Any]


class Unreadable:
    """Can be sent, but not be read."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return _refuse, ("cannot be read",)


def _refuse(text: str) -> None:
    raise ValueError(text)


def _exceed_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, resource.getrlimit(resource.RLIMIT_AS)[1]))
    bytearray(2**30)


def _die_once(flag: str) -> str:
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return "second try"
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


def _kill_parent_once(flag: str) -> str:
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return "second try"
    return _kill_parent()


def _kill_parent() -> str:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return "unreachable"


def _hang_with_child(pid_file: str) -> None:
    child = subprocess.Popen(["sleep", "600"])
    Path(pid_file).write_text(str(child.pid))
    time.sleep(600)


KINDS: dict[str, Callable[[Any], Any]] = {
    "square": lambda x: x * x,
    "raise": lambda x: _refuse(f"line {x}\nand more"),
    "nan": lambda _: float("nan"),
    "infinite": lambda _: float("-inf"),
    "none": lambda _: None,
    "complex": lambda _: 1j,
    "list": lambda _: [1.0, 2.0],
    "exit": os._exit,
    "sysexit": sys.exit,
    "kill": lambda number: os.kill(os.getpid(), number),
    "segfault": lambda _: ctypes.string_at(0),
    "memory": lambda _: _exceed_memory(),
    "hang": lambda _: time.sleep(600),
    "hang in C": lambda _: ctypes.PyDLL(None).sleep(600),  # never lets go of the interpreter
    "unsendable": lambda _: (x for x in ()),
    "unreadable": lambda _: Unreadable(),
    "sleep": lambda seconds: (time.sleep(seconds), seconds)[1],
    "pid": lambda _: os.getpid(),
    "environment": os.environ.get,
    "large": lambda size: bytes(size),
    "die once": _die_once,
    "kill parent once": _kill_parent_once,
    "kill parent": lambda _: _kill_parent(),
    "hang with child": _hang_with_child,
}


def perform(payload: Payload) -> Any:
    """Do what a payload's first part says with its second."""
    kind, argument = payload
    return KINDS[kind](argument)


def make() -> Callable[[Payload], Any]:
    """The factory."""
    return perform


def be_number(result: Any) -> None:
    """The check: a finite number."""
    if not isinstance(result, int | float):
        raise ValueError(f"expected a number, got {type(result).__name__}")
    if not abs(result) < float("inf"):
        raise ValueError(f"expected a finite number, got {result}")


def exists(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, at most so long; return whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def in_session(session: int) -> list[int]:
    """Return the processes of a session, without zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def workers_of(parent: int) -> list[int]:
    """Return the worker processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if ppid == parent and b"popen_loky" in command:
                found.append(int(entry.name))
    return found
