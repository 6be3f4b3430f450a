"""The error of one multiplier in one layer, before it is put into a table."""

from __future__ import annotations

from dataclasses import dataclass

from dse.error_model._error_table import ChannelErrors


@dataclass(frozen=True)
class Cell:
    """Error of one multiplier in one layer, in real units of the layer's output."""

    mean: float
    std: float
    channels: ChannelErrors | None = None  # rows of one multiplier, direct model only
