"""The accuracy loss that a design's divergence from the exact network lets expect."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from dse.types import Floats


class ExpectedLoss:
    """Isotonic regression of the accuracy loss on the divergence, over designs that have been simulated.

    Of hundreds of designs the one of least loss on some thousand images is a lucky one: the loss counts the few images on
    which two networks differ. Their divergence, the mean of KL(exact || design) over the same images, ranks designs with far
    less noise, and what loss goes with it all of them say together.

    Args:
        divergence: Of N designs on the images that steer the search `(N,)`, nats.
        loss_pp: Their losses there `(N,)`, pp. Designs with a figure that is not finite say nothing.

    Raises:
        ValueError: No design has both figures.
    """

    def __init__(self, divergence: Floats, loss_pp: Floats) -> None:
        fine = np.isfinite(divergence) & np.isfinite(loss_pp)
        if not fine.any():
            raise ValueError("expected designs with divergence and loss, got none")
        self._regression = IsotonicRegression(out_of_bounds="clip").fit(divergence[fine], loss_pp[fine])

    def __call__(self, divergence: Floats) -> Floats:
        """Return the losses in pp that designs' divergences let expect, `(P,)` -> `(P,)`; NaN where there is none.

        Between the divergences of the N designs losses are interpolated, beyond them they stay what they are at the end.
        """
        expected = np.full(len(divergence), np.nan)
        fine = np.isfinite(divergence)
        if fine.any():
            expected[fine] = self._regression.predict(divergence[fine])
        return expected
