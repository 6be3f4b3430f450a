"""What each way to compensate and each way to retrain does to the same designs of a finished run; writes pages and tables.

    python experiments/cifar10/ablations.py RUN [--levels 0.5 1 2 4] [--retrained 1] [--method nsga2]
        [--out results/cifar10/ablations]

RUN is a folder of `study.py`, whose front the designs are taken from: the cheapest within each loss. `--retrained` of them,
the dearest first, are retrained in each way. A training is kept in the cache (`$DSE_CACHE`) and not done twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from dse.compensation import METHODS, Compensation, check_methods
from dse.config import RetrainConfig, RunConfig, load_config
from dse.evaluator import EvaluatorFactory
from dse.exceptions import InputError, ending
from dse.inputs import load_inputs
from dse.memory import keep_freed_memory
from dse.nn.training import right_answers
from dse.paired import Difference, paired_difference
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import load_run
from dse.retrain import Retrainer, designs_within, front_name, require_same
from dse.run_folder import hardware, write_csv
from dse.types import Assignment
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]
Losses = Mapping[str, Sequence[Difference]]  # way -> loss of each design against the exact network


def sets_of_methods() -> Iterator[tuple[str, ...]]:
    """Yield no method, each alone, and all that may be combined."""
    for count in range(len(METHODS) + 1):
        for methods in combinations(METHODS, count):
            try:
                check_methods(methods)
            except InputError:
                continue
            yield methods


def ways(config: RetrainConfig) -> Mapping[str, Mapping[str, Any]]:
    """Return the ways to retrain, and in what each differs from a run's own settings."""
    longer = 3 * config.epochs
    return {
        "straight-through, distilled": {"distil": 0.5},
        f"straight-through, distilled, {longer} epochs": {"distil": 0.5, "epochs": longer},
        "straight-through": {"distil": 0.0},
        "slopes of the table (1-d), distilled": {"gradient": "table-1d", "distil": 0.5},
        "slopes of the table (2-d), distilled": {"gradient": "table-2d", "distil": 0.5},
        "noise instead of tables, distilled": {"forward": "noise", "distil": 0.5},
    }


def compensated(prepared: Prepared, designs: Sequence[Assignment], display: ProgressDisplay) -> Losses:
    """Return the losses of designs on the test images, compensated by each set of methods."""
    test, config = prepared.workload.parts.test, prepared.inputs.config
    images = prepared.workload.parts.calibration.x[: config.compensation.images]
    exact = right_answers(prepared.factory.network(np.zeros_like(designs[0])), test)
    found: dict[str, list[Difference]] = {}
    for methods in sets_of_methods():
        name = " + ".join(methods) or "none"
        display.start(f"compensate: {name}")
        errors = prepared.predictions["direct"]
        compensation = Compensation(methods, images, errors, prepared.trace) if methods else None
        factory: EvaluatorFactory = replace(prepared.factory, compensation=compensation)
        found[name] = [paired_difference(exact, right_answers(factory.network(design), test)) for design in designs]
    return found


def retrained(
    prepared: Prepared, config: RetrainConfig, designs: Mapping[str, Assignment], display: ProgressDisplay
) -> tuple[Losses, Mapping[str, list[float]]]:
    """Return the losses of designs on the test images after each way of retraining, and the seconds that an epoch took."""
    before: dict[str, Difference] = {}
    after: dict[str, list[Difference]] = {}
    seconds: dict[str, list[float]] = {}
    for way, differs in ways(config).items():
        retrainer = Retrainer(prepared, config.model_copy(update=dict(differs)))
        for name, design in designs.items():
            display.start(f"retrain {name}: {way}")
            made = retrainer(name, design, progress=display.update)
            before[name] = made.loss_before
            after.setdefault(way, []).append(made.loss_after)
            seconds.setdefault(way, []).extend(epoch.seconds for epoch in made.retrained.log[1:])
    return {"before": list(before.values()), **after}, seconds


