"""The name of a training's file: a hash over all that its outcome depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from torch import nn

from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import operand_formats, quantized_layers
from dse.nn.datasets import Part
from dse.retrain._noise import OutputError
from dse.workload import model_hash


def content_hash(
    model: nn.Module,
    train: Part,
    validation: Part,
    noise: Mapping[str, OutputError] | None,
    teacher: nn.Module | None,
    given: Mapping[str, object],
) -> str:
    """Return the SHA-256 over all that the outcome depends on but the machine; the model simulates the design.

    What one machine has begun another may go on with; the log says where each epoch was trained.
    """
    text = {
        **given,
        "start": model_hash(model),
        "formats": operand_formats(model),
        "parts": [train.content_hash, validation.content_hash],
        "teacher": None if teacher is None else model_hash(teacher),
        "noise": {name: [error.mean.tolist(), error.std] for name, error in (noise or {}).items()},
        "slopes": "none beyond clipping",  # what straight-through gradients are; others train again
    }
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    for layer in quantized_layers(model).values():
        table = layer.arithmetic.table if isinstance(layer.arithmetic, IntegerArithmetic) else None
        digest.update(b"exact" if table is None else table.lut.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
