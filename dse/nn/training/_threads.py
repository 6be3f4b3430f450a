"""How many threads a computation deserves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Below this many input values per batch, threads wait for each other longer than they compute: digits-cnn trained in 4 s
# with one thread and in 14 to 150 s with two while other programs were using the two cores; a simulated design of it took
# 62 ms with one and 81 ms with two sleeping ones on an idle machine.
_SMALL_BATCH = 2**15


@contextmanager
def threads_for(values: int) -> Iterator[None]:
    """Compute batches of few input values in one thread, and put the number of threads back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if values < _SMALL_BATCH else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
