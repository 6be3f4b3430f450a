"""What closed-form corrections leave of the predicted errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.compensation._closed_form import ClosedForm, check_channels
from dse.error_model import ErrorTable
from dse.nn.tracing import Trace


def remaining_errors(errors: ErrorTable, trace: Trace, method: ClosedForm) -> ErrorTable:
    """Return mean and std of the errors after a closed-form correction, in the unit of `errors`.

    The direct model pools all samples of all channels, so its variance is the mean of the channels' variances plus the
    variance of their means; `bias` takes the means, hence the second term. `affine` leaves what the regression does not
    explain. Both leave the mean 0 on the sampled receptive fields.

    Args:
        errors: Predictions of the direct model, before the correction.
        trace: What they were predicted from.
        method: `bias` or `affine`.

    Returns:
        A table without channels: there is nothing left that a closed form would find.

    Raises:
        InputError: As `closed_form` does.
    """
    check_channels(errors, trace, method)
    if method == "bias":
        between = np.array([channels.mean.var(axis=1) for channels in errors.channels])
        variance = np.maximum(errors.std**2 - between, 0.0)
    else:
        variance = np.array([(channels.residual**2).mean(axis=1) for channels in errors.channels])
    return replace(errors, mean=np.zeros_like(errors.mean), std=np.sqrt(variance), channels=())
