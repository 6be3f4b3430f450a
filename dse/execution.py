"""Where designs are evaluated, and the figures that come of it, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dse.executors import open_executor
from dse.fidelity import TOP
from dse.preparation import Prepared
from dse.progress import ProgressDisplay
from dse.store import StudyFile
from dse.stored import StoredFigures, check_figures

_DASK_JOBS = 16  # designs handed out at a time where a scheduler knows how many workers there are


@dataclass(frozen=True)
class Execution:
    """Where designs are evaluated; no result depends on it.

    Args:
        jobs: Designs at a time, each in a process of its own when more than one.
        scheduler: Address of a Dask scheduler whose workers evaluate (extra `[dask]`), instead of `jobs`.
        known: Folders of other runs. What they have evaluated on an equal network, data and library is taken over.
    """

    jobs: int = 1
    scheduler: str | None = None
    known: Sequence[str | Path] = ()


@contextmanager
def open_figures(
    prepared: Prepared, study: StudyFile, execution: Execution, display: ProgressDisplay | None = None
) -> Iterator[Callable[[str], StoredFigures]]:
    """Yield what gives the figures of designs at each fidelity, from the study or from an evaluation.

    The display shows how far evaluations have come but for those that searches ask for, which show it themselves.
    """
    workers = execution.jobs if execution.scheduler is None else _DASK_JOBS
    with open_executor(
        prepared.factory,
        jobs=execution.jobs,
        scheduler=execution.scheduler,
        timeout_s=prepared.inputs.config.search.timeout_s,
        check=check_figures,
    ) as executor:

        @cache
        def stored(fidelity: str) -> StoredFigures:
            progress = display.update if display is not None and fidelity != TOP else None
            evaluator = prepared.evaluator_of(fidelity)
            return StoredFigures(study, executor, fidelity=fidelity, evaluator=evaluator, workers=workers, progress=progress)

        yield stored
