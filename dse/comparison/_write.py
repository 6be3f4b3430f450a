"""A comparison's folder: tables, figures, a page and everything as JSON, whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dse.comparison._comparison import Comparison
from dse.comparison._figures import figures
from dse.comparison._indicators import Measured
from dse.comparison._notes import notes
from dse.comparison._page import page
from dse.comparison._problem import Problem
from dse.comparison._runs import Run
from dse.comparison._table import as_csv, as_latex, as_text, concise
from dse.comparison._tables import tables
from dse.exceptions import InputError
from dse.report import read_json, save
from dse.whole_files import write_whole

_MARK = "comparison.json"  # what makes a folder a comparison; lists its files


def write_comparison(comparison: Comparison, out: Path) -> tuple[Path, ...]:
    """Write a folder with `comparison.md`, `comparison.json`, `tables/` and `figures/`; equal runs give equal bytes.

    Returns:
        The files, relative to `out`.

    Raises:
        InputError: If `out` exists and is not an earlier comparison, or cannot be written.
    """
    with _folder(out) as scratch:
        made = tables(comparison)
        (scratch / "tables").mkdir()
        for table in made:
            forms = {".csv": as_csv(table), ".txt": as_text(concise(table)), ".tex": as_latex(concise(table))}
            for suffix, text in forms.items():
                write_whole(scratch / "tables" / f"{table.name}{suffix}", text.encode("utf-8", "replace"))
        drawn = [(name, title) for name, title, draw in figures(comparison) if save(draw, scratch / "figures", name)]
        write_whole(scratch / "comparison.md", page(comparison, made, drawn).encode("utf-8", "replace"))
        files = sorted([*_files(scratch), _MARK])
        data = json.dumps({"files": files, **_plain(comparison)}, indent=1, allow_nan=False)
        write_whole(scratch / _MARK, f"{data}\n".encode("utf-8", "replace"))
    return tuple(map(Path, files))


def check_out(out: Path) -> None:
    """Raise InputError unless a comparison may be written to `out`: it is free, or holds an earlier one and nothing else."""
    try:
        present = _files(out) if out.is_dir() else [] if not out.exists() else None
    except OSError as error:
        raise InputError(f"--out {str(out)[:60]}: {error.strerror}; choose another folder") from None
    if present is None:
        raise InputError(f"--out {out}: is no folder; choose another place")
    if present and _MARK not in present:
        raise InputError(f"--out {out}: exists and is no comparison (no {_MARK}), so it is not replaced; choose another")
    if present:
        listed = read_json(out / _MARK).get("files")
        if foreign := sorted(set(present) - set(listed if isinstance(listed, list) else [])):
            raise InputError(f"--out {out}: holds '{foreign[0]}', which is not of the earlier comparison; move it away")


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    check_out(out)
    out = out.resolve()  # a link's target is replaced, not the link
    scratch, earlier = (out.with_name(f".{out.name}.{secrets.token_hex(4)}") for _ in range(2))
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if out.exists():
            os.replace(out, earlier)
        os.replace(scratch, out)
        shutil.rmtree(earlier, ignore_errors=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}; choose another folder") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _plain(comparison: Comparison) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "methods": list(comparison.methods),
        "baseline": comparison.baseline,
        "unequal": list(comparison.unequal),
        "notes": list(notes(comparison)),
        "runs": [_run(run) for run in comparison.runs],
        "problems": [_problem(problem) for problem in comparison.problems],
        "series": [_series(m) for m in comparison.measured],
        "medians": [_values(m) for m in comparison.medians],
        "targets": [_values(r) for r in comparison.reached],
        "pairs": [_values(p) for p in comparison.pairs],
        "rankings": [_values(r) for r in comparison.rankings],
    }


def _run(run: Run) -> dict[str, Any]:
    return {"run": run.label, "title": run.title, **run.evaluator, **run.settings}


def _problem(problem: Problem) -> dict[str, Any]:
    found = _values(problem)
    del found["series"]
    return found


def _series(measured: Measured) -> dict[str, Any]:
    s, curve = measured.series, measured.curve
    steps = np.flatnonzero(np.diff(curve, prepend=0.0) > 0)
    return {
        "problem": measured.problem,
        "method": s.method,
        "seed": s.seed,
        "run": s.run,
        "budget": s.budget,
        "evaluations": len(s.objectives),
        "failed": int((~s.scored).sum()),
        "stopped": s.stopped,
        "hypervolume": measured.volume,
        "hypervolume_test": measured.volume_test,
        "figures": measured.figures,
        "improvements": [[int(i) + 1, float(curve[i])] for i in steps],  # evaluation, hypervolume from there on
    }


def _values(item: Any) -> Any:
    """Return a dataclass as JSON values, arrays as lists."""
    return _listed(asdict(item))


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(v) for v in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
