"""Choose operating points, fine-tune them for all points together, and hold ways to do so against each other.

    python experiments/operating_points/study.py CHOICES.toml [--seeds N] [--jobs 1] [--runs runs]
        [--out results/operating_points] [--page-only] [--set KEY=VALUE ...]

CHOICES.toml names a run's configuration, what is to be chosen and how that is fine-tuned: see `Study`. No design is
simulated twice and nothing trained twice: what was killed goes on. Writes points, page and figure into a folder of its name.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from choices import Choices, Study, read_study, require_circuits
from page import COLUMNS, EXACT, draw, page, read_rows, reference, summary

import dse
from dse.config import RetrainConfig, RunConfig
from dse.evaluator import TEST
from dse.exceptions import InputError, ending, under
from dse.execution import Execution, open_figures
from dse.fidelity import TOP
from dse.inputs import load_inputs
from dse.manifest import identity
from dse.memory import keep_freed_memory
from dse.nn.convert import quantized_layers
from dse.nn.datasets import Part
from dse.nn.training import default_cache_dir, right_answers
from dse.operating_points import (
    FineTuned,
    OperatingPoint,
    OperatingPointModel,
    OperatingPoints,
    Scheme,
    choose_points,
    choose_published,
    fine_tune,
)
from dse.paired import Right, paired_difference
from dse.pareto import hypervolume
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.retrain import retrain_parts, retrain_settings
from dse.run_folder import write_csv
from dse.study import join, kept_guidance, record
from dse.types import Floats, Population
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]
METHODS: Mapping[str, Callable[..., OperatingPoints]] = {
    "ours": choose_points,
    "published": choose_published,
    "published, mixed": partial(choose_published, mixed=True),
}
Search = Callable[[Population], Floats]  # designs `(P, L)` -> loss in pp and divergence on search images `(P, 2)`


@dataclass(frozen=True)
class Setting:
    """A prepared run with what answers for its designs."""

    prepared: Prepared
    search: Search
    train: Part
    validation: Part
    exact: Mapping[str, Right]  # by part: which images the exact network has right


def search_figures(figures: Callable[[Population], Sequence[Any]], layers: int) -> Search:
    """Return what a choice asks for, from figures of designs; NaN for those that failed."""
    (exact,) = figures(np.zeros((1, layers), dtype=np.int64))
    if exact is None:
        raise InputError("the exact quantised network cannot be evaluated")

    def found(population: Population) -> Floats:
        rows = [(np.nan, np.nan) if f is None else (f["accuracy"], f["kl"]) for f in figures(population)]
        accuracy, divergence = np.array(rows).reshape(-1, 2).T
        return np.column_stack([100 * (exact["accuracy"] - accuracy), divergence])

    return found


def counted(search: Search, display: ProgressDisplay, total: int) -> Search:
    """Return the same search figures; the display shows how many designs they were asked for."""
    met = 0

    def found(population: Population) -> Floats:
        nonlocal met
        figures = search(population)
        met += len(population)
        display.update(min(met, total), total)
        return figures

    return found


def rows_of(setting: Setting, choices: Choices, seed: int, display: ProgressDisplay) -> Iterator[list[Any]]:
    """Yield the rows of one request at one seed."""
    prepared = setting.prepared
    worth = reference(prepared.inputs.config, choices)
    guidance = replace(prepared.guidance, max_loss=float(worth[1]))
    for instances in choices.instances:
        for method in choices.methods:
            what = f"{choices.name}, {instances} instances, {method}, seed {seed}"
            display.start(what)
            request = choices.request(instances, seed)
            search = counted(setting.search, display, choices.evaluations)
            found = METHODS[method](prepared.space, guidance, request, search)
            points = [OperatingPoint.of(prepared.space, design, f"point {o}") for o, design in enumerate(found.assignments)]
            model = OperatingPointModel.of(prepared.factory, points, prepared.space.multipliers)
            for scheme in choices.schemes:
                display.start(f"{what}, {scheme}")
                tuned = tuned_for_all(model, setting, scheme, seed, display)
                losses = point_losses(tuned.model, setting)
                figures = np.column_stack([found.rel_energy, [test for _, test, _ in losses]])
                volume = hypervolume(figures, worth)
                added = tuned.model.overhead(prepared.inputs.choices)
                seen: list[float] = [len(found.circuits), len(found.simulated.population), tuned.best.epoch]
                seen += [len(setting.exact[TEST]), 100 * added.rel_parameters, added.stored_bytes]
                seen += [100 * added.stored_bytes / weight_bytes(tuned.model)]
                for o, energy in enumerate(found.rel_energy):
                    yield [choices.name, method, instances, scheme, seed, o, float(energy), *losses[o], volume, *seen]
    display.finish()


def exact_rows(setting: Setting, choices: Choices, seed: int, display: ProgressDisplay) -> Iterator[list[Any]]:
    """Yield a row of the exact network for each scheme that trains: what training gives any network."""
    prepared = setting.prepared
    exact = np.zeros(len(prepared.space.layers), dtype=np.int64)
    point = OperatingPoint.of(prepared.space, exact, EXACT)
    model = OperatingPointModel.of(prepared.factory, [point], prepared.space.multipliers)
    for scheme in (scheme for scheme in choices.schemes if scheme != "none"):
        display.start(f"{choices.name}, exact, seed {seed}, {scheme}")
        tuned = tuned_for_all(model, setting, scheme, seed, display)
        (losses,) = point_losses(tuned.model, setting)
        seen = [0, 0, tuned.best.epoch, len(setting.exact[TEST]), 0, 0, 0]
        yield [choices.name, EXACT, 0, scheme, seed, 0, 1.0, *losses, 0.0, *seen]
    display.finish()


def tuned_for_all(
    model: OperatingPointModel, setting: Setting, scheme: Scheme, seed: int, display: ProgressDisplay
) -> FineTuned:
    """Return a network fine-tuned for all its points, as the run's table `retrain` says."""
    prepared = setting.prepared
    return fine_tune(
        model,
        setting.train,
        setting.validation,
        retrain_settings(prepared, prepared.inputs.config.retrain or RetrainConfig()),
        scheme=scheme,
        seed=seed,
        teacher=prepared.workload.model,
        cache_dir=default_cache_dir(),
        key={"model": prepared.workload.model_name},
        progress=display.update,
    )


