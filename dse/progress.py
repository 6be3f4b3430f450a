"""A live line on a terminal, plain lines elsewhere: stage, done and total, best so far, time left."""

from __future__ import annotations

import io
import sys
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_PLAIN_INTERVAL_S = 10.0  # seconds between two plain lines of one stage


class ProgressDisplay:
    """Shows how far a run has come.

    Args:
        stream: Where to write; standard error by default, so that piped results stay clean.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live: Progress | None = None
        if self._stream.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._live = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(file=self._stream))
        self._stage = self._note = ""
        self._total = 1
        self._task: TaskID | None = None
        self._started = self._said = 0.0
        self.seconds: dict[str, float] = {}  # wall-clock time of each finished stage

    @classmethod
    def silent(cls) -> ProgressDisplay:
        """Return a display that keeps the stages' times and shows nothing."""
        return cls(io.StringIO())

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def start(self, stage: str) -> None:
        """Begin a stage; the one before it ends."""
        self.finish()
        self._stage, self._note, self._total = stage, "", 1
        self._started = self._said = time.monotonic()
        if self._live is not None:
            self._task = self._live.add_task(stage, total=None, note="")

    def update(self, done: int, total: int, note: str = "") -> None:
        """Say how far the stage has come."""
        self._note, self._total = note, total
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._said >= _PLAIN_INTERVAL_S:
            self._said = time.monotonic()
            left = (self._said - self._started) / max(done, 1) * (total - done)
            self._say(f"{self._stage}: {done}/{total} {note} about {left:.0f} s left")

    def finish(self) -> None:
        """End the current stage and keep its time."""
        if not self._stage:
            return
        elapsed = time.monotonic() - self._started
        self.seconds[self._stage] = round(elapsed, 3)
        if self._live is not None and self._task is not None:
            note = f"{elapsed:.1f} s  {self._note}"
            self._live.update(self._task, completed=self._total, total=self._total, note=note)
            self._live.stop_task(self._task)
        else:
            self._say(f"{self._stage}: done in {elapsed:.1f} s {self._note}".rstrip())
        self._stage = ""

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
