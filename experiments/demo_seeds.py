"""Run the demo on several seeds and hold the seeded search against the ALWANN-style one; writes `results/demo/`.

    python experiments/demo_seeds.py [--seeds 5] [--out results/demo] [--set KEY=VALUE ...]

The table says, for each seed, the hypervolume of every method on the search images and on the test images, and after how
many evaluations our search reached the ALWANN-style search's final hypervolume.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

import dse
from dse.outcome import Outcome
from dse.pareto import hypervolume_curve
from dse.study import hardware, write_csv

HERE = Path(__file__).resolve().parent
KEPT = ("config.toml", "manifest.json", "metrics.json", "front.csv", "report.md")
COLUMNS = (
    "seed",
    "nsga2",
    "alwann",
    "random",
    "nsga2_test",
    "alwann_test",
    "random_test",
    "evaluations",
    "reached_alwann_after",
)


def reached_after(outcome: Outcome) -> int | None:
    """Return after how many evaluations nsga2 first had ALWANN's final hypervolume; None if it never had."""
    point = outcome.metrics["reference_point"]
    reference = np.array([point["rel_energy"], point["accuracy_loss_pp"]])
    ours, theirs = (hypervolume_curve(outcome.histories[name].objectives, reference) for name in ("nsga2", "alwann"))
    reached = np.flatnonzero(ours >= theirs[-1])
    return int(reached[0]) + 1 if reached.size else None


def row_of(seed: int, outcome: Outcome) -> list[object]:
    """Return one line of the table."""
    search, test = outcome.metrics["hypervolume"], outcome.metrics["hypervolume_test"]
    names = ("nsga2", "alwann", "random")
    after = reached_after(outcome)
    budget = outcome.metrics["evaluations"]["alwann"]
    return [seed, *(search[n] for n in names), *(test[n] for n in names), budget, "never" if after is None else after]


def summary(rows: list[list[object]], outcome: Outcome) -> str:
    """Return the README of the results."""
    machine, images = hardware(), outcome.metrics["images"]
    wins = sum(float(str(row[1])) >= float(str(row[2])) for row in rows)
    half = sum(isinstance(row[8], int) and row[8] <= int(str(row[7])) / 2 for row in rows)
    lines = [
        "# Demo on several seeds",
        "",
        "Written by `make results`. Hypervolume (larger is better) of each method's front against one reference point; "
        "every method simulated the same number of designs on the same images.",
        "",
        "| seed | nsga2 | alwann | random | nsga2, test | alwann, test | random, test | evaluations | "
        "ALWANN's final value reached after |",
        "|---|---|---|---|---|---|---|---|---|",
        *("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row) + " |" for row in rows),
        "",
        f"Seeded search at least as good as the ALWANN-style one on the search images: {wins} of {len(rows)} seeds. "
        f"ALWANN's final value reached with at most half of its evaluations: {half} of {len(rows)} seeds.",
        "",
        f"Images: {images['train']} train, {images['calibration']} calibration, {images['search']} search, "
        f"{images['test']} test, disjoint. Each seed draws its own split, network, noise and search. "
        f"Reference point: {outcome.metrics['reference_point']}. Hardware: {machine['cpu']}, {machine['cores']} cores.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "demo")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    rows: list[list[object]] = []
    for seed in range(arguments.seeds):
        config = dse.load_config(HERE / "demo.toml", overrides=arguments.overrides, seed=seed)
        run = Path("runs") / f"demo-seed{seed}"
        outcome = dse.run(config, out=run, overwrite=True)
        rows.append(row_of(seed, outcome))
        print(dict(zip(COLUMNS, rows[-1], strict=True)), flush=True)
        kept = arguments.out / f"seed{seed}"
        kept.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copy(run / name, kept / name)
        if seed == 0:
            shutil.copytree(run / "figures", arguments.out / "figures", dirs_exist_ok=True)
    write_csv(arguments.out / "seeds.csv", COLUMNS, rows)
    (arguments.out / "README.md").write_text(summary(rows, outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
