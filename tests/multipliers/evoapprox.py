"""Where the published circuits lie; the tests that use them skip when they are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("DSE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
FOLDER = SHARED / "evoapprox"
needs_evoapprox = pytest.mark.skipif(not (FOLDER / "multipliers.csv").is_file(), reason="EvoApproxLib tables not here")
