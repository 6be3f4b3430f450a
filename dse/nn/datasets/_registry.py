"""The data sets known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dse.exceptions import InputError, unknown_name
from dse.nn.datasets._digits import digits
from dse.nn.datasets._imagefolder import imagefolder
from dse.nn.datasets._npz import npz
from dse.nn.datasets._request import Request
from dse.nn.datasets._torchvision import torchvision_dataset
from dse.nn.datasets._types import Dataset


@dataclass(frozen=True)
class DatasetInfo:
    """How a named data set is loaded, one line about it, and which optional settings it reads."""

    load: Callable[[Request], Dataset]
    text: str
    reads: tuple[str, ...] = ()  # of `path` and `image_size`


DATASETS: dict[str, DatasetInfo] = {
    "digits": DatasetInfo(digits, "1,797 handwritten digits of 8x8 pixels, shipped with scikit-learn"),
    "mnist": DatasetInfo(torchvision_dataset, "70,000 handwritten digits of 28x28 pixels"),
    "fashion-mnist": DatasetInfo(torchvision_dataset, "70,000 pieces of clothing of 28x28 pixels"),
    "cifar10": DatasetInfo(torchvision_dataset, "60,000 colour images of 32x32 pixels in 10 classes"),
    "cifar100": DatasetInfo(torchvision_dataset, "60,000 colour images of 32x32 pixels in 100 classes"),
    "npz": DatasetInfo(npz, "your own .npz file with x_train, y_train, x_test, y_test", ("path",)),
    "imagefolder": DatasetInfo(imagefolder, "your own folder of train/<class>/*.png, test/...", ("path", "image_size")),
}


def load_dataset(
    name: str,
    *,
    data_root: Path | None = None,
    path: Path | None = None,
    download: bool = False,
    seed: int = 0,
    image_size: int | None = None,
) -> Dataset:
    """Load a data set by name.

    Args:
        name: a key of `DATASETS`.
        data_root: folder of the data sets that torchvision downloads.
        path: the user's own file (`npz`) or folder (`imagefolder`).
        download: fetch missing files from the network into `data_root`; never done unasked.
        seed: of the split of a data set that comes without one (`digits`).
        image_size: height and width in pixels to resize to (`imagefolder`).

    Returns:
        Normalised images (N, C, H, W) float32 and labels (N,) int64, on the CPU.

    Raises:
        InputError: an unknown name, a setting that is missing or that the data set does not read, missing files, or
            data that does not hold together.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    for key, value in (("path", path), ("image_size", image_size)):
        if value is not None and key not in DATASETS[name].reads:
            users = ", ".join(other for other, info in DATASETS.items() if key in info.reads)
            raise InputError(f"dataset.{key}: '{name}' does not read it, only {users}; remove it")
    root, own = (None if value is None else Path(value) for value in (data_root, path))
    return DATASETS[name].load(Request(name, root, own, download, seed, image_size))
