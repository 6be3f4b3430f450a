"""A study for other programs: tables, Optuna's storage, and single designs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dse.exceptions import InputError
from dse.factors import read_factors
from dse.report import load_run, read_json
from dse.run_folder import FACTORS, VARIANTS
from dse.space import SearchSpace
from dse.status import open_study
from dse.store import Evaluation, to_csv, to_json_lines
from dse.study import space_from
from dse.whole_files import writing

_NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")  # no string of JSON holds a line break
_DASHBOARD = "lut"  # the fidelity that Optuna's trials show


def table(folder: Path, kind: str) -> Iterator[str]:
    """Yield every evaluation of a run as text, its multipliers by index and by name: `kind` is `csv` or `jsonl`."""
    rows = to_csv if kind == "csv" else to_json_lines
    with open_study(folder) as study:
        known = study.remembered("identity")["space"] if study.counts() else {"layers": (), "multipliers": ()}
        yield from rows(study, layers=known["layers"], multipliers=known["multipliers"])


def design(folder: Path, method: str, number: int) -> dict[str, Any]:
    """Return design `number` (its row among the method's in front.csv, from 0) of a method's front as plain data.

    Layers with their multiplier, multipliers with the SHA-256 of their tables, and the design's figures. Where circuits have
    variants, also `layers`: what each layer is built of, as `dse.variants.described` says it. Where designs are compensated,
    also `factors`: module -> its numbers by channel, each a float32. A layer's output before the bias becomes
    `scale * y + offset`; a BatchNorm normalises by `mean` and `variance` instead of the network's own. Modules that are not
    named stay as they are.

    Raises:
        InputError: The run is not finished, has no such method or design, or lacks its factors.
    """
    run = load_run(folder)
    if method not in run.fronts:
        raise InputError(f"--method {method}: this run has {', '.join(run.fronts)}")
    front = run.fronts[method]
    place = front.at(number)
    chosen = [run.multipliers[m] for m in front.population[place]]
    built = read_json(folder / VARIANTS) if (folder / VARIANTS).exists() else None
    layers = [] if built is None else [(l, built.table(l, name)) for l, name in zip(run.layers, chosen, strict=True)]
    compensation = list(run.manifest.data.get("compensation", []))  # which the losses depend on
    factors = read_factors(folder / FACTORS, front.population[place]) if compensation else {}
    return {
        "run": run.manifest.text("name"),
        "method": method,
        "design": number,
        "assignment": dict(zip(run.layers, chosen, strict=True)),
        "tables": {name: run.manifest.text("hashes", "tables", name) for name in dict.fromkeys(chosen)},
        "rel_energy": float(front.rel_energy[place]),
        "search_loss_pp": float(front.search_loss_pp[place]),
        **({} if front.validation_loss_pp is None else {"validation_loss_pp": float(front.validation_loss_pp[place])}),
        **({} if front.expected_loss_pp is None else {"expected_loss_pp": float(front.expected_loss_pp[place])}),
        "test_loss_pp": float(front.test_loss_pp[place]),
        "model": run.manifest.text("hashes", "model"),
        "format": run.manifest.text("format"),
        "compensation": compensation,
        **({"layers": dict(layers)} if layers else {}),
        **({"factors": {m: {w: a.tolist() for w, a in of.items()} for m, of in factors.items()}} if compensation else {}),
    }


def to_optuna(folder: Path, out: Path) -> int:
    """Write the evaluations on search images into a new Optuna storage (SQLite), which optuna-dashboard opens.

    One Optuna study with a trial for each design: a categorical parameter for each layer, relative energy and accuracy as
    values, all figures as attributes; failed evaluations are failed trials. A bound on the accuracy loss is a constraint,
    which Optuna's fronts keep to.

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
    floor = _least_accuracy(config, evaluations)
    made.add_trials(
        [_trial(optuna, e, float(energy), space, choices, floor) for e, energy in zip(evaluations, energies, strict=True)]
    )
    return len(evaluations)


def _least_accuracy(config: Mapping[str, Any], evaluations: Sequence[Evaluation]) -> float | None:
    """Return the accuracy that a run's bound on the loss leaves; None without a bound, or while the exact one is unknown."""
    bound = config["space"].get("constraints", {}).get("max_accuracy_loss_pp")
    exact = [e.figures["accuracy"] for e in evaluations if not any(e.assignment) and e.error is None]
    return None if bound is None or not exact else exact[0] - bound / 100


def _trial(optuna: Any, e: Evaluation, energy: float, space: SearchSpace, choices: Any, floor: float | None) -> Any:
    done = e.error is None
    beyond = None if floor is None or not done else round(100 * (floor - e.figures["accuracy"]), 9)  # pp
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.FAIL,
        values=[energy, e.figures["accuracy"]] if done else None,
        params={layer: space.multipliers[m] for layer, m in zip(space.layers, e.assignment, strict=True)},
        distributions=dict.fromkeys(space.layers, choices),
        user_attrs={"seconds": e.seconds, "worker": e.worker, **(e.figures if done else {"error": e.error})},
        system_attrs=None if beyond is None else {"constraints": [beyond]},  # kept to where not above 0
    )


def as_json(data: Mapping[str, Any]) -> str:
    """Return plain data as JSON text, indented, with every list of numbers in one line."""
    text = json.dumps(data, indent=2, allow_nan=False)
    return _NUMBERS.sub(lambda found: " ".join(found.group().split()), text)
