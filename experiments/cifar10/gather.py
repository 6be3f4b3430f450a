"""The figures of `study.py`'s runs as CSV files, which `tables.py` makes the page of.

What an earlier gathering has of other runs stays: no machine needs to hold all runs of the study.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kept_weights import SUFFIX, pack, quantizer_of

from dse.config import load_config
from dse.evaluator import TEST
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
from dse.status import open_study
from dse.types import Floats, Population

EXACT, OURS = "exact", "approximate"
MAPPED = (OURS, "joint")  # arms whose assignments are drawn, of the first seed
LEVELS = ("mac", "array", "memory")  # of energy; a run has what a saving of multiplications is to be multiplied with
_RUN = ("network", "arm", "seed")
_DESIGN = (
    *("method", "design", "saving_percent", "loss_pp", "test_loss_pp", "test_se_pp"),
    "approximate_percent",  # of the multiplications, by circuits that need less power and are not exact at any width
)
_ASSIGNMENT = "assignment"  # multipliers in the layers' order
_COLUMNS: Mapping[str, Sequence[str]] = {  # of each file, after those that say of which run a row is
    "designs": (*_DESIGN, "test_divergence", _ASSIGNMENT),  # mean KL(exact || design), nats
    "retrained": (
        *(*_DESIGN, "validation_loss_pp", "before_pp", "against_retrained_pp", "against_retrained_se_pp"),
        *("best_epoch", _ASSIGNMENT),
    ),
    "epochs": ("design", "epoch", "cross_entropy", "loss_pp"),  # on validation images, more than the exact network's before
    "runs": (
        *("format", "compensation", "methods", "evaluations", "population", "exact_percent", "floor_percent", *LEVELS),
        *("minutes", "cpu", "threads", "jobs", "commit"),
    ),
}
Which = tuple[str, str, str]  # network, arm and seed of a run
Row = dict[str, object]


def gather(runs: Path, out: Path, earlier: Path) -> None:
    """Write what the page is made of: CSV files, maps of our own designs, and weights of all retrained ones.

    Args:
        runs: Holds the runs' folders.
        out: Where to write.
        earlier: Holds the CSV files of an earlier gathering, or nothing; what they have of other runs is taken over.

    Raises:
        InputError: There are no finished runs, one is damaged, or an earlier file has other columns.
    """
    folders = sorted(path.parent for path in runs.glob("*/report.md"))  # what a run writes last
    if not folders:
        raise InputError(f"{runs}: expected finished runs, got none; make them with experiments/cifar10/study.py")
    found = {which(folder.name): load_run(folder) for folder in folders}
    tables = {name: together(name, found, earlier) for name in _COLUMNS}
    expect(tables["retrained"], tables["epochs"])
    for name, rows in tables.items():
        write_csv(out / f"{name}.csv", (*_RUN, *_COLUMNS[name]), [list(row.values()) for row in rows])
    for key, run in found.items():
        network, arm, seed = key
        if arm in MAPPED and seed == "0":
            for ending in ("png", "pdf"):
                map_of = run.path / "figures" / f"assignments.{ending}"
                shutil.copyfile(map_of, out / f"{network}-{arm}-assignments.{ending}")
        quantizer = quantizer_of(load_config(run.path / "config.toml"))
        for row in (row for row in tables["retrained"] if tuple(row[column] for column in _RUN) == key):
            pack(run.path / RETRAINED / str(row["design"]) / WEIGHTS, quantizer, out / weights_of(row))


def strays(results: Path, retrained: Iterable[Mapping[str, object]]) -> list[Path]:
    """Return the files of weights below the results that belong to none of the rows of retrained.csv."""
    wanted = {results / weights_of(row) for row in retrained}
    return sorted(path for path in (results / RETRAINED).rglob("*") if path.is_file() and path not in wanted)


def weights_of(row: Mapping[str, object]) -> Path:
    """Return where the weights of a row of retrained.csv lie below the results."""
    return Path(RETRAINED) / str(row["network"]) / f"{row['arm']}-seed{row['seed']}" / f"{row['design']}{SUFFIX}"


def which(folder: str) -> Which:
    """Return network, arm and seed of a run by its folder's name, as `study.folder` makes it.

    Raises:
        InputError: It has another name.
    """
    network, _, rest = folder.partition("-")
    arm, _, seed = rest.rpartition("-seed")
    if not (network and arm and seed.isdecimal()):
        raise InputError(f"{folder}: expected a run's folder as NETWORK-ARM-seedN; move others elsewhere")
    return network, arm, str(int(seed))


def together(name: str, found: Mapping[Which, RunData], earlier: Path) -> list[Row]:
    """Return the rows of one of the tables: those of the runs found, and an earlier table's of other runs.

    Raises:
        InputError: A run is damaged, or the earlier table has other columns.
    """
    columns, path = (*_RUN, *_COLUMNS[name]), earlier / f"{name}.csv"
    rows: dict[Which, list[Row]] = defaultdict(list)
    if path.exists():
        table = read_csv(path)
        if tuple(table.columns) != columns:
            raise InputError(f"{path}: expected the columns {', '.join(columns)}; remove it, and run the study for its rows")
        for row in zip(*map(table.texts, columns), strict=True):
            rows[row[0], row[1], row[2]].append(dict(zip(columns, row, strict=True)))
    for run, data in found.items():
        rows[run] = [dict(zip(columns, (*run, *row), strict=True)) for row in _ROWS[name](data)]
    return [row for run in sorted(rows) for row in rows[run]]


def expect(retrained: Iterable[Row], epochs: Sequence[Row]) -> None:
    """Fill in `loss_pp` of retrained designs: what their cross-entropy on validation images lets expect.

    What loss goes with a cross-entropy, all epochs of all designs of a network say together: see `dse.expected_loss`.
    """
    for network in sorted({str(row["network"]) for row in epochs}):
        mine = [row for row in epochs if row["network"] == network]
        entropy, loss = (np.array([float(str(row[name])) for row in mine]) for name in ("cross_entropy", "loss_pp"))
        losses = ExpectedLoss(entropy, loss)(entropy)
        expected = {_epoch(row, row["epoch"]): pp for row, pp in zip(mine, losses.tolist(), strict=True)}
        for row in retrained:
            if row["network"] == network:
                row["loss_pp"] = expected[_epoch(row, row["best_epoch"])]


def _epoch(row: Row, epoch: object) -> tuple[str, ...]:
    """Return what tells an epoch of a network's designs from others."""
    return (*(str(row[name]) for name in (*_RUN, "design")), str(epoch))


