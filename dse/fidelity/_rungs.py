"""Fidelities by name: `lut`, `lut-250` (the first 250 search images), `noise`, `noise-64`."""

from __future__ import annotations

from collections.abc import Callable

from dse.exceptions import InputError
from dse.objectives import DesignScorer, Simulator

TOP = "lut"
NOISE_IMAGES = 128  # what `noise` without a number looks at


class Ladder:
    """The simulated rungs of one study, each made when it is first asked for.

    Args:
        simulator: The top rung, on all search images.
        noise: Makes the noise rung on all search images; None where there is none.
    """

    def __init__(self, simulator: Simulator, noise: Callable[[], DesignScorer] | None = None) -> None:
        self._simulator = simulator
        self._make_noise = noise
        self._made: dict[str, DesignScorer] = {TOP: simulator}

    def __getitem__(self, fidelity: str) -> DesignScorer:
        """Return what scores designs at a fidelity.

        Raises:
            InputError: If the name means nothing, or more images than there are.
        """
        if fidelity not in self._made:
            kind, images = parse_fidelity(fidelity)
            if kind == TOP:
                base: DesignScorer = self._simulator
            elif self._make_noise is None:
                raise InputError(
                    f"fidelity '{fidelity}': expected lut or lut-<images>, for this study has no error table"
                )
            else:
                base = self._made.setdefault("", self._make_noise())
                images = min(NOISE_IMAGES, base.images) if images is None else images
            self._made[fidelity] = base if images is None else base.first(images)
        return self._made[fidelity]


def parse_fidelity(name: str) -> tuple[str, int | None]:
    """Return kind (`lut` or `noise`) and number of images of a fidelity's name; None where it names none.

    Raises:
        InputError: If the name means nothing.
    """
    kind, dash, images = name.partition("-")
    fine = not dash or (images.isascii() and images.isdigit() and images[0] != "0")
    if kind not in (TOP, "noise") or not fine:
        raise InputError(
            f"fidelity: expected lut, noise, lut-<images> or noise-<images>, such as lut-250, got '{name}'"
        )
    return kind, int(images) if dash else None
