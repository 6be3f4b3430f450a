"""What scores designs: one quantised network, the choices' tables, and the images of every fidelity.

A fidelity is a text that says how a design is scored: `lut` by bit-exact simulation on all search images, `lut-250` on 250
of them, `noise-64` by predicted errors as noise (`dse.fidelity`), `test` and `validation` by simulation on those images.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from dse.compensation import Compensation
from dse.error_model import ErrorTable
from dse.factors import DesignFactors
from dse.fidelity import Ladder, NoiseSimulator
from dse.nn.convert import approximable_layers, simulate
from dse.nn.datasets import Part
from dse.nn.tracing import Trace
from dse.objectives import DesignScorer, Figures, Simulator
from dse.types import Assignment, Population, Table
from dse.variants import LayerTables
from dse.workload import model_hash

TEST, VALIDATION = "test", "validation"


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
        search, test: Images and labels.
        tables: What each choice computes in each layer.
        trace, errors: What predicted noise is made from.
        seed: Of that noise.
        compensation: How designs are compensated; None: not at all.
        validation: Images and labels; None: there is no such fidelity.
    """

    model: nn.Module
    search: Part
    test: Part
    tables: LayerTables
    trace: Trace
    errors: ErrorTable
    seed: int = 0
    compensation: Compensation | None = None
    validation: Part | None = None

    def __call__(self) -> Evaluator:
        # noise is drawn for the network as it was
        model = self.model if self.compensation is None else copy.deepcopy(self.model)
        compensator = None if self.compensation is None else self.compensation.of(model)
        noise = partial(NoiseSimulator, self.model, self.search, self.trace, self.noise_errors, seed=self.seed)
        simulator = partial(Simulator, model, tables=self.tables, compensator=compensator)
        others = {TEST: self.test, **({} if self.validation is None else {VALIDATION: self.validation})}
        return Evaluator(Ladder(simulator(self.search), noise), {name: simulator(part) for name, part in others.items()})

    @property
    def noise_errors(self) -> ErrorTable:
        """The predicted errors that noise stands for: what compensation leaves of them."""
        return self.errors if self.compensation is None else self.compensation.remaining

    def given(self, design: Assignment) -> dict[str, Table]:
        """Return what the layers of a design `(L,)` multiply with, by name; those that are not named multiply exactly."""
        chosen = zip(approximable_layers(self.model), enumerate(design.tolist()), strict=True)
        tables = {name: self.tables.table(layer, choice) for name, (layer, choice) in chosen}
        return {name: table for name, table in tables.items() if table is not None}

    def network(self, design: Assignment) -> nn.Module:
        """Return a copy of the network that simulates a design `(L,)`, compensated where designs are."""
        model = copy.deepcopy(self.model)
        simulate(model, self.given(design))
        if self.compensation is not None:
            self.compensation.of(model).apply(design)
        return model

    def factors(self, designs: Population) -> DesignFactors | None:
        """Return what is folded into the network for each of some designs `(P, L)`; None where none is compensated."""
        if self.compensation is None:
            return None
        model = copy.deepcopy(self.model)
        compensator, batch_norm = self.compensation.of(model), "batch-norm" in self.compensation.methods
        found = []
        for design in designs:
            simulate(model, self.given(design))
            found.append(compensator.apply(design).factors(batch_norm=batch_norm))
        return DesignFactors(designs, tuple(found))

    def hash(self, settings: str) -> str:
        """Return the SHA-256 of what figures depend on beside design and fidelity; without the validation images.

        Args:
            settings: What the model's parameters and buffers do not say of its arithmetic, such as the operand format.
        """
        digest = hashlib.sha256(f"{settings} {model_hash(self.model)}".encode())
        digest.update(f"{self.search.content_hash} {self.test.content_hash} {self.seed}".encode())
        for part in self.tables.content():
            digest.update(part)
        for part in () if self.compensation is None else self.compensation.content():
            digest.update(part)
        return digest.hexdigest()


class Evaluator:
    """Scores designs: `Job` -> the figures of each, in the job's order.

    Raises:
        ArithmeticError: A design has no figures; where the job has several, none of them has.
    """

    def __init__(self, ladder: Ladder, others: Mapping[str, DesignScorer]) -> None:
        self._ladder, self._others = ladder, others

    def __call__(self, job: Job) -> list[Figures]:
        scorer = self._others[job.fidelity] if job.fidelity in self._others else self._ladder[job.fidelity]
        found = scorer.evaluate(job.designs)
        if failed := [reason for reason in found.reasons if reason]:
            raise ArithmeticError(failed[0])
        return list(found.figures)
