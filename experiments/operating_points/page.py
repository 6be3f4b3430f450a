"""Page and figure of a study of operating points, from its points."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from choices import Choices, Study

from dse.config import RunConfig
from dse.exceptions import InputError
from dse.pareto import hypervolume
from dse.report import Tradeoff, draw_tradeoffs, save
from dse.run_folder import hardware
from dse.types import Floats

EXACT = "exact"  # stands for a method: the exact network, trained in the same way
LIMITS_PP = (3.0, 1.0)  # of hypervolumes said beside that of a choice
MARKERS = {"none": "o", "batch-norm": "s", "shared": "^"}
KEY = ("choice", "method", "instances", "scheme")
COLUMNS = (
    *KEY,
    *("seed", "point", "rel_energy", "validation_loss_pp", "test_loss_pp", "test_se_pp"),
    *("hypervolume", "circuits", "simulated", "best_epoch", "test_images"),
    *("parameters_percent", "stored_bytes", "stored_percent"),
)

# What stands in tables, by method or scheme.
TEXTS = {
    "batch-norm": "- `batch-norm`: each point's own BatchNorms trained, as QoS-Nets does.",
    "shared": "- `shared`: the weights too, one set for all points.",
    EXACT: "- `exact`: the exact network, trained in the same way: what training gives any network.",
    "published": "- `published`: the method of QoS-Nets (arXiv 2410.07762), its tolerance scales tuned by as many "
    "simulations as ours has.",
    "published, mixed": "- `published, mixed`: the best points among the designs of all its clusterings, as ours are among "
    "its own: a lead over this one is that of better designs.",
}

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
        "bytes of weight codes added (of all)",
    ]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for (_, method, instances, scheme), seeds in by_key(rows).items():
        cells = [method, instances, scheme + _in_vain(scheme, seeds), str(len(seeds))]
        cells += [_cell([seed[o] for seed in seeds.values()]) for o in range(points) if o < len(seeds[min(seeds)])]
        cells += ["–"] * (4 + points - len(cells))
        volumes = [float(seed[0]["hypervolume"]) for seed in seeds.values()]
        spread = f" ({min(volumes):.3f} .. {max(volumes):.3f})" if len(volumes) > 1 else ""
        added, stored, share = (np.mean([float(seed[0][k]) for seed in seeds.values()]) for k in COLUMNS[-3:])
        rest = [f"{np.mean(volumes):.3f}{spread}", f"{added:.2f}", f"{stored:,.0f} ({share:.1f} %)"]
        yield "| " + " | ".join(cells + (["–"] * 3 if method == EXACT else rest)) + " |"


def _cell(seeds: Rows) -> str:
    """Return saving, loss and its standard error at one point: means over seeds, with the least and the largest saving."""
    figures = np.array([_figures(point) for point in seeds])
    saved, loss, se = figures.mean(axis=0)
    least, most = figures[:, 0].min(), figures[:, 0].max()
    spread = f" ({least:.1f}..{most:.1f})" if most - least >= 0.05 else ""
    return f"{saved:.1f}{spread} at {loss:.2f} ± {se:.2f}"


def _in_vain(scheme: str, seeds: Mapping[int, Rows]) -> str:
    """Say so where points were to be fine-tuned and no epoch was better than the start."""
    vain = scheme != "none" and all(int(seed[0]["best_epoch"]) == 0 for seed in seeds.values())
    return " (no epoch was better)" if vain else ""


def summary(study: Study, network: str, rows: Rows) -> Iterator[str]:
    """Yield rows for a table of several networks: with the fewest instances, each point's own BatchNorms trained."""
    found, few = by_key(rows), str(min(int(row["instances"]) for row in rows if row["method"] != EXACT))
    for (choice, method, instances, scheme), seeds in found.items():
        if (instances, scheme) == (few, "batch-norm"):
            (choices,) = (c for c in study.choices if c.name == choice)
            cells = "; ".join(_cell([seed[o] for seed in seeds.values()]) for o in range(len(seeds[min(seeds)])))
            volume = np.mean([float(seed[0]["hypervolume"]) for seed in seeds.values()])
            ours = found.get((choice, "ours", instances, scheme))
            won = "" if method == "ours" or ours is None else _won(ours, seeds, choices.up_to_pp or math.inf)
            chosen_by = method + _in_vain(scheme, seeds)
            yield f"| {network} | {asked_for(choices)} | {chosen_by} | {len(seeds)} | {cells} | {volume:.3f} | {won} |"


def _won(ours: Mapping[int, Rows], theirs: Mapping[int, Rows], limit: float) -> str:
    """Say on how many seeds our hypervolume is larger, up to the loss that points were chosen for and up to smaller ones."""
    said = [f"{len(_leads(ours, theirs)[1])} of {len(theirs)}"]
    said += [f"{larger} up to {up_to:g} pp" for up_to, larger, *_ in _smaller_losses(ours, theirs, limit)]
    return ", ".join(said)


