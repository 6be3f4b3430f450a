"""The figures of `study.py`'s runs as CSV files, which `tables.py` makes the page of."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.config import load_config
from dse.exceptions import InputError
from dse.expected_loss import ExpectedLoss
from dse.paired import Difference
from dse.report import (
    UNIFORM,
    Designs,
    Retraining,
    RunData,
    exact_beside,
    load_run,
    loss_against,
    read_csv,
    read_json,
    retraining_info,
)
from dse.run_folder import LOG, RESULT, RETRAINED, WEIGHTS, write_csv
from dse.types import Floats, Population

EXACT, OURS = "exact", "approximate"
KEPT = (OURS, "joint")  # arms whose retrained weights are kept, of the first seed: those of our own search
LEVELS = ("mac", "array", "memory")  # of energy; a run has what a saving of multiplications is to be multiplied with
_DESIGNS = (
    *("network", "arm", "seed", "method", "design", "saving_percent", "loss_pp", "test_loss_pp", "test_se_pp"),
    "approximate_percent",  # of the multiplications, by circuits that need less power and are not exact at any width
)
_ASSIGNMENT = "assignment"  # multipliers in the layers' order
_RUNS = (
    *("network", "arm", "seed", "format", "compensation", "methods", "evaluations", "population", "exact_percent"),
    *("floor_percent", *LEVELS, "minutes", "cpu", "threads", "jobs", "commit"),
)
_RETRAINED = (
    *_DESIGNS,
    *("validation_loss_pp", "before_pp", "against_retrained_pp", "against_retrained_se_pp", "best_epoch", _ASSIGNMENT),
)


def gather(runs: Path, out: Path) -> None:
    """Write what the page is made of: designs.csv, retrained.csv, runs.csv, maps and weights of our own designs.

    Raises:
        InputError: There are no finished runs, or one is damaged.
    """
    folders = sorted(path.parent for path in runs.glob("*/report.md"))  # what a run writes last
    if not folders:
        raise InputError(f"{runs}: expected finished runs, got none; make them with experiments/cifar10/study.py")
    found = {folder.name: load_run(folder) for folder in folders}
    for name, columns, rows in (("designs.csv", (*_DESIGNS, _ASSIGNMENT), designs_of), ("runs.csv", _RUNS, facts_of)):
        write_csv(out / name, columns, [[*which(folder), *row] for folder, run in found.items() for row in rows(run)])
    write_csv(out / "retrained.csv", _RETRAINED, retrained_of(found))
    for folder in found:
        network, arm, seed = which(folder)
        if arm in KEPT and seed == 0:
            for ending in ("png", "pdf"):
                map_of = runs / folder / "figures" / f"assignments.{ending}"
                shutil.copyfile(map_of, out / f"{network}-{arm}-assignments.{ending}")
            keep_weights(runs / folder, out / RETRAINED / network / arm)


def which(folder: str) -> tuple[str, str, int]:
    """Return network, arm and seed of a run by its folder's name, as `study.folder` makes it.

    Raises:
        InputError: It has another name.
    """
    network, _, rest = folder.partition("-")
    arm, _, seed = rest.rpartition("-seed")
    if not (network and arm and seed.isdecimal()):
        raise InputError(f"{folder}: expected a run's folder as NETWORK-ARM-seedN; move others elsewhere")
    return network, arm, int(seed)


def designs_of(run: RunData) -> Iterator[list[object]]:
    """Yield all designs of fronts, and the uniform ones."""

    def rows(method: str, designs: Designs, names: Iterable[object], population: Population) -> Iterator[list[object]]:
        losses = (designs.choosing_loss_pp, designs.test_loss_pp, designs.test_se_pp)
        for name, energy, *figures, row in zip(names, designs.rel_energy, *losses, population, strict=True):
            chosen = [run.multipliers[m] for m in row]
            yield [method, name, 100 * (1 - energy), *figures, approximate_percent(run, chosen), " ".join(chosen)]

    for method, front in run.fronts.items():
        yield from rows(method, front, front.number.tolist(), front.population)
    yield from rows(UNIFORM, run.uniforms, run.uniforms.names, run.uniforms.population)


def approximate_percent(run: RunData, chosen: Iterable[str]) -> float:
    """Return which share of the multiplications circuits do that need less power and are not exact at any width, in %."""
    power = dict(zip(run.multipliers, run.power_mw / run.power_mw[0], strict=True))
    # the names of all of the library `widths` begin so; what saves less than 1 % is the exact circuit in another form
    approximate = [not name.startswith("exact") and power[name] < 0.99 for name in chosen]
    return 100 * float(run.op_counts[approximate].sum() / run.op_counts.sum())


@dataclass(frozen=True)
class Trained:
    """One retrained design; everything on validation images is against the exact network before any training."""

    run: RunData
    design: Retraining
    cross_entropy: Floats  # (E,) more of it, at every epoch
    loss_pp: Floats  # (E,) of accuracy
    against: Difference  # the exact network retrained alike, on the test images

    @property
    def kept(self) -> int:
        """Where the epoch stands that was kept."""
        return int(np.flatnonzero(self.design.epochs == self.design.best_epoch)[0])


def retrained_of(runs: Mapping[str, RunData]) -> list[list[object]]:
    """Return the rows of retrained designs, `loss_pp` being what their cross-entropy on validation images lets expect.

    What loss goes with a cross-entropy, all epochs of all designs of a network say together: see `dse.expected_loss`.

    Raises:
        InputError: A design cannot be read, or no exact network was retrained beside it.
    """
    by_network: dict[str, list[tuple[str, Trained]]] = defaultdict(list)
    for folder, run in runs.items():
        by_network[which(folder)[0]] += [(folder, one) for one in trained_of(run)]
    rows: list[list[object]] = []
    for found in filter(None, by_network.values()):  # a network of which nothing was retrained has no rows
        curves = [np.concatenate([getattr(one, name) for _, one in found]) for name in ("cross_entropy", "loss_pp")]
        expected = ExpectedLoss(*curves)
        rows += [[*which(folder), *_row(one, float(expected(one.cross_entropy)[one.kept]))] for folder, one in found]
    return rows


def trained_of(run: RunData) -> Iterator[Trained]:
    """Yield the retrained designs of a run."""
    info, wanted = retraining_info(run), last_stage(run.path)
    if info is not None and info.left_out:
        raise InputError(f"{run.path}: cannot read all retrained designs ({'; '.join(info.left_out)}); retrain them again")
    designs = [design for design in (() if info is None else info.designs) if design.name in wanted]
    for design in designs:
        exact = exact_beside(design, designs)
        if exact is None:
            raise InputError(f"{run.path}: {design.name}: retrain the exact network in the same way (retrain.uniform)")
        entropy, start = (
            read_csv(run.path / RETRAINED / name / LOG).numbers("validation_loss") for name in (design.name, exact.name)
        )
        losses = 100 * (exact.accuracy[0] - design.accuracy)
        yield Trained(run, design, entropy - start[0], losses, loss_against(exact, design))


def last_stage(run: Path) -> tuple[str, ...]:
    """Return the designs that a run itself has retrained: others may lie beside them."""
    table = run / "retrained.csv"
    return read_csv(table).texts("design") if table.exists() else ()


def _row(one: Trained, expected: float) -> list[object]:
    run, design, against = one.run, one.design, one.against
    method = UNIFORM if design.name.startswith(UNIFORM) else design.name.rpartition("-")[0]
    after, before = design.loss_after, design.loss_before.pp
    assignment: Mapping[str, str] = read_json(run.path / RETRAINED / design.name / RESULT).table("assignment")
    chosen = [assignment[layer] for layer in run.layers]
    return [
        *(EXACT if design.exact else method, design.name, 100 * (1 - design.rel_energy)),
        *(expected, after.pp, after.se_pp, approximate_percent(run, chosen), one.loss_pp[one.kept]),
        *(before, against.pp, against.se_pp, design.best_epoch, " ".join(chosen)),
    ]


def keep_weights(run: Path, out: Path) -> None:
    """Copy the weights that a run's retrained designs of our own search ended with."""
    for name in last_stage(run):
        if name.startswith("nsga2-"):
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / RETRAINED / name / WEIGHTS, out / f"{name}.safetensors")


def facts_of(run: RunData) -> Iterator[list[object]]:
    """Yield what a run was made with, the least its library needs, and how long it took if nothing was known before."""
    config = load_config(run.path / "config.toml")
    factors = {} if run.energy is None else run.energy.savings(0.0)
    new = run.metrics.data.get("known_evaluations") == 0 and run.metrics.data.get("kept_profiles") == []
    minutes = round(sum(run.metrics.table("seconds").values()) / 60, 1) if new else ""
    hardware, power = run.manifest.table("hardware"), run.power_mw[run.power_mw > 0]
    yield [
        *(config.space.quantisation.format, "+".join(config.compensation.methods) or "none"),
        *("+".join(config.search.methods), config.search.evaluations, config.search.population),
        *(100 * run.metrics.number("baselines", "quantised_accuracy"), 100 * (1 - power.min() / run.power_mw[0])),
        *(factors.get(level, "") for level in LEVELS),
        *(minutes, *(hardware[key] for key in ("cpu", "threads", "jobs")), run.manifest.text("git_commit")),
    ]
