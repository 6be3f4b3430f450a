"""Networks, images and designs that the sections share; random weights, for only the time is of interest."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dse.multipliers import MultiplierLibrary
from dse.nn.convert import approximable_layers, quantize
from dse.nn.models import build_model
from dse.nn.tracing import trace
from dse.search import Guidance, make_search
from dse.space import SearchSpace
from dse.types import Population

GENERATIONS = (1, 40)  # of an ALWANN-style search, whose designs are evaluated


def float_network(name: str) -> nn.Module:
    """Return a CIFAR network with random weights, in evaluation mode."""
    return build_model(name, in_shape=(3, 32, 32), n_classes=10, seed=0).eval()


def quantized_network(model: nn.Module, images: Tensor) -> nn.Module:
    """Return its quantised copy, calibrated on a few of the images."""
    return quantize(model, images[:64])


def random_images(count: int) -> Tensor:
    """Return images `(count, 3, 32, 32)`."""
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))


def alwann_designs(model: nn.Module, library: MultiplierLibrary, count: int) -> dict[str, Population]:
    """Return designs that an ALWANN-style search asks for, early and late, guided by a made-up additive loss."""
    names = tuple(approximable_layers(model))
    space = SearchSpace(names, library.names, trace(model, random_images(16)).op_counts, library.rel_energy, tiles=4)
    guidance = Guidance(space.uniform(), np.ones((len(names), len(library))), max_loss=10.0)
    search = make_search("alwann", space, guidance, population=count, seed=0)
    cost = np.random.default_rng(0).random(len(names))[:, None] * (1 - library.rel_energy)[None] ** 2
    designs: dict[str, Population] = {}
    for generation in range(GENERATIONS[-1] + 1):
        asked = search.ask()
        if generation in GENERATIONS:
            distinct = np.unique(asked, axis=0)
            designs[f"generation {generation}: {len(asked)} as asked"] = asked
            if len(distinct) < len(asked):
                designs[f"generation {generation}: the {len(distinct)} distinct of them"] = distinct
        loss = cost[np.arange(len(names)), asked].sum(axis=1)
        search.tell(asked, np.stack([space.energy(asked), loss], axis=1))
    return designs