def asked_for(choices: Choices) -> str:
    """Return what points were chosen for, in words."""
    budgets = choices.loss_budgets_pp
    if budgets is not None:
        return f"losses of at most {', '.join(map(str, budgets))} pp"
    return "the largest front" + ("" if choices.up_to_pp is None else f" up to {choices.up_to_pp:g} pp")


def _figures(point: Mapping[str, str]) -> tuple[float, float, float]:
    return (100 * (1 - float(point["rel_energy"])), float(point["test_loss_pp"]), float(point["test_se_pp"]))


def duels(rows: Rows, limit: float) -> Iterator[str]:
    """Say on how many seeds our hypervolume is larger than the published method's, all else being equal.

    Args:
        rows: The points of one choice.
        limit: Loss in pp that it was made for; smaller ones are said beside it, as they weigh the points otherwise.
    """
    found = by_key(rows)
    for (choice, method, instances, scheme), ours in found.items():
        for rival in ("published", "published, mixed"):
            theirs = found.get((choice, rival, instances, scheme))
            if method != "ours" or theirs is None:
                continue
            more, won = _leads(ours, theirs)
            said = [
                f"{up_to:g} pp on {larger} ({first:.3f} against {second:.3f} in the mean)"
                for up_to, larger, first, second in _smaller_losses(ours, theirs, limit)
            ]
            yield (
                f"Against `{rival}`, fine-tuned `{scheme}`, {instances} instances: ours has the larger hypervolume on "
                f"{len(won)} of {len(more)} seeds, by {min(more):.1f} to {max(more):.1f} %, {np.mean(more):.1f} % in the "
                "mean"
                + (f"; counted up to {', '.join(said)}." if said else ".")
            )


def _leads(ours: Mapping[int, Rows], theirs: Mapping[int, Rows]) -> tuple[list[float], list[float]]:
    """Return by how many per cent our hypervolume is larger, for each seed that both have, and those of it above 0."""
    pairs = [(float(ours[s][0]["hypervolume"]), float(theirs[s][0]["hypervolume"])) for s in ours if s in theirs]
    more = [100 * (a / b - 1) for a, b in pairs]
    return more, [value for value in more if value > 0]


def _smaller_losses(
    ours: Mapping[int, Rows], theirs: Mapping[int, Rows], limit: float
) -> Iterator[tuple[float, int, float, float]]:
    """Yield losses below `limit`, on how many seeds our hypervolume up to there is larger, and both means."""
    for up_to in (value for value in LIMITS_PP if value < limit):
        pairs = [(_volume(ours[seed], up_to), _volume(theirs[seed], up_to)) for seed in ours.keys() & theirs.keys()]
        first, second = np.mean(pairs, axis=0)
        yield up_to, sum(a > b for a, b in pairs), float(first), float(second)


def _volume(points: Rows, up_to: float) -> float:
    figures = np.array([(float(point["rel_energy"]), float(point["test_loss_pp"])) for point in points])
    return hypervolume(figures, np.array([1.0, up_to]))


def gains(rows: Rows) -> Iterator[str]:
    """Say what fine-tuning changes in the hypervolume of each method's points: means over the seeds."""
    found = by_key(rows)
    for (choice, method, instances, scheme), tuned in found.items():
        plain = found.get((choice, method, instances, "none"))
        if scheme == "none" or plain is None:
            continue
        more, larger = _leads(tuned, plain)
        volumes = [np.mean([float(seed[0]["hypervolume"]) for seed in seeds.values()]) for seeds in (plain, tuned)]
        yield (
            f"Fine-tuning `{scheme}`, chosen by {method}, {instances} instances: hypervolume from {volumes[0]:.3f} to "
            f"{volumes[1]:.3f}, larger on {len(larger)} of {len(more)} seeds."
        )


def costs(rows: Rows) -> Iterator[str]:
    """Say what fewer instances change in the points' savings and losses: means over the seeds, in per cent points."""
    found = by_key(rows)
    for (choice, method, instances, scheme), few in found.items():
        if method == EXACT:
            continue
        most = max(int(key[2]) for key in found if (key[0], key[1], key[3]) == (choice, method, scheme))
        if int(instances) < most:
            many = found[choice, method, str(most), scheme]
            both = [np.subtract(_all_figures(many[seed]), _all_figures(few[seed])) for seed in few.keys() & many.keys()]
            saving, loss, _ = np.mean(both, axis=0).T
            yield (
                f"Chosen by {method}, fine-tuned `{scheme}`: with {instances} instances instead of {most} the savings "
                f"change by {', '.join(f'{-value:+.1f}' for value in saving)} per cent points, and the losses on the test "
                f"images by {', '.join(f'{-value:+.2f}' for value in loss)} pp; budgets are equal in expected loss, as "
                "is the number of simulated designs, though more instances leave more to search."
            )