def table(head: Sequence[str], losses: Losses, last: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the rows of a table: a way in each, a design in each column, and what else is said of the way."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for name, found in losses.items():
        cells = [f"{loss.pp:.2f} ± {loss.se_pp:.2f}" for loss in found]
        yield "| " + " | ".join([name, *cells, *([] if last is None else [last.get(name, "–")])]) + " |"


def page(
    config: RunConfig,
    savings: Sequence[float],
    tested: int,
    compensation: Losses,
    retraining: Losses,
    seconds: Mapping[str, Sequence[float]],
) -> str:
    """Return the README of the results."""
    machine, again = hardware(), config.retrain or RetrainConfig()
    designs = [f"{saving:.1f} % saved" for saving in savings]
    took = {way: f"{np.mean(values):.0f}" for way, values in seconds.items()}
    count = len(next(iter(retraining.values()), []))
    lines = [
        f"# Ways to compensate and to retrain: {config.space.model.name}",
        "",
        "Written by `python experiments/cifar10/ablations.py RUN`. Losses in pp against the exact 8-bit network as it was,",
        f"on all {tested:,} test images, ± paired standard error. The designs are those of the run's front within losses on",
        f"validation images; its search compensated by `{' + '.join(config.compensation.methods) or 'none'}`.",
        "",
        "## Compensation without retraining",
        "",
        *table(["methods", *designs], compensation),
        "",
        f"Moments and statistics from {config.compensation.images or 'all'} calibration images.",
    ]
    if count:
        lines += [
            "",
            "## Retraining",
            "",
            *table(["way", *designs[:count], "seconds an epoch"], retraining, took),
            "",
            f"{again.epochs} epoch(s) unless said otherwise, peak rate {again.lr:g}, all training images, from the",
            "compensated network. Whatever a network is trained through, its loss is that of the tables.",
        ]
    return "\n".join([*lines, "", f"Hardware: {machine['cpu']}, {machine['cores']} cores.", ""])


def rows(savings: Sequence[float], losses: Losses) -> Iterator[list[Any]]:
    """Yield the rows of a CSV file."""
    for name, found in losses.items():
        for saving, loss in zip(savings, found, strict=False):
            yield [name, saving, loss.pp, loss.se_pp]


def main() -> None:
    """Choose designs, compensate and retrain them in all ways, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--levels", type=float, nargs="+", default=[0.5, 1, 2, 4])
    parser.add_argument("--retrained", type=int, default=1)
    parser.add_argument("--method", default="nsga2")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "cifar10" / "ablations")
    given = parser.parse_args()
    keep_freed_memory()
    run, config = load_run(given.run), load_config(given.run / "config.toml")
    if given.method not in run.fronts:
        raise InputError(f"--method {given.method}: this run has {', '.join(run.fronts)}")
    front = run.fronts[given.method]
    chosen = designs_within(front.rel_energy, front.choosing_loss_pp, given.levels)
    if not chosen:
        raise InputError(f"{given.run}: no design of {given.method} within {given.levels} pp")
    designs = {front_name(given.method, int(front.number[i])): front.population[i] for i in chosen}
    savings = [100 * (1 - float(front.rel_energy[i])) for i in chosen]
    with ProgressDisplay() as display:
        prepared = prepare(load_inputs(config), display)
        require_same(run, prepared)
        compensation = compensated(prepared, list(designs.values()), display)
        few = dict(list(designs.items())[: given.retrained])
        retraining, seconds = retrained(prepared, config.retrain or RetrainConfig(), few, display) if few else ({}, {})
        display.finish()
    out = writable_folder(given.out / str(config.space.model.name))
    columns = ("way", "saving_percent", "test_loss_pp", "test_se_pp")
    write_csv(out / "compensation.csv", columns, rows(savings, compensation))
    write_csv(out / "retraining.csv", columns, rows(savings, retraining))
    text = page(config, savings, len(prepared.workload.parts.test), compensation, retraining, seconds)
    (out / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    with ending("ablations.py"):
        main()
