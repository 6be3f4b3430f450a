"""The ways to a robustness profile, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError, unknown_name
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


def profile_table(
    profiles: Mapping[str, RobustnessProfile], op_counts: NDArray[np.int64]
) -> tuple[tuple[str, ...], list[list[object]]]:
    """Return columns and rows of profiles.csv, one row per layer: sigma and the cost of noise by each profile.

    Args:
        profiles: Profiles of the same layers by name, at least one.
        op_counts: Multiplications per layer `(L,)`.

    Raises:
        InputError: If there is no profile, or they are of other layers.
    """
    layers = {profile.layers for profile in profiles.values()}
    if len(layers) != 1 or len(op_counts) != len(next(iter(layers))):
        raise InputError(f"profiles: expected profiles of the same {len(op_counts)} layers, got {sorted(layers)}"[:300])
    columns = ("layer", "op_count", *(f"{name}_{key}" for name in profiles for key in ("sigma", "alpha")))
    values = [column for p in profiles.values() for column in (p.sigma, p.noise_cost(op_counts))]
    rows: list[list[object]] = [
        [name, int(op_counts[l]), *(float(column[l]) for column in values)] for l, name in enumerate(next(iter(layers)))
    ]
    return columns, rows