def _all_figures(points: Rows) -> Floats:
    return np.array([_figures(point) for point in points])


def page(study: Study, config: RunConfig, path: Path, rows: Rows) -> str:
    """Return the README of the results."""
    images, machine, means = int(rows[0]["test_images"]), hardware(), config.compensation
    validated = config.space.dataset.validation_images is not None
    epochs = "validation images" if validated else "the last tenth of the training images, which float training has seen"
    spread = " (least..most of the seeds)" if len({row["seed"] for row in rows}) > 1 else ""
    corrected = f"corrected in closed form ({', '.join(means.methods)})" if means.methods else "no corrections"
    lines = [
        f"# Operating points: {path.stem}",
        "",
        f"Written by `python experiments/operating_points/study.py experiments/operating_points/{path.name}`.",
        "",
        f"A cell: energy of the multiplications saved in %{spread}, and the loss in pp against the exact",
        f"8-bit network before any training, on all {images:,} test images, ± its paired standard error; means over the",
        f"seeds. Points were chosen on search images, epochs on {epochs}.",
        *([] if config.fixed_seed is None else ["Seeds share network, images and profile; searches and training differ."]),
        "",
        f"- `none`: not fine-tuned, {corrected}.",
        *(TEXTS[key] for key in TEXTS if any(key in (row["method"], row["scheme"]) for row in rows)),
        "- Instances: most distinct circuits in all points.",
        "- Hypervolume: of the points' energy and test loss, up to relative energy 1 and the loss named with each choice.",
        "- Added: what points beyond the first take. Corrections, gamma and beta, and factors of clipped operands, relative",
        "  to the network's parameters (QoS-Nets, gamma and beta of three points of MobileNetV2 with 200 classes: 2.75 %);",
        "  and codes of weights that points store besides.",
    ]
    if config.retrain is not None:
        all_of_them = "all" if validated else "all other"
        trained = all_of_them if study.fine_tuning_images is None else f"{study.fine_tuning_images:,}"
        count = f"{config.retrain.epochs} epoch{'s' if config.retrain.epochs > 1 else ''}"
        taught = f", {config.retrain.distil:g} of the loss from the float network" if config.retrain.distil else ""
        lines += ["", f"Fine-tuning: {count}, {trained} training images, peak rate {config.retrain.lr:g}{taught}."]
    for name in dict.fromkeys(row["choice"] for row in rows):
        mine = [row for row in rows if row["choice"] == name]
        (choices,) = (c for c in study.choices if c.name == name)
        limit = float(reference(config, choices)[1])
        lines += [
            "",
            f"## {name}",
            "",
            f"Asked for: {asked_for(choices)}, by at most {choices.evaluations} simulated designs. Hypervolume up to "
            f"{limit:g} pp.",
            "",
            *table(mine),
        ]
        for line in (*duels(mine, limit), *gains(mine), *costs(mine)):
            lines += ["", line]
        lines += ["", f"![saving against loss of the points chosen for {asked_for(choices)}]({figure_name(name)}.png)"]
    lines += ["", f"Hardware: {machine['cpu']}, {machine['cores']} cores.", ""]
    return "\n".join(lines)


def figure_name(choice: str) -> str:
    """Return the name of a choice's figure, without ending."""
    return "points-" + "".join(c if c.isalnum() else "-" for c in choice)


def draw(rows: Rows, title: str, out: Path) -> None:
    """Draw the points of each choice, means over the seeds: methods by colour, schemes by marker."""
    for choice in dict.fromkeys(row["choice"] for row in rows):
        found = {key: seeds for key, seeds in by_key(rows).items() if key[0] == choice and key[1] != EXACT}
        several = len({key[2] for key in found}) > 1
        series: list[Tradeoff] = []
        first: dict[str, str] = {}  # label that a method's other schemes look like
        for (_, method, instances, scheme), seeds in found.items():
            of = f"{method}, {instances} instances" if several else method
            label = f"{of}, {scheme}"
            like = first.setdefault(of, label)
            points = np.array([_all_figures(seed)[:, :2] for seed in seeds.values()])  # (S, O, 2)
            runs = points.reshape(-1, 2) if len(points) > 1 else None
            like = "" if like == label else like
            series.append(Tradeoff(label, points.mean(0), line=True, like=like, marker=MARKERS[scheme], runs=runs))
        count = len({row["seed"] for row in rows if row["choice"] == choice})
        over = f"means of {count} seeds; single ones are small and faint" if count > 1 else "one seed"
        said = f"{title}, {choice}: operating points on the test images, {over}"
        save(partial(draw_tradeoffs, series, said), out, figure_name(choice))


def reference(config: RunConfig, choices: Choices) -> Floats:
    """Return the point up to which hypervolume counts: relative energy, loss in pp."""
    at = config.search.reference
    return np.array([at.rel_energy, at.accuracy_loss_pp if choices.up_to_pp is None else choices.up_to_pp])
