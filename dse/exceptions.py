"""The two exceptions callers are meant to catch, and how their messages point at the nearest valid name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """A mistake in what the caller handed in: a file, a key, an array, a name.

    The message is one line and says where (file and key), what was expected, what came, and what to do. The command
    line prints it and ends with exit code 2.
    """


class RunError(RuntimeError):
    """What the machine refused while something ran that was asked for rightly: a full disk, a file taken away.

    The message is one line and says which file, what happened, and what to do. The command line prints it and ends with
    exit code 1.
    """


def one_line(error: BaseException) -> str:
    """Return the message of `error` without line breaks, or its type when it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def under(place: str) -> Iterator[None]:
    """Put `place` (a file or a key) before the message of an InputError raised in the body."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}{error}") from error


@contextmanager
def ending(program: str) -> Iterator[None]:
    """End `program` where the body raises one of the two: one line on standard error, exit code 2 for InputError, else 1."""
    try:
        yield
    except (InputError, RunError) as error:
        print(f"{program}: error: {one_line(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)


_MOST_NAMES = 40  # in one line


def unknown_name(what: str, name: str, valid: Iterable[str]) -> InputError:
    """Return the error for `name` not being one of `valid`, with the nearest valid name where there is one."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listed = ", ".join(names) if len(names) <= _MOST_NAMES else f"{', '.join(names[:_MOST_NAMES])}, ... ({len(names)} names)"
    hint = f"did you mean '{near[0]}'?" if near else f"valid: {listed}"
    return InputError(f"unknown {what} '{name}'; {hint}")
