"""Configuration of a run: one TOML file, checked whole before anything else happens.

`space` holds what is explored (network, data, quantisation, multipliers) and may be a file of its own; the rest says how.
Relative paths count from the folder of the file they stand in.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dse.exceptions import InputError, one_line, unknown_name

_SPACE_PATHS = {
    "model": ("weights", "factory"),
    "dataset": ("data_root", "path", "factory"),
    "multipliers": ("library",),
}
_RUN_PATHS = {"energy": ("table",)}


def _storable(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuse now what the run's config.toml could not hold in the end."""
    try:
        json.dumps(arguments, allow_nan=False)
        tomli_w.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected text, finite numbers, lists and tables: {error}") from None
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_storable)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class ModelConfig(_Table):
    """The network: a name of `dse list models`, or the caller's own by `factory`."""

    name: str | None = None
    factory: str | None = None  # "package.module:function" or "file.py:function", returns a torch.nn.Module
    arguments: Arguments = {}  # keyword arguments of the factory
    weights: Path | None = None  # .npz or .safetensors with the trained parameters
    seed: int | None = Field(default=None, ge=0)  # of initial weights and training; the run's seed when absent

    @model_validator(mode="after")
    def _one_source(self) -> ModelConfig:
        if self.name is not None and self.factory is not None:
            raise ValueError("expected one of the keys name and factory, not both")
        if self.arguments and self.factory is None:
            raise ValueError("arguments go to a factory; none is given")
        return self


class DatasetConfig(_Table):
    """The images: a name of `dse list datasets`, or the caller's own by `factory`. Counts of None take all there is."""

    name: str | None = None
    factory: str | None = None  # returns (x_train, y_train, x_test, y_test) arrays or (train, test) data loaders
    arguments: Arguments = {}
    data_root: Path | None = None
    path: Path | None = None
    download: bool = False
    image_size: int | None = Field(default=None, ge=1)
    train_images: int | None = Field(default=None, ge=1)
    calibration_images: int = Field(default=128, ge=1)
    search_images: int = Field(default=500, ge=1)
    test_images: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> DatasetConfig:
        if self.name is not None and self.factory is not None:
            raise ValueError("expected one of the keys name and factory, not both")
        return self


class TrainingConfig(_Table):
    """How an untrained network is trained; the model's own defaults where a key is absent."""

    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    lr: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    augment: Literal["none", "flip-crop"] | None = None


class QuantisationConfig(_Table):
    """8-bit post-training quantisation; see `dse.nn.quantizers.QuantizationSettings`."""

    format: Literal["sm8", "u8", "s8"] = "sm8"
    weights: Literal["per-channel", "per-tensor"] = "per-channel"
    calibration: Literal["min-max", "percentile"] = "min-max"
    percentile: float = Field(default=99.9, gt=50, le=100)
    fine_tune_epochs: int = Field(default=0, ge=0)  # quantisation-aware, straight-through gradient
    fine_tune_lr: float = Field(default=1e-3, gt=0)


PACKAGED = ("builtin", "catalogue")  # libraries that are no files


class MultipliersConfig(_Table):
    """The library: one of `PACKAGED`, or a folder or .npz file read by `dse.multipliers.load_library`."""

    library: str = "builtin"
    signed: bool | None = None
    include: list[str] = Field(default=["*"], min_length=1)
    exclude: list[str] = []
    weight_tuning: bool = True  # ALWANN's weight mapping (ICCAD 2019), the same for all layers and all methods


class LayersConfig(_Table):
    """Which layers a search may approximate: patterns over qualified names. The others are quantised and stay exact."""

    include: list[str] = Field(default=["*"], min_length=1)
    exclude: list[str] = []


class SpaceConfig(_Table):
    """What is explored."""

    name: str = "unnamed"
    tiles: int | None = Field(default=None, ge=1)  # at most so many distinct multipliers in a design
    model: ModelConfig = ModelConfig()  # neither name nor factory: the caller hands the object to `dse.run`
    dataset: DatasetConfig = DatasetConfig()
    training: TrainingConfig | None = None
    quantisation: QuantisationConfig = QuantisationConfig()
    multipliers: MultipliersConfig = MultipliersConfig()
    layers: LayersConfig = LayersConfig()


class RobustnessConfig(_Table):
    """How the noise is learned; see `dse.robustness.RobustnessSettings`."""

    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=128, ge=1)
    strength: float = Field(default=0.2, gt=0)
    sigma_max: float = Field(default=0.5, gt=0)
    sigma_initial: float = Field(default=0.1, gt=0)
    lr: float = Field(default=0.01, gt=0)
    train: Literal["sigma", "all"] = "sigma"
    weight_lr: float = Field(default=1e-3, gt=0)


class ErrorModelConfig(_Table):
    """Which error model guides the search, and the images that it is held against."""

    grade: Literal["global", "multi-distribution", "direct"] = "direct"
    patches: int = Field(default=512, ge=2)
    truth_images: int = Field(default=256, ge=1)  # of the search part


class EnergyConfig(_Table):
    """What counts as energy; see `dse.objectives.product_energy`."""

    level: str = "multiplier"  # of dse.objectives.ENERGY_LEVELS
    table: Path | None = None  # TOML file read by `dse.objectives.load_energy_table`; the built-in figures when absent


