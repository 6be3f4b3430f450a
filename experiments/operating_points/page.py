"""Page and figure of a study of operating points, from its points."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from choices import Study

from dse.config import RunConfig
from dse.exceptions import InputError
from dse.report import Tradeoff, draw_tradeoffs, save
from dse.run_folder import hardware
from dse.types import Floats

KEY = ("choice", "method", "instances", "scheme")
COLUMNS = (
    *KEY,
    *("seed", "point", "rel_energy", "validation_loss_pp", "test_loss_pp", "test_se_pp"),
    *("hypervolume", "circuits", "simulated", "best_epoch", "test_images", "parameters_percent", "stored_bytes"),
)

Rows = Sequence[Mapping[str, str]]


def read_rows(path: Path, study: Study) -> list[dict[str, str]]:
    """Return the rows of points.csv. Raises InputError where there are none of this study."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; choose the points first (without --page-only)")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    known = {choices.name for choices in study.choices}
    if not rows or tuple(reader.fieldnames or ()) != COLUMNS or not {row["choice"] for row in rows} <= known:
        raise InputError(f"{path}: expected rows of {', '.join(sorted(known))} with the columns {', '.join(COLUMNS)}")
    return rows


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
        "parameters added, %",
        "bytes of weight codes added",
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
        added, stored = (np.mean([float(seed[0][k]) for seed in seeds.values()]) for k in COLUMNS[-2:])
        yield "| " + " | ".join([*cells, f"{np.mean(volumes):.3f}{spread}", f"{added:.2f}", f"{stored:,.0f}"]) + " |"


def summary(study: Study, network: str, rows: Rows) -> Iterator[str]:
    """Yield rows for a table of several networks: with the fewest instances, each point's own BatchNorms trained."""
    few = str(min(int(row["instances"]) for row in rows))
    for (choice, method, instances, scheme), seeds in by_key(rows).items():
        if (instances, scheme) == (few, "batch-norm"):
            (asked,) = (asked_for(c.loss_budgets_pp) for c in study.choices if c.name == choice)
            points = [np.mean([_figures(seed[o]) for seed in seeds.values()], axis=0) for o in range(len(seeds[min(seeds)]))]
            cells = "; ".join(f"**{saved:.1f}** at {loss:.2f} ± {se:.2f}" for saved, loss, se in points)
            volume = np.mean([float(seed[0]["hypervolume"]) for seed in seeds.values()])
            yield f"| {network} | {asked} | {method} | {instances} | {len(seeds)} | {cells} | {volume:.3f} |"


def asked_for(budgets: Sequence[float] | None) -> str:
    """Return what points were chosen for, in words."""
    return "the largest front" if budgets is None else f"losses of at most {', '.join(map(str, budgets))} pp"


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


def costs(rows: Rows) -> Iterator[str]:
    """Say how much less points save with fewer instances, and what they lose: means over the seeds, in per cent points."""
    found = by_key(rows)
    for (choice, method, instances, scheme), few in found.items():
        most = max(int(key[2]) for key in found if (key[0], key[1], key[3]) == (choice, method, scheme))
        if int(instances) < most:
            many = found[choice, method, str(most), scheme]
            both = [np.subtract(_all_figures(many[seed]), _all_figures(few[seed])) for seed in few.keys() & many.keys()]
            saving, loss, _ = np.mean(both, axis=0).T
            yield (
                f"Chosen by {method}, fine-tuned `{scheme}`: with {instances} instances instead of {most} the points save "
                f"{', '.join(f'{value:.1f}' for value in saving)} per cent points less, and lose "
                f"{', '.join(f'{-value:+.2f}' for value in loss)} pp on the test images; budgets are equal in expected loss."
            )


def _all_figures(points: Rows) -> Floats:
    return np.array([_figures(point) for point in points])


def page(study: Study, config: RunConfig, path: Path, rows: Rows) -> str:
    """Return the README of the results."""
    at, images = reference(config), rows[0]["test_images"]
    machine = hardware()
    validated = config.space.dataset.validation_images is not None
    epochs = "validation images" if validated else "the last tenth of the training images, which float training has seen"
    lines = [
        f"# Operating points: {path.stem}",
        "",
        f"Written by `python experiments/operating_points/study.py experiments/operating_points/{path.name}`.",
        "A cell: energy of the multiplications saved in %, and the loss in pp against the exact 8-bit network before any",
        f"training, on all {images} test images, ± its paired standard error; means over the seeds. Points were chosen on",
        f"search images, epochs on {epochs}. The hypervolume of the points' energy and test loss counts up to",
        f"relative energy {at[0]:g} and {at[1]:g} pp. `none`: corrected in closed form alone; `batch-norm`: each point's",
        "own BatchNorms trained, as QoS-Nets does; `shared`: the weights too, one set for all points. `published` is the",
        "method of QoS-Nets (arXiv 2410.07762), its tolerance scales tuned by as many simulations as ours has. Instances:",
        "most distinct circuits in all points together. Added is what points beyond the first take: corrections, gamma and",
        "beta, and factors of clipped operands, relative to the network's parameters; and codes of weights that points",
        "store besides.",
    ]
    if config.retrain is not None:
        all_of_them = "all" if validated else "all other"
        trained = all_of_them if study.fine_tuning_images is None else f"{study.fine_tuning_images:,}"
        lines += [
            "",
            f"Fine-tuning: {config.retrain.epochs} epochs, {trained} training images, peak rate {config.retrain.lr:g}.",
        ]
    for name in dict.fromkeys(row["choice"] for row in rows):
        mine = [row for row in rows if row["choice"] == name]
        (choices,) = (c for c in study.choices if c.name == name)
        lines += [
            "",
            f"## {name}",
            "",
            f"Asked for: {asked_for(choices.loss_budgets_pp)}, within {choices.evaluations} simulated designs.",
            "",
            *table(mine),
        ]
        for line in (*duels(mine), *costs(mine)):
            lines += ["", line]
    lines += ["", "![points](points.png)", "", f"Hardware: {machine['cpu']}, {machine['cores']} cores.", ""]
    return "\n".join(lines)


def draw(rows: Rows, title: str, out: Path) -> None:
    """Draw the points of the first seed; series are called by what they differ in."""
    found = by_key(rows)
    named = {key: (*key[:2], f"{key[2]} instances", key[3]) for key in found}
    telling = [place for place, texts in enumerate(zip(*named.values(), strict=True)) if len(set(texts)) > 1]
    series = []
    for key, seeds in found.items():
        points = np.array([_figures(point)[:2] for point in seeds[min(seeds)]])
        label = ", ".join(named[key][place] for place in telling) or named[key][1]
        series.append(Tradeoff(label, points, line=True))
    save(partial(draw_tradeoffs, series, f"{title}: operating points on the test images, first seed"), out, "points")


def reference(config: RunConfig) -> Floats:
    """Return the point up to which hypervolume counts: relative energy, loss in pp."""
    return np.array([config.search.reference.rel_energy, config.search.reference.accuracy_loss_pp])
