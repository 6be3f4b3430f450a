"""Nothing that is read can run code: no unpickling, no evaluation of text, no shell."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "dse"
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml"}
CALLS = {"eval", "exec"}


def faults(tree: ast.AST) -> list[str]:
    """Return what in a file could run what it reads."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if isinstance(node.func, ast.Name) and name in CALLS:
                found.append(name)
            if (owner, name) in {("joblib", "load"), ("torch", "load")}:
                found.append(f"{owner}.{name}")
            if keywords.get("shell") is True or keywords.get("allow_pickle") is True:
                found.append(f"{name}({', '.join(map(str, keywords))})")
            if (owner, name) == ("np", "load") and keywords.get("allow_pickle", True) is not False:
                found.append("np.load without allow_pickle=False")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_runs_nothing_that_it_reads(path: Path) -> None:
    assert faults(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "eval(x)", "np.load(f)", "np.load(f, allow_pickle=True)", "torch.load(f)", "run(c, shell=True)"],
)
def test_the_check_sees(code: str) -> None:
    assert faults(ast.parse(code))
