"""Forward passes that share their first layers, against passes of a network that has never heard of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from dse.nn.convert import approximable_layers, quantize, quantized_layers, simulate
from dse.nn.layers import ApproxLayer
from dse.nn.models import seeded
from dse.objectives._prefix import PrefixMemo
from dse.objectives._prepared import PreparedLayers
from dse.objectives._resume import ResumedPass
from dse.operands import operand_format
from dse.variants import LayerTables
from tests.small import images, library

TABLES = [None if m.is_exact else operand_format("sm8").table(m) for m in library()]
LARGE = 2**30


class Base(nn.Module):
    """Four 3x3 convolutions and a linear layer, to be put together."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.right = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(4, 5)


class Residual(Base):
    """Writes to the outputs of its layers in all the usual ways."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        y = self.relu(self.bn(self.left(x)))
        y = self.right(y)
        y += x
        return self.linear(F.relu_(y).mean((2, 3)))


class Views(Base):
    """Writes to outputs through views, to its input, and to one output after the next layer has read it."""

    def forward(self, x: Tensor) -> Tensor:
        x *= 0.5
        x = self.stem(x)
        y = self.left(x)
        x[:, :2] -= 0.25
        y.flatten()[::3] = 0.125
        z = self.right(x + y)
        x.clamp_(max=0.5)
        return self.linear((x + y + z).mean((2, 3)))


class Shared(Base):
    """Calls one layer three times."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.left(self.relu(self.stem(x)))
        x = self.left(self.relu(x))
        return self.linear(self.left(self.right(x)).mean((2, 3)))


class Branching(Base):
    """Decides by the first layer's output which layer comes next, and whether it comes twice."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if x[0, 0, 0, 0] > 0:
            x = self.left(self.left(x))
        else:
            x = self.relu(self.right(x))
            if x.max() > 1:
                x = self.left(x)
        return self.linear(x.mean((2, 3)))


class Plain(Base):
    """Stem, left, right, linear, with nothing that writes."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.relu(self.right(F.relu(self.left(F.relu(self.stem(x)))))).mean((2, 3)))


NETWORKS = (Residual, Views, Shared, Branching, Plain)


def build(kind: Callable[[], nn.Module], exclude: tuple[str, ...] = ()) -> nn.Module:
    with seeded(4):
        net = kind()
    return quantize(net, torch.cat([images(128), -images(128)]), exclude=exclude)  # two batches, one for each branch


@cache
def truth(kind: Callable[[], nn.Module], design: tuple[int, ...], batch: int) -> Tensor:
    """Return the logits of a network of its own, simulated for this design alone."""
    model = build(kind)
    tables = {name: TABLES[m] for name, m in zip(approximable_layers(model), design, strict=True) if TABLES[m] is not None}
    simulate(model, tables)  # type: ignore[arg-type]
    with torch.no_grad():
        return model(batch_of(batch))  # type: ignore[no-any-return]


def batch_of(number: int) -> Tensor:
    return images(18)[6 * number : 6 * number + 6].clone() * (-1) ** number


@contextmanager
def counted() -> Iterator[list[ApproxLayer]]:
    """Collect the layers that are computed."""
    computed: list[ApproxLayer] = []
    original = ApproxLayer.forward

    def forward(self: ApproxLayer, x: Tensor) -> Tensor:
        computed.append(self)
        return original(self, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ApproxLayer, "forward", forward)
        yield computed


class Walk:
    """A network, its memo, and what makes a pass for a design."""

    def __init__(
        self,
        kind: Callable[[], nn.Module],
        limit: int = LARGE,
        exclude: tuple[str, ...] = (),
        make: Callable[..., PrefixMemo | ResumedPass] = PrefixMemo,
    ) -> None:
        self.model = build(kind, exclude)
        simulate(self.model)
        self.layers = list(approximable_layers(self.model).values())
        self.prepared = PreparedLayers(self.layers, LayerTables.of(TABLES), LARGE)
        self.memo = make(self.model, list(quantized_layers(self.model).values()), limit)

    def __call__(self, design: tuple[int, ...], x: Tensor, changing: set[int] = frozenset()) -> Tensor:  # type: ignore[assignment]
        self.prepared.assign(np.array(design))
        with torch.no_grad():
            return self.memo.run(x, {self.layers[i] for i in changing})

    def computes(self, design: tuple[int, ...], x: Tensor, changing: set[int] = frozenset()) -> list[str]:  # type: ignore[assignment]
        """Return the names of the layers that a pass computes."""
        names = {layer: name for name, layer in quantized_layers(self.model).items()}
        with counted() as computed:
            self(design, x, changing)
        return [names[layer] for layer in computed]


@cache
def walk(kind: Callable[[], nn.Module]) -> Walk:
    return Walk(kind)


