"""Retrained designs of a run, read from their folders, and their table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.exceptions import InputError
from dse.paired import Difference, Right, paired_difference, unpacked
from dse.report._caption import caption
from dse.report._files import JsonFile, read_csv, read_json
from dse.report._run import RunData
from dse.report._text import markdown, number
from dse.run_folder import LOG, RESULT, RIGHT, retrained_folders
from dse.types import Floats

_HOW_ERRORS_ENTER = ("forward", "gradient", "window")  # settings that change nothing where no error is


@dataclass(frozen=True)
class Retraining:
    """One retrained design, as its folder says."""

    name: str  # of the folder
    rel_energy: float
    exact: bool  # the exact multiplier in all layers
    before: float  # accuracy on the test images, 0 to 1
    after: float
    gain: Difference
    loss_before: Difference  # against the exact network as it was
    loss_after: Difference
    forward: str  # "tables" or "noise"
    best_epoch: int
    epochs: Floats  # (E,) from 0, the network before training
    accuracy: Floats  # (E,) on validation images, 0 to 1
    training: str | None  # equal for trainings of the run's network on equal images in the same way; None: of other weights
    right: Right | None  # which test images are right after retraining; None where it was not kept


@dataclass(frozen=True)
class RetrainingInfo:
    """What the report says of retraining."""

    designs: tuple[Retraining, ...]  # the dearest first
    left_out: tuple[str, ...]  # folders that cannot be shown, and why
    others: Floats  # (P, 2) relative energy and test loss of the fronts' designs, not retrained
    most_loss_pp: float  # what the run's figures show
    level: str  # of the relative energies
    caption: str


def retraining_info(run: RunData) -> RetrainingInfo | None:
    """Read what lies in a run's folder of retrained designs; None where there is nothing.

    Each design stands alone, and others may have been put there: what cannot be read, or is of another run, is left out and
    named.
    """
    folders = retrained_folders(run.path)
    if not folders:
        return None
    designs, left_out = [], []
    for folder in folders:
        try:
            designs.append(_read(folder, run))
        except InputError as error:
            left_out.append(str(error).replace(f"{run.path}/", ""))
    return RetrainingInfo(
        designs=tuple(sorted(designs, key=lambda design: (-design.rel_energy, design.name))),
        left_out=tuple(left_out),
        others=np.vstack([np.column_stack([front.rel_energy, front.test_loss_pp]) for front in run.fronts.values()]),
        most_loss_pp=float(run.reference[1]),
        level="multiplier" if run.energy is None else run.energy.level,
        caption=caption(run),
    )


def exact_beside(design: Retraining, designs: Sequence[Retraining]) -> Retraining | None:
    """Return the exact network that had the same training as a design; of several the one through tables."""
    same = [other for other in designs if other.exact and None is not other.training == design.training]
    return min(same, key=lambda other: (other.forward != "tables", other.name), default=None)


def loss_against(exact: Retraining, design: Retraining) -> Difference:
    """Return what a design loses against a retrained exact network; without standard error where answers were not kept."""
    if exact.right is None or design.right is None:
        return Difference(100 * (exact.after - design.after), float("nan"))
    return paired_difference(exact.right, design.right)


def _read(folder: Path, run: RunData) -> Retraining:
    result = read_json(folder / RESULT)
    assignment = result.table("assignment")
    _require_of(run, result, assignment)
    settings = result.table("settings")
    how = {name: value for name, value in settings.items() if name not in _HOW_ERRORS_ENTER}
    from_run = result.data.get("start", "run") == "run"  # earlier results do not say so
    images = {part: result.text("hashes", part) for part in ("train", "validation", "test", "float_model")}
    after = result.number("accuracy", "after")
    log = read_csv(folder / LOG)
    epochs, best = log.numbers("epoch"), result.count("best_epoch")
    if best not in epochs:
        raise InputError(
            f"{result.path}: key 'best_epoch': expected an epoch of {LOG}, got {best}; retrain the design again"
        )
    return Retraining(
        name=folder.name,
        rel_energy=result.positive("rel_energy"),
        exact=set(assignment.values()) == {run.multipliers[0]},
        before=result.number("accuracy", "before"),
        after=after,
        gain=_difference(result, "gain"),
        loss_before=_difference(result, "loss_before"),
        loss_after=_difference(result, "loss_after"),
        forward=result.text("settings", "forward"),
        best_epoch=best,
        epochs=epochs,
        accuracy=log.numbers("validation_accuracy"),
        training=json.dumps([how, images, result.get("seed")], sort_keys=True) if from_run else None,
        right=_right(folder / RIGHT, result.count("images", "test"), after),
    )


def _require_of(run: RunData, result: JsonFile, assignment: Mapping[str, object]) -> None:
    """Raise InputError unless a result is of this run's network, layers and multipliers."""
    network = run.manifest.data.get("hashes", {}).get("model")
    if network not in (None, result.text("hashes", "float_model")):
        raise InputError(f"{result.path}: is of another network than the run's (other SHA-256); move the folder elsewhere")
    if set(assignment) != set(run.layers) or not set(map(str, assignment.values())) <= set(run.multipliers):
        raise InputError(f"{result.path}: has other layers or multipliers than the run; move the folder elsewhere")


