"""A profile that was learned once is kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from dse.nn.training import read_kept, write_kept
from dse.robustness._profile import RobustnessProfile


def kept_profile(file: Path, learn: Callable[[], tuple[RobustnessProfile, object]]) -> RobustnessProfile:
    """Return the profile that a file keeps; where there is no such file, or a damaged one, learn it and write it there.

    Args:
        file: Named by all that the profile depends on; its folder is there.
        learn: Called at most once; as `profile_by_name`, it returns the network as well, which is not kept.

    Raises:
        InputError: What `learn` raises, or the file cannot be written.
    """
    kept = _read(file)
    if kept is None:
        kept, _ = learn()
        figures = {"sigma": kept.sigma} | ({} if kept.alpha is None else {"alpha": kept.alpha})
        write_kept(file, {key: torch.from_numpy(values) for key, values in figures.items()}, [{"layers": kept.layers}])
    return kept


def _read(file: Path) -> RobustnessProfile | None:
    kept = read_kept(file)
    try:
        if kept is None:
            return None
        tensors, (about,) = kept
        figures = {key: tensor.numpy() for key, tensor in tensors.items()}
        return RobustnessProfile(tuple(about["layers"]), **figures)
    except (KeyError, TypeError, ValueError):  # a file of something else
        return None
