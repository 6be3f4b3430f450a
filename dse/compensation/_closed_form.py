"""Corrections that follow from predicted errors alone: one for every layer and multiplier, known before any design is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from dse.error_model import ChannelErrors, ErrorTable
from dse.exceptions import InputError, unknown_name
from dse.nn.layers import Correction
from dse.nn.tracing import LayerTrace, Trace
from dse.types import Assignment, Floats

ClosedForm = Literal["bias", "affine"]


@dataclass(frozen=True, eq=False)
class Corrections:
    """The correction of every layer under every multiplier."""

    layers: tuple[str, ...]  # (L,)
    multipliers: tuple[str, ...]  # (M,)
    table: tuple[tuple[Correction | None, ...], ...]  # (L, M); None where the predicted error is none

    def of(self, assignment: Assignment) -> dict[str, Correction | None]:
        """Return the correction of each layer under a design `(L,)`, by the layer's qualified name."""
        chosen = zip(self.layers, self.table, assignment.tolist(), strict=True)
        return {name: row[choice] for name, row, choice in chosen}


def closed_form(errors: ErrorTable, trace: Trace, method: ClosedForm) -> Corrections:
    """Return the corrections that predicted errors ask for.

    `bias` takes the predicted mean error of each channel off, `y - mean` (Nagel et al., ICCV 2019, section 4.2, where the
    errors are those of quantisation). `affine` is the least-squares estimate of the exact output from the approximate one,
    `slope * y + offset`. Where the approximate output of a channel did not vary, or its slope is not positive, it falls back
    on `bias`: there is nothing to regress on, and a requantisation factor is positive.

    Args:
        errors: Predictions of the direct model (`dse.error_model.predict_errors`), which knows the channels.
        trace: What they were predicted from.
        method: `bias` or `affine`.

    Raises:
        InputError: If the method is unknown, the predictions have no channels, or they are of other layers.
    """
    check_channels(errors, trace, method)
    rows = (_row(layer, channels, method) for layer, channels in zip(trace.layers, errors.channels, strict=True))
    return Corrections(errors.layers, errors.multipliers, tuple(rows))


def check_channels(errors: ErrorTable, trace: Trace, method: str) -> None:
    """Raise InputError unless `method` is a closed form and `errors` has what it takes, for the layers of `trace`."""
    if method not in get_args(ClosedForm):
        raise unknown_name("closed-form correction", method, get_args(ClosedForm))
    if not errors.channels:
        raise InputError(
            f"errors: expected predictions by channel, got those of the {errors.grade} model; use grade 'direct'"
        )
    if errors.layers != trace.names:
        raise InputError(f"errors: expected predictions of the layers {trace.names} of the trace, got {errors.layers}")


def affine(channels: ChannelErrors) -> tuple[Floats, Floats]:
    """Return scale and offset `(M, C)` of the affine correction, the offset relative to the layer's output std."""
    regressed = channels.slope > 0
    return np.where(regressed, channels.slope, 1.0), np.where(regressed, channels.offset, -channels.mean)


def _row(layer: LayerTrace, channels: ChannelErrors, method: ClosedForm) -> tuple[Correction | None, ...]:
    scale, offset = (np.ones_like(channels.mean), -channels.mean) if method == "bias" else affine(channels)
    scales, offsets = torch.from_numpy(scale).float(), torch.from_numpy(offset * layer.output_std).float()
    return tuple(Correction(s, o) if (s != 1).any() or o.any() else None for s, o in zip(scales, offsets, strict=True))
