"""The figures of every circuit that comes with the package, kept in a file because estimating them takes a minute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from dse.circuits import Figures, figures, product_table
from dse.multipliers._circuit import ESTIMATED, from_netlist
from dse.multipliers._circuits import BITS, circuits, circuits_by_name
from dse.multipliers._metrics import ErrorMetrics, error_metrics
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import exact_products
from dse.whole_files import write_whole

METRICS = ("mae", "wce", "mre", "error_probability", "std_error")  # errors whose fronts the built-in library consists of
FILE = "catalogue.csv"
_FIGURES, _ERRORS = ([field.name for field in fields(kind)] for kind in (Figures, ErrorMetrics))
COLUMNS = ("name", "signed", "family", "made", "source", *_FIGURES, *_ERRORS, "fronts")


@dataclass(frozen=True)
class Entry:
    """What is known of one circuit."""

    name: str
    signed: bool
    family: str
    made: str
    source: str
    figures: Figures
    errors: ErrorMetrics
    fronts: tuple[str, ...]  # the error metrics in which nothing of less power is as good

    @property
    def row(self) -> tuple[object, ...]:
        """The cells of the file, in the order of `COLUMNS`."""
        start = (self.name, int(self.signed), self.family, self.made, self.source)
        return (*start, *astuple(self.figures), *astuple(self.errors), " ".join(self.fronts))


def measured_entries(signed: bool) -> list[Entry]:
    """Estimate the figures of all circuits of one sign and find those on a front; takes half a minute."""
    exact = exact_products(BITS, BITS, signed, signed)
    entries = []
    for circuit in circuits(signed):
        netlist = circuit.build()
        errors = error_metrics(product_table(netlist), exact)
        known = (circuit.name, signed, circuit.family, circuit.made, circuit.source)
        entries.append(Entry(*known, figures(netlist), errors, ()))
    return with_fronts(entries)


def with_fronts(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of one sign with the error metrics by which each is Pareto-optimal beside its power.

    Of circuits that are alike in both, the first counts.
    """
    from dse.pareto import non_dominated  # heavy, and needed only where the catalogue is made

    fronts: list[list[str]] = [[] for _ in entries]
    for metric in METRICS:
        values = np.array([(e.figures.power_mw, getattr(e.errors, metric)) for e in entries], dtype=np.float64)
        for place in np.flatnonzero(non_dominated(values)):
            fronts[place].append(metric)
    return [replace(entry, fronts=tuple(front)) for entry, front in zip(entries, fronts, strict=True)]


def write_catalogue(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries as CSV with a header; floats have all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(entry.row for entry in entries)
    write_whole(path, text.getvalue().encode())


@lru_cache
def catalogue_entries(signed: bool) -> tuple[Entry, ...]:
    """Return the entries of the package's file of one sign."""
    text = (resources.files("dse.multipliers") / FILE).read_text(encoding="utf-8")
    return tuple(_entry(row) for row in csv.DictReader(text.splitlines()) if row["signed"] == str(int(signed)))


def multipliers(entries: Iterable[Entry]) -> Iterator[Multiplier]:
    """Yield the multipliers of entries: tables from the netlists, figures from the entries."""
    for entry in entries:
        netlist = circuits_by_name(entry.signed)[entry.name].build()
        origin = f"{entry.made}; {entry.source}; {ESTIMATED}"
        yield from_netlist(netlist, name=entry.name, origin=origin, known=entry.figures)


def _entry(row: dict[str, str]) -> Entry:
    values = {key: float(row[key]) for key in (*_FIGURES, *_ERRORS)}
    errors = ErrorMetrics(**{key: int(values[key]) if key == "wce" else values[key] for key in _ERRORS})  # type: ignore[arg-type]
    known = Figures(**{key: values[key] for key in _FIGURES})
    fronts = tuple(row["fronts"].split())
    return Entry(row["name"], row["signed"] == "1", row["family"], row["made"], row["source"], known, errors, fronts)
