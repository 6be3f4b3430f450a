"""The page of the CIFAR-10 study, from the CSV files of `gather.py` alone."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gather import EXACT, LEVELS, OURS

from dse.pareto import cheapest_within
from dse.report import LOSS_LEVELS_PP, UNIFORM

# arm, method -> what the page calls it; the order of the page
SERIES = {
    ("joint", "nsga2"): "ours, approximate circuits and reduced widths together",
    (OURS, "nsga2"): "ours, approximate circuits",
    (OURS, "alwann"): "ALWANN-style search, our format and means",
    (OURS, "matching"): "AGN matching (ICCAD 2022), our format and means",
    (OURS, UNIFORM): "best uniform multiplier, our format and means",
    ("long", "nsga2"): "ours, approximate circuits, a longer search",
    ("alwann-u8", "alwann"): "ALWANN-style search, own format",
    ("alwann-u8", UNIFORM): "best uniform multiplier, ALWANN's format",
    ("widths", "nsga2"): "exact reduced width, mixed precision",
    ("widths", UNIFORM): "exact reduced width, uniform",
}
PUBLISHED = (
    ("AGN search with retraining, ResNet-8/14/20/32", "70 to 79", "< 1", "abstract of arXiv 2208.07265"),
    ("ALWANN without retraining, ResNet-50", "30", "0.6", "abstract of arXiv 1907.07229"),
    ("ALWANN without retraining, ResNet-8 / 14", "31 / 34", "1 (of 1,000 images)", "raw data of the authors' demonstration"),
)
MIXED = ("widths", "nsga2")  # what others are held against at equal energy
SAVINGS = (50, 60, 70, 75, 80, 85, 88, 90, 92, 94)  # per cent at least, of that comparison


@dataclass(frozen=True)
class Cell:
    """What one seed of a series saves within a loss; the losses are of the test images."""

    saving: float
    loss: float
    se: float


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


Cells = Mapping[tuple[str, str, str, float], list[Cell | None]]  # network, arm, method, level -> one per seed


def without_retraining(rows: Iterable[Mapping[str, str]]) -> Cells:
    """Return the cells of savings.csv; None where a seed has no design within the level."""
    found: dict[tuple[str, str, str, float], list[Cell | None]] = defaultdict(list)
    for row in rows:
        key = row["network"], row["arm"], row["method"], float(row["level_pp"])
        cell = Cell(*(float(row[k]) for k in ("saving_percent", "test_loss_pp", "test_se_pp"))) if row["design"] else None
        found[key].append(cell)
    return found


def with_retraining(rows: Sequence[Mapping[str, str]], levels: Sequence[float] = LOSS_LEVELS_PP) -> Cells:
    """Return the same of retrained designs, chosen by their loss on validation images as fronts are."""
    groups: dict[tuple[str, str, str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if row["method"] != EXACT:
            groups[row["network"], row["arm"], row["method"], row["seed"]].append(row)
    found: dict[tuple[str, str, str, float], list[Cell | None]] = defaultdict(list)
    for (network, arm, method, _), mine in groups.items():
        energy = np.array([1 - float(row["saving_percent"]) / 100 for row in mine])
        loss = np.array([float(row["loss_pp"]) for row in mine])
        for level in levels:
            best = cheapest_within(energy, loss, level)
            keys = ("saving_percent", "test_loss_pp", "test_se_pp")
            cell = None if best is None else Cell(*(float(mine[best][key]) for key in keys))
            found[network, arm, method, level].append(cell)
    return found


def cell_text(cells: Sequence[Cell | None]) -> str:
    """Return one cell of a table: mean saving, its range over several seeds, mean loss and mean standard error."""
    kept = [cell for cell in cells if cell is not None]
    if not kept:
        return "–"
    savings = [cell.saving for cell in kept]
    spread = f" ({min(savings):.1f}..{max(savings):.1f})" if len(kept) > 1 else ""
    missing = f", {len(kept)} of {len(cells)} seeds" if len(kept) < len(cells) else ""
    loss, error = (float(np.mean([getattr(cell, name) for cell in kept])) for name in ("loss", "se"))
    return f"**{np.mean(savings):.1f}**{spread} at {loss:.2f} ± {error:.2f}{missing}"


def table(cells: Cells, network: str) -> list[str]:
    """Return the table of one network: a row for each series, a column for each level."""
    lines = [
        "| | " + " | ".join(f"≤ {level:g} pp" for level in LOSS_LEVELS_PP) + " |",
        "|---" * (len(LOSS_LEVELS_PP) + 1) + "|",
    ]
    for (arm, method), label in SERIES.items():
        if any((network, arm, method, level) in cells for level in LOSS_LEVELS_PP):
            texts = [cell_text(cells.get((network, arm, method, level), ())) for level in LOSS_LEVELS_PP]
            lines.append(f"| {label} | " + " | ".join(texts) + " |")
    return lines


def equal_energy(rows: Sequence[Mapping[str, str]], network: str) -> Iterator[str]:
    """Yield what designs lose that save at least so much: of each seed's, the one of least loss on the images that choose.

    A loss is marked where it is the least of its column, and in a line where exact multipliers of reduced width lose less
    than our approximate ones.
    """
    losses = {series: [_lost(rows, network, series, saving) for saving in SAVINGS] for series in SERIES}
    losses = {series: found for series, found in losses.items() if any(loss is not None for loss in found)}
    if not {MIXED, (OURS, "nsga2")} <= losses.keys():
        return
    least = [min((x for x in column if x is not None), default=0.0) for column in zip(*losses.values(), strict=True)]
    yield "| | " + " | ".join(f"≥ {saving} %" for saving in SAVINGS) + " |"
    yield "|---" * (len(SAVINGS) + 1) + "|"
    for series, found in losses.items():
        cells = ("–" if x is None else f"{x:.2f}" if x > least[i] else f"**{x:.2f}**" for i, x in enumerate(found))
        yield f"| {SERIES[series]} | " + " | ".join(cells) + " |"
    worse = [
        f"{saving} %"
        for saving, exact, ours in zip(SAVINGS, losses[MIXED], losses[OURS, "nsga2"], strict=True)
        if exact is not None and (ours is None or exact < ours)
    ]
    where = f"at {', '.join(worse)}" if worse else "nowhere"
    yield ""
    yield f"Exact multipliers of reduced width, mixed over layers, lose less than approximate circuits {where}."


def _lost(rows: Sequence[Mapping[str, str]], network: str, series: tuple[str, str], saving: float) -> float | None:
    """Return the mean over seeds of what is lost on test images; None where a seed has no such design."""
    mine = [row for row in rows if (row["network"], row["arm"], row["method"]) == (network, *series)]
    seeds = {row["seed"] for row in mine}
    enough = [row for row in mine if float(row["saving_percent"]) >= saving]
    if not mine or {row["seed"] for row in enough} != seeds:
        return None
    chosen = (min((r for r in enough if r["seed"] == seed), key=lambda r: float(r["loss_pp"])) for seed in sorted(seeds))
    return float(np.mean([float(row["test_loss_pp"]) for row in chosen]))


def baselines(folder: Path) -> Iterator[str]:
    """Yield the table of the float and 8-bit networks."""
    yield "| network | parameters | float | sm8 | u8 | s8 | epochs | training images |"
    yield "|---" * 8 + "|"
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        accuracy = [f"{100 * found[f'accuracy_{kind}']:.2f} %" for kind in ("float", "sm8", "u8", "s8")]
        yield (
            f"| {found['network']} | {found['parameters']:,} | "
            + " | ".join(accuracy)
            + f" | {found['settings']['epochs']} | {found['training_images']:,} |"
        )


def page(out: Path) -> str:
    """Return the README of the results, from the files beside it."""
    savings, retrained = without_retraining(rows_of(out / "savings.csv")), rows_of(out / "retrained.csv")
    designs = rows_of(out / "designs.csv")
    trained = with_retraining(retrained)
    networks = sorted({key[0] for key in savings}, key=lambda name: int(name.removeprefix("resnet")))
    lines = [
        "# CIFAR-10 (JPEG): savings within a loss, without and with retraining",
        "",
        "Written by `python experiments/cifar10/tables.py` from runs of `experiments/cifar10/study.py`.",
        "A saving is of the energy of the multiplications of all convolutions and the linear layer, by circuit power at",
        "uniform inputs; nothing else of an accelerator counts. A cell has the saving in % (least..most of several search",
        "seeds) and the loss in pp on all 10,000 test images against the exact 8-bit network of the same format, ± the",
        "standard error of the paired difference. Without retraining, designs were chosen by the loss that their divergence",
        "from the exact network on 2,488 validation images lets expect; retrained ones by the loss on these images. Neither",
        "search nor float training saw them. Test images chose nothing, so a loss may lie above its column. All seeds share",
        "one network.",
        "",
        "## Networks",
        "",
        *baselines(out / "baselines"),
        "",
        "## Published, other authors, on the original CIFAR-10",
        "",
        "| method | saving, % | loss, pp | source |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in PUBLISHED),
    ]
    for network in networks:
        lines += ["", f"## {network}", "", "Without retraining:", "", *table(savings, network)]
        if any(key[0] == network for key in trained):
            lines += ["", "With retraining, the same budget for all:", "", *table(trained, network)]
            lines += exact_line(retrained, network)
        if at_equal := list(equal_energy(designs, network)):
            lines += ["", "Loss in pp at equal energy without retraining (mean over seeds, least in bold):", "", *at_equal]
        if at_equal := list(equal_energy(retrained, network)):
            lines += ["", "The same with retraining, of the few designs that were retrained:", "", *at_equal]
        lines += ["", *beside(rows_of(out / "runs.csv"), network)]
        lines += ["", f"![savings of {network}]({network}.png)"]
        if (out / f"{network}-assignments.png").exists():
            lines += ["", f"![assignments along our front, {network}]({network}-assignments.png)"]
    return "\n".join([*lines, ""])


def exact_line(rows: Sequence[Mapping[str, str]], network: str) -> list[str]:
    """Say what the exact network gains by the same training."""
    gains = [-float(row["test_loss_pp"]) for row in rows if row["network"] == network and row["method"] == EXACT]
    if not gains:
        return []
    return ["", f"The exact network itself gains {np.mean(gains):.2f} pp by the same training ({len(gains)} trainings)."]


def beside(rows: Sequence[Mapping[str, str]], network: str) -> list[str]:
    """Say what a library can save at most, what savings come to where more counts, and how the runs were made."""
    mine = [row for row in rows if row["network"] == network]
    first = next((row for row in mine if (row["arm"], row["seed"]) == (OURS, "0")), None)
    if first is None:
        return []
    factors = ", ".join(f"{float(first[level]):.2f} ({level})" for level in LEVELS if first[level])
    long = [row for row in mine if row["arm"] == "long" and row["minutes"]]
    return [
        f"The library's floor: its cheapest circuit in all layers saves {float(first['floor_percent']):.1f} %.",
        f"Where more of an accelerator counts, as `dse.objectives` models it, multiply a saving by {factors}.",
        f"{first['evaluations']} evaluations for every search, later seeds with what earlier ones had evaluated;",
        f"{first['cpu']}.",
        *(
            f"The longer one, of {row['evaluations']} evaluations, took {row['minutes']} minutes, with trace, profile and"
            f" scores on test images ({row['jobs']} x {row['threads']} threads)."
            for row in long
        ),
    ]
