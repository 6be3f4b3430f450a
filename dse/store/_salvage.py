"""What is intact of a damaged study file, in a new one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse.exceptions import InputError
from dse.store._documents import insert_study, read_study_row, study_row
from dse.store._errors import one_line_errors
from dse.store._evaluation import COLUMNS, Evaluation, from_row
from dse.store._records import Pages
from dse.store._schema import check_free, check_kind, new_file
from dse.store._study_file import insert_evaluations

_EVALUATION_VALUES = 10  # behind the checksum: the key, and `COLUMNS`
_STUDY_VALUES = 3
_REALS = {i for i, column in enumerate(COLUMNS.split(", ")) if column in ("seconds", "finished")}
_SMALLEST_ROW = 64  # bytes: a number of a row beyond what the file could hold is itself damaged


@dataclass(frozen=True)
class Salvaged:
    """What salvage found."""

    kept: int  # evaluations
    lost: int  # evaluations known to be missing, from the gaps in their numbers; a cut end leaves none
    config: bool  # whether the configuration was intact; if not, the new file has an empty one, and no run resumes it
    manifest: bool


def salvage(path: Path | str, out: Path | str) -> Salvaged:
    """Copy every intact evaluation, configuration and manifest of a damaged study into a new file.

    The pages of the file and its log are searched for rows whose checksums verify; SQLite is not asked, so any damage may
    have happened. The damaged file is only read. Evaluations in a log that were never committed are kept as well: their
    checksums say that they are whole.

    Args:
        path: The damaged study; the log beside it, `path` with `-wal`, is read too.
        out: Where no file may be.

    Raises:
        InputError: There is no such file, nothing in it is intact, or `out` exists.
        RunError: `out` cannot be written.
    """
    path, out = Path(path), Path(out)
    check_kind(path)
    check_free(out)
    with one_line_errors(path):
        pages = Pages(path)
        numbered, study = _intact(pages)
    if not numbered and not study:
        raise InputError(f"{path}: holds no intact row of a study; nothing is salvaged")
    evaluations = [evaluation for _, evaluation in sorted(numbered.values(), key=lambda pair: pair[0])]
    numbers = [number for number, _ in numbered.values() if number <= pages.size // _SMALLEST_ROW]

    def fill(connection: sqlite3.Connection) -> None:
        kept = {"config": (1, "{}"), "manifest": (1, "{}")} | study
        insert_study(connection, [study_row(name, *content) for name, content in kept.items()])
        insert_evaluations(connection, evaluations)

    new_file(out, fill)
    lost = max(0, max(numbers, default=0) - len(evaluations))
    return Salvaged(len(evaluations), lost, config="config" in study, manifest="manifest" in study)


_Numbered = dict[tuple[str, str, tuple[int, ...]], tuple[int, Evaluation]]  # by evaluator, fidelity and assignment


def _intact(pages: Pages) -> tuple[_Numbered, dict[str, tuple[int, str]]]:
    """Return the intact evaluations with their numbers, and the newest revision and text of configuration and manifest."""
    numbered: _Numbered = {}
    known: set[bytes] = set()  # checksums: pages are often in the log several times
    study: dict[str, tuple[int, str]] = {}
    for number, (_, stored, *values) in pages.rows():
        try:
            if len(values) == _EVALUATION_VALUES and stored not in known:
                e = from_row((stored, *_with_reals(values[1:])))
                numbered[e.evaluator, e.fidelity, e.assignment] = (number, e)
                known.add(stored)
            elif len(values) == _STUDY_VALUES:
                name, revision, text = values
                read_study_row(stored, name, revision, text)
                study[name] = max(study.get(name, (0, "")), (revision, text))
        except (ValueError, TypeError, RecursionError):  # not intact
            continue
    return numbered, study


def _with_reals(values: list[Any]) -> list[Any]:
    """Return what `COLUMNS` hold, with whole numbers of real columns, which SQLite writes as integers, made real again."""
    return [float(value) if i in _REALS else value for i, value in enumerate(values)]
