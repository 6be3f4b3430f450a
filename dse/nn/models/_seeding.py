"""Random numbers that are ours alone: the same for a seed, and the caller's global generators stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators of the CPU and of `device` inside the block, and put them back after it.

    `torch.manual_seed` is not used: it would also reseed every other accelerator, which nothing puts back.

    Args:
        seed: any integer that torch takes as a seed.
        device: the accelerator whose generator is used too; None or a CPU device means the CPU alone.
    """
    cuda = device if device is not None and device.type == "cuda" else None
    with torch.random.fork_rng(devices=[] if cuda is None else [cuda]):
        torch.default_generator.manual_seed(seed)
        if cuda is not None:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(seed)
        yield
