"""Retrain one design of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from dse.config import RetrainConfig, RunConfig, with_overrides
from dse.exceptions import InputError, unknown_name
from dse.exports import open_study
from dse.inputs import load_inputs, require_device
from dse.nn.datasets import Dataset
from dse.places import check_place
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import RunData, load_run
from dse.retrain._design import RetrainedDesign, Retrainer
from dse.retrain._files import write_retrained
from dse.retrain._stage import EXACT, front_name, uniform_design
from dse.run_folder import LOG, RESULT, RETRAINED, RIGHT, WEIGHTS
from dse.types import Assignment
from dse.workload import model_hash


def retrain_run(
    folder: Path,
    *,
    method: str = "nsga2",
    design: int | None = None,
    uniform: str | None = None,
    overrides: Sequence[str] = (),
    start: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    display: ProgressDisplay | None = None,
) -> tuple[RetrainedDesign, Path]:
    """Retrain a design of a finished run, and write weights, log and result into a folder.

    Args:
        folder: The run's folder.
        method: Whose front.
        design: Which design of it, its row among the method's in front.csv, from 0.
        uniform: Instead of one of a front: the design with this multiplier in all layers, or `exact`; of a
            circuit in uniform.csv with the variants that it has there.
        overrides: Texts `key=value` for keys of the configuration's table `retrain`.
        start: File with weights of the quantised network to begin with.
        out: Folder to write; `retrained/` and the design's name in the run's folder when None.
        overwrite: Replace an earlier retraining there.
        model, dataset: As they were handed to `dse.run`.
        display: Shows progress; silent when None.

    Returns:
        The retrained design, and its folder.

    Raises:
        InputError: The run is not finished or not what it was, it has no such design, or a setting is wrong; nothing is
            written then.
    """
    display = display if display is not None else ProgressDisplay.silent()
    run = load_run(folder)
    name, assignment = _design(run, method, design, uniform)
    with open_study(folder) as study:
        config = _with_settings(study.config, overrides)
    require_device(config)
    place = out if out is not None else folder / RETRAINED / name
    check_place(place, "retrained design", (RESULT, WEIGHTS, LOG, RIGHT), overwrite=overwrite)
    display.start("load")
    prepared = prepare(load_inputs(config, model=model, dataset=dataset), display)
    require_same(run, prepared)
    display.start(f"retrain {name}")
    made = Retrainer(prepared, config.retrain or RetrainConfig())(name, assignment, start=start, progress=display.update)
    display.finish()
    return made, write_retrained(made, place)


def _design(run: RunData, method: str, design: int | None, uniform: str | None) -> tuple[str, Assignment]:
    if (design is None) == (uniform is None):
        raise InputError("expected one of --design NUMBER and --uniform MULTIPLIER")
    if uniform is not None:
        if uniform not in (EXACT, *run.multipliers):
            raise InputError(f"--uniform: {unknown_name('multiplier', uniform, (EXACT, *run.multipliers))}")
        known = dict(zip(run.uniforms.names, run.uniforms.population, strict=True))
        return uniform_design(uniform, run.multipliers, len(run.layers), known)
    if method not in run.fronts:
        raise InputError(f"--method {method}: this run has {', '.join(run.fronts)}")
    assert design is not None
    front = run.fronts[method]
    return front_name(method, design), front.population[front.at(design)]


def _with_settings(plain: Mapping[str, Any], overrides: Sequence[str]) -> RunConfig:
    """Return a run's configuration with a table `retrain`, its own with some keys replaced."""
    return with_overrides({"retrain": {}, **plain}, [f"retrain.{text}" for text in overrides])


def require_same(run: RunData, prepared: Prepared) -> None:
    """Raise InputError unless network, data and multipliers still are those of the run."""
    if run.layers != prepared.space.layers or run.multipliers != prepared.space.multipliers:
        raise InputError(f"{run.path}: other layers or multipliers than the run's; put back what it was run with")
    now = {
        "model": model_hash(prepared.workload.model),
        "data": prepared.workload.parts.content_hash,
        "library": prepared.inputs.library.content_hash,
    }
    if changed := [name for name, found in now.items() if run.manifest.text("hashes", name) != found]:
        raise InputError(
            f"{run.path}: {', '.join(changed)} changed since the run (other SHA-256); put back what it was run with"
        )
