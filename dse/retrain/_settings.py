"""How a network is retrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from dse.exceptions import InputError, under, unknown_name
from dse.kernels import WINDOW
from dse.nn.lut_gradient import Gradient
from dse.nn.training import Augment, TrainingSettings, cosine

Schedule = Literal["cosine", "step"]
Forward = Literal["tables", "noise"]
Keep = Literal["accuracy", "loss"]


@dataclass(frozen=True)
class RetrainSettings:
    """How a network is retrained: SGD with Nesterov momentum through the design's multipliers.

    Activation ranges stay as they were calibrated; weights' ranges follow the weights. BatchNorm is trained, its running
    statistics are those of the simulated forward pass.

    Args:
        epochs: Passes over the training images, at most.
        lr: Peak of the learning rate.
        batch_size: Images per step, at most.
        momentum, weight_decay, augment: As in `TrainingSettings`.
        clip_norm: Largest norm of the gradient, see `dse.nn.training.Trainer`; 0: none.
        schedule: After the warm-up, half a cosine down to 0, or a fall by `step_factor` every `step_epochs` epochs.
        warm_up: Share of all steps in which the rate rises along a line.
        step_epochs, step_factor: Of the schedule `step`.
        forward: What training passes go through: the multipliers' tables, or exact products with the predicted error of the
            tables as noise (the surrogate of Trommer et al., ICCAD 2022). Validation always goes through the tables.
        gradient, window: Of the multipliers' slopes, see `dse.nn.lut_gradient.TrainableArithmetic`.
        distil: Share of the loss that is distillation from the float network (`dse.retrain.retrain`); 0: none.
        temperature: Of the distillation.
        keep: Which epoch is kept: that of the best validation accuracy, or of the least validation loss, whose noise is
            smaller on a few thousand images.
        patience: Epochs without a better one after which training ends; None: never early.

    Raises:
        InputError: A value out of its range.
    """

    epochs: int = 10
    lr: float = 5e-3
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 1e-4
    augment: Augment = "none"
    clip_norm: float = 1.0
    schedule: Schedule = "cosine"
    warm_up: float = 0.05
    step_epochs: int = 4
    step_factor: float = 0.1
    forward: Forward = "tables"
    gradient: Gradient = "straight-through"
    window: int = WINDOW
    distil: float = 0.0
    temperature: float = 4.0
    keep: Keep = "accuracy"
    patience: int | None = None

    def __post_init__(self) -> None:
        for key, names in (("schedule", Schedule), ("forward", Forward), ("gradient", Gradient), ("keep", Keep)):
            if getattr(self, key) not in get_args(names):
                raise unknown_name(f"retrain.{key}", getattr(self, key), get_args(names))
        for key, ok, expected in (
            ("clip_norm", self.clip_norm >= 0, "0 or more"),
            ("warm_up", 0 <= self.warm_up < 1, "0 or more, below 1"),
            ("step_epochs", self.step_epochs >= 1, "1 or more"),
            ("step_factor", 0 < self.step_factor <= 1, "above 0, at most 1"),
            ("distil", 0 <= self.distil <= 1, "0 to 1"),
            ("temperature", self.temperature > 0, "more than 0"),
            ("patience", self.patience is None or self.patience >= 1, "1 or more"),
        ):
            if not ok:
                raise InputError(f"retrain.{key}: expected {expected}, got {getattr(self, key)}")
        with under("retrain, "):
            _ = self.training

    @property
    def training(self) -> TrainingSettings:
        """What the training loop has to know."""
        return TrainingSettings(
            self.epochs, self.batch_size, self.lr, self.weight_decay, self.momentum, augment=self.augment
        )

    def rate(self, done: float) -> float:
        """Return the learning rate when a share `done` of all steps is done, above 0 and below 1."""
        if self.schedule == "cosine" or done < self.warm_up:
            return cosine(done, self.lr, self.warm_up)
        return self.lr * self.step_factor ** int(done * self.epochs / self.step_epochs)
