"""Data sets in files: .npz, image folders, and torchvision's, each written small and checked against plain NumPy."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dse.exceptions import InputError
from dse.nn._vision import import_torchvision
from dse.nn.datasets import load_dataset

RNG = np.random.default_rng(0)
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def torchvision_or_skip() -> Any:
    try:
        return import_torchvision()
    except InputError:
        pytest.skip("torchvision is not installed")


# --- npz


def save_npz(path: Path, **changes: Any) -> Path:
    content = {"y_train": np.arange(6) % 2, "y_test": np.arange(4) % 2} | changes
    np.savez(path, allow_pickle=True, **{key: value for key, value in content.items() if value is not None})
    return path


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (1, 8, 9), (8, 9, 3), (3, 8, 9)])
def test_npz_layouts_and_normalisation(tmp_path: Path, shape: tuple[int, ...]) -> None:
    train, test = (RNG.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (6, 4))
    data = load_dataset("npz", path=save_npz(tmp_path / "mine.npz", x_train=train, x_test=test))
    pixels = train.reshape(6, 8, 9, -1) if shape[0] == 8 else train.transpose(0, 2, 3, 1)
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if 3 in shape else (0.5, 0.5)
    np.testing.assert_allclose(data.x_train.permute(0, 2, 3, 1), (pixels / 255 - mean) / std, atol=1e-5)
    assert (data.name, data.source) == ("mine", "mine.npz")


def test_npz_floats_are_taken_as_they_are(tmp_path: Path) -> None:
    train, test = (RNG.normal(size=(n, 5, 6, 7)) for n in (6, 4))
    data = load_dataset("npz", path=save_npz(tmp_path / "mine.npz", x_train=train, x_test=test))
    np.testing.assert_array_equal(data.x_train, train.astype(np.float32))


BYTES = {"x_train": np.zeros((6, 8, 8), np.uint8), "x_test": np.zeros((4, 8, 8), np.uint8)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "'y_test' is missing"),
        ({"x_train": np.zeros((6, 8, 8), np.int64)}, "x_train holds int64, expected uint8 or float"),
        ({"x_train": np.zeros((6, 8), np.uint8)}, r"x_train has shape \(6, 8\)"),
        ({"x_train": np.zeros((6, 3, 8, 3), np.uint8)}, "could both be channels"),
        ({"x_train": np.zeros((6, 4, 8, 8), np.uint8)}, "bytes in 4 channels"),
        ({"x_train": np.zeros((0, 8, 8), np.uint8)}, "x_train has shape"),
        ({"x_train": np.zeros((6, 1, 8, 9), np.uint8)}, "bring them to one shape"),
        ({"x_train": np.array([None] * 6)}, "not a readable .npz"),
        ({"y_train": np.zeros(5, np.int64)}, "y_train has shape"),
    ],
)
def test_npz_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = save_npz(tmp_path / "mine.npz", **(BYTES | changes))
    with pytest.raises(InputError, match=f"mine.npz.*{message}"):
        load_dataset("npz", path=path)


def test_npz_file_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset.path: not set"):
        load_dataset("npz")
    with pytest.raises(InputError, match="no such file"):
        load_dataset("npz", path=tmp_path / "none.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="not a readable .npz"):
        load_dataset("npz", path=tmp_path / "cut.npz")


# --- imagefolder


def image_folder(root: Path, test: str = "test", classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for part, names in (("train", ("cat", "dog")), (test, classes)):
        for i, name in enumerate(names):
            (root / part / name).mkdir(parents=True)
            for j in range(3):
                Image.new("L" if j else "RGBA", (6, 5), 100 * i + j).save(root / part / name / f"{j}.png")
    return root


@pytest.mark.parametrize("test", ["test", "val"])
def test_imagefolder_is_read_and_resized(tmp_path: Path, test: str) -> None:
    data = load_dataset("imagefolder", path=image_folder(tmp_path / "mine", test), image_size=8)
    assert (data.in_shape, data.y_train.tolist(), data.name) == ((3, 8, 8), [0, 0, 0, 1, 1, 1], "mine")
    expected = (101 / 255 - IMAGENET_MEAN) / IMAGENET_STD  # dog/1.png
    np.testing.assert_allclose(data.x_train[4, :, 3, 3], expected, atol=1e-5)


def test_imagefolder_is_refused(tmp_path: Path) -> None:
    good = image_folder(tmp_path / "good")
    with pytest.raises(InputError, match="dataset.path: not set"):
        load_dataset("imagefolder", image_size=8)
    with pytest.raises(InputError, match="dataset.image_size: not set"):
        load_dataset("imagefolder", path=good)
    with pytest.raises(InputError, match="dataset.image_size: expected at least 1"):
        load_dataset("imagefolder", path=good, image_size=0)
    with pytest.raises(InputError, match="no folder test/ or val/"):
        load_dataset("imagefolder", path=image_folder(tmp_path / "odd", "holdout"), image_size=8)
    with pytest.raises(InputError, match="class 'cow' is in only one of train/ and test/"):
        load_dataset("imagefolder", path=image_folder(tmp_path / "cow", classes=("cat", "cow", "dog")), image_size=8)
    (good / "train" / "cat" / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="1.png: not a readable image"):
        load_dataset("imagefolder", path=good, image_size=8)
    for file in (good / "train" / "cat").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="cat: no images"):
        load_dataset("imagefolder", path=good, image_size=8)


def test_imagefolder_without_classes_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
    with pytest.raises(InputError, match="no class folders"):
        load_dataset("imagefolder", path=tmp_path, image_size=8)


# --- torchvision


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write bytes in the IDX format of the MNIST files: magic number, dimensions, data."""
    path.write_bytes(struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes())


@pytest.mark.parametrize(
    ("name", "folder", "mean", "std"),
    [("mnist", "MNIST", 0.1307, 0.3081), ("fashion-mnist", "FashionMNIST", 0.2860, 0.3530)],
)
def test_mnist_files_are_read(tmp_path: Path, name: str, folder: str, mean: float, std: float) -> None:
    torchvision_or_skip()
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    images = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(20, dtype=np.uint8) % 10)
    data = load_dataset(name, data_root=tmp_path)
    assert (data.in_shape, data.n_classes) == ((1, 28, 28), 10)
    np.testing.assert_allclose(data.x_test[:, 0], (images / 255 - mean) / std, atol=1e-5)
    (raw / "train-images-idx3-ubyte").write_bytes(b"cut")
    with pytest.raises(InputError, match="no usable files"):
        load_dataset(name, data_root=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_missing_files_name_the_setting(tmp_path: Path, name: str) -> None:
    torchvision_or_skip()
    with pytest.raises(InputError, match="dataset.data_root: no usable files.*dataset.download = true"):
        load_dataset(name, data_root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="dataset.data_root: not set"):
        load_dataset(name)


def test_cifar_is_normalised_as_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = RNG.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)  # as torchvision hands them out

    class Fake:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            assert not download
            self.data, self.targets = pixels, list(range(10))

    monkeypatch.setattr(torchvision_or_skip().datasets, "CIFAR10", Fake)
    data = load_dataset("cifar10", data_root=tmp_path)
    expected = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(data.x_train.permute(0, 2, 3, 1), expected, atol=1e-5)


def test_torchvision_imports_twice_to_the_same_module() -> None:
    assert torchvision_or_skip() is import_torchvision()


def test_absent_torchvision_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InputError, match=r"pip install dse\[vision\]"):
        load_dataset("mnist", data_root=tmp_path)
