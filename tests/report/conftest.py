"""A synthetic run's folder: a noisy but plausible network, cheap to make, the same at every call."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.pareto import hypervolume, non_dominated

QUANTISED = 0.912  # accuracy, test
QUANTISED_SEARCH = 0.92


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def make_run(
    folder: Path,
    *,
    layers: int = 3,
    multipliers: int = 4,
    methods: Sequence[str] = ("nsga2", "alwann", "random"),
    evaluations: int = 12,
    names: Sequence[str] | None = None,
) -> Path:
    """Write the seven files of a run; later methods search worse."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    layer_names = [f"stage{i // 4}.{i % 4}.conv" for i in range(layers)]
    names = list(names or ["exact8u", *(f"approx{m}u" for m in range(1, multipliers))])
    count = len(names)
    power = np.concatenate([[0.391], rng.uniform(0.04, 0.38, count - 1)])
    badness = np.concatenate([[0.0], (0.42 - power[1:]) ** 3 * rng.lognormal(0, 0.7, count - 1) * 20])
    ops = rng.integers(10**5, 10**6, layers)
    error = badness * rng.lognormal(0, 0.5, (layers, 1))
    sigma = rng.lognormal(-2, 0.6, layers)
    share = ops / ops.sum()

    def score(population: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        hurt = ((error[np.arange(layers), population] / sigma) ** 2).mean(axis=1)
        loss = 60 * (1 - np.exp(-hurt / 30))
        noisy = [np.round(loss + rng.normal(0, 0.15, len(loss)) * (hurt > 0), 2) for _ in range(2)]
        return (power / power[0])[population] @ share, noisy[0], noisy[1]

    tables: dict[str, list[list[Any]]] = {"evaluations": [], "front": []}
    volumes: dict[str, dict[str, float]] = {"hypervolume": {}, "hypervolume_test": {}}
    for rank, method in enumerate(methods):
        population = _candidates(rng, error / sigma[:, None], power, evaluations, rank)
        energy, loss, test = score(population)
        chosen = [[names[m] for m in row] for row in population]
        for i in range(evaluations):
            accuracy = QUANTISED_SEARCH - loss[i] / 100
            tables["evaluations"].append([method, i + 1, energy[i], accuracy, loss[i], *chosen[i]])
        for i in np.flatnonzero(non_dominated(np.column_stack([energy, loss]))).tolist():
            accuracies = [QUANTISED - test[i] / 100, QUANTISED_SEARCH - loss[i] / 100]
            tables["front"].append([method, energy[i], *accuracies, test[i], i + 1, *chosen[i]])
        volumes["hypervolume"][method] = hypervolume(np.column_stack([energy, loss]), np.array([1.0, 10.0]))
        volumes["hypervolume_test"][method] = hypervolume(np.column_stack([energy, test]), np.array([1.0, 10.0]))
    energy, loss, test = score(np.repeat(np.arange(count)[:, None], layers, axis=1))
    design = ["rel_energy", "search_accuracy", "accuracy_loss_pp"]
    write_csv(folder / "evaluations.csv", ["method", "evaluation", *design, *layer_names], tables["evaluations"])
    front = ["method", "rel_energy", "accuracy", "search_accuracy", "accuracy_loss_pp", "evaluation", *layer_names]
    write_csv(folder / "front.csv", front, tables["front"])
    write_csv(
        folder / "uniform.csv",
        ["multiplier", "rel_energy", "search_accuracy", "accuracy", "accuracy_loss_pp", *layer_names],
        [
            [n, e, QUANTISED_SEARCH - s / 100, QUANTISED - t / 100, t, *[n] * layers]
            for n, e, s, t in zip(names, energy, loss, test, strict=True)
        ],
    )
    rows = [[n, c, 288, s] for n, c, s in zip(layer_names, ops, sigma, strict=True)]
    write_csv(folder / "robustness.csv", ["layer", "op_count", "fan_in", "sigma"], rows)
    write_csv(
        folder / "errors.csv",
        ["layer", "multiplier", "power_mw", "mean", "std", "measured_mean", "measured_std"],
        [
            [layer, name, power[m], 0.0, error[i, m], 0.0, error[i, m]]
            for i, layer in enumerate(layer_names)
            for m, name in enumerate(names)
        ],
    )
    metrics = {
        **volumes,
        "reference_point": {"rel_energy": 1.0, "accuracy_loss_pp": 10.0},
        "evaluations": dict.fromkeys(methods, evaluations),
        "baselines": {
            "float_accuracy": 0.915,
            "quantised_accuracy": QUANTISED,
            "quantised_search_accuracy": QUANTISED_SEARCH,
        },
        "best_uniform": {"multiplier": names[1], "rel_energy": 0.71, "accuracy": 0.9, "accuracy_loss_pp": 1.2},
        "library_floor": float(power.min() / power[0]),
        "energy": {
            "level": "multiplier",
            "multiplier_share": {"multiplier": 1.0, "mac": 0.4, "array": 0.25, "memory": 0.2},
            "table": {"source": "made up"},
        },
        "error_model": {
            "direct": {
                "pearson_log_std": 0.99,
                "median_relative_error": 0.02,
                "p90_relative_error": 0.08,
                "cells": 9,
                "cells_without_prediction": 0,
            }
        },
        "images": {"train": 5000, "calibration": 128, "search": 500, "test": 2000},
        "seconds": {"train": 61.25, "search": 300.5},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    manifest = {
        "seed": 7,
        "model": "resnet8",
        "dataset": "cifar10",
        "library": "builtin",
        "format": "sm8",
        "hashes": {"energy_table": "0123456789abcdef"},
        "hardware": {"cpu": "Some CPU", "cores": 2, "threads": 2, "memory_gib": 15.6},
        "versions": {"numpy": "2"},
        "command": "dse run x.toml",
        "git_commit": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _candidates(rng: np.random.Generator, harm: np.ndarray, power: np.ndarray, n: int, rank: int) -> np.ndarray:
    """Return designs `(n, L)`: the cheapest multiplier within a random tolerance, more at random for higher ranks."""
    layers, multipliers = harm.shape
    tolerance = np.sort(rng.uniform(0, 3, n))[rng.permutation(n)]
    matched = np.array([[np.argmin(np.where(row <= t, power, np.inf)) for row in harm] for t in tolerance])
    anywhere = rng.random((n, layers)) < (0.05, 0.2, 1.0, 0.5)[rank % 4]
    return np.where(anywhere, rng.integers(0, multipliers, (n, layers)), matched)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


@pytest.fixture
def edit(run_folder: Path) -> Callable[[str, Callable[[Any], object]], None]:
    """Change one JSON file of the run."""

    def change(name: str, action: Callable[[Any], object]) -> None:
        data = json.loads((run_folder / name).read_text())
        action(data)
        (run_folder / name).write_text(json.dumps(data))

    return change
