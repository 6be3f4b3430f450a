"""Errors become one line and an exit code."""

from __future__ import annotations

import pytest

from dse.exceptions import InputError, RunError, ending, under, unknown_name


@pytest.mark.parametrize(("error", "code"), [(InputError("a.toml: b:\nwrong"), 2), (RunError("a.toml: b:\nwrong"), 1)])
def test_a_program_ends_with_one_line_and_a_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop, ending("script.py"):
        raise error
    assert stop.value.code == code and capsys.readouterr().err == "script.py: error: a.toml: b: wrong\n"


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), ending("script.py"):
        raise ZeroDivisionError


def test_a_place_stands_before_the_message() -> None:
    with pytest.raises(InputError, match=r"^a\.toml: wrong$"), under("a.toml: "):
        raise InputError("wrong")


def test_the_nearest_name_is_offered() -> None:
    assert str(unknown_name("method", "nsga", ["nsga2", "alwann"])) == "unknown method 'nsga'; did you mean 'nsga2'?"
    assert str(unknown_name("method", "x", ["b", "a"])) == "unknown method 'x'; valid: a, b"
