"""What the page of the CIFAR-10 study says of rows written by hand."""

from __future__ import annotations

from typing import Any

from experiments.cifar10 import savings_page


def row(arm: str, seed: int, saving: float, chosen_by: float, test: float, method: str = "nsga2") -> dict[str, str]:
    about: dict[str, Any] = {"network": "resnet8", "arm": arm, "method": method, "seed": seed}
    return {k: str(v) for k, v in (about | {"saving_percent": saving, "loss_pp": chosen_by, "test_loss_pp": test}).items()}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_at_equal_energy_the_images_that_choose_choose_and_test_images_count() -> None:
    rows = [
        row("approximate", 0, 65, 0.5, 0.9),  # the least loss of those that save 60 % by choosing images, not by test ones
        row("approximate", 0, 72, 0.6, 0.2),
        row("approximate", 1, 71, 0.7, 0.3),
        row("widths", 0, 75, 0.1, 0.25),
        row("widths", 1, 91, 0.4, 0.45),
        row("joint", 0, 75, 0.1, 0.24),
    ]
    head, _, joint, ours, mixed, _, said = savings_page.equal_energy(rows, "resnet8")
    at = {name: i for i, name in enumerate(cells(head))}
    assert [cells(ours)[at[f"≥ {saving} %"]] for saving in (60, 70, 75)] == ["0.60", "0.25", "–"]
    assert [cells(mixed)[at[f"≥ {saving} %"]] for saving in (60, 70, 75, 80)] == ["0.35", "0.35", "0.35", "–"]
    assert cells(joint)[at["≥ 70 %"]] == "**0.24**"
    assert said.endswith("lose less than approximate circuits at 50 %, 60 %, 75 %.")


def test_there_is_no_comparison_without_reduced_widths() -> None:
    assert list(savings_page.equal_energy([row("approximate", 0, 65, 0.5, 0.9)], "resnet8")) == []
