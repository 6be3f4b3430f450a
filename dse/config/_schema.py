"""The tables of a run's configuration and what each key may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from dse.types import LARGEST_SEED


def _storable(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuse now what the run's config.toml could not hold in the end."""
    try:
        json.dumps(arguments, allow_nan=False)
        tomli_w.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected text, finite numbers, lists and tables: {error}") from None
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_storable)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class Table(BaseModel):
    """A table of the file: no unknown keys, nothing infinite, read once."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class ModelConfig(Table):
    """The network: a name of `dse list models`, or the caller's own by `factory`."""

    name: str | None = None
    factory: str | None = None  # "package.module:function" or "file.py:function", returns a torch.nn.Module
    arguments: Arguments = {}  # keyword arguments of the factory
    weights: Path | None = None  # .npz or .safetensors with the trained parameters
    seed: Seed | None = None  # of initial weights and training; the run's seed when absent

    @model_validator(mode="after")
    def _one_source(self) -> ModelConfig:
        if self.name is not None and self.factory is not None:
            raise ValueError("expected one of the keys name and factory, not both")
        if self.arguments and self.factory is None:
            raise ValueError("arguments go to a factory; none is given")
        return self


class DatasetConfig(Table):
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
    validation_images: int | None = Field(default=None, ge=1)  # choose designs of a front, and epochs; absent: none do
    test_images: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> DatasetConfig:
        if self.name is not None and self.factory is not None:
            raise ValueError("expected one of the keys name and factory, not both")
        return self


def _device(name: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise ValueError("expected cpu, cuda or cuda:NUMBER")
    return name


Device = Annotated[str, AfterValidator(_device)]  # of PyTorch; that it is here is checked where it is to train


class TrainingConfig(Table):
    """How an untrained network is trained; the model's own defaults where a key is absent."""

    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    lr: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    augment: Literal["none", "flip-crop"] | None = None
    device: Device = "cpu"


class QuantisationConfig(Table):
    """8-bit post-training quantisation; see `dse.nn.quantizers.QuantizationSettings`."""

    format: Literal["sm8", "u8", "s8"] = "sm8"
    weights: Literal["per-channel", "per-tensor"] = "per-channel"
    calibration: Literal["min-max", "percentile"] = "min-max"
    percentile: float = Field(default=99.9, gt=50, le=100)
    fine_tune_epochs: int = Field(default=0, ge=0)  # quantisation-aware, straight-through gradient
    fine_tune_lr: float = Field(default=1e-3, gt=0)


PACKAGED = ("builtin", "catalogue", "widths")  # libraries that are no files
Clip = Annotated[int, Field(ge=1, le=99, strict=True)]  # share of an operand's range, per cent


class VariantsConfig(Table):
    """Variants of every circuit that layers may choose beside it, at the same energy; see `dse.variants.expand`."""

    order: bool = False  # NAME.swap: the first operand is the weight; where that changes a product
    x_clip: list[Clip] = []  # NAME.x50: the codes of activations cover 50 % of their range, what is beyond is clipped
    w_clip: list[Clip] = []  # NAME.w75: those of weights
    tuning: list[Literal["uniform", "histogram"]] = []  # NAME.uniform, NAME.histogram: weights tuned layer by layer

    @field_validator("x_clip", "w_clip", "tuning")
    @classmethod
    def _each_once(cls, given: list[Any]) -> list[Any]:
        if len(set(given)) < len(given):
            raise ValueError("expected each once")
        return given


class MultipliersConfig(Table):
    """The library: one of `PACKAGED`, or a folder or .npz file read by `dse.multipliers.load_library`."""

    library: str = "builtin"
    also: list[Literal["builtin", "catalogue", "widths"]] = []  # whose multipliers are put behind it
    signed: bool | None = None
    include: list[str] = Field(default=["*"], min_length=1)
    exclude: list[str] = []
    weight_tuning: bool = True  # ALWANN's weight mapping (ICCAD 2019), the same for all layers and all methods
    variants: VariantsConfig | None = None  # None: each circuit is one choice

    @model_validator(mode="after")
    def _tuned_once(self) -> MultipliersConfig:
        if self.weight_tuning and self.variants is not None and "uniform" in self.variants.tuning:
            raise ValueError(
                "weight_tuning = true tunes every multiplier uniformly: set it to false to have both, or leave 'uniform' "
                "out of variants.tuning"
            )
        return self


class LayersConfig(Table):
    """Which layers a search may approximate: patterns over qualified names. The others are quantised and stay exact."""

    include: list[str] = Field(default=["*"], min_length=1)
    exclude: list[str] = []


class ConstraintsConfig(Table):
    """What a design must keep to beside the tile limit. Patterns are those of file names (`*`, `?`, `[...]`)."""

    allowed: dict[str, list[str]] = {}  # pattern of layers -> patterns of the multipliers they may get, and the exact one
    forbidden: dict[str, list[str]] = {}  # pattern of layers -> patterns of multipliers they may not get
    exact_first: bool = False
    exact_last: bool = False
    max_rel_energy: float | None = Field(default=None, gt=0)
    max_accuracy_loss_pp: float | None = Field(default=None, gt=0)  # on search images, of designs in a front


class SpaceConfig(Table):
    """What is explored."""

    name: str = "unnamed"
    tiles: int | None = Field(default=None, ge=1)  # at most so many distinct circuits in a design; variants of one share it
    model: ModelConfig = ModelConfig()  # neither name nor factory: the caller hands the object to `dse.run`
    dataset: DatasetConfig = DatasetConfig()
    training: TrainingConfig | None = None
    quantisation: QuantisationConfig = QuantisationConfig()
    multipliers: MultipliersConfig = MultipliersConfig()
    layers: LayersConfig = LayersConfig()
    constraints: ConstraintsConfig = ConstraintsConfig()


Profile = Literal["agn", "fisher", "sweep"]


class RobustnessConfig(Table):
    """Which profile guides the searches, and how noise is learned (agn); see `dse.robustness`."""

    profile: Profile = "agn"
    compare: list[Profile] = ["fisher", "sweep"]  # what the report and the ladder hold it against
    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=128, ge=1)
    strength: float = Field(default=0.2, gt=0)
    sigma_max: float = Field(default=0.5, gt=0)
    sigma_initial: float = Field(default=0.1, gt=0)
    lr: float = Field(default=0.01, gt=0)
    train: Literal["sigma", "all"] = "sigma"
    weight_lr: float = Field(default=1e-3, gt=0)


