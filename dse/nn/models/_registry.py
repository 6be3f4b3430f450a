"""The networks known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from dse.exceptions import InputError, unknown_name
from dse.nn.models._digits_cnn import digits_cnn
from dse.nn.models._lenet import lenet5
from dse.nn.models._mobilenet import mobilenetv2
from dse.nn.models._resnet import resnet
from dse.nn.models._seeding import seeded
from dse.nn.models._vgg import vgg16bn


@dataclass(frozen=True)
class ModelInfo:
    """How a named network is built, and one line about it."""

    build: Callable[[tuple[int, int, int], int], nn.Module]  # (C, H, W), classes -> network
    text: str


def _resnet_info(depth: int) -> ModelInfo:
    text = f"CIFAR ResNet v1 with {depth - 1} convolutions (He et al. 2016), option-A shortcuts, images from 8x8"
    return ModelInfo(partial(resnet, depth), text)


MODELS: dict[str, ModelInfo] = {
    "digits-cnn": ModelInfo(
        digits_cnn, "five 3x3 convolutions and a linear layer, 226,032 multiplications for an 8x8 digit"
    ),
    "lenet5": ModelInfo(lenet5, "LeNet-5 with ReLU and max pooling for 28x28 or 32x32 images"),
    **{f"resnet{depth}": _resnet_info(depth) for depth in (8, 14, 20, 32, 50, 56)},
    "mobilenetv2": ModelInfo(
        mobilenetv2, "torchvision's MobileNetV2 with 52 convolutions, fewer strides below 128x128, images from 16x16"
    ),
    "vgg16bn": ModelInfo(
        vgg16bn, "VGG-16's 13 convolutions with batch normalisation and one linear layer, images from 32x32"
    ),
}


def build_model(name: str, *, in_shape: tuple[int, ...], n_classes: int, seed: int = 0) -> nn.Module:
    """Build a network by name, with random weights fixed by `seed`; the global random state stays as it was.

    Args:
        name: a key of `MODELS`.
        in_shape: (C, H, W) of one image.
        n_classes: width of the output, at least 2.
        seed: of the initial weights.

    Returns:
        The network in training mode, on the CPU, float32.

    Raises:
        InputError: unknown name, or a shape that the network does not take.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise InputError(f"model '{name}': expected in_shape (C, H, W) of positive integers, got {tuple(in_shape)}")
    if n_classes < 2:
        raise InputError(f"model '{name}': expected n_classes of at least 2, got {n_classes}; check the labels")
    channels, height, width = in_shape
    with seeded(seed):
        return MODELS[name].build((channels, height, width), n_classes)
