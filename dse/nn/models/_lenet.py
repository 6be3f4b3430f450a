"""LeNet-5 (LeCun et al., Gradient-based learning applied to document recognition, 1998)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dse.exceptions import InputError


def lenet5(in_shape: tuple[int, int, int], n_classes: int) -> nn.Sequential:
    """Build LeNet-5 with today's ReLU and max pooling: 5x5 convolutions of 6 and 16 channels, then 120, 84, classes.

    28x28 images are padded to the 32x32 of the paper inside the first convolution. Every feature map of the second
    convolution sees all six maps (the paper's connection table is left out, as everywhere today).

    Args:
        in_shape: (C, 28, 28) or (C, 32, 32).
        n_classes: width of the output.

    Returns:
        A network from (N, C, H, W) to (N, n_classes) float32; approximable layers `conv1`, `conv2`, `fc1` .. `fc3`.

    Raises:
        InputError: the image is neither 28x28 nor 32x32.
    """
    channels, *size = in_shape
    if size not in ([28, 28], [32, 32]):
        raise InputError(
            f"model 'lenet5': expected images of 28x28 or 32x32 pixels, got {size[0]}x{size[1]}; "
            "resize the images or choose another model"
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, 6, 5, padding=(32 - size[0]) // 2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * 5 * 5, 120),
        relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        fc3=nn.Linear(84, n_classes),
    )
    return nn.Sequential(layers)
