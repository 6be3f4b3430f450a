"""Weights of retrained networks in little room: the integers that quantised layers compute with, compressed.

A simulated layer knows nothing else of its weights. Beside the integers stand the extreme weights of each scale: with these
they give real weights that are quantised to the same integers and scales again, so that the network is the same to the bit.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import Tensor

from dse.config import RunConfig
from dse.exceptions import InputError, one_line
from dse.nn.quantizers import WeightQuantizer
from dse.operands import operand_format
from dse.whole_files import write_whole

SUFFIX = ".safetensors.xz"
_EXTREMES = ".extremes"


def quantizer_of(config: RunConfig) -> WeightQuantizer:
    """Return what quantises the weights of a run's networks."""
    settings = config.space.quantisation
    return WeightQuantizer(operand_format(settings.format), settings.weights)


def pack(weights: Path, quantizer: WeightQuantizer, kept: Path) -> None:
    """Write the weights of a network, all of whose layers are quantised, in little room.

    Args:
        weights: As `dse.nn.models.save_weights` writes them.
        quantizer: The network's.
        kept: File to write, which ends in `SUFFIX`.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in load_file(weights).items():
        if _quantised(name, tensor):
            packed[name + _EXTREMES] = _extremes(tensor, quantizer)
            tensor = quantizer.quantize(tensor).values.to(torch.int16)
        packed[name] = tensor
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, lzma.compress(save(packed), preset=9))


def unpack(kept: Path, quantizer: WeightQuantizer) -> dict[str, Tensor]:
    """Return a network's state dict. Raises InputError where the file cannot be read."""
    try:
        packed = load(lzma.decompress(kept.read_bytes()))
        return {
            name: _real(tensor, packed[name + _EXTREMES], quantizer) if _quantised(name, tensor) else tensor
            for name, tensor in packed.items()
            if not name.endswith(_EXTREMES)
        }
    except (OSError, lzma.LZMAError, SafetensorError, KeyError) as error:
        raise InputError(f"{kept}: cannot be read ({one_line(error)}); take it from the repository again") from error


def _quantised(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is a layer's weight; those of BatchNorms have one dimension."""
    return name.endswith("weight") and tensor.ndim > 1


def _extremes(weight: Tensor, quantizer: WeightQuantizer) -> Tensor:
    """Return smallest and largest weight of each scale, `(S, 2)` float32: the one further from 0 last."""
    rows = weight.flatten(1) if quantizer.granularity == "per-channel" else weight.reshape(1, -1)
    found = torch.stack([rows.amin(1), rows.amax(1)], dim=1)
    return found.gather(1, found.abs().argsort(dim=1))


def _real(values: Tensor, extremes: Tensor, quantizer: WeightQuantizer) -> Tensor:
    """Return weights of given integers `(C, ...)` whose scales are those of the extremes `(S, 2)`."""
    ends = quantizer.quantize(extremes)
    rows = values.reshape(len(extremes), -1)
    real = (rows - ends.zero_point[:, None]) * ends.scale[:, None]
    for i in range(2):  # where both have the same integer, the one further from 0 is what the scale is of
        real = torch.where(rows == ends.values[:, i : i + 1], extremes[:, i : i + 1], real)
    return real.view_as(values)
