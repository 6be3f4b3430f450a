"""What operating points cost: the time of a switch, and what three points add, on networks with random weights.

    python benchmarks/bench_operating_points.py

Each point is a draw among four multipliers of the built-in library, the cheaper ones likelier from point to point; it is
corrected by the closed form, with offsets alone (`bias`) or scales as well (`affine`). Times are medians over 200 switches.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from dse.compensation import Compensation
from dse.error_model import predict_errors
from dse.evaluator import EvaluatorFactory
from dse.multipliers import builtin
from dse.nn.convert import approximable_layers, quantize
from dse.nn.datasets import Part
from dse.nn.models import build_model
from dse.nn.tracing import trace
from dse.operands import operand_format
from dse.operating_points import OperatingPoint, OperatingPointModel
from dse.variants import plain_tables

_SWITCHES = 200
_SHARES = {"best": (0.7, 0.1, 0.1, 0.1), "middle": (0.1, 0.4, 0.4, 0.1), "eco": (0.0, 0.1, 0.3, 0.6)}


def main() -> None:
    """Measure and print."""
    print("| network | corrections | parameters they add | own BatchNorms add | switch, us | batch of 1, ms |")
    print("|---|---|---|---|---|---|")
    for network in ("resnet8", "resnet20"):
        for method in ("bias", "affine"):
            print(f"| {network} | {method} | {' | '.join(_measured(_model(network, method)))} |", flush=True)


def _measured(model: OperatingPointModel) -> tuple[str, str, str, str]:
    corrections = model.overhead()
    switches, batches = _times(model)
    model.own_norms()
    norms, base = model.overhead().norms, corrections.base_parameters
    return (
        f"{corrections.parameters} ({100 * corrections.rel_parameters:.2f} %)",
        f"{norms} ({100 * norms / base:.2f} %)",
        f"{1e6 * statistics.median(switches):.0f}",
        f"{1e3 * statistics.median(batches):.1f}",
    )


def _times(model: OperatingPointModel) -> tuple[list[float], list[float]]:
    """Return the seconds of every switch, and of the batch after it."""
    image, switches, batches = torch.randn(1, 3, 32, 32), [], []
    with torch.inference_mode():
        for number in range(_SWITCHES):
            started = time.perf_counter()
            model.operating_point = number % len(model.points)
            switched = time.perf_counter()
            model(image)
            switches.append(switched - started)
            batches.append(time.perf_counter() - switched)
    return switches, batches


def _model(network: str, method: str) -> OperatingPointModel:
    """Return a network with three points of four instances."""
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    quantised = quantize(build_model(network, in_shape=(3, 32, 32), n_classes=10, seed=0), images)
    library, part = builtin(signed=False), Part(images, torch.zeros(len(images), dtype=torch.int64))
    seen, tables = trace(quantised, images), plain_tables(library, operand_format("sm8"))
    errors = predict_errors(seen, library, grade="direct")
    compensation = Compensation((method,), images, errors, seen)
    factory = EvaluatorFactory(quantised, part, part, tables, seen, errors, compensation=compensation)
    instances = (0, *np.linspace(1, len(library) - 1, 3).astype(int).tolist())
    rng, layers, points = np.random.default_rng(0), tuple(approximable_layers(quantised)), []
    for name, shares in _SHARES.items():
        chosen = (library.names[choice] for choice in rng.choice(instances, len(layers), p=shares))
        points.append(OperatingPoint(name, dict(zip(layers, chosen, strict=True)), 1.0))
    return OperatingPointModel.of(factory, points, library.names)


if __name__ == "__main__":
    main()
