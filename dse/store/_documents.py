"""Configuration and manifest as rows of the file: JSON with a checksum."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from dse.exceptions import InputError
from dse.store._evaluation import checksum


def insert_study(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert configuration and manifest."""
    connection.executemany("INSERT INTO study (checksum, name, revision, text) VALUES (?, ?, ?, ?)", rows)


def study_row(name: str, revision: int, text: str) -> tuple[Any, ...]:
    """Return the row of the configuration or the manifest, checksum first."""
    return checksum((b"", name, revision, text)), name, revision, text


def read_study_row(stored: Any, name: Any, revision: Any, text: Any) -> tuple[int, dict[str, Any]]:
    """Return revision and content of such a row.

    Raises:
        ValueError: The checksum does not verify, or the content is no JSON object.
    """
    if stored != checksum((b"", name, revision, text)):
        raise ValueError("its checksum does not verify")
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    return int(revision), content


def to_json(what: str, data: Mapping[str, Any]) -> str:
    """Return plain data as JSON text.

    Raises:
        InputError: It is not plain, or holds NaN or infinity.
    """
    try:
        return json.dumps(dict(data), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what}: cannot be kept as JSON ({error}); use plain values") from None