class ErrorModelConfig(Table):
    """Which error model guides the search, and the images that it is held against."""

    grade: Literal["global", "multi-distribution", "direct"] = "direct"
    patches: int = Field(default=512, ge=2)
    truth_images: int = Field(default=256, ge=1)  # of the search part


class CompensationConfig(Table):
    """How designs are compensated without retraining, one and all; see `dse.compensation`. By default they are not."""

    methods: list[Literal["bias", "affine", "moments", "batch-norm"]] = []
    images: int | None = Field(default=None, ge=1)  # for moments, batch-norm; absent: the calibration part

    @field_validator("methods")
    @classmethod
    def _applicable(cls, methods: list[str]) -> list[str]:
        if len(set(methods)) < len(methods):
            raise ValueError("expected each method once")
        if {"bias", "affine"} <= set(methods):
            raise ValueError("expected one of bias and affine, not both: affine takes the mean off as well")
        return methods


class EnergyConfig(Table):
    """What counts as energy; see `dse.objectives.product_energy`."""

    level: str = "multiplier"  # of dse.objectives.ENERGY_LEVELS
    table: Path | None = None  # TOML file read by `dse.objectives.load_energy_table`; the built-in figures when absent


class ReferenceConfig(Table):
    """Reference point of the hypervolume, shared by all methods."""

    rel_energy: float = Field(default=1.0, gt=0)
    accuracy_loss_pp: float = Field(default=10.0, gt=0)


class LadderConfig(Table):
    """Cheaper fidelities that designs are scored by after the searches, to see what each is worth."""

    designs: int = Field(default=60, ge=0)  # of those that the methods evaluated; 0: no ladder
    rungs: list[str] = ["noise-64", "lut-64", "lut-250"]  # of dse.fidelity.Ladder; those of too many images are left out


