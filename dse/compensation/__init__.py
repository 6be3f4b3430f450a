"""Compensation without retraining: what the errors of approximate multipliers shift and stretch is put back.

Everything a method finds is folded into what a layer does anyway: a scale into its channels' requantisation factors, an
offset into its bias, statistics into its BatchNorm. Inference costs no operation more.

| method | what | from | depends on |
|---|---|---|---|
| `bias` | offset | predicted mean error of each channel | the layer's own choice |
| `affine` | scale, offset | regression on sampled receptive fields | the layer's own choice |
| `moments` | scale, offset | mean and std of each channel under simulation | choices up to the layer |
| `batch-norm` | BatchNorm statistics | mean and variance of its input under simulation | choices before it |

`closed_form` makes the first two for a whole library at once, `remaining_errors` says what they leave of the predicted
errors; `Compensator` applies any combination to a network.
"""

from dse.compensation._calibration import SCALE_RANGE, Moments, calibrate, output_moments
from dse.compensation._closed_form import ClosedForm, Corrections, closed_form
from dse.compensation._compensation import Compensation
from dse.compensation._compensator import METHODS, Compensator, check_methods, check_network
from dse.compensation._folded import Folded
from dse.compensation._remaining import remaining_errors
from dse.nn.layers import Correction

__all__ = [
    "METHODS",
    "SCALE_RANGE",
    "ClosedForm",
    "Compensation",
    "Compensator",
    "Correction",
    "Corrections",
    "Folded",
    "Moments",
    "calibrate",
    "check_methods",
    "check_network",
    "closed_form",
    "output_moments",
    "remaining_errors",
]