class ReferenceConfig(_Table):
    """Reference point of the hypervolume, shared by all methods."""

    rel_energy: float = Field(default=1.0, gt=0)
    accuracy_loss_pp: float = Field(default=10.0, gt=0)


class SearchConfig(_Table):
    """Which methods run, and what each may spend."""

    methods: list[str] = Field(default=["nsga2", "alwann", "random"], min_length=1)
    evaluations: int = Field(default=300, ge=1, le=10_000_000)  # distinct designs simulated, per method
    population: int = Field(default=24, ge=2, le=10_000)
    reference: ReferenceConfig = ReferenceConfig()


class RunConfig(_Table):
    """One run."""

    name: str = Field(default="run", pattern=r"^\w[\w.-]{0,99}$")  # also names the run's folder
    seed: int = Field(default=0, ge=0)
    space: SpaceConfig
    robustness: RobustnessConfig = RobustnessConfig()
    error_model: ErrorModelConfig = ErrorModelConfig()
    energy: EnergyConfig = EnergyConfig()
    search: SearchConfig = SearchConfig()


def load_config(path: str | Path, *, overrides: Sequence[str] = (), seed: int | None = None) -> RunConfig:
    """Read a run's TOML file.

    Args:
        path: The file. Its key `space` is a table, or the path of a space file or its name in `search_spaces/`.
        overrides: Texts `key=value` with a dotted key and a TOML value, applied last; paths count from the current folder.
        seed: Replaces the file's seed when given.

    Raises:
        InputError: One line that names file and key, for anything that is not as it should be.
    """
    path = Path(path)
    data = _absolute(read_toml(path), _RUN_PATHS, path.parent)
    if isinstance(data.get("space"), dict):
        data["space"] = _absolute(data["space"], _SPACE_PATHS, path.parent)
    elif isinstance(data.get("space"), str):
        space_file = _find_space(data["space"], path)
        data["space"] = {"name": space_file.stem, **_absolute(read_toml(space_file), _SPACE_PATHS, space_file.parent)}
    data.setdefault("name", path.stem)
    for override in overrides:
        _override(data, override)
    data = _absolute(data, _RUN_PATHS, Path.cwd())  # what is relative now came from the command line
    if isinstance(data.get("space"), dict):
        data["space"] = _absolute(data["space"], _SPACE_PATHS, Path.cwd())
    if seed is not None:
        data["seed"] = seed
    return parse_config(data, str(path))


def parse_config(data: Mapping[str, Any], where: str = "configuration") -> RunConfig:
    """Return the configuration that nested tables describe; `where` names their source in messages."""
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_fault(error)}") from None


def space_folders(beside: Path | None = None) -> list[Path]:
    """Return the folders in which spaces are looked up by name, in order; `beside` is the folder of a run's file."""
    checkout = Path(__file__).resolve().parents[1]
    roots = [Path.cwd(), checkout, Path(sys.prefix) / "share" / "dse"]
    folders = [root / "search_spaces" for root in ([] if beside is None else [beside, beside.parent]) + roots]
    return [folder for folder in dict.fromkeys(folder.resolve() for folder in folders) if folder.is_dir()]


def _find_space(name: str, config: Path) -> Path:
    """Return the space file that a run's file names: a path from its folder, or a name in one of the space folders."""
    if (config.parent / name).is_file():
        return config.parent / name
    known = {file.stem: file for folder in reversed(space_folders(config.parent)) for file in folder.glob("*.toml")}
    if name not in known:
        raise InputError(f"{config}: space: {unknown_name('space', name, known)}")
    return known[name]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raises `InputError` if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML: {one_line(error)}") from None


def _absolute(data: dict[str, Any], paths: Mapping[str, Sequence[str]], folder: Path) -> dict[str, Any]:
    """Return nested tables with their paths (keys of `paths` by table) made absolute from the folder of their file."""
    for table, keys in paths.items():
        section = data.get(table, {})
        if not isinstance(section, dict):
            continue
        for key in keys:
            value = section.get(key)
            if isinstance(value, str) and (key != "factory" or ".py:" in value) and value not in PACKAGED:
                section[key] = str((folder / Path(value).expanduser()).resolve())
    return data


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: expected key=value, for example --set search.evaluations=100")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    *tables, last = key.strip().split(".")
    target: Any = data
    for table in tables:
        target = target.setdefault(table, {})
        if not isinstance(target, dict):
            raise InputError(f"--set {text}: '{table}' is not a table")
    target[last] = parsed


def _first_fault(error: ValidationError) -> str:
    """Say the first fault of a pydantic error in one line, with the nearest valid key for an unknown one."""
    faults = error.errors(include_url=False)
    first = faults[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "extra_forbidden":
        table = ".".join(str(part) for part in first["loc"][:-1]) or "the top level"
        return f"{unknown_name('key', str(first['loc'][-1]), _valid_keys(first['loc'][:-1]))} in {table}{more}"
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"[:120]
    return f"{key or 'configuration'}: {first['msg'].removeprefix('Value error, ')}{got}{more}"


def _valid_keys(location: Sequence[int | str]) -> list[str]:
    """Return the keys that the table at `location` may hold."""
    table: Any = RunConfig
    for part in location:
        annotation = table.model_fields[str(part)].annotation
        table = next(
            t
            for t in (annotation, *getattr(annotation, "__args__", ()))
            if isinstance(t, type) and issubclass(t, _Table)
        )
    return list(table.model_fields)
