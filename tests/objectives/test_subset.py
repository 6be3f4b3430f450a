"""The order of images: a permutation, nested, and close to every class's share all along."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dse.nn.datasets import Part
from dse.objectives import balanced_order, first_images


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_every_beginning_has_its_share_of_every_class(labels: list[int]) -> None:
    given_labels = np.array(labels, dtype=np.int64)
    order = balanced_order(given_labels)
    assert sorted(order.tolist()) == list(range(len(labels)))
    classes = set(labels)
    for n in range(1, len(labels) + 1):
        for c in classes:
            found, share = (given_labels[order[:n]] == c).sum(), n * labels.count(c) / len(labels)
            assert abs(found - share) <= len(classes)


def test_equal_classes_take_turns() -> None:
    assert balanced_order(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])).tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    assert balanced_order(np.array([7, 7, 7, 7, 3, 3])).tolist() == [0, 4, 1, 2, 5, 3]


def test_subsets_are_nested() -> None:
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 3, 30))
    part = Part(torch.arange(30.0)[:, None], labels)
    few, more = first_images(part, 11), first_images(part, 20)
    assert more.x[:11].equal(few.x) and more.y[:11].equal(few.y)
    assert all(part.y[int(x)] == y for x, y in zip(more.x[:, 0], more.y, strict=True))
