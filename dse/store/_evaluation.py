"""One evaluation, and the row of the file that it becomes."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

import numpy as np

from dse.exceptions import InputError
from dse.types import Population

COLUMNS = "assignment, fidelity, evaluator, figures, error, seconds, worker, attempt, finished"  # what a checksum covers
_LONGEST_TEXT = 1000  # characters of a fidelity, an evaluator, a worker; of an error, which is cut
_MOST_LAYERS = 10_000
_CODES = 1 << 16  # an assignment is kept as 16-bit numbers, most significant byte first: bytes sort as assignments do


@dataclass(frozen=True)
class Evaluation:
    """What scoring one design with one evaluator at one fidelity gave: figures, or the reason why there are none."""

    assignment: tuple[int, ...]  # (L,) index into the library
    fidelity: str
    evaluator: str  # hash of all that the figures depend on beside assignment and fidelity
    figures: Mapping[str, float] = field(default_factory=dict)  # finite; none of a failed evaluation
    error: str | None = None  # one line; of a failed evaluation only
    _: KW_ONLY
    seconds: float = 0.0  # spent on it
    worker: str = ""
    attempt: int = 1  # how often it had been begun
    finished: float | None = None  # seconds since 1970 (UTC); the file fills it in

    @property
    def state(self) -> Literal["done", "failed"]:
        """Whether there are figures."""
        return "done" if self.error is None else "failed"


def key_of(assignment: bytes, fidelity: str, evaluator: str) -> bytes:
    """Return the 16 bytes by which the file knows an evaluation: a hash of evaluator, fidelity and assignment."""
    return _digest(f"{evaluator}\n{fidelity}\n".encode() + assignment)


def keys_of(population: Population, fidelity: str, evaluator: str) -> list[bytes]:
    """Return the key of every design of a population `(P, L)` int64.

    Raises:
        InputError: It has another shape or holds no indices.
    """
    designs = np.asarray(population)
    if designs.ndim != 2 or designs.dtype.kind not in "iu" or not 0 < designs.shape[1] <= _MOST_LAYERS:
        raise InputError(f"population: expected integers (P, L), got {designs.dtype} {designs.shape}")
    if designs.size and not (designs.min() >= 0 and designs.max() < _CODES):
        raise InputError(f"population: expected indices of 0 to {_CODES - 1}, got {designs.min()} to {designs.max()}")
    _check_name("fidelity", fidelity)
    _check_name("evaluator", evaluator)
    return [key_of(design.tobytes(), fidelity, evaluator) for design in designs.astype(">u2")]


def to_row(evaluation: Evaluation) -> tuple[Any, ...]:
    """Return checksum, key and `COLUMNS` of an evaluation.

    Raises:
        InputError: A figure is not finite, there are both figures and an error or neither, or a text or number cannot be
            kept: the caller's mistake, which the file is spared.
    """
    e = evaluation
    (key,) = keys_of(np.array([e.assignment]), e.fidelity, e.evaluator)
    _check_name("worker", e.worker or "-")
    if bool(e.figures) == (e.error is not None):
        raise InputError("evaluation: expected figures or an error, got both or neither")
    if not (math.isfinite(e.seconds) and e.seconds >= 0 and 1 <= e.attempt < 2**31):
        raise InputError(f"evaluation: expected seconds >= 0 and attempt >= 1, got {e.seconds} and {e.attempt}")
    packed = np.array(e.assignment, ">u2").tobytes()
    error = None if e.error is None else (_one_line(e.error) or "failed")
    finished = time.time() if e.finished is None else float(e.finished)
    result = (packed, e.fidelity, e.evaluator, _figures_text(e), error)
    content = (*result, float(e.seconds) + 0.0, e.worker, int(e.attempt), finished + 0.0)  # the file knows no -0.0
    return (checksum(content), key, *content)


def from_row(row: Sequence[Any]) -> Evaluation:
    """Return the evaluation of a row: checksum, then `COLUMNS`.

    Raises:
        ValueError: The checksum does not verify, or the content is none that `to_row` writes.
    """
    stored, *content = row
    if checksum(content) != stored:
        raise ValueError("its checksum does not verify")
    packed, fidelity, evaluator, text, error, seconds, worker, attempt, finished = content
    figures = json.loads(text) if error is None else {}
    if not isinstance(figures, dict) or not all(type(v) is float and math.isfinite(v) for v in figures.values()):
        raise ValueError("its figures are no finite numbers")
    assignment = tuple(np.frombuffer(packed, ">u2").tolist())
    return Evaluation(
        assignment, fidelity, evaluator, figures, error, seconds=seconds, worker=worker, attempt=attempt, finished=finished
    )


def checksum(content: Sequence[Any]) -> bytes:
    """Return 16 bytes over bytes, one-line texts and numbers, the same on every machine and version."""
    first, *rest = content  # the only bytes, and last here: they may hold line breaks
    return _digest("".join([f"{value}\n" for value in rest]).encode() + first)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _figures_text(evaluation: Evaluation) -> str | None:
    if evaluation.error is not None:
        return None
    figures = {str(name): float(value) for name, value in evaluation.figures.items()}
    odd = [name for name, value in figures.items() if not math.isfinite(value)]
    if odd:
        raise InputError(f"evaluation: expected finite figures, got {odd[0]} = {figures[odd[0]]}; settle it as failed")
    return json.dumps(figures)


def _check_name(what: str, text: str) -> None:
    if not (0 < len(text) <= _LONGEST_TEXT and text.isprintable()):
        raise InputError(f"{what}: expected 1 to {_LONGEST_TEXT} printable characters in one line, got {text[:40]!r}")


def _one_line(text: str) -> str:
    plain = " ".join(text.split()).encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in plain)[:_LONGEST_TEXT]
