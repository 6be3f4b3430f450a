"""What noise costs in each layer, from a few backward passes: the diagonal of the Fisher information of its outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.layers import ApproxLayer
from dse.nn.training import threads_for
from dse.robustness._profile import RobustnessProfile
from dse.types import Floats

_BATCH = 128  # images differentiated together


class _Recorded(nn.Module):
    """Fake-quantised products that remember themselves, one tensor per call of the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []
        self._exact = FloatArithmetic()

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y: Tensor = self._exact(layer, x)
        if not y.requires_grad:
            y.requires_grad_()
        self.outputs.append(y)
        return y.clone()  # the network may write to what it gets


def fisher_profile(
    model: nn.Module,
    images: Tensor,
    *,
    probes: int = 2,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> RobustnessProfile:
    """Return what relative noise variance costs in each layer, in nats, from `probes` backward passes.

    Small changes `d` of a layer's outputs move the prediction by `KL = 1/2 d^T J^T F J d` with J the logits' derivative and
    `F = diag(p) - p p^T` their Fisher information (Amari, "Natural gradient works efficiently in learning", Neural
    Computation 10(2), 1998). For noise `d = sigma std(y) eps` with independent `eps ~ N(0, 1)` its mean is
    `sigma^2 * std(y)^2 / 2 * trace(J^T F J)`, hence

        alpha = std(y)^2 / 2 * mean over images of trace(J^T F J)

    `trace(J^T F J) = E |J^T A xi|^2` with `F = A A^T`, `A = diag(sqrt p) - p sqrt(p)^T` and random signs xi (Hutchinson's
    estimator, 1990), which varies less than drawing labels from p does where the network is sure. With as many probes as
    classes, the columns of A are taken one by one and the trace is exact.

    Args:
        model: A quantised model; left as it is.
        images: Inputs `(N, ...)` float32; labels are not needed.
        probes: Backward passes per image, at least 1.
        seed: Of the signs.
        progress: Called as (done, total, note) after every batch.

    Raises:
        InputError: If there is no image, probe or approximable layer, or the network's logits are not finite.
    """
    if len(images) == 0 or probes < 1:
        raise InputError(f"robustness: expected at least one image and one probe, got {len(images)} and {probes}")
    model = copy.deepcopy(model).eval()
    fake_quantized(model)
    layers = approximable_layers(model)
    if not layers:
        raise InputError(
            "robustness: expected a quantised model, got one with no approximable layer; quantise it first"
        )
    recorders = [_Recorded() for _ in layers]
    for layer, recorder in zip(layers.values(), recorders, strict=True):
        layer.arithmetic = recorder
    model.requires_grad_(False)
    sums = np.zeros((len(layers), 4))  # gradients squared; outputs, outputs squared, number of outputs
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad(), threads_for(images[:_BATCH].numel()):
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            sums += _batch_sums(model, recorders, batch, probes, generator)
            if progress:
                progress(start + len(batch), len(images), "")
    gradients, total, squares, count = sums.T
    count = np.maximum(count, 1)
    variance = np.maximum(squares / count - (total / count) ** 2, 0.0)
    return RobustnessProfile.from_alpha(tuple(layers), 0.5 * variance * gradients / len(images))


def _batch_sums(
    model: nn.Module, recorders: list[_Recorded], images: Tensor, probes: int, generator: torch.Generator
) -> Floats:
    """Return, for each layer, the squared gradients (mean over probes), the outputs and their squares, summed: `(L, 4)`."""
    for recorder in recorders:
        recorder.outputs.clear()
    logits: Tensor = model(images)
    outputs = [y for recorder in recorders for y in recorder.outputs]
    owner = [i for i, recorder in enumerate(recorders) for _ in recorder.outputs]
    sums = np.zeros((len(recorders), 4))
    directions = _directions(logits.detach().double().softmax(dim=1), probes, generator)
    for direction in directions:
        # a layer that the logits do not depend on has no gradient
        found = torch.autograd.grad(
            logits, outputs, direction.to(logits.dtype), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for i, gradient in zip(owner, found, strict=True):
            sums[i, 0] += float(gradient.double().square().sum())
    exact = len(directions) == logits.shape[1]
    sums[:, 0] /= 1 if exact else len(directions)
    for i, y in zip(owner, outputs, strict=True):
        values = y.detach().double()
        sums[i, 1:] += [float(values.sum()), float(values.square().sum()), values.numel()]
    return sums


def _directions(p: Tensor, probes: int, generator: torch.Generator) -> list[Tensor]:
    """Return vectors `A xi` of each image `(B, C)`: for random signs, or for all unit vectors where there are that many."""
    batch, classes = p.shape
    root = p.sqrt()
    if probes >= classes:
        signs = [torch.eye(classes, dtype=p.dtype)[c].expand(batch, classes) for c in range(classes)]
    else:
        signs = [2.0 * torch.randint(2, p.shape, generator=generator).to(p.dtype) - 1 for _ in range(probes)]
    return [root * xi - p * (root * xi).sum(dim=1, keepdim=True) for xi in signs]
