"""The catalogue of circuits as a page: what there is, the fronts, and what evolution gains; every table is computed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from dse.multipliers import (
    Entry,
    MultiplierLibrary,
    catalogue_entries,
    measured_entries,
    write_catalogue,
)
from dse.report import draw_panels, panel, save
from dse.types import Floats
from dse.whole_files import writable_folder, write_whole

CSV, PAGE, FIGURE = "catalogue.csv", "README.md", "fronts"


def measure_catalogue() -> list[Entry]:
    """Estimate the figures of every circuit of both signs anew; takes a minute."""
    return [entry for signed in (False, True) for entry in measured_entries(signed)]


def known_catalogue() -> list[Entry]:
    """Return the figures that come with the package."""
    return [entry for signed in (False, True) for entry in catalogue_entries(signed)]


def write_page(
    folder: Path, entries: Sequence[Entry], imported: Mapping[str, MultiplierLibrary], command: str
) -> list[Path]:
    """Write the catalogue: `catalogue.csv`, `README.md` and `fronts.png`.

    Args:
        folder: Where to; made if it is missing.
        entries: All circuits of both signs.
        imported: Libraries to draw beside them, by name.
        command: What makes the page, to stand on it.

    Returns:
        The files.

    Raises:
        InputError: One of them cannot be written.
    """
    writable_folder(folder)
    write_catalogue(folder / CSV, entries)
    panels = [
        panel(f"{'signed' if signed else 'unsigned'}, 8 x 8 bits", _groups(entries, imported, signed))
        for signed in (False, True)
    ]
    caption = "Uniform operands; power estimated from gates at 45 nm, that of imported circuits as given."
    draw = partial(draw_panels, panels, "mean error distance (MAE)", "Power against error", caption)
    figure = save(draw, folder, FIGURE)
    text = "\n".join(_page(entries, imported, command, figure.name)) + "\n"
    return [write_whole(folder / PAGE, text.encode()), folder / CSV, figure]


def gains(entries: Sequence[Entry], signed: bool) -> list[tuple[Entry, Entry, float]]:
    """Return each evolved circuit, its rival, and the ratio of their powers: below 1 evolution has gained.

    The rival is the family member of least power among those of at most a tenth more mean error. Families have few members,
    and one of hardly more error may need much less power: a comparison at no more error would flatter evolution.
    """
    own = [e for e in entries if e.signed == signed]
    families = [e for e in own if e.family != "evolved"]
    found = []
    for evolved in sorted((e for e in own if e.family == "evolved"), key=lambda e: e.errors.mae):
        rival = min((e for e in families if e.errors.mae <= 1.1 * evolved.errors.mae), key=lambda e: e.figures.power_mw)
        found.append((evolved, rival, evolved.figures.power_mw / rival.figures.power_mw))
    return found


def _groups(entries: Sequence[Entry], imported: Mapping[str, MultiplierLibrary], signed: bool) -> dict[str, Floats]:
    own = [e for e in entries if e.signed == signed]
    kinds = {
        "families": [e for e in own if e.family != "evolved"],
        "evolved": [e for e in own if e.family == "evolved"],
    }
    groups = {name: np.array([(e.figures.power_mw, e.errors.mae) for e in kind]) for name, kind in kinds.items()}
    for name, library in imported.items():
        if (library[0].x_signed, library[0].x_bits, library[0].w_bits) == (signed, 8, 8):
            groups[name] = np.array([(m.power_mw, m.errors.mae) for m in library])
    return {name: points for name, points in groups.items() if len(points)}


def _page(
    entries: Sequence[Entry], imported: Mapping[str, MultiplierLibrary], command: str, figure: str
) -> Iterator[str]:
    yield "# Built-in multipliers"
    yield f"\nMade by `{command}`. 8 x 8 bits. Power, area and delay are estimates from gates at 45 nm (`docs/hardware.md`);"
    yield "errors are over uniform operands, all 65,536 pairs."
    yield f"\n![power against error]({figure})"
    for signed in (False, True):
        own = [e for e in entries if e.signed == signed]
        yield f"\n## {'Signed' if signed else 'Unsigned'}\n"
        yield from _families(own)
        yield from _front(own)
        yield from _gain_table(gains(entries, signed))
    if imported:
        yield "\n## Imported, in the figure\n"
        for name, library in imported.items():
            drawn = (library[0].x_bits, library[0].w_bits) == (8, 8)
            yield f"- {name}: {len(library)} circuits{'' if drawn else ', of other widths and not drawn'}"


def _families(own: Sequence[Entry]) -> Iterator[str]:
    counts, chosen = (Counter(e.family for e in group) for group in (own, [e for e in own if e.fronts]))
    yield f"{len(own)} circuits, {sum(chosen.values())} of them on a front and so in the built-in library.\n"
    yield "| family | circuits | on a front | defined by |"
    yield "| --- | --- | --- | --- |"
    for family in counts:
        sources = sorted({source.strip() for e in own if e.family == family for source in e.source.split(";")})
        yield f"| {family} | {counts[family]} | {chosen[family]} | {'; '.join(sources)} |"


def _front(own: Sequence[Entry]) -> Iterator[str]:
    reference = min((e for e in own if e.errors.wce == 0), key=lambda e: e.figures.power_mw)
    yield f"\nCircuits on a front; power also relative to `{reference.name}`, the exact circuit of least power.\n"
    yield "| name | power, mW | relative | area, um2 | delay, ns | MAE | WCE | MRE, % | EP, % | on the fronts of |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for e in sorted((e for e in own if e.fronts), key=lambda e: -e.figures.power_mw):
        f, r = e.figures, e.errors
        yield (
            f"| {e.name} | {f.power_mw:.4f} | {f.power_mw / reference.figures.power_mw:.3f} | {f.area_um2:.1f} | "
            f"{f.delay_ns:.2f} | {r.mae:.2f} | {r.wce} | {100 * r.mre:.2f} | {100 * r.error_probability:.1f} | "
            f"{', '.join(e.fronts)} |"
        )


def _gain_table(found: Sequence[tuple[Entry, Entry, float]]) -> Iterator[str]:
    if not found:
        return
    yield "\nEvolved circuits beside the family member of least power among those of at most a tenth more mean error; below"
    yield "1 the evolved one needs less power.\n"
    yield "| evolved | MAE | power, mW | family member | MAE | power, mW | ratio | made by |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for e, rival, ratio in found:
        yield (
            f"| {e.name} | {e.errors.mae:.2f} | {e.figures.power_mw:.4f} | {rival.name} | {rival.errors.mae:.2f} | "
            f"{rival.figures.power_mw:.4f} | {ratio:.3f} | `{e.made}` |"
        )
