"""Run every function of the compiled engine on numpy arrays, whose ends a sanitiser watches. Called by test_sanitized.py.

Usage: python sanitized.py BINDING.py LIBRARY. Imports no torch, which is not built for sanitisers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def main(binding_file: str, library_file: str) -> None:
    spec = importlib.util.spec_from_file_location("binding", binding_file)
    assert spec and spec.loader
    binding = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(binding)
    library = binding.open_library(Path(library_file))
    rng = np.random.default_rng(0)
    for level in range(library.dse_levels()):
        for shape in itertools.product((1, 7, 9, 67), (1, 2), (1, 5, 40), (1, 8, 9, 17, 33)):
            check_product(binding, library, level, rng, *shape)
        for geometry in itertools.product((1, 3, 11), (1, 3), (1, 3, 4), (1, 2), (1, 2)):
            check_depthwise(binding, library, level, rng, *geometry)
        for size in itertools.product((1, 3), (1, 2), (1, 5, 70), (1, 8, 9, 4100), (0, 1)):
            check_quantize(binding, library, level, rng, *size)
        for sizes in itertools.product((1, 3), (1, 2), (1, 5), (1, 3), (1, 7, 16, 70, 200)):
            check_slopes(binding, library, level, rng, *sizes)
    print("clean")


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def aligned(size: int) -> tuple[np.ndarray, int]:
    """Return scratch whose last byte is the buffer's, as near as the alignment allows, and where it begins."""
    size = -(-size // 64) * 64
    buffer = np.empty(size + 64, np.uint8)
    start = address(buffer) + -address(buffer) % 64
    return buffer, start


def operands(
    binding: ModuleType, library: Any, level: int, rng: Any, groups: int, depth: int, columns: int, keep: list
) -> Any:
    """Return a job with a random table and weights; `keep` holds the arrays it points to."""
    table = rng.integers(-25000, 37001, (16, 32)).astype(np.int32)  # spans 62,000: a slope of 200 still fits
    lowest = table.min(0)
    strips = np.ascontiguousarray((table - lowest - library.dse_shift(level)).T.astype(np.int16))
    w = rng.integers(0, 32, (groups, depth, columns)).astype(np.int16)
    keep += [table, lowest, strips, w]
    job = binding.Job(strips=address(strips), table=address(table), lowest=address(lowest), w=address(w))
    job.levels, job.w_levels, job.groups, job.depth, job.columns = 16, 32, groups, depth, columns
    return job


def check_product(
    binding: ModuleType, library: Any, level: int, rng: Any, rows: int, groups: int, depth: int, columns: int
) -> None:
    keep: list[np.ndarray] = []
    job = operands(binding, library, level, rng, groups, depth, columns, keep)
    table, lowest, _, w = keep[:4]
    x = rng.integers(0, 16, (rows, groups, depth)).astype(np.uint8)
    tap = np.arange(depth, dtype=np.int64)
    expected = np.stack([table.astype(np.int64)[x[:, g, :, None], w[g][None]].sum(1) for g in range(groups)], 1)
    job.x, job.tap, job.images, job.positions = address(x), address(tap), 1, rows
    job.position_stride, job.group_stride = groups * depth, depth
    job.out_position, job.out_column = groups * columns, 1

    offset = lowest[w].sum(1).astype(np.int32)
    out = np.zeros((rows, groups, columns), np.int32)
    job.offset, job.out, job.block = address(offset), address(out), 8
    job.table_bytes = 3000  # two or three reduction indices at a time
    buffer, memory = aligned(library.dse_scratch_bytes(ctypes.byref(job)))
    library.dse_sum(ctypes.byref(job), level, 0, library.dse_units(ctypes.byref(job), level), memory)
    assert np.array_equal(out, expected), (level, rows, groups, depth, columns)

    laid_out, job.rows = aligned(library.dse_row_bytes(ctypes.byref(job), level))
    library.dse_lay_out(ctypes.byref(job), level, 0, library.dse_tiles(ctypes.byref(job), level))
    out[:] = 0
    library.dse_sum(ctypes.byref(job), level, 0, library.dse_units(ctypes.byref(job), level), memory)
    assert np.array_equal(out, expected)
    job.rows = None

    wide, nothing = np.zeros((rows, groups, columns), np.int64), np.zeros((groups, columns), np.int32)
    job.offset, job.out, job.wide = address(nothing), address(wide), 1
    library.dse_sum_directly(ctypes.byref(job), 0, rows)
    assert np.array_equal(wide, expected)

    slope = rng.integers(0, 200, (groups, columns)).astype(np.int32)
    base = np.zeros((groups, depth, columns), np.int32)
    job.slope = address(slope)
    widest = library.dse_spans(ctypes.byref(job), address(base))
    job.base, job.wide, job.out = address(base), 0, address(out)
    offset = base.sum(1).astype(np.int32)
    job.offset = address(offset)
    library.dse_sum(ctypes.byref(job), level, 0, library.dse_units(ctypes.byref(job), level), memory)
    if widest <= 65535:
        off = slope.astype(np.int64) * x.sum(2, dtype=np.int64)[:, :, None]
        assert np.array_equal(out, expected - off)
    del buffer, laid_out


def check_depthwise(
    binding: ModuleType,
    library: Any,
    level: int,
    rng: Any,
    size: int,
    images: int,
    kernel: int,
    stride: int,
    dilation: int,
) -> None:
    keep: list[np.ndarray] = []
    groups, height = 3, (size - 1) * stride + dilation * (kernel - 1) + 1
    job = operands(binding, library, level, rng, groups, kernel * kernel, 1, keep)
    table, _, _, w = keep[:4]
    x = rng.integers(0, 16, (images, groups, height, height)).astype(np.uint8)
    offset, scale = rng.integers(-9, 9, groups).astype(np.int32), rng.random(groups).astype(np.float32)
    out = np.zeros((images, groups, size, size), np.float32)
    job.x, job.images, job.image_stride, job.group_stride = address(x), images, groups * height**2, height**2
    job.offset, job.scale, job.out, job.positions = address(offset), address(scale), address(out), size * size
    job.out_image, job.out_position, job.out_column = groups * size**2, 1, size**2
    windows = binding.Windows(size, size, height, kernel, kernel, stride, stride, dilation, dilation)
    buffer, memory = aligned(library.dse_depthwise_bytes(ctypes.byref(job), ctypes.byref(windows)))
    library.dse_depthwise(ctypes.byref(job), ctypes.byref(windows), level, 0, groups, memory)
    expected = np.zeros((images, groups, size, size), np.int64)
    for i, j in itertools.product(range(kernel), repeat=2):
        end = (size - 1) * stride + 1
        window = x[:, :, i * dilation : i * dilation + end : stride, j * dilation : j * dilation + end : stride]
        expected += table[window, w[:, i * kernel + j, 0][None, :, None, None]]
    expected = (expected + offset[None, :, None, None]).astype(np.float32) * scale[None, :, None, None]
    assert np.array_equal(out, expected)
    del buffer


def check_quantize(
    binding: ModuleType,
    library: Any,
    level: int,
    rng: Any,
    images: int,
    channels: int,
    height: int,
    width: int,
    pad: int,
) -> None:
    x = (rng.normal(size=(images, channels, height, width)) * 100).astype(np.float32)
    for array in (x, np.asfortranarray(x)):
        codes = np.zeros((images, channels, height + 2 * pad, width + 2 * pad), np.uint8)
        strides = [step // 4 for step in array.strides]
        planes = binding.Planes(
            address(array), channels, height, width, *strides, pad, pad, pad, pad, 0.5, 3, 0, 255, address(codes)
        )
        library.dse_quantize(ctypes.byref(planes), level, 0, images)
        values = np.pad(np.rint(x / np.float32(0.5)) + 3, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=3)
        assert np.array_equal(codes, values.clip(0, 255).astype(np.uint8))


def check_slopes(
    binding: ModuleType, library: Any, level: int, rng: Any, images: int, groups: int, depth: int, taps: int, columns: int
) -> None:
    positions, levels, w_levels = 5, 16, 32
    grad = rng.normal(size=(images, positions + taps - 1, groups, columns)).astype(np.float32)
    x = rng.integers(0, levels, (images, groups, depth, positions)).astype(np.uint8)
    w = rng.integers(0, w_levels, (groups, depth, taps, columns)).astype(np.int16)
    slopes = rng.normal(size=(levels, w_levels)).astype(np.float32)
    pixel = np.arange(positions)
    position, piece = pixel * groups * columns, np.arange(taps) * groups * columns
    to_x, to_w = np.full(x.shape, np.nan, np.float32), np.zeros(w.shape, np.float32)
    job = binding.Slopes(grad=address(grad), position=address(position), piece=address(piece), pixel=address(pixel))
    job.images, job.positions, job.image_stride, job.group_stride = images, positions, grad[0].size, columns
    job.pieces, job.length, job.x, job.x_image, job.plane = taps, columns, address(x), x[0].size, positions
    job.w, job.slopes, job.levels, job.w_levels = address(w), address(slopes), levels, w_levels
    job.groups, job.depth, job.out = groups, depth, address(to_x)
    buffer, memory = aligned(library.dse_slope_bytes(ctypes.byref(job)))
    library.dse_activation_slopes(ctypes.byref(job), level, 0, images * positions, memory)
    job.out = address(to_w)
    library.dse_weight_slopes(ctypes.byref(job), level, 0, library.dse_weight_units(ctypes.byref(job)), memory)

    rows = np.stack([grad[:, p : p + taps] for p in range(positions)], 1)  # (B, positions, taps, G, N)
    each = slopes[x[:, :, :, :, None, None], w[None, :, :, None]] * rows.transpose(0, 3, 1, 2, 4)[:, :, None]
    assert np.allclose(to_x, each.sum((4, 5)), rtol=1e-4, atol=1e-4)
    assert np.allclose(to_w, each.sum((0, 3)), rtol=1e-4, atol=1e-4)
    del buffer


if __name__ == "__main__":
    main(*sys.argv[1:])
