"""What this installation can do, and what stands in its way: one line each."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib import metadata

import torch

from dse.exceptions import InputError
from dse.kernels import ENGINE_VARIABLE as VARIABLE
from dse.kernels import ENGINES, LutTable, engine_name, instruction_sets


def findings() -> Iterator[tuple[str, str]]:
    """Yield (what, finding): versions and devices, every simulation engine with why it cannot be used, and the choice."""
    yield "dse", f"{metadata.version('dse')}, Python {platform.python_version()}"
    yield "torch", f"{torch.__version__}, {torch.get_num_threads()} threads"
    yield "cuda", ", ".join(_gpus()) or "no device"
    for name, engine in ENGINES.items():
        missing = engine.missing()
        yield f"engine {name}", f"not usable: {missing}" if missing else f"usable: {engine.text}{_details(name)}"
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        yield f"chosen on {device}", _choice(device)


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _details(name: str) -> str:
    return f" ({instruction_sets()[-1]}; can do {', '.join(instruction_sets())})" if name == "native" else ""


def _choice(device: str) -> str:
    """Return which engine an ordinary 8 x 8 table gets, and whether the environment has a say in it."""
    forced = os.environ.get(VARIABLE)
    # no integer factors of low rank, as the tables of most circuits
    generator = torch.Generator().manual_seed(0)
    table = LutTable(torch.randint(0, 65026, (256, 512), dtype=torch.int32, generator=generator).to(device))
    try:
        chosen = engine_name(None, table, torch.device(device))
    except InputError as error:
        return f"none: {error}"
    return f"{chosen}, forced by {VARIABLE}" if forced else f"{chosen} ({VARIABLE} is not set)"