@given(data=st.data(), limit=st.sampled_from([0, 2000, 5000, LARGE]))
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_pass_says_what_its_design_says_by_itself(kind: Callable[[], nn.Module], data: st.DataObject, limit: int) -> None:
    check_any_designs(walk(kind), kind, data, limit)


def check_any_designs(passes: Walk, kind: Callable[[], nn.Module], data: st.DataObject, limit: int) -> None:
    """In any order of designs, with any layers said to change, through any limit."""
    passes.memo._limit = limit
    n_layers = len(passes.layers)
    designs = st.tuples(*[st.integers(0, 3)] * n_layers)
    for batch in range(2):
        passes.memo.clear()
        x = batch_of(batch)
        for design in data.draw(st.lists(designs, max_size=6)):
            changing = data.draw(st.sets(st.integers(0, n_layers - 1), max_size=2))
            assert torch.equal(passes(design, x, changing), truth(kind, design, batch))
            assert passes.memo.nbytes <= limit
        assert torch.equal(x, batch_of(batch))


@pytest.mark.parametrize(
    ("kind", "calls", "written"),
    [(Residual, 4, 2), (Views, 4, 2), (Shared, 6, 2), (Branching, 4, 0), (Plain, 4, 0)],
)
def test_a_pass_made_again_computes_nothing(kind: Callable[[], nn.Module], calls: int, written: int) -> None:
    passes, x, design = Walk(kind), batch_of(0), (1, 2, 1, 2)
    assert len(everything := passes.computes(design, x)) == calls
    assert len(passes.computes(design, x)) == written  # computed once more, and copied from then on
    assert passes.computes(design, x) == []
    passes.memo.clear()
    assert passes.computes(design, x) == everything
    assert passes.computes(design, x) == []  # copied at once


def test_only_what_follows_the_first_change_is_computed() -> None:
    passes, x = Walk(Plain), batch_of(0)
    assert passes.computes((0, 1, 2, 3), x) == ["stem", "left", "right", "linear"]
    assert passes.computes((0, 1, 2, 1), x) == ["linear"]
    assert passes.computes((0, 3, 2, 1), x) == ["left", "right", "linear"]
    assert passes.computes((1, 3, 2, 1), x) == ["stem", "left", "right", "linear"]
    assert passes.computes((0, 1, 2, 3), x) == ["stem", "left", "right", "linear"]  # one path is kept, no more


def test_layers_that_stay_exact_belong_to_the_prefix() -> None:
    passes, x = Walk(Plain, exclude=("stem", "right")), batch_of(0)
    assert passes.computes((1, 2), x) == ["stem", "left", "right", "linear"]
    assert passes.computes((1, 3), x) == ["linear"]
    assert passes.computes((2, 3), x) == ["left", "right", "linear"]


def test_nothing_is_kept_of_what_changes() -> None:
    passes, x = Walk(Plain), batch_of(0)
    output = 6 * 4 * 5 * 5 * 4  # bytes
    passes((1, 1, 1, 1), x, changing={2})
    assert passes.memo.nbytes == 2 * output
    passes((1, 1, 2, 1), x, changing={1})
    assert passes.computes((1, 2, 2, 1), x) == ["left", "right", "linear"]
    passes.memo.clear()
    assert passes.memo.nbytes == 0
    passes((1, 1, 1, 1), x, changing={0})
    assert passes.memo.nbytes == 0


def test_what_does_not_fit_is_computed_again_and_what_follows_is_not() -> None:
    passes, x = Walk(Plain, limit=6 * 5 * 4), batch_of(0)  # room for the last layer's output alone
    passes((1, 1, 1, 1), x)
    assert passes.memo.nbytes == 6 * 5 * 4
    assert passes.computes((1, 1, 1, 1), x) == ["stem", "left", "right"]


def test_layers_are_left_as_they_were() -> None:
    passes, x = Walk(Plain), batch_of(0)
    passes((1, 1, 1, 1), x)
    with pytest.raises((RuntimeError, ValueError)):
        passes((2, 1, 1, 1), x[:, :1])
    assert all("forward" not in vars(layer) for layer in quantized_layers(passes.model).values())
    with torch.no_grad():
        assert torch.equal(passes.model(x), truth(Plain, (2, 1, 1, 1), 0))


@pytest.mark.parametrize("kind", [Residual, Views])
def test_inside_inference_mode(kind: Callable[[], nn.Module]) -> None:
    passes = Walk(kind)
    with torch.inference_mode():
        x = batch_of(0)
        for design in [(1, 1, 1, 1), (1, 1, 2, 1), (1, 1, 2, 2)]:
            assert torch.equal(passes(design, x), truth(kind, design, 0))


def test_hooks_on_a_layer_run_with_stored_outputs_too() -> None:
    passes, x = Walk(Plain), batch_of(0)
    seen: list[Tensor] = []
    hook = passes.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    passes((1, 1, 1, 1), x)
    passes((1, 1, 1, 2), x)
    hook.remove()
    assert len(seen) == 2 and seen[0] is seen[1]
