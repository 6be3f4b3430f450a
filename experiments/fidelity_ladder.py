"""What each rung of the fidelity ladder is worth on one workload: how it ranks designs, and what a design costs.

    python experiments/fidelity_ladder.py experiments/demo.toml --out runs/ladder

Designs are those that the configured methods evaluate: up to `--designs` of them, evenly over each method's history and with
a loss within the limit of interest, climb every rung. Correlations are with the top rung's loss of accuracy and divergence,
and with the loss of accuracy on the test images, which no rung has seen. Writes ladder.csv and profiles.csv.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from dse.config import RunConfig, load_config
from dse.error_model import ErrorTable, predict_errors
from dse.fidelity import (
    LADDER_COLUMNS,
    Ladder,
    NoiseSimulator,
    ladder_rows,
    ladder_table,
    proxy,
    timed_figures,
    timed_proxy,
)
from dse.inputs import load_inputs, quantized
from dse.matching import matching_sweep, sensitivity
from dse.memory import keep_freed_memory
from dse.nn.tracing import trace
from dse.objectives import AccuracyLoss, RelativeEnergy, Simulator
from dse.robustness import PROFILES, RobustnessProfile, RobustnessSettings, profile_by_name, profile_table
from dse.run_folder import write_csv
from dse.search import Guidance, make_search, run_search
from dse.space import SearchSpace
from dse.types import Population
from dse.workload import train_workload


def climbers(
    config: RunConfig,
    space: SearchSpace,
    profile: RobustnessProfile,
    errors: ErrorTable,
    loss: AccuracyLoss,
    count: int,
) -> Population:
    """Return about `count` distinct designs that the configured methods evaluate, in random order."""
    limit = config.search.reference.accuracy_loss_pp
    guidance = Guidance(
        matching_sweep(profile, errors, space.rel_energy), sensitivity(profile, space.op_counts, errors), limit
    )
    chosen = []
    for method in config.search.methods:
        search = make_search(method, space, guidance, population=config.search.population, seed=config.seed)
        history = run_search(search, [RelativeEnergy(space), loss], config.search.evaluations)
        useful = history.population[history.objectives[:, 1] <= limit]
        share = min(count // len(config.search.methods), len(useful))
        chosen.append(useful[np.linspace(0, len(useful) - 1, share).astype(int)])
    # no help from neighbours that share layers
    return np.random.default_rng(0).permutation(np.unique(np.concatenate(chosen), axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--designs", type=int, default=120)
    parser.add_argument("--rungs", default="noise-32,noise-64,noise-128,noise-250,lut-64,lut-125,lut-250,lut")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    keep_freed_memory()
    config = load_config(options.config, overrides=options.set)
    inputs = load_inputs(config)
    workload = train_workload(inputs.untrained)
    parts, library = workload.parts, inputs.library
    model = quantized(config, workload)
    seen = trace(model, parts.calibration.x, patches=config.error_model.patches, seed=config.seed)
    errors = predict_errors(seen, library)
    settings = RobustnessSettings(**config.robustness.model_dump())
    train, counts, profiles = parts.train, seen.op_counts, {}
    for name in PROFILES:
        start = time.perf_counter()
        profiles[name], _ = profile_by_name(name, model, train.x, train.y, counts, settings, seed=config.seed)
        print(f"profile {name}: {time.perf_counter() - start:.1f} s", flush=True)
    space = SearchSpace(seen.names, library.names, counts, library.rel_energy, seen.fixed_op_count, config.space.tiles)
    tables = [None if m.is_exact else seen.operands.table(m) for m in library]
    search, test = (Simulator(model, part, tables) for part in (parts.search, parts.test))
    exact = np.zeros(len(space.layers), dtype=np.int64)
    search_loss, test_loss = (AccuracyLoss(part.accuracies, part.accuracy(exact)) for part in (search, test))
    population = climbers(config, space, profiles["agn"], errors, search_loss, options.designs)
    ladder = Ladder(search, lambda: NoiseSimulator(model, parts.search, seen, errors, seed=config.seed))
    rungs = [timed_proxy(f"proxy {name}", proxy(name, p, seen, errors), population) for name, p in profiles.items()]
    for fidelity in options.rungs.split(","):
        rungs += timed_figures(fidelity, ladder[fidelity].evaluate, population)
    targets = {
        "accuracy_loss_pp": search_loss(population),
        "kl": np.array([row["kl"] for row in search.evaluate(population).figures]),
        "test_accuracy_loss_pp": test_loss(population),
    }
    table = ladder_table(ladder_rows(rungs, targets, space.energy(population)))
    for line in table:
        print(*(f"{v:.3f}" if isinstance(v, float) else v for v in line))
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "ladder.csv", LADDER_COLUMNS, table)
    write_csv(options.out / "profiles.csv", *profile_table(profiles, counts))


if __name__ == "__main__":
    main()
