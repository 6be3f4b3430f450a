"""Traced networks that resume their passes, against passes of a network that has never heard of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dse.nn.convert import approximable_layers, quantized_layers, simulate
from dse.objectives._prepared import PreparedLayers
from dse.objectives._resume import ResumedPass, resumed_pass
from tests.objectives.test_prefix import (
    LARGE,
    TABLES,
    Base,
    Branching,
    Plain,
    Residual,
    Shared,
    Views,
    batch_of,
    build,
    counted,
    truth,
)


class Late(Base):
    """Writes to values that it has used already and will use again, in the ways that a trace can record."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.mul_(0.5))
        y = self.left(x)
        x.sub_(0.25)
        z = self.right(x + y)
        x.clamp_(max=0.5)
        y.flatten().neg_()
        return self.linear((x + y + z).mean((2, 3)))


class Walk:
    """A network, its resumed passes, and what makes a pass for a design."""

    def __init__(self, kind: Callable[[], nn.Module], limit: int = LARGE) -> None:
        self.model = build(kind)
        simulate(self.model)
        self.layers = list(approximable_layers(self.model).values())
        self.prepared = PreparedLayers(self.layers, TABLES, LARGE)
        with torch.no_grad():
            made = resumed_pass(self.model, batch_of(0)[:2], limit)
        assert made is not None
        self.passes: ResumedPass = made

    def __call__(self, design: tuple[int, ...], x: Tensor, changing: set[int] = frozenset()) -> Tensor:  # type: ignore[assignment]
        self.prepared.assign(np.array(design))
        with torch.no_grad():
            return self.passes.run(x, {self.layers[i] for i in changing})

    def computes(self, design: tuple[int, ...], x: Tensor, changing: set[int] = frozenset()) -> list[str]:  # type: ignore[assignment]
        """Return the names of the layers that a pass computes."""
        names = {layer: name for name, layer in quantized_layers(self.model).items()}
        with counted() as computed:
            self(design, x, changing)
        return [names[layer] for layer in computed]


@cache
def walk(kind: Callable[[], nn.Module]) -> Walk:
    return Walk(kind)


@given(data=st.data(), limit=st.sampled_from([0, 5000, 9000, LARGE]))
@pytest.mark.parametrize("kind", [Residual, Late, Shared, Plain])
def test_a_pass_says_what_its_design_says_by_itself(
    kind: Callable[[], nn.Module], data: st.DataObject, limit: int
) -> None:
    made = walk(kind)
    made.passes._limit = limit
    n_layers = len(made.layers)
    designs = st.tuples(*[st.integers(0, 3)] * n_layers)
    for batch in range(2):
        made.passes.clear()
        x = batch_of(batch)
        for design in data.draw(st.lists(designs, max_size=6)):
            changing = data.draw(st.sets(st.integers(0, n_layers - 1), max_size=2))
            assert torch.equal(made(design, x, changing), truth(kind, design, batch))
            assert made.passes.nbytes <= limit
        assert torch.equal(x, batch_of(batch))


def test_only_what_follows_the_first_change_is_computed() -> None:
    made, x = Walk(Plain), batch_of(0)
    assert made.computes((0, 1, 2, 3), x) == ["stem", "left", "right", "linear"]
    assert made.computes((0, 1, 2, 1), x) == ["linear"]
    assert made.computes((0, 3, 2, 1), x) == ["left", "right", "linear"]
    assert made.computes((1, 3, 2, 1), x) == ["stem", "left", "right", "linear"]
    made.passes.clear()
    assert made.passes.nbytes == 0
    assert made.computes((1, 3, 2, 1), x, {1}) == ["stem", "left", "right", "linear"]
    assert made.computes((1, 2, 2, 1), x) == ["left", "right", "linear"]


def test_what_lies_between_the_layers_is_not_done_again() -> None:
    made, x = Walk(Residual), batch_of(0)
    norms: list[Tensor] = []
    made.model.bn.register_forward_hook(lambda module, inputs, output: norms.append(output))  # type: ignore[union-attr]
    made((1, 1, 1, 1), x)
    made((1, 1, 1, 2), x)
    made((1, 1, 2, 2), x)
    assert len(norms) == 1


def test_values_that_the_network_writes_to_later_are_not_taken_up() -> None:
    made, x = Walk(Late), batch_of(0)
    for design in ((1, 2, 1, 2), (1, 2, 1, 3), (1, 2, 3, 3), (1, 1, 3, 3)):
        assert torch.equal(made(design, x), truth(Late, design, 0))


class Drawing(Base):
    """Adds random numbers, which a trace would take for constants."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.left(self.stem(x) + torch.rand(1)).mean((2, 3)))


class Failing(Base):
    """Looks at the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            raise KeyError("not a tensor")
        return self.linear(self.stem(x).mean((2, 3)))


@pytest.mark.parametrize("kind", [Branching, Views, Drawing, Failing])
def test_networks_that_cannot_be_traced_faithfully(kind: Callable[[], nn.Module]) -> None:
    model = build(kind)
    simulate(model)
    with torch.no_grad():
        assert resumed_pass(model, batch_of(0), LARGE) is None
