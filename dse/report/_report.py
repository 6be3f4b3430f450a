"""From a run's folder to figures, a Markdown report and a summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from dse.report._assignments import assignment_info, draw_assignments
from dse.report._caption import caption
from dse.report._draw import save
from dse.report._errors import draw_errors, error_info
from dse.report._fronts import draw_fronts, front_info
from dse.report._headline import headline
from dse.report._hypervolume import draw_hypervolume, hypervolume_info
from dse.report._ladder import ladder_text
from dse.report._profiles import draw_profiles, profiles_info
from dse.report._retraining import retraining_info, retraining_text
from dse.report._retraining_figure import draw_retraining
from dse.report._robustness import draw_robustness, robustness_info
from dse.report._run import load_run
from dse.report._savings import savings_csv
from dse.report._tables import report_text, summary_text
from dse.whole_files import write_whole


@dataclass(frozen=True)
class Report:
    """What was written, and what to print."""

    figures: tuple[Path, ...]  # PNG files, relative to the run's folder; a PDF of the same name lies beside each
    tables: Path  # the Markdown report, relative to the run's folder
    savings: Path  # the table of what each method saves, relative to the run's folder
    summary: str  # a few lines of plain text


def write_report(path: str | Path) -> Report:
    """Write `figures/`, `report.md` and `savings.csv` into the folder of a finished run.

    The same run gives the same bytes, and a file is replaced whole or not at all.

    Raises:
        InputError: One line that names file and key, if the run is not complete, or the folder cannot be written.
    """
    run = load_run(path)
    curves = hypervolume_info(run)
    results = headline(run, curves)
    assignments = assignment_info(run)
    draw: dict[str, Callable[[], Figure]] = {
        "fronts": partial(draw_fronts, front_info(run)),
        "hypervolume": partial(draw_hypervolume, curves),
        "robustness": partial(draw_robustness, robustness_info(run)),
        "errors": partial(draw_errors, error_info(run)),
    }
    profiles = profiles_info(run.path / "profiles.csv")
    if profiles is not None and len(profiles.shares) > 1:
        draw["profiles"] = partial(draw_profiles, profiles, caption(run))
    if assignments is not None:
        draw["assignments"] = partial(draw_assignments, assignments)
    retraining = retraining_info(run)
    folder = run.path / "figures"
    tables, savings = run.path / "report.md", run.path / "savings.csv"
    # before the figures: a run that lacks something gets none
    text = report_text(
        run,
        results,
        list(draw),
        profiles=profiles,
        ladder=ladder_text(run.path / "ladder.csv"),
        retraining=None if retraining is None else retraining_text(retraining, "figures/retraining.png"),
    )
    if retraining is not None and retraining.designs:
        draw["retraining"] = partial(draw_retraining, retraining)  # linked from its own section
    figures = tuple(save(figure, folder, name).relative_to(run.path) for name, figure in draw.items())
    write_whole(tables, text.encode("utf-8", "replace"))
    write_whole(savings, savings_csv(run, results.choices).encode("utf-8", "replace"))
    return Report(figures, tables.relative_to(run.path), savings.relative_to(run.path), summary_text(run, results))
