"""Slopes of a table against loops written from the definition, and the sums of slopes against one lookup per product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels import (
    ENGINE_VARIABLE,
    TableGradient,
    _native,
    _native_slopes,
    _slope_sums,
    activation_slope_sums,
    instruction_sets,
    smoothed,
    table_gradient,
    use_instruction_set,
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
    assert np.array_equal(before.x1d[keep_w], after.x1d[keep_w]) and np.array_equal(
        before.w1d[keep_x], after.w1d[keep_x]
    )
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


# windows (B, H, W, G, P, Q, N), reduction indices, and how windows overlap: next taps lie so many positions further
SUMS = {
    "one of everything": ((1, 1, 1, 1, 1, 1, 1), 1, (1, 1)),
    "linear": ((5, 1, 1, 1, 1, 1, 4), 3, (1, 1)),
    "3 x 3": ((2, 4, 5, 1, 3, 3, 7), 5, (1, 1)),
    "wide": ((3, 3, 3, 1, 3, 3, 64), 6, (1, 1)),
    "dilated": ((2, 3, 4, 1, 2, 3, 5), 4, (2, 3)),
    "groups": ((2, 3, 4, 3, 3, 2, 17), 9, (1, 1)),
    "depthwise": ((2, 6, 5, 8, 3, 3, 1), 1, (1, 1)),
    "many positions": ((3, 32, 31, 1, 1, 1, 2), 2, (1, 1)),
    "no images": ((0, 4, 5, 1, 3, 3, 7), 5, (1, 1)),
    "no activations": ((2, 4, 5, 1, 3, 3, 7), 0, (1, 1)),
}


def windows_of(sizes: tuple[int, ...], gaps: tuple[int, int]) -> Tensor:
    """Return overlapping windows of a random gradient."""
    images, down, across, groups, p, q, columns = sizes
    channels = groups * columns
    height, width = down + (p - 1) * gaps[0], across + (q - 1) * gaps[1]
    grad = torch.randn(images, height, width, channels, generator=torch.Generator().manual_seed(1))
    image, row, column = height * width * channels, width * channels, channels
    return grad.as_strided(sizes, (image, row, column, columns, row * gaps[0], column * gaps[1], 1))


@pytest.fixture(params=[*instruction_sets(), "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Form sums by one instruction set of the compiled engine, or by plain torch."""
    if request.param == "torch":
        monkeypatch.setenv(ENGINE_VARIABLE, "torch")
    else:
        use_instruction_set(request.param)
    yield request.param
    use_instruction_set(None)


