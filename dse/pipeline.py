"""The whole flow, top to bottom: from a configuration to the outcome of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from torch import nn

from dse.climb import climb
from dse.config import RunConfig
from dse.error_model import agreement
from dse.evaluator import TEST, VALIDATION
from dse.exceptions import InputError
from dse.execution import Execution, open_figures
from dse.fidelity import TOP
from dse.inputs import Inputs, load_inputs, require_device
from dse.manifest import energy_figures, identity, manifest
from dse.nn.datasets import Dataset, Part
from dse.nn.training import accuracy
from dse.outcome import Outcome, write_outcome
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import write_report
from dse.retrain import retrain_stage, write_retrained_table
from dse.run_folder import written_together
from dse.scoring import PartFigures, Scorer, summarise
from dse.search import ByCircuit, Checked, History, make_search, run_search
from dse.search_progress import SearchProgress
from dse.status import open_study
from dse.store import StudyFile
from dse.stored import StoredFigures
from dse.study import (
    begin,
    check_place,
    join,
    kept_guidance,
    record,
    reopen,
    require_last_stage,
    retrain_as,
    take_over,
)
from dse.workload import load_factory


def run(
    config: RunConfig,
    *,
    out: str | Path | None = None,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    overwrite: bool = False,
    go_on: bool = False,
    execution: Execution | None = None,
    display: ProgressDisplay | None = None,
) -> Outcome:
    """Explore a space with every configured method, compare them, and write the run's folder.

    Args:
        config: The run.
        out: Folder to begin; every evaluation is in its study file from the moment that a method is told of it, and `resume`
            goes on from there. None writes nothing.
        model, dataset: The caller's own trained network and data, instead of those that the space names.
        overwrite: Replace an earlier run in `out`, as soon as all inputs have been checked; not one that is in use.
        go_on: Go on with an equal run in `out` where there is one, and share its work with whoever else does; only budget
            and table `retrain` may be others than its own.
        execution: Where designs are evaluated; one at a time in this process when None.
        display: Shows progress, `ProgressDisplay()` on standard error: a live line on a terminal, else (notebooks, files) a
            line at the end of each stage and every ten seconds. Silent when None, as a library should be.

    Raises:
        InputError: For a mistake in the configuration or in what it names; nothing is written then.
        RunError: For a failure of the machine, or of the exact network.
    """
    place, execution = None if out is None else Path(out), execution or Execution()
    if place is not None and not go_on:
        check_place(config, place, overwrite=overwrite)
    _check_known(execution)
    display = display if display is not None else ProgressDisplay.silent()
    with display:
        display.start("load")
        inputs = load_inputs(config, model=model, dataset=dataset)
        with join(config, place) if go_on and place is not None else begin(config, place, overwrite=overwrite) as study:
            try:
                return _complete(inputs, study, place, execution, display)
            except InputError:
                begun = study.manifest.get("progress")
                if place is not None and not begun and not go_on:
                    shutil.rmtree(place)  # what cannot be run leaves no folder in the way of what can
                raise


def resume(
    folder: str | Path,
    *,
    evaluations: int | None = None,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    execution: Execution | None = None,
    display: ProgressDisplay | None = None,
) -> Outcome:
    """Go on with a run that was interrupted, or give a finished one a larger budget.

    Every method runs again from its seed, and the study file answers the designs that it knows: the outcome is that of a run
    that was never interrupted, to the last bit. Several processes that resume one run share its work.

    Args:
        folder: The run's folder.
        evaluations: Total budget of each method; the run's own when None.
        model, dataset: As they were handed to `run`.
        execution, display: See `run`.

    Raises:
        InputError: There is no such run, its study file is damaged, or configuration, network, data or library have changed.
        RunError: For a failure of the machine.
    """
    display = display if display is not None else ProgressDisplay.silent()
    execution = execution or Execution()
    _check_known(execution)
    config, study = reopen(Path(folder), evaluations=evaluations)
    with study, display:
        display.start("load")
        inputs = load_inputs(config, model=model, dataset=dataset)
        return _complete(inputs, study, Path(folder), execution, display)


def _check_known(execution: Execution) -> None:
    """Open what is to be taken over once, before anything is computed or written."""
    for folder in execution.known:
        open_study(Path(folder)).close()


def _complete(
    inputs: Inputs, study: StudyFile, folder: Path | None, execution: Execution, display: ProgressDisplay
) -> Outcome:
    require_device(inputs.config)  # now, not after hours of search
    prepared = prepare(inputs, display)
    outcome = explore(prepared, study, execution, display)
    if folder is not None:
        with written_together(folder) as scratch:
            write_outcome(outcome, scratch)
        retrain_as(study, folder, inputs.config)
    retrained = retrain_stage(prepared, outcome.fronts, outcome.uniform, folder, display)
    outcome = replace(outcome, retrained=retrained)
    if folder is None:
        return outcome
    require_last_stage(study, inputs.config)
    write_retrained_table(retrained, folder)
    study.update_manifest({"finished": inputs.config.search.evaluations})
    return replace(outcome, folder=folder, report=write_report(folder))


def explore(prepared: Prepared, study: StudyFile, execution: Execution, display: ProgressDisplay) -> Outcome:
    """Run every search; evaluations are kept in the study file and taken from there."""
    inputs, space, workload = prepared.inputs, prepared.space, prepared.workload
    config, parts = inputs.config, workload.parts
    known_by = identity(prepared)
    record(study, known_by)
    for folder in execution.known:
        take_over(study, Path(folder), known_by["hashes"], prepared.evaluators)
    known = sum(tally.done for tally in study.counts().values())
    prepared = replace(prepared, guidance=kept_guidance(study, prepared.guidance))
    with open_figures(prepared, study, execution, display) as figures:
        scorer, exact = _scorer(figures, prepared)
        histories = {name: _search(name, prepared, scorer, study, display) for name in config.search.methods}
        if config.search.fronts_by == "expected-loss":
            alike = ByCircuit.of(space, prepared.guidance).uniform()
            scorer = scorer.expecting(np.vstack([alike, *(h.population for h in histories.values())]))
        display.start("climb the ladder")
        ladder = climb(prepared, histories, figures, display)
        chosen = []
        for name, history in histories.items():
            display.start(f"score {name} on test images")
            chosen.append(scorer.front(history))
        display.start("score uniform designs on test images")
        chosen.append(scorer.uniform(space, prepared.guidance))
        *found, uniform = scorer.expected(chosen)
        fronts = dict(zip(histories, found, strict=True))
    designs = np.unique(np.vstack([front.population for front in fronts.values()]), axis=0)
    factors = prepared.factory.factors(designs)
    display.finish()
    agreements = {grade: agreement(table, prepared.measured_errors) for grade, table in prepared.predictions.items()}
    metrics = {
        **summarise(space, config.search.objectives, histories, fronts, uniform, config.search.reference),
        "baselines": {"float_accuracy": accuracy(workload.model, parts.test), **exact},
        "energy": energy_figures(config, prepared.energy),
        "error_model": {grade: asdict(found) for grade, found in agreements.items()},
        "float_layers": list(inputs.float_layers),
        "images": {name: len(part) for name, part in parts.by_name.items()},
        "known_evaluations": known,  # before this sitting, whose times these are
        "kept_profiles": list(prepared.kept),
        "seconds": display.seconds,
    }
    return Outcome(
        config=config,
        choices=inputs.choices,
        tables=prepared.tables,
        space=space,
        trace=prepared.trace,
        energy=prepared.energy,
        profile=prepared.profile,
        profiles=prepared.profiles,
        ladder=ladder,
        errors=prepared.errors,
        measured_errors=prepared.measured_errors,
        histories=histories,
        fronts=fronts,
        uniform=uniform,
        quantised_search_accuracy=exact["quantised_search_accuracy"],
        metrics=metrics,
        manifest=manifest(prepared, known_by, jobs=execution.jobs),
        factors=factors,
    )


def _scorer(figures: Callable[[str], StoredFigures], prepared: Prepared) -> tuple[Scorer, dict[str, float]]:
    """Return what scores designs, and the exact quantised network's accuracy on the images of each part."""
    parts = prepared.workload.parts

    def part(fidelity: str, images: Part) -> PartFigures:
        stored = figures(fidelity)
        return PartFigures(stored, dict(stored.exact(len(prepared.space.layers))), len(images))

    found = {"quantised_search_accuracy": part(TOP, parts.search), "quantised_accuracy": part(TEST, parts.test)}
    if parts.validation is not None:
        found["quantised_validation_accuracy"] = part(VALIDATION, parts.validation)
    scorer = Scorer(
        prepared.inputs.config.search.objectives,
        search=found["quantised_search_accuracy"],
        test=found["quantised_accuracy"],
        validation=found.get("quantised_validation_accuracy"),
        space=prepared.space,
        library=prepared.inputs.library,
        energy=prepared.energy,
    )
    return scorer, {name: part.exact["accuracy"] for name, part in found.items()}


def _search(name: str, prepared: Prepared, scorer: Scorer, study: StudyFile, display: ProgressDisplay) -> History:
    display.start(f"search {name}")
    config = prepared.inputs.config
    search = make_search(
        name,
        prepared.space,
        prepared.guidance,
        population=config.search.population,
        seed=config.seed,
        load=load_factory,
    )
    progress = SearchProgress(name, study, display)
    checked = Checked(name, search, prepared.space)
    return run_search(checked, scorer.objectives, config.search.evaluations, progress=progress)
