"""What a run reads: network, data and multipliers, loaded and checked before anything is trained or written."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dse.compensation import check_network
from dse.config import ConstraintsConfig, EnergyConfig, MultipliersConfig, RetrainConfig, RunConfig, VariantsConfig
from dse.exceptions import InputError, under, unknown_name
from dse.fidelity import parse_fidelity
from dse.kernels import LutProduct, LutTable, engine_name
from dse.layer_rules import allowed_multipliers
from dse.multipliers import PACKAGED, MultiplierLibrary, load_library
from dse.nn.convert import approximable_layers, float_layers, quantize
from dse.nn.datasets import Dataset
from dse.nn.devices import find_device
from dse.nn.quantizers import QuantizationSettings
from dse.nn.tracing import trace
from dse.objectives import (
    DEFAULT_ENERGY_TABLE,
    OBJECTIVES,
    EnergyTable,
    ObjectiveSet,
    Study,
    level_index,
    load_energy_table,
    network_energy,
)
from dse.operands import operand_format
from dse.run_folder import DESIGN_COLUMNS, FURTHER_COLUMNS
from dse.search import Guidance, make_search
from dse.space import SearchSpace
from dse.variants import Choices, expand
from dse.workload import Untrained, Workload, load_factory, open_workload


@dataclass(frozen=True)
class Inputs:
    """All that a run reads, loaded and checked."""

    config: RunConfig
    untrained: Untrained
    choices: Choices  # all that were asked for: twins are dropped once the network has been traced
    energy_table: EnergyTable
    layers: tuple[str, ...]  # qualified names of the approximable layers, in forward order
    float_layers: tuple[str, ...]  # layers that multiply and are not quantised: neither searched nor counted

    @property
    def library(self) -> MultiplierLibrary:
        """The choices as multipliers, in order."""
        return self.choices.library


def load_inputs(config: RunConfig, *, model: nn.Module | None = None, dataset: Dataset | None = None) -> Inputs:
    """Load network, data and multipliers and check that they fit together, without training.

    Args:
        config: The run.
        model, dataset: The caller's own trained network and data, instead of those that the space names.

    Raises:
        InputError: For anything that would stop the run later.
    """
    if len(set(config.search.methods)) < len(config.search.methods):
        raise InputError(f"search.methods: expected each method once, got {config.search.methods}")
    energy_table = open_energy(config.energy)
    with under("space.multipliers: "):
        choices = open_choices(config.space.multipliers, config.space.quantisation.format)
    simulation_engines(choices.library, config.space.quantisation.format)
    untrained = open_workload(config.space, seed=config.space_seed, model=model, dataset=dataset)
    network = quantized(config, untrained.workload)
    layers = tuple(approximable_layers(network))
    _check_layer_names(layers)
    _check_methods(config, layers, choices)
    if config.space.constraints.max_rel_energy is not None:
        _check_energy_bound(config, network, untrained.workload, choices, energy_table)
    _check_objectives(config, choices.library)
    if config.compensation.methods:
        _check_compensation(config, network, len(untrained.workload.parts.calibration))
    if config.retrain is not None:
        _check_retraining(config, config.retrain, choices.library, len(untrained.workload.parts.train))
    return Inputs(config, untrained, choices, energy_table, layers, float_layers(network))


def require_device(config: RunConfig) -> None:
    """Raise InputError unless the device that is to retrain designs is here."""
    if config.retrain is not None:
        find_device(config.retrain.device, "retrain.device")


def simulation_engines(library: MultiplierLibrary, format_name: str) -> dict[str, str]:
    """Return which engine simulates each multiplier in a layer on the CPU: name -> engine.

    Raises:
        InputError: If the environment forces an engine that cannot be used, here or for one of the tables.
    """
    operands, found = operand_format(format_name), {}
    for multiplier in library:
        table = LutTable(torch.from_numpy(np.array(operands.table(multiplier))))
        with under(f"multiplier '{multiplier.name}': "):
            found[multiplier.name] = engine_name(None, table, torch.device("cpu"), layer=True)
            LutProduct(torch.zeros((1, 1, 1), dtype=torch.uint8), table, engine=found[multiplier.name])
    return found


def _check_layer_names(layers: tuple[str, ...]) -> None:
    if "" in layers:
        raise InputError("space.model: the network is itself a single layer; wrap it in torch.nn.Sequential")
    if clash := sorted(set(layers) & {*DESIGN_COLUMNS, *FURTHER_COLUMNS, *OBJECTIVES, "multiplier"}):
        raise InputError(f"space.model: layer '{clash[0]}' has the name of a column of a run's tables; rename the module")


def _check_methods(config: RunConfig, layers: tuple[str, ...], choices: Choices) -> None:
    """Build every method once, on a space of the right size, so that what it refuses is refused now."""
    space = constrained_space(config, choices, layers, np.ones(len(layers), dtype=np.int64), bounded=False)
    ones = np.ones((len(layers), len(choices)))
    guidance = Guidance(space.uniform(), ones, max_loss=1.0, tolerance=ones)
    for method in config.search.methods:
        with under("search.methods: "):
            make_search(method, space, guidance, population=config.search.population, seed=config.seed, load=load_factory)


def _check_energy_bound(
    config: RunConfig, network: nn.Module, workload: Workload, choices: Choices, table: EnergyTable
) -> None:
    """Refuse now a bound on the energy that no design keeps: one image tells how often each layer multiplies."""
    seen = trace(network, workload.parts.calibration.x[:1], patches=2)
    overhead = network_energy(seen, table).overhead(config.energy.level)
    constrained_space(
        config, choices, seen.names, seen.op_counts, fixed_op_count=seen.fixed_op_count, overhead=overhead
    )


def _check_objectives(config: RunConfig, library: MultiplierLibrary) -> None:
    """Refuse now the objectives that are unknown, or that the library cannot serve."""
    space = SearchSpace(("layer",), library.names, np.ones(1, dtype=np.int64), library.rel_energy)
    figures = dict.fromkeys(("accuracy", "kl", "top5", "worst_class"), 1.0)
    here = [name for name in config.search.objectives if not name.startswith("rel_energy_") or name not in OBJECTIVES]
    with under("search.objectives: "):
        ObjectiveSet(here, Study(space, library, figures))
        if len(set(config.search.objectives)) < len(config.search.objectives):
            raise InputError(f"expected each objective once, got {config.search.objectives}")
    for rung in config.ladder.rungs:
        with under("ladder.rungs: "):
            parse_fidelity(rung)


def _check_compensation(config: RunConfig, network: nn.Module, images: int) -> None:
    """Refuse now what compensation cannot work with."""
    wanted = config.compensation
    if wanted.images is not None and wanted.images > images:
        raise InputError(f"compensation.images: expected at most the {images} calibration images, got {wanted.images}")
    check_network(network, wanted.methods)


def _check_retraining(config: RunConfig, wanted: RetrainConfig, library: MultiplierLibrary, images: int) -> None:
    """Refuse now what the last stage would."""
    for method in wanted.methods:
        if method not in config.search.methods:
            raise InputError(f"retrain.methods: {unknown_name('method of this run', method, config.search.methods)}")
    for name in wanted.uniform:
        if name not in (known := ("exact", "best", *library.names)):
            raise InputError(f"retrain.uniform: {unknown_name('multiplier', name, known)}")
    if config.space.dataset.validation_images is None and (wanted.validation_images or 1) >= images:
        raise InputError(
            f"retrain.validation_images: expected fewer than the {images} training images, got {wanted.validation_images}"
        )


def constrained_space(
    config: RunConfig,
    choices: Choices,
    layers: tuple[str, ...],
    op_counts: NDArray[np.int64],
    *,
    fixed_op_count: int = 0,
    overhead: float = 0.0,
    bounded: bool = True,
) -> SearchSpace:
    """Return the space of a run with its constraints, without the bound of the energy where that is not wanted.

    Raises:
        InputError: Constraints name what is not there, or no design keeps to them.
    """
    limits, library = config.space.constraints, choices.library
    with under("space.constraints: "):
        return SearchSpace(
            layers=layers,
            multipliers=library.names,
            op_counts=op_counts,
            rel_energy=library.rel_energy,
            fixed_op_count=fixed_op_count,
            tiles=config.space.tiles,
            overhead=overhead,
            allowed=_allowed(limits, layers, choices),
            max_rel_energy=limits.max_rel_energy if bounded else None,
            max_loss_pp=limits.max_accuracy_loss_pp,
            circuits=choices.circuits if choices.varied else None,
        )


def _allowed(limits: ConstraintsConfig, layers: tuple[str, ...], choices: Choices) -> NDArray[np.bool_] | None:
    """Return which choices layers may get `(L, M)`, None where all.

    Patterns may name choices that were dropped: where one is allowed, so is its twin; forbidding it forbids nothing.
    """
    if not (limits.allowed or limits.forbidden or limits.exact_first or limits.exact_last):
        return None
    names = (*choices.library.names, *(name for name, _ in choices.twins))
    allowed_multipliers(layers, names, limits.allowed, forbidden=limits.forbidden)  # refuses contradictions
    allowed = allowed_multipliers(
        layers, names, limits.allowed, exact_first=limits.exact_first, exact_last=limits.exact_last
    )
    for (_, twin), column in zip(choices.twins, allowed.T[len(choices) :], strict=True):
        allowed[:, twin] |= column
    allowed &= allowed_multipliers(layers, names, forbidden=limits.forbidden)
    return np.ascontiguousarray(allowed[:, : len(choices)])


def open_energy(config: EnergyConfig) -> EnergyTable:
    """Check the energy level and read its table: the caller's file, or the built-in figures."""
    with under("energy.level: "):
        level_index(config.level)
    with under("energy.table: "):
        return DEFAULT_ENERGY_TABLE if config.table is None else load_energy_table(config.table)


