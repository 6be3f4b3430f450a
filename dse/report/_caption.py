"""The line under every figure: what it was made from."""

from __future__ import annotations

from dse.report._run import RunData
from dse.report._text import method_label


def spent(run: RunData) -> str:
    """Say how many designs each method evaluated."""
    counts = {m: run.metrics.count("evaluations", m) for m in run.methods}
    if len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,} evaluations per method"
    return "evaluations: " + ", ".join(f"{method_label(m)} {n:,}" for m, n in counts.items())


def caption(run: RunData) -> str:
    """Return the line that says what a figure was made from."""
    parts = dict.fromkeys(("search", run.chosen_by, "test"))
    *first, test = (f"{run.metrics.count('images', part):,} {part}" for part in parts)
    images = f"{', '.join(first)} and {test} images"
    source = f"{run.manifest.text('model')} on {run.manifest.text('dataset')}"
    return " · ".join([source, f"seed {run.manifest.count('seed')}", images, spent(run)])
