"""Whether the files of a retrained design agree with each other, without any network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dse.exceptions import InputError
from dse.paired import Right, gains, unpacked
from dse.report import JsonFile, read_csv, read_json
from dse.run_folder import LOG, RIGHT

ROUNDING = 1e-9  # pp


def figures(right: Mapping[str, Right]) -> dict[str, float]:
    """Return what follows from right answers, in pp, by the (dotted) key of the result."""
    accuracies = {f"accuracy.{kind}": 100 * float(answers.mean()) for kind, answers in right.items()}
    return accuracies | {f"{k}.{part}": value for k, of in gains(right).items() for part, value in asdict(of).items()}


def stated(result: JsonFile, key: str) -> float:
    """Return the figure of a result that `figures` has under the same key. Raises InputError where it is missing."""
    return result.number(*key.split(".")) * (100 if key.startswith("accuracy") else 1)


def kept_answers(folder: Path, count: int) -> dict[str, Right] | None:
    """Return the answers of each network to the `count` test images; None where they were not kept.

    Raises:
        InputError: The file is damaged.
    """
    if not (folder / RIGHT).exists():
        return None
    file = read_json(folder / RIGHT)
    try:
        return {kind: unpacked(file.text(kind), count) for kind in ("float", "exact", "before", "after")}
    except ValueError as error:
        raise InputError(f"{file.path}: {error}; retrain the design again") from None


def contradictions(folder: Path, result: JsonFile, answers: Mapping[str, Right] | None) -> Iterator[str]:
    """Yield, each in a line, what a result says otherwise than the answers and the log beside it.

    Raises:
        InputError: A figure is missing, or the log is damaged.
    """
    for key, value in figures(answers or {}).items():
        if abs(stated(result, key) - value) > ROUNDING:
            yield f"{key}: {stated(result, key):g} pp, {value:g} by the answers in {RIGHT}"
    log = read_csv(folder / LOG)
    epochs, accuracy, loss = (log.numbers(name) for name in ("epoch", "validation_accuracy", "validation_loss"))
    if not len(epochs):
        yield f"{LOG}: has no epoch"
        return
    by_loss = result.table("settings").get("keep") == "loss"  # runs of earlier versions do not say, and kept by accuracy
    best = epochs[np.lexsort((epochs, loss, np.zeros_like(loss) if by_loss else -accuracy))[0]]
    for key, value in (("best_epoch", best), ("epochs", epochs[-1])):
        if result.number(key) != value:
            yield f"{key}: {result.number(key):g}, {value:g} by {LOG}"
