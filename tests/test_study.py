"""A run's study: begun, continued by replay, refused where something has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse.config import RetrainConfig, RunConfig, parse_config
from dse.exceptions import InputError
from dse.run_folder import CONFIG, STUDY
from dse.search import Guidance
from dse.store import StudyFile
from dse.study import begin, check_place, differing_keys, join, kept_guidance, record, reopen, require_last_stage, retrain_as


def config(**search: object) -> RunConfig:
    return parse_config({"space": {"model": {"name": "digits-cnn"}, "dataset": {"name": "digits"}}, "search": search})


def test_begins_in_a_folder_of_its_own(tmp_path: Path) -> None:
    with begin(config(), tmp_path / "run") as study:
        assert study.config["search"]["evaluations"] == 300
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [CONFIG, STUDY]
    again, study = reopen(tmp_path / "run")
    study.close()
    assert again == config()


def test_a_second_run_is_refused_and_resume_offered(tmp_path: Path) -> None:
    begin(config(), tmp_path / "run").close()
    with pytest.raises(InputError, match=r"exists already; `dse resume .*run` continues that run, --overwrite"):
        check_place(config(evaluations=9), tmp_path / "run")
    check_place(config(population=9), tmp_path / "run", overwrite=True)


def test_another_configuration_is_refused_by_its_keys(tmp_path: Path) -> None:
    begin(config(), tmp_path / "run").close()
    with pytest.raises(InputError, match=r"search\.population \(24 there, 9 here\)"):
        check_place(config(population=9), tmp_path / "run")
    file = tmp_path / "run" / CONFIG
    changed = file.read_text().replace("population = 24", "population = 12").replace('level = "multiplier"', 'level = "mac"')
    file.write_text(changed)
    with pytest.raises(InputError) as refused:
        reopen(tmp_path / "run")
    assert "energy.level (multiplier there, mac here), search.population (24 there, 12 here)" in str(refused.value)


def test_retraining_may_change_as_no_evaluation_is_of_it(tmp_path: Path) -> None:
    plain, out = config(), tmp_path / "run"
    begin(plain, out).close()
    before = plain
    for changed in (RetrainConfig(epochs=3), RetrainConfig(epochs=4, designs=[1.0]), None):
        given = plain.model_copy(update={"retrain": changed})
        with join(given, out) as study:
            assert parse_config(study.config, "study") == before  # until that stage begins
            retrain_as(study, out, given)
            require_last_stage(study, given)
            with pytest.raises(InputError, match="another process has given this run another table"):
                require_last_stage(study, before)
        before = given
        found, study = reopen(out)
        study.close()
        assert found == given
    with pytest.raises(InputError, match=r"another table \[retrain\]; --go-on"):
        check_place(plain.model_copy(update={"retrain": RetrainConfig()}), out)
    with pytest.raises(InputError, match="search.population"):
        join(config(population=9).model_copy(update={"retrain": RetrainConfig()}), out)
    with reopen(out)[1] as study:
        assert "retrain" not in study.config


def test_retraining_is_what_the_folders_configuration_says(tmp_path: Path) -> None:
    begin(config(), tmp_path / "run").close()
    file = tmp_path / "run" / CONFIG
    file.write_text(file.read_text() + "\n[retrain]\nepochs = 5\n")
    found, study = reopen(tmp_path / "run")
    with study:
        assert found.retrain is not None and found.retrain.epochs == 5
        retrain_as(study, tmp_path / "run", found)
    file.write_text(file.read_text().replace("epochs = 5", 'epochs = "many"'))
    with pytest.raises(InputError, match=r"config.toml: retrain.epochs"):
        reopen(tmp_path / "run")
    with StudyFile.open(tmp_path / "run" / STUDY) as study:
        assert study.config["retrain"]["epochs"] == 5


def test_what_another_process_is_at_work_on_keeps_its_last_stage(tmp_path: Path) -> None:
    out = tmp_path / "run"
    begin(config(), out).close()
    program = (
        "import sys, time, numpy as np\nfrom dse.store import StudyFile\n"
        "study = StudyFile.open(sys.argv[1])\nstudy.claim(np.zeros((1, 2), dtype=np.int64), 'lut', 'e')\n"
        "print('claimed', flush=True)\ntime.sleep(600)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program, str(out / STUDY)], stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "claimed\n"
        join(config(), out).close()
        given = config().model_copy(update={"retrain": RetrainConfig()})
        with pytest.raises(InputError, match=r"a living process is at work there with another table \[retrain\]"):
            join(given, out)
    finally:
        worker.kill()
        worker.communicate()
    join(given, out).close()


def test_the_budget_is_a_total_that_stays(tmp_path: Path) -> None:
    begin(config(evaluations=10), tmp_path / "run").close()
    for asked, expected in ((None, 10), (25, 25), (None, 25)):
        found, study = reopen(tmp_path / "run", evaluations=asked)
        study.close()
        assert found.search.evaluations == expected


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study there .*which `dse run` begins"):
        reopen(tmp_path)
    (tmp_path / STUDY).write_bytes(b"nothing of ours")
    with pytest.raises(InputError, match=STUDY):
        reopen(tmp_path)


def test_searches_are_replayed_with_the_guidance_they_began_with(tmp_path: Path) -> None:
    first = Guidance(np.array([[0, 1], [1, 1]]), np.array([[0, 0.1], [0, 1 / 3]]), 5.0, np.array([[0, 2.0], [0, 0.7]]))
    other = Guidance(np.array([[1, 0]]), first.cost * (1 + 1e-15), 5.0, first.tolerance)
    begin(config(), tmp_path / "run").close()
    for given in (first, other):
        _, study = reopen(tmp_path / "run")
        with study:
            kept = kept_guidance(study, given)
        assert kept.seeds.tolist() == first.seeds.tolist() and kept.seeds.dtype == np.int64
        assert kept.cost.tolist() == first.cost.tolist() and kept.max_loss == 5.0
        assert kept.tolerance is not None and kept.tolerance.tolist() == [[0, 2.0], [0, 0.7]]


@pytest.mark.parametrize("name", ["model", "data", "library"])
def test_what_evaluations_depend_on_may_not_change(tmp_path: Path, name: str) -> None:
    hashes = {"model": "a", "data": "b", "library": "c"}
    with begin(config(), tmp_path / "run") as study:
        record(study, {"hashes": hashes, "evaluator": "e"})
        record(study, {"hashes": dict(hashes), "evaluator": "e"})
        record(study, {"hashes": {**hashes, "behaviour": "d"}, "evaluator": "e"})  # the study is of an earlier version
        with pytest.raises(InputError, match=f"{name} changed since the study was begun"):
            record(study, {"hashes": {**hashes, name: "other"}, "evaluator": "e"})
        with pytest.raises(InputError, match="what scores designs changed since"):
            record(study, {"hashes": hashes, "evaluator": "another"})


def test_keys_that_differ() -> None:
    known = {"a": 1, "search": {"evaluations": 3, "methods": ["x"]}, "space": {"model": {"name": "n"}}, "empty": {}}
    given = {"a": 2, "search": {"evaluations": 9, "methods": ["y"]}, "space": {"model": {}}, "empty": {}}
    assert differing_keys(known, given) == ["a", "search.methods", "space.model", "space.model.name"]
    assert differing_keys(known, known) == []
    elsewhere = {"space": {"training": {"device": "cuda"}}}
    assert differing_keys(elsewhere, {}) == []  # where the network is trained
