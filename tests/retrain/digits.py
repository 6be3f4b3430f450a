"""A trained network for the digits, quantised, and a multiplier that it cannot live with."""

from __future__ import annotations

import copy
from functools import cache

import torch
from torch import Tensor, nn

from dse.multipliers import Multiplier, catalogue
from dse.nn.convert import approximable_layers, quantize
from dse.nn.datasets import DataParts, Part, load_dataset, split_dataset
from dse.nn.models import build_model
from dse.nn.training import TrainingSettings, train
from dse.retrain import RetrainSettings, held_out

QUICK = RetrainSettings(epochs=2, lr=0.02, batch_size=32)


@cache
def parts() -> DataParts:
    return split_dataset(load_dataset("digits"), train=400, calibration=64, search=100, test=None, seed=0)


@cache
def images() -> tuple[Part, Part]:
    """Return 300 images to train with and 100 to validate on."""
    return held_out(parts().train, 100)


@cache
def _networks() -> tuple[nn.Module, nn.Module]:
    model = build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10, seed=0)
    train(model, parts().train, TrainingSettings(6, 32, 0.05, 2e-3), seed=0)
    return model, quantize(model, parts().calibration.x)


def trained() -> nn.Module:
    """Return the float network."""
    return copy.deepcopy(_networks()[0])


def quantised() -> nn.Module:
    """Return the network with 8-bit operands."""
    return copy.deepcopy(_networks()[1])


def everywhere(name: str = "dadda_trunc10u") -> dict[str, Multiplier]:
    """Return the design that has one multiplier of the catalogue in all layers."""
    (found,) = (multiplier for multiplier in catalogue(signed=False) if multiplier.name == name)
    return dict.fromkeys(approximable_layers(_networks()[1]), found)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])
