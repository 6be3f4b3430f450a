"""Traced networks that resume their passes, against passes of a network that has never heard of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dse.nn.convert import simulate
from dse.objectives._prefix import PrefixMemo
from dse.objectives._resume import ResumedPass, resumed_pass
from tests.objectives.test_prefix import (
    LARGE,
    Base,
    Branching,
    Plain,
    Residual,
    Shared,
    Views,
    Walk,
    batch_of,
    build,
    check_any_designs,
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


def traced(model: nn.Module, layers: object, limit: int) -> ResumedPass:
    with torch.no_grad():
        passes = resumed_pass(model, batch_of(0)[:2], limit)
    assert passes is not None
    return passes


@cache
def walk(kind: Callable[[], nn.Module]) -> Walk:
    return Walk(kind, make=traced)


@given(data=st.data(), limit=st.sampled_from([0, 5000, 9000, LARGE]))
@pytest.mark.parametrize("kind", [Residual, Late, Shared, Plain])
def test_a_pass_says_what_its_design_says_by_itself(kind: Callable[[], nn.Module], data: st.DataObject, limit: int) -> None:
    check_any_designs(walk(kind), kind, data, limit)


def test_only_what_follows_the_first_change_is_computed() -> None:
    made, x = Walk(Plain, make=traced), batch_of(0)
    assert made.computes((0, 1, 2, 3), x) == ["stem", "left", "right", "linear"]
    assert made.computes((0, 1, 2, 1), x) == ["linear"]
    assert made.computes((0, 3, 2, 1), x) == ["left", "right", "linear"]
    assert made.computes((1, 3, 2, 1), x) == ["stem", "left", "right", "linear"]
    made.memo.clear()
    assert made.memo.nbytes == 0
    assert made.computes((1, 3, 2, 1), x, {1}) == ["stem", "left", "right", "linear"]
    assert made.computes((1, 2, 2, 1), x) == ["left", "right", "linear"]


def test_what_lies_between_the_layers_is_not_done_again() -> None:
    made, x = Walk(Residual, make=traced), batch_of(0)
    norms: list[Tensor] = []
    made.model.bn.register_forward_hook(lambda module, inputs, output: norms.append(output))  # type: ignore[union-attr]
    made((1, 1, 1, 1), x)
    made((1, 1, 1, 2), x)
    made((1, 1, 2, 2), x)
    assert len(norms) == 1


def test_values_that_the_network_writes_to_later_are_not_taken_up() -> None:
    made, x = Walk(Late, make=traced), batch_of(0)
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


class Accumulating(Base):
    """Writes to a tensor that it makes itself, which a trace would keep from pass to pass."""

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(5)
        y = self.linear(self.stem(x).mean((2, 3)))
        total += y.mean(0)
        return y - total


@pytest.mark.parametrize("kind", [Branching, Views, Drawing, Failing, Accumulating])
def test_networks_that_cannot_be_traced_faithfully(kind: Callable[[], nn.Module]) -> None:
    model = build(kind)
    simulate(model)
    with torch.no_grad():
        assert resumed_pass(model, batch_of(0), LARGE) is None
    assert not [name for name in vars(model) if "constant" in name]


@pytest.mark.parametrize("make", [PrefixMemo, traced])
def test_passes_keep_no_gradients(make: Callable[..., PrefixMemo | ResumedPass]) -> None:
    walk = Walk(Plain, make=make)
    with torch.no_grad():
        assert not walk.memo.run(batch_of(0)).requires_grad
