"""The figures of `study.py`'s runs as CSV files, which `tables.py` makes the page of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from dse.config import load_config
from dse.exceptions import InputError
from dse.report import (
    UNIFORM,
    RunData,
    choices,
    exact_beside,
    load_run,
    loss_against,
    retraining_info,
)
from dse.run_folder import write_csv

EXACT, OURS = "exact", "approximate"
LEVELS = ("mac", "array", "memory")  # of energy; a run has what a saving of multiplications is to be multiplied with
_DESIGNS = ("network", "arm", "seed", "method", "design", "saving_percent", "loss_pp", "test_loss_pp", "test_se_pp")
_SAVINGS = (*_DESIGNS[:4], "level_pp", *_DESIGNS[4:])
_RUNS = (
    *("network", "arm", "seed", "format", "compensation", "evaluations", "population", "floor_percent", *LEVELS),
    *("minutes", "cpu", "threads", "jobs", "commit"),
)
_RETRAINED = (*_DESIGNS, "before_pp", "against_retrained_pp", "against_retrained_se_pp", "best_epoch")


def gather(runs: Path, out: Path) -> None:
    """Write what the page is made of: designs.csv, savings.csv, retrained.csv, runs.csv, and maps of our assignments.

    Raises:
        InputError: There are no finished runs.
    """
    folders = sorted(path.parent for path in runs.glob("*/manifest.json"))
    if not folders:
        raise InputError(f"{runs}: expected finished runs, got none; make them with experiments/cifar10/study.py")
    found = {folder.name: load_run(folder) for folder in folders}
    for name, columns, rows in (
        ("designs.csv", _DESIGNS, designs_of),
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


def which(folder: str) -> tuple[str, str, int]:
    """Return network, arm and seed of a run by its folder's name, as `study.folder` makes it."""
    network, _, rest = folder.partition("-")
    arm, _, seed = rest.rpartition("-seed")
    return network, arm, int(seed)


def designs_of(run: RunData) -> Iterator[list[object]]:
    """Yield all designs of fronts, and the uniform ones."""
    named = {method: (front, front.number.tolist()) for method, front in run.fronts.items()}
    for method, (designs, names) in {**named, UNIFORM: (run.uniforms, run.uniforms.names)}.items():
        losses = (designs.choosing_loss_pp, designs.test_loss_pp, designs.test_se_pp)
        for name, energy, *loss in zip(names, designs.rel_energy, *losses, strict=True):
            yield [method, name, 100 * (1 - energy), *loss]


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
        yield [EXACT if design.exact else method, design.name, 100 * (1 - design.rel_energy), *losses, design.best_epoch]


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
