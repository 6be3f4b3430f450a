"""On which device a network is trained."""

from __future__ import annotations

import re

import torch

from dse.exceptions import InputError


def find_device(name: str, key: str) -> torch.device:
    """Return a device by its name, `cpu`, `cuda` or `cuda:1`.

    Args:
        name: The device.
        key: Where a configuration has it, for messages.

    Raises:
        InputError: There is no such name, or it is not here.
    """
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise InputError(f"{key}: expected cpu, cuda or cuda:NUMBER, got '{name}'")
    count = torch.cuda.device_count()
    if name == "cpu" or int(name.partition(":")[2] or 0) < count:
        return torch.device(name)
    found = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device"
    raise InputError(f"{key}: '{name}' cannot be used, PyTorch finds {found} here; set it to cpu")


def device_name(device: torch.device) -> str:
    """Return what a device is called: `cpu`, or a GPU's model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
