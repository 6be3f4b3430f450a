"""Words of the report: names made safe for Markdown and figures, and numbers."""

from __future__ import annotations

import math
import re
import unicodedata

KNOWN_METHODS = {
    "nsga2": "NSGA-II, seeded",
    "nsga3": "NSGA-III, seeded",
    "u-nsga3": "U-NSGA-III, seeded",
    "nsga2-unseeded": "NSGA-II, unseeded",
    "alwann": "ALWANN-style",
    "alwann-bounded": "ALWANN-style, bounded",
    "matching": "matching sweep (AGN)",
    "qos-nets": "QoS-Nets clustering",
    "additive": "additive optimum",
    "greedy": "greedy descent",
    "random": "random",
    "exhaustive": "exhaustive",
}


def plain(text: str) -> str:
    """Return one line without control, format or unassigned characters."""
    return "".join(c for c in " ".join(text.split()) if not unicodedata.category(c).startswith("C"))


def markdown(text: str) -> str:
    r"""Return `text` for a Markdown table: plain, with `|` and whatever else has a meaning there escaped."""
    return re.sub(r"([\\|<`*\[\]])", r"\\\1", plain(text))


def drawn(text: str, most: int = 40) -> str:
    """Return `text` for a figure: plain, without its middle where it is longer than `most`, and with no formula in it."""
    line = plain(text)
    if len(line) > most:
        line = f"{line[: most // 2 - 1]}…{line[-(most // 2) :]}"
    return line.replace("$", r"\$")


def method_label(method: str) -> str:
    """Return what a method is called in legends and tables: of a file's, not the folders."""
    return KNOWN_METHODS.get(method, method.rpartition("/")[2] if ".py:" in method else method)


def number(value: float | None, digits: int) -> str:
    """Return a number with `digits` decimals, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus zero
