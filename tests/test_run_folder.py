"""A run's files: written as a whole or not at all, and every digit of them."""

from __future__ import annotations

import csv
import json
import math
import os
import tomllib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import dse.run_folder as run_folder_module
from dse.exceptions import InputError
from dse.run_folder import check_out, environment, hardware, run_folder, write_csv, write_json, write_toml


def make_run(out: Path, text: str = "{}", *, overwrite: bool = False) -> None:
    with run_folder(out, overwrite=overwrite) as folder:
        (folder / "manifest.json").write_text(text)
        (folder / text.strip("{}") / "deep").mkdir(parents=True)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# -- the folder --------------------------------------------------------------------------------------------------------


def test_appears_when_the_body_is_done(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "a"
    with run_folder(out) as folder:
        assert not out.exists() and folder.parent == out.parent
        (folder / "manifest.json").write_text("{}")
    assert names(out) == ["manifest.json"] and names(out.parent) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_vanishes_when_the_body_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), run_folder(tmp_path / "a") as folder:
        (folder / "half").write_text("")
        raise error
    assert names(tmp_path) == []


def test_earlier_run_stays_when_its_successor_fails(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "{1}")
    with pytest.raises(ValueError), run_folder(tmp_path / "a", overwrite=True):
        raise ValueError
    assert (tmp_path / "a" / "manifest.json").read_text() == "{1}" and names(tmp_path) == ["a"]


def test_earlier_run_is_replaced_whole(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "{1}")
    make_run(tmp_path / "a", "{2}", overwrite=True)
    assert names(tmp_path / "a") == ["2", "manifest.json"] and names(tmp_path) == ["a"]


def test_earlier_run_stays_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "a", "{1}")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder_module.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_run(tmp_path / "a", "{2}", overwrite=True)
    assert names(tmp_path / "a") == ["1", "manifest.json"]


def test_run_that_took_the_place_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"), run_folder(tmp_path / "a") as folder:
        (folder / "manifest.json").write_text("{}")
        make_run(tmp_path / "a", "{2}")
    assert names(tmp_path / "a") == ["2", "manifest.json"] and names(tmp_path) == ["a"]


def test_run_that_took_the_place_after_the_last_look_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(run_folder_module.os, "replace", replace)
        make_run(tmp_path / "a", "{2}")
        replace(source, target)

    monkeypatch.setattr(run_folder_module.os, "replace", late)
    with pytest.raises(InputError, match="exists already"):
        make_run(tmp_path / "a", "{1}")
    assert names(tmp_path / "a") == ["2", "manifest.json"] and names(tmp_path) == ["a"]


def test_existing_run_needs_overwrite(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    with pytest.raises(InputError, match="`dse resume .*` continues that run, --overwrite .overwrite=True. replaces it"):
        make_run(tmp_path / "a")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_run_is_never_replaced(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "thesis"
    out.mkdir() if kind == "folder" else out.write_text("")
    with pytest.raises(InputError, match="is no run"):
        make_run(out, overwrite=True)
    assert out.exists() and names(tmp_path) == ["thesis"]


def test_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is no folder that can be written to"):
        check_out(tmp_path / "file" / "a" / "b")


def test_relative_folders_and_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(Path("a"), "{1}")
    (tmp_path / "latest").symlink_to("a")
    make_run(Path("latest"), "{2}", overwrite=True)
    assert names(tmp_path) == ["a", "latest"] and names(tmp_path / "a") == ["2", "manifest.json"]
    monkeypatch.chdir(tmp_path / "a")
    make_run(Path("."), "{3}", overwrite=True)
    assert names(tmp_path) == ["a", "latest"] and names(tmp_path / "a") == ["3", "manifest.json"]


# -- the files ---------------------------------------------------------------------------------------------------------


def test_csv_keeps_every_digit(tmp_path: Path) -> None:
    floats = [0.1, 1 / 3, math.pi * 1e-300, 5e-324, -0.0, 1e22, np.float64(2) / 3, np.nextafter(1, 2)]
    write_csv(tmp_path / "t.csv", ("i", "name", "value"), [[i, 'a "b", c', v] for i, v in enumerate(floats)])
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["i", "name", "value"]
    assert [(int(i), name) for i, name, _ in rows] == [(i, 'a "b", c') for i in range(len(floats))]
    assert [float(v).hex() for *_, v in rows] == [float(v).hex() for v in floats]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_csv_of_numpy_numbers_is_that_of_plain_ones(tmp_path: Path) -> None:
    write_csv(tmp_path / "plain.csv", ("a", "b"), [[3, 0.1]])
    write_csv(tmp_path / "numpy.csv", ("a", "b"), [[np.int64(3), np.float64(0.1)]])
    assert (tmp_path / "plain.csv").read_text() == (tmp_path / "numpy.csv").read_text() == "a,b\n3,0.1\n"


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", {"a": [1 / 3, None], "b": {"c": "ä"}})
    assert json.loads((tmp_path / "t.json").read_text()) == {"a": [1 / 3, None], "b": {"c": "ä"}}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_is_no_number(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "t.json", {"a": {"b": [bad]}})
    assert not (tmp_path / "t.json").exists()


def test_toml(tmp_path: Path) -> None:
    data = {"seed": 3, "space": {"name": "a b", "include": ["*"], "lr": 1e-05, "model": {"arguments": {}}}}
    write_toml(tmp_path / "t.toml", data)
    assert tomllib.loads((tmp_path / "t.toml").read_text()) == data


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder_module.sys, "argv", ["/home/someone/bin/dse", "run", "experiments/demo.toml"])
    found = environment()
    assert list(found) == ["command", "date", "git_commit", "git_dirty", "versions", "platform"]
    assert found["command"] == "dse run experiments/demo.toml"
    assert datetime.fromisoformat(found["date"]).tzinfo is not None
    assert found["git_commit"] is None or len(found["git_commit"]) == 40
    assert {"python", "dse", "torch", "numpy", "pymoo", "moocore"} <= set(found["versions"])
    assert list(hardware()) == ["cpu", "cores", "memory_gib"]
    json.dumps({**found, **hardware()}, allow_nan=False)


def test_environment_without_git_or_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(run_folder_module, "_VERSIONED", ("dse", "no-such-distribution"))
    found = environment()
    assert found["git_commit"] is None and found["git_dirty"] is False
    assert found["versions"]["no-such-distribution"] == "not installed"
