"""What closed-form corrections leave of the predicted errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from dse.compensation._closed_form import ClosedForm, affine, check_channels
from dse.error_model import ChannelErrors, ErrorTable
from dse.exceptions import InputError
from dse.kernels import LutProduct
from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import LayerTrace, Trace
from dse.types import Floats, Table


def remaining_errors(
    errors: ErrorTable, trace: Trace, method: ClosedForm, residual: Sequence[Floats] | None = None
) -> ErrorTable:
    """Return mean and std of the errors after a closed-form correction, in the unit of `errors`.

    The direct model pools all samples of all channels, so its variance is the mean of the channels' variances plus the
    variance of their means; `bias` takes the means, hence the second term. `affine` leaves what the regression does not
    explain. Both leave the mean 0 on the sampled receptive fields.

    Args:
        errors: Predictions of the direct model, before the correction.
        trace: What they were predicted from.
        method: `bias` or `affine`.
        residual: From `residual_std`, needed for `affine`: `(M, C)` per layer.

    Returns:
        A table without channels: there is nothing left that a closed form would find.

    Raises:
        InputError: As `closed_form` does, or if `affine` comes without residuals.
    """
    check_channels(errors, trace, method)
    if method == "bias":
        between = np.array([channels.mean.var(axis=1) for channels in errors.channels])
        variance = np.maximum(errors.std**2 - between, 0.0)
    elif residual is None:
        raise InputError("residual: expected those of residual_std for the method affine, got none")
    else:
        variance = np.array([(layer**2).mean(axis=1) for layer in residual])
    return replace(errors, mean=np.zeros_like(errors.mean), std=np.sqrt(variance), channels=())


def residual_std(errors: ErrorTable, trace: Trace, library: MultiplierLibrary) -> tuple[Floats, ...]:
    """Return the std of what each channel's affine correction leaves, over the receptive fields of the trace.

    Args:
        errors: Predictions of the direct model for `library`, from the same trace.
        trace: The layers as seen on calibration images.
        library: The multipliers.

    Returns:
        `(M, C)` float64 per layer, relative to the layer's output std.

    Raises:
        InputError: As `closed_form` does, or if the library has other multipliers than the predictions.
    """
    check_channels(errors, trace, "affine")
    if errors.multipliers != library.names:
        raise InputError(f"library: expected the multipliers of the predictions, got {len(library)} others")
    exact = trace.operands.exact
    tables = [trace.operands.table(m) - exact for m in library]
    return tuple(
        _residual(layer, channels, tables, exact) for layer, channels in zip(trace.layers, errors.channels, strict=True)
    )


def _residual(layer: LayerTrace, channels: ChannelErrors, tables: Sequence[Table], exact: Table) -> Floats:
    outputs = _exact_outputs(layer, exact) / layer.output_std
    rows = []
    for error, scale, offset in zip(tables, *affine(channels), strict=True):
        drift = _drift(layer, error) / layer.output_std
        rows.append((outputs - (scale * (outputs + drift) + offset)).std(axis=0))
    return np.array(rows)


def _drift(layer: LayerTrace, error: Table) -> Floats:
    """Return the errors of the sampled outputs `(S, C)` in real units."""
    sums = LutProduct(torch.from_numpy(layer.w_codes), torch.from_numpy(error))(torch.from_numpy(layer.patches))
    return (sums.numpy() * layer.scale).reshape(len(sums), -1)


def _exact_outputs(layer: LayerTrace, exact: Table) -> Floats:
    """Return the exact sampled outputs `(S, C)` in real units; float64 holds these sums without rounding."""
    x = exact[:, 1][layer.patches].astype(np.float64) - layer.x_zero_point  # the product with 1 is the value
    w = exact[1][layer.w_codes].astype(np.float64) - layer.w_zero_point[:, None, :]
    sums = np.matmul(x.swapaxes(0, 1), w).swapaxes(0, 1)
    return (sums * layer.scale).reshape(len(sums), -1)
