"""From bytes to normalised float32 images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Means and standard deviations per channel, of pixels in 0 .. 1.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5,), (0.5,))
MNIST = ((0.1307,), (0.3081,))
FASHION_MNIST = ((0.2860,), (0.3530,))

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def normalised(images: NDArray[Any], statistics: Statistics, *, white: float = 255) -> NDArray[np.float32]:
    """Return (x / white - mean) / std.

    Args:
        images: (N, C, H, W) numbers from 0 to `white`.
        statistics: mean and standard deviation per channel, C of each.
        white: the largest pixel value.

    Returns:
        (N, C, H, W) float32.
    """
    mean, std = (np.asarray(values, np.float32)[:, None, None] for values in statistics)
    # One float32 copy, changed in place: CIFAR's 600 MB would otherwise be held three times.
    result: NDArray[np.float32] = np.array(images, np.float32, order="C")
    result /= np.float32(white)
    result -= mean
    result /= std
    return result


def channels_first(images: NDArray[Any]) -> NDArray[Any]:
    """Turn (N, H, W, C) or (N, H, W) into (N, C, H, W)."""
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
