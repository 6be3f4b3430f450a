"""What a design's logits say about it: figures that add up over batches of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dse.nn.divergence import kl_divergence, log_probabilities
from dse.types import Floats

Figures = dict[str, float]

_TOP = 5


class FigureSums:
    """Sums over images of what the figures of P designs are made of.

    * `accuracy`: share of the images classified right, 0 to 1; of equal logits the first class counts.
    * `top5`: share of the images whose class is among the five largest logits, 0 to 1; only with more than 5 classes.
    * `worst_class`: smallest accuracy over the classes of which images were seen, 0 to 1.
    * `lost`, `gained`: share of the images that only the exact network, only the design classifies right, 0 to 1. The loss
      of accuracy is their difference, and with both its paired standard error is known.
    * `kl`: mean over the images of `KL(p_exact || p_design)`, nats, at least 0; p is the softmax of the logits.

    Each figure is that of a design alone, bit for bit, as long as the batches of images are the same.

    Args:
        designs: P.
        classes: C, the width of the logits; an image of any other class is never right.
    """

    def __init__(self, designs: int, classes: int) -> None:
        self._images = np.zeros((designs, classes), dtype=np.int64)  # seen, by class
        self._right = np.zeros((designs, classes), dtype=np.int64)
        self._lost, self._gained = np.zeros((2, designs), dtype=np.int64)
        self._top = np.zeros(designs, dtype=np.int64)
        self._kl = np.zeros(designs)
        self._not_finite = np.zeros(designs, dtype=np.int64)
        self.seen = np.zeros(designs, dtype=np.int64)  # (P,) images

    @property
    def right(self) -> NDArray[np.int64]:
        """Images classified right, `(P,)`; one whose logits are not finite never is."""
        return self._right.sum(axis=1)

    def add(self, design: int, logits: Tensor, labels: NDArray[np.int64], exact: Floats) -> None:
        """Count one batch.

        Args:
            design: Which of the designs.
            logits: What it says `(B, C)`.
            labels: Classes `(B,)`.
            exact: Log-probabilities of the exact network `(B, C)`.
        """
        classes = self._images.shape[1]
        values = logits.detach().cpu().numpy()
        finite = np.isfinite(values).all(axis=1)
        known = labels[labels < classes]
        right = finite & (values.argmax(axis=1) == labels)
        right_before = exact.argmax(axis=1) == labels
        self._lost[design] += int((right_before & ~right).sum())
        self._gained[design] += int((right & ~right_before).sum())
        self._images[design] += np.bincount(known, minlength=classes)
        self._right[design] += np.bincount(labels[right], minlength=classes)
        self._not_finite[design] += int((~finite).sum())
        self.seen[design] += len(labels)
        if finite.all():
            if classes > _TOP:
                self._top[design] += int((_rank(values, labels) < _TOP).sum())
            self._kl[design] += float(kl_divergence(exact, log_probabilities(logits)).sum())

    def figures(self) -> tuple[Figures, ...]:
        """Return the figures of each design, all finite; none of a design that failed."""
        return tuple({} if bad else self._figures(i) for i, bad in enumerate(self._not_finite))

    def reasons(self) -> tuple[str, ...]:
        """Return why each design failed, one line; empty where it did not."""
        return tuple(
            f"logits are not finite on {bad} of {seen} images" if bad else ""
            for bad, seen in zip(self._not_finite, self.seen, strict=True)
        )

    def _figures(self, design: int) -> Figures:
        images, right, seen = self._images[design], self._right[design], int(self.seen[design])
        met = images > 0
        worst = float((right[met] / images[met]).min()) if met.any() else 0.0
        found = {
            "accuracy": int(right.sum()) / seen,
            "kl": float(self._kl[design]) / seen,
            "worst_class": worst,
            "lost": int(self._lost[design]) / seen,
            "gained": int(self._gained[design]) / seen,
        }
        return {**found, "top5": int(self._top[design]) / seen} if len(images) > _TOP else found


def _rank(values: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes stand before each image's own, `(B,)`: larger logits, and the first of equal ones."""
    classes = np.arange(values.shape[1])
    inside = labels < len(classes)
    own = values[np.arange(len(labels)), np.where(inside, labels, 0)][:, None]
    before = (values > own) | ((values == own) & (classes < labels[:, None]))
    ranks: NDArray[np.int64] = np.where(inside, before.sum(axis=1), len(classes))
    return ranks
