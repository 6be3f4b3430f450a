"""The README's example runs, is short, and gives the front of the command line's demo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dse

ROOT = Path(__file__).resolve().parents[1]


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "import dse" in block)


def test_the_example_has_at_most_15_lines() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 15


def test_the_example_is_the_demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[dse.RunConfig] = []
    smaller = ["search.evaluations=30", "robustness.steps=20", "space.training.epochs=2"]

    def small_run(config: dse.RunConfig) -> dse.Outcome:
        asked.append(config)
        outcome = dse.run(dse.load_config(ROOT / "experiments" / "demo.toml", overrides=smaller))
        outcomes.append(outcome)
        return outcome

    outcomes: list[dse.Outcome] = []
    namespace: dict[str, object] = {}
    run = dse.run
    monkeypatch.setattr(dse, "run", lambda config: small_run_through(run, config), raising=False)

    def small_run_through(real: object, config: dse.RunConfig) -> dse.Outcome:
        monkeypatch.setattr(dse, "run", real, raising=False)
        return small_run(config)

    code = compile(example(), "README.md", "exec")
    exec(code, namespace)  # noqa: S102 the project's own README
    demo = dse.load_config(ROOT / "experiments" / "demo.toml")
    assert asked[0].model_dump(exclude={"name"}) == demo.model_dump(exclude={"name"})
    assert len(capsys.readouterr().out.splitlines()) == len(outcomes[0].fronts["nsga2"].population)
