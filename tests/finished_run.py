"""A small finished run of the demo network, which tests of commands begin with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.test_main import RUN, call


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder, with a cache of its own."""
    patch.setenv("DSE_CACHE", str(folder / "cache"))
    patch.chdir(folder)


def finish(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Enter a folder, and write `tiny.toml` and its finished run `done`."""
    enter(folder, patch)
    (folder / "tiny.toml").write_text(RUN)
    assert call(patch, "run", "tiny.toml", "--out", "done") == 0


def change_network(folder: Path) -> None:
    """Copy `done` to `changed`, which says that it is of another network."""
    shutil.copytree(folder / "done", folder / "changed")
    manifest = json.loads((folder / "changed" / "manifest.json").read_text())
    manifest["hashes"]["model"] = 64 * "0"
    (folder / "changed" / "manifest.json").write_text(json.dumps(manifest))
