"""VGG-16 with batch normalisation (Simonyan and Zisserman, ICLR 2015, configuration D) for small images."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dse.nn.models._sizes import require_size

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16bn(in_shape: tuple[int, int, int], n_classes: int) -> nn.Sequential:
    """Build the thirteen convolutions of VGG-16, each with batch normalisation and ReLU, a global pool and a linear layer.

    One linear layer in place of the paper's three is the custom for CIFAR and Tiny ImageNet
    (github.com/kuangliu/pytorch-cifar): those three were made for 7x7 feature maps and hold 120 million weights.
    `features.{i}` are the names of torchvision's `vgg16_bn`, whose convolutions' weights therefore fit.

    Args:
        in_shape: (C, H, W) of one image.
        n_classes: width of the output.

    Returns:
        A network from (N, C, H, W) to (N, n_classes) float32; approximable layers `features.{i}` and `classifier`.

    Raises:
        InputError: the image is smaller than 32x32, of which five max pools leave one pixel.
    """
    require_size("vgg16bn", in_shape, 32)
    features: list[nn.Module] = []
    channels = in_shape[0]
    for widths in _STAGES:
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            features += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        features.append(nn.MaxPool2d(2))
    layers: OrderedDict[str, nn.Module] = OrderedDict(features=nn.Sequential(*features))
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(channels, n_classes)
    return nn.Sequential(layers)
