"""What all figures share: the look of a method, the canvas, and the files a figure becomes."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from dse.report._text import drawn
from dse.types import Floats
from dse.whole_files import writable_folder, write_whole

Drawing: TypeAlias = Callable[[], Figure]

# Okabe and Ito's palette, which colour-blind readers tell apart; markers and lines repeat the distinction in grey print.
_KNOWN = {
    "nsga2": ("#0072B2", "o", "-"),
    "alwann": ("#D55E00", "s", "--"),
    "random": ("#009E73", "^", ":"),
    "exhaustive": ("#000000", "x", "-"),
}
_OTHER_COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")  # the last two of Tol's muted palette
_OTHER_MARKERS = ("D", "v", ">", "*")
_OTHER_LINES = ("-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (7, 2)), (0, (3, 1, 1, 1, 1, 1)))
QUIET = "#777777"  # of whatever is context, not result

_SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "pdf.fonttype": 42,  # TrueType: text stays text
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn, the same in every figure."""

    colour: str
    marker: str
    line: Any  # a style as matplotlib takes it


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """Return the look of each method: a fixed one for the package's own, the next free one for the caller's."""
    others = [m for m in methods if m not in _KNOWN]
    cycles = (_OTHER_COLOURS, _OTHER_MARKERS, _OTHER_LINES)
    free: dict[str, Any] = {m: tuple(cycle[i % len(cycle)] for cycle in cycles) for i, m in enumerate(others)}
    return {m: Look(*{**_KNOWN, **free}[m]) for m in methods}


def canvas(width: float, height: float, title: str, caption: str) -> Figure:
    """Return an empty figure (inches) with a title above and a caption below."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(drawn(title, 100), x=0.01, ha="left", fontsize=11, fontweight="bold")
    lines = textwrap.wrap(drawn(caption, 400), int(width * 17)) or [""]
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color=QUIET)
    return figure


def legend_beside(figure: Figure, *panels: Axes) -> None:
    """Name what axes show at the right of the figure, where nothing is drawn."""
    handles = [handle for axes in panels for handle in axes.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside right upper", fontsize=7.5, handlelength=3.2)


def room(labels: Sequence[str]) -> float:
    """Return the inches that the longest of some tick labels takes."""
    return 0.06 * max(map(len, labels), default=0)


def ink(image: AxesImage, values: Floats) -> NDArray[np.str_]:
    """Return the colour of text that is legible on each value of a colour map that runs from dark to bright."""
    return np.where(np.ma.filled(image.norm(values), 0) < 0.55, "white", "black")


def save(draw: Drawing, folder: Path, name: str) -> Path:
    """Draw a figure in the report's own settings and write it as PNG and PDF; the same figure gives the same bytes.

    Returns:
        Path of the PNG.

    Raises:
        InputError: The folder cannot be made, or a file not be written.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():  # what the caller has set is back afterwards
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # of a name in a script the font lacks: a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = draw()
        png = _rendered(figure, format="png", dpi=150, metadata={"Software": None})
        figure.set_layout_engine("none")  # keep the layout that the PNG has got
        pdf = _rendered(figure, format="pdf", metadata={"CreationDate": None})
    writable_folder(folder)
    write_whole(folder / f"{name}.pdf", pdf)
    return write_whole(folder / f"{name}.png", png)


def _rendered(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()
