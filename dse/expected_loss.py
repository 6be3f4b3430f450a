"""The accuracy loss that a design's divergence from the exact network lets expect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.isotonic import IsotonicRegression

from dse.types import Floats


class ExpectedLoss:
    """Centred isotonic regression of the accuracy loss on the divergence, over designs that have been simulated.

    Of hundreds of designs the one of least loss on some thousand images is a lucky one: the loss counts the few images on
    which two networks differ. Their divergence, the mean of KL(exact || design) over the same images, ranks designs with far
    less noise, and what loss goes with it all of them say together. The rising steps nearest to the losses are joined by
    lines from centre to centre (Oron and Flournoy, Statistics in Biopharmaceutical Research 9, 2017): within a step, too,
    who diverges more is expected to lose more. Who does not diverge loses nothing.

    Args:
        divergence: Of N designs on the images that steer the search `(N,)`, nats.
        loss_pp: Their losses there `(N,)`, pp. Designs with a figure that is not finite say nothing.
        weight: How much each says `(N,)`; all the same when None.

    Raises:
        ValueError: No design has both figures.
    """

    def __init__(self, divergence: Floats, loss_pp: Floats, weight: Floats | None = None) -> None:
        fine = np.isfinite(divergence) & np.isfinite(loss_pp)
        if not fine.any():
            raise ValueError("expected designs with divergence and loss, got none")
        at, weight = divergence[fine], np.ones(fine.sum()) if weight is None else weight[fine]
        steps = np.round(IsotonicRegression(y_min=0.0).fit(at, loss_pp[fine], weight).predict(at), 9)
        values, step = np.unique(steps, return_inverse=True)
        centres = np.bincount(step, weight * at) / np.bincount(step, weight)
        self._centres, self._values = np.array([0.0, *centres]), np.array([0.0, *values])

    @classmethod
    def pooled(cls, parts: Sequence[tuple[Floats, Floats, int]]) -> ExpectedLoss:
        """Return what several parts of the data say together, each by its number of images.

        All losses on one part share the luck that the exact network has there: only other images can take it off.

        Args:
            parts: Of each part divergences `(N,)` and losses `(N,)` of some designs, and the number of images.
        """
        divergence, loss = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        weight = np.concatenate([np.full(len(d), images / max(len(d), 1)) for d, _, images in parts])
        return cls(divergence, loss, weight)

    def __call__(self, divergence: Floats) -> Floats:
        """Return the losses in pp that designs' divergences let expect, `(P,)` -> `(P,)`; NaN where there is none.

        Beyond the last centre they stay what they are there.
        """
        return np.interp(divergence, self._centres, self._values)
