"""Choose operating points, fine-tune them for all points together, and hold ways to do so against each other.

    python experiments/operating_points/study.py CHOICES.toml [--seeds N] [--jobs 1] [--runs runs]
        [--out results/operating_points] [--page-only] [--set KEY=VALUE ...]

CHOICES.toml names a run's configuration, what is to be chosen and how that is fine-tuned: see `Study`. No design is
simulated twice and nothing trained twice: what was killed goes on. Writes points, page and figure into a folder of its name.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import dse
from dse.config import RetrainConfig, RunConfig
from dse.evaluator import TEST
from dse.exceptions import InputError
from dse.fidelity import TOP
from dse.inputs import load_inputs
from dse.manifest import identity
from dse.memory import keep_freed_memory
from dse.nn.datasets import Part
from dse.nn.training import default_cache_dir, right_answers
from dse.operating_points import (
    OperatingPoint,
    OperatingPointModel,
    PointsRequest,
    Scheme,
    choose_points,
    choose_published,
    fine_tune,
)
from dse.paired import Right, paired_difference
from dse.pareto import hypervolume
from dse.pipeline import Execution, open_figures
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import Tradeoff, draw_tradeoffs, save
from dse.retrain import retrain_parts, retrain_settings
from dse.run_folder import hardware, write_csv
from dse.study import join, kept_guidance, record
from dse.toml_files import read_toml
from dse.types import Floats, Population
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"ours": choose_points, "published": choose_published}
KEY = ("choice", "method", "instances", "scheme")
COLUMNS = (
    *KEY,
    *("seed", "point", "rel_energy", "validation_loss_pp", "test_loss_pp", "test_se_pp"),
    *("hypervolume", "circuits", "simulated", "best_epoch", "test_images"),
)


class Table(BaseModel):
    """A table in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Choices(Table):
    """One request, for several numbers of instances, methods and schemes of fine-tuning."""

    name: str
    methods: list[Literal["ours", "published"]] = ["ours"]
    instances: list[int] = [4]
    points: int = 3
    loss_budgets_pp: list[float] | None = None
    schemes: list[Scheme] = ["none"]
    evaluations: int = 300
    seeds: int | None = None  # the study's when absent


class Study(Table):
    """What a file of choices says."""

    run: str  # configuration of the run, beside the file
    set: list[str] = []  # KEY=VALUE that differ from it
    seeds: int = 5
    choices: list[Choices] = Field(min_length=1)
    fine_tuning_images: int | None = Field(default=None, ge=1)  # the first of the training part; all when absent


@dataclass(frozen=True)
class Setting:
    """A prepared run with what answers for its designs."""

    prepared: Prepared
    search: Callable[[Population], Floats]  # loss in pp and divergence on search images
    train: Part
    validation: Part
    exact: Mapping[str, Right]  # by part: which images the exact network has right


def read_study(path: Path) -> Study:
    """Read a file of choices. Raises InputError where it is not one."""
    try:
        return Study.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def search_figures(figures: Callable[[Population], Sequence[Any]], layers: int) -> Callable[[Population], Floats]:
    """Return what a choice asks for, `(P, L)` -> `(P, 2)`, from figures of designs; NaN for those that failed."""
    (exact,) = figures(np.zeros((1, layers), dtype=np.int64))
    if exact is None:
        raise InputError("the exact quantised network cannot be evaluated")

    def found(population: Population) -> Floats:
        rows = [(np.nan, np.nan) if f is None else (f["accuracy"], f["kl"]) for f in figures(population)]
        accuracy, divergence = np.array(rows).reshape(-1, 2).T
        return np.column_stack([100 * (exact["accuracy"] - accuracy), divergence])

    return found


def rows_of(setting: Setting, choices: Choices, seed: int, display: ProgressDisplay) -> Iterator[list[Any]]:
    """Yield the rows of one request at one seed."""
    prepared = setting.prepared
    retrained = prepared.inputs.config.retrain or RetrainConfig()
    for instances in choices.instances:
        for method in choices.methods:
            what = f"{choices.name}, {instances} instances, {method}, seed {seed}"
            display.start(what)
            request = PointsRequest(instances, choices.points, choices.loss_budgets_pp, None, choices.evaluations, seed)
            found = METHODS[method](prepared.space, prepared.guidance, request, setting.search)
            points = [OperatingPoint.of(prepared.space, design, f"point {o}") for o, design in enumerate(found.assignments)]
            model = OperatingPointModel.of(prepared.factory, points, prepared.space.multipliers)
            for scheme in choices.schemes:
                display.start(f"{what}, {scheme}")
                tuned = fine_tune(
                    model,
                    setting.train,
                    setting.validation,
                    retrain_settings(prepared, retrained),
                    scheme=scheme,
                    seed=seed,
                    teacher=prepared.workload.model,
                    cache_dir=default_cache_dir(),
                    key={"model": prepared.workload.model_name},
                    progress=display.update,
                )
                losses = point_losses(tuned.model, setting)
                figures = np.column_stack([found.rel_energy, [test for _, test, _ in losses]])
                volume = hypervolume(figures, reference(prepared.inputs.config))
                seen = [len(found.circuits), len(found.simulated.population), tuned.best.epoch, len(setting.exact[TEST])]
                for o, energy in enumerate(found.rel_energy):
                    yield [choices.name, method, instances, scheme, seed, o, float(energy), *losses[o], volume, *seen]
    display.finish()


