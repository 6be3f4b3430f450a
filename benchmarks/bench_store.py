"""Measure the study file: what an evaluation costs to store, and how a file of 100,000 answers.

    python benchmarks/bench_store.py [FOLDER]

FOLDER is where the file goes: what `settle` takes is mostly the disk's time to write, which is measured beside it.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dse.store import Evaluation, StudyFile, salvage

ROWS, LAYERS, BATCH = 100_000, 50, 32
EVALUATOR = "e" * 64


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    population = rng.integers(0, 36, (ROWS + 2000, LAYERS))
    path = folder / "study.sqlite"
    study = StudyFile.create(path, {"seed": 0}, {})
    _say("fsync of 8 KiB", _fsync(folder), "ms each")
    _settle_singly(study, population[:500], "0 rows")
    rest = population[500:ROWS]
    _timed("settle in batches of 32", lambda: [study.settle(_scored(part)) for part in _batches(rest)], len(rest))
    _settle_singly(study, population[ROWS : ROWS + 500], "100,000 rows")
    claimed = population[ROWS + 500 : ROWS + 1000]
    _timed("claim singly", lambda: [study.claim(part, "lut", EVALUATOR) for part in claimed[:, None]], len(claimed))
    study.close()
    _timed("open", lambda: StudyFile.open(path).close())
    with StudyFile.open(path) as study:
        _timed("counts", study.counts)
        _timed("lookup in batches of 32", lambda: [study.lookup(p, "lut", EVALUATOR) for p in _batches(population[:ROWS])])
        _timed("evaluations, all verified", lambda: sum(1 for _ in study.evaluations()))
    _timed("salvage", lambda: salvage(path, folder / "salvaged.sqlite"))
    _say("size of the file", path.stat().st_size / 2**20, "MiB")
    _say("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")


def _scored(population: np.ndarray) -> list[Evaluation]:
    figures = {"accuracy": 1 / 3, "kl": 0.1234567890123, "top5": 0.99, "worst_class": 0.5}
    return [Evaluation(tuple(design), "lut", EVALUATOR, figures, seconds=0.1) for design in population.tolist()]


def _batches(population: np.ndarray) -> list[np.ndarray]:
    return [population[i : i + BATCH] for i in range(0, len(population), BATCH)]


def _settle_singly(study: StudyFile, population: np.ndarray, what: str) -> None:
    scored = _scored(population)
    _timed(f"settle singly, {what}", lambda: [study.settle([evaluation]) for evaluation in scored], len(scored))


def _fsync(folder: Path) -> float:
    with (folder / "probe").open("wb", buffering=0) as file:
        clock = time.perf_counter()
        for _ in range(200):
            file.write(bytes(8192))
            os.fsync(file)
    return (time.perf_counter() - clock) / 200 * 1e3


def _timed(what: str, action: Callable[[], object], count: int | None = None) -> None:
    """Say how long an action took, and how much of that this process computed: the rest is the disk and other programs."""
    clock, worked = time.perf_counter(), time.process_time()
    action()
    for kind, taken in (("", time.perf_counter() - clock), (", processor", time.process_time() - worked)):
        _say(what + kind, taken / count * 1e3 if count else taken, "ms each" if count else "s")


def _say(what: str, value: float, unit: str) -> None:
    print(f"{what:45} {value:9.3f} {unit}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        main(Path(scratch))
