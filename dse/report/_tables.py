"""The headline as Markdown and as a few lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from dse.report._caption import caption
from dse.report._files import JsonFile
from dse.report._headline import Headline
from dse.report._hypervolume import BASELINE, hypervolume_unit, reference_text
from dse.report._profiles import ProfilesInfo, profiles_text
from dse.report._run import RunData
from dse.report._savings import NOT_REACHED, UNIFORM, Choice
from dse.report._text import markdown, method_label, number, plain

_REACHED = f"{method_label(BASELINE)} search's final value"
_TITLES = {
    "fronts": "Fronts",
    "hypervolume": "Hypervolume over evaluations",
    "assignments": "Which multiplier goes where",
    "robustness": "How much noise each layer bears",
    "errors": "Predicted errors",
    "profiles": "Robustness by several profiles",
}


def report_text(
    run: RunData,
    results: Headline,
    figures: Sequence[str],
    *,
    profiles: ProfilesInfo | None = None,
    ladder: str | None = None,
    retraining: str | None = None,
) -> str:
    """Return the report in Markdown; `figures` of the run are linked."""
    model, dataset = run.manifest.text("model"), run.manifest.text("dataset")
    pictures = [f"## {_TITLES[name]}\n\n![{_TITLES[name]}](figures/{name}.png)" for name in figures]
    parts = [
        f"# {markdown(model)} on {markdown(dataset)}",
        f"{markdown(caption(run))}.",
        *_headline_parts(run, results),
        *_savings_parts(run, results),
        *_energy_parts(run, results),
        *_baseline_parts(run),
        *pictures,
        *_error_model_parts(run.metrics),
        *([] if profiles is None else ["## How profiles rank the layers", profiles_text(profiles)]),
        *([] if retraining is None else ["## Retraining", retraining]),
        *([] if ladder is None else ["## What cheaper fidelities are worth", ladder]),
        *_setting_parts(run),
    ]
    return "\n\n".join(parts) + "\n"


def summary_text(run: RunData, results: Headline) -> str:
    """Return the headline in a few lines of plain text."""
    lines = [caption(run)]
    for row in results.methods:
        ahead = row.reached is not None and row.label != method_label(BASELINE)
        reached = f"; had the {_REACHED} after {row.reached}" if ahead else ""
        values = f"hypervolume {row.hypervolume:.3f} (test {row.hypervolume_test:.3f})"
        lines.append(f"{row.label}: {values} after {row.evaluations} evaluations{reached}")
    for choice in results.choices:
        if choice.level_pp == 1.0:
            what = "no design"
            if (chosen := choice.chosen) is not None:
                what = f"relative energy {chosen.rel_energy:.3f}, test loss {number(chosen.test_loss_pp, 2)} pp"
            lines.append(f"at most 1 pp {run.judged_by} loss, {choice.label}: {what}")
    return "\n".join(plain(line) for line in lines)


def _headline_parts(run: RunData, results: Headline) -> list[str]:
    hypervolume = _table(
        ["method", "hypervolume, search", "hypervolume, test", "evaluations", f"had the {_REACHED} after"],
        (
            [r.label, number(r.hypervolume, 3), number(r.hypervolume_test, 3), f"{r.evaluations}", number(r.reached, 0)]
            for r in results.methods
        ),
    )
    return [
        "## Results",
        "Losses are in percentage points against the exact quantised network on the same images.",
        f"Hypervolume in {markdown(hypervolume_unit(run))}, {markdown(reference_text(run))}.",
        *_bound_parts(run),
        *_compensation_parts(run),
        hypervolume,
        "The methods see search images only. On test images every front falls back, the more the harder it was searched: "
        "part of what looks good on a few hundred images is luck. Compare methods over several seeds.",
    ]


def _savings_parts(run: RunData, results: Headline) -> list[str]:
    """Say what each method saves at every level of the loss, by which images its design was chosen, and which it is."""
    images, tested = run.metrics.count("images", run.chosen_by), run.metrics.count("images", "test")
    level = "multiplier" if run.energy is None else run.energy.level
    counted = "multiplications alone" if level == "multiplier" else f"energy at level {markdown(level)}"
    seen = {"validation": "which no method has seen", "search": "which steered the searches: part of a small loss is luck"}
    those = f"on the {images:,} {run.chosen_by} images, {seen[run.chosen_by]}"
    within = f"loses at most so much {those}"
    if run.expected:
        within = (
            f"is expected to lose at most so much by its divergence from the exact network {those} (the losses that go with "
            "a divergence: centred isotonic regression over all designs that the run has simulated)"
        )
    parts = [
        "## Savings",
        f"The cheapest design of each front that {within}. "
        "Test images choose nothing. Savings are against the exact multiplier everywhere and count "
        f"{counted}. Test losses are of all {tested:,} test images, ± the standard error of the paired differences from the "
        f"exact quantised network. One {run.chosen_by} image is {_step(images)} pp, one test image {_step(tested)} pp.",
    ]
    if any(c.chosen is not None and math.isnan(c.chosen.test_se_pp) for c in results.choices):
        parts.append("Where the standard error is missing, the figures are older than it is; a new run has it.")
    loss = f"{run.judged_by} loss (pp)"
    header = [f"most {loss}", "method", "design", "saving (%)", loss, "test loss (pp)"]
    return [*parts, _table(header, map(_saving_row, results.choices)), *_design_parts(run, results)]


def _step(images: int) -> str:
    return f"{100 / images:.2g}" if images else "–"


def _saving_row(choice: Choice) -> list[str]:
    chosen = choice.chosen
    if chosen is None:
        return [f"{choice.level_pp:g}", choice.label, NOT_REACHED, "–", "–", "–"]
    losses = [number(chosen.loss_pp, 2), f"{number(chosen.test_loss_pp, 2)} ± {number(chosen.test_se_pp, 2)}"]
    return [f"{choice.level_pp:g}", choice.label, chosen.name, number(chosen.saving_percent, 1), *losses]


def _bound_parts(run: RunData) -> list[str]:
    if run.max_loss_pp is None:
        return []
    return [f"No front holds a design that loses more than the run's bound, {run.max_loss_pp:g} pp on the search images."]


def _compensation_parts(run: RunData) -> list[str]:
    methods = run.manifest.data.get("compensation")
    if not isinstance(methods, list) or not methods:
        return []
    names = ", ".join(markdown(str(method)) for method in methods)
    return [f"Every design but the exact one is compensated ({names}): its losses are those of the corrected network."]


def _design_parts(run: RunData, results: Headline) -> list[str]:
    """Spell out one design: that of the first method within 1 pp."""
    for choice in results.choices:
        if choice.level_pp == 1.0 and choice.method != UNIFORM and (chosen := choice.chosen) is not None:
            front = run.fronts[choice.method]
            named = f"`--design {chosen.name}` of `dse export`, `retrain`"
            where = f"at relative energy {chosen.rel_energy:.3f}"
            head = f"The {markdown(choice.label)} design within 1 pp ({named}), {where}:"
            names = [markdown(run.multipliers[m]) for m in front.population[front.at(int(chosen.name))]]
            return [head, _table(["layer", "multiplier"], zip(map(markdown, run.layers), names, strict=True))]
    return []


def _energy_parts(run: RunData, results: Headline) -> list[str]:
    """Put the savings of the chosen designs at every level side by side."""
    found = [(c, c.chosen.rel_energy) for c in results.choices if c.chosen is not None]
    if run.energy is None or not found:
        return []
    savings = [(c, run.energy.savings(energy).values()) for c, energy in found]
    rows = [[f"{c.level_pp:g}", c.label, *(number(100 * s, 1) for s in by_level)] for c, by_level in savings]
    shares = [number(100 * share, 1) for share in run.energy.shares.values()]
    return [
        "## Energy at every level",
        "What the designs above save against the exact multiplier everywhere, in per cent: of the multipliers alone, and "
        "of all that is counted at each level, which includes those before it (docs/energy.md). Only the multipliers save; "
        "the last line is their share of the exact network's energy. What the levels add is estimated, from "
        f"{markdown(run.energy.source)} (SHA-256 {run.manifest.text('hashes', 'energy_table')[:12]}); DRAM, clock tree, "
        "control and leakage are left out. "
        f"Relative energies elsewhere in this report are those of level {markdown(run.energy.level)}.",
        _table(
            [f"most {run.judged_by} loss (pp)", "method", *run.energy.shares],
            [*rows, ["", "share of the multipliers", *shares]],
        ),
    ]


def _baseline_parts(run: RunData) -> list[str]:
    rows = [
        ["float network, test accuracy", _percent(run, "float_accuracy")],
        ["quantised network, test accuracy", _percent(run, "quantised_accuracy")],
        *(
            [f"quantised network, {part} accuracy", _percent(run, f"quantised_{part}_accuracy")]
            for part in dict.fromkeys(("search", run.chosen_by))
        ),
        ["least relative energy the library allows", number(run.library_floor, 3)],
    ]
    if run.metrics.get("best_uniform") is not None:
        best = [run.metrics.number("best_uniform", k) for k in ("rel_energy", "accuracy", "accuracy_loss_pp")]
        name = run.metrics.text("best_uniform", "multiplier")
        value = (
            f"{name}: relative energy {best[0]:.3f}, test accuracy {100 * best[1]:.2f} %, loss {number(best[2], 2)} pp"
        )
        rows.append(["best single multiplier in all layers", value])
    return ["## Baselines", _table(["what", "value"], rows)]


def _percent(run: RunData, key: str) -> str:
    return f"{100 * run.metrics.number('baselines', key):.2f} %"


def _error_model_parts(metrics: JsonFile) -> list[str]:
    keys = ("pearson_log_std", "median_relative_error", "p90_relative_error")
    rows = [
        [
            grade,
            *(number(metrics.measure("error_model", grade, key), 3) for key in keys),
            *(f"{metrics.count('error_model', grade, key)}" for key in ("cells", "cells_without_prediction")),
        ]
        for grade in metrics.table("error_model")
    ]
    header = [
        "grade",
        "correlation of log std",
        "median relative error",
        "90 % of cells below",
        "cells",
        "not predicted",
    ]
    return ["## Error model against measured errors", _table(header, rows)] if rows else []


def _setting_parts(run: RunData) -> list[str]:
    manifest, metrics = run.manifest, run.metrics
    cores, threads, memory = (manifest.measure("hardware", k) for k in ("cores", "threads", "memory_gib"))
    size = f"{number(cores, 0)} cores, {number(threads, 0)} threads, {number(memory, 1)} GiB of memory"
    images = ", ".join(f"{metrics.count('images', part)} {part}" for part in metrics.table("images"))
    rows = [
        ["images", images],
        ["layers and multipliers", f"{len(run.layers)} layers, {len(run.multipliers)} multipliers"],
        ["library", Path(manifest.text("library")).name],  # no folders of one machine in a report
        ["operand format", manifest.text("format")],
        ["seed", f"{manifest.count('seed')}"],
        ["hardware", f"{manifest.text('hardware', 'cpu')}, {size}"],
        ["commit", manifest.text("git_commit") if manifest.data.get("git_commit") is not None else "–"],
    ]
    seconds = {stage: metrics.number("seconds", stage) for stage in metrics.table("seconds")}
    times = [[stage, f"{value:.1f}"] for stage, value in [*seconds.items(), ("total", sum(seconds.values()))]]
    known, kept = metrics.data.get("known_evaluations", 0), metrics.data.get("kept_profiles", [])
    found = [f"{known} evaluations"] * bool(known) + [f"profiles ({', '.join(map(str, kept))})"] * bool(kept)
    about = [f"Of the last sitting, which found done before: {' and '.join(found)}."] if found else []
    return ["## Setting", _table(["what", "value"], rows), "## Time", *about, _table(["stage", "seconds"], times)]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([markdown(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
