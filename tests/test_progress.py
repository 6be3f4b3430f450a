"""Progress: plain lines into a pipe, a live line on a terminal, and the time of every stage."""

from __future__ import annotations

import io

import pytest

from dse import progress
from dse.progress import ProgressDisplay


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(display: ProgressDisplay) -> None:
    with display:
        display.start("first")
        display.update(1, 4, "best 3")
        display.update(4, 4, "best 2")
        display.start("second")
        display.finish()
        display.finish()


def test_a_pipe_gets_one_line_for_a_short_stage() -> None:
    stream = io.StringIO()
    display = ProgressDisplay(stream)
    play(display)
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["first", "second"]
    assert lines[0].endswith("s best 2")
    assert list(display.seconds) == ["first", "second"]


def test_a_long_stage_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    display = ProgressDisplay(stream)
    display.start("search")
    display.update(5, 20, "best 7")
    assert stream.getvalue().startswith("search: 5/20 best 7 about ")


def test_a_terminal_gets_a_live_line() -> None:
    stream = Terminal()
    play(ProgressDisplay(stream))
    text = stream.getvalue()
    assert "first" in text and "4/4" in text and "best 2" in text and "\x1b[" in text


def test_silent_keeps_times() -> None:
    display = ProgressDisplay.silent()
    play(display)
    assert set(display.seconds) == {"first", "second"}
