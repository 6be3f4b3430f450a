"""Hold searches against the true front of a space small enough to simulate whole; writes a table.

    python experiments/exhaustive_front.py [--seeds 10] [--jobs 1] [--out results/exhaustive_front] [--set KEY=VALUE ...]

For each method: which share of the whole space's hypervolume its first 5 and 10 per cent of the evaluations have.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import dse
from dse.exceptions import ending
from dse.execution import Execution
from dse.memory import keep_freed_memory
from dse.pareto import hypervolume_curve
from dse.progress import ProgressDisplay
from dse.run_folder import hardware, write_csv

HERE = Path(__file__).resolve().parent
SHARES = (0.05, 0.10)


def shares(outcome: dse.Outcome) -> dict[str, list[float]]:
    """Return each method's hypervolume after `SHARES` of the space's designs, relative to that of all of them."""
    point = outcome.metrics["reference_point"]
    reference = np.array([point["rel_energy"], point["accuracy_loss_pp"]])
    curves = {
        name: hypervolume_curve(history.objectives[history.scored], reference)
        for name, history in outcome.histories.items()
    }
    whole = curves.pop("exhaustive")
    ends = [int(share * len(whole)) for share in SHARES]
    return {name: [float(curve[min(end, len(curve)) - 1] / whole[-1]) for end in ends] for name, curve in curves.items()}


def page(found: dict[str, np.ndarray], designs: int, seeds: int, images: int) -> str:
    """Return the README of the results."""
    columns = [f"{what} at {share:.0%}" for share in SHARES for what in ("median", "least")]
    rows = []
    for name, values in found.items():
        cells = [f"{100 * v:.2f} %" for end in range(len(SHARES)) for v in (np.median(values[:, end]), values[:, end].min())]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    machine = hardware()
    return "\n".join(
        [
            "# Searches against the true front",
            "",
            f"Written by `python experiments/exhaustive_front.py --seeds {seeds}`. All {designs} designs of four layers and",
            f"eight multipliers (the digits network, first and last layer exact) were simulated on all {images} search",
            "images. Share of the whole space's hypervolume in relative energy and accuracy loss that methods have after 5",
            f"and 10 per cent as many evaluations, over {seeds} search seeds on one network. On search images:",
            "nothing is claimed of others.",
            "",
            "| method | " + " | ".join(columns) + " |",
            "|---" * (len(columns) + 1) + "|",
            *rows,
            "",
            f"Hardware: {machine['cpu']}, {machine['cores']} cores. `shares.csv` has every seed.",
            "",
        ]
    )


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "exhaustive_front")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    every = []
    for seed in range(arguments.seeds):
        config = dse.load_config(HERE / "exhaustive_front.toml", overrides=arguments.overrides, seed=seed)
        folder = Path("runs") / f"{config.name}-seed{seed}"
        with ProgressDisplay() as display:
            outcome = dse.run(config, out=folder, go_on=True, execution=Execution(jobs=arguments.jobs), display=display)
        every.append(shares(outcome))
        print(seed, every[-1], flush=True)
    found = {name: np.array([one[name] for one in every]) for name in every[0]}
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [[seed, name, *values] for name, column in found.items() for seed, values in enumerate(column.tolist())]
    write_csv(arguments.out / "shares.csv", ("seed", "method", *(f"at_{share:.2f}" for share in SHARES)), rows)
    designs = len(outcome.histories["exhaustive"].population)
    text = page(found, designs, arguments.seeds, outcome.metrics["images"]["search"])
    (arguments.out / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    with ending("exhaustive_front.py"):
        main()
