"""How far a method has come, shown and kept."""

from __future__ import annotations

import numpy as np

from dse.pareto import cheapest_within
from dse.progress import ProgressDisplay
from dse.store import StudyFile
from dse.types import Objectives


class SearchProgress:
    """Shows how far a method has come, and keeps it in the study for `dse status`."""

    def __init__(self, name: str, study: StudyFile, display: ProgressDisplay) -> None:
        self._name, self._study, self._display = name, study, display
        self._before = study.manifest.get("progress", {}).get(name, 0)
        self._best, self._failed = np.inf, 0

    def __call__(self, done: int, total: int, objectives: Objectives) -> None:
        found = cheapest_within(objectives[:, 0], objectives[:, 1], 1.0)
        self._best = self._best if found is None else min(self._best, float(objectives[found, 0]))
        self._failed += int(np.isnan(objectives[:, 0]).sum())
        note = "none within 1 pp yet" if np.isinf(self._best) else f"{100 * (1 - self._best):.1f} % saved at <= 1 pp"
        self._display.update(done, total, note + (f", {self._failed} failed" if self._failed else ""))
        if done > self._before:
            self._study.update_manifest({"progress": self._study.manifest.get("progress", {}) | {self._name: done}})
