"""What the CIFAR-10 study was to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gather import OURS
from series import SERIES, Cell, Row, Series, saving_at_least, within

ARMS: Sequence[Series] = ((OURS, "nsga2"), ("joint", "nsga2"))  # whose designs count


@dataclass(frozen=True)
class Target:
    """At least so much saved at most so much lost, and what was hoped for."""

    network: str
    retrained: bool
    saving: float  # %
    level: float  # pp
    hoped: str


TARGETS = (
    Target("resnet20", False, 80, 0.6, "88 % at 0.5 pp"),
    Target("resnet20", False, 88, 1.0, "88 % at 0.5 pp"),
    Target("resnet8", False, 65, 1.0, "80 %"),
    Target("resnet14", False, 75, 1.0, "85 %"),
    Target("resnet32", False, 80, 1.0, "90 %"),
    Target("resnet8", True, 80, 0.5, "88 % at 0.3 pp"),
    Target("resnet20", True, 88, 0.5, "93 % at 0.3 pp"),
)


def table(designs: Sequence[Row], retrained: Sequence[Row]) -> Iterator[str]:
    """Yield a row for each target and arm: what validation images choose, and what test images themselves would."""
    yield "Validation images choose twice, the largest saving within the loss and the least loss with the saving; test"
    yield "images judge. Beside it stands what the test images themselves would choose within the loss."
    yield ""
    yield "| network | target | hoped for | by | within the loss | with the saving | by test images themselves |"
    yield "|---" * 7 + "|"
    for target in TARGETS:
        rows = retrained if target.retrained else designs
        for series in ARMS:
            chosen, met = (
                within(rows, loss, [target.level]).get((target.network, series, target.level))
                for loss in ("loss_pp", "test_loss_pp")
            )
            least = saving_at_least(rows, target.saving).get((target.network, series))
            cells = [_verdict(target, found or ()) for found in (chosen, least, met)]
            if chosen is not None or series == ARMS[0]:
                asked = f"{target.saving:g} % at ≤ {target.level:g} pp{', retrained' * target.retrained}"
                yield f"| {target.network} | {asked} | {target.hoped} | {SERIES[series]} | {' | '.join(cells)} |"


def _verdict(target: Target, cells: Sequence[Cell | None]) -> str:
    if not cells:
        return "not run"
    kept = [cell for cell in cells if cell is not None]
    if len(kept) < len(cells):
        return "missed: no such design" + (f" of {len(cells) - len(kept)} of {len(cells)} seeds" if kept else "")
    saving, loss = (float(np.mean([getattr(cell, name) for cell in kept])) for name in ("saving", "loss"))
    reached = saving >= target.saving and loss <= target.level + 1e-9
    return f"{'reached' if reached else 'missed'}: {saving:.1f} % at {loss:.2f} pp"
