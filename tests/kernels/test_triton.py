"""The Triton kernel: in Triton's interpreter, through Triton's compiler, and on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from dse.kernels import LutProduct, LutTable, _triton

ROOT = Path(__file__).resolve().parents[2]
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")

# For each type of codes, entries and sums that `TritonProduct` may pass. No GPU is needed to compile for one.
COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dse.kernels._triton_kernel import lut_sums

sizes = dict.fromkeys(["rows", "depth", "columns", "x_levels"], "i32")
fixed = {"groups": 1, "block_rows": 32, "block_columns": 64}
for codes, entries, sums in [("u8", "i16", "i32"), ("i16", "i32", "i64"), ("i64", "i16", "i64")]:
    pointers = {"x": "*" + codes, "w": "*i16", "lut": "*" + entries, "out": "*" + sums}
    signature = {**pointers, **sizes, "constant": sums, **dict.fromkeys(fixed, "constexpr")}
    signature = {name: signature[name] for name in lut_sums.arg_names}
    source = ASTSource(fn=lut_sums, signature=signature, constexprs=fixed)
    assert "ld.global" in triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]
"""


def run(arguments: list[str], **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_triton
def test_in_the_interpreter() -> None:
    run(["-m", "pytest", "-p", "no:cacheprovider", "tests/kernels/triton_cases.py"], TRITON_INTERPRET="1")


@needs_triton
def test_compiles_for_a_gpu(tmp_path: Path) -> None:
    run(["-c", COMPILE], TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(1000, 2, 150, 70), (3, 64, 9, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("bounds", [(0, 65026), (-65025, 65026), (-(2**31), 2**31)])
def test_on_a_gpu(shape: tuple[int, int, int, int], bounds: tuple[int, int]) -> None:
    rows, groups, depth, columns = shape
    lut = torch.randint(*bounds, (256, 512), dtype=torch.int64).to(torch.int32)
    x = torch.randint(0, 256, (rows, groups, depth), dtype=torch.uint8)
    w = torch.randint(0, 512, (groups, depth, columns), dtype=torch.int16)
    out = _triton.TritonProduct(w.cuda(), LutTable(lut.cuda()))(x.cuda()).cpu()
    expected = LutProduct(w, lut)(x)
    assert out.dtype == expected.dtype and torch.equal(out, expected)


def test_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton, "find_spec", lambda name: None)
    assert _triton.why_not(torch.device("cuda")) == "triton is not installed"
    monkeypatch.setattr(_triton, "find_spec", lambda name: object())
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert "not on cpu" in str(_triton.why_not(torch.device("cpu")))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert _triton.why_not(torch.device("cuda")) == "PyTorch finds no CUDA device"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert _triton.why_not(torch.device("cuda")) is None


def test_the_file_can_be_imported_without_triton() -> None:
    run(["-c", "import sys; sys.modules['triton'] = None; import dse.kernels._triton"])
