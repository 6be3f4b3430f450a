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
# (M, G, K, N): rows, groups, products in a sum, columns of a group
PRODUCTS = {
    "ResNet-8/20: 3x3, 16 to 16": (65536, 1, 144, 16),
    "ResNet-8/20: 3x3, 32 to 32": (16384, 1, 288, 32),
    "ResNet-8/20: 3x3, 64 to 64": (4096, 1, 576, 64),
    "MobileNetV2: depthwise 3x3, 96": (16384, 96, 9, 1),
    "MobileNetV2: 1x1, 32 to 192": (16384, 1, 32, 192),
    "MobileNetV2: 1x1, 192 to 32": (16384, 1, 192, 32),
    "VGG: 3x3, 128 to 128": (4096, 1, 1152, 128),
    "VGG: 3x3, 256 to 256": (1024, 1, 2304, 256),
}
