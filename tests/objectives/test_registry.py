"""Objectives by hand on a library of known figures, failed designs, and a user's own objective."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, builtin
from dse.objectives import OBJECTIVES, ObjectiveInfo, ObjectiveSet, Study, register_objective
from dse.space import SearchSpace
from dse.types import FAILED
from tests.objectives.test_energy_levels import two_layers
from tests.small import library

EXACT = {"accuracy": 0.9, "kl": 0.0, "worst_class": 0.8, "top5": 0.99}
DESIGNS = np.array([[0, 0], [1, 2], [2, 2]])
FIGURES = [
    {"accuracy": 0.9, "kl": 0.0, "worst_class": 0.8, "top5": 0.99},
    {"accuracy": 0.85, "kl": 0.1, "worst_class": 0.5, "top5": 0.95},
    {"accuracy": 0.91, "kl": 0.05, "worst_class": 0.81, "top5": 1.0},
]


def study() -> Study:
    exact = builtin()[0]
    made = [
        Multiplier("exact", exact.table, power_mw=1.0, area_um2=700.0, delay_ns=2.0),
        Multiplier("small", exact.table // 2 * 2, power_mw=0.5, area_um2=300.0, delay_ns=2.5),
        Multiplier("tiny", exact.table // 4 * 4, power_mw=0.25, area_um2=100.0, delay_ns=1.0),
    ]
    circuits = MultiplierLibrary(made)
    space = SearchSpace(("a", "b"), circuits.names, np.array([100, 300]), circuits.rel_energy)
    return Study(space, circuits, EXACT, two_layers())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rel_energy", [1, (100 * 0.5 + 300 * 0.25) / 400, 0.25]),
        ("rel_energy_multiplier", [1, (100 * 0.5 + 300 * 0.25) / 400, 0.25]),
        # two_layers adds 514.5 pJ to its products at level array, of 1 pJ each
        ("rel_energy_array", [1, (125 + 514.5) / 914.5, (100 + 514.5) / 914.5]),
        ("accuracy_loss_pp", [0, 5, -1]),
        ("top5_loss_pp", [0, 4, -1]),
        ("worst_class_loss_pp", [0, 30, -1]),
        ("kl", [0, 0.1, 0.05]),
        ("area_um2", [700, 400, 100]),
        ("distinct_multipliers", [1, 2, 1]),
        ("delay_ns", [2, 2.5, 1]),
    ],
)
def test_by_hand(name: str, expected: list[float]) -> None:
    found = ObjectiveSet([name], study())(DESIGNS, FIGURES)
    assert found.shape == (3, 1) and found.dtype == np.float64
    assert found[:, 0] == pytest.approx(expected)


def test_variants_are_one_circuit() -> None:
    exact = builtin()[0]
    made = [
        Multiplier("exact", exact.table, power_mw=1.0, area_um2=700.0),
        Multiplier("small", exact.table // 2 * 2, power_mw=0.5, area_um2=300.0),
        Multiplier("small.histogram", exact.table // 2 * 2, power_mw=0.5, area_um2=300.0),
    ]
    circuits = MultiplierLibrary(made)
    space = SearchSpace(("a", "b"), circuits.names, np.ones(2, int), circuits.rel_energy, circuits=np.array([0, 1, 1]))
    objectives = ObjectiveSet(["area_um2", "distinct_multipliers"], Study(space, circuits, EXACT))
    assert objectives(np.array([[1, 2], [0, 2], [2, 2]]), FIGURES).tolist() == [[300, 1], [1000, 2], [300, 1]]


def test_every_objective_at_once_and_one_by_one() -> None:
    together = ObjectiveSet(list(OBJECTIVES), study())
    assert together.units == tuple(info.unit for info in OBJECTIVES.values())
    columns = together(DESIGNS, FIGURES)
    alone = [
        ObjectiveSet([name], study())(DESIGNS[i : i + 1], FIGURES[i : i + 1]) for name in OBJECTIVES for i in range(3)
    ]
    assert columns.T.ravel().tolist() == [float(cell[0, 0]) for cell in alone]
    assert together(DESIGNS[:0], []).shape == (0, len(OBJECTIVES))


def test_a_failed_design() -> None:
    found = ObjectiveSet(["rel_energy", "accuracy_loss_pp"], study())(DESIGNS, [{}, FIGURES[1], {}])
    assert found[[0, 2]].tolist() == [[FAILED, FAILED]] * 2 and found[1] == pytest.approx([0.3125, 5])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one name, each once"),
        (["kl", "kl"], "each once"),
        (["area"], "unknown objective 'area'"),
        (["rel_energy_aray"], "did you mean 'rel_energy_array'"),
    ],
)
def test_names_that_are_none(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ObjectiveSet(names, study())


@pytest.mark.parametrize(("name", "figure"), [("area_um2", "area_um2"), ("delay_ns", "delay_ns")])
def test_a_library_without_figures(name: str, figure: str) -> None:
    with pytest.raises(
        InputError, match=f"multiplier '.*': expected {figure}, which an objective needs, got none"
    ) as error:
        ObjectiveSet([name], replace(study(), library=library()))
    assert "\n" not in str(error.value)


def test_what_a_study_lacks() -> None:
    few = replace(study(), exact={"accuracy": 0.9}, energy=None)
    with pytest.raises(InputError, match="figure 'top5' is not known"):
        ObjectiveSet(["top5_loss_pp"], few)
    with pytest.raises(InputError, match="objective 'rel_energy_mac': expected the network's energy"):
        ObjectiveSet(["rel_energy_mac"], few)
    with pytest.raises(InputError, match="expected figures of 3 designs, got 2"):
        ObjectiveSet(["kl"], study())(DESIGNS, FIGURES[:2])


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


@pytest.mark.usefixtures("registry")
def test_a_users_own_objective() -> None:
    def build(study: Study):  # type: ignore[no-untyped-def]
        counts = study.space.op_counts
        return lambda population, figures: ((population == 0) * counts).sum(axis=1) / counts.sum() + 0 * figures["kl"]

    info = ObjectiveInfo("1", "share of exact multiplications", build, ("kl",))
    register_objective("exact_share", info)
    assert ObjectiveSet(["exact_share"], study())(np.array([[0, 1]]), FIGURES[:1]).tolist() == [[0.25]]
    with pytest.raises(InputError, match="objective 'exact_share': expected a new name"):
        register_objective("exact_share", info)
    register_objective("broken", ObjectiveInfo("1", "", lambda _: lambda population, figures: np.full(1, np.nan)))
    with pytest.raises(InputError, match="objective 'broken': expected finite"):
        ObjectiveSet(["broken"], study())(np.array([[0, 1]]), FIGURES[:1])
