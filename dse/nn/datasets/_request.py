"""What a loader is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dse.exceptions import InputError
from dse.types import LARGEST_SEED


@dataclass(frozen=True)
class Request:
    """The settings that a data set may need; every loader takes what it uses."""

    name: str
    data_root: Path | None  # folder of downloaded data sets
    path: Path | None  # the user's own file or folder
    download: bool  # whether missing files may be fetched
    seed: int  # of a split that the data set does not come with
    image_size: int | None  # pixels to resize to

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"seed: expected 0..{LARGEST_SEED}, got {self.seed}")
