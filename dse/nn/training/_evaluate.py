"""What a network says of its inputs, and how often that is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.datasets import Part
from dse.nn.training._threads import threads_for


def logits(model: nn.Module, x: Tensor, batch_size: int = 256) -> Tensor:
    """Return what the model says of `x` in evaluation mode, without gradients; the mode is put back.

    Args:
        model: takes (B, ...), gives (B, n_classes).
        x: (N, ...) float32, on any device.
        batch_size: inputs per forward pass, at least 1.

    Returns:
        (N, n_classes) on the CPU.

    Raises:
        InputError: no inputs, or a batch size below 1.
    """
    if len(x) == 0 or batch_size < 1:
        raise InputError(f"logits: expected inputs and a batch_size of at least 1, got {len(x)} and {batch_size}")
    device = device_of(model)
    with evaluating(model, x[:batch_size].numel()):
        return torch.cat([model(batch.to(device)).cpu() for batch in x.split(batch_size)])


def right_answers(model: nn.Module, part: Part, batch_size: int = 256) -> NDArray[np.bool_]:
    """Return which images of `part` the model classifies right, `(N,)`.

    Raises:
        InputError: an empty part, or a batch size below 1.
    """
    right: NDArray[np.bool_] = (logits(model, part.x, batch_size).argmax(dim=1) == part.y.cpu()).numpy()
    return right


def accuracy(model: nn.Module, part: Part, *, batch_size: int = 256) -> float:
    """Return the fraction of `part` that the model classifies right, 0 to 1.

    Raises:
        InputError: an empty part, or a batch size below 1.
    """
    return float(right_answers(model, part, batch_size).mean())


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the first parameter; the CPU when there is none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def evaluating(model: nn.Module, values: int) -> Iterator[None]:
    """Put every module into evaluation mode without gradients, and each back into the mode it was in (some may be frozen).

    Args:
        model: the network.
        values: input values per forward pass, which decide how many threads it deserves.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        # no_grad, not inference_mode: tensors that a layer keeps from an inference-mode pass can never be trained with.
        with torch.no_grad(), threads_for(values):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
