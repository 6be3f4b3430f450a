"""Optuna's samplers: what they are told, what they are refused for, and how quiet they are."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import make_search, run_search
from dse.types import FAILED
from tests.small import guidance, space, toy

SAMPLERS = ["RandomSampler", "TPESampler", "NSGAIISampler", "NSGAIIISampler", "QMCSampler"]


@pytest.fixture
def optuna() -> Any:
    return pytest.importorskip("optuna")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_objectives", [2, 3])
def test_equal_seeds_ask_equal_designs_of_the_space(optuna: Any, sampler: str, n_objectives: int) -> None:
    made, energy, loss = toy(5, 6, 3)
    allowed = np.ones((5, 6), dtype=bool)
    allowed[0, 1:] = False
    made = replace(made, allowed=allowed, max_rel_energy=0.8)
    runs = []
    for seed in (4, 4, 5):
        search = make_search(f"optuna:{sampler}", made, guidance(made), population=6, seed=seed)
        asked = []
        for _ in range(5):
            designs = search.ask()
            assert made.permits(designs).all()
            objectives = np.stack([energy(designs), loss(designs), designs.max(axis=1)][:n_objectives], axis=1)
            objectives[designs.sum(axis=1) % 5 == 0] = FAILED
            search.tell(designs, objectives)
            asked.append(designs)
        runs.append(np.vstack(asked).tobytes())
    assert runs[0] == runs[1] != runs[2]


def test_the_study_holds_what_was_told(optuna: Any) -> None:
    made, energy, loss = toy(3, 4)
    search = make_search("optuna:RandomSampler", made, guidance(made), population=4, seed=0)
    first = search.ask()
    assert first.tolist() == [[0, 0, 0]]
    search.tell(first, np.array([[1.0, 0.0]]))
    designs = search.ask()
    search.tell(designs, np.array([[0.5, 1.0], [FAILED, FAILED], [0.25, 2.0], [0.1, 3.0]]))
    trials = search._study.trials  # type: ignore[attr-defined]
    assert [trial.values for trial in trials] == [[1, 0], [0.5, 1], None, [0.25, 2], [0.1, 3]]
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert [list(trial.params.values()) for trial in trials[1:]] == designs.tolist()  # energies fall with the index


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler", "NSGAIIISampler"])
def test_a_bound_on_the_loss_is_a_constraint(optuna: Any, sampler: str) -> None:
    made, energy, loss = toy(8, 8)
    within = []
    for bound in (None, 1.0):
        bounded = replace(made, max_loss_pp=bound)
        search = make_search(f"optuna:{sampler}", bounded, guidance(made), population=10, seed=0)
        within.append((run_search(search, [energy, loss], 200).objectives[:, 1] <= 1.0).mean())
    assert within[1] > within[0]
    constraints = [trial.system_attrs["constraints"] for trial in search._study.trials[:10]]  # type: ignore[attr-defined]
    losses = [trial.values[1] for trial in search._study.trials[:10]]  # type: ignore[attr-defined]
    assert [c[0] for c in constraints] == pytest.approx([lost - 1.0 for lost in losses])


def test_is_silent_and_leaves_the_log_as_it_was(optuna: Any, capfd: pytest.CaptureFixture[str]) -> None:
    made, energy, loss = toy(4, 4)
    before = optuna.logging.get_verbosity()
    run_search(make_search("optuna:QMCSampler", made, guidance(made), population=4, seed=0), [energy, loss], 20)
    assert optuna.logging.get_verbosity() == before and capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optuna:TPESample", "unknown method 'optuna:TPESample'; did you mean 'optuna:TPESampler'"),
        ("optuna:", "unknown method 'optuna:'"),
        ("optuna:CmaEsSampler", "optuna:CmaEsSampler: .*multi-objective"),
        ("optuna:GridSampler", "optuna:GridSampler: cannot be built from a seed alone"),
    ],
)
def test_refused(optuna: Any, name: str, message: str) -> None:
    made = space(2, 2)
    with pytest.raises(InputError, match=message):
        make_search(name, made, guidance(made), population=2, seed=0)


def test_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "optuna":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    made = space(2, 2)
    with pytest.raises(InputError, match=r"optuna: is not installed; pip install 'dse\[optuna\]'"):
        make_search("optuna:TPESampler", made, guidance(made), population=2, seed=0)
