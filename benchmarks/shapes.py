"""Layer shapes of well-known networks: what a batch of them costs, and how to build them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Shape:
    """A convolution on a batch of square images."""

    network: str
    inputs: int
    outputs: int
    size: int  # of the input image
    batch: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1

    @property
    def name(self) -> str:
        """Short description."""
        kind = "depthwise " if self.groups > 1 else ""
        step = f" /{self.stride}" if self.stride > 1 else ""
        size = f"{self.size}x{self.size}{step}"
        return f"{self.network}: {kind}{self.kernel}x{self.kernel}, {self.inputs} to {self.outputs}, {size}"

    @property
    def products(self) -> int:
        """Multiplications in a batch."""
        return self.batch * (self.size // self.stride) ** 2 * self.inputs // self.groups * self.outputs * self.kernel**2

    def conv(self) -> nn.Conv2d:
        """Return the layer with random weights, without bias."""
        padding = self.kernel // 2
        return nn.Conv2d(
            self.inputs, self.outputs, self.kernel, self.stride, padding, groups=self.groups, bias=False
        )  # fmt: skip


LAYERS = (
    Shape("ResNet-8/20", 3, 16, 32, 256),
    Shape("ResNet-8/20", 16, 16, 32, 256),
    Shape("ResNet-8/20", 16, 32, 32, 256, stride=2),
    Shape("ResNet-8/20", 32, 32, 16, 256),
    Shape("ResNet-8/20", 64, 64, 8, 256),
    Shape("MobileNetV2", 96, 96, 28, 64, groups=96),
    Shape("MobileNetV2", 96, 96, 28, 64, stride=2, groups=96),
    Shape("MobileNetV2", 32, 192, 28, 64, kernel=1),
    Shape("MobileNetV2", 192, 32, 28, 64, kernel=1),
    Shape("VGG", 128, 128, 16, 64),
    Shape("VGG", 256, 256, 8, 64),
)
PRODUCTS = ((65536, 144, 16), (16384, 288, 32), (4096, 576, 64))  # (M, K, N) of ResNet layers at batch 64
