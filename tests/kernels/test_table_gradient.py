"""Slopes of a table against loops written from the definition, and the sums of slopes against one lookup per product."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.kernels import (
    TableGradient,
    _slope_sums,
    activation_slope_sums,
    smoothed,
    table_gradient,
    weight_slope_sums,
)
from dse.operands import FORMATS, OperandFormat

formats = pytest.mark.parametrize("name", FORMATS)
windows = pytest.mark.parametrize("window", [1, 2, 16, 127])


def random_table(operands: OperandFormat) -> NDArray[np.int32]:
    shape = (256, 2**operands.w_bits)
    return np.random.default_rng(3).integers(-70_000, 70_000, shape).astype(np.int32)


def reflected(line: list[int], place: int) -> int:
    """Return the entry of a line at any place: beyond its ends by point reflection."""
    last = len(line) - 1
    if place < 0:
        return 2 * line[0] - line[-place]
    return 2 * line[last] - line[2 * last - place] if place > last else line[place]


def mean_around(line: list[int], place: int, window: int) -> float:
    return sum(reflected(line, i) for i in range(place - window, place + window + 1)) / (2 * window + 1)


def slope(line: list[int], place: int, window: int) -> float:
    """Return the central difference of the smoothed line, whose ends continue by point reflection as well."""
    if place == 0:
        return mean_around(line, 1, window) - mean_around(line, 0, window)
    if place == len(line) - 1:
        return mean_around(line, place, window) - mean_around(line, place - 1, window)
    return (mean_around(line, place + 1, window) - mean_around(line, place - 1, window)) / 2


def gradient(operands: OperandFormat, table: NDArray[np.int32], window: int) -> TableGradient:
    return table_gradient(table, operands.x_values, operands.w_values, window=window)


@windows
@formats
def test_exact_table_has_the_other_operand_as_its_slope(name: str, window: int) -> None:
    operands = FORMATS[name]
    slopes = gradient(operands, operands.exact, window)
    x = operands.x_values >= operands.x_low
    w = operands.w_values >= operands.w_low
    assert all(array.dtype == np.float32 for array in vars(slopes).values())
    assert (slopes.x2d[:, w] == operands.w_values[w]).all() and (slopes.x1d[w] == operands.w_values[w]).all()
    assert (slopes.w2d[x] == operands.x_values[x][:, None]).all() and (slopes.w1d[x] == operands.x_values[x]).all()


@formats
@pytest.mark.parametrize("window", [1, 16])
def test_slopes_equal_the_definition(name: str, window: int) -> None:
    operands, places = FORMATS[name], np.random.default_rng(0)
    table = random_table(operands)
    slopes = gradient(operands, table, window)
    x_range, w_range = range(operands.x_low, operands.x_high + 1), range(operands.w_low, operands.w_high + 1)
    columns = 2**operands.w_bits
    for w_value in places.choice(w_range, 3):
        line = [int(table[x % 256, w_value % columns]) for x in x_range]
        expected = [slope(line, i, window) for i in range(len(line))]
        got = slopes.x2d[[x % 256 for x in x_range], w_value % columns]
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-3)
        assert slopes.x1d[w_value % columns] == pytest.approx(np.mean(expected), rel=1e-6, abs=1e-3)
    for x_value in places.choice(x_range, 3):
        line = [int(table[x_value % 256, w % columns]) for w in w_range]
        expected = [slope(line, i, window) for i in range(len(line))]
        got = slopes.w2d[x_value % 256, [w % columns for w in w_range]]
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-3)
        assert slopes.w1d[x_value % 256] == pytest.approx(np.mean(expected), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("name", ["sm8", "s8"])
def test_a_code_that_is_never_produced_changes_nothing(name: str) -> None:
    operands = FORMATS[name]
    table = random_table(operands)
    before = gradient(operands, table, 16)
    lowest = 2 ** (operands.w_bits - 1)
    table[:, lowest] = 2**30
    if operands.x_low < 0:
        table[128] = 2**30
    after = gradient(operands, table, 16)
    keep_x = np.arange(256) if operands.x_low >= 0 else np.delete(np.arange(256), 128)
    keep_w = np.delete(np.arange(2**operands.w_bits), lowest)
    assert np.array_equal(before.x2d[np.ix_(keep_x, keep_w)], after.x2d[np.ix_(keep_x, keep_w)])
    assert np.array_equal(before.w2d[np.ix_(keep_x, keep_w)], after.w2d[np.ix_(keep_x, keep_w)])
    assert np.array_equal(before.x1d[keep_w], after.x1d[keep_w]) and np.array_equal(before.w1d[keep_x], after.w1d[keep_x])
    assert np.array_equal(after.w2d[keep_x, lowest], after.w2d[keep_x, lowest + 1])  # its neighbour's slope


def test_smoothing_turns_steps_into_slopes() -> None:
    """A multiplier that drops the activation's four low bits has slope 0 almost everywhere, and its average has not."""
    operands = FORMATS["u8"]
    stairs = (operands.x_values[:, None] // 16 * 16 * operands.w_values).astype(np.int32)
    slopes = gradient(operands, stairs, 16)
    assert (np.diff(stairs, axis=0)[:14] == 0).all()
    assert (np.abs(slopes.x2d[20:-20, 1:] / operands.w_values[1:] - 1) < 0.5).all()
    assert np.abs(slopes.x1d[1:] / operands.w_values[1:] - 1).max() < 0.06
    assert np.array_equal(slopes.w2d, stairs[:, 1:2].repeat(256, 1))  # along the weight it is a straight line


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("window", [1, 3])
def test_smoothed_equals_the_definition(axis: int, window: int) -> None:
    table = np.random.default_rng(0).integers(-9, 9, (7, 9))
    result = smoothed(table, window, axis)
    lines = table.T if axis == 0 else table
    expected = np.array([[mean_around(line.tolist(), i, window) for i in range(len(line))] for line in lines])
    assert result.shape == table.shape and result.dtype == np.float64
    assert np.allclose(result, expected.T if axis == 0 else expected)
    inside = lines[:, : 2 * window + 1].mean(1)  # where the window lies inside, nothing but a mean
    assert np.allclose((result.T if axis == 0 else result)[:, window], inside)


@pytest.mark.parametrize("window", [-1, 0, 128, 1000])
def test_refuses_a_window_that_does_not_fit(window: int) -> None:
    with pytest.raises(InputError, match=rf"^window: expected 1..127, .*got {window}$"):
        gradient(FORMATS["u8"], FORMATS["u8"].exact, window)


@pytest.mark.parametrize("shape", [(256, 256), (128, 512), (512, 256)])
def test_refuses_a_table_of_another_shape(shape: tuple[int, int]) -> None:
    operands = FORMATS["sm8"]
    with pytest.raises(InputError, match=r"^table: expected shape \(256, 512\)"):
        gradient(operands, np.zeros(shape, dtype=np.int32), 16)


@pytest.mark.parametrize("block", [1, 2**10, 2**22])
@pytest.mark.parametrize("sizes", [(5, 1, 3, 4), (7, 3, 2, 5), (1, 1, 1, 1), (2, 4, 1, 3), (0, 1, 3, 4), (3, 1, 0, 2)])
def test_sums_of_slopes_equal_one_lookup_per_product(
    sizes: tuple[int, int, int, int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, groups, depth, columns = sizes
    monkeypatch.setattr(_slope_sums, "_BLOCK", block)
    draw = torch.Generator().manual_seed(0)
    grad = torch.randn(rows, groups, columns, generator=draw)
    x = torch.randint(0, 256, (rows, groups, depth), generator=draw).to(torch.uint8)
    w = torch.randint(0, 512, (groups, depth, columns), generator=draw).to(torch.int16)
    slopes = torch.randn(256, 512, generator=draw)
    products = slopes[x.long()[..., None], w.long()[None]] * grad[:, :, None]  # (M, G, K, N)
    to_x, to_w = activation_slope_sums(grad, x, w, slopes), weight_slope_sums(grad, x, w, slopes)
    assert to_x.dtype == to_w.dtype == torch.float32
    torch.testing.assert_close(to_x, products.sum(-1))
    torch.testing.assert_close(to_w, products.sum(0))
