"""How the designs of a study are compensated: all that it depends on, to be sent where designs are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from dse.compensation._closed_form import ClosedForm
from dse.compensation._compensator import Compensator
from dse.compensation._remaining import remaining_errors
from dse.error_model import ErrorTable
from dse.nn.tracing import Trace


@dataclass(frozen=True, eq=False)
class Compensation:
    """Methods, and what they work with.

    Args:
        methods: Of `METHODS`, at least one.
        images: Calibration images `(N, ...)` that pass in one batch for `moments` and `batch-norm`.
        errors: Predictions of the direct model for all choices.
        trace: What they were predicted from.
    """

    methods: tuple[str, ...]
    images: Tensor
    errors: ErrorTable
    trace: Trace

    def of(self, model: nn.Module) -> Compensator:
        """Return what compensates designs of a network."""
        return Compensator(model, self.methods, images=self.images, errors=self.errors, trace=self.trace)

    @property
    def remaining(self) -> ErrorTable:
        """What compensation leaves of the predicted errors.

        Matched moments leave what a regression leaves, as far as a closed form can tell. New statistics of a BatchNorm take
        the mean off for certain, where there is one.
        """
        method: ClosedForm = "affine" if {"affine", "moments"} & set(self.methods) else "bias"
        return remaining_errors(self.errors, self.trace, method)

    def content(self) -> Iterator[bytes]:
        """Yield all that decides how designs are compensated, for a hash."""
        yield " ".join(sorted(self.methods)).encode()
        if {"moments", "batch-norm"} & set(self.methods):
            yield np.ascontiguousarray(self.images.cpu().numpy()).tobytes()
        if {"bias", "affine"} & set(self.methods):
            for channels in self.errors.channels:
                yield b"".join(np.ascontiguousarray(part).tobytes() for part in vars(channels).values())
