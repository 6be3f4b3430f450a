"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 as torchvision reads them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dse.exceptions import InputError, one_line
from dse.nn._vision import import_torchvision
from dse.nn.datasets._arrays import arrays_dataset
from dse.nn.datasets._normalise import FASHION_MNIST, IMAGENET, MNIST, Statistics, channels_first, normalised
from dse.nn.datasets._request import Request
from dse.nn.datasets._types import Dataset

# Name -> class in torchvision.datasets, statistics. CIFAR takes ImageNet's, as the checkpoints that we compare with do.
_SETS: dict[str, tuple[str, Statistics]] = {
    "mnist": ("MNIST", MNIST),
    "fashion-mnist": ("FashionMNIST", FASHION_MNIST),
    "cifar10": ("CIFAR10", IMAGENET),
    "cifar100": ("CIFAR100", IMAGENET),
}


def torchvision_dataset(request: Request) -> Dataset:
    """Load one of torchvision's data sets from `data_root`; its files are fetched only when that was asked for."""
    if request.data_root is None:
        raise InputError(f"dataset.data_root: not set, and '{request.name}' is read from there; set it to a folder")
    kind, statistics = _SETS[request.name]
    read = getattr(import_torchvision().datasets, kind)
    arrays: list[Any] = []
    for train in (True, False):
        split = _read(request, read, train)
        images = channels_first(np.asarray(split.data))
        arrays += [normalised(images, statistics), np.asarray(split.targets, dtype=np.int64)]
    source = f"torchvision {kind} under dataset.data_root"
    return arrays_dataset(*arrays, name=request.name, source=source)


def _read(request: Request, read: Any, train: bool) -> Any:
    """Return torchvision's data set object."""
    try:
        with warnings.catch_warnings():
            # CIFAR's files spell a dtype in a way that NumPy 2.4 deprecates; nothing that the caller could mend.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
            return read(str(request.data_root), train=train, download=request.download)
    except (OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        advice = "check the network and the folder" if request.download else "set dataset.download = true to fetch them"
        raise InputError(
            f"dataset.data_root: no usable files of '{request.name}' under {request.data_root} "
            f"({one_line(error)}); {advice}"
        ) from error