def designs_of(run: RunData) -> Iterator[list[object]]:
    """Yield all designs of fronts, and the uniform ones."""
    divergence = divergences(run.path)

    def rows(method: str, designs: Designs, names: Iterable[object], population: Population) -> Iterator[list[object]]:
        losses = (designs.choosing_loss_pp, designs.test_loss_pp, designs.test_se_pp)
        for name, energy, *figures, row in zip(names, designs.rel_energy, *losses, population, strict=True):
            chosen = [run.multipliers[m] for m in row]
            share, diverges = approximate_percent(run, chosen), divergence[tuple(row.tolist())]
            yield [method, name, 100 * (1 - energy), *figures, share, diverges, " ".join(chosen)]

    for method, front in run.fronts.items():
        yield from rows(method, front, front.number.tolist(), front.population)
    yield from rows(UNIFORM, run.uniforms, run.uniforms.names, run.uniforms.population)


def divergences(run: Path) -> dict[tuple[int, ...], float]:
    """Return how far the designs of a run diverge from the exact network on the test images, in nats."""
    with open_study(run) as study:
        return {found.assignment: found.figures["kl"] for found in study.evaluations(TEST) if found.error is None}


def approximate_percent(run: RunData, chosen: Iterable[str]) -> float:
    """Return which share of the multiplications circuits do that need less power and are not exact at any width, in %."""
    power = dict(zip(run.multipliers, run.power_mw / run.power_mw[0], strict=True))
    # the names of all of the library `widths` begin so; what saves less than 1 % is the exact circuit in another form
    approximate = [not name.startswith("exact") and power[name] < 0.99 for name in chosen]
    return 100 * float(run.op_counts[approximate].sum() / run.op_counts.sum())


@dataclass(frozen=True)
class Trained:
    """One retrained design; everything on validation images is against the exact network before any training."""

    design: Retraining
    cross_entropy: Floats  # (E,) more of it, at every epoch
    loss_pp: Floats  # (E,) of accuracy
    against: Difference  # the exact network retrained alike, on the test images

    @property
    def kept(self) -> int:
        """Where the epoch stands that was kept."""
        return int(np.flatnonzero(self.design.epochs == self.design.best_epoch)[0])


def retrained_of(run: RunData) -> Iterator[list[object]]:
    """Yield the retrained designs of a run, with no `loss_pp` yet."""
    for one in trained_of(run):
        design, against = one.design, one.against
        method = UNIFORM if design.name.startswith(UNIFORM) else design.name.rpartition("-")[0]
        assignment: Mapping[str, str] = read_json(run.path / RETRAINED / design.name / RESULT).table("assignment")
        chosen = [assignment[layer] for layer in run.layers]
        yield [
            *(EXACT if design.exact else method, design.name, 100 * (1 - design.rel_energy)),
            *("", design.loss_after.pp, design.loss_after.se_pp, approximate_percent(run, chosen), one.loss_pp[one.kept]),
            *(design.loss_before.pp, against.pp, against.se_pp, design.best_epoch, " ".join(chosen)),
        ]


def epochs_of(run: RunData) -> Iterator[list[object]]:
    """Yield what the retrained designs of a run lost at every epoch."""
    for one in trained_of(run):
        figures = (one.design.epochs.astype(int).tolist(), one.cross_entropy.tolist(), one.loss_pp.tolist())
        yield from ([one.design.name, *row] for row in zip(*figures, strict=True))


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
        yield Trained(design, entropy - start[0], losses, loss_against(exact, design))


def last_stage(run: Path) -> tuple[str, ...]:
    """Return the designs that a run itself has retrained: others may lie beside them."""
    table = run / "retrained.csv"
    return read_csv(table).texts("design") if table.exists() else ()


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


_ROWS: Mapping[str, Callable[[RunData], Iterable[list[object]]]] = {
    "designs": designs_of,
    "retrained": retrained_of,
    "epochs": epochs_of,
    "runs": facts_of,
}
