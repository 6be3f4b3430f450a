"""A profile is learned once: after that its file answers, with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dse.exceptions import InputError
from dse.nn.training import write_kept
from dse.robustness import RobustnessProfile, kept_profile

LAYERS = ("conv1", "linear")
SIGMA, ALPHA = np.array([0.1, 1 / 3]), np.array([2.5, 1e-300])


def learned(alpha: np.ndarray | None = None) -> tuple[RobustnessProfile, None]:
    return RobustnessProfile(LAYERS, SIGMA, alpha), None


def never() -> tuple[RobustnessProfile, None]:
    raise AssertionError("learned twice")


@pytest.mark.parametrize("alpha", [ALPHA, None])
def test_what_was_learned_is_read_with_the_same_bits(tmp_path: Path, alpha: np.ndarray | None) -> None:
    file = tmp_path / "a.safetensors"
    made = kept_profile(file, lambda: learned(alpha))
    for found in (made, kept_profile(file, never)):
        assert found.layers == LAYERS and found.sigma.dtype == np.float64 and (found.sigma == SIGMA).all()
        assert found.alpha is None if alpha is None else (found.alpha == alpha).all()


def test_a_damaged_file_is_learned_anew_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    kept_profile(file, learned)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    kept_profile(file, learned)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("log", [[], [{}], [{"layers": LAYERS}, {}]])
@pytest.mark.parametrize("key", ["sigma", "epsilon"])
def test_a_file_of_something_else_is_learned_anew(tmp_path: Path, log: list, key: str) -> None:
    file = tmp_path / "a.safetensors"
    write_kept(file, {key: torch.zeros(2)}, log)
    assert (kept_profile(file, learned).sigma == SIGMA).all()
    assert (kept_profile(file, never).sigma == SIGMA).all()


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        kept_profile(tmp_path / "no folder" / "x.safetensors", learned)
