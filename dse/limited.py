"""Run somebody else's program so that a mistake in it ends with it.

This is protection against accidents: endless loops, endless memory, endless output, large files, crashes. It is none against
malice: the program runs as the user who starts it. Models of circuits in C get a guard besides
(`dse/multipliers/readers/guard.c`); compilers and Yosys have only these limits.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The limits are set by a shell that becomes the program, because Python code between fork and exec (`preexec_fn`) can
# deadlock in a process that has threads. A limit that the system does not know is passed over.
_LAUNCHER = 'ulimit -t "$1"; ulimit -v "$2"; ulimit -f "$3"; ulimit -c 0; shift 3; exec "$@"'


@dataclass(frozen=True)
class Limits:
    """What a program may use."""

    cpu_s: int
    wall_s: float  # until it is killed although it may not have computed for so long: others may share the processor
    memory_kib: int  # address space
    file_blocks: int  # largest file it may write, in 512 bytes
    output_bytes: int  # what it may write to stdout


_running: set[subprocess.Popen[bytes]] = set()


class Stopped(Exception):
    """A program that did not end well; the message says what it did."""

    def __init__(self, what: str, output: bytes = b"", status: int | None = None) -> None:
        super().__init__(what)
        self.output = output  # what it had written
        self.status = status  # its exit status, where it ended by itself


def run_limited(
    command: Sequence[str],
    folder: Path,
    limits: Limits,
    environment: Mapping[str, str],
    errors: int = subprocess.DEVNULL,
) -> bytes:
    """Run a program in a folder, without input, in a session of its own that is killed as a whole at the end.

    Args:
        command: The program's path and its arguments.
        folder: Its working folder.
        limits: What it may use.
        environment: Its environment.
        errors: Where its stderr goes, as for `subprocess`.

    Returns:
        What it wrote to stdout.

    Raises:
        Stopped: It exceeded a limit, crashed, or ended with another exit status than 0. What it wrote comes with it.
    """
    launched = [
        "/bin/sh",
        "-c",
        _LAUNCHER,
        "sh",
        *map(str, (limits.cpu_s, limits.memory_kib, limits.file_blocks)),
        *command,
    ]
    with subprocess.Popen(
        launched,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    ) as process:
        _running.add(process)
        try:
            output = _read(process, limits)
        finally:
            _running.remove(process)
            _kill(process)
    if process.returncode:
        raise Stopped(_ending(process.returncode, limits), output, process.returncode)
    return output


def _read(process: subprocess.Popen[bytes], limits: Limits) -> bytes:
    """Return what a program writes until it ends, of endless output no more than is allowed."""
    assert process.stdout is not None
    deadline = time.monotonic() + limits.wall_s
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(deadline - time.monotonic(), 0)):
            part = os.read(process.stdout.fileno(), 1 << 16)
            output += part
            if len(output) > limits.output_bytes:
                raise Stopped(f"writes more than {limits.output_bytes:,} bytes", bytes(output))
            if not part:
                break
    try:
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        raise Stopped(f"did not end within {limits.wall_s:g} s", bytes(output)) from None
    return bytes(output)


def kill_running() -> None:
    """Kill the programs that other threads are running; each of these gets a `Stopped`."""
    for process in tuple(_running):
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # whatever the program has started goes with it
        os.killpg(process.pid, signal.SIGKILL)


def _ending(status: int, limits: Limits) -> str:
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return f"did not end within {limits.cpu_s} s of computing"
    if status == -signal.SIGXFSZ:
        return "writes files"
    if status == -getattr(signal, "SIGSYS", 0):
        return "reaches out of itself (files, programs, signals, connections)"
    if status < 0:
        return f"crashed ({signal.Signals(-status).name})"
    return f"ended with exit status {status}"
