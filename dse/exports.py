"""A study for other programs: tables, Optuna's storage, and single designs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dse.exceptions import InputError
from dse.report import load_run, read_json
from dse.run_folder import STUDY, VARIANTS
from dse.space import SearchSpace
from dse.store import Evaluation, StudyFile, to_csv, to_json_lines
from dse.study import space_from
from dse.whole_files import writing

_DASHBOARD = "lut"  # the fidelity that Optuna's trials show


def open_study(folder: Path) -> StudyFile:
    """Open the study of a run. Raises InputError where there is none, or it is damaged."""
    if not (folder / STUDY).exists():
        raise InputError(f"{folder}: no study there ({STUDY}); expected the folder of a run")
    return StudyFile.open(folder / STUDY)


def table(folder: Path, kind: str) -> Iterator[str]:
    """Yield every evaluation of a run as text: `kind` is `csv` or `jsonl`."""
    with open_study(folder) as study:
        yield from to_csv(study) if kind == "csv" else to_json_lines(study)


def design(folder: Path, method: str, number: int) -> dict[str, Any]:
    """Return design `number` (from 0, by rising energy) of a method's front as plain data.

    Layers with their multiplier, multipliers with the SHA-256 of their tables, and the design's figures. Where circuits have
    variants, also `layers`: what each layer is built of, as `dse.variants.described` says it.

    Raises:
        InputError: The run is not finished, or has no such method or design.
    """
    run = load_run(folder)
    if method not in run.fronts:
        raise InputError(f"--method {method}: this run has {', '.join(run.fronts)}")
    front = run.fronts[method]
    if not 0 <= number < len(front.population):
        raise InputError(f"--design {number}: the front of {method} has designs 0 to {len(front.population) - 1}")
    chosen = [run.multipliers[m] for m in front.population[number]]
    built = read_json(folder / VARIANTS) if (folder / VARIANTS).exists() else None
    layers = [] if built is None else [(l, built.table(l, name)) for l, name in zip(run.layers, chosen, strict=True)]
    return {
        "run": run.manifest.text("name"),
        "method": method,
        "design": number,
        "assignment": dict(zip(run.layers, chosen, strict=True)),
        "tables": {name: run.manifest.text("hashes", "tables", name) for name in dict.fromkeys(chosen)},
        "rel_energy": float(front.rel_energy[number]),
        "search_loss_pp": float(front.search_loss_pp[number]),
        "test_loss_pp": float(front.test_loss_pp[number]),
        "model": run.manifest.text("hashes", "model"),
        "format": run.manifest.text("format"),
        **({"layers": dict(layers)} if layers else {}),
    }


def to_optuna(folder: Path, out: Path) -> int:
    """Write the evaluations on search images into a new Optuna storage (SQLite), which optuna-dashboard opens.

    One Optuna study with a trial for each design: a categorical parameter for each layer, relative energy and accuracy as
    values, all figures as attributes; failed evaluations are failed trials.

    Returns:
        The number of trials.

    Raises:
        InputError: Optuna is not installed, `out` exists, or the run was interrupted before its first evaluation.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("--format optuna needs Optuna: pip install 'dse[optuna]'") from None
    with open_study(folder) as study:
        config, evaluations = study.config, list(study.evaluations(_DASHBOARD))
        if not evaluations:
            raise InputError(f"{folder}: nothing has been evaluated yet")
        space = space_from(study.remembered("identity")["space"])
    if out.exists():
        raise InputError(f"--out {out}: exists already; choose another file")
    with writing(out), out.open("xb"):  # SQLAlchemy's own complaint has pages
        pass
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(
        storage=f"sqlite:///{out.absolute()}", study_name=config["name"], directions=["minimize", "maximize"]
    )
    energies = space.energy(np.array([e.assignment for e in evaluations], dtype=np.int64))
    choices = optuna.distributions.CategoricalDistribution(space.multipliers)
    made.add_trials(
        [_trial(optuna, e, float(energy), space, choices) for e, energy in zip(evaluations, energies, strict=True)]
    )
    return len(evaluations)


def _trial(optuna: Any, e: Evaluation, energy: float, space: SearchSpace, choices: Any) -> Any:
    done = e.error is None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.FAIL,
        values=[energy, e.figures["accuracy"]] if done else None,
        params={layer: space.multipliers[m] for layer, m in zip(space.layers, e.assignment, strict=True)},
        distributions=dict.fromkeys(space.layers, choices),
        user_attrs={"seconds": e.seconds, "worker": e.worker, **(e.figures if done else {"error": e.error})},
    )


def as_json(data: Mapping[str, Any]) -> str:
    """Return plain data as JSON text."""
    return json.dumps(data, indent=2, allow_nan=False)
