"""A study without networks: seconds of pipeline become milliseconds. Also run as a program, to be killed.

    python -m tests.toy_study STUDY EVALUATIONS [JOBS]      prints a digest of the history when it ends
"""

from __future__ import annotations

import hashlib
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from dse.evaluator import Job
from dse.executors import open_executor
from dse.objectives import AccuracyLoss, Figures, RelativeEnergy
from dse.search import Guidance, History, make_search, run_search
from dse.space import SearchSpace
from dse.store import StudyFile
from dse.stored import StoredFigures, check_figures

SPACE = SearchSpace(
    layers=tuple("abcdef"),
    multipliers=tuple(f"m{m}" for m in range(8)),
    op_counts=np.arange(1, 7),
    rel_energy=np.linspace(1, 0.2, 8),
)
COST = np.outer(np.arange(6, 0, -1), np.linspace(0, 1, 8) ** 2) / 20


class Toy:
    """An accuracy that falls with the multipliers' numbers; slow, so that it can be killed."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s

    def __call__(self, job: Job) -> list[Figures]:
        time.sleep(self._pause_s * len(job.designs))
        return [{"accuracy": float(1 - COST[np.arange(6), design].sum())} for design in job.designs]


def search(study: StudyFile, evaluations: int, *, jobs: int = 1, pause_s: float = 0.0, seed: int = 0) -> History:
    """Run our search on the toy, its evaluations kept in `study`."""
    guidance = Guidance(seeds=SPACE.uniform(), cost=COST, max_loss=100.0)
    with open_executor(partial(Toy, pause_s), jobs=jobs, check=check_figures) as executor:
        stored = StoredFigures(study, executor, fidelity="lut", evaluator="toy", workers=jobs)
        loss = AccuracyLoss(partial(stored.column, "accuracy"), 1.0)
        method = make_search("nsga2", SPACE, guidance, population=12, seed=seed)
        return run_search(method, [RelativeEnergy(SPACE), loss], evaluations)


def digest(history: History) -> str:
    """Return the SHA-256 of all that a history says."""
    return hashlib.sha256(history.population.tobytes() + history.objectives.tobytes()).hexdigest()


def open_or_create(path: Path) -> StudyFile:
    """Open the study at `path`, which the first process begins."""
    return StudyFile.open(path) if path.exists() else StudyFile.create(path, {}, {})


if __name__ == "__main__":
    with open_or_create(Path(sys.argv[1])) as file:
        jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
        print(digest(search(file, int(sys.argv[2]), jobs=jobs, pause_s=0.01)))
