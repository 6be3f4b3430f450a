"""A data set in one .npz file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.nn._archive import open_npz
from dse.nn.datasets._arrays import arrays_dataset
from dse.nn.datasets._normalise import HALF, IMAGENET, channels_first, normalised
from dse.nn.datasets._request import Request
from dse.nn.datasets._types import Dataset

_KEYS = ("x_train", "y_train", "x_test", "y_test")


def npz(request: Request) -> Dataset:
    """Load `path`, a file with the arrays x_train, y_train, x_test and y_test.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W). Bytes are divided by 255 and normalised, with ImageNet's mean
    and standard deviation for three channels and 0.5 and 0.5 for one; floats are taken as they are.
    """
    if request.path is None:
        raise InputError("dataset.path: not set, and 'npz' reads a file; set it to an .npz with " + ", ".join(_KEYS))
    arrays = _read(request.path)
    for key in ("x_train", "x_test"):
        arrays[key] = _images(f"{request.path}: {key}", arrays[key])
    dataset = arrays_dataset(*(arrays[key] for key in _KEYS), name=str(request.path), source=request.path.name)
    return replace(dataset, name=request.path.stem)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the four arrays, read without pickle."""
    with open_npz(path) as archive:
        missing = [key for key in _KEYS if key not in archive.files]
        if missing:
            raise InputError(f"{path}: '{missing[0]}' is missing; expected the arrays " + ", ".join(_KEYS))
        return {key: np.asarray(archive[key]) for key in _KEYS}


def _images(where: str, images: NDArray[Any]) -> NDArray[Any]:
    """Return images (N, C, H, W): bytes normalised, floats as they are."""
    if images.dtype.kind != "f" and images.dtype != np.uint8:
        raise InputError(f"{where} holds {images.dtype}, expected uint8 or float; convert the images")
    images = _nchw(where, images)
    if images.dtype != np.uint8:
        return images
    statistics = {1: HALF, 3: IMAGENET}.get(images.shape[1])
    if statistics is None:
        raise InputError(f"{where} has bytes in {images.shape[1]} channels, expected 1 or 3; save normalised floats")
    return normalised(images, statistics)


def _nchw(where: str, images: NDArray[Any]) -> NDArray[Any]:
    """Return (N, C, H, W) of any of the three layouts; the channels are the axis of length 1 or 3."""
    if images.ndim == 3:
        return channels_first(images)
    if images.ndim != 4:
        raise InputError(f"{where} has shape {images.shape}, expected (N, H, W), (N, H, W, C) or (N, C, H, W)")
    if images.shape[3] not in (1, 3):
        return images
    if images.shape[1] in (1, 3):
        raise InputError(f"{where} has shape {images.shape}: axes 1 and 3 could both be channels; save larger images")
    return channels_first(images)
