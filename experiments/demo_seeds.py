"""Run the demo on several seeds and hold the seeded search against the ALWANN-style one; writes `results/demo/`.

    python experiments/demo_seeds.py [--seeds 10] [--first 0] [--out results/demo] [--known RUN ...] [--set KEY=VALUE ...]

The table says, for each seed, the hypervolume of every method on the search images and on the test images, and after how
many evaluations our search reached the ALWANN-style search's final hypervolume.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import dse
from dse.exceptions import ending
from dse.execution import Execution
from dse.outcome import Outcome
from dse.pareto import hypervolume_curve
from dse.run_folder import hardware, write_csv

HERE = Path(__file__).resolve().parent
KEPT = ("config.toml", "manifest.json", "metrics.json", "front.csv")
TUNED = 5  # seeds below this one were looked at while parts of the search were chosen
NOTE = """What was tuned: the share of unscreened offspring, the kernel and the fall of sigma's step size, with an earlier,
smaller built-in library, and the opening with the additive optimum; by hypervolumes on search images only. The share of
unscreened offspring was chosen once more on the networks of seeds 20 to 27."""
METHODS = ("nsga2", "alwann", "alwann-bounded", "additive", "random")
COLUMNS = ("seed", *METHODS, *(f"{name}_test" for name in METHODS), "evaluations", "reached_alwann_after")


def reached_after(outcome: Outcome) -> int | None:
    """Return after how many evaluations nsga2 first had ALWANN's final hypervolume; None if it never had."""
    point = outcome.metrics["reference_point"]
    reference = np.array([point["rel_energy"], point["accuracy_loss_pp"]])
    ours, theirs = (hypervolume_curve(outcome.histories[name].objectives, reference) for name in ("nsga2", "alwann"))
    reached = np.flatnonzero(ours >= theirs[-1])
    return int(reached[0]) + 1 if reached.size else None


def row_of(seed: int, outcome: Outcome) -> dict[str, Any]:
    """Return one line of the table."""
    search, test = outcome.metrics["hypervolume"], outcome.metrics["hypervolume_test"]
    after = reached_after(outcome)
    return {
        "seed": seed,
        **{name: search[name] for name in METHODS},
        **{f"{name}_test": test[name] for name in METHODS},
        "evaluations": outcome.metrics["evaluations"]["alwann"],
        "reached_alwann_after": "never" if after is None else after,
    }


def at_least(rows: list[dict[str, Any]], ours: str, theirs: str) -> str:
    """Say on how many seeds one column is at least another."""
    return f"{sum(row[ours] >= row[theirs] for row in rows)} of {len(rows)}"


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """Return the comparison of our search with the ALWANN-style one in a few lines."""
    after = [row["reached_alwann_after"] for row in rows]
    half = sum(n != "never" and 2 * n <= row["evaluations"] for n, row in zip(after, rows, strict=True))
    return [
        f"- hypervolume on search images at least ALWANN's: {at_least(rows, 'nsga2', 'alwann')} seeds "
        f"(bounded variant: {at_least(rows, 'nsga2', 'alwann-bounded')})",
        f"- on test images: {at_least(rows, 'nsga2_test', 'alwann_test')} "
        f"(bounded variant: {at_least(rows, 'nsga2_test', 'alwann-bounded_test')})",
        f"- ALWANN's final value reached with at most half of its evaluations: {half} of {len(rows)}",
    ]


def behind(rows: list[dict[str, Any]], metrics: Mapping[str, Any]) -> str:
    """Say by how much our search stays below ALWANN's, and what one image is worth beside that."""
    gaps = [f"{row['alwann'] - row['nsga2']:.3f} (seed {row['seed']})" for row in rows if row["nsga2"] < row["alwann"]]
    image = 100 / metrics["images"]["search"]
    worth = image * (metrics["reference_point"]["rel_energy"] - metrics["library_floor"])
    one_image = f"One search image is {image:.2g} pp; over all energies above the library's floor that is {worth:.2f} of"
    one_image += "\nhypervolume."
    if not gaps:
        return f"{one_image} Our search ends below the ALWANN-style one on no seed."
    return f"{one_image} Where our search ends below the ALWANN-style one, it is by {', '.join(gaps)}."


def summary(rows: list[dict[str, Any]], metrics: Mapping[str, Any]) -> str:
    """Return the README of the results; `metrics` are those of any of the runs."""
    machine, images = hardware(), metrics["images"]
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    tuned, others = [row for row in rows if row["seed"] < TUNED], [row for row in rows if row["seed"] >= TUNED]
    lines = [
        "# Demo on several seeds",
        "",
        "Written by `make results`. Hypervolume (larger is better) of each method's front against one reference point,",
        "on the search images, which the methods optimised, and on the test images. Every method simulated the same",
        "number of designs in the same space. `alwann-bounded` is the ALWANN-style search told the reference point's",
        "loss as a constraint: our search knows it, the published one does not.",
        "",
        "| " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(row) + " |" for row in cells),
        "",
        *([f"Seeds below {TUNED}, on which parts of the search were tuned:", "", *verdict(tuned), ""] if tuned else []),
        *(["Other seeds:", "", *verdict(others), ""] if others else []),
        behind(rows, metrics),
        "",
        NOTE,
        "",
        f"Images: {images['train']} train, {images['calibration']} calibration, {images['search']} search, "
        f"{images['test']} test, disjoint. Each seed draws its own split, network, noise and search. "
        f"Reference point: {metrics['reference_point']}. Hardware: {machine['cpu']}, {machine['cores']} cores.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "demo")
    parser.add_argument("--known", type=Path, nargs="*", default=[], help="earlier runs, for what they have evaluated")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        overrides = [f"search.methods={list(METHODS)}", *arguments.overrides]
        config = dse.load_config(HERE / "demo.toml", overrides=overrides, seed=seed)
        run = Path("runs") / f"demo-seed{seed}"
        execution = Execution(known=arguments.known)
        outcome = dse.run(config, out=run, go_on=True, execution=execution)  # where an equal run was interrupted
        rows.append(row_of(seed, outcome))
        print(rows[-1], flush=True)
        kept = arguments.out / f"seed{seed}"
        kept.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copy(run / name, kept / name)
        if seed == arguments.first:
            shutil.copytree(run / "figures", arguments.out / "figures", dirs_exist_ok=True)
    write_csv(arguments.out / "seeds.csv", COLUMNS, [list(row.values()) for row in rows])
    (arguments.out / "README.md").write_text(summary(rows, outcome.metrics), encoding="utf-8")


if __name__ == "__main__":
    with ending("demo_seeds.py"):
        main()
