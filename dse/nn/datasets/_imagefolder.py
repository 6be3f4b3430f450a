"""A folder of images in the layout that torchvision's ImageFolder made common."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dse.exceptions import InputError, one_line
from dse.nn.datasets._arrays import arrays_dataset
from dse.nn.datasets._normalise import IMAGENET, channels_first, normalised
from dse.nn.datasets._request import Request
from dse.nn.datasets._types import Dataset

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"}


def imagefolder(request: Request) -> Dataset:
    """Load `path/train/<class>/*.png` and `path/test/<class>/*.png` (or `val`); classes are numbered by sorted name.

    Images become RGB of `image_size` x `image_size`, squeezed where they are not square, normalised with ImageNet's
    mean and standard deviation.
    """
    if request.path is None or request.image_size is None:
        key = "path" if request.path is None else "image_size"
        raise InputError(f"dataset.{key}: not set, and 'imagefolder' needs dataset.path and dataset.image_size")
    if request.image_size < 1:
        raise InputError(f"dataset.image_size: expected at least 1 pixel, got {request.image_size}")
    train = _folder(request.path, "train")
    test = _folder(request.path, "test", "val")
    classes = _classes(train)
    if _classes(test) != classes:
        other = sorted(set(classes) ^ set(_classes(test)))[0]
        raise InputError(
            f"{request.path}: class '{other}' is in only one of {train.name}/ and {test.name}/; make them agree"
        )
    arrays = [array for folder in (train, test) for array in _read(folder, classes, request.image_size)]
    name = str(request.path)
    dataset = arrays_dataset(*arrays, name=name, source=f"folder {request.path.name}, {request.image_size} pixels")
    return replace(dataset, name=request.path.name)


def _folder(path: Path, *names: str) -> Path:
    """Return the first of `names` that is a folder in `path`."""
    for name in names:
        if (path / name).is_dir():
            return path / name
    raise InputError(f"{path}: no folder {' or '.join(name + '/' for name in names)} (dataset.path); check the path")


def _classes(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def _read(folder: Path, classes: list[str], size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (N, 3, size, size) and labels (N,)."""
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(file for file in (folder / name).iterdir() if file.suffix.lower() in _SUFFIXES)
        if not found:
            raise InputError(f"{folder / name}: no images ({', '.join(sorted(_SUFFIXES))}); remove or fill it")
        files += found
        labels += [label] * len(found)
    if not files:
        raise InputError(f"{folder}: no class folders; expected {folder.name}/<class>/<image>.png")
    images = np.stack([_image(file, size) for file in files])
    return normalised(channels_first(images), IMAGENET), np.array(labels, np.int64)


def _image(file: Path, size: int) -> NDArray[np.uint8]:
    """Return one image (size, size, 3)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata; but an image too large to be honest is refused
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{file}: not a readable image ({one_line(error)}); remove or replace it") from error
