"""What SQLite and the system say, as one line that names the file and the cure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dse.exceptions import InputError, RunError, one_line

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR}
_CURES = {
    sqlite3.SQLITE_FULL: "free some space and resume",
    sqlite3.SQLITE_BUSY: "another process holds it; end that one and resume",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "make the file and its folder writable",
}


def damaged(path: Path | str, reason: str) -> InputError:
    """Return the error of a file that is not, or no longer, what this package wrote."""
    return InputError(f"{path}: {reason}; `dse doctor --salvage {path}` copies what is intact")


@contextmanager
def one_line_errors(path: Path | str) -> Iterator[None]:
    """Turn what SQLite and the system raise in the body into InputError (the file's content) or RunError (the machine)."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a closed file, another thread: the caller's code
        raise
    except sqlite3.Error as error:
        # no code: a text that is not UTF-8, which the module finds itself
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGE:
            raise damaged(path, f"is damaged ({one_line(error)})") from None
        cure = _CURES.get(code, "check the disk and resume")
        raise RunError(f"{path}: {one_line(error)}; {cure}; what was stored stays readable") from None
    except UnicodeDecodeError as error:  # in what SQLite itself wanted to say
        raise damaged(path, f"is damaged ({one_line(error)})") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; check the folder, its permissions and space") from None
