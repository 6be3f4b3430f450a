"""What operating points beyond the first cost in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.variants import StoredCodes

_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Overhead:
    """What the points beyond the first add to a network: numbers, as float32, and other weight codes.

    QoS-Nets (arXiv 2410.07762) counts `gamma` and `beta` of the extra points and not their running statistics: 2.75 % for
    three points of MobileNetV2 with 200 classes, 2 x 34,112 of 2,480,072. In hardware statistics become part of scale and
    offset; here they stand by themselves.

    Where multipliers have their weights tuned or clipped, points may want other weights stored in a layer: no parameters,
    but memory that hardware must have. `stored_bytes` is the smaller of two ways to hold them, both in packed codes: the
    weights of such layers again for each different map, or the weights that are meant and the maps, one code for each weight
    code and equal ones of the network once. A layer that stores the same at all points adds nothing.
    """

    base_parameters: int  # of the network with one point
    corrections: int  # offsets, and scales of channels in rows where one is not 1; equal rows of a layer count once
    norms: int  # gamma and beta that differ from the first point's
    ranges: int  # factors of clipped operands: two for each other pair of shares than the first that a layer has
    statistics: int  # running means and variances that differ from the first point's
    stored_bytes: int  # of weight codes

    @property
    def parameters(self) -> int:
        """Parameters added, running statistics not counted."""
        return self.corrections + self.norms + self.ranges

    @property
    def rel_parameters(self) -> float:
        """Parameters added, relative to the network's."""
        return self.parameters / self.base_parameters

    @property
    def nbytes(self) -> int:
        """Bytes added, running statistics and stored weight codes counted."""
        return _BYTES * (self.parameters + self.statistics) + self.stored_bytes


def stored_bytes(layers: Iterable[tuple[int, Sequence[StoredCodes | None]]], levels: int) -> int:
    """Return the bytes of weight codes that points beyond the first add.

    Args:
        layers: Number of weights of each layer, and at each point the code stored for every weight code `(levels,)`, or
            None: itself.
        levels: Weight codes that there are.
    """
    themselves = np.arange(levels, dtype=np.int16).tobytes()
    every = [(count, {themselves if c is None else c.tobytes() for c in codes}) for count, codes in layers]
    differing = [(count, maps) for count, maps in every if len(maps) > 1]
    again = sum(count * (len(maps) - 1) for count, maps in differing)
    mapped = levels * len(set[bytes]().union(*(maps for _, maps in differing)) - {themselves})
    return -(-min(again, mapped) * (levels - 1).bit_length() // 8)
