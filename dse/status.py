"""How far a study has come: read from its file, without what a run needs to load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dse.exceptions import InputError
from dse.run_folder import MANIFEST, STUDY
from dse.store import StudyFile

_REASONS = 3  # of failures that are shown


def open_study(folder: Path) -> StudyFile:
    """Open the study of a run. Raises InputError where there is none, or it is damaged."""
    if not (folder / STUDY).exists():
        raise InputError(f"{folder}: no study there ({STUDY}); expected the folder of a run, which `dse run` begins")
    return StudyFile.open(folder / STUDY)


def status(folder: Path) -> dict[str, Any]:
    """Return how far the run in `folder` has come, as plain data.

    Keys: `run`, `seed`, `state` (`running`: a living process is at work; `finished`: tables are written; `interrupted`),
    `methods` (name -> designs charged so far and budget), `fidelities` (name -> done, failed, running; seconds of
    evaluation; first and last, seconds since 1970), `failures` (reasons of some failed evaluations).

    Raises:
        InputError: There is no study, or it is damaged.
    """
    with open_study(folder) as study:
        config, manifest, tallies = study.config, study.manifest, study.counts()
        failures = [evaluation.error for evaluation in study.failures(_REASONS)]
        busy = study.in_use
    budget = manifest.get("budget", config["search"]["evaluations"])
    progress = manifest.get("progress", {})
    return {
        "run": config["name"],
        "seed": config["seed"],
        "state": "running" if busy else "finished" if manifest.get("finished") == budget else "interrupted",
        "tables": (folder / MANIFEST).is_file(),
        "methods": {m: {"done": min(progress.get(m, 0), budget), "budget": budget} for m in config["search"]["methods"]},
        "fidelities": {name: vars(tally) for name, tally in tallies.items()},
        "failures": failures,
    }


def status_lines(found: dict[str, Any], folder: Path) -> Iterator[str]:
    """Yield what `status` found as lines of text."""
    yield f"{'run':<12} {found['run']}, seed {found['seed']}: {found['state']}"
    for name, method in found["methods"].items():
        yield f"{name:<12} {method['done']} of {method['budget']} designs"
    for name, tally in found["fidelities"].items():
        counts = ", ".join(f"{tally[state]} {state}" for state in ("done", "failed", "running") if tally[state])
        last = "" if tally["last"] is None else f", the last at {time.strftime('%F %T', time.localtime(tally['last']))}"
        yield f"{name:<12} {counts or 'nothing yet'}; {tally['seconds']:.1f} s of evaluation{last}"
    for reason in found["failures"]:
        yield f"{'failed':<12} {reason}"
    if found["state"] == "interrupted":
        yield f"{'go on':<12} dse resume {folder}"
