"""Data sets from what a caller has in memory, and the checks that every data set goes through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.nn.datasets._types import Dataset


def arrays_dataset(
    x_train: NDArray[Any] | Tensor,
    y_train: NDArray[Any] | Tensor,
    x_test: NDArray[Any] | Tensor,
    y_test: NDArray[Any] | Tensor,
    *,
    name: str,
    source: str = "arrays in memory",
) -> Dataset:
    """Make a data set of arrays or tensors; the inputs are taken as they are, so normalise them before.

    Args:
        x_train: (N, C, H, W), or (N, ...), any float dtype, finite.
        y_train: (N,) any integer dtype, 0 .. n_classes - 1; the largest one sets the number of classes.
        x_test: (M, ...), of the shape of `x_train` from the second axis on.
        y_test: (M,) integers that occur in the range of `y_train`.
        name: what the report calls it, and the place that error messages name.
        source: where it came from.

    Returns:
        The data set: float32 inputs and int64 labels on the CPU. An array that has that dtype is shared, not copied.

    Raises:
        InputError: no images, lengths or shapes that do not fit, another kind of number, NaN or infinity, labels out of
            range, or fewer than two classes.
    """
    inputs, labels = _labelled(name, "train", x_train, y_train)
    test_inputs, test_labels = _labelled(name, "test", x_test, y_test)
    if inputs.shape[1:] != test_inputs.shape[1:]:
        raise InputError(
            f"{name}: x_test holds inputs of shape {tuple(test_inputs.shape[1:])}, "
            f"x_train of {tuple(inputs.shape[1:])}; bring them to one shape"
        )
    n_classes = int(labels.max()) + 1
    if not 2 <= n_classes <= len(labels):
        raise InputError(
            f"{name}: y_train has a largest label of {n_classes - 1} for {len(labels)} images; "
            "expected classes numbered 0 .. n-1, at least two"
        )
    if int(test_labels.max()) >= n_classes:
        raise InputError(
            f"{name}: y_test has label {int(test_labels.max())}, expected 0 .. {n_classes - 1} as in y_train; "
            "number the classes alike in both"
        )
    return Dataset(name, inputs, labels, test_inputs, test_labels, n_classes, source)


def loaders_dataset(
    train_loader: Iterable[Any], test_loader: Iterable[Any], *, name: str, source: str = "the caller's data loaders"
) -> Dataset:
    """Collect two data loaders into a data set; each is gone through once.

    Args:
        train_loader: yields batches `(x, y)`, x (B, C, H, W) or (B, ...) float, y (B,) integer; a finite iterable. Turn
            shuffling and random augmentation off: what comes is kept.
        test_loader: the same for the test images.
        name: what the report calls it.
        source: where it came from.

    Returns:
        The data set, as `arrays_dataset` returns it.

    Raises:
        InputError: a batch that is not a pair, batches that do not fit together, or what `arrays_dataset` refuses.
    """
    train = _collect(name, "train_loader", train_loader)
    test = _collect(name, "test_loader", test_loader)
    return arrays_dataset(*train, *test, name=name, source=source)


def _collect(name: str, where: str, loader: Iterable[Any]) -> tuple[Tensor, Tensor]:
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    for i, batch in enumerate(loader):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise InputError(f"{name}: {where}: batch {i} is a {type(batch).__name__}, expected a pair (x, y)")
        x, y = (_tensor(f"{name}: {where}: batch {i}", value).cpu() for value in batch)
        if inputs and x.shape[1:] != inputs[0].shape[1:]:
            raise InputError(
                f"{name}: {where}: batch {i} holds inputs of shape {tuple(x.shape[1:])}, earlier ones of "
                f"{tuple(inputs[0].shape[1:])}; bring them to one shape"
            )
        if x.ndim < 2 or y.shape != x.shape[:1]:
            raise InputError(
                f"{name}: {where}: batch {i} has inputs {tuple(x.shape)} and labels {tuple(y.shape)}; "
                "expected (B, ...) and (B,)"
            )
        inputs.append(x)
        labels.append(y)
    if not inputs:
        raise InputError(f"{name}: {where} yielded no batch; hand in a loader with images, not a used-up iterator")
    return torch.cat(inputs), torch.cat(labels)


def _labelled(name: str, part: str, x: NDArray[Any] | Tensor, y: NDArray[Any] | Tensor) -> tuple[Tensor, Tensor]:
    """Return `x` as float32 and `y` as int64, once they are inputs and labels of one part."""
    inputs, labels = _tensor(f"{name}: x_{part}", x), _tensor(f"{name}: y_{part}", y)
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise InputError(
            f"{name}: x_{part} has shape {tuple(inputs.shape)}, expected (N, C, H, W) or (N, ...); check the data"
        )
    if not inputs.is_floating_point():
        raise InputError(
            f"{name}: x_{part} holds {inputs.dtype}, expected floats; divide bytes by 255 and normalise them, "
            "or load an .npz with dataset 'npz', which does"
        )
    if labels.shape != inputs.shape[:1]:
        raise InputError(
            f"{name}: y_{part} has shape {tuple(labels.shape)}, expected {tuple(inputs.shape[:1])}; "
            "give one label for each input"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise InputError(f"{name}: y_{part} holds {labels.dtype}, expected integers 0 .. n-1; convert the labels")
    inputs, labels = inputs.to("cpu", torch.float32), labels.to("cpu", torch.int64)
    if not bool(torch.isfinite(inputs).all()):
        bad = int((~torch.isfinite(inputs)).sum())
        raise InputError(f"{name}: x_{part} holds NaN or infinity in {bad} of {inputs.numel()} values; clean the data")
    if int(labels.min()) < 0:
        raise InputError(f"{name}: y_{part} has label {int(labels.min())}, expected 0 .. n-1; drop or renumber these")
    return inputs, labels


def _tensor(where: str, value: NDArray[Any] | Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{where} holds {array.dtype}, expected a tensor or an array of numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # torch has no longer float
    # torch shares an array's memory; it warns of read-only memory and refuses a foreign byte order
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
