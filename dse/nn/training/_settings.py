"""How a network is trained, and good values for the networks known by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from dse.exceptions import InputError, unknown_name

Augment: TypeAlias = Literal["none", "flip-crop"]


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: SGD with Nesterov momentum, the learning rate rising to `lr` and falling to 0.

    Raises:
        InputError: a value out of its range.
    """

    epochs: int  # passes over the training part
    batch_size: int  # images per step, at most
    lr: float  # peak of the learning rate
    weight_decay: float  # L2 factor, on all parameters
    momentum: float = 0.9
    label_smoothing: float = 0.0
    augment: Augment = "none"  # "flip-crop": random mirror images and shifts of up to 4 pixels

    def __post_init__(self) -> None:
        for key, ok, expected in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("lr", 0 < self.lr < math.inf, "more than 0"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("momentum", 0 <= self.momentum < 1, "0 or more, below 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 or more, below 1"),
        ):
            if not ok:
                raise InputError(f"training.{key}: expected {expected}, got {getattr(self, key)}")
        if self.augment not in get_args(Augment):
            raise unknown_name("training.augment", self.augment, get_args(Augment))


_RESNET = TrainingSettings(epochs=60, batch_size=128, lr=0.2, weight_decay=5e-4, augment="flip-crop")

# By name of the model. digits-cnn is tuned to 1,000 training images of digits; the others are customary values.
DEFAULT_SETTINGS: dict[str, TrainingSettings] = {
    "digits-cnn": TrainingSettings(epochs=20, batch_size=32, lr=0.05, weight_decay=2e-3),
    "lenet5": TrainingSettings(epochs=12, batch_size=128, lr=0.05, weight_decay=5e-4),
    **{f"resnet{depth}": _RESNET for depth in (8, 14, 20, 32, 50, 56)},
    "mobilenetv2": TrainingSettings(epochs=60, batch_size=128, lr=0.1, weight_decay=5e-4, augment="flip-crop"),
    "vgg16bn": TrainingSettings(epochs=60, batch_size=128, lr=0.05, weight_decay=5e-4, augment="flip-crop"),
}
