"""What the page of the CIFAR-10 study says of rows written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dse.exceptions import InputError
from experiments.cifar10 import gather, savings_page, series, study, targets


def row(
    arm: str, seed: int, saving: float, chosen_by: float, test: float, method: str = "nsga2", **more: Any
) -> dict[str, str]:
    about: dict[str, Any] = {"network": "resnet8", "arm": arm, "method": method, "seed": seed, "test_se_pp": 0.1}
    figures = {"saving_percent": saving, "loss_pp": chosen_by, "test_loss_pp": test, "approximate_percent": 100.0}
    return {k: str(v) for k, v in (about | figures | more).items()}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_validation_images_choose_and_test_images_count() -> None:
    rows = [
        row("approximate", 0, 60, 0.4, 0.9),
        row("approximate", 0, 70, 0.9, 0.4),
        row("approximate", 1, 50, 0.3, 0.3),
        row("approximate", 1, 66, 0.6, 0.7),
    ]
    head, _, line = savings_page.table(series.within(rows, "loss_pp"), "resnet8")
    at = dict(zip(cells(head), cells(line), strict=True))
    assert at["≤ 0.3 pp"] == "**50.0** at 0.30 ± 0.10, 1 of 2 seeds"
    assert at["≤ 0.5 pp"] == "**55.0** (50.0..60.0, 2 seeds) at 0.60 ± 0.10 †"
    assert at["≤ 1 pp"] == "**68.0** (66.0..70.0, 2 seeds) at 0.55 ± 0.10"
    *_, line = savings_page.table(series.within(rows, "test_loss_pp"), "resnet8")
    assert dict(zip(cells(head), cells(line), strict=True))["≤ 0.5 pp"].startswith("**60.0** (50.0..70.0, 2 seeds) at 0.35")


def test_equal_energy_lies_between_neighbours_on_the_front() -> None:
    """60 % lies in the middle of two designs; one that another dominates by choosing images is no neighbour."""
    rows = [
        row("approximate", 0, 55, 0.2, 0.2),
        row("approximate", 0, 60, 0.6, 0.0),  # dominated: 65 % loses less on the images that choose
        row("approximate", 0, 65, 0.5, 0.6),
        row("approximate", 1, 55, 0.2, 0.3),
        row("approximate", 1, 80, 0.5, 0.8),
        row("widths", 0, 50, 0.1, 0.5),
        row("widths", 0, 70, 0.2, 0.5),
    ]
    head, _, ours, mixed, gap, _, worse, better, untold, *_ = savings_page.equal_energy(rows, "resnet8")
    at = {name: i for i, name in enumerate(cells(head))}
    assert cells(ours)[at["60 %"]] == "0.40" and cells(ours)[at["70 %"]] == "–"  # (0.4 + 0.4) / 2; seed 0 ends at 65 %
    assert [cells(mixed)[at[name]] for name in ("50 %", "60 %", "70 %", "75 %")] == ["0.50", "0.50", "0.50", "–"]
    assert cells(gap)[at["60 %"]] == "-0.10 ± 0.12"
    assert worse.endswith("lose less than approximate circuits: nowhere") and better.endswith("lose less: 60 %")
    assert untold.startswith("- not compared") and "50 %, 70 %, 75 %" in untold


def test_divergence_is_read_off_the_same_front() -> None:
    rows = [
        row("approximate", 0, 55, 0.2, 0.2, test_divergence=0.001),
        row("approximate", 0, 60, 0.6, 0.0, test_divergence=0.9),  # dominated
        row("approximate", 0, 65, 0.5, 0.6, test_divergence=0.003),
        row("approximate", 1, 50, 0.2, 0.3, test_divergence=0.004),
        row("approximate", 1, 70, 0.5, 0.8, test_divergence=0.008),
    ]
    head, _, ours = savings_page.diverging([*rows, row("widths", 0, 60, 1, 1, network="resnet20")], "resnet8")
    at = dict(zip(cells(head), cells(ours), strict=True))
    assert at["60 %"] == "4.0" and at["50 %"] == at["70 %"] == "–"  # (2 + 6) / 2; a seed ends elsewhere


def test_there_is_no_comparison_without_reduced_widths() -> None:
    assert list(savings_page.equal_energy([row("approximate", 0, 65, 0.5, 0.9)], "resnet8")) == []


def test_the_summary_has_a_column_for_each_network() -> None:
    rows = [row("approximate", 0, 70, 0.9, 0.4), row("widths", 0, 75, 0.9, 1.4, network="resnet20")]
    head, _, ours, mixed, retrained = savings_page.summary(rows, [row("approximate", 0, 80, 0.9, 0.5)], [])
    assert cells(head)[1:] == ["resnet8", "resnet20"]
    assert cells(ours) == ["ours, approximate circuits", "**70.0** at 0.40 ± 0.10", "–"]
    assert cells(mixed)[1:] == ["–", "**75.0** at 1.40 ± 0.10 †"]
    assert cells(retrained) == ["ours, approximate circuits, retrained", "**80.0** at 0.50 ± 0.10", "–"]


def test_targets_are_judged_by_the_losses_on_test_images() -> None:
    def of_resnet8(designs: list[dict[str, str]], retrained: list[dict[str, str]]) -> list[list[str]]:
        return [cells(line)[1:] for line in targets.table(designs, retrained) if line.startswith("| resnet8")]

    figures = ((60, 0.1, 0.1), (65.2, 0.7, 0.8), (66, 0.9, 1.1), (65.5, 1.0, 0.9))
    rows = [row("approximate", 0, *losses) for losses in figures]
    before, after = of_resnet8(rows, [])
    assert before[:3] == ["65 % at ≤ 1 pp", "80 %", "ours, approximate circuits"]
    assert before[3:] == ["missed: 66.0 % at 1.10 pp", "reached: 65.2 % at 0.80 pp", "reached: 65.5 % at 0.90 pp"]
    assert after[3:] == ["not run"] * 3
    *_, after = of_resnet8([], [row("approximate", 0, 70, 0.2, 0.1), row("approximate", 1, 81, 2.0, 2.0)])
    assert after[3:] == ["missed: no such design of 1 of 2 seeds"] * 3


def test_the_page_says_which_runs_are_missing() -> None:
    runs = [{"network": n.name, "arm": arm.name, "seed": str(seed)} for n, arm, seed in study.planned()]
    assert list(savings_page.not_run(runs)) == []
    some = [run for run in runs if run["network"] != "resnet14" and (run["network"], run["arm"]) != ("resnet8", "widths")]
    *_, first, second = savings_page.not_run([*some, {"network": "resnet8", "arm": "widths", "seed": "1"}])
    assert first == "- resnet8: widths (0, 2)" and second == "- resnet14: approximate (0), alwann-u8 (0), widths (0)"


def test_the_exact_network_is_trained_once_for_all_arms_of_a_format() -> None:
    more = {"before_pp": 2, "against_retrained_pp": 1, "against_retrained_se_pp": 0.1}
    exact = [row(arm, 0, 0, 0, loss, "exact", **more) for arm, loss in (("approximate", -0.1), ("widths", -0.1))]
    rows = [*exact, row("alwann-u8", 0, 0, 0, 0.5, "exact", **more), row("approximate", 0, 80, 0.4, 0.5, **more)]
    *_, designs, _, said = savings_page.retrained_designs(rows, "resnet8")
    assert cells(designs)[1:] == ["80.0", "2.00", "0.50 ± 0.10", "1.00 ± 0.10"]
    assert said.endswith("gains +0.10 pp in sm8 (1 training) and -0.50 pp in u8 (1 training).")


def test_what_the_search_over_both_consists_of() -> None:
    rows = [row("joint", 0, 80, 0.2, 0.3, approximate_percent=3.6), row("joint", 0, 90, 0.9, 0.9, approximate_percent=19.2)]
    _, said = savings_page.joint_share(rows, "resnet8")
    assert "approximate circuits do 4 to 19 % of the multiplications" in said


RUN = ("resnet8", "approximate", "0")


def test_other_runs_of_an_earlier_gathering_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[list[object]] = [["nsga2-1", 0, 0.5, 1.25], ["nsga2-1", 1, 0.25, 0.5]]
    monkeypatch.setitem(gather._ROWS, "epochs", lambda run: rows)  # type: ignore[index]
    head = "network,arm,seed,design,epoch,cross_entropy,loss_pp\n"
    other = "resnet20,widths,1,nsga2-9,0,0.75,1.5"
    (tmp_path / "epochs.csv").write_text(f"{head}{other}\n{','.join(RUN)},nsga2-7,0,9,9\n")
    found = gather.together("epochs", {RUN: None}, tmp_path)  # type: ignore[dict-item]
    assert [list(row.values()) for row in found] == [other.split(","), *([*RUN, *row] for row in rows)]
    (tmp_path / "epochs.csv").write_text(head.replace("epoch,", "sweep,"))
    with pytest.raises(InputError, match=r"epochs\.csv: expected the columns network, arm, seed, design, epoch,"):
        gather.together("epochs", {RUN: None}, tmp_path)  # type: ignore[dict-item]


def test_retrained_designs_have_the_loss_that_all_epochs_of_their_network_let_expect() -> None:
    """The middle two losses fall while the cross-entropy rises: their mean is expected at the middle between the two."""
    about = dict(zip(("network", "arm", "seed", "design"), (*RUN, "nsga2-1"), strict=True))
    entropies, losses = (0.125, 0.25, 0.5, 0.75), ("0.5", 1.5, 0.5, 2.0)
    figures = enumerate(zip(entropies, losses, strict=True))
    epochs = [about | {"epoch": i, "cross_entropy": entropy, "loss_pp": loss} for i, (entropy, loss) in figures]
    apart = about | {"network": "resnet20", "epoch": 0, "cross_entropy": 0.25, "loss_pp": 3.0}
    kept = [about | {"best_epoch": epoch, "loss_pp": ""} for epoch in (0, "1", 3)] + [apart | {"best_epoch": 0}]
    gather.expect(kept, [*epochs, apart])
    middle = 0.5 + (1.0 - 0.5) * (0.25 - 0.125) / (0.375 - 0.125)
    assert [row["loss_pp"] for row in kept] == pytest.approx([0.5, middle, 2.0, 3.0])


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected designs\.csv and runs\.csv, got none"):
        savings_page.page(tmp_path)
    with pytest.raises(InputError, match="expected finished runs, got none"):
        gather.gather(tmp_path, tmp_path, tmp_path)
    for name in ("mine", "resnet8-seed0", "resnet8-approximate-seedX"):
        with pytest.raises(InputError, match="NETWORK-ARM-seedN"):
            gather.which(name)


def test_weights_of_designs_that_are_retrained_no_more_go(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "weights"
    for names in (("nsga2-3", "nsga2-7", "uniform-exact"), ("nsga2-4", "nsga2-7")):
        for name in names:
            (run / "retrained" / name).mkdir(parents=True, exist_ok=True)
            (run / "retrained" / name / "weights.safetensors").write_bytes(b"weights")
        (run / "retrained.csv").write_text("\n".join(["design", *names]))
        gather.keep_weights(run, out)
    assert sorted(path.name for path in out.iterdir()) == ["nsga2-4.safetensors", "nsga2-7.safetensors"]


def test_networks_stand_by_family_and_depth_with_every_baseline_that_is_committed() -> None:
    folder = Path(__file__).resolve().parents[2] / "results" / "cifar10" / "baselines"
    _, _, *lines = savings_page.baselines(folder)
    names = [cells(line)[0] for line in lines]
    assert names == ["mobilenetv2", "resnet8", "resnet14", "resnet20", "resnet32"]
    assert {path.stem for path in folder.glob("*.json")} == set(names)


def test_arms_that_were_trained_for_fewer_epochs_are_named() -> None:
    epochs = [
        {"network": network, "arm": arm, "epoch": str(epoch)}
        for network, arm, count in (("resnet8", "approximate", 8), ("resnet8", "widths", 1), ("resnet20", "widths", 3))
        for epoch in range(count + 1)
    ]
    said = "Arms of resnet8 retrained for fewer epochs so far than the others' 8, to be done again: widths (1)."
    assert savings_page.shorter_trained(epochs, "resnet8") == said
    assert savings_page.shorter_trained(epochs, "resnet20") == savings_page.shorter_trained(epochs, "resnet14") == ""
    rows = [row("approximate", 0, 80, 0.9, 0.5)]
    assert list(savings_page.summary(rows, rows, epochs))[-1] == said
    more = {"test_divergence": "0.1", "before_pp": "1", "against_retrained_pp": "0", "against_retrained_se_pp": "0"}
    rows = [{**rows[0], **more}]
    assert said in list(savings_page.sections("resnet8", rows, rows, epochs, []))
