"""Weights that come out of little room are quantised to what they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dse.config import parse_config
from dse.exceptions import InputError
from dse.nn.quantizers import Granularity, WeightQuantizer
from dse.operands import FORMATS, operand_format
from experiments.cifar10 import kept_weights


def awkward(seed: int) -> Tensor:
    """Return weights (8, 3, 2, 2): plain channels, and such as are 0, of one sign, near each other or far apart."""
    weight = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    weight[1] = 0
    weight[2] = weight[2].abs() + 3
    weight[3] = -2 - 1e-4 * weight[3].abs()
    weight[4] = 2 + 1e-4 * weight[4].abs()
    weight[5, 0, 0, 0] = 1e6
    weight[6] *= 1e-30
    return weight


@pytest.mark.parametrize("granularity", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_same_integers_and_scales(tmp_path: Path, name: str, granularity: Granularity) -> None:
    quantizer = WeightQuantizer(operand_format(name), granularity)
    for seed in range(20):
        weight = awkward(seed)
        layers = {"conv.weight": weight, "fc.weight": weight[:, :, 0, 0] - 1, "plain.weight": weight[:1].clone()}
        given = {**layers, "bn.weight": torch.rand(8)}
        save_file(given, tmp_path / "weights.safetensors")
        kept_weights.pack(tmp_path / "weights.safetensors", quantizer, tmp_path / "kept" / "1.safetensors.xz")
        found = kept_weights.unpack(tmp_path / "kept" / "1.safetensors.xz", quantizer)
        assert found.keys() == given.keys() and torch.equal(found["bn.weight"], given["bn.weight"])
        for key in layers:
            assert found[key].shape == given[key].shape and found[key].dtype == torch.float32
            before, after = (quantizer.quantize(weights[key]) for weights in (given, found))
            for part in ("values", "scale", "zero_point"):
                assert torch.equal(getattr(before, part), getattr(after, part)), (key, part)


def test_what_is_kept_is_small(tmp_path: Path) -> None:
    weights, kept = tmp_path / "weights.safetensors", tmp_path / "kept.safetensors.xz"
    save_file({"weight": torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(0))}, weights)
    kept_weights.pack(weights, kept_weights.quantizer_of(parse_config({})), kept)
    assert kept.stat().st_size < weights.stat().st_size / 3


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept.safetensors.xz").write_bytes(content)
    with pytest.raises(InputError, match=r"kept\.safetensors\.xz: cannot be read"):
        kept_weights.unpack(tmp_path / "kept.safetensors.xz", kept_weights.quantizer_of(parse_config({})))
