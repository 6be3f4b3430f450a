"""Choose operating points jointly and as published, at equal cost, on several seeds; writes a table.

    python experiments/operating_points/joint_vs_published.py [--config experiments/demo.toml] [--seeds 5] [--instances 4]
        [--points 3] [--evaluations 300] [--out results/operating_points/digits] [--set KEY=VALUE ...]

A seed is one of everything: split, network, profile, k-means, draws. Hypervolumes are of the points' energy and measured
loss, up to the configuration's reference point, on the search images that chose them and on the test images that did not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import dse
from dse.config import RunConfig
from dse.evaluator import Job
from dse.inputs import load_inputs
from dse.memory import keep_freed_memory
from dse.operating_points import OperatingPoints, PointsRequest, SearchFigures, choose_points, choose_published
from dse.pareto import hypervolume
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.run_folder import write_csv
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"ours": choose_points, "published": choose_published}
COLUMNS = ("seed", "method", "point", "rel_energy", "expected_loss_pp", "search_loss_pp", "test_loss_pp")
VOLUMES = ("hypervolume_search", "hypervolume_test", "simulated")


def main() -> None:
    """Choose, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "experiments" / "demo.toml")
    for name, default in (("seeds", 5), ("instances", 4), ("points", 3), ("evaluations", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "operating_points" / "digits")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    keep_freed_memory()
    rows: list[list[Any]] = []
    print(f"{'seed':<5}{'method':<11}{'search':>8}{'test':>8}   saved % (test loss pp) of each point")
    for seed in range(given.seeds):
        config = dse.load_config(given.config, overrides=given.overrides, seed=seed)
        request = PointsRequest(given.instances, given.points, evaluations=given.evaluations, seed=seed)
        rows += _seed(config, request)
    writable_folder(given.out)
    write_csv(given.out / "points.csv", (*COLUMNS, *VOLUMES), rows)


def _seed(config: RunConfig, request: PointsRequest) -> list[list[Any]]:
    display = ProgressDisplay.silent()
    prepared = prepare(load_inputs(config), display)
    rows: list[list[Any]] = []
    for name, choose in METHODS.items():
        figures = SearchFigures(prepared.factory, display, request.evaluations)
        found = choose(prepared.space, prepared.guidance, request, figures)
        losses = _test_losses(prepared, found)
        reference = np.array([config.search.reference.rel_energy, config.search.reference.accuracy_loss_pp])
        volumes = [_volume(found, loss, reference) for loss in (found.loss_pp, losses)]
        points = list(zip(found.rel_energy, found.expected_pp, found.loss_pp, losses, strict=True))
        rows += [
            [request.seed, name, o, *map(float, point), *volumes, len(found.simulated.population)]
            for o, point in enumerate(points)
        ]
        said = ", ".join(f"{100 * (1 - energy):.1f} ({loss:.2f})" for energy, _, _, loss in points)
        print(f"{request.seed:<5}{name:<11}{volumes[0]:>8.3f}{volumes[1]:>8.3f}   {said}", flush=True)
    return rows


def _test_losses(prepared: Prepared, found: OperatingPoints) -> np.ndarray:
    with_exact = np.vstack([np.zeros_like(found.assignments[:1]), found.assignments])
    accuracy = np.array([figures["accuracy"] for figures in prepared.factory()(Job(with_exact, "test"))])
    return 100 * (accuracy[0] - accuracy[1:])


def _volume(found: OperatingPoints, loss: np.ndarray, reference: np.ndarray) -> float:
    return hypervolume(np.column_stack([found.rel_energy, loss]), reference)


if __name__ == "__main__":
    main()
