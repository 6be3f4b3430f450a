"""Hold predicted errors against measured ones, all layers and all circuits with their variants; writes a page and a figure.

    python experiments/cifar10/error_model.py [--networks resnet8 ...] [--formats sm8 u8] [--patches 512 2048 8192]
        [--images 256] [--weights results/cifar10/baselines] [--out results/cifar10/error_model]
        --set space.dataset.path=CIFAR10.npz --set space.multipliers.library=EVOAPPROX

A network in one format is measured once: its figures stay in `NETWORK-FORMAT.json` and `.csv`, from which the page is made
again, until something that they depend on changes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

import dse
from dse.error_model import ErrorTable, agreement, measure_errors, predict_errors
from dse.exceptions import InputError, ending
from dse.inputs import open_choices, quantized
from dse.memory import keep_freed_memory
from dse.nn.datasets import Part
from dse.nn.tracing import TRACE_IMAGES, trace
from dse.progress import ProgressDisplay
from dse.report import draw_predicted, predicted_panel, read_csv, save
from dse.run_folder import hardware, write_csv, write_json
from dse.types import Floats
from dse.variants import choice_tables
from dse.workload import Workload, model_hash, open_workload

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ("resnet8", "resnet14", "resnet20", "resnet32")
SEED = 0  # of split and patches, as in the study
TARGET = (0.02, 0.06)  # largest median and 90th percentile of the relative error that the direct model may have
HALVES, WHOLE = "truth, by halves", "direct, all positions"
CIRCUITS, VARIANTS = "circuits", "with variants"
# One of each kind: the study's other ranges and its other tuning are more of the same, and all together a thousand choices.
VARIED = 'space.multipliers.variants={order = true, x_clip = [50], tuning = ["histogram"]}'
Row = dict[str, Any]


def pooled(first: ErrorTable, second: ErrorTable) -> ErrorTable:
    """Return the errors over the outputs of two parts of equal size together."""
    mean = (first.mean + second.mean) / 2
    variance = (first.std**2 + second.std**2) / 2 + ((first.mean - second.mean) / 2) ** 2
    return replace(first, mean=mean, std=np.sqrt(variance))


def columns(table: ErrorTable, which: NDArray[np.int64]) -> ErrorTable:
    """Return the table of some of its multipliers, by index."""
    names = tuple(table.multipliers[m] for m in which)
    return ErrorTable(table.layers, names, table.mean[:, which], table.std[:, which], table.grade)


def compared(predicted: ErrorTable, measured: ErrorTable) -> Row:
    """Return the agreement of std and root mean square error, over the cells whose measured one is positive."""
    row: Row = {}
    for name in ("std", "rms"):
        guess, truth = (replace(table, std=getattr(table, name)) for table in (predicted, measured))
        found, both = agreement(guess, truth), (guess.std > 0) & (truth.std > 0)
        row |= {
            f"{name}_median": found.median_relative_error,
            f"{name}_p90": found.p90_relative_error,
            f"{name}_pearson_log": found.pearson_log_std,
            f"{name}_spearman": float(spearmanr(guess.std[both], truth.std[both]).statistic) if both.sum() > 2 else None,
            f"{name}_cells": found.cells,
        }
    return row


def hardest(predicted: ErrorTable, measured: ErrorTable) -> dict[str, Any]:
    """Return the layer whose std has the largest median relative error, and that error; layers without errors aside."""
    found = {}
    for layer, guess, truth in zip(measured.layers, predicted.std, measured.std, strict=True):
        if (truth > 0).any():
            found[layer] = float(np.median(np.abs(guess - truth)[truth > 0] / truth[truth > 0]))
    layer = max(found, key=lambda name: found[name])
    return {"hardest_layer": layer, "hardest_median": found[layer]}


def measure(
    config: dse.RunConfig,
    workload: Workload,
    patches: Sequence[int],
    images: int,
    given: Mapping[str, Any],
    display: ProgressDisplay,
) -> tuple[Row, dict[str, ErrorTable]]:
    """Predict and measure in one network and format: the figures, and the tables by model, the truth as `measured`."""
    model, parts = quantized(config, workload), workload.parts
    started, tables, seconds = time.monotonic(), {}, {}
    seen = {p: trace(model, parts.calibration.x, patches=p, seed=SEED) for p in patches}
    any_seen = seen[patches[0]]
    choices, made = choice_tables(
        open_choices(config.space.multipliers, any_seen.format), any_seen.operands, any_seen.x_histograms
    )
    models = [("global", patches[0]), ("multi-distribution", patches[0]), *(("direct", p) for p in patches)]
    for grade, count in models:
        name = grade if grade != "direct" else f"direct, {count} patches"
        display.start(f"{given['network']} {given['format']}: {name}")
        begun = time.monotonic()
        tables[name] = predict_errors(seen[count], choices.library, grade=grade, tables=made)  # type: ignore[arg-type]
        seconds[name] = time.monotonic() - begun
    measured = partial(measure_errors, trace=any_seen, library=choices.library, tables=made)
    display.start(f"{given['network']} {given['format']}: measure")
    tables[WHOLE] = measured(model, parts.calibration.x[:TRACE_IMAGES])
    halves = [measured(model, half) for half in parts.search.x[:images].split(images // 2)]
    tables["measured"] = pooled(*halves)
    display.finish()
    plain = [m for m, choice in enumerate(choices) if choice.multiplier.name == choice.circuit]
    rows = []
    for library, which in ((CIRCUITS, np.array(plain)), (VARIANTS, np.arange(len(choices)))):
        pairs = {name: (table, tables["measured"]) for name, table in tables.items() if name != "measured"}
        for name, (guess, truth) in (pairs | {HALVES: (halves[0], halves[1])}).items():
            pair = columns(guess, which), columns(truth, which)
            head = {"library": library, "model": name, "choices": len(which), "seconds": seconds.get(name)}
            rows.append({**head, **compared(*pair), **hardest(*pair)})
    cost = {"seconds": time.monotonic() - started, "hardware": {**hardware(), "threads": torch.get_num_threads()}}
    return {"given": dict(given), "layers": len(any_seen.layers), **cost, "rows": rows}, tables


def cells(tables: Mapping[str, ErrorTable]) -> Iterator[list[object]]:
    """Yield a row for each layer and choice: the std that each model gives it."""
    layers, multipliers = tables["measured"].layers, tables["measured"].multipliers
    for l, layer in enumerate(layers):
        for m, multiplier in enumerate(multipliers):
            yield [layer, multiplier, *(f"{table.std[l, m]:.4g}" for table in tables.values())]


def percent(row: Row, name: str) -> str:
    """Return median and 90th percentile of a relative error."""
    return f"{100 * row[f'{name}_median']:.2f} / {100 * row[f'{name}_p90']:.2f}"


def table(found: Sequence[Row], library: str, cell: Callable[[Row], str], skip: Sequence[str] = ()) -> list[str]:
    """Return a table of networks and formats against models, in Markdown."""
    models = list(dict.fromkeys(row["model"] for one in found for row in one["rows"] if row["model"] not in skip))
    lines = [
        "| network | format | layers | choices | cells | " + " | ".join(models) + " |",
        "|---" * (5 + len(models)) + "|",
    ]
    for one in found:
        rows = {row["model"]: row for row in one["rows"] if row["library"] == library}
        first = next(iter(rows.values()))
        head = [one["given"]["network"], one["given"]["format"], one["layers"], first["choices"], first["std_cells"]]
        body = [cell(rows[model]) if model in rows else "" for model in models]
        lines.append("| " + " | ".join(map(str, [*head, *body])) + " |")
    return lines


def verdict(found: Sequence[Row]) -> list[str]:
    """Say in how many networks and formats the direct models keep the target, beside what halves of the truth differ by."""
    lines = []
    for library in (CIRCUITS, VARIANTS):
        rows = [row for one in found for row in one["rows"] if row["library"] == library]
        models = [row["model"] for row in rows if row["model"].startswith("direct") or row["model"] == HALVES]
        for model in dict.fromkeys(models):
            mine = [row for row in rows if row["model"] == model]
            kept = sum(row["std_median"] <= TARGET[0] and row["std_p90"] <= TARGET[1] for row in mine)
            worst = " / ".join(f"{100 * max(row[f'std_{key}'] for row in mine):.2f} %" for key in ("median", "p90"))
            lines.append(f"* {library}, {model}: kept in {kept} of {len(mine)}; at most {worst}.")
    return lines


def page(found: Sequence[Row], missing: Sequence[str]) -> str:
    """Return the README of the results."""
    images = found[0]["given"]["images"]
    target = " and ".join(f"{100 * t:.0f} %" for t in TARGET)
    lines = [
        "# Predicted errors against measured ones",
        "",
        "Written by `python experiments/cifar10/error_model.py`. CIFAR-10 (JPEG). For every layer and every multiplier the",
        f"error of the layer's outputs, relative to the layer's output std: predicted from the first {TRACE_IMAGES}",
        f"calibration images, measured on {images} search images, none of which is among them. Cells without an error are",
        f'left out. "{CIRCUITS}": every circuit of the library as it is; "{VARIANTS}": in both operand orders, with',
        "activations over 50 % of their range, with weights tuned for the layer, and in combination.",
        "",
        f'What no prediction can better: "{WHOLE}" is the error over all outputs of the images that the predictions',
        f'are made from, hence the direct model with any number of patches. "{HALVES}" holds one half of the measured',
        "images against the other; the noise that the whole measured error has by itself is about half of their difference.",
        "",
        f"The target of the direct model, std: median and 90th percentile of the relative error of at most {target}.",
        "",
        *verdict(found),
        "",
        "What clipping costs comes of the few largest activations: images tell it apart no better than the halves agree.",
    ]
    if missing:
        lines += ["", f"Not measured, because their weights are not there: {', '.join(missing)}."]
    for name, said in (("std", "std"), ("rms", "root mean square")):
        for library in (CIRCUITS, VARIANTS):
            lines += ["", f"## Relative error of the {said}, {library}", "", "Median / 90th percentile, %.", ""]
            lines += table(found, library, partial(percent, name=name))
    lines += ["", f"## The layer that is hardest to predict, {VARIANTS}", ""]
    lines += ["The largest median over a layer's choices, std, %: a layer of few outputs says little of its error.", ""]
    lines += table(found, VARIANTS, lambda row: f"{row['hardest_layer']} {100 * row['hardest_median']:.2f}")
    lines += ["", f"## Correlation, {VARIANTS}", "", "Pearson's of the logarithms / Spearman's, std.", ""]
    lines += table(found, VARIANTS, lambda row: f"{row['std_pearson_log']:.4f} / {row['std_spearman']:.4f}")
    lines += ["", f"## Time of the predictions, {VARIANTS}", "", "Seconds for all cells, without the trace.", ""]
    lines += table(found, VARIANTS, lambda row: f"{row['seconds']:.1f}", skip=(WHOLE, HALVES))
    machine = found[0]["hardware"]
    spent = ", ".join(f"{one['given']['network']} {one['given']['format']} {one['seconds'] / 60:.0f} min" for one in found)
    lines += ["", "![predicted against measured](predicted.png)", ""]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads used"
    return "\n".join([*lines, f"Measured in {spent}. Hardware: {where}.", ""])


def draw(found: Sequence[Row], out: Path) -> None:
    """Draw all cells that have been measured, one panel for each model that predicts."""
    given = [one["given"] for one in found]
    files = [(one["format"], read_csv(out / f"{one['network']}-{one['format']}.csv")) for one in given]
    panels = []
    for model in ("global", "multi-distribution", f"direct, {given[0]['patches'][0]} patches"):
        groups: dict[str, list[Floats]] = {}
        for format_name, file in files:
            pair = np.stack([file.numbers("measured"), file.numbers(model)], axis=1)
            groups.setdefault(format_name, []).append(pair)
        panels.append(predicted_panel(model, {name: np.concatenate(pairs) for name, pairs in groups.items()}))
    networks = ", ".join(dict.fromkeys(one["network"] for one in given))
    title = "Predicted against measured std of the error, every layer and choice"
    caption = f"{networks} on CIFAR-10 (JPEG); 1 = std of the layer's output"
    save(partial(draw_predicted, panels, "std", title, caption), out, "predicted")


def main() -> None:
    """Measure what has not been, write the page of all that has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--formats", nargs="+", default=("sm8", "u8"))
    parser.add_argument("--patches", nargs="+", type=int, default=(512, 2048, 8192))
    parser.add_argument("--images", type=int, default=256, help="search images to measure on, an even number")
    parser.add_argument("--weights", type=Path, default=ROOT / "results" / "cifar10" / "baselines")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "cifar10" / "error_model")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    arguments.out.mkdir(parents=True, exist_ok=True)
    found, missing = [], []
    for network in arguments.networks:
        weights = (arguments.weights / f"{network}.safetensors").resolve()
        if not weights.exists():
            missing.append(network)
            continue
        for format_name in arguments.formats:
            keys = {"model.name": network, "model.weights": weights, "quantisation.format": format_name}
            overrides = [*(f"space.{key}={value}" for key, value in keys.items()), VARIED, *arguments.overrides]
            config = dse.load_config(Path(__file__).with_name("study.toml"), overrides=overrides, seed=SEED)
            found.append(figures(config, network, arguments))
    if not found:
        raise InputError(f"no weights of {', '.join(missing)} in {arguments.weights}: train them first (baselines.py)")
    draw(found, arguments.out)
    text = page(found, missing)
    (arguments.out / "README.md").write_text(text, encoding="utf-8")
    print(text)


