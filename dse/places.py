"""Where a folder of results may be written: checked before anything is computed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from dse.exceptions import InputError
from dse.whole_files import writing


def check_place(folder: Path, what: str, files: Collection[str], *, overwrite: bool) -> None:
    """Raise InputError unless results may be written to a folder, or replace those that are there.

    A folder is replaced as a whole: so it must hold results of the same kind, and nothing else.

    Args:
        folder: Where to.
        what: The kind of results, for messages.
        files: Names that such a folder may hold, the first of which every one does.
        overwrite: Whether it may be replaced.
    """
    with writing(folder):
        if folder.exists():
            _check_earlier(folder, what, files, overwrite)
        parent = next(above for above in folder.absolute().parents if above.exists())
        os.rmdir(tempfile.mkdtemp(dir=parent, prefix=".dse-"))  # permissions alone do not tell


def _check_earlier(folder: Path, what: str, files: Collection[str], overwrite: bool) -> None:
    first = next(iter(files))
    if not (folder / first).is_file():
        raise InputError(f"{folder}: exists and holds no {what} (no {first}); choose another folder")
    if not overwrite:
        raise InputError(f"{folder}: exists already; --overwrite (overwrite=True) replaces it, or choose another folder")
    if foreign := sorted(path.name for path in folder.iterdir() if path.name not in files):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise InputError(
            f"{folder}: holds '{foreign[0]}'{more} beside {what}, which --overwrite would delete; move it away, or "
            "choose another folder"
        )
