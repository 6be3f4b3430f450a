"""What each rung of the fidelity ladder is worth on one workload, and whether a loss model learns more from divergences.

    python experiments/fidelity_ladder.py experiments/demo.toml --out runs/ladder

Designs are those that the configured methods evaluate; up to `--designs` of them, evenly over each method's history and with
a loss within the limit of interest, climb every rung. Writes ladder.csv, profiles.csv and model.csv.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

from dse.config import load_config
from dse.error_model import predict_errors
from dse.fidelity import (
    LADDER_COLUMNS,
    Ladder,
    NoiseSimulator,
    RungScores,
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
from dse.objectives import Simulator
from dse.robustness import PROFILES, RobustnessSettings, profile_by_name, profile_table
from dse.search import Guidance, make_search, run_search
from dse.search._loss_model import LossModel
from dse.space import SearchSpace
from dse.study import write_csv
from dse.types import Floats, Population
from dse.workload import train_workload


class Remembering:
    """Accuracy losses of designs, and their divergences on the side."""

    name, unit = "accuracy_loss_pp", "pp"

    def __init__(self, simulator: Simulator, layers: int) -> None:
        self._simulator = simulator
        self.exact = simulator.accuracy(np.zeros(layers, dtype=np.int64))
        self.kl: dict[bytes, float] = {}

    def __call__(self, population: Population) -> Floats:
        found = self._simulator.evaluate(population)
        self.kl.update({row.tobytes(): f.get("kl", np.nan) for row, f in zip(population, found.figures, strict=True)})
        return 100 * (self.exact - found.accuracy)


class Translated:
    """A loss model of divergences, translated: isotonic from divergence to loss, its residuals interpolated as losses are.

    Args:
        guidance, kl_guidance: The proxy, with the largest loss and the largest divergence of interest.
        population, loss, kl: Simulated designs `(N, L)` and what they gave `(N,)`.
    """

    def __init__(
        self, guidance: Guidance, kl_guidance: Guidance, population: Population, loss: Floats, kl: Floats
    ) -> None:
        self._kl = LossModel(kl_guidance, population, kl)
        self._scale = IsotonicRegression(out_of_bounds="clip").fit(kl, loss)
        flat = Guidance(guidance.seeds, guidance.cost, guidance.max_loss)
        self._rest = LossModel(flat, population, loss - self._scale.predict(kl))

    def predict(self, population: Population) -> Floats:
        rest: Floats = self._rest.predict(population)
        return rest + self._scale.predict(self._kl.predict(population))


def learning(
    guidance: Guidance, population: Population, loss: Floats, kl: Floats, test: Floats, energy: Floats
) -> list[list[object]]:
    """Return how a loss model trained on the first designs of a history ranks the next ones, by what it learns from.

    Spearman correlations with the loss on search images, the divergence there, and the loss on test images: over the next
    100 designs within the limit of interest, and over the half of them nearest to the front.
    """
    rows: list[list[object]] = []
    for known in (48, 96, 150, 200):
        ahead = slice(known, known + 100)
        if known + 50 > len(loss):
            break
        limit = limit_of(loss[:known], kl[:known], guidance.max_loss)
        kl_guidance = Guidance(guidance.seeds, guidance.cost, max_loss=limit)
        near = loss[ahead] <= guidance.max_loss
        excess = loss[ahead] - [loss[energy <= e].min() for e in energy[ahead]]
        half = near & (excess <= np.median(excess[near]))
        first = population[:known], loss[:known], kl[:known]
        models = {
            "accuracy": LossModel(guidance, first[0], first[1]),
            "kl": LossModel(kl_guidance, first[0], first[2]),
            "both": Translated(guidance, kl_guidance, *first),
        }
        for name, model in models.items():
            said = model.predict(population[ahead])
            figures = [
                float(spearmanr(said[which], target[ahead][which]).statistic)
                for target in (loss, kl, test)
                for which in (near, half)
            ]
            rows.append([name, known, int(near.sum()), int(half.sum()), *figures])
    return rows


def limit_of(loss: Floats, kl: Floats, max_loss: float) -> float:
    """Return the divergence that goes with a loss: the median of the designs nearest to it."""
    nearest = np.argsort(np.abs(loss - max_loss), kind="stable")[: max(5, len(loss) // 20)]
    return float(np.median(kl[nearest]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--designs", type=int, default=120)
    parser.add_argument("--rungs", default="noise-32,noise-64,noise-128,noise-250,lut-64,lut-125,lut-250,lut")
    parser.add_argument("--no-study", action="store_true", help="the ladder alone")
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
    profiles = {}
    for name in PROFILES:
        start = time.perf_counter()
        profiles[name], _ = profile_by_name(
            name, model, parts.train.x, parts.train.y, seen.op_counts, settings, seed=config.seed
        )
        print(f"profile {name}: {time.perf_counter() - start:.1f} s", flush=True)
    space = SearchSpace(
        seen.names, library.names, seen.op_counts, library.rel_energy, seen.fixed_op_count, config.space.tiles
    )
    tables = [None if m.is_exact else seen.operands.table(m) for m in library]
    simulator = Simulator(model, parts.search, tables)
    tested, exact_design = Simulator(model, parts.test, tables), np.zeros(len(space.layers), dtype=np.int64)
    objective = Remembering(simulator, len(space.layers))
    agn = profiles["agn"]
    guidance = Guidance(
        matching_sweep(agn, errors, library.rel_energy),
        sensitivity(agn, seen.op_counts, errors),
        config.search.reference.accuracy_loss_pp,
    )
    chosen, model_rows = [], []
    for method in config.search.methods:
        search = make_search(method, space, guidance, population=config.search.population, seed=config.seed)

        class Energy:
            name, unit = "rel_energy", "1"
            __call__ = staticmethod(space.energy)

        history = run_search(search, [Energy(), objective], config.search.evaluations)
        loss = history.objectives[:, 1]
        kl = np.array([objective.kl[row.tobytes()] for row in history.population])
        test = 100 * (tested.accuracy(exact_design) - tested.accuracies(history.population))
        if options.no_study:
            continue
        for row in learning(guidance, history.population, loss, kl, test, history.objectives[:, 0]):
            model_rows.append([method, *row])
            print("model", method, *(f"{v:.3f}" if isinstance(v, float) else v for v in row), flush=True)
        useful = np.flatnonzero(loss <= guidance.max_loss)
        share = options.designs // len(config.search.methods)
        chosen.append(history.population[useful[np.linspace(0, len(useful) - 1, min(share, len(useful))).astype(int)]])
    population = np.unique(np.concatenate(chosen), axis=0)
    population = np.random.default_rng(0).permutation(population)  # no help from neighbours that share layers
    ladder = Ladder(simulator, lambda: NoiseSimulator(model, parts.search, seen, errors, seed=config.seed))
    rungs: list[RungScores] = [
        timed_proxy(f"proxy {name}", proxy(name, profile, seen, errors), population)
        for name, profile in profiles.items()
    ]
    for fidelity in options.rungs.split(","):
        rungs += timed_figures(fidelity, ladder[fidelity].evaluate, population)
    top = {r.figure: r.scores for r in rungs if r.rung == "lut"}
    test_loss = 100 * (tested.accuracy(exact_design) - tested.accuracies(population))
    loss = 100 * (objective.exact + top["accuracy"])
    targets = {"accuracy_loss_pp": loss, "kl": top["kl"], "test_accuracy_loss_pp": test_loss}
    rows = ladder_rows(rungs, targets, space.energy(population))
    options.out.mkdir(parents=True, exist_ok=True)
    flat = ladder_table(rows)
    write_csv(options.out / "ladder.csv", LADDER_COLUMNS, flat)
    for line in flat:
        print(*(f"{v:.3f}" if isinstance(v, float) else v for v in line), flush=True)
    write_csv(options.out / "profiles.csv", *profile_table(profiles, seen.op_counts))
    header = ("method", "learns", "known", "near", "half", "loss_near", "loss_half", "kl_near", "kl_half")
    header = (*header, "test_near", "test_half")
    write_csv(options.out / "model.csv", header, model_rows)


if __name__ == "__main__":
    main()
