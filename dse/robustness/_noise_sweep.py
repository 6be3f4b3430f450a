"""What noise costs in each layer, tried out: the divergence at a few amounts of noise, one layer at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic, NoiseArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.divergence import kl_divergence, log_probabilities
from dse.nn.models import seeded
from dse.nn.training import logits
from dse.robustness._profile import RobustnessProfile

LEVELS = (0.05, 0.1, 0.2)  # relative to the layer's output std


def noise_sweep_profile(
    model: nn.Module,
    images: Tensor,
    *,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> RobustnessProfile:
    """Return what relative noise variance costs in each layer, in nats: `alpha = mean over levels of KL / sigma^2`.

    The mean KL divergence over the images is measured with noise in this layer alone (Trommer et al., ICCAD 2022, inject the
    same noise), the same draws for every layer and level as far as shapes allow. It needs `L * levels` passes of all images.

    Args:
        model: A quantised model; left as it is.
        images: Inputs `(N, ...)` float32; labels are not needed.
        levels: Amounts of noise, each above 0, relative to the layer's output std in the batch.
        seed: Of the noise.
        progress: Called as (done, total, note) after every pass.

    Raises:
        InputError: If there is no image, level or approximable layer, a level is not above 0, or logits are not finite.
    """
    if len(images) == 0 or not levels or not all(level > 0 for level in levels):
        raise InputError(
            f"robustness: expected images and levels above 0, got {len(images)} images, levels {list(levels)}"
        )
    model = copy.deepcopy(model)
    fake_quantized(model)
    layers = approximable_layers(model)
    if not layers:
        raise InputError(
            "robustness: expected a quantised model, got one with no approximable layer; quantise it first"
        )
    exact = log_probabilities(_finite(logits(model, images)))
    alpha = np.zeros((len(layers), len(levels)))
    for l, layer in enumerate(layers.values()):
        for i, level in enumerate(levels):
            layer.arithmetic = NoiseArithmetic(level)
            with seeded(seed):
                noisy = log_probabilities(_finite(logits(model, images)))
            alpha[l, i] = kl_divergence(exact, noisy).mean() / level**2
            if progress:
                progress(l * len(levels) + i + 1, alpha.size, "")
        layer.arithmetic = FloatArithmetic()
    return RobustnessProfile.from_alpha(tuple(layers), alpha.mean(axis=1))


def _finite(values: Tensor) -> Tensor:
    if not torch.isfinite(values).all():
        raise InputError("robustness: expected finite logits, got others; check the network's weights")
    return values
