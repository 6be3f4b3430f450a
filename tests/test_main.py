"""The command line: exit codes, one-line errors, and what each command prints."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse.__main__ import main

RUN = """
space = {name = "tiny", model = {name = "digits-cnn"}, dataset = {name = "digits", train_images = 200, search_images = 40}, \
training = {epochs = 1}, multipliers = {include = ["dadda_trunc?u"]}}
robustness = {steps = 3}
error_model = {patches = 16, truth_images = 16}
search = {evaluations = 6, population = 3}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.toml"
    path.write_text(RUN)
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["dse", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_run_then_report(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "run", config, "--seed", 3, "--set", "search.evaluations=5") == 0
    out, err = capsys.readouterr()
    folder = config.parent / "runs" / "tiny-seed3"
    assert "runs/tiny-seed3/figures/fronts.png" in out and "report.md" in out
    assert "search nsga2: done" in err  # plain lines when piped
    assert len((folder / "evaluations.csv").read_text().splitlines()) == 1 + 3 * 5
    before = {p.name: p.read_bytes() for p in (folder / "figures").iterdir()}
    assert call(monkeypatch, "report", folder) == 0
    assert {p.name: p.read_bytes() for p in (folder / "figures").iterdir()} == before
    assert call(monkeypatch, "run", config, "--seed", 3) == 2
    assert "exists" in capsys.readouterr().err
    assert call(monkeypatch, "run", config, "--seed", 3, "--overwrite") == 0


def test_validate(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "validate", config) == 0
    out = capsys.readouterr().out
    assert "6 approximable layers" in out and "layers    conv1, conv2, conv3, conv4, conv5, linear\n" in out
    assert not (config.parent / "runs").exists()


def test_validate_names_the_first_thirty_of_many_layers() -> None:
    from dse.__main__ import _few

    names = [f"l{i}" for i in range(32)]
    assert _few(names[:30]) == ", ".join(names[:30])
    assert _few(names) == ", ".join(names[:30]) + " and 2 more"


def test_validate_refuses_what_run_refuses(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for command in ("validate", "run"):
        assert call(monkeypatch, command, config, "--set", "space.constraints.max_rel_energy=0.001") == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1] and "space.constraints: space.max_rel_energy: expected at least 0." in said[0]
    assert call(monkeypatch, "validate", config, "--set", "space.constraints.max_rel_energy=0.9") == 0


def test_a_run_without_network_and_data_says_what_it_needs(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("")
    assert call(monkeypatch, "run", config) == 2
    assert "space.dataset: expected the key name or factory, or dataset= from Python" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("models", "resnet20"),
        ("datasets", "cifar10"),
        ("multipliers", "dadda_trunc6u"),
        ("methods", "alwann"),
        ("spaces", "digits"),
    ],
)
def test_list(what: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "list", what) == 0
    assert name in [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "multipliers", "inspect", "builtin") == 0
    assert "dadda_trunc6u" in capsys.readouterr().out
    codes = np.arange(256)
    np.savez(tmp_path / "mine.npz", good=np.multiply.outer(codes, codes).astype(np.uint16))
    (tmp_path / "mine.csv").write_text("name,power_mw\ngood,0.4\n")
    assert call(monkeypatch, "multipliers", "inspect", tmp_path / "mine.npz") == 0
    assert "good" in capsys.readouterr().out
    (tmp_path / "mine.csv").write_text("name,power_mw,mae\ngood,0.4,3.5\n")
    assert call(monkeypatch, "multipliers", "inspect", tmp_path / "mine.npz") == 2
    assert "mae" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.toml"], "missing.toml"),
        (["run", "tiny.toml", "--set", "search.population=0"], "search.population"),
        (["run", "tiny.toml", "--set", "search.popsize=9"], "population"),
        (["run", "tiny.toml", "--set", "space.model.name=resnet21"], "tiny.toml: space.model.name: "),
        (["run", "tiny.toml", "--set", "nonsense"], "key=value"),
        (["run", "tiny.toml", "--seed", "-1"], "seed"),
        (["run", "tiny.toml", "--out", "tiny.toml/run"], "tiny.toml"),
        (["validate", "tiny.toml", "--set", "space.multipliers.library=nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["multipliers", "inspect", "nowhere.npz"], "nowhere.npz"),
        (["run", "tiny.toml", "--out", "x" * 250], "--out"),
        (["run", "tiny.toml", "--out", "/proc/run"], "--out /proc/run"),
        (["run", "tiny.toml", "--set", "name='../outside'"], "name"),
        (["run", "tiny.toml", "--set", "search.population=100000000"], "search.population"),
        (["list", "nothing"], "models"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_mistakes_end_with_code_2_and_name_the_place(
    arguments: list[str],
    message: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and len(err.splitlines()) == 1
    assert out == ""
    assert sorted(p.name for p in config.parent.iterdir()) == ["tiny.toml"]


def test_odd_files_among_the_spaces_do_not_stop_the_list(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "search_spaces").mkdir()
    (config.parent / "search_spaces" / "broken.toml").write_text("= 3")
    (config.parent / "search_spaces" / "odd.toml").write_text("model = 3")
    assert call(monkeypatch, "list", "spaces") == 0
    assert {"broken", "odd", "digits"} <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_which_can_be_resumed(number: int, code: int, config: Path) -> None:
    command = [sys.executable, "-m", "dse", "run", str(config), "--set", "robustness.steps=100000"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert started.stderr is not None
    while "quantise: done" not in started.stderr.readline():
        assert started.poll() is None
    started.send_signal(number)
    _, said = started.communicate(timeout=60)
    assert started.returncode == code
    folder = Path("runs") / "tiny-seed0"
    assert said.splitlines()[-1] == f"dse resume {folder}"
    assert sorted(path.name for path in (config.parent / folder).iterdir()) == ["config.toml", "study.sqlite"]
    assert [path.name for path in (config.parent / "runs").iterdir()] == ["tiny-seed0"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['dse', '--help']\n"
        "from dse.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pymoo', 'matplotlib', 'sklearn', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "list" in done.stdout and "multipliers" in done.stdout
