"""A library that was built from other sources is refused, before a structure of another form reaches it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dse.kernels._binding import _SIGNATURES, open_library

compiler = shutil.which("cc") or shutil.which("gcc")


def library(folder: Path, names: list[str]) -> Path:
    """Build a library whose functions of these names all return 0."""
    source, target = folder / "stub.c", folder / "stub.so"
    source.write_text("".join(f"long long {name}(void) {{ return 0; }}\n" for name in names))
    subprocess.run([str(compiler), "-shared", "-fPIC", str(source), "-o", str(target)], check=True)
    return target


@pytest.mark.skipif(compiler is None, reason="no C compiler")
def test_refuses_a_library_of_another_version(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="another struct job: it was built from another version"):
        open_library(library(tmp_path, list(_SIGNATURES)))


@pytest.mark.skipif(compiler is None, reason="no C compiler")
def test_refuses_a_library_that_lacks_a_function(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="lacks dse_sum: it was built from another version"):
        open_library(library(tmp_path, [name for name in _SIGNATURES if name != "dse_sum"]))


def test_refuses_what_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_text("nothing")
    with pytest.raises(OSError):
        open_library(tmp_path / "x.so")