def _difference(result: JsonFile, key: str) -> Difference:
    return Difference(result.number(key, "pp"), result.number(key, "se_pp"))


def _right(path: Path, count: int, accuracy: float) -> Right | None:
    """Return which of `count` images are right, after checking that they are as many as the accuracy says."""
    if not path.exists():
        return None
    text = read_json(path).text("after")
    try:
        right = unpacked(text, count)
    except ValueError as error:
        raise InputError(f"{path}: key 'after': {error}; retrain the design again") from None
    if abs(right.mean() - accuracy) > 1e-9:
        raise InputError(f"{path}: key 'after': {right.mean():.4f} of the images are right, {RESULT} says {accuracy:.4f}")
    return right


def retraining_text(info: RetrainingInfo, figure: str) -> str:
    """Return the section in Markdown; the figure is linked where there are designs."""
    return "\n\n".join([*(_shown(info, figure) if info.designs else ()), *map(_left_out, info.left_out)])


def _shown(info: RetrainingInfo, figure: str) -> Iterator[str]:
    yield (
        "Designs retrained through their multipliers, beside what they were. Accuracies and losses are of the run's test "
        "images, simulated bit-exactly; losses are against the exact quantised network on the same images, with paired "
        "standard errors. Validation images choose the epoch; epoch 0 is the network before training."
    )
    yield from map(_of_exact, (design for design in info.designs if design.exact))
    if any(exact_beside(design, info.designs) is None for design in info.designs):
        yield (
            "A dash in the last column but two: the exact network has not been retrained in the same way (from the run's "
            "network, with equal images, seed and settings but for how a multiplier's errors enter), so how much of the "
            "gain any network would have is not known. `dse retrain RUN --uniform exact` with the same options does it."
        )
    if len({str(design.training) for design in info.designs}) > 1:
        yield "Not all designs had the same training: `result.json` in each one's folder has the settings."
    yield _table(info)
    yield f"![Retraining]({figure})"


def _of_exact(design: Retraining) -> str:
    return (
        f"The exact network ({markdown(design.name)}) gains {_with_error(design.gain)} pp by retraining too: that much of a "
        "gain with the same training is no merit of a multiplier. The loss against this network is the honest one."
    )


def _table(info: RetrainingInfo) -> str:
    header = [
        "design",
        f"saved, % ({markdown(info.level)})",
        "accuracy before, %",
        "accuracy after, %",
        "gain, pp",
        "loss before, pp",
        "loss after, pp",
        "loss against the exact network with the same training, pp",
        "best epoch",
        "forward",
    ]
    rows = [_row(design, exact_beside(design, info.designs)) for design in info.designs]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _row(design: Retraining, exact: Retraining | None) -> list[str]:
    return [
        markdown(design.name),
        number(100 * (1 - design.rel_energy), 1),
        number(100 * design.before, 2),
        number(100 * design.after, 2),
        *map(_with_error, (design.gain, design.loss_before, design.loss_after)),
        "–" if exact is None else _with_error(loss_against(exact, design)),
        f"{design.best_epoch} of {number(float(design.epochs.max()), 0)}",
        markdown(design.forward),
    ]


def _with_error(difference: Difference) -> str:
    return f"{number(difference.pp, 2)} ± {number(difference.se_pp, 2)}"


def _left_out(reason: str) -> str:
    return f"Left out: {markdown(reason)}."
