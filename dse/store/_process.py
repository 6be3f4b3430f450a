"""Which process this is, and whether another that once claimed something still lives."""

from __future__ import annotations

import os
import platform
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

LEASE_S = 120.0  # a claim from where processes cannot be looked up holds this long after its last heartbeat
_open_tokens: set[str] = set()  # of this process's own study files


@dataclass(frozen=True)
class Process:
    """One opening of a study file by one process."""

    machine: str  # boot and process namespace: within one, a process is known by number and start; host names may change
    pid: int
    started: str  # clock ticks since boot; empty where the system does not say
    token: str  # of this opening: an earlier one in the same process may have been dropped without closing

    @classmethod
    def this(cls) -> Process:
        """Return a new identity for this process."""
        pid = os.getpid()
        token = secrets.token_hex(8)
        _open_tokens.add(token)
        return cls(_machine(), pid, _started(pid), token)

    def end(self) -> None:
        """Let the claims of this opening be taken over by this process's next one."""
        _open_tokens.discard(self.token)

    def lives(self, heartbeat: float) -> bool:
        """Whether claims of this process, last heard of at `heartbeat` (seconds since 1970), are to be respected.

        On the same machine the answer is certain: process numbers are used again, but not with the same start. Elsewhere,
        or where the system does not tell, the lease decides; a clock that was set back ends it too.
        """
        if self.machine != _machine() or not self.started:
            return abs(time.time() - heartbeat) <= LEASE_S
        if self.pid == os.getpid():
            return self.token in _open_tokens
        return _started(self.pid) == self.started


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty when it is gone, a zombie, or the system is mute."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return "" if fields[0] in "ZX" else fields[19]
