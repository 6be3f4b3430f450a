"""The whole flow, top to bottom: from a configuration to the outcome of a run."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import nn

from dse.compare import Scorer, compare
from dse.config import RunConfig
from dse.error_model import Grade, agreement, measure_errors, predict_errors
from dse.inputs import Inputs, load_inputs, quantized, simulation_engines
from dse.matching import matching_sweep, sensitivity
from dse.multipliers import MultiplierLibrary
from dse.nn.datasets import Dataset
from dse.nn.tracing import Trace, trace
from dse.nn.training import TrainingSettings, accuracy, train
from dse.objectives import ENERGY_LEVELS, AccuracyLoss, NetworkEnergy, RelativeEnergy, Simulator, network_energy
from dse.outcome import Outcome, write_outcome
from dse.progress import ProgressDisplay
from dse.report import write_report
from dse.robustness import RobustnessSettings, learn_robustness
from dse.run_folder import check_out, environment, hardware, run_folder
from dse.search import Guidance, History, make_search, run_search
from dse.space import SearchSpace
from dse.types import Objectives
from dse.workload import Workload, model_hash, train_workload


def run(
    config: RunConfig,
    *,
    out: str | Path | None = None,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    overwrite: bool = False,
    display: ProgressDisplay | None = None,
) -> Outcome:
    """Explore a space with every configured method, compare them, and write the run's folder.

    Args:
        config: The run.
        out: Folder to write; None writes nothing.
        model, dataset: The caller's own trained network and data, instead of those that the space names.
        overwrite: Replace an earlier run in `out`.
        display: Shows progress; silent when None.

    Raises:
        InputError: For a mistake in the configuration or in what it names; nothing is written then.
    """
    if out is not None:
        check_out(Path(out), overwrite=overwrite)
    display = display if display is not None else ProgressDisplay.silent()
    display.start("load")
    outcome = explore(load_inputs(config, model=model, dataset=dataset), display)
    if out is None:
        return outcome
    with run_folder(Path(out), overwrite=overwrite) as folder:
        write_outcome(outcome, folder)
        report = write_report(folder)
    return replace(outcome, folder=Path(out), report=report)


def explore(inputs: Inputs, display: ProgressDisplay) -> Outcome:
    """Run every stage on loaded inputs."""
    config, library = inputs.config, inputs.library
    display.start("train")
    workload = train_workload(inputs.untrained, progress=display.update)
    parts = workload.parts
    display.start("quantise")
    model = _fine_tuned(quantized(config, workload), config, workload, display)
    seen = trace(model, parts.calibration.x, patches=config.error_model.patches, seed=config.seed)
    display.start("learn robustness")
    settings = RobustnessSettings(**config.robustness.model_dump())
    profile, model = learn_robustness(
        model, parts.train.x, parts.train.y, seen.op_counts, settings, seed=config.seed, progress=display.update
    )
    if settings.train == "all":  # the noise has moved the weights
        seen = trace(model, parts.calibration.x, patches=config.error_model.patches, seed=config.seed)
    display.start("predict errors")
    predictions = {grade: predict_errors(seen, library, grade=grade) for grade in get_args(Grade)}
    errors = predictions[config.error_model.grade]
    measured = measure_errors(model, parts.search.x[: config.error_model.truth_images], seen, library)
    energy = network_energy(seen, inputs.energy_table)
    space = SearchSpace(
        layers=seen.names,
        multipliers=library.names,
        op_counts=seen.op_counts,
        rel_energy=library.rel_energy,
        fixed_op_count=seen.fixed_op_count,
        tiles=config.space.tiles,
        overhead=energy.overhead(config.energy.level),
    )
    scorer, exact = _scorer(model, workload, library, seen, space)
    guidance = Guidance(
        seeds=matching_sweep(profile, errors, library.rel_energy),
        cost=sensitivity(profile, seen.op_counts, errors),
        max_loss=config.search.reference.accuracy_loss_pp,
    )
    histories = {name: _search(name, config, space, guidance, scorer, display) for name in config.search.methods}
    display.start("score on test images")
    fronts = {name: scorer.front(history) for name, history in histories.items()}
    uniform = scorer.score(space.uniform())
    display.finish()
    metrics = {
        **compare(space, histories, fronts, uniform, config.search.reference),
        "baselines": {"float_accuracy": accuracy(workload.model, parts.test), **exact},
        "energy": _energy_figures(config, energy),
        "error_model": {grade: asdict(agreement(table, measured)) for grade, table in predictions.items()},
        "float_layers": list(inputs.float_layers),
        "images": {name: len(getattr(parts, name)) for name in ("train", "calibration", "search", "test")},
        "seconds": display.seconds,
    }
    return Outcome(
        config=config,
        library=library,
        space=space,
        trace=seen,
        energy=energy,
        profile=profile,
        errors=errors,
        measured_errors=measured,
        histories=histories,
        fronts=fronts,
        uniform=uniform,
        quantised_search_accuracy=exact["quantised_search_accuracy"],
        metrics=metrics,
        manifest=_manifest(config, workload, library, energy),
    )


def _fine_tuned(model: nn.Module, config: RunConfig, workload: Workload, display: ProgressDisplay) -> nn.Module:
    quantisation = config.space.quantisation
    if quantisation.fine_tune_epochs:
        settings = TrainingSettings(
            quantisation.fine_tune_epochs, batch_size=64, lr=quantisation.fine_tune_lr, weight_decay=0
        )
        train(model, workload.parts.train, settings, seed=config.seed, progress=display.update)
    return model


def _scorer(
    model: nn.Module, workload: Workload, library: MultiplierLibrary, seen: Trace, space: SearchSpace
) -> tuple[Scorer, dict[str, float]]:
    """Return the objectives, and the exact quantised network's accuracy on search and test images."""
    tables = [None if m.is_exact else seen.operands.table(m) for m in library]
    search, test = (Simulator(model, part, tables) for part in (workload.parts.search, workload.parts.test))
    exact_design = np.zeros(len(space.layers), dtype=np.int64)
    search_exact, test_exact = search.accuracy(exact_design), test.accuracy(exact_design)
    search_loss = AccuracyLoss(search.accuracies, search_exact)
    test_loss = AccuracyLoss(test.accuracies, test_exact)
    exact = {"quantised_accuracy": test_exact, "quantised_search_accuracy": search_exact}
    return Scorer(RelativeEnergy(space), search_loss, test_loss), exact


