"""What scores designs: one quantised network, the library's tables, and the images of every fidelity.

A fidelity is a text that says how a design is scored: `lut` on all search images, `lut-N` on the first N of them, `test` on
the test images, all by bit-exact simulation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from dse.nn.datasets import Part
from dse.objectives import Simulator
from dse.types import Population, Table
from dse.workload import model_hash

Figures = dict[str, float]


@dataclass(frozen=True)
class Job:
    """Designs to score together: `(P, L)` int64."""

    designs: Population
    fidelity: str


@dataclass(frozen=True, eq=False)
class EvaluatorFactory:
    """Builds the evaluator where it is needed: here, or in a worker process, to which this is sent once.

    Args:
        model: A quantised model.
        parts: Images and labels of each fidelity.
        tables: Layer tables of the library `(M)` in library order; None for exact products.
    """

    model: nn.Module
    parts: Mapping[str, Part]
    tables: Sequence[Table | None]

    def __call__(self) -> Evaluator:
        return Evaluator({name: Simulator(self.model, part, self.tables) for name, part in self.parts.items()})

    def hash(self, settings: str) -> str:
        """Return the SHA-256 of what figures depend on beside design and fidelity.

        Args:
            settings: What the model's parameters and buffers do not say of its arithmetic, such as the operand format.
        """
        digest = hashlib.sha256(f"{settings} {model_hash(self.model)}".encode())
        for name, part in sorted(self.parts.items()):
            digest.update(f"{name} {part.content_hash}".encode())
        for table in self.tables:
            digest.update(b"exact" if table is None else np.ascontiguousarray(table).tobytes())
        return digest.hexdigest()


class Evaluator:
    """Scores designs: `Job` -> the figures of each, in the job's order."""

    def __init__(self, simulators: Mapping[str, Simulator]) -> None:
        self._simulators = simulators

    def __call__(self, job: Job) -> list[Figures]:
        return [{"accuracy": float(value)} for value in self._simulators[job.fidelity].accuracies(job.designs)]
