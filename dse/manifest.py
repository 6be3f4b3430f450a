"""What a run's figures depend on, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from dse.config import RunConfig
from dse.inputs import simulation_engines
from dse.objectives import ENERGY_LEVELS, NetworkEnergy
from dse.preparation import Prepared
from dse.run_folder import environment, hardware
from dse.study import space_as_plain
from dse.workload import model_hash


def energy_figures(config: RunConfig, energy: NetworkEnergy) -> dict[str, Any]:
    """Return what turns a saving at the run's level into that at any other, and where it comes from."""
    return {
        "level": config.energy.level,
        "multiplier_share": {level: energy.share(level) for level in ENERGY_LEVELS},
        "table": asdict(energy.table),
    }


def identity(prepared: Prepared) -> dict[str, Any]:
    """Return what evaluations depend on and what names them."""
    library = prepared.inputs.library
    return {
        "space": space_as_plain(prepared.space),
        "evaluator": prepared.evaluator,
        "hashes": {
            "model": model_hash(prepared.workload.model),
            "behaviour": prepared.behaviour,
            "data": prepared.workload.parts.content_hash,
            "library": library.content_hash,
            "tables": {m.name: m.table_hash for m in library},
            "energy_table": prepared.energy.table.content_hash,
        },
    }


def manifest(prepared: Prepared, known_by: Mapping[str, Any], *, jobs: int) -> dict[str, Any]:
    """Return what a run's results came from: what it was set to, `identity`, the machine and the versions."""
    inputs = prepared.inputs
    config, space = inputs.config, inputs.config.space
    engines = simulation_engines(inputs.library, space.quantisation.format)
    return {
        "name": config.name,
        "seed": config.seed,
        "space_seed": config.space_seed,
        "model": prepared.workload.model_name,
        "dataset": prepared.workload.dataset_name,
        "library": " + ".join([space.multipliers.library, *space.multipliers.also]),
        "format": space.quantisation.format,
        "compensation": list(config.compensation.methods),
        "engines": sorted(set(engines.values())),
        **known_by,
        "hardware": {**hardware(), "threads": torch.get_num_threads(), "jobs": jobs},
        **environment(),
    }
