"""Data sets: what comes out of each source, how the parts are drawn, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from dse.exceptions import InputError
from dse.nn.datasets import (
    DATASETS,
    DataParts,
    Dataset,
    Part,
    arrays_dataset,
    load_dataset,
    loaders_dataset,
    split_dataset,
)


def arrays(n: int = 12, shape: tuple[int, ...] = (1, 4, 4)) -> dict[str, Any]:
    """Return valid arguments of `arrays_dataset`: three classes, every image of one constant of its own."""
    values = np.arange(2 * n, dtype=np.float32).reshape(-1, *(1 for _ in shape))
    images = np.broadcast_to(values, (2 * n, *shape))
    labels = np.arange(n) % 3
    return {"x_train": images[:n], "y_train": labels, "x_test": images[n:], "y_test": labels}


def dataset(n: int = 12) -> Dataset:
    return arrays_dataset(**arrays(n), name="constants")


def numbers(part: Part) -> set[float]:
    return set(part.x[:, 0, 0, 0].tolist())


# --- digits


def test_digits_are_all_there_normalised_and_stratified() -> None:
    data = load_dataset("digits")
    assert (data.in_shape, data.n_classes, len(data.y_train), len(data.y_test)) == ((1, 8, 8), 10, 1437, 360)
    images = torch.cat([data.x_train, data.x_test])
    assert images.dtype == torch.float32 and data.y_train.dtype == torch.int64
    assert abs(float(images.mean())) < 1e-3 and abs(float(images.std()) - 1) < 1e-3
    shares = torch.bincount(data.y_test) / torch.bincount(torch.cat([data.y_train, data.y_test]))
    assert float((shares - 0.2).abs().max()) < 0.01


def test_digits_split_follows_the_seed() -> None:
    first, again, other = (load_dataset("digits", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.x_test, again.x_test)
    assert not torch.equal(first.y_test, other.y_test)


# --- parts


def test_parts_share_no_image_and_search_comes_from_training() -> None:
    data = dataset(40)
    parts = split_dataset(data, train=20, calibration=5, search=7, test=9, seed=3)
    assert [len(part) for part in (parts.train, parts.calibration, parts.search, parts.test)] == [20, 5, 7, 9]
    drawn = [numbers(part) for part in (parts.train, parts.calibration, parts.search, parts.test)]
    assert len(set.union(*drawn)) == 41
    assert set.union(*drawn[:3]) < set(range(40)) and drawn[3] < set(range(40, 80))
    assert torch.equal(parts.search.y, (parts.search.x[:, 0, 0, 0] % 3).long())  # labels stay with their images


def test_validation_images_are_taken_from_those_that_train_and_change_no_other_part() -> None:
    sizes: dict[str, Any] = {"train": None, "calibration": 5, "search": 7, "test": 9, "seed": 3}
    plain, parts = split_dataset(dataset(40), **sizes), split_dataset(dataset(40), **sizes, validation=6)
    assert parts.validation is not None and plain.validation is None and len(parts.validation) == 6
    for name in ("calibration", "search", "test"):
        assert parts.by_name[name].content_hash == plain.by_name[name].content_hash
    order = np.random.default_rng((3, 0)).permutation(40).tolist()  # which the parts are cut from, one after the other
    for name, drawn in (("calibration", order[:5]), ("search", order[5:12]), ("validation", order[12:18])):
        assert parts.by_name[name].x[:, 0, 0, 0].tolist() == drawn
    assert parts.train.x[:, 0, 0, 0].tolist() == order[18:]
    few = split_dataset(dataset(40), **(sizes | {"train": 3}), validation=6)
    assert few.train.x[:, 0, 0, 0].tolist() == order[18:21] and few.validation is not None
    assert few.validation.content_hash == parts.validation.content_hash


def test_the_hash_of_parts_without_validation_images_is_what_it_was() -> None:
    sizes: dict[str, Any] = {"train": None, "calibration": 5, "search": 7, "test": 9, "seed": 3}
    plain, parts = split_dataset(dataset(40), **sizes), split_dataset(dataset(40), **sizes, validation=6)
    four = " ".join(part.content_hash for part in (plain.train, plain.calibration, plain.search, plain.test))
    assert plain.content_hash == hashlib.sha256(four.encode()).hexdigest()
    other = DataParts(parts.train, parts.calibration, parts.search, parts.test, validation=plain.search)
    without = DataParts(parts.train, parts.calibration, parts.search, parts.test)
    assert len({parts.content_hash, other.content_hash, without.content_hash}) == 3
    assert list(parts.by_name) == ["train", "calibration", "search", "validation", "test"]
    assert list(plain.by_name) == ["train", "calibration", "search", "test"]


def test_none_takes_all_that_is_left() -> None:
    parts = split_dataset(dataset(40), train=None, calibration=5, search=7, test=None, seed=0)
    assert (len(parts.train), len(parts.test)) == (28, 40)


def test_parts_follow_the_seed() -> None:
    def parts(seed: int) -> DataParts:
        return split_dataset(dataset(40), train=None, calibration=5, search=7, test=9, seed=seed)

    assert parts(1).content_hash == parts(1).content_hash != parts(2).content_hash
    assert numbers(parts(1).search) != numbers(parts(2).search)


def test_later_sizes_leave_earlier_parts_alone() -> None:
    few = split_dataset(dataset(40), train=3, calibration=5, search=7, test=2, seed=0)
    many = split_dataset(dataset(40), train=None, calibration=5, search=7, test=None, seed=0)
    assert few.search.content_hash == many.search.content_hash
    assert numbers(few.train) < numbers(many.train)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"calibration": 0}, r"dataset.calibration_images: expected 1 .. 40.*got 0"),
        ({"search": 36}, r"dataset.search_images: expected 1 .. 35.*got 36"),
        ({"calibration": 40}, "dataset.search_images: the other parts leave no images"),
        ({"search": 35}, "dataset.train_images: the other parts leave no images"),
        ({"train": 29}, r"dataset.train_images: expected 1 .. 28"),
        ({"train": 0}, "dataset.train_images"),
        ({"validation": 0}, r"dataset.validation_images: expected 1 .. 28.*got 0"),
        ({"validation": 29}, r"dataset.validation_images: expected 1 .. 28.*got 29"),
        ({"validation": 28}, "dataset.train_images: the other parts leave no images"),
        ({"validation": 8, "train": 21}, r"dataset.train_images: expected 1 .. 20.*got 21"),
        ({"search": 35, "validation": 1}, "dataset.validation_images: the other parts leave no images"),
        ({"test": 41}, r"dataset.test_images: expected 1 .. 40"),
        ({"test": 0}, "dataset.test_images"),
        ({"search": -1}, "dataset.search_images"),
        ({"seed": -1}, "seed: expected 0 or more"),
    ],
)
def test_split_refuses(sizes: dict[str, Any], message: str) -> None:
    chosen: dict[str, Any] = {"train": None, "calibration": 5, "search": 7, "test": None, "seed": 0} | sizes
    with pytest.raises(InputError, match=message):
        split_dataset(dataset(40), **chosen)


def test_content_hash_sees_values_labels_and_shape() -> None:
    x, y = torch.zeros(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64)
    changed = x.clone()
    changed[3, 0, 1, 1] = 1
    hashes = {part.content_hash for part in (Part(x, y), Part(changed, y), Part(x, y + 1), Part(x.reshape(4, 4), y))}
    assert len(hashes) == 4
    assert Part(x.clone(), y).content_hash in hashes


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(4, 2, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)),
        (torch.zeros(4, 2), torch.zeros(4)),
        (torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64)),
    ],
)
def test_part_refuses(x: torch.Tensor, y: torch.Tensor) -> None:
    with pytest.raises(InputError, match="part: expected"):
        Part(x, y)


# --- the caller's arrays and loaders


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
@pytest.mark.parametrize("shape", [(3, 4, 4), (5,)])
def test_arrays_and_tensors_are_taken(convert: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    given = arrays(shape=shape)
    data = arrays_dataset(**{key: convert(np.array(value)) for key, value in given.items()}, name="mine")
    assert (data.name, data.in_shape, data.n_classes) == ("mine", shape, 3)
    np.testing.assert_array_equal(data.x_test.numpy(), given["x_test"])


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64", "longdouble"])
def test_any_float_and_integer_dtype_is_taken(dtype: str) -> None:
    given = arrays()
    given["x_train"], given["y_train"] = given["x_train"].astype(dtype), given["y_train"].astype(np.uint8)
    data = arrays_dataset(**given, name="mine")
    assert data.x_train.dtype == torch.float32 and data.y_train.dtype == torch.int64


REFUSALS: list[tuple[str, Callable[[np.ndarray], Any], str]] = [
    ("x_train", lambda x: x[:0], "x_train has shape"),
    ("x_train", lambda x: x[:, 0, 0, 0], "x_train has shape"),
    ("x_train", lambda x: x.astype(np.uint8), "x_train holds torch.uint8, expected floats"),
    ("x_train", lambda x: x.astype(object), "x_train holds object"),
    ("x_train", lambda x: np.where(x == 3, np.nan, x), "x_train holds NaN or infinity in 16 of 192"),
    ("x_test", lambda x: x * 1e38 * 10.0, "x_test holds NaN or infinity"),
    ("x_test", lambda x: x[:, :, :3], "bring them to one shape"),
    ("y_train", lambda y: y[:-1], r"y_train has shape \(11,\), expected \(12,\)"),
    ("y_train", lambda y: y[:, None], r"y_train has shape \(12, 1\)"),
    ("y_train", lambda y: y.astype(np.float32), "y_train holds torch.float32, expected integers"),
    ("y_train", lambda y: y == 1, "y_train holds torch.bool"),
    ("y_train", lambda y: y - 1, "y_train has label -1"),
    ("y_train", lambda y: y * 0, "at least two"),
    ("y_train", lambda y: y * 1000, "largest label of 2000 for 12 images"),
    ("y_test", lambda y: y + 1, r"y_test has label 3, expected 0 .. 2"),
]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(("key", "change", "message"), REFUSALS)
def test_arrays_are_refused(key: str, change: Callable[[np.ndarray], Any], message: str) -> None:
    given = arrays()
    given[key] = change(given[key])
    with pytest.raises(InputError, match=f"mine: .*{message}") as caught:
        arrays_dataset(**given, name="mine")
    assert "\n" not in str(caught.value)


def test_loaders_are_collected_in_order() -> None:
    given = {key: torch.tensor(np.array(value)) for key, value in arrays().items()}
    train = DataLoader(TensorDataset(given["x_train"], given["y_train"]), batch_size=5)
    test = [(x[None], np.array([y])) for x, y in zip(given["x_test"].numpy(), given["y_test"].numpy(), strict=True)]
    data = loaders_dataset(train, test, name="mine")
    assert torch.equal(data.x_train, given["x_train"]) and torch.equal(data.y_train, given["y_train"])
    assert torch.equal(data.x_test, given["x_test"])


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "yielded no batch"),
        ([torch.zeros(2, 3)], "batch 0 is a Tensor, expected a pair"),
        ([(torch.zeros(2, 3), torch.zeros(3))], "batch 0 has inputs"),
        ([(torch.zeros(2, 3), torch.zeros(2)), (torch.zeros(2, 4), torch.zeros(2))], "batch 1 holds inputs of shape"),
        ([(torch.zeros(2, 3), torch.zeros(2))], "y_train holds torch.float32"),
        ([(["a", "b"], torch.zeros(2))], "batch 0 holds <U1"),
    ],
)
def test_loaders_are_refused(batches: list[Any], message: str) -> None:
    good = [(torch.zeros(2, 3), torch.tensor([0, 1]))]
    with pytest.raises(InputError, match=message):
        loaders_dataset(batches, good, name="mine")


# --- the registry


def test_every_dataset_is_described() -> None:
    assert set(DATASETS) == {"digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "npz", "imagefolder"}
    assert all(info.text for info in DATASETS.values())


def test_load_refuses_names_and_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown dataset 'cifar-10'; did you mean 'cifar10'"):
        load_dataset("cifar-10")
    with pytest.raises(InputError, match="dataset.path: 'digits' does not read it, only npz, imagefolder"):
        load_dataset("digits", path=tmp_path)
    with pytest.raises(InputError, match="dataset.image_size: 'npz' does not read it"):
        load_dataset("npz", path=tmp_path, image_size=8)
    with pytest.raises(InputError, match="seed: expected 0"):
        load_dataset("digits", seed=-1)


def test_types_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset().name = "other"  # type: ignore[misc]
