"""Scripts import the modules beside them, as Python lets them when they are started by name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments" / "cifar10"))