def weight_bytes(model: OperatingPointModel) -> float:
    """Return what the weights that are multiplied with take, in packed codes."""
    layers = quantized_layers(model.network).values()
    return sum(layer.weight.numel() * layer.operands.w_bits for layer in layers) / 8


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
                        yield from exact_rows(setting, choices, seed, display)


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
    study, out = read_study(given.choices), given.out / given.choices.stem
    for option in ("seeds", "jobs"):
        if (number := getattr(given, option)) is not None and number < 1:
            raise InputError(f"--{option}: expected at least 1, got {number}")

    def config(seed: int) -> RunConfig:
        file = given.choices.parent / study.run
        return dse.load_config(file, overrides=[*study.set, *given.overrides], seed=seed)

    if not given.page_only:
        with under(f"{given.choices}: "):
            require_circuits(study, int(load_inputs(config(0)).choices.circuits.max()) + 1)
        alike: dict[int, list[int]] = defaultdict(list)  # seed of split, network and profile -> seeds
        for seed in range(min(study.seeds, given.seeds or study.seeds)):
            alike[config(seed).space_seed].append(seed)
        rows: list[list[Any]] = []
        writable_folder(out)
        for first, seeds in alike.items():
            folder = given.runs / f"operating-points-{given.choices.stem}-{first}"
            rows += study_rows(study, config(first), folder, seeds, given.jobs, ProgressDisplay())
            write_csv(out / "points.csv", COLUMNS, rows)
    found = read_rows(out / "points.csv", study)
    draw(found, given.choices.stem, out)
    (out / "README.md").write_text(page(study, config(0), given.choices, found), encoding="utf-8")
    rows_for_readme = [f"{row}\n" for row in summary(study, given.choices.stem, found)]
    (out / "summary.md").write_text("".join(rows_for_readme), encoding="utf-8")


if __name__ == "__main__":
    with ending("study.py"):
        main()
