"""The network of a finished run, as the run had it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from dse.config import parse_config
from dse.inputs import load_inputs
from dse.nn.datasets import Dataset
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import RunData
from dse.retrain import require_same
from dse.status import open_study
from dse.study import kept_guidance


def prepare_run(
    run: RunData, *, model: nn.Module | None = None, dataset: Dataset | None = None, display: ProgressDisplay
) -> Prepared:
    """Prepare a finished run again; what guides searches is what the run has kept.

    Args:
        run: The run (`dse.report.load_run`).
        model, dataset: As they were handed to `dse.run`.
        display: Shows progress.

    Raises:
        InputError: The run's study is missing, or network, data or multipliers are not the run's any more.
    """
    with open_study(run.path) as study:
        display.start("load")
        prepared = prepare(load_inputs(parse_config(study.config, f"{run.path}"), model=model, dataset=dataset), display)
        require_same(run, prepared)
        return replace(prepared, guidance=kept_guidance(study, prepared.guidance))