def reference(config: RunConfig) -> Floats:
    """Return the point up to which hypervolume counts: relative energy, loss in pp."""
    return np.array([config.search.reference.rel_energy, config.search.reference.accuracy_loss_pp])


def point_losses(model: OperatingPointModel, setting: Setting) -> list[tuple[float, float, float]]:
    """Return for each point its loss on validation and on test images, and the standard error of the latter, pp."""
    parts = {"validation": setting.validation, TEST: setting.prepared.workload.parts.test}
    found = []
    for point in range(len(model.points)):
        with model.at(point):
            lost = {name: paired_difference(setting.exact[name], right_answers(model, part)) for name, part in parts.items()}
        found.append((lost["validation"].pp, lost[TEST].pp, lost[TEST].se_pp))
    return found


def study_rows(
    study: Study, config: RunConfig, runs: Path, seeds: Sequence[int], jobs: int, display: ProgressDisplay
) -> Iterator[list[Any]]:
    """Yield the rows of seeds that share split, network and profile."""
    with display, join(config, runs) as file:
        prepared = prepare(load_inputs(config), display)
        record(file, identity(prepared))
        guided = kept_guidance(file, prepared.guidance)  # learned digits depend on the number of threads
        train, validation = retrain_parts(prepared, config.retrain or RetrainConfig())
        train = Part(train.x[: study.fine_tuning_images], train.y[: study.fine_tuning_images])
        test = prepared.workload.parts.test
        exact = prepared.factory.network(np.zeros(len(prepared.space.layers), dtype=np.int64))
        right = {name: right_answers(exact, part) for name, part in (("validation", validation), (TEST, test))}
        with open_figures(prepared, file, Execution(jobs=jobs)) as figures:
            search = search_figures(figures(TOP), len(prepared.space.layers))
            setting = Setting(replace(prepared, guidance=guided), search, train, validation, right)
            for choices in study.choices:
                for seed in seeds:
                    if seed < (study.seeds if choices.seeds is None else choices.seeds):
                        yield from rows_of(setting, choices, seed, display)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of points.csv."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


Rows = Sequence[Mapping[str, str]]


def by_key(rows: Rows) -> dict[tuple[str, ...], dict[int, Rows]]:
    """Return the points of every choice, method, number of instances and scheme, by seed."""
    found: dict[tuple[str, ...], dict[int, list[Mapping[str, str]]]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in KEY), {}).setdefault(int(row["seed"]), []).append(row)
    return {key: dict(seeds) for key, seeds in found.items()}


def table(rows: Rows) -> Iterator[str]:
    """Yield the table of one choice: a row for each method, number of instances and scheme, means over the seeds."""
    points = max(int(row["point"]) for row in rows) + 1
    head = [
        "chosen by",
        "instances",
        "fine-tuned",
        "seeds",
        *(f"point {o}" for o in range(points)),
        "hypervolume on test images",
    ]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for (_, method, instances, scheme), seeds in by_key(rows).items():
        cells = [method, instances, scheme, str(len(seeds))]
        for o in range(points):
            saved, loss, se = np.mean([_figures(seed[o]) for seed in seeds.values()], axis=0)
            cells.append(f"**{saved:.1f}** at {loss:.2f} ± {se:.2f}")
        volumes = [float(seed[0]["hypervolume"]) for seed in seeds.values()]
        spread = f" ({min(volumes):.3f} .. {max(volumes):.3f})" if len(volumes) > 1 else ""
        yield "| " + " | ".join([*cells, f"{np.mean(volumes):.3f}{spread}"]) + " |"


def _figures(point: Mapping[str, str]) -> tuple[float, float, float]:
    return (100 * (1 - float(point["rel_energy"])), float(point["test_loss_pp"]), float(point["test_se_pp"]))


