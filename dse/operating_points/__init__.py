"""Operating points: one network, a handful of multipliers, and several assignments of them to layers.

`choose_points` (ours) and `choose_published` (QoS-Nets) choose circuits and assignments together, `choose_run` those of a
finished run. `OperatingPointModel` is switched from one point to another between any two batches, `open_points` makes the
one of a folder of points; `fine_tune` trains it for all points together; `serve` governs it by a budget over time;
`write_handover` and `check_handover` are for those who build it, `bundle_points` writes the bundle of a folder of points.
"""

from dse.operating_points._choice import choose_points
from dse.operating_points._choice_points import OperatingPoints
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._choice_run import SearchFigures, choose_run
from dse.operating_points._files import load_operating_points, save_operating_points
from dse.operating_points._finetune import FineTuned, Scheme, fine_tune, point_accuracies
from dse.operating_points._governor import Designs, Policy, Served, best_static, request_images, serve, serve_static
from dse.operating_points._governor_run import Setting, beyond, simulate_folder
from dse.operating_points._handover import write_handover
from dse.operating_points._handover_check import HandoverCheck, check_handover
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._open import OpenedPoints, bundle_points, open_points
from dse.operating_points._overhead import Overhead
from dse.operating_points._point import OperatingPoint
from dse.operating_points._points_file import StoredPoints, read_points
from dse.operating_points._published import published_points
from dse.operating_points._published_choice import choose_published
from dse.operating_points._traces import BudgetTrace, battery, daily, steps

__all__ = [
    "BudgetTrace",
    "Designs",
    "FineTuned",
    "HandoverCheck",
    "OpenedPoints",
    "OperatingPoint",
    "OperatingPointModel",
    "OperatingPoints",
    "Overhead",
    "PointsRequest",
    "Policy",
    "Scheme",
    "SearchFigures",
    "Served",
    "Setting",
    "StoredPoints",
    "battery",
    "best_static",
    "beyond",
    "bundle_points",
    "check_handover",
    "choose_points",
    "choose_published",
    "choose_run",
    "daily",
    "fine_tune",
    "load_operating_points",
    "open_points",
    "point_accuracies",
    "published_points",
    "read_points",
    "request_images",
    "save_operating_points",
    "serve",
    "serve_static",
    "simulate_folder",
    "steps",
    "write_handover",
]
