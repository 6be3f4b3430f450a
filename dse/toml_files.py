"""TOML files, of which nothing may be expected."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from dse.exceptions import InputError, one_line

_MOST_BYTES = 1 << 20
_DEEP = re.compile(r"""(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raises `InputError` if it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file of TOML, got a folder or a device")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise InputError(f"{path}: expected at most {_MOST_BYTES:,} bytes of TOML, got more")
        return parse_toml(content.decode("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML: {one_line(error)}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raises `TOMLDecodeError` for whatever is wrong with it."""
    if _DEEP.search(text):  # a key of a hundred thousand parts takes minutes
        raise tomllib.TOMLDecodeError("a key has more than 64 parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits; tables or lists nested as deep
        raise tomllib.TOMLDecodeError(one_line(error)) from None
