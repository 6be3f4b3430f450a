"""Files that appear whole or not at all, and what the system says against them in one line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dse.exceptions import InputError


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file so that a reader sees the old content or the new one, nothing between.

    Args:
        path: The file; its folder is there.
        content: All of it.

    Returns:
        The path.

    Raises:
        InputError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            temporary.write_bytes(content)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def writable_folder(folder: Path) -> Path:
    """Make a folder with its parents where it is missing, and try whether it takes files: permissions alone do not tell.

    Raises:
        InputError: It cannot be made or takes none.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing to a path into an InputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: cannot be written: {reason}; check its folder, permissions and space") from None


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder that takes the place of `folder` when the body succeeds, and vanishes when it fails.

    Raises:
        InputError: It cannot be written.
    """
    folder = folder.resolve()  # a link's target is replaced, not the link
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".dse-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            yield new
            if folder.exists():
                os.replace(folder, Path(scratch) / "old")
            os.replace(new, folder)
