"""Trees keep the sum of their columns and leave two bits in each; compressors have their published truth tables."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits import Builder
from dse.circuits.parts import COMPRESSORS, Columns, add_columns, compressor_tree, dadda_tree, wallace_tree
from tests.circuits.models._trees import COMPRESSOR_ERRORS, compressor_values
from tests.circuits.parts.words import table_of

TREES = {
    "dadda": dadda_tree,
    "wallace": wallace_tree,
    "compressors": lambda b, columns: compressor_tree(b, columns, COMPRESSORS["lin"], 0),
}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("seed", range(5))
def test_trees_keep_the_sum(tree: str, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, 6, 30)  # of 30 bits, input bits in turn

    def part(b: Builder, x: list[int], w: list[int]) -> list[int]:
        columns: Columns = [[] for _ in range(12)]
        for bit, place in enumerate(places):
            columns[place].append((x + w)[bit % 8])
        columns = TREES[tree](b, columns)
        assert len(columns) == 12 and max(map(len, columns)) <= 2
        return add_columns(b, columns)

    codes = np.arange(256)
    bits = [*(codes >> (4 + i) & 1 for i in range(4)), *(codes >> i & 1 for i in range(4))]
    expected = sum(bits[i % 8] << int(place) for i, place in enumerate(places))
    np.testing.assert_array_equal(table_of(part, 4, 4).ravel(), expected)


@pytest.mark.parametrize(("bits", "full", "half"), [(4, 3, 3), (8, 35, 7)])
def test_dadda_needs_the_published_number_of_adders(bits: int, full: int, half: int) -> None:
    # n^2 - 4 n + 3 full and n - 1 half adders for an unsigned product of n bits (Townsend, Swartzlander, Abraham 2003).
    counts = {"full": 0, "half": 0}

    class Counting(Builder):
        def full_adder(self, a: int, b: int, c: int) -> tuple[int, int]:
            counts["full"] += 1
            return super().full_adder(a, b, c)

        def half_adder(self, a: int, b: int) -> tuple[int, int]:
            counts["half"] += 1
            return super().half_adder(a, b)

    builder = Counting(bits, bits)
    columns: Columns = [[] for _ in range(2 * bits)]
    for i, x in enumerate(builder.x):
        for j, w in enumerate(builder.w):
            columns[i + j].append(builder.and_(x, w))
    dadda_tree(builder, columns)
    assert (counts["full"], counts["half"] - 2 * counts["full"]) == (full, half)  # a full adder is made of two halves


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressors_have_their_truth_tables(name: str) -> None:
    got = table_of(lambda b, x, w: COMPRESSORS[name](b, x[1], x[0], w[1], w[0]), 2, 2)
    np.testing.assert_array_equal(got.ravel(), compressor_values(name))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("momeni2", 4), ("yang1", 1), ("lin", 1), ("akbari1", 10), ("akbari3", 8), ("akbari4", 5)],
)
def test_truth_tables_have_the_published_number_of_wrong_rows(name: str, wrong: int) -> None:
    # 25 % (Momeni), 62.5, 50 and 31.25 % (Akbari); one row (Yang, Lin).
    assert len(COMPRESSOR_ERRORS[name]) == wrong


def test_venkatachalam_is_never_off_by_more_than_one() -> None:
    assert set(COMPRESSOR_ERRORS["venkatachalam"].values()) == {-1}
