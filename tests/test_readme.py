"""The examples of README and docs run; the first is short, and gives the front of the command line's demo."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import dse

ROOT = Path(__file__).resolve().parents[1]
README, *DOCS = (page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def example(contains: str = "import dse") -> str:
    blocks = re.findall(r"<!-- example: .*? runs it -->\n```python\n(.*?)```", "".join((README, *DOCS)), re.DOTALL)
    return next(block for block in blocks if contains in block)


def test_the_example_has_at_most_15_lines() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 15


def test_the_example_gives_the_front_of_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At smoke size: both configurations are made smaller in the same way, after they were found equal."""
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    smaller = {"search.evaluations": 30, "robustness.steps": 20, "space.training.epochs": 2}
    demo = ROOT / "experiments" / "demo.toml"
    parse = dse.parse_config

    def parse_smaller(data: dict) -> dse.RunConfig:
        whole = parse(data)
        assert whole.model_dump(exclude={"name"}) == dse.load_config(demo).model_dump(exclude={"name"})
        data["search"]["evaluations"], data["robustness"], data["space"]["training"] = 30, {"steps": 20}, {"epochs": 2}
        return parse(data)

    monkeypatch.setattr(dse, "parse_config", parse_smaller, raising=False)
    namespace: dict = {}
    exec(compile(example(), "README.md", "exec"), namespace)
    overrides = [f"{key}={value}" for key, value in smaller.items()]
    front = dse.run(dse.load_config(demo, overrides=overrides)).fronts["nsga2"]
    for name in ("population", "rel_energy", "accuracy", "evaluation"):
        assert np.array_equal(getattr(namespace["front"], name), getattr(front, name))
    assert len(capsys.readouterr().out.splitlines()) == len(front.population)


def test_the_whole_configuration_is_one(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(re.findall(r"```toml\n(fixed_seed.*?)```", README, re.DOTALL)[0])
    config = dse.load_config(tmp_path / "my.toml")
    assert config.search.methods == ["nsga2", "alwann", "matching"] and config.space.constraints.exact_first


def test_the_example_of_circuits() -> None:
    namespace: dict[str, object] = {}
    exec(compile(example("column_truncated"), "docs/multipliers.md", "exec"), namespace)
    assert namespace["multiplier"].name == "mine"  # type: ignore[attr-defined]


def test_the_examples_of_products_and_networks() -> None:
    namespace: dict = {}
    exec(compile(example("lut_matmul") + example("simulate_trainable"), "docs/simulation.md", "exec"), namespace)
    assert all(parameter.grad is not None for parameter in namespace["quantised"].parameters())
    x, w, sums = (namespace[name].numpy().astype(np.int64) for name in ("x", "w", "sums"))
    assert namespace["sums"].dtype == torch.int32 and np.array_equal(sums, x @ w)  # its table is that of exact products


def test_the_method_of_the_readme_searches() -> None:
    from dse.search import METHODS, make_search, run_search
    from tests.small import guidance, toy

    code = example("@register_method")
    namespace: dict[str, object] = {"__name__": "readme"}
    try:
        exec(code, namespace)
        made, energy, loss = toy(4, 5)
        search = make_search("mutations", made, guidance(made), population=8, seed=0)
        history = run_search(search, [energy, loss], 60)
        within = history.objectives[history.objectives[:, 1] <= 1.0, 0]
        assert history.stopped == "budget" and within.min() < 1.0
    finally:
        METHODS.pop("mutations", None)
    registered = code[code.index("@register_method") :]
    assert len([line for line in registered.splitlines() if line.strip()]) <= 20
