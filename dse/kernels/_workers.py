"""Split the units of one computation among as many threads as torch uses.

Compiled code releases the interpreter's lock, so plain Python threads do. They sleep between computations: idle threads
that spin would slow down whatever else shares the cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def split(units: int, compute: Callable[[int, int], None], threads: int | None = None) -> None:
    """Call `compute(first, last)` on contiguous shares of `range(units)`, one per thread, and wait for all of them.

    Args:
        units: How many units of work there are.
        compute: Does a share; must release the interpreter's lock to gain anything.
        threads: How many threads; None: as many as torch uses.
    """
    threads = min(units, torch.get_num_threads() if threads is None else threads)
    if threads <= 1:
        compute(0, units)
        return
    bounds = [units * t // threads for t in range(threads + 1)]
    pool = _pool(threads - 1)
    shares: list[Future[None]] = [pool.submit(compute, bounds[t], bounds[t + 1]) for t in range(1, threads)]
    try:
        compute(bounds[0], bounds[1])  # the caller's thread would only wait
    finally:
        for share in shares:  # none may outlive the buffers it reads, whatever happens to the others
            share.exception()
    for share in shares:
        share.result()


def _pool(size: int) -> ThreadPoolExecutor:
    with _lock:
        if size not in _pools:
            _pools[size] = ThreadPoolExecutor(size, thread_name_prefix="dse-kernels")
        return _pools[size]


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_pools.clear)
