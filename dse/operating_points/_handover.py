"""All that hardware is built and tested from, as one bundle: a description in JSON, arrays in an npz file, Verilog."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dse.exceptions import InputError
from dse.multipliers import Multiplier
from dse.nn.convert import quantized_layers
from dse.operands import OperandFormat
from dse.operating_points._handover_arrays import Arrays
from dse.operating_points._handover_check import ARRAYS, DESCRIPTION, FORMAT, VERILOG, VERSION, seal
from dse.operating_points._handover_choices import hardware
from dse.operating_points._handover_layers import norms, points_and_layers
from dse.operating_points._model import OperatingPointModel
from dse.places import check_place
from dse.variants import Choice
from dse.whole_files import writing


def write_handover(
    folder: str | Path,
    model: OperatingPointModel,
    images: Tensor,
    *,
    library: Iterable[Multiplier] = (),
    choices: Iterable[Choice] = (),
    overwrite: bool = False,
) -> Path:
    """Write the bundle of a network with operating points: docs/handover.md describes it, `check_handover` replays it.

    Args:
        folder: Where to; it is there whole or not at all.
        model: The network.
        images: Inputs `(N, ...)` float32 of the golden vectors; a few, since every layer keeps its accumulators.
        library: Circuits beside those of `choices`. What computes all that the network multiplies with under its name comes
            as a table, and as Verilog where its gates are known.
        choices: What the choices of a run are in circuits (`Prepared.inputs.choices`); a choice that is not among them is a
            circuit of its own name, and its weights are taken for those that are stored unless the gates of that name in
            `library` tell otherwise.
        overwrite: Replace a bundle that is there.

    Returns:
        The folder.

    Raises:
        InputError: There is no image or one of another kind, a layer is not reached or in training, operands are clipped of
            a circuit whose table is not known, or the folder exists or cannot be written.
    """
    folder = Path(folder).resolve()
    check_bundle_place(folder, overwrite=overwrite)
    _require_images(images)
    operands = next(iter(quantized_layers(model.network).values())).operands
    arrays = Arrays()
    described = _operands(operands)
    found = hardware(model, operands, described, library, choices, arrays)
    bundle = {
        "format": FORMAT,
        "version": VERSION,
        "operands": described,
        "instances": found.instances,
        "choices": found.choices,
        "images": arrays.keep("images", images),
        **points_and_layers(model, found, images, arrays),
        "norms": norms(model, arrays),
    }
    bundle["arrays"] = arrays.described
    _write(folder, {**bundle, "sha256": seal(bundle)}, arrays, found.verilog)
    return folder


def _operands(operands: OperandFormat) -> dict[str, Any]:
    signs = {"x_signed": operands.x_low < 0, "w_signed": operands.w_low < 0}
    ranges = {"x_range": [operands.x_low, operands.x_high], "w_range": [operands.w_low, operands.w_high]}
    return {"format": operands.name, "x_bits": 8, "w_bits": operands.w_bits, **signs, **ranges}


def _require_images(images: object) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.float32:
        got = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"handover: images: expected a float32 tensor (N, ...), got {got}; convert them")
    if images.ndim == 0 or len(images) == 0:
        raise InputError("handover: images: expected at least one image, got none")
    if not bool(torch.isfinite(images).all()):
        raise InputError("handover: images: expected finite numbers, got NaN or infinity; use other images")


def check_bundle_place(folder: Path, *, overwrite: bool) -> None:
    """Raise InputError unless a bundle may be written to a folder."""
    check_place(folder, "hand-over bundle", (DESCRIPTION, ARRAYS, VERILOG), overwrite=overwrite)


def _write(folder: Path, bundle: Mapping[str, Any], arrays: Arrays, verilog: Mapping[str, str]) -> None:
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".dse-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            (new / DESCRIPTION).write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
            np.savez_compressed(new / ARRAYS, **arrays.held)  # type: ignore[arg-type]
            for module, text in verilog.items():
                (new / VERILOG).mkdir(exist_ok=True)
                (new / VERILOG / f"{module}.v").write_bytes(text.encode("ascii"))
            if folder.exists():
                os.replace(folder, Path(scratch) / "old")
            os.replace(new, folder)
