"""Where names stand in a figure, so that they cover neither each other nor marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dse.report._text import drawn
from dse.types import Floats

_LONGEST = 18  # characters of a name; the middle of a longer one is left out
_GAP, _LETTER, _LINE = (0.008, 0.012), 0.0115, 0.035  # around a name, of a character, of a line: shares of the axes
_SIDES = ((1, 1), (-1, 1), (1, -1), (-1, -1))  # of the mark, in order of preference: right and above first


@dataclass(frozen=True)
class Label:
    """A name beside a mark."""

    text: str
    point: tuple[float, float]  # of the mark, in the figure's units
    side: tuple[int, int]  # of the mark: 1 right, -1 left; 1 above, -1 below


def placed(
    names: Sequence[str], points: Floats, marks: Floats, limits: tuple[float, float, float, float], *, log: bool = False
) -> Iterator[Label]:
    """Yield names of points that have a side with room, the first ones first.

    Args:
        names: A name for each point.
        points: `(n, 2)`.
        marks: `(m, 2)` whatever is drawn and must stay visible, the points included.
        limits: Least and most of the first axis, least and most of the second.
        log: Whether the first axis is logarithmic.
    """
    corners = np.array(limits).reshape(2, 2).T
    low, high = _on_axes(corners, log)
    if log:  # 0 is not on the axes
        names = [name for name, x in zip(names, points[:, 0], strict=True) if x > 0]
        points, marks = points[points[:, 0] > 0], marks[marks[:, 0] > 0]
    at, marks = ((_on_axes(p, log) - low) / (high - low) for p in (points, marks))
    boxes: list[tuple[Floats, Floats]] = []
    for name, point, place in zip(names, points.tolist(), at, strict=True):
        text = drawn(name, _LONGEST)
        for side in _SIDES:
            box = _box(place, side, len(text))
            inside = (box[0] >= 0).all() and (box[1] <= 1).all()
            covers = ((marks > box[0]) & (marks < box[1])).all(axis=1).any()
            if inside and not covers and not any((box[0] < b[1]).all() and (b[0] < box[1]).all() for b in boxes):
                boxes.append(box)
                yield Label(text, (point[0], point[1]), side)
                break


def _on_axes(points: Floats, log: bool) -> Floats:
    return np.column_stack([np.log10(points[:, 0]), points[:, 1]]) if log else points


def _box(place: Floats, side: tuple[int, int], letters: int) -> tuple[Floats, Floats]:
    """Return the least and the most corner of a name, in shares of the axes."""
    corners = place + side * np.array([_GAP, (_GAP[0] + letters * _LETTER, _GAP[1] + _LINE)])
    return corners.min(axis=0), corners.max(axis=0)
