"""The format of a study file: its tables, how a new one appears, and what is checked before one is believed."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from dse.exceptions import InputError
from dse.store import _wal
from dse.store._errors import damaged, one_line_errors

APPLICATION_ID = 0x64736573  # "dses"
VERSION = 1
PAGE_SIZE = 4096  # fixed, so that pages can be found in a file whose header is damaged
MAX_BYTES = 4 << 30  # of a file, some ten million rows: checking more would take minutes
MAX_ROW_BYTES = 16 << 20
BUSY_S = 60.0  # how long to wait for other writers

# Rows of the first two tables begin with `id` and a 16-byte checksum: salvage finds them by that. Evaluations are never
# changed or removed, so that any intact copy of one is right.
TABLES = {
    "study": (
        "CREATE TABLE study (id INTEGER PRIMARY KEY, checksum BLOB NOT NULL, name TEXT NOT NULL UNIQUE,"
        " revision INTEGER NOT NULL, text TEXT NOT NULL)"
    ),
    "evaluation": (
        "CREATE TABLE evaluation (id INTEGER PRIMARY KEY, checksum BLOB NOT NULL, key BLOB NOT NULL UNIQUE,"
        " assignment BLOB NOT NULL, fidelity TEXT NOT NULL, evaluator TEXT NOT NULL, figures TEXT, error TEXT,"
        " seconds REAL NOT NULL, worker TEXT NOT NULL, attempt INTEGER NOT NULL, finished REAL NOT NULL)"
    ),
    "process": (
        "CREATE TABLE process (id INTEGER PRIMARY KEY, machine TEXT NOT NULL, pid INTEGER NOT NULL,"
        " started TEXT NOT NULL, token TEXT NOT NULL, heartbeat REAL NOT NULL)"
    ),
    "claim": (
        "CREATE TABLE claim (key BLOB PRIMARY KEY, fidelity TEXT NOT NULL, process INTEGER NOT NULL, worker TEXT NOT NULL,"
        " attempt INTEGER NOT NULL) WITHOUT ROWID"
    ),
}
_INDICES = {"sqlite_autoindex_study_1", "sqlite_autoindex_evaluation_1"}


def new_file(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Create a study file, which appears at `path` whole or not at all.

    Args:
        path: Where no file is yet.
        fill: Writes the first rows.

    Raises:
        InputError: Something is there already.
        RunError: The folder cannot be written to.
    """
    check_free(path)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with one_line_errors(path):
            with closing(sqlite3.connect(scratch, isolation_level=None)) as connection:
                write_tables(connection)
                connection.execute("BEGIN")
                fill(connection)
                connection.execute("COMMIT")
                connection.execute("PRAGMA journal_mode = WAL")
            _put(scratch, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{scratch}{suffix}")


def check_free(path: Path) -> None:
    """Raise InputError unless nothing is at `path`, nor a log beside it that a new file would take for its own."""
    for place in (path, *_beside(path).values()):
        if os.path.lexists(place):
            raise InputError(f"{place}: exists already; open that study, or choose another place")


def write_tables(connection: sqlite3.Connection) -> None:
    """Give an empty database the tables of a study."""
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("PRAGMA synchronous = FULL")
    for table in TABLES.values():
        connection.execute(table)


def connect(path: Path) -> sqlite3.Connection:
    """Open a study file that has been checked whole; nothing in it is trusted.

    Raises:
        InputError: It is no study, or damaged, or a later version's.
        RunError: The system refuses.
    """
    _check_outside(path)
    with one_line_errors(path):
        uri = f"{path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
        try:
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
            _check_inside(path, connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _beside(path: Path) -> dict[str, Path]:
    return {suffix: path.with_name(f"{path.name}-{suffix}") for suffix in ("wal", "shm", "journal")}


def check_kind(path: Path) -> None:
    """Check that `path` and what lies beside it are plain files of bounded size; SQLite would not.

    Raises:
        InputError: They are not.
    """
    try:
        info = os.lstat(path)
    except (OSError, ValueError):
        raise InputError(f"{path}: no study file is there; check the path") from None
    if not stat.S_ISREG(info.st_mode):
        raise InputError(f"{path}: expected a study file, got a {_kind(info.st_mode)}; name the file itself")
    for place in _beside(path).values():
        if os.path.lexists(place) and not stat.S_ISREG(os.lstat(place).st_mode):
            raise InputError(f"{place}: expected a file of SQLite, got a {_kind(os.lstat(place).st_mode)}; remove it")
    if info.st_size > MAX_BYTES:
        raise InputError(f"{path}: has {info.st_size} bytes, expected {MAX_BYTES} at most; split the study")


def _check_outside(path: Path) -> None:
    """Check what can be seen without SQLite."""
    check_kind(path)
    if _beside(path)["journal"].exists():
        raise InputError(f"{path}-journal: studies have no such file, and it would change this one; remove it")
    with one_line_errors(path), path.open("rb") as file:
        _check_header(path, file.read(100))
        if _wal.is_broken(_beside(path)["wal"], PAGE_SIZE):
            raise damaged(path, f"its log {path.name}-wal is damaged")


def _check_header(path: Path, header: bytes) -> None:
    """Check the header (https://www.sqlite.org/fileformat2.html#the_database_header)."""
    if not header.startswith(b"SQLite format 3\0") or len(header) < 100:
        raise damaged(path, "is no study file, or its beginning is damaged")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise damaged(path, "is a database but no study (application id), or damaged")
    version = int.from_bytes(header[60:64], "big")
    if version != VERSION:
        raise InputError(
            f"{path}: is a study of version {version}, expected {VERSION}; update dse, or if it is damaged,"
            f" `dse doctor --salvage {path}` copies what is intact"
        )
    if int.from_bytes(header[16:18], "big") != PAGE_SIZE or header[18:20] != b"\2\2":
        raise damaged(path, "has another page size or journal mode than a study")


def _check_inside(path: Path, connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master LIMIT 100").fetchall()
    tables = {name: sql for kind, name, sql in rows if kind == "table"}
    others = {name for kind, name, _ in rows if kind != "table"}
    if tables != TABLES or not others <= _INDICES:
        odd = sorted(map(str, {name for name in tables if tables[name] != TABLES.get(name)} | (others - _INDICES)))
        raise damaged(path, f"has other tables than a study ({', '.join(odd)[:80] or 'some are missing'})")
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, f"is damaged ({' '.join(str(found).split())[:80]})")


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "symbolic link"), (stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
    return next((name for test, name in kinds if test(mode)), "device")


def _put(scratch: Path, path: Path) -> None:
    """Move a file to where none is, never over another, and see it written."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise InputError(f"{path}: exists already; open that study, or choose another place") from None
    except OSError:  # a file system without hard links
        check_free(path)
        os.rename(scratch, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
