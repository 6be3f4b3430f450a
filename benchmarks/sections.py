"""One function for each question that the benchmark answers; each returns a table."""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from networks import alwann_designs, float_network, quantized_network, random_images
from report import Table
from shapes import LAYERS, PRODUCTS, Shape
from timing import turns
from torch import Tensor, nn

from dse.kernels import ENGINES, LutProduct, LutTable, instruction_sets, use_instruction_set
from dse.kernels._workers import split
from dse.multipliers import builtin, generate
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.datasets import Part
from dse.nn.layers import ApproxLayer
from dse.nn.lut_gradient import simulate_trainable
from dse.nn.training import accuracy
from dse.objectives import Simulator
from dse.operands import operand_format

FORMAT = operand_format("sm8")
HERE = Path(__file__).resolve().parent
NO_GRADIENT = torch.no_grad()


def usable() -> list[str]:
    """Return the engines that run here, the one that needs most memory last; not the Python loop, which would take hours."""
    names = [name for name, engine in ENGINES.items() if engine.missing() is None and name != "naive"]
    return sorted(names, key=lambda name: name == "low-rank")


def approximate_table() -> LutTable:
    """Return the layer table of a truncated array, which every engine takes: its error has integer factors."""
    return LutTable(torch.from_numpy(FORMAT.table(generate("trunc6u"))))


def activation_codes(*shape: int) -> Tensor:
    """Return codes as after a ReLU: half of them 0, the others the upper half of a normal distribution, 5 sigma at 255."""
    return (torch.randn(shape) * 51).clamp(0, 255).to(torch.uint8)


