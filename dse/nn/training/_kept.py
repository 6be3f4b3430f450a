"""How far a training has come, in one file that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from dse.nn.models import storable
from dse.whole_files import write_whole


def write_kept(path: Path, tensors: Mapping[str, Tensor], log: Sequence[Mapping[str, Any]]) -> None:
    """Write tensors and log as safetensors, whose header holds the log as JSON: one file, hence one moment.

    Args:
        path: The file; its folder is there.
        tensors: By name, from whatever device.
        log: One entry per epoch, what JSON can hold.

    Raises:
        InputError: The file cannot be written.
    """
    header = {"log": json.dumps([dict(epoch) for epoch in log])}
    write_whole(path, safetensors.torch.save(storable(tensors), metadata=header))


def read_kept(path: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]] | None:
    """Return what `write_kept` wrote; None where there is no such file, or a damaged one."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            log = [dict(epoch) for epoch in json.loads(file.metadata()["log"])]
            return {name: file.get_tensor(name) for name in file.keys()}, log
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError):
        return None
