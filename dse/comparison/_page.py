"""The comparison as a Markdown page, and as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dse.comparison._comparison import Comparison
from dse.comparison._notes import notes
from dse.comparison._scope import ALL
from dse.comparison._table import Table, as_markdown, as_text, concise
from dse.comparison._tables import tables
from dse.report import markdown, plain

_NOT_PRINTED = ("series",)


def page(comparison: Comparison, made: Sequence[Table], figures: Sequence[tuple[str, str]]) -> str:
    """Return the page; `figures` are names and titles of those that lie in the folder `figures`."""
    parts = [f"# Comparison of {len(comparison.methods)} methods", _subject(comparison)]
    if comparison.unequal:
        lines = [f"* {markdown(line)}" for line in comparison.unequal]
        parts.append("\n".join(["**UNEQUAL conditions, compared because that was forced:**", "", *lines]))
    parts += [f"## {markdown(title)}\n\n![{markdown(title)}](figures/{name}.png)" for name, title in figures]
    parts += [f"## {markdown(table.heading)}\n\n{as_markdown(concise(table))}" for table in made]
    parts.append("\n".join(["## Notes", "", *(f"* {markdown(note)}" for note in notes(comparison))]))
    return "\n\n".join(parts) + "\n"


def _subject(comparison: Comparison) -> str:
    names = ", ".join(markdown(m) for m in comparison.methods)
    problems = "; ".join(markdown(p.name) for p in comparison.problems)
    return f"Methods: {names}. Baseline: {markdown(comparison.baseline)}. Problems: {problems}."


def summary(comparison: Comparison) -> str:
    """Return tables and notes as plain text; of several problems only what concerns all of them together."""
    printed = [as_text(concise(_together(t))) for t in tables(comparison) if t.name not in _NOT_PRINTED]
    return "\n".join([*printed, *(f"note: {plain(note)}" for note in notes(comparison))])


def _together(table: Table) -> Table:
    rows = tuple(row for row in table.rows if row[0] == ALL)
    return replace(table, title=f"{table.title}: {ALL}", rows=rows) if rows else table
