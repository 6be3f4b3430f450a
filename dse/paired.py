"""Right and wrong answers of networks to the same images: what two of them differ by, and how they are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_GAINS = {"gain": ("after", "before"), "loss_before": ("exact", "before"), "loss_after": ("exact", "after")}

Right: TypeAlias = NDArray[np.bool_]  # (N,) whether each image's answer is right


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies on the same images."""

    pp: float
    se_pp: float  # paired standard error


def paired_difference(first: Right, second: Right) -> Difference:
    """Return accuracy of `first` less that of `second`, right answers `(N,)` to the same images.

    The standard error is that of the mean of the N differences -1, 0, 1: what both get right or wrong does not count.
    """
    apart = first.astype(np.float64) - second
    return Difference(float(100 * apart.mean()), float(100 * apart.std() / np.sqrt(len(apart))))


def gains(right: Mapping[str, Right]) -> dict[str, Difference]:
    """Return `gain`, `loss_before` and `loss_after` from the answers of `exact`, `before` and `after`, or of those given.

    A gain is that of `after` over `before`, a loss what the exact network has more.
    """
    return {name: paired_difference(right[a], right[b]) for name, (a, b) in _GAINS.items() if {a, b} <= right.keys()}


def packed(right: Right) -> str:
    """Return answers as hexadecimal digits, eight images in two, the first in the highest bit."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, count: int) -> Right:
    """Return the answers to `count` images that `packed` wrote. Raises ValueError where they are not that many."""
    digits = bytes.fromhex(text)
    if len(digits) != (count + 7) // 8:
        raise ValueError(f"expected {2 * ((count + 7) // 8)} digits for {count} images, got {len(text)}")
    return np.unpackbits(np.frombuffer(digits, dtype=np.uint8), count=count).astype(bool)
