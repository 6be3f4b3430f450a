"""The rows of a study as text, for other programs: CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from dse.store._study_file import StudyFile

_COLUMNS = ("fidelity", "evaluator", "assignment", "state", "error", "seconds", "worker", "attempt", "finished")
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would compute


def to_csv(
    study: StudyFile, fidelity: str | None = None, *, layers: Sequence[str] = (), multipliers: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the lines of a table of what is settled, sorted, every digit kept.

    Assignments are indices separated by spaces, figures a column each, empty where an evaluation has none; at the end stands
    a column for each layer with the name of its multiplier ("NAME (layer)" where another column has the layer's name).
    Texts that a spreadsheet would take for a formula are led by an apostrophe.

    Args:
        study: The study.
        fidelity: Only this one; all by default.
        layers: Names of the layers; no columns of layers without them.
        multipliers: Names of the library, index 0 exact.

    Raises:
        InputError: A row is damaged.
    """
    figures = sorted({name for evaluation in study.evaluations(fidelity) for name in evaluation.figures})
    taken = {*_COLUMNS, *figures}
    named = [f"{layer} (layer)" if layer in taken else layer for layer in layers]
    yield _line([*_COLUMNS, *(_plain(name) for name in (*figures, *named))])
    for e in study.evaluations(fidelity):
        about = (e.fidelity, e.evaluator, " ".join(map(str, e.assignment)), e.state, e.error, e.seconds, e.worker, e.attempt)
        chosen = [multipliers[m] for m in e.assignment] if layers else []
        yield _line([_plain(value) for value in (*about, e.finished, *(e.figures.get(name) for name in figures), *chosen)])


def to_json_lines(
    study: StudyFile, fidelity: str | None = None, *, layers: Sequence[str] = (), multipliers: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a JSON object for each evaluation that is settled, sorted, every digit kept.

    Args:
        study: The study.
        fidelity: Only this one; all by default.
        layers: Names of the layers: then `layers` says which multiplier each of them has, by name.
        multipliers: Names of the library, index 0 exact.

    Raises:
        InputError: A row is damaged.
    """
    for e in study.evaluations(fidelity):
        values = {name: getattr(e, name) for name in _COLUMNS}
        named = {layer: multipliers[m] for layer, m in zip(layers, e.assignment, strict=True)} if layers else None
        values |= {"figures": dict(e.figures)} | ({} if named is None else {"layers": named})
        yield json.dumps(values, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return repr(value) if isinstance(value, float) else value


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
