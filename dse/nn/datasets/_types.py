"""Images and labels: a data set as it came, and its disjoint parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dse.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Part:
    """Some inputs and their labels.

    Raises:
        InputError: other dtypes, or lengths that differ.
    """

    x: Tensor  # (N, C, H, W), or (N, ...), float32, normalised
    y: Tensor  # (N,) int64, class of each

    def __post_init__(self) -> None:
        if self.x.dtype != torch.float32 or self.y.dtype != torch.int64:
            raise InputError(f"part: expected x float32, y int64, got {self.x.dtype} and {self.y.dtype}; convert them")
        if self.y.shape != self.x.shape[:1]:
            raise InputError(
                f"part: expected y of shape {tuple(self.x.shape[:1])}, one label for each x, got {tuple(self.y.shape)}"
            )

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def content_hash(self) -> str:
        """The sha256 of shapes and values, in hexadecimal: equal content, equal hash, whatever the name."""
        digest = hashlib.sha256(repr((tuple(self.x.shape), len(self))).encode())
        for tensor in (self.x, self.y):
            digest.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels, normalised and in the order of their source."""

    name: str
    x_train: Tensor  # (N, C, H, W), or (N, ...), float32
    y_train: Tensor  # (N,) int64, 0 .. n_classes - 1
    x_test: Tensor
    y_test: Tensor
    n_classes: int
    source: str  # where it came from, for the report

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of one input, (C, H, W) for images."""
        return tuple(self.x_train.shape[1:])


@dataclass(frozen=True, eq=False)
class DataParts:
    """The parts of a data set that an exploration keeps apart; no image is in two of them."""

    train: Part  # fits the network's weights
    calibration: Part  # sets ranges and error models
    search: Part  # scores the designs that a search proposes
    test: Part  # touched once, for the report
    validation: Part | None = None  # chooses among what was found; None: the search part does

    @property
    def by_name(self) -> dict[str, Part]:
        """The parts that there are."""
        parts = {"train": self.train, "calibration": self.calibration, "search": self.search}
        return {**parts, **({} if self.validation is None else {"validation": self.validation}), "test": self.test}

    @cached_property
    def content_hash(self) -> str:
        """The sha256 over the hashes of the parts that there are, in hexadecimal."""
        return hashlib.sha256(" ".join(part.content_hash for part in self.by_name.values()).encode()).hexdigest()
