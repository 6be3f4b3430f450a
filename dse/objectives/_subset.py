"""The first images of a part: nested subsets, each with its share of every class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.nn.datasets import Part


def balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an order `(N,)` of images whose every beginning has the classes in about their proportions.

    The k-th of a class's K images stands at `(k - 1/2) / K` of the way; of equals, the smaller class comes first. Images of
    a class keep the order they came in. In the first n images a class is at most one and a half images from its share where
    there are few classes (one for each class that is due at the same place in general).

    Args:
        labels: Class of each image `(N,)`.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(classes, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.lexsort((classes, (rank + 0.5) / counts[classes]))


def first_images(part: Part, images: int) -> Part:
    """Return the first images of a part in `balanced_order`: a larger number has all of a smaller one's.

    Raises:
        InputError: If there are not so many images, or none is asked for.
    """
    if not 1 <= images <= len(part):
        raise InputError(f"subset: expected 1 to {len(part)} images, the number there are, got {images}")
    order = balanced_order(part.y.cpu().numpy())[:images].tolist()
    return Part(part.x[order], part.y[order])