def scalar_loop(x: Tensor, w: Tensor, table: LutTable) -> Callable[[], object]:
    """Compile scalar_loop.c and return a call of it on as many threads as torch uses."""
    library = Path(tempfile.mkdtemp()) / "scalar_loop.so"
    source = str(HERE / "scalar_loop.c")
    subprocess.run(["cc", "-O3", "-march=native", "-fPIC", "-shared", source, "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).scalar_loop
    function.argtypes, function.restype = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 6, None
    by_column, out = w.transpose(1, 2).contiguous(), torch.empty(len(x), *w.shape[::2], dtype=torch.int32)
    pointers = [t.data_ptr() for t in (x, by_column, table.lut, out)]
    sizes = (*w.shape, table.w_levels)

    def run(keep: object = (x, by_column, table, out)) -> Tensor:
        split(len(x), lambda first, last: function(*pointers, first, last, *sizes))
        return out

    return run


def products(quick: bool) -> Table:
    """Engines against the scalar loop on products of codes."""
    table = approximate_table()
    rows: list[tuple[str | float, ...]] = []
    older = "avx2" if "avx2" in instruction_sets()[:-1] else None
    for name, (m, g, k, n) in PRODUCTS.items():
        m = m // 64 if quick else m
        x, w = activation_codes(m, g, k), (torch.randn(g, k, n) * 70).round().clamp(-255, 255).to(torch.int16) % 512
        calls: dict[str, Callable[[], object]] = {"loop": scalar_loop(x, w, table)}
        for engine in usable():
            calls[engine] = partial(LutProduct(w, table, engine=engine), x)
        if older:
            calls[older] = partial(_limited, older, LutProduct(w, table, engine="native"), x)
        results = [torch.as_tensor(call()) for call in calls.values()]
        assert all(torch.equal(result, results[0]) for result in results)
        times = turns(calls, 2 if quick else 5)
        rate = m * g * k * n / 1e9
        faster = (times["loop"] / times[call] for call in list(calls)[1:])
        rows.append((name, f"({m}, {g}, {k}, {n})", rate / times["loop"], *faster))
    about = (
        "How many times faster `lut_matmul` with prepared weights is than a scalar lookup loop in C (`scalar_loop.c`, "
        "`-O3 -march=native`, same threads, same operands, same results); the loop itself in billions of products a second."
    )
    columns = ["layer", "(M, G, K, N)", "loop, 10^9/s", *(f"{name}, times faster" for name in usable())]
    if older:
        about += f" The last column is the compiled engine kept to {older}; the loop keeps all that the processor has."
        columns.append(f"native on {older}, times faster")
    return Table("Products", about, tuple(columns), rows)


def _limited(instructions: str, product: LutProduct, x: Tensor) -> Tensor:
    use_instruction_set(instructions)
    try:
        return product(x)
    finally:
        use_instruction_set(None)


def simulated(shape: Shape, conv: nn.Conv2d, x: Tensor, engine: str | None) -> Callable[[], object]:
    """Return the call of the quantised layer with an approximate multiplier."""
    layer = next(iter(approximable_layers(quantize(nn.Sequential(conv), x)).values()))
    layer.arithmetic = IntegerArithmetic(layer, approximate_table(), engine=engine)
    return partial(_layer_call, layer, x)


def _layer_call(layer: ApproxLayer, x: Tensor) -> Tensor:
    return layer(x)


@NO_GRADIENT
def layers(quick: bool) -> Table:
    """Whole layers, from real input to real output, against torch's convolution."""
    rows: list[tuple[str | float, ...]] = []
    for shape in LAYERS:
        if quick:
            shape = Shape(**{**vars(shape), "batch": 4})
        conv, x = shape.conv(), torch.randn(shape.batch, shape.inputs, shape.size, shape.size).relu()
        last = x.contiguous(memory_format=torch.channels_last)
        conv_last = shape.conv().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        calls: dict[str, Callable[[], object]] = {"float": partial(conv, x), "channels last": partial(conv_last, last)}
        for name in usable():
            calls[name] = simulated(shape, conv, x, name)
        times = turns(calls, 2 if quick else 7)
        rate = shape.products / 1e9
        ratios = [times[name] / times["float"] for name in ("channels last", *usable())]
        rows.append((shape.name, rate / times["float"], *ratios))
    about = (
        "Time of an approximate layer (quantise, products, scale) over that of torch's fp32 `conv2d` on the same images, "
        "both contiguous; torch on channels-last images beside it. The fp32 convolution in billions of products a second."
    )
    columns = ("layer", "fp32, 10^9/s", "fp32 channels last, ratio", *(f"{name}, ratio" for name in usable()))
    return Table("Layers", about, columns, rows)


@NO_GRADIENT
def network(quick: bool) -> Table:
    """Forward pass of a whole network against the float network."""
    rows: list[tuple[str | float, ...]] = []
    for name, batch in (("resnet8", 256), ("resnet20", 256)):
        batch = 8 if quick else batch
        model, x = float_network(name), random_images(batch)
        calls: dict[str, Callable[[], object]] = {"float": partial(model, x)}
        for label, table in (("exact", None), ("approximate", approximate_table())):
            copy = quantized_network(model, x)
            for layer in approximable_layers(copy).values():
                layer.arithmetic = IntegerArithmetic(layer, table)
            calls[label] = partial(copy, x)
        times = turns(calls, 2 if quick else 7)
        memory = [peak_memory(name, batch, kind) for kind in ("float", "approximate")]
        ratios = [times[label] / times["float"] for label in ("exact", "approximate")]
        rows.append((f"{name}, batch {batch}", 1e3 * times["float"], *ratios, memory[0], memory[1] / memory[0]))
    about = (
        "Time of a forward pass with every convolution and the linear layer through a table, over that of the float "
        "network; and the peak memory that the pass needs beyond what was in use before it, each in a process of its own."
    )
    columns = (
        "network",
        "float, ms",
        "8-bit exact, ratio",
        "approximate, ratio",
        "float peak, MiB",
        "approximate peak, ratio",
    )
    return Table("Networks", about, columns, rows)


def peak_memory(name: str, batch: int, kind: str) -> float:
    """Return the MiB that a forward pass needs at its peak, measured in a fresh process."""
    command = [sys.executable, str(HERE / "peak_memory.py"), name, str(batch), kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def side_by_side(quick: bool) -> Table:
    """Two evaluations at once against one alone."""
    network, batch, passes = ("resnet8", 8, 2) if quick else ("resnet8", 256, 12)
    alone = statistics.median(_processes(1, network, batch, passes)[0] for _ in range(1 if quick else 3))
    both = statistics.median(max(_processes(2, network, batch, passes)) for _ in range(1 if quick else 3))
    about = (
        "Seconds that one process needs for some simulated forward passes with all threads, alone and beside another that "
        "does the same at the same time. Sharing the cores fairly doubles the time."
    )
    row = (f"{network}, batch {batch}, {passes} passes", alone, both, both / alone)
    return Table("Side by side", about, ("passes", "alone, s", "two at once, s", "ratio"), [row])


def _processes(count: int, network: str, batch: int, passes: int) -> list[float]:
    command = [sys.executable, str(HERE / "side_by_side.py"), network, str(batch), str(passes)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(count)]  # type: ignore[call-overload]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in running]


@NO_GRADIENT
def population(quick: bool) -> Table:
    """Fifty designs of ResNet-8 evaluated together, one by one, and each from scratch."""
    count, images = (4, 32) if quick else (50, 1000)
    model = quantized_network(float_network("resnet8"), random_images(64))
    part = Part(random_images(images), torch.randint(0, 10, (images,)))
    library = builtin(signed=False)
    tables = [FORMAT.table(multiplier) for multiplier in library]
    names = list(approximable_layers(model))
    rows: list[tuple[str | float, ...]] = []
    for kind, designs in alwann_designs(model, library, count).items():

        def from_scratch(designs: np.ndarray = designs) -> list[float]:
            found = []
            for row in designs:
                simulate(model, {name: tables[m] for name, m in zip(names, row, strict=True)})
                found.append(accuracy(model, part))
            return found

        simulator = Simulator(model, part, tables)

        def one_by_one(designs: np.ndarray = designs, simulator: Simulator = simulator) -> list[float]:
            return [simulator.accuracy(row) for row in designs]

        def together(designs: np.ndarray = designs, simulator: Simulator = simulator) -> list[float]:
            return list(simulator.accuracies(designs))

        calls = {"from scratch": from_scratch, "one by one": one_by_one, "together": together}
        times = turns(calls, 1 if quick else 2)
        ratios = [times["from scratch"] / times[name] for name in ("one by one", "together")]
        rows.append((kind, 60 * len(designs) / times["together"], *ratios))
    about = (
        f"Designs that an ALWANN-style search (population {count}, four tiles) asks for on ResNet-8, {images} images: how "
        "many a minute are evaluated together, and how many times faster that is than setting up and evaluating each from "
        "scratch."
    )
    return Table(
        "Population", about, ("designs", "together, 1/min", "one by one, times faster", "together, times faster"), rows
    )


def training(quick: bool) -> Table:
    """A training step through tables against one of the float network."""
    rows: list[tuple[str | float, ...]] = []
    for name, batch in (("resnet8", 128),):
        batch = 8 if quick else batch
        model, x = float_network(name).train(), random_images(batch)
        y = torch.randint(0, 10, (batch,))
        nets: dict[str, nn.Module] = {"float": model}
        for gradient in ("straight-through", "table-1d", "table-2d"):
            copy = quantized_network(model.eval(), x).train()
            tables = dict.fromkeys(approximable_layers(copy), approximate_table().lut.numpy())
            simulate_trainable(copy, tables, gradient=gradient)
            nets[gradient] = copy
        model.train()
        with NO_GRADIENT:  # without a gradient the three are one
            forward = turns({key: partial(nets[key], x) for key in ("float", "table-1d")}, 2 if quick else 9)
        step = turns({key: partial(_step, net, x, y) for key, net in nets.items()}, 2 if quick else 5)
        slower = forward["table-1d"] / forward["float"]
        for key in list(nets)[1:]:
            both = step[key] / step["float"]
            rows.append((f"{name}, batch {batch}, {key}", 1e3 * step["float"], slower, both, both / slower))
    about = (
        "Forward pass, and forward and backward pass, in training mode through an approximate multiplier, over those of the "
        "float network; and the one slow-down over the other."
    )
    columns = ("training step", "float step, ms", "forward, ratio", "forward and backward, ratio", "second over first")
    return Table("Training", about, columns, rows)


def _step(net: nn.Module, x: Tensor, y: Tensor) -> None:
    net.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()


ALL = (products, layers, network, side_by_side, population, training)
