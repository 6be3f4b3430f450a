"""What the page of the CIFAR-10 study says of rows written by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from experiments.cifar10 import gather, savings_page, savings_tables, series, study, targets


def row(
    arm: str, seed: int, saving: float, chosen_by: float, test: float, method: str = "nsga2", **more: Any
) -> dict[str, str]:
    about: dict[str, Any] = {"network": "resnet8", "arm": arm, "method": method, "seed": seed, "design": f"{method}-1"}
    losses = {"loss_pp": chosen_by, "test_loss_pp": test, "test_se_pp": 0.1}
    figures = {"saving_percent": saving, **losses, "approximate_percent": 100.0}
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
    head, _, line = savings_tables.table(series.within(rows, "loss_pp"), "resnet8")
    at = dict(zip(cells(head), cells(line), strict=True))
    assert at["≤ 0.3 pp"] == "**50.0** at 0.30 ± 0.10, 1 of 2 seeds"
    assert at["≤ 0.5 pp"] == "**55.0** (50.0..60.0, 2 seeds) at 0.60 ± 0.10 †"
    assert at["≤ 1 pp"] == "**68.0** (66.0..70.0, 2 seeds) at 0.55 ± 0.10"
    *_, line = savings_tables.table(series.within(rows, "test_loss_pp"), "resnet8")
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
    head, _, ours, mixed, gap, _, worse, better, alike, untold, *_ = savings_tables.equal_energy(rows, "resnet8")
    at = {name: i for i, name in enumerate(cells(head))}
    assert cells(ours)[at["60 %"]] == "0.40" and cells(ours)[at["70 %"]] == "–"  # (0.4 + 0.4) / 2; seed 0 ends at 65 %
    assert [cells(mixed)[at[name]] for name in ("50 %", "60 %", "70 %", "75 %")] == ["0.50", "0.50", "0.50", "–"]
    assert cells(gap)[at["60 %"]] == "-0.10 ± 0.12"
    assert worse.endswith("lose less than approximate circuits: nowhere") and better.endswith("lose less: nowhere")
    assert alike.startswith("- no further apart") and alike.endswith(": 60 %")
    assert untold.startswith("- not compared") and "50 %, 70 %, 75 %" in untold
    for apart, line in ((0.13, 6), (-0.13, 7)):  # within 0.1 * sqrt(2), beyond 0.05 * sqrt(2)
        moved = [row("approximate", 0, saving, saving / 100, 0.5 + apart) for saving in (50, 70)]
        lists = list(savings_tables.equal_energy([*moved, *rows[-2:]], "resnet8"))
        assert [lists[at].endswith("50 %, 60 %, 70 %") for at in (6, 7, 8)] == [False, False, True]
        surer = [{**one, "test_se_pp": "0.05"} for one in [*moved, *rows[-2:]]]
        assert list(savings_tables.equal_energy(surer, "resnet8"))[line].endswith("50 %, 60 %, 70 %")


def test_divergence_is_read_off_the_same_front() -> None:
    rows = [
        row("approximate", 0, 55, 0.2, 0.2, test_divergence=0.001),
        row("approximate", 0, 60, 0.6, 0.0, test_divergence=0.9),  # dominated
        row("approximate", 0, 65, 0.5, 0.6, test_divergence=0.003),
        row("approximate", 1, 50, 0.2, 0.3, test_divergence=0.004),
        row("approximate", 1, 70, 0.5, 0.8, test_divergence=0.008),
    ]
    head, _, ours = savings_tables.diverging([*rows, row("widths", 0, 60, 1, 1, network="resnet20")], "resnet8")
    at = dict(zip(cells(head), cells(ours), strict=True))
    assert at["60 %"] == "4.0" and at["50 %"] == at["70 %"] == "–"  # (2 + 6) / 2; a seed ends elsewhere


def test_there_is_no_comparison_without_reduced_widths() -> None:
    assert list(savings_tables.equal_energy([row("approximate", 0, 65, 0.5, 0.9)], "resnet8")) == []


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

    figures = ((60, 0.1, 0.1), (65.2, 0.7, 0.95), (66, 0.9, 1.1), (65.5, 1.0, 0.9))
    rows = [row("approximate", 0, *losses) for losses in figures]
    before, after = of_resnet8(rows, [])
    assert before[:3] == ["65 % at ≤ 1 pp", "80 %", "ours, approximate circuits"]
    assert before[3:] == ["missed: 66.0 % at 1.10 pp", "reached: 65.2 % at 0.95 pp", "reached: 65.5 % at 0.90 pp"]
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
    *_, designs, _, said = savings_tables.retrained_designs(rows, "resnet8")
    assert cells(designs)[1:] == ["80.0", "2.00", "0.50 ± 0.10", "1.00 ± 0.10"]
    assert said.endswith("gains +0.10 pp in sm8 (1 training) and -0.50 pp in u8 (1 training).")


def test_what_the_search_over_both_consists_of() -> None:
    rows = [row("joint", 0, 80, 0.2, 0.3, approximate_percent=3.6), row("joint", 0, 90, 0.9, 0.9, approximate_percent=19.2)]
    _, said = savings_page.joint_share(rows, "resnet8")
    assert "approximate circuits do 4 to 19 % of the multiplications" in said


def test_which_multiplications_are_approximate() -> None:
    """Neither the reference, nor it in another form, nor an exact one of reduced width."""
    names = ("exact", "same", "weak", "exact4x3")
    power, counts = np.array([1.0, 0.995, 0.5, 0.2]), np.array([10, 20, 30, 40])
    run: Any = SimpleNamespace(multipliers=names, power_mw=2 * power, op_counts=counts)
    assert gather.approximate_percent(run, names) == pytest.approx(30)
    assert gather.approximate_percent(run, ("weak", "exact4x3", "exact", "weak")) == pytest.approx(50)


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


def test_every_epoch_is_held_against_the_exact_network_before_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    entropies = {"nsga2-1": np.array([0.9, 0.75]), "uniform-exact": np.array([0.5, 0.25])}
    design, exact = (
        SimpleNamespace(name=name, accuracy=np.array(accuracy), epochs=np.array([0.0, 1.0]), best_epoch=1)
        for name, accuracy in (("nsga2-1", (0.6, 0.7)), ("uniform-exact", (0.8, 0.9)))
    )
    info = SimpleNamespace(left_out=(), designs=(design, exact))
    monkeypatch.setattr(gather, "retraining_info", lambda run: info)
    monkeypatch.setattr(gather, "last_stage", lambda path: tuple(entropies))
    monkeypatch.setattr(gather, "exact_beside", lambda design, designs: exact)
    monkeypatch.setattr(gather, "loss_against", lambda exact, design: None)
    monkeypatch.setattr(gather, "read_csv", lambda path: SimpleNamespace(numbers=lambda column: entropies[path.parent.name]))
    run: Any = SimpleNamespace(path=Path("run"))
    ours, its = gather.trained_of(run)
    assert ours.kept == 1 and ours.loss_pp == pytest.approx([20, 10]) and ours.cross_entropy == pytest.approx([0.4, 0.25])
    assert its.loss_pp == pytest.approx([0, -10]) and its.cross_entropy == pytest.approx([0, -0.25])


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected designs\.csv and runs\.csv, got none"):
        savings_page.page(tmp_path)
    with pytest.raises(InputError, match="expected finished runs, got none"):
        gather.gather(tmp_path, tmp_path, tmp_path)
    for name in ("mine", "resnet8-seed0", "resnet8-approximate-seedX"):
        with pytest.raises(InputError, match="NETWORK-ARM-seedN"):
            gather.which(name)


def test_the_page_counts_the_weights_that_lie_there(tmp_path: Path) -> None:
    rows = [row("approximate", seed, 80, 0.9, 0.5, design=f"nsga2-{seed}") for seed in (0, 1)]
    rows += [row("widths", 0, 80, 0.9, 0.5), row("approximate", 0, 80, 0.9, 0.5, network="resnet20")]
    assert "Weights of 0 of the 3 retrained networks" in savings_page.kept_weights(rows, "resnet8", tmp_path)
    place = gather.weights_of(rows[0])
    assert place == Path("retrained/resnet8/approximate-seed0/nsga2-0.safetensors.xz")
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert "Weights of 1 of the 3 retrained networks" in savings_page.kept_weights(rows, "resnet8", tmp_path)
    assert gather.strays(tmp_path, rows) == [] and gather.strays(tmp_path, rows[1:]) == [tmp_path / place]


def test_the_page_says_which_designs_are_retrained() -> None:
    said = savings_page.retrained_how("resnet14")
    assert "at most 1 pp (arms approximate, widths); 0.8, 1.5, 8 pp (arm alwann-u8)." in said


def test_test_losses_are_held_against_those_that_choose() -> None:
    rows = [
        *(row("approximate", seed, 60, chosen_by, test) for seed, chosen_by, test in ((0, 0.2, 0.3), (1, 2.0, 2.3))),
        *(row("approximate", 0, 60, chosen_by, 9) for chosen_by in (0.1, 2.1)),  # of no interest
        row("widths", 0, 60, 1, 0.5),
    ]
    _, said = savings_page.offsets([*rows, row("widths", 0, 60, 1, 9, network="resnet20")], "resnet8")
    assert "ours, approximate circuits +0.20 (2); exact reduced width, mixed precision -0.50 (1)." in said
    assert not list(savings_page.offsets(rows[2:4], "resnet8"))


def test_networks_stand_by_family_and_depth_with_every_baseline_that_is_committed() -> None:
    folder = Path(__file__).resolve().parents[2] / "results" / "cifar10" / "baselines"
    _, _, *lines = savings_tables.baselines(folder)
    names = [cells(line)[0] for line in lines]
    assert names == ["mobilenetv2", "resnet8", "resnet14", "resnet20", "resnet32"]
    assert {path.stem for path in folder.glob("*.json")} == set(names)


def test_arms_that_were_trained_for_fewer_epochs_are_named(tmp_path: Path) -> None:
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
    assert said in list(savings_page.sections("resnet8", rows, rows, epochs, [], tmp_path))
