"""Which designs are being evaluated, and by which processes: nothing is done twice, and the dead block nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence

from dse.store._process import LEASE_S, Process

_PER_QUERY = 500  # keys; SQLite takes 999 or more


def chunks(keys: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], str]]:
    """Yield parts of `keys` with the `IN (...)` that they fill."""
    for start in range(0, len(keys), _PER_QUERY):
        part = keys[start : start + _PER_QUERY]
        yield part, f"IN ({', '.join('?' * len(part))})"


def register(connection: sqlite3.Connection, process: Process) -> int:
    """Enter a process, forgetting dead ones that hold nothing; to be called inside a transaction."""
    held = {row[0] for row in connection.execute("SELECT DISTINCT process FROM claim")}
    living = living_processes(connection)
    for (number,) in connection.execute("SELECT id FROM process").fetchall():
        if number not in held and number not in living:
            connection.execute("DELETE FROM process WHERE id = ?", (number,))
    entry = (process.machine, process.pid, process.started, process.token, time.time())
    done = connection.execute("INSERT INTO process (machine, pid, started, token, heartbeat) VALUES (?, ?, ?, ?, ?)", entry)
    return int(done.lastrowid or 0)


def living_processes(connection: sqlite3.Connection) -> set[int]:
    """Return the numbers of the processes whose claims count."""
    rows = connection.execute("SELECT id, heartbeat, machine, pid, started, token FROM process").fetchall()
    return {number for number, heartbeat, *who in rows if Process(*who).lives(heartbeat)}


def take(connection: sqlite3.Connection, number: int, worker: str, fidelity: str, keys: Sequence[bytes]) -> set[bytes]:
    """Claim those keys that are neither settled nor claimed by the living, inside a transaction; return them."""
    living = living_processes(connection)
    free: dict[bytes, int] = dict.fromkeys(keys, 1)  # attempt
    for part, among in chunks(list(free)):
        for (key,) in connection.execute(f"SELECT key FROM evaluation WHERE key {among}", part):
            del free[key]
        for key, holder, attempt in connection.execute(f"SELECT key, process, attempt FROM claim WHERE key {among}", part):
            if holder in living:
                free.pop(key, None)
            elif key in free:
                free[key] = attempt + 1
    rows = [(key, fidelity, number, worker, attempt) for key, attempt in free.items()]
    connection.executemany("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?)", rows)
    return set(free)


def attempts(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """Return how often what is claimed has been begun, this time included."""
    found: dict[bytes, int] = {}
    for part, among in chunks(keys):
        found.update(connection.execute(f"SELECT key, attempt FROM claim WHERE key {among}", part))
    return found


def beat(connection: sqlite3.Connection, number: int, *, force: bool = False) -> None:
    """Say that a process lives, at most a few times per lease unless forced."""
    now = time.time()
    oldest = now if force else now - LEASE_S / 4
    connection.execute(
        "UPDATE process SET heartbeat = ? WHERE id = ? AND (heartbeat <= ? OR heartbeat > ?)", (now, number, oldest, now)
    )
