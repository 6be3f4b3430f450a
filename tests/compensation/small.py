"""A small network of every kind of layer, with BatchNorms whose statistics are not those of its inputs."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from dse.multipliers import MultiplierLibrary
from dse.nn.convert import quantize, simulate
from dse.nn.models import seeded
from dse.nn.quantizers import QuantizationSettings
from dse.types import Assignment

LAYERS = ("plain", "depthwise", "grouped", "linear")


def images(count: int = 12, seed: int = 1) -> Tensor:
    """Return inputs of both signs `(count, 2, 6, 6)`."""
    return torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(seed))


def network(format: str = "sm8") -> nn.Module:
    """Return a quantised network of a plain, a depthwise, a grouped and a linear layer with channels of different scale."""
    with seeded(2):
        net = nn.Sequential(
            OrderedDict(
                plain=nn.Conv2d(2, 4, 3, padding=1, bias=False),
                bn1=nn.BatchNorm2d(4),
                relu1=nn.ReLU(),
                depthwise=nn.Conv2d(4, 8, 3, padding=1, groups=4),
                bn2=nn.BatchNorm2d(8),
                relu2=nn.ReLU(),
                grouped=nn.Conv2d(8, 6, 2, stride=2, groups=2),
                relu3=nn.ReLU(),
                flatten=nn.Flatten(),
                linear=nn.Linear(54, 5),
            )
        )
        for norm in (net.bn1, net.bn2):
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.3, 2)
    with torch.no_grad():
        net.plain.weight *= torch.tensor([0.2, 1.0, 3.0, 0.5]).view(-1, 1, 1, 1)
    return quantize(net, images(), QuantizationSettings(format=format))  # type: ignore[arg-type]


def give(model: nn.Module, library: MultiplierLibrary, assignment: Assignment) -> None:
    """Let the model multiply as a design says."""
    simulate(model, {name: library[m] for name, m in zip(LAYERS, assignment.tolist(), strict=True)})


def design(*choices: int) -> Assignment:
    return np.array(choices, dtype=np.int64)
