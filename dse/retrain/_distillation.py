"""Distillation: the network's own outputs before quantisation as what is to be learnt."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.nn.training import Loss
from dse.retrain._settings import RetrainSettings


def distillation(teacher: nn.Module, settings: RetrainSettings) -> Loss:
    """Return the loss `(1 - a) CE(y, labels) + a T^2 KL(softmax(t / T) || softmax(y / T))`.

    `y` are the network's outputs and `t` the teacher's, `a` is the settings' share and `T` their temperature (Hinton et al.,
    arXiv 1503.02531, section 2, whose two cross-entropies differ from this by a constant).
    """
    share, temperature = settings.distil, settings.temperature
    teacher = copy.deepcopy(teacher).eval()

    def loss(x: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = F.log_softmax(teacher(x) / temperature, dim=1)
        given = F.log_softmax(outputs / temperature, dim=1)
        apart = F.kl_div(given, wanted, reduction="batchmean", log_target=True)
        return (1 - share) * F.cross_entropy(outputs, y) + share * temperature**2 * apart

    return loss
