"""Evaluate retrained designs again from their folders, and say whether they are what their files say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from dse.exceptions import InputError
from dse.nn.models import load_weights
from dse.nn.training import right_answers
from dse.preparation import Prepared
from dse.report import JsonFile, read_json
from dse.retrain._consistency import ROUNDING, contradictions, figures, kept_answers, stated
from dse.retrain._design import KnownAnswers, design_network
from dse.run_folder import RESULT, WEIGHTS
from dse.types import Assignment
from dse.workload import model_hash


@dataclass(frozen=True)
class VerifiedRetraining:
    """One retrained design, as its folder has it and as it is found now."""

    name: str  # of the folder
    verdict: str  # "identical", "within tolerance" or "different"
    accuracy: tuple[float, float]  # after retraining, on the test images, 0 to 1; NaN where it cannot be told
    faults: tuple[str, ...]  # what is different
    notes: tuple[str, ...]  # what could not be held against anything, and what was begun with


class RetrainingVerifier:
    """Loads the weights of retrained designs, simulates them on the test images, and compares.

    Held against what is found now: relative energy, accuracies (float, exact, before, after) and what follows from them, and
    the hashes of weights, tables and test images; held against each other: figures, answers to single images, and log. A
    design is within tolerance where every figure is off by at most one image. Settings, seed and the log's values are
    believed: only another training could tell. So are the figures before retraining where it began with other weights.

    Args:
        prepared: The run.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared, self._test, self._known = prepared, prepared.workload.parts.test, KnownAnswers(prepared)

    def __call__(self, folder: Path) -> VerifiedRetraining:
        """Verify the design in a folder; what cannot be read is different."""
        try:
            return self._verified(folder)
        except InputError as error:
            return VerifiedRetraining(folder.name, "different", (math.nan, math.nan), (str(error),), ())

    def _verified(self, folder: Path) -> VerifiedRetraining:
        result = read_json(folder / RESULT)
        assignment = self._assignment(result)
        model, _ = design_network(self._prepared, assignment)
        same_start = model_hash(model) == result.text("hashes", "start")
        right = {"float": self._known.unquantised, "exact": self._known.exact}
        if result.data.get("start", "run" if same_start else "other weights") == "run":
            right["before"] = right_answers(model, self._test)
        load_weights(model, folder / WEIGHTS)
        right["after"] = right_answers(model, self._test)
        answers = kept_answers(folder, len(self._test))
        apart = {key: (stated(result, key), value) for key, value in figures(right).items()}
        image = 100 / len(self._test)
        faults = (
            *(f"{key}: {a:g} pp there, {b:g} here" for key, (a, b) in apart.items() if abs(a - b) > image + ROUNDING),
            *contradictions(folder, result, answers),
            *self._other_facts(result, assignment, model),
        )
        identical = all(abs(a - b) <= ROUNDING for a, b in apart.values())
        identical &= answers is None or all((answers[kind] == found).all() for kind, found in right.items())
        return VerifiedRetraining(
            name=folder.name,
            verdict="different" if faults else "identical" if identical else "within tolerance",
            accuracy=(result.number("accuracy", "after"), float(right["after"].mean())),
            faults=faults,
            notes=tuple(self._notes(result, "before" in right, same_start)),
        )

    def _assignment(self, result: JsonFile) -> Assignment:
        """Return the design of a result (L,). Raises InputError where it is not of this run's layers and multipliers."""
        space, chosen = self._prepared.space, result.table("assignment")
        if set(chosen) != set(space.layers) or not set(map(str, chosen.values())) <= set(space.multipliers):
            raise InputError(f"{result.path}: has other layers or multipliers than the run; move the folder elsewhere")
        return np.array([space.multipliers.index(chosen[layer]) for layer in space.layers], dtype=np.int64)

    def _other_facts(self, result: JsonFile, assignment: Assignment, model: nn.Module) -> Iterator[str]:
        """Yield what differs beside accuracies, `model` having the weights of the folder."""
        energy = float(self._prepared.space.energy(assignment[None])[0])
        if not math.isclose(result.number("rel_energy"), energy, rel_tol=1e-12):
            yield f"rel_energy: {result.number('rel_energy'):g} there, {energy:g} here"
        library = {multiplier.name: multiplier.table_hash for multiplier in self._prepared.inputs.library}
        tables = {name: library[name] for name in set(result.table("assignment").values())}
        hashes = {"weights": model_hash(model), "test": self._test.content_hash, "tables": tables}
        for name, found in hashes.items():
            if result.get("hashes", name) != found:
                yield f"hashes.{name}: other SHA-256 than found here"

    def _notes(self, result: JsonFile, own_start: bool, same_start: bool) -> Iterator[str]:
        if not own_start:
            yield "began with other weights than the run's: its figures before retraining are not evaluated again"
        elif not same_start:
            yield "hashes.start: the network before retraining has other numbers here"
        if result.text("hashes", "float_model") != model_hash(self._prepared.workload.model):
            yield "hashes.float_model: other SHA-256 than found here"
