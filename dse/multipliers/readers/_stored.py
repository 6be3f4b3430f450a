"""What all files that hold a table share: how a table and what is said about it become a candidate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._options import ReadOptions, stated_format


def stored_table(name: str, table: NDArray[np.generic], path: Path, options: ReadOptions) -> Candidate:
    """Return a table from a file with the widths, the sign and the figures that are stated for its name."""
    stated = stated_format(name, options)
    return with_figures(
        Candidate(
            name,
            table,
            str(path),
            a_bits=stated.a_bits,
            b_bits=stated.b_bits,
            a_signed=stated.signed,
            b_signed=stated.signed,
            origin=f"table from {path.name}",
            any_arrangement=True,
        ),
        options,
    )


def with_figures(candidate: Candidate, options: ReadOptions) -> Candidate:
    """Return the candidate with the figures of its row; they replace those that its own file states."""
    row = options.figures.get(candidate.name)
    if row is None:
        return candidate
    declared, declared_in = (
        (row.errors, "its row of figures") if row.errors else (candidate.declared, candidate.declared_in)
    )
    return replace(
        candidate,
        power_mw=row.power_mw,
        area_um2=row.area_um2,
        delay_ns=row.delay_ns,
        declared=declared,
        declared_in=declared_in,
        origin=f"{candidate.origin}, figures from CSV",
    )
