"""Run several seeds of one configuration and compare its methods; writes a folder of tables and figures.

    python experiments/seeded_vs_alwann.py [--config experiments/seeded_vs_alwann.toml] [--seeds 13] [--jobs 1]
                                           [--out results/seeded_vs_alwann] [--known RUN ...] [--set KEY=VALUE ...]

Runs go on where they were interrupted. The comparison is that of `dse compare runs/NAME-seed*`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dse
from dse.comparison import check_out, compare_runs, summary, write_comparison
from dse.exceptions import ending
from dse.execution import Execution
from dse.memory import keep_freed_memory
from dse.progress import ProgressDisplay

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=HERE / "seeded_vs_alwann.toml")
    parser.add_argument("--seeds", type=int, default=13)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "seeded_vs_alwann")
    parser.add_argument("--known", type=Path, nargs="*", default=[], help="earlier runs, for what they have evaluated")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    check_out(arguments.out)
    runs = []
    for seed in range(arguments.seeds):
        config = dse.load_config(arguments.config, overrides=arguments.overrides, seed=seed)
        runs.append(Path("runs") / f"{config.name}-seed{seed}")
        execution = Execution(jobs=arguments.jobs, known=[*arguments.known, *runs[:-1]])  # seeds share
        dse.run(config, out=runs[-1], go_on=True, execution=execution, display=ProgressDisplay())
    comparison = compare_runs(runs, baseline="alwann")
    print(summary(comparison))
    write_comparison(comparison, arguments.out)


if __name__ == "__main__":
    with ending("seeded_vs_alwann.py"):
        main()