class SearchConfig(Table):
    """Which methods run, what each may spend, and what they minimise."""

    methods: list[str] = Field(default=["nsga2", "alwann", "random"], min_length=1)
    evaluations: int = Field(default=300, ge=1, le=10_000_000)  # distinct designs simulated, per method
    population: int = Field(default=24, ge=2, le=10_000)
    objectives: list[str] = Field(default=["rel_energy", "accuracy_loss_pp"], min_length=2)  # of dse.objectives.OBJECTIVES
    fronts_by: Literal["loss", "expected-loss"] = "loss"  # what designs of fronts are chosen by, see dse.expected_loss
    timeout_s: float | None = Field(default=None, gt=0)  # of one evaluation, which then runs in a process of its own
    reference: ReferenceConfig = ReferenceConfig()

    @field_validator("objectives")
    @classmethod
    def _two_first(cls, names: list[str]) -> list[str]:
        if names[:2] != ["rel_energy", "accuracy_loss_pp"]:
            raise ValueError("expected rel_energy and accuracy_loss_pp first, then others")
        return names


class RetrainConfig(Table):
    """Retraining of designs of fronts as a run's last stage, and by `dse retrain`; see `dse.retrain.RetrainSettings`."""

    designs: Literal["knee"] | list[Annotated[float, Field(ge=0)]] = "knee"  # or the cheapest within each loss, pp
    methods: list[str] = ["nsga2"]  # whose fronts
    uniform: list[str] = []  # multipliers of uniform designs; "exact" is the exact one, "best" chooses as `designs` says
    validation_images: int | None = Field(default=None, ge=1)  # of the training part; a tenth of it when absent
    seed: Seed | None = None  # of order and augmentation; the run's seed when absent
    device: Device = "cpu"  # that trains; figures of designs come from the CPU
    epochs: int = Field(default=10, ge=1)
    lr: float = Field(default=5e-3, gt=0)
    batch_size: int = Field(default=128, ge=1)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    augment: Literal["none", "flip-crop"] | None = None  # that of the float network's training when absent
    clip_norm: float = Field(default=1.0, ge=0)  # largest norm of the gradient; 0: none
    schedule: Literal["cosine", "step"] = "cosine"
    warm_up: float = Field(default=0.05, ge=0, lt=1)  # share of all steps
    step_epochs: int = Field(default=4, ge=1)
    step_factor: float = Field(default=0.1, gt=0, le=1)
    forward: Literal["tables", "noise"] = "tables"  # what training passes go through; figures always come from tables
    gradient: Literal["straight-through", "table-1d", "table-2d"] = "straight-through"
    window: int = Field(default=16, ge=1, le=127)  # codes on each side over which gradients smooth the tables
    distil: float = Field(default=0.0, ge=0, le=1)  # share of the loss that is distillation from the float network
    temperature: float = Field(default=4.0, gt=0, le=1000)
    keep: Literal["accuracy", "loss"] = "accuracy"  # on validation images: by which the best epoch is chosen
    patience: int | None = Field(default=None, ge=1)  # epochs without a better one that end the training


class RunConfig(Table):
    """One run."""

    name: str = Field(default="run", pattern=r"^\w[\w.-]{0,99}$")  # also names the run's folder
    seed: Seed = 0  # of the searches, and of what comes before them unless that has its own
    fixed_seed: Seed | None = None  # of split, network, patches, noise: shared by runs of other seeds
    space: SpaceConfig = SpaceConfig()
    robustness: RobustnessConfig = RobustnessConfig()
    error_model: ErrorModelConfig = ErrorModelConfig()
    compensation: CompensationConfig = CompensationConfig()
    energy: EnergyConfig = EnergyConfig()
    search: SearchConfig = SearchConfig()
    ladder: LadderConfig = LadderConfig()
    retrain: RetrainConfig | None = None  # absent: nothing is retrained

    @field_validator("retrain")
    @classmethod
    def _validated_once(cls, retrain: RetrainConfig | None, others: ValidationInfo) -> RetrainConfig | None:
        space = others.data.get("space")
        validated = space is not None and space.dataset.validation_images is not None
        if validated and retrain is not None and retrain.validation_images is not None:
            raise ValueError("expected one of retrain.validation_images and space.dataset.validation_images, not both")
        return retrain

    @property
    def space_seed(self) -> int:
        """Seed of everything that comes before the searches."""
        return self.seed if self.fixed_seed is None else self.fixed_seed
