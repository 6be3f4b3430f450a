"""Figures of designs from a study file, scored where they are missing, and committed before anyone is told."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dse.evaluator import Job
from dse.exceptions import RunError
from dse.executors import Executor, Settled
from dse.objectives import Figures
from dse.store import Evaluation, StudyFile
from dse.types import Floats, Population

_CLAIMED = 8  # designs claimed at a time for each worker: what one process takes, others cannot
_POLL_S = 0.05  # between two looks at what other processes have settled


def check_figures(result: object) -> None:
    """Raise ValueError unless a job's result is a list of tables of finite numbers."""
    if not isinstance(result, list) or not all(isinstance(row, dict) and row for row in result):
        raise ValueError(f"expected a table of figures for each design, got {type(result).__name__}")
    for name, value in (item for row in result for item in row.items()):
        if type(value) is not float or not math.isfinite(value):
            raise ValueError(f"figure '{name}' is {value!r}, expected a finite number")


class StoredFigures:
    """The figures of designs at one fidelity.

    Several processes may share the file: each scores what no other has settled or is at work on, and waits for the rest.

    Args:
        study: The study file.
        executor: Scores jobs; its failures are stored as failed evaluations with their reason.
        fidelity, evaluator: What the designs are scored by, and the hash of what scores them.
        workers: How many jobs the executor does at a time. A single one gets designs together, since they share work.
        progress: Told, of the designs asked for that were not known, how many are, and their number.
    """

    def __init__(
        self,
        study: StudyFile,
        executor: Executor[Job, list[Figures]],
        *,
        fidelity: str,
        evaluator: str,
        workers: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._study, self._executor, self._workers = study, executor, workers
        self._fidelity, self._evaluator, self._progress = fidelity, evaluator, progress
        self._known: dict[bytes, Evaluation] = {}

    def __call__(self, population: Population) -> list[Mapping[str, float] | None]:
        """Return the figures of designs `(P, L)` int64, None for those that could not be scored."""
        found = [self._known[key] for key in self._settled(population)]
        return [None if evaluation.error is not None else evaluation.figures for evaluation in found]

    def column(self, name: str, population: Population) -> Floats:
        """Return one figure of designs `(P, L)` -> `(P,)`, NaN for those that could not be scored."""
        return np.array([math.nan if figures is None else figures[name] for figures in self(population)])

    def seconds(self, population: Population) -> Floats:
        """Return what the evaluation of each design `(P, L)` took, `(P,)` s; its share where several were one job."""
        return np.array([self._known[key].seconds for key in self._settled(population)])

    def exact(self, n_layers: int) -> Mapping[str, float]:
        """Return the figures of the exact network. Raises RunError where it has none: then no design's mean anything."""
        (key,) = self._settled(np.zeros((1, n_layers), dtype=np.int64))
        if (reason := self._known[key].error) is not None:
            raise RunError(f"the exact quantised network cannot be evaluated: {reason}")
        return self._known[key].figures

    def _settled(self, population: Population) -> list[bytes]:
        """Return the keys of designs, all of which are known then."""
        keys = [row.tobytes() for row in population]
        new = [row for row in np.unique(population, axis=0) if row.tobytes() not in self._known] if len(keys) else []
        pending = np.array(new, dtype=np.int64).reshape(-1, population.shape[1])
        asked = len(pending := self._looked_up(pending))
        while len(pending):
            done = asked - len(pending)
            for part in self._parts(pending):
                done += self._claimed(part)
                if self._progress is not None:
                    self._progress(done, asked)
            before, pending = len(pending), self._looked_up(pending)
            if len(pending) == before:
                time.sleep(_POLL_S)
        return keys

    def _looked_up(self, designs: Population) -> Population:
        """Remember what the file knows of some designs and return the others."""
        found = self._study.lookup(designs, self._fidelity, self._evaluator) if len(designs) else []
        self._known.update((row.tobytes(), e) for row, e in zip(designs, found, strict=True) if e is not None)
        return designs[[e is None for e in found]]

    def _parts(self, designs: Population) -> Iterator[Population]:
        size = _CLAIMED * self._workers
        return (designs[start : start + size] for start in range(0, len(designs), size))

    def _claimed(self, designs: Population) -> int:
        """Score those of some designs that nobody else is at work on; return how many there were."""
        mine = designs[self._study.claim(designs, self._fidelity, self._evaluator)]
        if len(mine):
            self._score(mine, together=self._workers == 1)
        return len(mine)

    def _score(self, designs: Population, *, together: bool) -> None:
        """Score designs and settle them; where a job of several fails, each of them is a job of its own."""
        parts = [designs] if together else [design[None] for design in designs]
        suspects: list[Population] = []
        for settled in self._executor.run([Job(part, self._fidelity) for part in parts]):
            if self._reason(settled) is not None and len(settled.payload.designs) > 1:
                suspects.append(settled.payload.designs)
            else:
                self._study.settle(self._evaluations(settled))
        for group in suspects:
            self._score(group, together=False)

    def _reason(self, settled: Settled[Job, list[Figures]]) -> str | None:
        """Return why a job has no figures, None where it has them."""
        if settled.result is None or len(settled.result) == len(settled.payload.designs):
            return settled.reason
        return f"expected figures of {len(settled.payload.designs)} designs, got {len(settled.result)}"

    def _evaluations(self, settled: Settled[Job, list[Figures]]) -> list[Evaluation]:
        designs, reason = settled.payload.designs, self._reason(settled)
        figures: list[Figures] = [{}] * len(designs) if settled.result is None or reason else settled.result
        return [
            Evaluation(
                tuple(design.tolist()),
                self._fidelity,
                self._evaluator,
                figures=found,
                error=reason,
                seconds=settled.seconds / len(designs),
                worker=settled.worker,
                attempt=settled.attempts,
            )
            for design, found in zip(designs, figures, strict=True)
        ]
