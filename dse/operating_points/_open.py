"""From a folder of operating points to the network that has them, and to the bundle that hardware is built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from dse.exceptions import InputError
from dse.nn.datasets import Dataset
from dse.operating_points._handover import check_bundle_place, write_handover
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._point import OperatingPoint, designs_of
from dse.operating_points._points_file import POINTS, StoredPoints, read_points
from dse.operating_points._run import prepare_run
from dse.preparation import Prepared
from dse.progress import ProgressDisplay
from dse.report import JsonFile, RunData, load_run


@dataclass(frozen=True, eq=False)
class OpenedPoints:
    """Operating points with what they were chosen for."""

    model: OperatingPointModel  # each point compensated as the run compensates designs
    prepared: Prepared  # the run: its parts of the data (`prepared.workload.parts`), library, float network
    stored: StoredPoints


def open_points(
    folder: Path | str,
    run: Path | str | None = None,
    *,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    display: ProgressDisplay | None = None,
) -> OpenedPoints:
    """Return the network that has the operating points in a folder.

    Args:
        folder: What `choose_run` has written.
        run: Folder of the run that they were chosen for; where it was then, as seen from `folder`, when None.
        model, dataset: As they were handed to `dse.run`.
        display: Shows progress; silent when None.

    Raises:
        InputError: There are no operating points or no such run, or the run's network, data, library or tables are not those
            that the points were chosen for (SHA-256).
    """
    folder, display = Path(folder), display if display is not None else ProgressDisplay.silent()
    stored = read_points(folder)
    file = JsonFile(folder / POINTS, dict(stored.facts))
    finished = load_run(_run_folder(folder, file) if run is None else Path(run))
    _require_same(stored, file, finished)
    prepared = prepare_run(finished, model=model, dataset=dataset, display=display)
    display.finish()
    assigned = [dict(zip(stored.layers, row, strict=True)) for row in stored.assignments]
    named = zip(stored.points.names, assigned, stored.points.rel_energy.tolist(), strict=True)
    points = [OperatingPoint(*point) for point in named]
    designs = designs_of(points, prepared.space.layers, prepared.space.multipliers)
    if not np.allclose(prepared.space.energy(np.array(designs)), stored.points.rel_energy):
        raise InputError(f"{file.path}: key 'points': other energies than of these designs in {finished.path}")
    made = OperatingPointModel.of(prepared.factory, points, prepared.space.multipliers)
    return OpenedPoints(made, prepared, stored)


def bundle_points(
    folder: Path, out: Path, *, run: Path | None = None, images: int = 2, overwrite: bool = False, display: ProgressDisplay
) -> Path:
    """Write the hand-over bundle of the operating points in a folder; golden vectors are of the first test images.

    Args:
        folder, run, display: See `open_points`.
        out: Folder to write.
        images: Test images whose accumulators are kept, at least 1 and no more than there are.
        overwrite: Replace an earlier bundle there.

    Raises:
        InputError: As `open_points` and `write_handover`, or `out` is taken; nothing is written then.
    """
    check_bundle_place(out, overwrite=overwrite)
    if images < 1:
        raise InputError(f"images: expected at least 1, got {images}")
    opened = open_points(folder, run, display=display)
    inputs, x = opened.prepared.inputs, opened.prepared.workload.parts.test.x
    if images > len(x):
        raise InputError(f"images: expected at most {len(x)}, the test images, got {images}")
    return write_handover(out, opened.model, x[:images], library=inputs.library, choices=inputs.choices, overwrite=overwrite)


def _run_folder(folder: Path, file: JsonFile) -> Path:
    found = folder / file.text("run_folder")
    if not found.is_dir():
        raise InputError(f"{file.path}: key 'run_folder': no folder {found}; say where that run is (--run, run=)")
    return found


def _require_same(stored: StoredPoints, file: JsonFile, run: RunData) -> None:
    """Raise InputError unless a run has network, data and tables that points were chosen for."""
    used = sorted({choice for row in stored.assignments for choice in row})
    for keys in [("model",), ("data",), ("library",), *(("tables", choice) for choice in used)]:
        if file.text("hashes", *keys) != run.manifest.text("hashes", *keys):
            raise InputError(
                f"{file.path}: key 'hashes.{'.'.join(keys)}': not that of {run.path} (other SHA-256); name the run that the "
                "points were chosen for"
            )
    if stored.layers != run.layers:
        raise InputError(f"{file.path}: key 'layers': not those of {run.path}; name the run that the points were chosen for")
