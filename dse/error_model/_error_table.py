"""What error models give: mean and std of the error of every multiplier in every layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.types import Floats


@dataclass(frozen=True)
class ChannelErrors:
    """Errors of one layer by output channel, from the direct model; C channels."""

    mean: Floats  # (M, C) relative to the layer's output std
    slope: Floats  # (M, C) least-squares slope of the exact output on the approximate one: 1 where there is no error
    offset: Floats  # (M, C) its intercept, relative to the layer's output std
    residual: Floats  # (M, C) std of what this line leaves, of the error itself where the slope is not positive; likewise


@dataclass(frozen=True)
class ErrorTable:
    """Mean and std of the output error, relative to the layer's output std."""

    layers: tuple[str, ...]
    multipliers: tuple[str, ...]
    mean: Floats  # (L, M)
    std: Floats  # (L, M)
    grade: str
    channels: tuple[ChannelErrors, ...] = ()  # one per layer, only from the direct model

    @property
    def rms(self) -> Floats:
        """Root mean square error `(L, M)`: what an uncompensated layer suffers."""
        return np.hypot(self.mean, self.std)
