"""The folder of a run and its files: begun whole or not at all, each file written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from dse.exceptions import InputError

# columns of front.csv and evaluations.csv beside one for each layer
DESIGN_COLUMNS = ("method", "rel_energy", "accuracy", "accuracy_loss_pp", "evaluation", "search_accuracy")
# and after these in front.csv and uniform.csv: on test images, NaN where it is not known; in runs with validation images
SE_COLUMN, VALIDATION_COLUMN, EXPECTED_COLUMN = "accuracy_loss_se_pp", "validation_loss_pp", "expected_loss_pp"
FURTHER_COLUMNS = (SE_COLUMN, VALIDATION_COLUMN, EXPECTED_COLUMN)  # after those of DESIGN_COLUMNS, where a run has them
CONFIG, STUDY, MANIFEST, VARIANTS = "config.toml", "study.sqlite", "manifest.json", "variants.json"
FACTORS = "compensation.safetensors"  # of compensated designs
RETRAINED = "retrained"  # folder of retrained designs, each in a folder with these files
WEIGHTS, LOG, RESULT, RIGHT = "weights.safetensors", "log.csv", "result.json", "right.json"
_LONGEST_NAME = 200  # leaves room for the scratch folder's name
_VERSIONED = ("dse", "torch", "numpy", "pymoo", "moocore", "scikit-learn")


@contextmanager
def run_folder(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a scratch folder beside `out` that takes its place when the body succeeds and vanishes when it fails.

    Raises:
        InputError: If `out` exists and is not to be overwritten, or is not a run's folder.
    """
    check_out(out, overwrite=overwrite)
    out = out.resolve()  # a link's target is replaced, not the link
    scratch, earlier = (out.with_name(f".{out.name}.{secrets.token_hex(4)}") for _ in range(2))
    scratch.mkdir(parents=True)
    try:
        yield scratch
        check_out(out, overwrite=overwrite)  # another run may have taken the place meanwhile
        if out.exists():
            os.replace(out, earlier)  # removed only once the new run stands in its place
        try:
            os.replace(scratch, out)
        except OSError:  # taken since the check
            check_out(out)
            raise
        shutil.rmtree(earlier, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_out(out: Path, *, overwrite: bool = False) -> None:
    """Raise InputError unless a run may be written to `out`."""
    try:
        out.exists()
    except OSError as error:
        raise InputError(f"--out {str(out)[:60]}: {error.strerror}; choose another folder") from None
    if len(os.fsencode(out.name)) > _LONGEST_NAME:
        raise InputError(
            f"--out {str(out)[:60]}...: expected a name of at most {_LONGEST_NAME} bytes, choose a shorter one"
        )
    if out.exists() and not is_run(out):
        raise InputError(
            f"--out {out}: exists and is no run (neither {STUDY} nor {MANIFEST}), so it is not overwritten; "
            "choose another folder"
        )
    if out.exists() and not overwrite:
        raise InputError(
            f"--out {out}: exists already; `dse resume {out}` continues that run, --overwrite (overwrite=True) "
            "replaces it, or choose another folder"
        )
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    try:  # permissions alone do not tell: some file systems refuse all the same
        os.rmdir(tempfile.mkdtemp(dir=parent, prefix=".dse-"))
    except OSError:
        raise InputError(
            f"--out {out}: '{parent}' is no folder that can be written to; choose another folder"
        ) from None


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return (folder / STUDY).is_file() or (folder / MANIFEST).is_file()


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder whose files move into `folder`, the manifest last, when the body succeeds; else they vanish."""
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix=".dse-"))
    try:
        yield scratch
        for file in sorted(scratch.iterdir(), key=lambda file: file.name == MANIFEST):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def retrained_folders(folder: Path) -> list[Path]:
    """Return what lies in a run's folder of retrained designs, by name: designs, or what should be one."""
    return sorted(path for path in (folder / RETRAINED).glob("*") if not path.name.startswith("."))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as `csv_text`."""
    path.write_text(csv_text(columns, rows), encoding="utf-8")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as text; floats keep every digit, so that equal results give equal bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[repr(float(v)) if isinstance(v, float) else v for v in row] for row in rows])
    return text.getvalue()


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON; NaN and infinity are refused."""
    path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_toml(path: Path, data: Mapping[str, Any]) -> None:
    """Write nested tables as TOML."""
    path.write_text(tomli_w.dumps(data), encoding="utf-8")


def environment() -> dict[str, Any]:
    """Return what a result depends on beside its configuration: versions, hardware, commit, command, date."""
    return {
        "command": " ".join(Path(arg).name if i == 0 else arg for i, arg in enumerate(sys.argv)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
    }


def hardware() -> dict[str, Any]:
    """Return processor, cores and memory of this machine."""
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "memory_gib": _memory_gib()}


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git(*arguments: str) -> str | None:
    """Ask git about the folder that holds this package; None when that is no checkout."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
