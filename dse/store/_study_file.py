"""The study file: configuration, manifest and every evaluation of a study in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, RunError
from dse.store import _claims, _schema
from dse.store._documents import insert_study, read_study_row, study_row, to_json
from dse.store._errors import damaged, one_line_errors
from dse.store._evaluation import COLUMNS, Evaluation, checksum, from_row, keys_of, to_row
from dse.store._process import Process
from dse.types import Population

MEMORY = ":memory:"
_INSERT = f"INSERT INTO evaluation (checksum, key, {COLUMNS}) VALUES ({', '.join('?' * 11)}) ON CONFLICT (key) DO NOTHING"


@dataclass(frozen=True)
class Tally:
    """How much of a study one fidelity is."""

    done: int = 0
    failed: int = 0
    running: int = 0  # claimed by living processes
    seconds: float = 0.0  # spent on what is settled, all workers together
    first: float | None = None  # when the first and the last were finished, seconds since 1970 (UTC)
    last: float | None = None


class StudyFile:
    """Every evaluation of a study, shared by any number of processes, safe against their death at any moment.

    What `settle` has returned from is on the disk. Evaluations are added and never changed. Each row carries a checksum that
    is verified whenever the row is read; one that fails is an InputError, never a number. One object belongs to one thread
    of one process. Made by `create` and `open`; a context manager that closes itself.
    """

    def __init__(self, path: Path | str, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._process = Process.this()
        self._number: int | None = None  # of this process in the file, once it claims something
        self._places = _places(path)

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> StudyFile:
        """Start a study at `path`, where no file may be; `":memory:"` keeps it in memory.

        Raises:
            InputError: Something is there, or configuration or manifest are no plain JSON.
            RunError: The place cannot be written to.
        """
        rows = [study_row("config", 1, to_json("config", config)), study_row("manifest", 1, to_json("manifest", manifest))]
        if path == MEMORY:
            connection = sqlite3.connect(MEMORY, isolation_level=None)
            _schema.write_tables(connection)
            insert_study(connection, rows)
            return cls(path, connection)
        _schema.new_file(Path(path), lambda connection: insert_study(connection, rows))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path | str) -> StudyFile:
        """Open a study after checking all of it: kind, version, tables, structure, configuration and manifest.

        Raises:
            InputError: It is no study, a later version's, truncated or corrupt; the line names the cure.
            RunError: The system refuses.
        """
        study = cls(path, _schema.connect(Path(path)))
        try:
            study._read("config"), study._read("manifest")
        except BaseException:
            study.close()
            raise
        return study

    def __enter__(self) -> StudyFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release what is claimed and close the file; closing again does nothing."""
        self._process.end()
        with suppress(InputError, RunError, sqlite3.ProgrammingError):  # the next to claim finds this process gone
            self.release()
        self._connection.close()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration: that of its creation, or what replaced it."""
        return self._read("config")[1]

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, as it was updated last."""
        return self._read("manifest")[1]

    def update_manifest(self, changes: Mapping[str, Any]) -> None:
        """Replace these top-level keys of the manifest."""
        self._update("manifest", lambda manifest: manifest | dict(changes))

    def replace_config(self, config: Mapping[str, Any]) -> None:
        """Replace the configuration by one that all evaluations here are true of as well, which the caller sees to."""
        self._update("config", lambda _: config)

    def remember(self, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the file keeps under a name of its own; where that is nothing yet, this value is put there for good.

        Of several processes that do so at once, all get the value of the first. The manifest, which changes with every
        batch, stays small beside it.
        """
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM study WHERE name = ?", (name,)).fetchone() is None:
                insert_study(connection, [study_row(name, 1, to_json(name, value))])
        return self.remembered(name)

    def remembered(self, name: str) -> dict[str, Any]:
        """Return what `remember` has kept under a name. Raises InputError where there is nothing."""
        return self._read(name)[1]

    def lookup(self, population: Population, fidelity: str, evaluator: str) -> list[Evaluation | None]:
        """Return what is settled of a population `(P, L)` int64, done or failed; None for the others.

        Raises:
            InputError: A row is damaged.
        """
        keys = keys_of(population, fidelity, evaluator)
        found: dict[bytes, Evaluation] = {}
        with one_line_errors(self.path):
            for part, among in _claims.chunks(list(dict.fromkeys(keys))):
                query = f"SELECT key, id, checksum, {COLUMNS} FROM evaluation WHERE key {among}"
                found.update((key, self._verified(row)) for key, *row in self._connection.execute(query, part))
        for design, key in zip(np.asarray(population), keys, strict=True):
            known = found.get(key)
            if known is not None and known.assignment != tuple(design.tolist()):
                raise damaged(self.path, "is damaged (a key leads to another design)")
        return [found.get(key) for key in keys]

    def claim(self, population: Population, fidelity: str, evaluator: str, worker: str = "") -> NDArray[np.bool_]:
        """Take those designs of `(P, L)` int64 that are neither settled nor being evaluated by a living process.

        Of equal designs the first is taken. What a dead process had claimed is taken over as its next attempt.

        Returns:
            `(P,)` bool: which designs this call has taken. What it has not is settled, or will be by others or an earlier
            claim of this object.
        """
        keys = keys_of(population, fidelity, evaluator)
        with self._transaction(durable=False) as connection:
            if self._number is None:
                number = _claims.register(connection, self._process)
            else:
                number = self._number
                _claims.beat(connection, number)
            taken = _claims.take(connection, number, worker, fidelity, keys)
        self._number = number
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        return np.array([key in taken and first[key] == i for i, key in enumerate(keys)], bool)

    def attempts(self, population: Population, fidelity: str, evaluator: str) -> NDArray[np.int64]:
        """Return how often each design of `(P, L)` int64 has been begun, `(P,)` int64: 0 where nobody claims it.

        Attempts end uncounted by `release` and counted by the death of a process, whatever killed it.
        """
        keys = keys_of(population, fidelity, evaluator)
        with one_line_errors(self.path):
            found = _claims.attempts(self._connection, keys)
        return np.array([found.get(key, 0) for key in keys], np.int64)

    def heartbeat(self) -> None:
        """Say that this process lives: needed every `LEASE_S` at least where others cannot look it up (containers)."""
        if self._number is not None:
            with self._transaction(durable=False) as connection:
                _claims.beat(connection, self._number, force=True)

    def release(self) -> None:
        """Give back what this object has claimed and not settled."""
        if self._number is not None:
            with self._transaction(durable=False) as connection:
                connection.execute("DELETE FROM claim WHERE process = ?", (self._number,))
                connection.execute("DELETE FROM process WHERE id = ?", (self._number,))
            self._number = None

    def settle(self, evaluations: Iterable[Evaluation]) -> NDArray[np.bool_]:
        """Store results for good and end their claims; when this returns they are on the disk.

        A design that is settled already keeps its first result, and the new one is ignored.

        Returns:
            Which of them were new, `(n,)` bool.

        Raises:
            InputError: An evaluation cannot be kept (figures that are not finite, for one); then none of them is.
            RunError: The disk is full, or the file was taken away; then none of them is acknowledged.
        """
        rows = [to_row(evaluation) for evaluation in evaluations]
        with self._transaction() as connection:
            new = [connection.execute(_INSERT, row).rowcount == 1 for row in rows]
            connection.executemany("DELETE FROM claim WHERE key = ?", [(row[1],) for row in rows])
        return np.array(new, bool)

    def evaluations(self, fidelity: str | None = None) -> Iterator[Evaluation]:
        """Yield what is settled, verified, sorted by fidelity, evaluator and assignment.

        Raises:
            InputError: A row is damaged.
        """
        where, values = ("WHERE fidelity = ?", (fidelity,)) if fidelity is not None else ("", ())
        order = "ORDER BY fidelity, evaluator, assignment"
        with one_line_errors(self.path):
            for row in self._connection.execute(f"SELECT id, checksum, {COLUMNS} FROM evaluation {where} {order}", values):
                yield self._verified(row)

    def failures(self, most: int) -> list[Evaluation]:
        """Return some of the evaluations that failed, the first ones that were stored.

        Raises:
            InputError: A row is damaged.
        """
        with one_line_errors(self.path):
            found = f"SELECT id, checksum, {COLUMNS} FROM evaluation WHERE error IS NOT NULL ORDER BY id LIMIT ?"
            return [self._verified(row) for row in self._connection.execute(found, (most,))]

    @property
    def in_use(self) -> bool:
        """Whether a living process has claims in the file."""
        return bool(_claims.living_processes(self._connection))

    def counts(self) -> dict[str, Tally]:
        """Return how much of each fidelity is done, failed and running, and what it took.

        Raises:
            InputError: A row is damaged.
        """
        known: dict[str, list[Any]] = {}
        with one_line_errors(self.path):
            for number, stored, *content in self._connection.execute(f"SELECT id, checksum, {COLUMNS} FROM evaluation"):
                if checksum(content) != stored:
                    raise damaged(self.path, f"evaluation {number} is damaged")
                _, fidelity, _, _, error, seconds, _, _, finished = content
                tally = known.setdefault(fidelity, [0, 0, 0.0, finished, finished])
                tally[error is not None] += 1
                tally[2:] = tally[2] + seconds, min(tally[3], finished), max(tally[4], finished)
            living = _claims.living_processes(self._connection)
            claimed = self._connection.execute(
                "SELECT CAST(fidelity AS TEXT) AS name, process, COUNT(*) FROM claim GROUP BY name, process"
            ).fetchall()
        running: dict[str, int] = {}
        for fidelity, process, count in claimed:
            running[fidelity] = running.get(fidelity, 0) + (count if process in living else 0)
        tallies = {}
        for fidelity in sorted(known.keys() | running.keys()):
            done, failed, *rest = known.get(fidelity, (0, 0))
            tallies[fidelity] = Tally(done, failed, running.get(fidelity, 0), *rest)
        return tallies

    def _update(self, name: str, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        with self._transaction() as connection:
            revision, content = self._read(name)
            row = study_row(name, revision + 1, to_json(name, change(content)))
            update = "UPDATE study SET checksum = ?, name = ?, revision = ?, text = ? WHERE name = ?"
            connection.execute(update, (*row, name))

    def _read(self, name: str) -> tuple[int, dict[str, Any]]:
        """Return revision and content of the configuration, the manifest, or what is remembered."""
        with one_line_errors(self.path):
            row = self._connection.execute(
                "SELECT checksum, name, revision, text FROM study WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            raise damaged(self.path, f"has no {name}")
        try:
            return read_study_row(*row)
        except (ValueError, RecursionError):
            raise damaged(self.path, f"its {name} is damaged") from None

    def _verified(self, row: list[Any] | tuple[Any, ...]) -> Evaluation:
        number, *content = row
        try:
            return from_row(content)
        except (ValueError, TypeError, RecursionError):
            raise damaged(self.path, f"evaluation {number} is damaged") from None

    @contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Commit the body as one; nothing of it is left when it raises.

        What is not `durable` survives the death of the process, but not that of the machine: claims end with either, and
        waiting for the disk would double the cost of an evaluation.
        """
        with one_line_errors(self.path):
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        if _places(self.path) != self._places:
            raise RunError(f"{self.path}: was removed or replaced while in use; what is not in a copy of it is lost")


def insert_evaluations(connection: sqlite3.Connection, evaluations: Iterable[Evaluation]) -> None:
    """Insert evaluations, the first of each key."""
    connection.executemany(_INSERT, (to_row(evaluation) for evaluation in evaluations))


def _places(path: Path | str) -> list[tuple[int, int]]:
    """Return device and inode of the file and its log: an open file that was removed takes rows and loses them."""
    if path == MEMORY:
        return []
    try:
        return [(info.st_dev, info.st_ino) for info in map(os.stat, (path, f"{path}-wal"))]
    except OSError:
        return [(-1, -1)]
