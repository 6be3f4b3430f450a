"""Give up on designs that, by what they have shown on some of the images, cannot reach a known one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import Floats


@dataclass(frozen=True, eq=False)
class EarlyStop:
    """Stop a design as soon as its accuracy on all images is below its floor with the stated confidence.

    The number of right answers among the first n of N images is hypergeometric when the images come in random order, so the
    test is exact; bounds that hold for any bounded variable, such as Serfling's (Annals of Statistics 1974, corollary 1.1:
    `exp(-2 n t^2 / (1 - (n - 1) / N))` for a share that is t too low), are wider. A paired test would stop designs close to
    their floor earlier, but needs the answers of the known design image by image.
    For each design the probability of a false stop is at most `1 - confidence` over all looks together: each of them gets
    an equal share of it (Bonferroni).

    It assumes that the order of the images is drawn uniformly at random, independently of the designs and their floors. It
    is drawn here, from `seed`, so any images will do, in any order. A search that breeds designs from estimates of stopped
    ones should come with another seed each time. Floors may come from the same images: they are held against the accuracy on
    all of them.

    Args:
        floors: `(P,)` float64, fractions: the best accuracy among known designs that need no more energy than this one.
            `-inf` where there is none: such a design is never stopped.
        confidence: Above 0 and below 1.
        every: Images between two looks, at least 1; they make one batch.
        seed: Of the order of the images.

    Raises:
        InputError: For another shape, NaN, a confidence out of range, or no images between looks.
    """

    floors: Floats
    confidence: float = 0.99
    every: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if np.ndim(self.floors) != 1 or np.isnan(self.floors).any():
            raise InputError(f"floors: expected (P,) without NaN, got shape {np.shape(self.floors)}, {self.floors}")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence: expected above 0 and below 1, got {self.confidence}")
        if self.every < 1:
            raise InputError(f"every: expected at least 1 image, got {self.every}")

    def order(self, images: int) -> torch.Tensor:
        """Return the order in which to visit the images: `(N,)` int64."""
        return torch.randperm(images, generator=torch.Generator().manual_seed(self.seed))

    def hopeless(
        self, right: NDArray[np.int64], floors: Floats, *, seen: int, images: int, looks: int
    ) -> NDArray[np.bool_]:
        """Return which designs to stop `(A,)`, from their right answers `(A,)` on the first `seen` of `images` images.

        Args:
            right: Right answers so far `(A,)`.
            floors: Floors of these designs `(A,)`.
            seen: Images visited.
            images: All images.
            looks: How many times this is asked of a design at most.
        """
        needed = np.ceil(np.clip(floors, -1, 2) * images - 1e-6)  # right answers on all images; the floor was such a share
        share = (1 - self.confidence) / looks
        # The likelier the more right answers there are in all, so exactly as many as needed is the worst case.
        chances = [_at_most(int(r), int(k), seen, images) for r, k in zip(right, needed, strict=True)]
        return np.array(chances, dtype=np.float64) <= share


def _at_most(right: int, successes: int, draws: int, total: int) -> float:
    """Return the probability of at most `right` successes among `draws` of `total`, without replacement."""
    fewest = max(0, draws - (total - successes))
    if successes > total or right < fewest:
        return 0.0
    if right >= min(successes, draws):
        return 1.0
    counts = torch.arange(fewest, right + 1, dtype=torch.float64)
    log = _log_choose(successes, counts) + _log_choose(total - successes, draws - counts)
    return float((log - _log_choose(total, torch.tensor(float(draws), dtype=torch.float64))).exp().sum())


def _log_choose(n: int, k: torch.Tensor) -> torch.Tensor:
    one = torch.tensor(n + 1.0, dtype=torch.float64)
    return torch.lgamma(one) - torch.lgamma(k + 1) - torch.lgamma(one - k)
