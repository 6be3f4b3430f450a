"""The folder of a retrained design: weights, log, result and answers, there whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dse.nn.models import save_weights
from dse.paired import packed
from dse.retrain._course import Epoch
from dse.retrain._design import RetrainedDesign
from dse.run_folder import LOG, RESULT, RIGHT, WEIGHTS, environment, write_csv, write_json
from dse.whole_files import whole_folder


def write_retrained(made: RetrainedDesign, folder: Path) -> Path:
    """Write what a retraining came to into a folder of its own, which is there whole or not at all; replaces what was there.

    Beside weights, log and result these are the answers to the test images, of which a comparison of two retrained networks
    takes its paired standard error.

    Raises:
        InputError: It cannot be written.
    """
    with whole_folder(folder) as new:
        save_weights(made.retrained.model, new / WEIGHTS)
        write_csv(new / LOG, *_log_table(made.retrained.log))
        write_json(new / RESULT, _result(made))
        write_json(new / RIGHT, {kind: packed(answers) for kind, answers in made.right.items()})
    return folder.resolve()


def _result(made: RetrainedDesign) -> dict[str, Any]:
    log, best = made.retrained.log, made.retrained.best
    return {
        "design": made.name,
        "assignment": dict(made.assignment),
        "rel_energy": made.rel_energy,
        "accuracy": dict(made.accuracy),
        "gain": asdict(made.gain),
        "loss_before": asdict(made.loss_before),
        "loss_after": asdict(made.loss_after),
        "best_epoch": best.epoch,
        "epochs": log[-1].epoch,
        "seconds": round(sum(epoch.seconds for epoch in log), 3),
        **made.facts,
        **environment(),
    }


def _log_table(log: Sequence[Epoch]) -> tuple[tuple[str, ...], list[list[Any]]]:
    rows = [["" if value is None else value for value in asdict(epoch).values()] for epoch in log]
    return ("epoch", "loss", "validation_accuracy", "validation_loss", "seconds", "device"), rows
