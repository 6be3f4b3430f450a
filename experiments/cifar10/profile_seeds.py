"""What each robustness profile is worth to our search: hypervolume of the first generation and at the end, over seeds.

    python experiments/cifar10/profile_seeds.py [--network resnet8] [--seeds 5] [--jobs 1] [--runs runs]
        [--weights results/cifar10/baselines] [--out results/cifar10/profile_seeds] --set space.dataset.path=CIFAR10.npz
        --set space.multipliers.library=EVOAPPROX [--set search.evaluations=200 ...]

All searches share one study: no design is simulated twice, and what was killed goes on. Writes `OUT/NETWORK/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.stats import wilcoxon

import dse
from dse.exceptions import InputError, ending
from dse.execution import Execution, open_figures
from dse.fidelity import TOP
from dse.inputs import load_inputs
from dse.manifest import identity
from dse.matching import matching_sweep, sensitivity, tolerances
from dse.memory import keep_freed_memory
from dse.objectives import Study
from dse.pareto import hypervolume, hypervolume_curve
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import Band, BandInfo, draw_bands, save
from dse.robustness import RobustnessProfile
from dse.run_folder import hardware, write_csv
from dse.scoring import Column
from dse.search import Guidance, History, make_search, run_search
from dse.search_progress import SearchProgress
from dse.store import StudyFile
from dse.study import join, record
from dse.types import Floats
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (  # of the comparison, where --set says nothing else
    'search.methods=["nsga2"]',
    'retrain.methods=["nsga2"]',  # a method of the run, though nothing is retrained here
    "search.evaluations=200",
    "search.population=20",
    "space.dataset.search_images=1000",
    'robustness.compare=["fisher", "sweep"]',
)
FLAT, UNSEEDED = "flat", "nsga2-unseeded"
Curves: TypeAlias = Mapping[str, Floats]  # guide -> (seeds, N) hypervolume after each evaluation, a share


def guidances(prepared: Prepared, study: StudyFile) -> dict[str, Guidance]:
    """Return what guides our search: each profile, and one by which all layers are equally sensitive.

    As the study first knew them: learned digits depend on the number of threads.
    """
    names = prepared.space.layers
    profiles = {**prepared.profiles, FLAT: RobustnessProfile.from_alpha(names, np.ones(len(names)))}
    plain = {
        name: {"sigma": p.sigma.tolist(), "alpha": None if p.alpha is None else p.alpha.tolist()}
        for name, p in profiles.items()
    }
    errors, space = prepared.factory.noise_errors, prepared.space  # what compensation leaves, where there is any
    found = {}
    for name, kept in study.remember("profiles", plain).items():
        alpha = None if kept["alpha"] is None else np.array(kept["alpha"])
        profile = RobustnessProfile(names, np.array(kept["sigma"]), alpha)
        found[name] = Guidance(
            seeds=matching_sweep(profile, errors, space.rel_energy, allowed=space.allowed),
            cost=sensitivity(profile, prepared.trace.op_counts, errors),
            max_loss=prepared.guidance.max_loss,
            tolerance=tolerances(profile, errors),
        )
    return found


def searches(
    prepared: Prepared, study: StudyFile, seeds: int, execution: Execution, display: ProgressDisplay
) -> dict[str, list[History]]:
    """Return the histories by guide, one per seed; those without a guide last."""
    config, space = prepared.inputs.config.search, prepared.space
    record(study, identity(prepared))
    guides = guidances(prepared, study)
    found: dict[str, list[History]] = {}
    with open_figures(prepared, study, execution) as figures:
        (exact,) = figures(TOP)(np.zeros((1, len(space.layers)), dtype=np.int64))
        if exact is None:
            raise InputError("the exact quantised network cannot be evaluated")
        about = Study(space, prepared.inputs.library, dict(exact), prepared.energy)
        objectives = [Column(name, about, figures(TOP)) for name in config.objectives]
        for name, guidance in {**guides, UNSEEDED: prepared.guidance}.items():
            for seed in range(seeds):
                label = f"{name}, seed {seed}"
                display.start(label)
                method = UNSEEDED if name == UNSEEDED else "nsga2"
                search = make_search(method, space, guidance, population=config.population, seed=seed)
                progress = SearchProgress(label, study, display)
                found.setdefault(name, []).append(run_search(search, objectives, config.evaluations, progress=progress))
    display.finish()
    return found


def shares(histories: Mapping[str, list[History]], reference: Floats, evaluations: int) -> Curves:
    """Return the hypervolume after each evaluation, as a share of that of all designs met together.

    A search that ended early keeps what it has.
    """
    every = np.concatenate([h.objectives[h.scored] for some in histories.values() for h in some])
    whole = hypervolume(every, reference)
    return {name: np.array([_curve(h, reference, evaluations) for h in some]) / whole for name, some in histories.items()}


def _curve(history: History, reference: Floats, evaluations: int) -> Floats:
    """Return the hypervolume after each of so many evaluations; failed designs cost one and add nothing."""
    curve = np.zeros(evaluations)
    curve[np.flatnonzero(history.scored)] = hypervolume_curve(history.objectives[history.scored], reference)
    return np.maximum.accumulate(curve)


def reached(curve: Floats, level: float) -> float:
    """Return after how many evaluations a curve `(N,)` has reached a level; infinite where it never does."""
    return float(np.argmax(curve >= level)) + 1 if (curve >= level).any() else float("inf")


def paired(a: Floats, b: Floats) -> str:
    """Return the two-sided p-value of the signed-rank test of pairs (Wilcoxon 1945); nothing where all are the same pair."""
    return "" if np.ptp(a) == np.ptp(b) == 0 else f"{wilcoxon(a, b).pvalue if (a != b).any() else 1.0:.3f}"


def rows(curves: Curves, population: int) -> Iterator[list[str]]:
    """Yield the table's rows: guide, first generation and end (mean, range, p against no profile and none at all)."""
    level = float(np.mean(curves[UNSEEDED][:, -1]))
    for name, curve in curves.items():
        cells = [f"`{name}`"]
        for at in (population - 1, -1):
            values = curve[:, at]
            cells.append(f"{100 * values.mean():.2f} ({100 * values.min():.2f} .. {100 * values.max():.2f})")
            for other in (UNSEEDED, FLAT):
                cells.append("" if name == other else paired(values, curves[other][:, at]))
        soon = float(np.median([reached(one, level) for one in curve]))
        yield [*cells, f"{soon:g}" if np.isfinite(soon) else "more than half never"]


