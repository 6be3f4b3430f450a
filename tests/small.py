"""Small networks, libraries and spaces that several tests share."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from dse.multipliers import Multiplier, MultiplierLibrary, builtin
from dse.nn.convert import quantize
from dse.nn.models import seeded
from dse.nn.quantizers import QuantizationSettings
from dse.objectives import RelativeEnergy
from dse.search import Guidance
from dse.space import SearchSpace
from dse.types import Floats, Population


def library(*, signed: bool = False) -> MultiplierLibrary:
    """Return an exact multiplier, a noisy one that tells its operands apart, one that is always 1 too high, and zero."""
    base = builtin(signed=signed)[0]
    noise = np.random.default_rng(0).normal(0, 200, base.table.shape) + 5 * base.x_values[:, None] + base.w_values
    low, high = (-(2**15), 2**15 - 1) if signed else (0, 2**16 - 1)
    tables = {
        "noisy": np.clip(base.table + noise.astype(np.int64), low, high),
        "high": np.minimum(base.table.astype(np.int64) + 1, high),
        "zero": np.zeros_like(base.table),
    }
    made = [
        Multiplier(name, table, power_mw=power, x_signed=signed, w_signed=signed)
        for (name, table), power in zip(tables.items(), (0.2, 0.3, 0.0), strict=True)
    ]
    return MultiplierLibrary([base, *made])


def images(count: int = 6) -> Tensor:
    """Return inputs of both signs `(count, 2, 5, 5)`, so that affine activations get a zero point."""
    return torch.randn(count, 2, 5, 5, generator=torch.Generator().manual_seed(1))


def network(format: str = "sm8", weights: str = "per-channel") -> nn.Module:
    """Return a quantised network of a grouped, a strided and a linear layer, whose channels differ much in scale."""
    with seeded(2):
        grouped = nn.Conv2d(2, 4, 3, padding=1, groups=2)
        net = nn.Sequential(
            OrderedDict(
                grouped=grouped,
                relu1=nn.ReLU(),
                strided=nn.Conv2d(4, 3, 3, stride=2, bias=False),
                relu2=nn.ReLU(),
                flatten=nn.Flatten(),
                linear=nn.Linear(12, 5),
            )
        )
    with torch.no_grad():
        grouped.weight *= torch.tensor([0.2, 1.0, 3.0, 0.5]).view(-1, 1, 1, 1)
    return quantize(net, images(), QuantizationSettings(format=format, weights=weights))  # type: ignore[arg-type]


def space(n_layers: int, n_multipliers: int, tiles: int | None = None) -> SearchSpace:
    """Return a space whose layers and multipliers all differ in cost; the exact multiplier is the dearest."""
    return SearchSpace(
        layers=tuple(f"l{i}" for i in range(n_layers)),
        multipliers=tuple(f"m{i}" for i in range(n_multipliers)),
        op_counts=10 * np.arange(1, n_layers + 1, dtype=np.int64),
        rel_energy=np.linspace(1, 0.1, n_multipliers),
        tiles=tiles,
    )


class AdditiveLoss:
    """A loss that adds up over the layers, `cost[l, m]` for multiplier m in layer l."""

    name = "loss"
    unit = "1"

    def __init__(self, cost: Floats) -> None:
        self.cost = cost
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, population: Population) -> Floats:
        self.asked.extend(map(tuple, population.tolist()))
        return self.cost[np.arange(population.shape[1]), population].sum(axis=1)


def toy(n_layers: int, n_multipliers: int, tiles: int | None = None) -> tuple[SearchSpace, RelativeEnergy, AdditiveLoss]:
    """Return a space with its energy and an additive loss that grows as the multipliers get cheaper."""
    cost = np.sort(np.random.default_rng(5).random((n_layers, n_multipliers)), axis=1)
    cost[:, 0] = 0
    made = space(n_layers, n_multipliers, tiles)
    return made, RelativeEnergy(made), AdditiveLoss(cost)


def guidance(made: SearchSpace, seed: int = 3) -> Guidance:
    """Return random seeds, a random proxy and random tolerances: no method may rely on good ones."""
    rng = np.random.default_rng(seed)
    shape = (len(made.layers), len(made.multipliers))
    seeds, cost, tolerance = rng.integers(0, shape[1], (3, shape[0])), rng.random(shape), 3 * rng.random(shape)
    tolerance[:, 0] = 0
    return Guidance(seeds=seeds, cost=cost, max_loss=10.0, tolerance=tolerance)
