"""The small network of the tutorial and of the tests: six approximable layers that train in seconds on a CPU."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dse.nn.models._sizes import require_size

# (output channels, stride) of the five convolutions. For (1, 8, 8) images the layers cost 4,608 + 55,296 + 27,648 +
# 55,296 + 82,944 + 240 = 226,032 multiplications, so that no single layer decides the saving.
_CONVOLUTIONS = ((8, 1), (12, 1), (16, 2), (24, 1), (24, 1))


def digits_cnn(in_shape: tuple[int, int, int], n_classes: int) -> nn.Sequential:
    """Build five 3x3 convolutions with batch normalisation and ReLU, a global average pool and a linear layer.

    Args:
        in_shape: (C, H, W) of one image; made for (1, 8, 8).
        n_classes: width of the output.

    Returns:
        A network from (N, C, H, W) to (N, n_classes) float32; its approximable layers are `conv1` .. `conv5`, `linear`.

    Raises:
        InputError: the image is smaller than 4x4.
    """
    require_size("digits-cnn", in_shape, 4)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = in_shape[0]
    for i, (width, stride) in enumerate(_CONVOLUTIONS, start=1):
        layers[f"conv{i}"] = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        layers[f"bn{i}"] = nn.BatchNorm2d(width)
        layers[f"relu{i}"] = nn.ReLU()
        channels = width
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["linear"] = nn.Linear(channels, n_classes)
    return nn.Sequential(layers)
