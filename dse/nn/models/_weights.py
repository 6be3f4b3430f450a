"""Weights in files: read strictly, written atomically, and never through a format that can run code."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dse.exceptions import InputError, one_line
from dse.nn._archive import open_npz

# Bytes that a member of an .npz may hold beyond eight per element: its header, at its most generous.
_HEADER_BYTES = 4096


def check_finite(model: nn.Module) -> None:
    """Refuse a model with NaN or infinity in a parameter or buffer.

    Raises:
        InputError: naming the first such tensor.
    """
    for key, tensor in chain(model.named_parameters(), model.named_buffers()):
        _require_finite("model", key, tensor)


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` from a file that has exactly its names and shapes; nothing is changed when the file is refused.

    Args:
        model: takes the weights, on the device and in the dtypes that it has.
        path: `.safetensors`, or `.npz` with one array per name of the state dict.

    Raises:
        InputError: another suffix, an unreadable file, names missing or left over, another shape or kind of number, NaN
            or infinity; names the file and the key.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: expected weights as .safetensors or .npz, got '{path.suffix}'; convert them where you trust the "
            "file: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    expected = model.state_dict()
    found = reader(path, expected)
    model.load_state_dict({key: _checked(path, key, found[key], tensor) for key, tensor in expected.items()})


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of `model` as safetensors: the file is there whole, or not at all.

    Args:
        model: its state dict is written, from whatever device.
        path: ends in `.safetensors`; missing folders are made.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path}: weights are written as .safetensors, got '{path.suffix}'; change the suffix")
    tensors = storable(model.state_dict())
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part)
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot write the weights ({one_line(error)}); choose another path") from error
    finally:
        part.unlink(missing_ok=True)


def storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU, as safetensors takes them: it refuses tensors that share memory (tied weights)."""
    return {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}


def _read_npz(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the arrays of an .npz as tensors, after its names and before any oversized member is unpacked."""
    with open_npz(path) as archive:
        _require_names(path, set(archive.files), set(expected))
        _require_sizes(path, expected)
        return {key: _from_numpy(path, key, archive[key]) for key in expected}


def _read_safetensors(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, which holds no more than its own size in bytes."""
    try:
        found = load_file(path)
    except (OSError, SafetensorError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({one_line(error)}); write it anew") from error
    _require_names(path, set(found), set(expected))
    return found


_READERS: dict[str, Callable[[Path, dict[str, Tensor]], dict[str, Tensor]]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}


def _require_sizes(path: Path, expected: dict[str, Tensor]) -> None:
    """Refuse members that would unpack to far more than the model holds."""
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()}
    for key, tensor in expected.items():
        if sizes[key] > 8 * tensor.numel() + _HEADER_BYTES:
            raise InputError(
                f"{path}: '{key}' holds {sizes[key]} bytes, too many for shape {_shape(tensor)}; "
                "is this file of another model?"
            )


def _from_numpy(path: Path, key: str, array: np.ndarray) -> Tensor:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":  # a member that is no array comes as bytes
        kind = getattr(array, "dtype", "raw bytes")
        raise InputError(f"{path}: '{key}' holds {kind}, expected numbers; save float32 arrays")
    return torch.from_numpy(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("="))).reshape(array.shape)


def _require_names(path: Path, found: set[str], expected: set[str]) -> None:
    for what, names in (("missing", expected - found), ("unexpected", found - expected)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"{path}: {what} '{min(names)}'{more}; is this file of another model?")


def _checked(path: Path, key: str, found: Tensor, expected: Tensor) -> Tensor:
    """Return `found` in the dtype of `expected` once shape, kind of number and finiteness agree."""
    if found.shape != expected.shape:
        raise InputError(
            f"{path}: '{key}' has shape {_shape(found)}, the model expects {_shape(expected)}; "
            "is this file of another model?"
        )
    if found.is_floating_point() != expected.is_floating_point():
        raise InputError(f"{path}: '{key}' holds {found.dtype}, the model expects {expected.dtype}; convert it")
    converted = found.to(expected.dtype)
    _require_finite(str(path), key, converted)
    return converted


def _require_finite(where: str, key: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(f"{where}: '{key}' holds NaN or infinity in {bad} of {tensor.numel()} values; use others")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
