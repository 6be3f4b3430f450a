"""The benchmark runs at its smallest size and writes what it says it writes; no figure of it is tested."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the scalar loop")
def test_quick_run(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "bench_kernels.py"
    command = [sys.executable, str(script), "--quick", "--out", str(tmp_path / "kernels")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    written = json.loads((tmp_path / "kernels" / "bench.json").read_text(encoding="utf-8"))
    titles = ["Products", "Layers", "Networks", "Side by side", "Population", "Training"]
    assert [table["title"] for table in written["tables"]] == titles
    assert all(table["rows"] for table in written["tables"])
    assert "Quick run" in (tmp_path / "kernels" / "README.md").read_text(encoding="utf-8")
