"""The parts of a data set, drawn by a seed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.nn.datasets._types import DataParts, Dataset, Part


def split_dataset(
    dataset: Dataset,
    *,
    train: int | None,
    calibration: int,
    search: int,
    validation: int | None = None,
    test: int | None,
    seed: int,
) -> DataParts:
    """Draw the parts; no image is in two of them.

    All but the test images come from the training images alone, so that the test images stay unseen. They are drawn in the
    order calibration, search, validation, train, and test by itself: the size of a part changes none drawn before it.

    Args:
        dataset: where they are drawn from.
        train: number of images to fit weights with; None takes all that the other parts leave.
        calibration: number of images to calibrate with.
        search: number of images to score designs with.
        validation: number of images to choose among designs with; None: no such part.
        test: number of test images; None takes all, in their own order.
        seed: of the draw.

    Returns:
        The parts; the same seed and sizes give the same parts.

    Raises:
        InputError: a part of no images or of more than there are, or a negative seed.
    """
    if seed < 0:
        raise InputError(f"seed: expected 0 or more, got {seed}")
    total = len(dataset.y_train)
    # Independent streams: taking fewer test images must not change which images train.
    order = np.random.default_rng((seed, 0)).permutation(total)
    searched = calibration + search
    validated = searched + (validation or 0)
    trained = total - validated
    _require_count("calibration_images", calibration, total)
    _require_count("search_images", search, total - calibration)
    if validation is not None:
        _require_count("validation_images", validation, total - searched)
    _require_count("train_images", trained if train is None else train, trained)
    end = total if train is None else validated + train
    return DataParts(
        train=_take(dataset.x_train, dataset.y_train, order[validated:end]),
        calibration=_take(dataset.x_train, dataset.y_train, order[:calibration]),
        search=_take(dataset.x_train, dataset.y_train, order[calibration:searched]),
        test=_test_part(dataset, test, seed),
        validation=None if validation is None else _take(dataset.x_train, dataset.y_train, order[searched:validated]),
    )


def _test_part(dataset: Dataset, count: int | None, seed: int) -> Part:
    total = len(dataset.y_test)
    if count is None:
        return Part(dataset.x_test, dataset.y_test)
    _require_count("test_images", count, total)
    order = np.random.default_rng((seed, 1)).permutation(total)
    return _take(dataset.x_test, dataset.y_test, order[:count])


def _require_count(key: str, count: int, available: int) -> None:
    if available < 1:
        raise InputError(f"dataset.{key}: the other parts leave no images for it; make them smaller")
    if not 1 <= count <= available:
        raise InputError(f"dataset.{key}: expected 1 .. {available}, as many images as are left for it, got {count}")


def _take(x: Tensor, y: Tensor, index: NDArray[np.int64]) -> Part:
    chosen = torch.from_numpy(index)
    return Part(x[chosen], y[chosen])
