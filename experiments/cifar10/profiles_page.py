"""What `profiles.py` says of learned noise: the page of its results."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from dse.robustness import SETTLED, RobustnessSettings
from dse.run_folder import hardware

VALUE, RANK = 0.10, 0.95  # converged: sigmas differ by so much at most, in the mean over layers, and rank so alike


def figure(value: float) -> str:
    """Return a figure of the tables, nothing for one that there is none of."""
    return "" if np.isnan(value) else f"{value:.3f}"


def page(
    given: argparse.Namespace,
    settings: RobustnessSettings,
    rows: Sequence[Mapping[str, float]],
    ranks: Sequence[Sequence[object]],
    layers: Mapping[str, Sequence[float]],
    images: int,
) -> str:
    """Return the README of the results, learned on so many training images."""
    last = max((i for i, row in enumerate(rows) if not row["converged"]), default=-1)
    converged = int(rows[last + 1]["steps"]) if last + 1 < len(rows) else None
    said = f"That is so from {converged} steps on." if converged else "None of these numbers of steps reached that."
    kinds = ("start", "steps", "seed")
    lines = [
        f"# Robustness profiles of {given.network}",
        "",
        f"Written by `python experiments/cifar10/profiles.py --network {given.network}`. CIFAR-10 (JPEG).",
        f"{len(layers)} layers; noise learned on {images:,} training images with lambda {settings.strength}, sigma at most",
        f"{settings.sigma_max}, batches of {settings.batch_size}, Adam from {settings.lr} along a cosine to 0, trained: "
        f"{settings.train}.",
        "",
        "## How many steps it takes",
        "",
        f"Starting points {', '.join(map(str, given.starts))}; seeds {', '.join(map(str, given.seeds))}.",
        f"A learning's sigma is |sigma| averaged over the last {SETTLED:.0%} of its steps.",
        "Difference of two sigmas: mean over layers of |a - b| / ((a + b) / 2); beside it Spearman's rho. In each cell the",
        "worst of all pairs: of starting points (same seed), with half as many steps (same start and seed), of seeds (same",
        "start).",
        f"Converged, by our definition: the first two differ by at most {VALUE} and rank with at least {RANK}. **{said}**",
        "",
        "| steps | starting points | half the steps | seeds | converged |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{figure(row[f'{k}_difference'])} / {figure(row[f'{k}_rank'])}" for k in kinds]
        lines.append(f"| {int(row['steps'])} | " + " | ".join(cells) + f" | {'yes' if row['converged'] else 'no'} |")
    lines += [
        "",
        "![trajectories](trajectories.png)",
        "",
        "## Rank agreement",
        "",
        f"`agn` is the mean of all learnings of {max(given.steps)} steps; `agn-run` one with the run's own settings",
        f"({settings.steps} steps from {settings.sigma_initial}). Spearman's rho (two-sided p) / Kendall's tau-b over",
        "layers. `sigma`: what a layer bears. `cost`: of `agn` by the balance of loss and reward, c / sigma",
        "with the op count c; of `agn-run`, as searches use it, the same unless the slopes met while learning say more.",
        "`equilibrium`: the sigma at which learning would settle by a cost, c / cost.",
        "The op count itself stands beside them: what a profile owes to it alone.",
        "",
        "| | | sigma | cost | equilibrium |",
        "|---|---|---|---|---|",
    ]
    for a, b in dict.fromkeys((str(row[0]), str(row[1])) for row in ranks):
        found = {row[2]: f"{row[3]:.2f} ({row[4]:.3f}) / {row[5]:.2f}" for row in ranks if (row[0], row[1]) == (a, b)}
        lines.append(f"| {a} | {b} | " + " | ".join(found[kind] for kind in ("sigma", "cost", "equilibrium")) + " |")
    lines += [
        "",
        "## Layer by layer",
        "",
        f"Learned sigma, the mean (least .. most) of all learnings of {max(given.steps)} steps, beside the one expected",
        "where the reward's slope balances the loss's, lambda c / (2 alpha), with alpha in nats from Fisher information and",
        "from the noise sweep. A sigma near 0 ends at the optimiser's own unrest, not at its balance.",
        "",
        "| layer | multiplications, % | learned | expected, fisher | expected, sweep |",
        "|---|---|---|---|---|",
    ]
    for name, (share, mean, low, high, *expected) in layers.items():
        cells = [f"{100 * share:.2f}", f"{mean:.3g} ({low:.3g} .. {high:.3g})", *(f"{sigma:.3g}" for sigma in expected)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    machine = hardware()
    return "\n".join(
        [*lines, "", "![profiles](profiles.png)", "", f"Hardware: {machine['cpu']}, {machine['cores']} cores.", ""]
    )
