"""Speed of the simulation engines, as ratios inside one run: products, layers, a network, a population, a training step.

    python benchmarks/bench_kernels.py [--quick] [--out results/kernels] [--only products training ...]

Writes one table per question into README.md and the figures into bench.json. Times are medians over turns; the functions of
a row take turns, so that a noisy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; before torch starts its threads

import sections  # noqa: E402
import torch  # noqa: E402
from report import write  # noqa: E402

import dse.memory  # noqa: E402


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes and few turns: a check that everything runs")
    parser.add_argument("--out", type=Path, default=Path("results/kernels"))
    names = [section.__name__ for section in sections.ALL]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="sections; the others' tables stay")
    arguments = parser.parse_args()
    dse.memory.keep_freed_memory()  # for all functions alike
    torch.manual_seed(0)
    tables = []
    for section in (section for section in sections.ALL if section.__name__ in arguments.only):
        tables.append(section(arguments.quick))
        print(f"\n{tables[-1].text()}", flush=True)
    write(tables, arguments.out, quick=arguments.quick)


if __name__ == "__main__":
    main()