def duels(rows: Rows) -> Iterator[str]:
    """Say on how many seeds our hypervolume is larger than the published method's, all else being equal."""
    found = by_key(rows)
    for (choice, method, instances, scheme), ours in found.items():
        theirs = found.get((choice, "published", instances, scheme))
        if method == "ours" and theirs is not None:
            pairs = [(float(ours[s][0]["hypervolume"]), float(theirs[s][0]["hypervolume"])) for s in ours if s in theirs]
            more = [100 * (a / b - 1) for a, b in pairs]
            won = sum(value > 0 for value in more)
            yield (
                f"Fine-tuned `{scheme}`, {instances} instances: ours has the larger hypervolume on {won} of {len(pairs)} "
                f"seeds, by {min(more):.1f} to {max(more):.1f} %, {np.mean(more):.1f} % in the mean."
            )


def page(study: Study, config: RunConfig, path: Path, rows: Rows) -> str:
    """Return the README of the results."""
    at, images = reference(config), rows[0]["test_images"]
    machine = hardware()
    lines = [
        f"# Operating points: {path.stem}",
        "",
        f"Written by `python experiments/operating_points/study.py experiments/operating_points/{path.name}`.",
        "A cell: energy of the multiplications saved in %, and the loss in pp against the exact 8-bit network before any",
        f"training, on all {images} test images, ± its paired standard error; means over the seeds. Points were chosen on",
        "search images, epochs on validation images. The hypervolume of the points' energy and test loss counts up to",
        f"relative energy {at[0]:g} and {at[1]:g} pp. `none`: corrected in closed form alone; `batch-norm`: each point's",
        "own BatchNorms trained, as QoS-Nets does; `shared`: the weights too, one set for all points. `published` is the",
        "method of QoS-Nets (arXiv 2410.07762), its tolerance scales tuned by as many simulations as ours has. Instances:",
        "most distinct circuits in all points together.",
    ]
    if config.retrain is not None:
        trained = "all" if study.fine_tuning_images is None else f"{study.fine_tuning_images:,}"
        lines += [
            "",
            f"Fine-tuning: {config.retrain.epochs} epochs, {trained} training images, peak rate {config.retrain.lr:g}.",
        ]
    for name in dict.fromkeys(row["choice"] for row in rows):
        mine = [row for row in rows if row["choice"] == name]
        (choices,) = (c for c in study.choices if c.name == name)
        budgets = choices.loss_budgets_pp
        said = "a front as large as possible" if budgets is None else f"losses of at most {', '.join(map(str, budgets))} pp"
        lines += [
            "",
            f"## {name}",
            "",
            f"Asked for: {said}, within {choices.evaluations} simulated designs.",
            "",
            *table(mine),
        ]
        for line in duels(mine):
            lines += ["", line]
    lines += ["", "![points](points.png)", "", f"Hardware: {machine['cpu']}, {machine['cores']} cores.", ""]
    return "\n".join(lines)


def draw(rows: Rows, title: str, out: Path) -> None:
    """Draw the points of the first seed."""
    series = []
    for key, seeds in by_key(rows).items():
        points = np.array([_figures(point)[:2] for point in seeds[min(seeds)]])
        series.append(Tradeoff(", ".join((*key[:2], f"{key[2]} instances", key[3])), points, line=True))
    save(partial(draw_tradeoffs, series, f"{title}: operating points on the test images, first seed"), out, "points")


def main() -> None:
    """Choose, fine-tune, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("choices", type=Path)
    parser.add_argument("--seeds", type=int, help="fewer than the file says")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "operating_points")
    parser.add_argument("--page-only", action="store_true", help="only page and figure, from the points that are there")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    keep_freed_memory()
    study = read_study(given.choices)
    out = writable_folder(given.out / given.choices.stem)

    def config(seed: int) -> RunConfig:
        file = given.choices.parent / study.run
        return dse.load_config(file, overrides=[*study.set, *given.overrides], seed=seed)

    if not given.page_only:
        alike: dict[int, list[int]] = defaultdict(list)  # seed of split, network and profile -> seeds
        for seed in range(study.seeds if given.seeds is None else given.seeds):
            alike[config(seed).space_seed].append(seed)
        rows: list[list[Any]] = []
        for first, seeds in alike.items():
            folder = given.runs / f"operating-points-{given.choices.stem}-{first}"
            rows += study_rows(study, config(first), folder, seeds, given.jobs, ProgressDisplay())
            write_csv(out / "points.csv", COLUMNS, rows)
    found = read_rows(out / "points.csv")
    draw(found, given.choices.stem, out)
    (out / "README.md").write_text(page(study, config(0), given.choices, found), encoding="utf-8")


if __name__ == "__main__":
    main()
