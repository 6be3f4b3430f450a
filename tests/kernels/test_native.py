"""The compiled engine: every instruction set, whole layers from real inputs to real outputs, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.kernels import (
    ENGINES,
    Geometry,
    InputCodes,
    LutProduct,
    LutTable,
    NativeLayer,
    Operands,
    Output,
    instruction_sets,
    use_instruction_set,
)
from dse.nn.quantizers import ActivationQuantizer
from dse.operands import FORMATS
from tests.kernels.products import KINDS, by_indexing, code_tensor, random_table, table_tensor

pytestmark = pytest.mark.skipif(ENGINES["native"].missing() is not None, reason="the compiled engine is not built")


@pytest.fixture(params=instruction_sets())
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    use_instruction_set(request.param)
    yield request.param
    use_instruction_set(None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "groups", "depth", "columns"),
    [
        (1, 1, 1, 1),
        (63, 2, 5, 3),
        (64, 1, 300, 8),
        (65, 1, 7, 9),
        (200, 3, 11, 17),
        (9000, 1, 20, 40),
        (150, 1, 9, 100),
    ],
)
def test_every_instruction_set(instructions: str, kind: str, rows: int, groups: int, depth: int, columns: int) -> None:
    rng = np.random.default_rng(depth)
    lut = random_table(rng, kind, (256, 512))
    x, w = rng.integers(0, 256, (rows, groups, depth)), rng.integers(0, 512, (groups, depth, columns))
    x[0], x[-1] = 0, 255
    product = LutProduct(code_tensor(w, 9), table_tensor(lut), engine="native")
    for _ in range(3):  # rows are kept from the second call on
        assert np.array_equal(product(code_tensor(x, 8)).numpy(), by_indexing(x, w, lut))


def test_rows_are_kept_for_few_positions_only() -> None:
    lut = table_tensor(random_table(np.random.default_rng(0), "edge", (256, 512)))
    product = LutProduct(torch.zeros(1, 9, 33, dtype=torch.uint8), lut, engine="native")
    codes = 9 * 33 * 2
    for rows, kept in ((10_000, False), (10_000, False), (100, False), (100, True), (10_000, True)):
        product(torch.zeros(rows, 1, 9, dtype=torch.uint8))
        assert (product.nbytes > codes + 9 * 33 * 512) == kept


def test_longest_sums_of_extreme_entries(instructions: str) -> None:
    """65,535 in every lane, summed until the true sum just fits int32: nothing may carry into a neighbour."""
    lut = torch.zeros(256, 4, dtype=torch.int32)
    lut[1:, 1:] = 65535
    depth = (2**31 - 1) // 65535
    w = torch.tensor([1, 0, 3] * 11, dtype=torch.uint8).repeat(1, depth, 1)
    x = torch.ones(70, 1, depth, dtype=torch.uint8)
    x[3] = 0
    x[4, :, 1::2] = 0
    out = LutProduct(w, lut, engine="native")(x)
    assert out.dtype == torch.int32
    for row, count in ((0, depth), (3, 0), (4, -(-depth // 2))):
        assert out[row, 0].tolist() == [65535 * count, 0, 65535 * count] * 11


def layer_by_definition(
    x: Tensor, conv: nn.Conv2d, lut: Tensor, w: Tensor, slope: Tensor | None, codes: InputCodes, output: Output
) -> Tensor:
    """Return what a layer gives by unfolding and indexing: `w` (G, K, N) with K over channels, then taps."""
    values = (torch.round(x / torch.tensor(codes.scale)) + codes.zero).clamp(codes.low, codes.high)
    (ph, pw), groups = conv.padding, conv.groups
    padded = F.pad(values, (pw, pw, ph, ph), value=codes.zero)
    patches = F.unfold(padded, conv.kernel_size, conv.dilation, 0, conv.stride)  # (B, C taps, P)
    batch, _, positions = patches.shape
    per_group, taps = x.shape[1] // groups, conv.kernel_size[0] * conv.kernel_size[1]
    patches = patches.reshape(batch, groups, per_group * taps, positions).permute(0, 3, 1, 2)
    patches = patches.reshape(batch * positions, groups, taps * per_group).long() % 256
    sums = torch.from_numpy(by_indexing(patches.numpy(), w.numpy(), lut.numpy()))
    if slope is not None:
        sums = sums - slope.long() * patches.sum(-1, keepdim=True)
    y = (sums + output.constant.long()).float() * output.scale
    height = (padded.shape[2] - conv.dilation[0] * (conv.kernel_size[0] - 1) - 1) // conv.stride[0] + 1
    return y.reshape(batch, height, positions // height, groups * w.shape[2]).permute(0, 3, 1, 2)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=150, deadline=None)
@given(
    batch=st.integers(0, 3),
    groups=st.integers(1, 3),
    per_group=st.integers(1, 3),
    columns=st.integers(1, 20),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    stride=pairs,
    dilation=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    sloped=st.booleans(),
    signed=st.booleans(),
    channels_last=st.booleans(),
    level=st.sampled_from(instruction_sets() or ("none",)),
    threads=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_whole_layers(
    batch: int, groups: int, per_group: int, columns: int, kernel: tuple[int, int], stride: tuple[int, int],
    dilation: tuple[int, int], padding: tuple[int, int], extra: tuple[int, int], sloped: bool, signed: bool,
    channels_last: bool, level: str, threads: int, seed: int,
) -> None:  # fmt: skip
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    if seed % 3 == 0:
        per_group = columns = 1  # depthwise
    height, width = (
        max(1, d * (k - 1) + 1 - 2 * p) + e for k, d, p, e in zip(kernel, dilation, padding, extra, strict=True)
    )
    conv = nn.Conv2d(groups * per_group, groups * columns, kernel, stride, padding, dilation, groups)
    x = torch.randn(batch, groups * per_group, height, width, generator=generator)
    x.flatten()[:: max(1, x.numel() // 3)] = 0.5  # halfway between two codes
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    depth = kernel[0] * kernel[1] * per_group
    lut = table_tensor(random_table(rng, "products" if seed % 2 else "edge", (256, 512)))
    if sloped and seed % 5:  # near enough to products of bytes for their columns to fit 16 bits after the slope
        lut = table_tensor(np.multiply.outer(np.arange(256), np.arange(512)) + rng.integers(0, 200, (256, 512)))
    w = torch.from_numpy(rng.integers(0, 256 if sloped else 512, (groups, depth, columns)))
    slope = (
        torch.from_numpy(rng.integers(0, 256, (groups, columns)).astype(np.int32)) if sloped and not signed else None
    )
    codes = InputCodes(1 / 64, 0, -127, 127) if signed else InputCodes(1 / 64, 100, 0, 255)
    constant = torch.from_numpy(rng.integers(-(2**20), 2**20, (groups, columns)))
    output = Output(constant, torch.rand(groups, columns, generator=generator))
    native = NativeLayer(
        Operands(LutTable(lut), w, slope), codes, output,
        Geometry(kernel, stride, dilation, (padding[1], padding[1], padding[0], padding[0])),
    )  # fmt: skip
    before = torch.get_num_threads()
    use_instruction_set(level)
    torch.set_num_threads(threads)
    try:
        results = [native.conv2d(x) for _ in range(3)]  # rows are kept from the second call on
    finally:
        use_instruction_set(None)
        torch.set_num_threads(before)
    expected = layer_by_definition(x, conv, lut, w, slope, codes, output)
    few = y_positions(results[0]) < 64
    assert few or not (sloped and not signed and seed % 5) or native._operands.fits  # rows were summed, and not entries
    for y in results:
        assert y.is_contiguous() and y.shape == expected.shape and torch.equal(y, expected)


def y_positions(y: Tensor) -> int:
    return y.shape[0] * y.shape[2] * y.shape[3]


@pytest.mark.parametrize("rows", [1, 64, 200])
def test_weights_are_a_copy(rows: int) -> None:
    lut = torch.arange(256, dtype=torch.int32).view(16, 16)
    w, x = torch.zeros(1, 4, 3, dtype=torch.int16), torch.ones(rows, 1, 4, dtype=torch.uint8)
    for engine in ("native", "torch", "naive"):
        w.fill_(0)
        product = LutProduct(w, lut, engine=engine)
        w.fill_(30000)
        assert product(x).unique().tolist() == [64]


@pytest.mark.parametrize(
    ("w", "slope", "scale", "levels", "message"),
    [
        (4, None, (1, 3), 256, "w_codes: expected codes in 0..3"),
        (-1, None, (1, 3), 256, "w_codes: expected codes in 0..3"),
        (3, (1, 1), (1, 3), 256, r"slope: expected \(1, 3\)"),
        (3, None, (1, 1), 256, r"Output.scale: expected \(1, 3\)"),
        (3, None, (1, 3), 16, "expected a table of 256 rows, got 16"),
    ],
)
def test_layers_refuse_what_they_would_read_past(
    w: int, slope: tuple[int, int] | None, scale: tuple[int, int], levels: int, message: str
) -> None:
    table = LutTable(torch.ones(levels, 4, dtype=torch.int32))
    with pytest.raises(InputError, match=message):
        taken = None if slope is None else torch.zeros(slope, dtype=torch.int32)
        operands = Operands(table, torch.full((1, 2, 3), w), taken)
        output = Output(torch.zeros(scale, dtype=torch.int64), torch.ones(scale))
        NativeLayer(operands, InputCodes(1.0, 0, 0, 255), output, Geometry())


def small_layer(kernel: tuple[int, int] = (3, 3), channels: int = 2) -> NativeLayer:
    w = torch.ones(1, channels * kernel[0] * kernel[1], 4, dtype=torch.int64)
    output = Output(torch.zeros(1, 4, dtype=torch.int64), torch.ones(1, 4))
    return NativeLayer(
        Operands(LutTable(torch.ones(256, 4, dtype=torch.int32)), w),
        InputCodes(1.0, 0, 0, 255),
        output,
        Geometry(kernel),
    )


@pytest.mark.parametrize(
    "x", [torch.zeros(1, 3, 5, 5), torch.zeros(2, 5, 5), torch.zeros(1, 2, 5, 5).double(), torch.zeros(1, 2, 2, 9)]
)
def test_images_that_do_not_fit(x: Tensor) -> None:
    with pytest.raises(InputError, match="NativeLayer: expected .* got"):
        small_layer().conv2d(x)


def test_rows_that_do_not_fit() -> None:
    layer = small_layer((1, 1), 6)
    assert layer.linear(torch.zeros(5, 6)).tolist() == [[6.0] * 4] * 5
    assert layer.linear(torch.zeros(0, 6)).shape == (0, 4)
    with pytest.raises(InputError, match=r"expected \(R, 6\) float32"):
        layer.linear(torch.zeros(5, 7))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 0.0035, -0.0035])
@pytest.mark.parametrize("name", ["sm8", "u8", "s8"])
def test_numbers_beyond_all_ranges_get_the_codes_that_torch_gives_them(value: float, name: str) -> None:
    quantizer = ActivationQuantizer(FORMATS[name], -0.007, 0.25)
    codes = InputCodes(float(quantizer.scale), int(quantizer.zero_point), FORMATS[name].x_low, FORMATS[name].x_high)
    table = torch.arange(256, dtype=torch.int32)[:, None].repeat(1, 8)  # the product is the activation's code
    output = Output(torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
    layer = NativeLayer(Operands(LutTable(table), torch.zeros(1, 1, 1, dtype=torch.int64)), codes, output, Geometry())
    x = torch.full((40, 1), value)
    assert torch.equal(layer.linear(x), quantizer.codes(x).float())


def test_threads_of_the_caller_do_not_share_buffers() -> None:
    x = torch.rand(40, 2, 9, 9) * 9
    layers = [small_layer(), small_layer((1, 2)), small_layer((2, 2))] * 4
    expected = [layer.conv2d(x) for layer in layers]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda layer: layer.conv2d(x), layers))
    assert all(map(torch.equal, found, expected))
