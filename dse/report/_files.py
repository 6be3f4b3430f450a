"""Files of a run, read with one-line errors that name file and key."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.exceptions import InputError
from dse.types import Floats

_CURE = "repeat the run that wrote it"
_LARGEST = 1e300


@dataclass(frozen=True)
class JsonFile:
    """A JSON object and the file it came from."""

    path: Path
    data: dict[str, Any]

    def get(self, *keys: str) -> Any:
        """Return the value under nested `keys`. Raises InputError where one is missing."""
        value: Any = self.data
        for depth, key in enumerate(keys):
            if not isinstance(value, dict) or key not in value:
                raise InputError(f"{self.path}: key '{'.'.join(keys[: depth + 1])}' is missing; {_CURE}")
            value = value[key]
        return value

    def table(self, *keys: str) -> dict[str, Any]:
        """Return the object under nested `keys`."""
        return self._expect(keys, dict, "an object")

    def text(self, *keys: str) -> str:
        """Return the text under nested `keys`."""
        return self._expect(keys, str, "a text")

    def number(self, *keys: str) -> float:
        """Return the finite number under nested `keys`."""
        number = self.measure(*keys)
        if not math.isfinite(number):
            raise self._fault(keys, "a finite number", self.get(*keys))
        return number

    def positive(self, *keys: str) -> float:
        """Return the finite number above 0 under nested `keys`."""
        number = self.number(*keys)
        if number <= 0:
            raise self._fault(keys, "a number above 0", number)
        return number

    def measure(self, *keys: str) -> float:
        """Return the number under nested `keys`, NaN for a statistic that could not be computed (NaN or null)."""
        value = self.get(*keys)
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _LARGEST:
            raise self._fault(keys, "a finite number", value)
        return float(value)

    def count(self, *keys: str) -> int:
        """Return the whole number under nested `keys`."""
        number = self.number(*keys)
        if number != int(number):
            raise self._fault(keys, "a whole number", number)
        return int(number)

    def _expect(self, keys: tuple[str, ...], kind: type, wanted: str) -> Any:
        value = self.get(*keys)
        if not isinstance(value, kind):
            raise self._fault(keys, wanted, value)
        return value

    def _fault(self, keys: tuple[str, ...], wanted: str, value: object) -> InputError:
        return InputError(f"{self.path}: key '{'.'.join(keys)}': expected {wanted}, got {_short(value)}; {_CURE}")


@dataclass(frozen=True)
class CsvFile:
    """The columns of a CSV file, N values each, and the file they came from."""

    path: Path
    columns: dict[str, list[str]]

    def texts(self, column: str) -> tuple[str, ...]:
        """Return a column `(N,)` as it stands. Raises InputError where it is missing."""
        if column not in self.columns:
            raise InputError(f"{self.path}: column '{column}' is missing; {_CURE}")
        return tuple(self.columns[column])

    def numbers(self, column: str, *, gaps: bool = False) -> Floats:
        """Return a column `(N,)` of finite numbers; with `gaps`, an empty or NaN cell is NaN."""
        return np.array(
            [self._number(column, row, text, gaps) for row, text in enumerate(self.texts(column))], dtype=float
        )

    def fault(self, column: str, row: int, wanted: str) -> InputError:
        """Return the error for a cell (row counted from 0) that is not what it should be."""
        got = _short(self.columns[column][row])
        return InputError(f"{self.path}: row {row + 1}, column '{column}': expected {wanted}, got {got}; {_CURE}")

    def _number(self, column: str, row: int, text: str, gaps: bool) -> float:
        try:
            number = float(text) if text.strip() or not gaps else math.nan
        except ValueError:
            raise self.fault(column, row, "a number") from None
        if math.isinf(number) or (math.isnan(number) and not gaps):
            raise self.fault(column, row, "a finite number")
        return number


def read_json(path: Path) -> JsonFile:
    """Read a JSON object. Raises InputError, one line, for a missing file or anything but an object."""
    text = _read(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON: {_short(error)}; {_CURE}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a JSON object, got {_short(data)}; {_CURE}")
    return JsonFile(path, data)


def read_csv(path: Path) -> CsvFile:
    """Read a CSV file with a header. Raises InputError for a missing file or a row of another length than the header."""
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(_read(path), newline="")) if row] or [[]]
    except csv.Error as error:
        raise InputError(f"{path}: is no CSV: {_short(error)}; {_CURE}") from None
    if len(set(header)) < len(header):
        raise InputError(f"{path}: two columns share a name; {_CURE}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number}: expected {len(header)} columns, got {len(row)}; {_CURE}")
    return CsvFile(path, {name: [row[i] for row in rows] for i, name in enumerate(header)})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the folder of a finished run") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; {_CURE}") from None


def _short(value: object) -> str:
    text = " ".join((str(value) if isinstance(value, Exception) else repr(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."
