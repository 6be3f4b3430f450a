"""The figures of `study.py`'s runs as CSV files, which `tables.py` makes the page of."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from dse.config import load_config
from dse.exceptions import InputError
from dse.report import (
    UNIFORM,
    Designs,
    RunData,
    choices,
    exact_beside,
    load_run,
    loss_against,
    read_json,
    retraining_info,
)
from dse.run_folder import RESULT, RETRAINED, WEIGHTS, retrained_folders, write_csv

EXACT, OURS = "exact", "approximate"
LEVELS = ("mac", "array", "memory")  # of energy; a run has what a saving of multiplications is to be multiplied with
_DESIGNS = ("network", "arm", "seed", "method", "design", "saving_percent", "loss_pp", "test_loss_pp", "test_se_pp")
_SAVINGS = (*_DESIGNS[:4], "level_pp", *_DESIGNS[4:])
_ASSIGNMENT = "assignment"  # multipliers in the layers' order; one name: in all layers
KEPT = (OURS, "joint")  # arms whose retrained weights are kept, of the first seed: those of our own search
_RUNS = (
    *("network", "arm", "seed", "format", "compensation", "evaluations", "population", "floor_percent", *LEVELS),
    *("minutes", "cpu", "threads", "jobs", "commit"),
)
_RETRAINED = (*_DESIGNS, "before_pp", "against_retrained_pp", "against_retrained_se_pp", "best_epoch", _ASSIGNMENT)


def gather(runs: Path, out: Path) -> None:
    """Write what the page is made of: designs.csv, savings.csv, retrained.csv, runs.csv, maps of our assignments and
    weights of our retrained designs.

    Raises:
        InputError: There are no finished runs.
    """
    folders = sorted(path.parent for path in runs.glob("*/manifest.json"))
    if not folders:
        raise InputError(f"{runs}: expected finished runs, got none; make them with experiments/cifar10/study.py")
    found = {folder.name: load_run(folder) for folder in folders}
    for name, columns, rows in (
        ("designs.csv", (*_DESIGNS, _ASSIGNMENT), designs_of),
        ("savings.csv", _SAVINGS, savings_of),
        ("retrained.csv", _RETRAINED, retrained_of),
        ("runs.csv", _RUNS, facts_of),
    ):
        write_csv(out / name, columns, ([*which(folder), *row] for folder, run in found.items() for row in rows(run)))
    for folder in found:
        network, arm, seed = which(folder)
        if arm == OURS and seed == 0:
            for ending in ("png", "pdf"):
                shutil.copyfile(runs / folder / "figures" / f"assignments.{ending}", out / f"{network}-assignments.{ending}")
        if arm in KEPT and seed == 0:
            keep_weights(runs / folder, out / RETRAINED / network / arm)


def which(folder: str) -> tuple[str, str, int]:
    """Return network, arm and seed of a run by its folder's name, as `study.folder` makes it."""
    network, _, rest = folder.partition("-")
    arm, _, seed = rest.rpartition("-seed")
    return network, arm, int(seed)


def designs_of(run: RunData) -> Iterator[list[object]]:
    """Yield all designs of fronts, and the uniform ones."""

    def rows(method: str, designs: Designs, names: Iterable[object], assignments: Iterable[str]) -> Iterator[list[object]]:
        losses = (designs.choosing_loss_pp, designs.test_loss_pp, designs.test_se_pp)
        for name, energy, *rest in zip(names, designs.rel_energy, *losses, assignments, strict=True):
            yield [method, name, 100 * (1 - energy), *rest]

    for method, front in run.fronts.items():
        assignments = (" ".join(run.multipliers[m] for m in design) for design in front.population)
        yield from rows(method, front, front.number.tolist(), assignments)
    yield from rows(UNIFORM, run.uniforms, run.uniforms.names, run.uniforms.names)


def savings_of(run: RunData) -> Iterator[list[object]]:
    """Yield what each method saves within each level; empty cells where it has no such design."""
    for choice in choices(run):
        found: list[object] = [""] * 5
        if (c := choice.chosen) is not None:
            found = [c.name, c.saving_percent, c.loss_pp, c.test_loss_pp, c.test_se_pp]
        yield [choice.method, choice.level_pp, *found]


def retrained_of(run: RunData) -> Iterator[list[object]]:
    """Yield retrained designs; their loss on validation images is against the exact network before any training."""
    info = retraining_info(run)
    for design in () if info is None else info.designs:
        exact = exact_beside(design, info.designs)
        if exact is None:
            raise InputError(f"{run.path}: {design.name}: retrain the exact network in the same way (retrain.uniform)")
        against, lost = loss_against(exact, design), 100 * (exact.accuracy[0] - design.accuracy.max())
        method = UNIFORM if design.name.startswith(UNIFORM) else design.name.rpartition("-")[0]
        after, before = design.loss_after, design.loss_before.pp
        losses = [lost, after.pp, after.se_pp, before, against.pp, against.se_pp]
        chosen = read_json(run.path / RETRAINED / design.name / RESULT).table("assignment")
        row = [EXACT if design.exact else method, design.name, 100 * (1 - design.rel_energy), *losses, design.best_epoch]
        yield [*row, " ".join(chosen[layer] for layer in run.layers)]


def keep_weights(run: Path, out: Path) -> None:
    """Copy the weights that a run's retrained designs of our own search ended with."""
    for folder in retrained_folders(run):
        if folder.name.startswith("nsga2-"):
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / WEIGHTS, out / f"{folder.name}.safetensors")


def facts_of(run: RunData) -> Iterator[list[object]]:
    """Yield what a run was made with, what its library saves at most, and how long it took if it was never interrupted."""
    config = load_config(run.path / "config.toml")
    factors = {} if run.energy is None else run.energy.savings(0.0)
    whole = run.metrics.data.get("known_evaluations") == 0
    minutes = round(sum(run.metrics.table("seconds").values()) / 60, 1) if whole else ""
    hardware = run.manifest.table("hardware")
    yield [
        *(config.space.quantisation.format, "+".join(config.compensation.methods) or "none"),
        *(config.search.evaluations, config.search.population, 100 * (1 - run.library_floor)),
        *(factors.get(level, "") for level in LEVELS),
        *(minutes, *(hardware[key] for key in ("cpu", "threads", "jobs")), run.manifest.text("git_commit")),
    ]
