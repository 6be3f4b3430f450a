"""TOML that is none, or too much."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from dse.exceptions import InputError
from dse.toml_files import parse_toml, read_toml

HOSTILE = {
    "deep": "a = " + "[" * 100_000,
    "tables": "[a]\n" + "x = " + "{y = " * 50_000,
    "digits": "seed = " + "9" * 5000,
    "dots": ".".join(["a"] * 100_000) + " = 1",
    "quoted": ".".join(["'a b'"] * 100_000) + " = 1",
    "half": "a = ",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        parse_toml(text)
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(InputError, match="a.toml: cannot be read as TOML: ") as caught:
        read_toml(file)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="expected a file of TOML"):
            read_toml(place)
    (tmp_path / "large").write_bytes(b"#" * (2 << 20))
    with pytest.raises(InputError, match="expected at most 1,048,576 bytes of TOML"):
        read_toml(tmp_path / "large")
    (tmp_path / "latin").write_bytes(b"a = '\xe9'")
    with pytest.raises(InputError, match="cannot be read as TOML"):
        read_toml(tmp_path / "latin")


def test_what_is_right_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[a.b]\nc = [1, 2.5]\n'd.e' = 'x.y'\n")
    assert read_toml(tmp_path / "a.toml") == {"a": {"b": {"c": [1, 2.5], "d.e": "x.y"}}}
