"""Trained weights in files that are named by all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from dse.exceptions import InputError
from dse.nn.datasets import Part
from dse.nn.devices import find_device
from dse.nn.models import load_weights
from dse.nn.training._kept import read_kept, write_kept
from dse.nn.training._settings import TrainingSettings
from dse.nn.training._train import Progress, TrainingLog, train


def default_cache_dir() -> Path:
    """Return where trained weights are kept: `$DSE_CACHE`, else `$XDG_CACHE_HOME/dse`, else `~/.cache/dse`."""
    if own := os.environ.get("DSE_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dse"


def cached_training(
    model: nn.Module,
    part: Part,
    settings: TrainingSettings,
    *,
    seed: int,
    key: Mapping[str, str | int | float],
    cache_dir: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> TrainingLog:
    """Train `model`, or load the weights that the same training gave before.

    The file is named by a hash over `key`, the settings, the seed, the content of `part` and the weights that the model
    starts from, so it is never stale. It may have come from another machine: its log names the device. One that cannot be
    read is trained anew and replaced. A training that was killed goes on where it was.

    Args:
        model: trained in place; in evaluation mode afterwards.
        part: the training images.
        settings: of the optimiser.
        seed: of everything random in training.
        key: what else the weights depend on and the model's state does not show, such as its name.
        cache_dir: folder of the files, made when missing.
        device: on which it is trained, by its name; the model is on the CPU before and afterwards.
        progress: as for `train`; not called when the weights are loaded.

    Returns:
        The log of the training, from the file where it was read.

    Raises:
        InputError: what `train` raises, the device is not here, or the folder cannot be written.
    """
    name = _training_hash(model, part, settings, seed, key)
    file = cache_dir / f"{name}.safetensors"
    try:
        load_weights(model, file)
    except InputError:  # not there, or damaged
        pass
    else:
        model.eval()
        kept = read_kept(file)
        return [] if kept is None else kept[1]
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)  # before minutes of training, not after
    except OSError as error:
        raise InputError(f"cache_dir: cannot make {cache_dir} ({error.strerror}); set DSE_CACHE") from error
    keep = cache_dir / f"{name}.training.safetensors"
    model.to(find_device(device, "space.training.device"))
    log = train(model, part, settings, seed=seed, keep=keep, progress=progress)
    model.cpu()
    write_kept(file, model.state_dict(), log)
    keep.unlink(missing_ok=True)
    return log


def _training_hash(
    model: nn.Module, part: Part, settings: TrainingSettings, seed: int, key: Mapping[str, str | int | float]
) -> str:
    start = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        start.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        start.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    text = json.dumps(
        {
            "key": dict(key),
            "settings": asdict(settings),
            "seed": seed,
            "part": part.content_hash,
            "start": start.hexdigest(),
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()
