"""Retraining as the last stage of a run: some designs of its front, and uniform ones beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dse.config import RetrainConfig
from dse.preparation import Prepared
from dse.progress import ProgressDisplay
from dse.retrain._choose import designs_within, knee
from dse.retrain._design import RetrainedDesign, Retrainer
from dse.retrain._files import write_retrained
from dse.run_folder import RETRAINED, write_csv
from dse.scoring import Scored
from dse.types import Assignment

TABLE = "retrained.csv"
EXACT = "exact"  # names the exact multiplier in `uniform`, whatever the library calls it
BEST = "best"  # stands there for the uniform designs that would be chosen if they were a front
_COLUMNS = (
    *("design", "rel_energy", "accuracy_before", "accuracy_after", "gain_pp", "gain_se_pp"),
    *("loss_before_pp", "loss_before_se_pp", "loss_after_pp", "loss_after_se_pp", "best_epoch", "epochs"),
)


def retrain_stage(
    prepared: Prepared,
    fronts: Mapping[str, Scored],
    uniform: Scored,
    folder: Path | None,
    display: ProgressDisplay,
) -> tuple[RetrainedDesign, ...]:
    """Retrain the designs that the run's configuration chooses, each into a folder of its own.

    Args:
        prepared: The run, whose configuration has a table `retrain`.
        fronts: By method.
        uniform: The designs with one circuit in all layers.
        folder: The run's; None writes nothing.
        display: Shows progress.

    Raises:
        InputError: As `retrain`.
    """
    config = prepared.inputs.config.retrain
    if config is None:
        return ()
    retrainer, made = Retrainer(prepared, config), []
    for name, assignment in _chosen(prepared, fronts, uniform, config):
        display.start(f"retrain {name}")
        made.append(retrainer(name, assignment, progress=display.update))
        if folder is not None:
            write_retrained(made[-1], folder / RETRAINED / name)
    display.finish()
    return tuple(made)


def write_retrained_table(made: Sequence[RetrainedDesign], folder: Path) -> None:
    """Write the table of the designs that a run has retrained into its folder; where there are none, there is no table."""
    if made:
        write_csv(folder / TABLE, _COLUMNS, map(_row, made))
    else:
        (folder / TABLE).unlink(missing_ok=True)


def uniform_design(
    name: str, multipliers: Sequence[str], layers: int, known: Mapping[str, Assignment]
) -> tuple[str, Assignment]:
    """Return name, fit for a folder, and assignment `(layers,)` of a design with one multiplier in all layers.

    Args:
        name: A multiplier, or `exact`.
        multipliers: All of the space.
        layers: How many there are.
        known: The run's own uniform designs: a circuit there has in each layer the variant that suits it best.
    """
    index = 0 if name == EXACT else multipliers.index(name)
    return _safe(f"uniform-{name}"), known.get(name, np.full(layers, index, dtype=np.int64))


def front_name(method: str, number: int) -> str:
    """Return the name of design `number` of a method's front, its row in front.csv from 0; fit for a folder."""
    return _safe(f"{method.rpartition('/')[2]}-{number}")


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _chosen(
    prepared: Prepared, fronts: Mapping[str, Scored], uniform: Scored, config: RetrainConfig
) -> Iterator[tuple[str, Assignment]]:
    """Yield names and assignments; designs of a front are numbered as `dse export` does."""
    max_loss = prepared.inputs.config.search.reference.accuracy_loss_pp
    for method in config.methods:
        for number in _numbers(fronts[method], config.designs, max_loss):
            yield front_name(method, number), fronts[method].population[number]
    space = prepared.space
    names = [EXACT if number == 0 else space.multipliers[number] for number in uniform.evaluation]
    best = [names[i] for i in _numbers(uniform, config.designs, max_loss)]
    known = dict(zip(names, uniform.population, strict=True))
    for name in dict.fromkeys(n for given in config.uniform for n in (best if given == BEST else [given])):
        yield uniform_design(name, space.multipliers, len(space.layers), known)


def _numbers(designs: Scored, wanted: str | Sequence[float], max_loss: float) -> list[int]:
    """Return which designs `retrain.designs` means."""
    order = np.argsort(designs.rel_energy, kind="stable")
    energy, loss = designs.rel_energy[order], designs.choosing_loss_pp[order]
    found = knee(energy, loss, max_loss) if isinstance(wanted, str) else designs_within(energy, loss, wanted)
    return [int(order[i]) for i in found]


def _row(made: RetrainedDesign) -> list[float | int | str]:
    design: list[float | int | str] = [made.name, made.rel_energy, made.accuracy["before"], made.accuracy["after"]]
    differences = [value for d in (made.gain, made.loss_before, made.loss_after) for value in (d.pp, d.se_pp)]
    return [*design, *differences, made.retrained.best.epoch, made.retrained.log[-1].epoch]
