"""The library: its order, its reference, selection, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, MultiplierSource

EXACT = np.multiply.outer(np.arange(16), np.arange(16))


def make(name: str, power_mw: float | None = 1.0, drop: int = 0, **changes: Any) -> Multiplier:
    return Multiplier(name, EXACT & ~drop, **{"x_bits": 4, "w_bits": 4, "power_mw": power_mw, **changes})


@pytest.fixture
def library() -> MultiplierLibrary:
    return MultiplierLibrary([make("cut3", 0.2, 7), make("small", 0.5), make("full", 0.8), make("cut1", 0.6, 1)])


def test_reference_first_and_order_kept(library: MultiplierLibrary) -> None:
    assert library.names == ("full", "cut3", "small", "cut1")
    assert [m.name for m in library] == list(library.names)
    assert library.power_mw.dtype == np.float64 and library.power_mw.tolist() == [0.8, 0.2, 0.5, 0.6]
    assert library.rel_energy == pytest.approx([1, 0.25, 0.625, 0.75])
    assert not library.power_mw.flags.writeable
    assert "reference 'full'" in repr(library)


def test_first_of_equal_references() -> None:
    assert MultiplierLibrary([make("a"), make("b")]).names == ("a", "b")


def test_indexing(library: MultiplierLibrary) -> None:
    assert library["cut1"] is library[3] is library[np.int64(3)] and library.index("cut1") == 3  # type: ignore[index]
    with pytest.raises(InputError, match="unknown multiplier 'cut2'; did you mean 'cut"):
        library["cut2"]
    with pytest.raises(IndexError):
        library[4]


def test_is_a_source(library: MultiplierLibrary) -> None:
    assert isinstance(library, MultiplierSource) and isinstance([], MultiplierSource)
    assert not isinstance(3, MultiplierSource)
    assert MultiplierLibrary(library).content_hash == library.content_hash


def test_hash_follows_content() -> None:
    base = MultiplierLibrary([make("a"), make("b", 0.5, 1)])
    others = [
        [make("a"), make("c", 0.5, 1)],
        [make("a"), make("b", 0.4, 1)],
        [make("a"), make("b", 0.5, 2)],
        [make("a"), make("b", 0.5, 1, delay_ns=1.0)],
        [make("a")],
    ]
    assert len({MultiplierLibrary(o).content_hash for o in others} | {base.content_hash}) == 6
    same = [make("a", origin="elsewhere"), make("b", np.float64(0.5), 1)]
    assert MultiplierLibrary(same).content_hash == base.content_hash


def test_select(library: MultiplierLibrary) -> None:
    assert library.select(["cut*"]).names == ("full", "cut3", "cut1")
    assert library.select(["cut*"], exclude=["*3"]).names == ("full", "cut1")
    assert library.select(exclude=["full", "small"]).names == ("full", "cut3", "cut1")
    assert library.select([]).names == ("full",)
    assert library.select().names == library.names


@pytest.mark.parametrize(
    ("include", "exclude", "message"),
    [
        (["smal"], [], "unknown multiplier in select's include 'smal'; did you mean 'small'"),
        (["*"], ["CUT*"], "select's exclude 'CUT"),
        ("cut*", [], "include must be a sequence of patterns"),
    ],
)
def test_select_refuses(library: MultiplierLibrary, include: Any, exclude: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        library.select(include, exclude)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "got none"),
        ([make("a"), make("a", 0.5)], "the name 'a' comes 2 times"),
        ([make("a"), make("b", None, 1)], "'b': a library needs power_mw"),
        ([make("b", 0.5, 1), make("c", 0.5, 7)], "none of the 2 multipliers is exact .nearest: 'b'"),
        ([make("a", 0.0), make("b", 0.0, 1)], "'a': power_mw is 0"),
        (
            [make("a"), Multiplier("b", np.zeros((16, 8), dtype=int), x_bits=4, w_bits=3, power_mw=0.0)],
            "'b' is u4 x u3 but 'a' is u4 x u4",
        ),
        ([make("a"), make("b", 0.1, 255, x_signed=True, w_signed=True)], "'b' is s4 x s4 but 'a' is u4 x u4"),
    ],
)
def test_refuses(items: list[Multiplier], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MultiplierLibrary(items)
