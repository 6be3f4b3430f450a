"""Imports run one way, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "dse"

# A part may import from rows above its own, and from itself.
ORDER = (
    ("exceptions", "types", "progress", "memory", "limited"),
    ("whole_files", "toml_files"),
    ("places",),
    ("pareto", "paired", "expected_loss", "circuits", "subsets"),
    ("config", "run_folder", "multipliers", "kernels", "space", "layer_rules", "store", "executors", "factors"),
    ("operands", "report", "status"),  # a report is made from files alone, a heat map from a multiplier
    ("variants",),
    ("nn", "comparison"),
    ("workload", "error_model", "robustness"),
    ("compensation",),
    ("matching", "objectives"),
    ("fidelity",),
    ("search", "evaluator"),
    ("scoring", "inputs", "stored", "study", "search_progress"),
    ("preparation", "exports"),
    ("execution",),
    ("climb", "manifest", "retrain"),
    ("operating_points",),
    ("outcome", "catalogue", "multiplier_catalogue", "catalogue_page", "doctor"),
    ("pipeline", "_multiplier_commands", "_compare_command", "_qos_commands"),
    ("verification",),
    ("_study_commands",),
    ("__main__", "__init__"),
)
HOMES = {
    "pymoo": ("search",),
    "matplotlib": ("report",),
    "moocore": ("pareto", "comparison"),
    "click": ("__main__", "_multiplier_commands", "_compare_command", "_qos_commands", "_study_commands"),
}
WITHOUT_TORCH = (
    "search",
    "pareto",
    "run_folder",
    "circuits",
    "multipliers",
    "config",
    "space",
    "layer_rules",
    "subsets",
    "paired",
    "factors",
    "report",
    "comparison",
    "operands",
    "variants",
    "exceptions",
    "types",
    "store",
)
FILES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the top-level module or package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the dotted names that a file imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative import"
            found.add(node.module)
    return frozenset(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_below(path: Path) -> None:
    rank = {part: i for i, row in enumerate(ORDER) for part in row}
    own = part_of(path)
    for name in imported(path):
        if name.split(".")[0] == "dse" and name != "dse":
            other = name.split(".")[1]
            assert other == own or rank[other] < rank[own], f"{own} imports {name}"
            private = any(part.startswith("_") for part in name.split(".")[2:])
            assert other == own or not private, f"{own} imports the private {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_at_home(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    for library, homes in HOMES.items():
        assert library not in roots or part_of(path) in homes
    assert "torch" not in roots or part_of(path) not in WITHOUT_TORCH


def test_every_part_has_its_place() -> None:
    parts = [part for row in ORDER for part in row]
    assert sorted(parts) == sorted({part_of(path) for path in FILES})


@pytest.mark.parametrize(
    "code",
    [
        "import dse; dir(dse); dse.__all__",
        "import runpy; sys.argv = ['dse', '--help']; runpy.run_module('dse', run_name='__main__')",
        "from dse import load_config, load_library, SearchSpace, make_search, write_report",
        "import dse.pareto, dse.run_folder, dse.multipliers, dse.config, dse.search, dse.operands",
    ],
)
def test_runs_without_torch(code: str) -> None:
    check = "import atexit, sys; atexit.register(lambda: print('loaded:', 'torch' in sys.modules)); "
    done = subprocess.run([sys.executable, "-c", check + code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded: False\n")
