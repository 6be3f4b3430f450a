"""A small network of every kind of layer with three operating points, and what each of them is alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from dse.compensation import Compensation
from dse.error_model import predict_errors
from dse.evaluator import EvaluatorFactory
from dse.multipliers import MultiplierLibrary, builtin, is_symmetric
from dse.nn.datasets import Part
from dse.nn.tracing import trace
from dse.operands import operand_format
from dse.operating_points import OperatingPoint, OperatingPointModel
from dse.types import Population
from dse.variants import Choices, LayerTables, choice_tables, expand, plain_tables
from tests.compensation.small import LAYERS, images, network
from tests.small import library

NAMES = ("best", "middle", "eco")
DESIGNS = np.array([[0, 0, 2, 0], [2, 1, 2, 1], [3, 1, 1, 1]], dtype=np.int64)  # exact, noisy, high, zero


def points(designs: Population = DESIGNS, names: tuple[str, ...] = NAMES) -> list[OperatingPoint]:
    choices, found = library().names, []
    for energy, (name, row) in enumerate(zip(names, designs.tolist(), strict=True)):
        assignment = {layer: choices[choice] for layer, choice in zip(LAYERS, row, strict=True)}
        found.append(OperatingPoint(name, assignment, 1 - energy / 10))
    return found


@cache
def factory(
    methods: tuple[str, ...] = ("affine", "batch-norm"), format: str = "sm8", tuned: bool = False
) -> EvaluatorFactory:
    """Return what scores designs, which are compensated; `tuned`: layers store other weights for the noisy multiplier."""
    model, chosen = network(format), library(signed=format == "s8")
    seen = trace(model, images())
    tables = plain_tables(chosen, operand_format(format))
    if tuned:
        levels = tables.tables[1].shape[1]  # type: ignore[union-attr]
        codes = np.minimum(np.arange(levels) + np.arange(len(LAYERS))[:, None] + 1, levels - 1).astype(np.int16)
        tables = LayerTables(tables.tables, tables.circuit, (None, codes, None, None))
    errors = predict_errors(seen, chosen, grade="direct", tables=tables)
    part = Part(images(), torch.arange(len(images())) % 5)
    compensation = Compensation(methods, images(seed=4), errors, seen) if methods else None
    return EvaluatorFactory(model, part, part, tables, seen, errors, compensation=compensation)


def made(**kwargs: object) -> OperatingPointModel:
    return OperatingPointModel.of(factory(**kwargs), points(), library().names)  # type: ignore[arg-type]


def alone(point: int, **kwargs: object) -> nn.Module:
    """Return the network of a point by itself, as everything else in the package makes it."""
    return factory(**kwargs).network(DESIGNS[point])  # type: ignore[arg-type]


def clipped_choices(format: str) -> tuple[Choices, LayerTables]:
    """Return the exact circuit and an asymmetric one in both orders, with clipped operands or not, tuned or not."""
    chosen = builtin(signed=format == "s8")
    circuit = next(m for m in chosen if not m.is_exact and not is_symmetric(m))
    library = MultiplierLibrary([chosen[0], circuit])
    choices = expand(library, order=True, x_clip=[50], w_clip=[80], tuning=["histogram"])
    return choice_tables(choices, operand_format(format), np.full((len(LAYERS), 256), 1 / 256))


def outputs(model: nn.Module, x: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        y: Tensor = model(images(seed=7) if x is None else x)
    return y


def all_outputs(model: OperatingPointModel, x: Tensor | None = None) -> list[Tensor]:
    found = []
    for point in range(len(model.points)):
        with model.at(point):
            found.append(outputs(model, x))
    return found
