"""What operating points beyond the first cost in memory."""

from __future__ import annotations

from dataclasses import dataclass

_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Overhead:
    """Numbers that the points beyond the first add to a network, as float32.

    QoS-Nets (arXiv 2410.07762) counts `gamma` and `beta` of the extra points and not their running statistics: 2.75 % for
    three points of MobileNetV2 with 200 classes, 2 x 34,112 of 2,480,072. In hardware statistics become part of scale and
    offset; here they stand by themselves.
    """

    base_parameters: int  # of the network with one point
    corrections: int  # offsets, and scales of channels in rows where one is not 1; equal rows of a layer count once
    norms: int  # gamma and beta
    statistics: int  # running means and variances that differ from the first point's

    @property
    def parameters(self) -> int:
        """Parameters added, running statistics not counted."""
        return self.corrections + self.norms

    @property
    def rel_parameters(self) -> float:
        """Parameters added, relative to the network's."""
        return self.parameters / self.base_parameters

    @property
    def nbytes(self) -> int:
        """Bytes added, running statistics counted."""
        return _BYTES * (self.parameters + self.statistics)
