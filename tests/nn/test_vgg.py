"""VGG-16 against torchvision's: names, shapes and outputs of its convolutions; counts against published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dse.exceptions import InputError
from dse.nn._vision import import_torchvision
from dse.nn.models import build_model
from tests.nn.test_models import multiplications, parameters


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return build_model("vgg16bn", in_shape=(3, 32, 32), n_classes=10)


def test_counts_are_those_of_the_cifar_network(model: nn.Module) -> None:
    """By hand: 3x3 convolutions of 64 to 512 channels on 32, 16, 8, 4 and 2 pixels, and 5,120 in the linear layer."""
    widths = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), *[(256, 256, 8)] * 2]
    widths += [(256, 512, 4), *[(512, 512, 4)] * 2, *[(512, 512, 2)] * 3]
    by_hand = [9 * inputs * outputs * size**2 for inputs, outputs, size in widths]
    assert multiplications(model, (3, 32, 32)) == [*by_hand, 5120]
    assert sum(by_hand) == 313_196_544
    assert parameters(model) == 14_728_266  # kuangliu/pytorch-cifar, VGG16


def test_features_are_those_of_torchvision(model: nn.Module) -> None:
    try:
        vgg = import_torchvision().models.vgg
    except InputError:
        pytest.skip("torchvision is not installed")
    theirs = vgg.make_layers(vgg.cfgs["D"], batch_norm=True).eval()
    theirs.load_state_dict(model.features.state_dict())  # type: ignore[union-attr]
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.eval().features(x), theirs(x))  # type: ignore[operator]


@pytest.mark.parametrize(("size", "pixels"), [(32, 1), (64, 2), (100, 3)])
def test_larger_images_leave_more_to_the_global_pool(model: nn.Module, size: int, pixels: int) -> None:
    x = torch.zeros(1, 3, size, size)
    with torch.inference_mode():
        assert model.eval().features(x).shape == (1, 512, pixels, pixels)  # type: ignore[operator]
        assert model(x).shape == (1, 10)