def open_choices(config: MultipliersConfig, format_name: str) -> Choices:
    """Load the library, pick from it, and make the variants asked for; checks that it serves the operand format."""
    signed = format_name == "s8" if config.signed is None else config.signed
    packaged = PACKAGED.get(config.library)
    library = load_library(config.library, signed=config.signed) if packaged is None else packaged(signed=signed)
    if config.also:
        library = MultiplierLibrary(chain(library, *(PACKAGED[name](signed=signed) for name in config.also)))
    library = library.select(config.include, config.exclude)
    operands = operand_format(format_name)
    for multiplier in library:
        operands.table(multiplier)
    variants = config.variants if config.variants is not None else VariantsConfig()
    if (variants.x_clip or variants.w_clip) and format_name == "s8" and not all(m.x_signed for m in library):
        raise InputError(
            "space.multipliers.variants: expected no x_clip and w_clip of unsigned circuits in the format 's8', whose "
            "magnitudes fill half of their range; set space.quantisation.format = 'sm8', or take signed circuits"
        )
    return expand(
        library,
        order=variants.order,
        x_clip=variants.x_clip,
        w_clip=variants.w_clip,
        tuning=variants.tuning,
        weight_tuning=config.weight_tuning,
    )


def quantized(config: RunConfig, workload: Workload) -> nn.Module:
    """Return the quantised network, its activation ranges fixed by the calibration images."""
    quantisation, layers = config.space.quantisation, config.space.layers
    settings = QuantizationSettings(
        quantisation.format, quantisation.weights, quantisation.calibration, quantisation.percentile
    )
    images = workload.parts.calibration.x
    with under("space."):
        return quantize(workload.model, images, settings, include=layers.include, exclude=layers.exclude)
