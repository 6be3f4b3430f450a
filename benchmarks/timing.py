"""Time several functions against each other in one run, turn by turn, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

_TURN = 0.05  # seconds that a turn lasts at least: a function that takes less is called again and again


def turns(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median over `repeats` turns of the time of a call in seconds, after one turn that does not count."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            seconds = _mean_time(function)
            if turn:
                times[name].append(seconds)
    return {name: median(values) for name, values in times.items()}


def _mean_time(function: Callable[[], object]) -> float:
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < _TURN:
        function()
        calls += 1
    return (time.perf_counter() - start) / calls