def page(given: argparse.Namespace, curves: Curves, config: dse.RunConfig, designs: int) -> str:
    """Return the README of the results."""
    seeds, evaluations = next(iter(curves.values())).shape
    point, population = config.search.reference, config.search.population
    sides = [f"{end}, %{mark}" for end in (f"first {population}", "end") for mark in ("", ": p, unseeded", ": p, flat")]
    head = ["guide", *sides, "evaluations to the unseeded end"]
    machine = hardware()
    return "\n".join(
        [
            f"# What a profile is worth to the search: {given.network}",
            "",
            f"Written by `python experiments/cifar10/profile_seeds.py --network {given.network}`. CIFAR-10 (JPEG),",
            f"{config.space.dataset.search_images} search images, {config.space.quantisation.format},",
            f"compensation: {', '.join(config.compensation.methods) or 'none'};",
            f"{evaluations} evaluations, {seeds} search seeds on one network.",
            "Our search (`nsga2`) guided by each profile. `flat`: by the error model alone, all layers being equally",
            f"sensitive. `{UNSEEDED}`: the same genetic search from random designs, without profile and model of the loss,",
            "though its circuits too are in the variants that the error model prefers.",
            "",
            f"Hypervolume within energy {point.rel_energy:g} and loss {point.accuracy_loss_pp:g} pp, per cent of that of",
            f"all {designs} designs that any of these searches met: mean (least .. most). p: Wilcoxon's signed-rank test of",
            f"pairs of equal seed, two-sided; with {seeds} seeds the smallest possible is {2 / 2**seeds:.4g}. The first",
            "generation of a guided search draws nothing and is the same for all seeds: two make one pair, and no p.",
            "",
            "| " + " | ".join(head) + " |",
            "|---" * len(head) + "|",
            *("| " + " | ".join(row) + " |" for row in rows(curves, population)),
            "",
            "![hypervolume](hypervolume.png)",
            "",
            f"On search images: nothing is claimed of others. Hardware: {machine['cpu']}, {machine['cores']} cores.",
            "",
        ]
    )


def draw(curves: Curves, network: str, out: Path) -> None:
    """Draw the hypervolume over evaluations of every guide."""
    quartiles = {name: np.quantile(100 * curve, (0.25, 0.5, 0.75), axis=0) for name, curve in curves.items()}
    bands = [Band(name, low, middle, high, "") for name, (low, middle, high) in quartiles.items()]
    caption = f"{network} on CIFAR-10 (JPEG), search images; median and middle half of the seeds"
    info = BandInfo(tuple(bands), UNSEEDED, "Our search guided by each profile", caption)
    save(partial(draw_bands, info), out, "hypervolume")


def main() -> None:
    """Prepare once, search with every guide and seed, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet8")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--weights", type=Path, default=ROOT / "results" / "cifar10" / "baselines")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the study, `profile-seeds-NETWORK` in it")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "cifar10" / "profile_seeds")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    keep_freed_memory()
    weights = (given.weights / f"{given.network}.safetensors").resolve()
    network = (f"space.model.name={given.network}", f"space.model.weights={weights}")
    overrides = [*SETTINGS, *network, *given.overrides]
    config = dse.load_config(Path(__file__).with_name("study.toml"), overrides=overrides, seed=0)
    if given.seeds < 1 or config.search.evaluations < config.search.population:
        raise InputError(
            f"expected --seeds of at least 1 and search.evaluations of at least search.population, "
            f"{config.search.population}; got {given.seeds} and {config.search.evaluations}"
        )
    inputs = load_inputs(config)
    with ProgressDisplay() as display, join(config, given.runs / f"profile-seeds-{given.network}") as study:
        prepared = prepare(inputs, display)
        histories = searches(prepared, study, given.seeds, Execution(jobs=given.jobs), display)
    reference = np.array([config.search.reference.rel_energy, config.search.reference.accuracy_loss_pp])
    curves = shares(histories, reference, config.search.evaluations)
    out = writable_folder(given.out / given.network)
    table = [[name, seed, *(f"{v:.6f}" for v in one)] for name, curve in curves.items() for seed, one in enumerate(curve)]
    write_csv(out / "hypervolume.csv", ("guide", "seed", *range(1, config.search.evaluations + 1)), table)
    draw(curves, given.network, out)
    designs = len({row.tobytes() for some in histories.values() for h in some for row in h.population})
    text = page(given, curves, config, designs)
    (out / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    with ending("profile_seeds.py"):
        main()
