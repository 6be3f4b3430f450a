"""What every test gets: one torch thread, because tiny tensors only lose time when threads wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("dse", deadline=None)  # a busy machine is no mistake
settings.load_profile("dse")


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
