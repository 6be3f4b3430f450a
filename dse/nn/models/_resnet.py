"""The CIFAR ResNets of He et al., Deep residual learning for image recognition, 2016, section 4.2.

Version 1 (activation after the addition) with the parameter-free shortcut, option A. `conv1`, `bn1`,
`layer{1,2,3}.{i}.{conv1,bn1,conv2,bn2}` and `linear` are the names that most published checkpoints use.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

from dse.nn.models._sizes import require_size

_WIDTHS = (16, 32, 64)


def _conv3x3(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters: (N, inputs, H, W) -> (N, outputs, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3x3(outputs, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2  # zero channels on each side; a quarter of `outputs` where it doubles

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(residual + shortcut)."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(residual + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        """Option A: every `stride`-th pixel, and zeros for the channels that the input does not have."""
        if self.stride == 1:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))


class ResNet(nn.Module):
    """A CIFAR ResNet: (N, C, H, W) -> (N, n_classes), with `blocks` basic blocks in each of its three stages."""

    def __init__(self, blocks: int, channels: int, n_classes: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels, _WIDTHS[0], 1)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.layer1 = nn.Sequential(*_stage(blocks, _WIDTHS[0], _WIDTHS[0], 1))
        self.layer2 = nn.Sequential(*_stage(blocks, _WIDTHS[0], _WIDTHS[1], 2))
        self.layer3 = nn.Sequential(*_stage(blocks, _WIDTHS[1], _WIDTHS[2], 2))
        self.linear = nn.Linear(_WIDTHS[2], n_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def _stage(blocks: int, inputs: int, outputs: int, stride: int) -> Iterator[BasicBlock]:
    """Yield the blocks of a stage; the first one changes width and resolution."""
    yield BasicBlock(inputs, outputs, stride)
    for _ in range(blocks - 1):
        yield BasicBlock(outputs, outputs, 1)


def resnet(depth: int, in_shape: tuple[int, int, int], n_classes: int) -> ResNet:
    """Build the ResNet of `depth` = 6n + 2 weighted layers.

    Args:
        depth: number of convolutions plus the linear layer, 8, 14, 20, ...
        in_shape: (C, H, W) of one image.
        n_classes: width of the output.

    Returns:
        A network from (N, C, H, W) to (N, n_classes) float32.

    Raises:
        InputError: the image is smaller than 8x8, which leaves 2x2 pixels in the last stage.
    """
    require_size(f"resnet{depth}", in_shape, 8)
    return ResNet((depth - 2) // 6, in_shape[0], n_classes)
