"""Configuration of a run: one TOML file, checked whole before anything else happens.

`space` holds what is explored (network, data, quantisation, multipliers) and may be a file of its own; the rest says how.
Relative paths count from the folder of the file they stand in.
"""

from dse.config._load import load_config, parse_config, space_folders, with_overrides
from dse.config._schema import (
    PACKAGED,
    CompensationConfig,
    ConstraintsConfig,
    DatasetConfig,
    EnergyConfig,
    ErrorModelConfig,
    LadderConfig,
    LayersConfig,
    ModelConfig,
    MultipliersConfig,
    QuantisationConfig,
    ReferenceConfig,
    RetrainConfig,
    RobustnessConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    TrainingConfig,
    VariantsConfig,
)

__all__ = [
    "PACKAGED",
    "CompensationConfig",
    "ConstraintsConfig",
    "DatasetConfig",
    "EnergyConfig",
    "ErrorModelConfig",
    "LadderConfig",
    "LayersConfig",
    "ModelConfig",
    "MultipliersConfig",
    "QuantisationConfig",
    "ReferenceConfig",
    "RetrainConfig",
    "RobustnessConfig",
    "RunConfig",
    "SearchConfig",
    "SpaceConfig",
    "TrainingConfig",
    "VariantsConfig",
    "load_config",
    "parse_config",
    "space_folders",
    "with_overrides",
]
