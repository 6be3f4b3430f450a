"""Small linear algebra in one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which numpy, scipy and scikit-learn use one thread.

    Their results then have the same bits whatever the machine's number of threads, and systems of a few hundred unknowns do
    not wait for threads that other programs keep from running.
    """
    return _controller().limit(limits=1)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
