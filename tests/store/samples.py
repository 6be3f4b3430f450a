"""Designs and their evaluations, each a function of its number, so that a wrong figure shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from dse.store import Evaluation, StudyFile
from dse.types import Population

FIDELITY, EVALUATOR = "lut", "e" * 64
CONFIG, MANIFEST = {"seed": 3, "name": "ä"}, {"versions": {"dse": "0.1"}}
HEAVY = os.environ.get("DSE_HEAVY") == "1"  # the full numbers of kills, cuts and flips, some minutes
LAYERS = 8


def designs(count: int, layers: int = LAYERS) -> Population:
    """Return `(count, layers)` designs: the digits of their numbers."""
    return np.arange(count)[:, None] // 7 ** np.arange(layers) % 7


def number_of(assignment: tuple[int, ...]) -> int:
    return sum(digit * 7**layer for layer, digit in enumerate(assignment))


def evaluation_of(number: int, fidelity: str = FIDELITY) -> Evaluation:
    """Return what design `number` evaluates to; every tenth fails."""
    design = [number // 7**layer % 7 for layer in range(LAYERS)]
    figures = {} if number % 10 == 9 else {"accuracy": 1 / (number + 3), "kl": 0.1 * number}
    error = None if figures else f"design {number} raised"
    about = {"seconds": 0.25 * number, "worker": "w0", "attempt": 1 + number % 3, "finished": 1.7e9 + number / 7}
    return Evaluation(tuple(design), fidelity, EVALUATOR, figures, error, **about)  # type: ignore[arg-type]


def study_of(path: Path, count: int) -> StudyFile:
    """Return a study with the first `count` designs settled, one commit for each ten, all of it still in the log."""
    study = StudyFile.create(path, CONFIG, MANIFEST)
    for start in range(0, count, 10):
        study.settle([evaluation_of(i) for i in range(start, min(start + 10, count))])
    return study


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder without a disk behind it where the system has one: for tests that damage hundreds of files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
