"""MobileNetV2 (Sandler et al., CVPR 2018, table 2) as torchvision builds it, with fewer strides for small images."""

from __future__ import annotations

import copyreg
import math
from collections.abc import Callable
from typing import Any

from torch import nn

from dse.exceptions import InputError
from dse.nn._vision import import_torchvision
from dse.nn.models._sizes import require_size

# Table 2: expansion, channels, blocks; the strides of the paper follow the stem's 2.
_STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)


def mobilenetv2(in_shape: tuple[int, int, int], n_classes: int, *, width: float = 1.0) -> nn.Module:
    """Build torchvision's MobileNetV2, whose first strides are 1 for images that would be too small for them.

    The stem does not stride below 128 pixels, nor the stage of 24 channels below 64: 32x32 and 64x64 images become 4x4
    feature maps. At 32x32 these are the strides of the usual CIFAR networks (github.com/kuangliu/pytorch-cifar and
    chenyaofo/pytorch-cifar-models). Strides are no parameters: checkpoints of all these sizes have torchvision's names and
    shapes, but for the last layer where the classes are others, and for the first where images are not of three channels.

    Args:
        in_shape: (C, H, W) of one image.
        n_classes: width of the output.
        width: factor of the channels of all layers but the last two, which torchvision does not make narrower.

    Returns:
        A network from (N, C, H, W) to (N, n_classes) float32; all 52 convolutions and `classifier.1` are approximable.

    Raises:
        InputError: the image is smaller than 16x16, which leaves 2x2 pixels, the width is no positive number, or torchvision
            cannot be imported.
    """
    require_size("mobilenetv2", in_shape, 16)
    if not 0 < width < math.inf:
        raise InputError(f"model 'mobilenetv2': expected a width above 0, such as 0.5, got {width}")
    stem_stride, *strides = _strides(min(in_shape[1:]))
    stages = [[*stage, stride] for stage, stride in zip(_STAGES, strides, strict=True)]
    network = _class()(n_classes, width_mult=width, inverted_residual_setting=stages)
    stem = network.features[0]
    stem[0] = nn.Conv2d(in_shape[0], stem.out_channels, 3, stride=stem_stride, padding=1, bias=False)
    nn.init.kaiming_normal_(stem[0].weight, mode="fan_out")  # as torchvision does
    copyreg.pickle(type(network), _reduced)
    return network


def _class() -> Any:
    return import_torchvision().models.MobileNetV2


def _reduced(network: nn.Module) -> tuple[Callable[[], nn.Module], tuple[()], dict[str, Any]]:
    """Say how a network is sent: another process, too, has to import torchvision through `import_torchvision`."""
    return _empty, (), vars(network)


def _empty() -> nn.Module:
    """Return what becomes the network once its attributes have come."""
    return _class().__new__(_class())


def _strides(pixels: int) -> tuple[int, ...]:
    """Return the strides of the stem and of the stages: of 28 pixels and more, at least 4 are left at the end."""
    first = 3 if pixels < 64 else 1 if pixels < 128 else 0
    return (1,) * first + _STRIDES[first:]