def figures(config: dse.RunConfig, network: str, arguments: argparse.Namespace) -> Row:
    """Return the figures of one network in one format: those of its file, where they were made of the same."""
    workload, format_name = open_workload(config.space, seed=SEED).workload, config.space.quantisation.format
    if arguments.images % 2 or not 2 <= arguments.images <= len(workload.parts.search):
        there = len(workload.parts.search)
        raise InputError(f"--images: expected an even number from 2 to {there}, the search images, got {arguments.images}")
    measured_on = Part(*(values[: arguments.images] for values in (workload.parts.search.x, workload.parts.search.y)))
    given = {
        "network": network,
        "format": format_name,
        "weights": model_hash(workload.model),
        "data": [workload.parts.calibration.content_hash, measured_on.content_hash],
        "library": open_choices(config.space.multipliers, format_name).library.content_hash,
        "quantisation": config.space.quantisation.model_dump(),
        "variants": config.space.multipliers.model_dump(exclude={"library"}),
        "patches": list(arguments.patches),
        "images": arguments.images,
    }
    path = arguments.out / f"{network}-{format_name}.json"
    if path.exists() and (known := json.loads(path.read_text(encoding="utf-8")))["given"] == given:
        return dict(known)
    with ProgressDisplay() as display:
        row, tables = measure(config, workload, arguments.patches, arguments.images, given, display)
    write_csv(path.with_suffix(".csv"), ("layer", "choice", *tables), cells(tables))
    write_json(path, row)
    return row


if __name__ == "__main__":
    with ending("error_model.py"):
        main()