def _search(
    name: str, config: RunConfig, space: SearchSpace, guidance: Guidance, scorer: Scorer, display: ProgressDisplay
) -> History:
    display.start(f"search {name}")
    search = make_search(name, space, guidance, population=config.search.population, seed=config.seed)
    report = partial(_best_so_far, display)
    return run_search(search, [scorer.energy, scorer.search_loss], config.search.evaluations, progress=report)


def _best_so_far(display: ProgressDisplay, done: int, total: int, objectives: Objectives) -> None:
    allowed = objectives[objectives[:, 1] <= 1.0]
    best = f"{100 * (1 - allowed[:, 0].min()):.1f} % saved at <= 1 pp" if len(allowed) else "none within 1 pp yet"
    display.update(done, total, best)


def _energy_figures(config: RunConfig, energy: NetworkEnergy) -> dict[str, Any]:
    """Return what turns a saving at the run's level into that at any other, and where it comes from."""
    return {
        "level": config.energy.level,
        "multiplier_share": {level: energy.share(level) for level in ENERGY_LEVELS},
        "table": asdict(energy.table),
    }


def _manifest(
    config: RunConfig, workload: Workload, library: MultiplierLibrary, energy: NetworkEnergy
) -> dict[str, Any]:
    space = config.space
    return {
        "name": config.name,
        "seed": config.seed,
        "model": workload.model_name,
        "dataset": workload.dataset_name,
        "library": space.multipliers.library,
        "format": space.quantisation.format,
        "engines": sorted(set(simulation_engines(library, space.quantisation.format).values())),
        "hashes": {
            "model": model_hash(workload.model),
            "data": workload.parts.content_hash,
            "library": library.content_hash,
            "tables": {m.name: m.table_hash for m in library},
            "energy_table": energy.table.content_hash,
        },
        "hardware": {**hardware(), "threads": torch.get_num_threads()},
        **environment(),
    }
