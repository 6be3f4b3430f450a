"""The one place that imports torchvision, which is optional and does not always import at the first try."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

from dse.exceptions import InputError, one_line

# Kept for the life of the process: a torch.library.Library takes its definitions away when it is collected.
_LIBRARIES: list[torch.library.Library] = []


def import_torchvision() -> ModuleType:
    """Import torchvision.

    Its compiled operators may not load (a wheel for CUDA beside a torch for the CPU), and then the import fails with
    "operator torchvision::nms does not exist" although datasets and models need no operator of it. Declaring the two
    operators that its import mentions is enough to go on.

    Returns:
        The module `torchvision`.

    Raises:
        InputError: torchvision is not installed, or does not fit the installed torch.
    """
    try:
        return _import()
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _declare_operators()
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported by the first try
    return _import()


def _import() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise InputError("torchvision is needed for this, and not installed: pip install dse[vision]") from error
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"torchvision does not fit torch {torch.__version__} ({one_line(error)}); install the release made for it"
        ) from error


def _declare_operators() -> None:
    if not _LIBRARIES:
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
