"""Time several functions against each other in one run, turn by turn, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median


def turns(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return each function's median time in seconds over `repeats` turns, after one turn that does not count."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
