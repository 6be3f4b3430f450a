"""Operating points: one network, a handful of multipliers, and several assignments of them to layers.

`OperatingPointModel` is switched from one point to another between any two batches; `fine_tune` trains it for all points
together; `write_handover` and `check_handover` are for those who build it.
"""

from dse.operating_points._files import load_operating_points, save_operating_points
from dse.operating_points._finetune import FineTuned, Scheme, fine_tune, point_accuracies
from dse.operating_points._handover import write_handover
from dse.operating_points._handover_check import HandoverCheck, check_handover
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._overhead import Overhead
from dse.operating_points._point import OperatingPoint

__all__ = [
    "FineTuned",
    "HandoverCheck",
    "OperatingPoint",
    "OperatingPointModel",
    "Overhead",
    "Scheme",
    "check_handover",
    "fine_tune",
    "load_operating_points",
    "point_accuracies",
    "save_operating_points",
    "write_handover",
]
