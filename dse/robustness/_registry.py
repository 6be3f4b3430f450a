"""The ways to a robustness profile, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import unknown_name
from dse.robustness._agn import RobustnessSettings, learn_robustness
from dse.robustness._fisher import fisher_profile
from dse.robustness._noise_sweep import noise_sweep_profile
from dse.robustness._profile import RobustnessProfile

PROFILES: dict[str, str] = {
    "agn": "noise learned by gradient (Trommer et al., ICCAD 2022): the noise that a layer bears",
    "fisher": "two backward passes: the rise of the KL divergence for small noise",
    "sweep": "noise of three amounts in one layer after the other: the rise of the KL divergence, measured",
}
_IMAGES = 1000  # training images that fisher and sweep look at, the first ones


def profile_by_name(
    name: str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    op_counts: NDArray[np.int64],
    settings: RobustnessSettings | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[RobustnessProfile, nn.Module]:
    """Return a robustness profile and the model that it holds for.

    Args:
        name: A key of `PROFILES`.
        model, images, labels, op_counts: As for `learn_robustness`; `fisher` and `sweep` take the first 1000 images and need
            neither labels nor counts.
        settings: Of `agn` alone.
        seed: Of all draws.
        progress: Called as (done, total, note).

    Returns:
        The profile, and a model: a copy that `agn` may have trained, else `model` itself.

    Raises:
        InputError: If no profile has that name, or as its own function says.
    """
    if name == "agn":
        return learn_robustness(model, images, labels, op_counts, settings, seed=seed, progress=progress)
    if name == "fisher":
        return fisher_profile(model, images[:_IMAGES], seed=seed, progress=progress), model
    if name == "sweep":
        return noise_sweep_profile(model, images[:_IMAGES], seed=seed, progress=progress), model
    raise unknown_name("robustness profile", name, PROFILES)
