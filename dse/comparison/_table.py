"""A table, and the forms it is written in: plain text, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass

from dse.report import markdown, plain

Cell = str | int | float | None  # None: there is no figure
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    **{c: "\\" + c for c in "&%$#_{}"},
}


@dataclass(frozen=True)
class Table:
    """Rows under a header."""

    name: str  # of its files
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    unequal: tuple[str, ...] = ()  # conditions that were not equal, a line each: in the title, and in a column of the CSV

    @property
    def heading(self) -> str:
        """The title, with what is not equal."""
        return self.title if not self.unequal else f"{self.title}. UNEQUAL: {'; '.join(self.unequal)}"


def concise(table: Table) -> Table:
    """Return a table without its first column where that says the same in every row."""
    if len({row[0] for row in table.rows}) > 1:
        return table
    return Table(table.name, table.title, table.header[1:], tuple(row[1:] for row in table.rows), table.unequal)


def as_text(table: Table) -> str:
    """Return a table in columns of equal width, numbers to the right."""
    lines = [[plain(c) for c in table.header], *([shown(c) for c in row] for row in table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    right = [any(isinstance(row[i], (int, float)) for row in table.rows) for i in range(len(table.header))]
    padded = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    ]
    rule = "-" * max(map(len, padded))
    return "\n".join([plain(table.heading), rule, padded[0], rule, *padded[1:], ""])


def as_markdown(table: Table) -> str:
    """Return a table in Markdown."""
    lines = [
        [markdown(c) for c in table.header],
        ["---"] * len(table.header),
        *([markdown(shown(c)) for c in row] for row in table.rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_csv(table: Table) -> str:
    """Return a table as CSV with every digit; a text that a spreadsheet would take for a formula gets an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    mark = ["; ".join(table.unequal)] if table.unequal else []
    writer.writerow([*map(_harmless, table.header), *("unequal" for _ in mark)])
    writer.writerows([[*map(_csv_cell, row), *map(_harmless, mark)] for row in table.rows])
    return text.getvalue()


def as_latex(table: Table) -> str:
    """Return a table as a LaTeX `tabular` that needs no package beyond the standard classes."""
    columns = "".join(
        "r" if any(isinstance(row[i], (int, float)) for row in table.rows) else "l" for i in range(len(table.header))
    )
    lines = [" & ".join(map(latex, table.header)), *(" & ".join(latex(shown(c)) for c in row) for row in table.rows)]
    mark = [rf"\multicolumn{{{len(columns)}}}{{l}}{{UNEQUAL: {latex(line)}}} \\" for line in table.unequal]
    body = [*mark, rf"{lines[0]} \\ \hline", *(rf"{line} \\" for line in lines[1:])]
    comment = f"% {re.sub(r'[^ -~]', '?', plain(table.heading))}"
    return "\n".join([comment, rf"\begin{{tabular}}{{{columns}}}", r"\hline", *body, r"\hline", r"\end{tabular}", ""])


def latex(text: str) -> str:
    """Return one line of text with every character that LaTeX would act on escaped."""
    return "".join(_LATEX.get(c, c) for c in plain(text))


def shown(cell: Cell) -> str:
    """Return a cell for reading: four significant digits, a dash where there is no figure."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else plain(str(cell))


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return repr(cell) if isinstance(cell, (int, float)) else _harmless(cell)


def _harmless(text: str) -> str:
    line = plain(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
