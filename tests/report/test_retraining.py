"""The section on retraining from folders made by hand: figures worked out here, and folders that do not belong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.paired import Right, gains, packed, paired_difference
from dse.report import load_run, write_report
from dse.report._retraining import exact_beside, loss_against, retraining_info, retraining_text
from dse.report._retraining_figure import draw_retraining
from tests.report.test_report import Edit

COUNT = 200


def answers(seed: int, share: float) -> Right:
    return np.random.default_rng(seed).random(COUNT) < share


def put(run: Path, name: str, multiplier: str, *, after: Right, energy: float = 0.4, **changes: Any) -> Path:
    """Write a retrained design with one multiplier in all layers; `changes` replace values of its result."""
    folder = run / "retrained" / name
    folder.mkdir(parents=True)
    right = {"float": answers(0, 0.95), "exact": answers(1, 0.93), "before": answers(2, 0.5), "after": after}
    data = {
        "design": name,
        "assignment": dict.fromkeys(load_run(run).layers, multiplier),
        "rel_energy": energy,
        "accuracy": {kind: float(r.mean()) for kind, r in right.items()},
        **{kind: vars(difference) for kind, difference in gains(right).items()},
        "best_epoch": 2,
        "epochs": 3,
        "seed": 0,
        "start": "run",
        "settings": {"lr": 0.1, "forward": "tables", "gradient": "straight-through", "window": 16},
        "images": {"test": COUNT},
        "hashes": {"train": "t", "validation": "v", "test": "x", "float_model": "f"},
        **changes,
    }
    (folder / "result.json").write_text(json.dumps(data))
    (folder / "right.json").write_text(json.dumps({kind: packed(r) for kind, r in right.items()}))
    log = [[0, "", 0.5, 1.0, 1.0], [1, 0.9, 0.8, 0.5, 1.0], [2, 0.8, 0.9, 0.4, 1.0], [3, 0.7, 0.85, 0.4, 1.0]]
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "loss", "validation_accuracy", "validation_loss", "seconds"], *log])
    return folder


@pytest.fixture
def retrained(run_folder: Path) -> Path:
    """Return a run with a retrained design and the exact network retrained in the same way."""
    put(run_folder, "nsga2-3", "approx1u", after=answers(3, 0.9))
    put(run_folder, "uniform-exact", "exact8u", after=answers(4, 0.96), energy=1.0)
    return run_folder


def text(run: Path) -> str:
    """Return the section on retraining."""
    info = retraining_info(load_run(run))
    assert info is not None
    return retraining_text(info, "figures/retraining.png")


def test_a_run_without_retraining_has_no_such_section(run_folder: Path) -> None:
    assert retraining_info(load_run(run_folder)) is None
    (run_folder / "retrained").mkdir()
    (run_folder / "retrained" / ".dse-scratch").mkdir()  # of a retraining under way
    assert retraining_info(load_run(run_folder)) is None


def test_a_design_beside_the_exact_network_with_the_same_training(retrained: Path) -> None:
    info = retraining_info(load_run(retrained))
    assert info is not None and not info.left_out and [d.name for d in info.designs] == ["uniform-exact", "nsga2-3"]
    exact, design = info.designs
    assert exact.exact and not design.exact and exact_beside(design, info.designs) is exact
    assert loss_against(exact, design) == paired_difference(answers(4, 0.96), answers(3, 0.9))
    said = text(retrained)
    cells = [f"{value:.2f}" for right in (answers(2, 0.5), answers(3, 0.9)) for value in [100 * right.mean()]]
    pairs = [(answers(3, 0.9), answers(2, 0.5)), (answers(1, 0.93), answers(2, 0.5)), (answers(1, 0.93), answers(3, 0.9))]
    pairs.append((answers(4, 0.96), answers(3, 0.9)))
    cells += [f"{d.pp:.2f} ± {d.se_pp:.2f}" for d in (paired_difference(*pair) for pair in pairs)]
    assert f"| nsga2-3 | 60.0 | {' | '.join(cells)} | 2 of 3 | tables |" in said
    assert "| uniform-exact | 0.0 |" in said and "![Retraining](figures/retraining.png)" in said
    assert "The exact network (uniform-exact) gains" in said and "A dash in" not in said


def test_the_report_has_section_and_figure_and_is_the_same_to_the_byte(retrained: Path) -> None:
    report = write_report(retrained)
    written = {path: (retrained / path).read_bytes() for path in (*report.figures, report.tables)}
    assert f"## Retraining\n\n{text(retrained)}\n" in written[report.tables].decode()
    assert Path("figures/retraining.png") in written and (retrained / "figures" / "retraining.pdf").is_file()
    write_report(retrained)
    assert {path: (retrained / path).read_bytes() for path in written} == written


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"settings": {"lr": 0.1, "forward": "noise", "gradient": "table-1d", "window": 3}}, True),
        ({"settings": {"lr": 0.2, "forward": "tables"}}, False),
        ({"seed": 1}, False),
        ({"start": "other weights"}, False),
        ({"hashes": {"train": "t", "validation": "v", "test": "y", "float_model": "f"}}, False),
    ],
)
def test_only_the_same_training_is_compared(run_folder: Path, changes: dict[str, Any], same: bool) -> None:
    put(run_folder, "uniform-exact", "exact8u", after=answers(4, 0.96), energy=1.0)
    put(run_folder, "other", "approx1u", after=answers(3, 0.9), **changes)
    info = retraining_info(load_run(run_folder))
    assert info is not None
    (design,) = (d for d in info.designs if d.name == "other")
    assert (exact_beside(design, info.designs) is not None) == same
    assert ("A dash in" in retraining_text(info, "")) == (not same)


def test_of_several_exact_networks_the_one_through_tables_is_taken(retrained: Path) -> None:
    noise = {"lr": 0.1, "forward": "noise", "gradient": "straight-through", "window": 16}
    put(retrained, "a-noise", "exact8u", after=answers(5, 0.99), energy=1.0, settings=noise)
    info = retraining_info(load_run(retrained))
    assert info is not None
    found = exact_beside(info.designs[-1], info.designs)
    assert found is not None and found.name == "uniform-exact"


def test_answers_that_were_not_kept_cost_the_standard_error_alone(retrained: Path) -> None:
    (retrained / "retrained" / "nsga2-3" / "right.json").unlink()
    apart = 100 * (answers(4, 0.96).mean() - answers(3, 0.9).mean())
    assert f"| {apart:.2f} ± – | 2 of 3 |" in text(retrained)


def spoil(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def change(**values: Any) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        data = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**data, **values}))

    return edit


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "result.json").unlink(), "retrained/nsga2-3/result.json: no such file"),
        (lambda folder: (folder / "log.csv").unlink(), "retrained/nsga2-3/log.csv: no such file"),
        (spoil("result.json", "{"), "retrained/nsga2-3/result.json: is no JSON"),
        (spoil("result.json", b"\xff\xfe"), "retrained/nsga2-3/result.json: is no UTF-8"),
        (spoil("log.csv", "epoch\n0\n2\n"), "log.csv: column 'validation_accuracy' is missing"),
        (spoil("log.csv", "epoch,validation_accuracy\n0,many\n2,1\n"), "expected a number, got 'many'"),
        (spoil("right.json", '{"after": "zz"}'), "retrained/nsga2-3/right.json: key 'after'"),
        (spoil("right.json", '{"after": "00"}'), "expected 50 digits for 200 images, got 2"),
        (spoil("right.json", json.dumps({"after": "00" * 25})), "0.0000 of the images are right, result.json says"),
        (change(gain={"pp": "much"}), "key 'gain.pp': expected a finite number"),
        (change(loss_after={"pp": 1}), "key 'loss_after.se_pp' is missing"),
        (change(rel_energy=0), "key 'rel_energy': expected a number above 0"),
        (change(best_epoch=7), "expected an epoch of log.csv, got 7"),
        (change(settings=3), "key 'settings': expected an object"),
        (change(assignment={"conv": "approx1u"}), "has other layers or multipliers than the run"),
        (change(assignment=[]), "key 'assignment': expected an object"),
    ],
)
def test_a_folder_that_cannot_be_shown_is_named_and_the_others_are_shown(
    retrained: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(retrained / "retrained" / "nsga2-3")
    report = text(retrained)
    (line,) = (line for line in report.splitlines() if line.startswith("Left out: "))
    assert said in line.replace("\\", "") and str(retrained) not in line
    assert "| uniform-exact |" in report and "| nsga2-3 |" not in report


def test_a_design_of_another_network_is_left_out(retrained: Path, edit: Edit) -> None:
    edit("manifest.json", lambda m: m["hashes"].update(model="another"))
    report = text(retrained)
    assert report.count("Left out: ") == 2 and "is of another network than the run's" in report
    assert "figures/retraining.png" not in report
    write_report(retrained)
    assert not (retrained / "figures" / "retraining.png").exists()


def test_a_design_that_guessed_before_does_not_hide_the_others(retrained: Path) -> None:
    info = retraining_info(load_run(retrained))
    assert info is not None
    low, high = draw_retraining(info).axes[1].get_ylim()
    losses = [design.loss_after.pp for design in info.designs]
    assert low < min(losses) and max(losses) < high < info.designs[1].loss_before.pp
