"""What the tool adds to an evaluation (ask, store, tell), and how long a large study takes to resume.

    python benchmarks/bench_search.py [--evaluations 10000] [--methods nsga2 alwann random] [--layers 50] [--folder FOLDER]

Evaluations cost nothing here, so all time is overhead: once in an empty study file on the disk, once resumed from it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from dse.evaluator import Job
from dse.executors import SerialExecutor
from dse.objectives import AccuracyLoss, Figures, RelativeEnergy
from dse.search import Guidance, make_search, run_search
from dse.space import SearchSpace
from dse.store import StudyFile
from dse.stored import StoredFigures, check_figures
from dse.types import Objective

MULTIPLIERS = 36


class Free:
    """Scores designs by a sum, in no time."""

    def __init__(self, cost: np.ndarray) -> None:
        self._cost = cost

    def __call__(self, job: Job) -> list[Figures]:
        layers = np.arange(job.designs.shape[1])
        return [{"accuracy": float(1 - self._cost[layers, design].sum())} for design in job.designs]


def problem(layers: int) -> tuple[SearchSpace, Guidance]:
    """Return a space of `layers` x 36 and a guidance whose proxy is nearly the loss."""
    rng = np.random.default_rng(0)
    cost = rng.random((layers, 1)) * np.linspace(0, 1, MULTIPLIERS) ** 2 * rng.uniform(0.8, 1.2, (layers, MULTIPLIERS))
    cost[:, 0] = 0
    cost *= 0.3 / layers
    energy = np.linspace(1, 0.1, MULTIPLIERS)
    counts = rng.integers(1, 100, layers)
    space = SearchSpace(tuple(f"l{i}" for i in range(layers)), tuple(f"m{i}" for i in range(MULTIPLIERS)), counts, energy)
    return space, Guidance(seeds=space.uniform(), cost=cost, max_loss=10.0)


def timed(path: Path, method: str, evaluations: int, layers: int) -> tuple[float, float]:
    """Return seconds of a search from an empty study file and of the same from the full one."""
    space, guidance = problem(layers)
    seconds = []
    StudyFile.create(path, {}, {}).close()
    for _ in range(2):
        start = time.perf_counter()
        with StudyFile.open(path) as study:
            executor = SerialExecutor(partial(Free, guidance.cost), check=check_figures)
            stored = StoredFigures(study, executor, fidelity="lut", evaluator="free")
            search = make_search(method, space, guidance, population=50, seed=0)
            objectives: list[Objective] = [RelativeEnergy(space), AccuracyLoss(partial(stored.column, "accuracy"), 1.0)]
            history = run_search(search, objectives, evaluations)
        seconds.append(time.perf_counter() - start)
        assert len(history.population) == evaluations
    return seconds[0], seconds[1]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--methods", nargs="+", default=["nsga2", "alwann", "random"])
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=None, help="where the study files lie; a scratch folder by default")
    arguments = parser.parse_args()
    print(f"{arguments.layers} layers x {MULTIPLIERS} multipliers, population 50, {arguments.evaluations} evaluations")
    print("| method | ms per evaluation | resume, s | status, s |\n|---|---|---|---|")
    for method in arguments.methods:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / "study.sqlite"
            fresh, resumed = timed(path, method, arguments.evaluations, arguments.layers)
            start = time.perf_counter()
            with StudyFile.open(path) as study:
                study.counts()
            status = time.perf_counter() - start
        print(f"| {method} | {1000 * fresh / arguments.evaluations:.2f} | {resumed:.1f} | {status:.2f} |", flush=True)


if __name__ == "__main__":
    main()