def both_sums(grad: Tensor, x: Tensor, w: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums for activations (B, H, W, G, K) and for weights, from codes (B, G, K, H, W)."""
    to_x = torch.full(x.shape, torch.nan).permute(0, 3, 4, 1, 2)
    x = x.permute(0, 3, 4, 1, 2)
    activation_slope_sums(grad, x, w, slopes, out=to_x)
    return to_x, weight_slope_sums(grad, x, w, slopes)


@pytest.mark.parametrize(("sizes", "depth", "gaps"), SUMS.values(), ids=SUMS)
@pytest.mark.parametrize("block", [1, 2**22])
def test_sums_of_slopes_equal_one_lookup_per_product(
    sizes: tuple[int, ...], depth: int, gaps: tuple[int, int], block: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_slope_sums, "_BLOCK", block)
    monkeypatch.setattr(_slope_sums, "_CHUNK", block)
    draw = torch.Generator().manual_seed(0)
    grad = windows_of(sizes, gaps)
    images, down, across, groups, *taps = sizes
    x = torch.randint(0, 256, (images, groups, depth, down, across), generator=draw).to(torch.uint8)
    w = torch.randint(0, 512, (groups, depth, int(np.prod(taps))), generator=draw)
    slopes = torch.randn(256, 512, generator=draw)
    rows = grad.reshape(images * down * across, groups, 1, w.shape[2])
    by_row = x.permute(0, 3, 4, 1, 2).reshape(images * down * across, groups, depth)
    products = (slopes[by_row.long()[..., None], w[None]] * rows).double()  # (M, G, K, T)
    to_x, to_w = both_sums(grad, x, w, slopes)
    assert to_w.dtype == torch.float32
    torch.testing.assert_close(to_x.reshape(by_row.shape).double(), products.sum(-1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(to_w.double(), products.sum(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_sums_of_slopes_do_not_depend_on_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native_slopes, "threads_for", lambda products: threads)
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (3, 1, 7, 9, 9), generator=draw).to(torch.uint8)
    w = torch.randint(0, 256, (1, 7, 9 * 20), generator=draw)
    operands = windows_of((3, 9, 9, 1, 3, 3, 20), (1, 1)), x, w, torch.randn(256, 256, generator=draw)
    sums = both_sums(*operands)
    monkeypatch.setattr(_native_slopes, "threads_for", lambda products: 1)
    assert all(map(torch.equal, sums, both_sums(*operands)))


def operands(**changes: Tensor) -> dict[str, Tensor]:
    """Return operands of 2 images, 3 x 3 positions, 4 activations and 2 x 2 taps of 5 columns, some replaced."""
    x = torch.zeros(2, 1, 4, 3, 3, dtype=torch.uint8).permute(0, 3, 4, 1, 2)
    parts = {"grad": windows_of((2, 3, 3, 1, 2, 2, 5), (1, 1)), "x_codes": x, "slopes": torch.zeros(256, 16)}
    return parts | {"w_codes": torch.zeros(1, 4, 20, dtype=torch.int16)} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grad": torch.zeros(2, 3, 3, 1, 5)}, "7, 5, 3 and 2 dimensions"),
        ({"x_codes": torch.zeros(2, 3, 3, 1, 3, dtype=torch.uint8)}, r"expected codes \(2, 3, 3, 1, 4\)"),
        ({"x_codes": torch.zeros(2, 3, 3, 1, 4)}, "float32, uint8 and float32"),
        ({"w_codes": torch.zeros(1, 4, 19, dtype=torch.int16)}, r"and \(1, 4, 20\)"),
        ({"w_codes": torch.full((1, 4, 20), 16)}, "more than every weight code"),
        ({"w_codes": torch.full((1, 4, 20), -1)}, "more than every weight code"),
        ({"slopes": torch.zeros(255, 16)}, "expected slopes"),
        ({"slopes": torch.zeros(256, 16, dtype=torch.float64)}, "float32, uint8 and float32"),
    ],
)
def test_refuses_operands_that_do_not_fit(changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        weight_slope_sums(**operands(**changes))


@pytest.mark.parametrize("out", [torch.zeros(2, 3, 3, 1, 4), torch.zeros(1), torch.zeros(2, 3, 3, 1, 4).double()])
def test_refuses_another_place_for_the_sums(out: Tensor) -> None:
    with pytest.raises(InputError, match="strides of x_codes"):
        activation_slope_sums(**operands(), out=out)


LAYOUTS = {
    "groups and reduction indices exchanged": lambda x: x.transpose(3, 4).contiguous().transpose(3, 4),
    "contiguous": lambda x: x.contiguous(),
    "cut from more": lambda x: torch.cat([x, x, x], 4)[..., : x.shape[4]],
    "every other": lambda x: x.repeat_interleave(2, 4)[..., ::2],
    "one image over and over": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("groups", "depth"), [(2, 4), (2, 1), (1, 4)])
def test_codes_laid_out_in_any_way(layout: Callable[[Tensor], Tensor], groups: int, depth: int) -> None:
    draw = torch.Generator().manual_seed(0)
    grad = windows_of((3, 4, 5, groups, 2, 2, 5), (1, 1))
    x = layout(torch.randint(0, 256, (3, 4, 5, groups, depth), generator=draw).to(torch.uint8))
    w = torch.randint(0, 256, (groups, depth, 20), generator=draw)
    slopes = torch.randn(256, 256, generator=draw)
    products = slopes[x.long()[..., None], w] * grad.flatten(4)[..., None, :]  # (B, H, W, G, K, T)
    torch.testing.assert_close(weight_slope_sums(grad, x, w, slopes), products.sum((0, 1, 2)), rtol=1e-4, atol=1e-4)
    whole = torch.full((max(1, 3 * int(x.stride(0)) + 4 * max(map(int, x.stride())) * 5),), torch.nan)
    out = whole.as_strided(x.shape, x.stride())
    if 0 in x.stride():
        with pytest.raises(RuntimeError):
            activation_slope_sums(grad, x, w, slopes, out=out)
        return
    activation_slope_sums(grad, x, w, slopes, out=out)
    torch.testing.assert_close(out, products.sum(-1), rtol=1e-4, atol=1e-4)
    written = torch.zeros_like(whole, dtype=torch.bool)
    written.as_strided(x.shape, x.stride()).fill_(True)
    assert whole[~written].isnan().all()


@pytest.mark.parametrize("way_of_grad", ["every other", "expanded", "channels first"])
def test_gradients_laid_out_in_any_way(way_of_grad: str) -> None:
    sizes, draw = (2, 4, 5, 1, 2, 2, 6), torch.Generator().manual_seed(0)
    dense = windows_of(sizes, (1, 1)).contiguous()
    grad = {
        "every other": dense.repeat_interleave(2, 6)[..., ::2],
        "expanded": dense[..., :1].expand(sizes),
        "channels first": dense.movedim(6, 1).contiguous().movedim(1, 6),
    }[way_of_grad]
    x = torch.randint(0, 256, (2, 1, 3, 4, 5), generator=draw).to(torch.uint8)
    w, slopes = torch.randint(0, 256, (1, 3, 24), generator=draw), torch.randn(256, 256, generator=draw)
    for got, wanted in zip(both_sums(grad, x, w, slopes), both_sums(grad.contiguous(), x, w, slopes), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("cache", "expected"), [(0, 2**18), (2**16, 2**17), (2**20, 2**18), (2**24, 2**19)])
def test_rows_take_a_quarter_of_the_cache(cache: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(dse_cache_bytes=lambda: cache)
    monkeypatch.setattr(_native, "native_library", lambda: library)
    assert _native._table_bytes.__wrapped__() == expected
