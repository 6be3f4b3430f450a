"""The compiled engine under AddressSanitizer and UndefinedBehaviorSanitizer, on arrays of just the size it may touch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dse.kernels

NATIVE = Path(dse.kernels.__file__).parent / "native"
FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def sanitizer_runtime(compiler: str) -> str | None:
    """Return the path of the runtime to preload, None where the compiler has none."""
    named = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return named if Path(named).is_absolute() else None


def test_runs_clean(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    runtime = sanitizer_runtime(compiler) if compiler else None
    if compiler is None or runtime is None:
        pytest.skip("no gcc with sanitisers")
    library = tmp_path / "lut.so"
    optimised = ["-O2", "-g", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    sources = ["-fPIC", "-shared", *map(str, sorted(NATIVE.glob("*.c"))), "-o", str(library)]
    subprocess.run([compiler, *FLAGS, *optimised, *sources], check=True, timeout=300)
    script = Path(__file__).with_name("sanitized.py")
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(NATIVE.parent / "_binding.py"), str(library)],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout == "clean\n", done.stderr[-3000:]
