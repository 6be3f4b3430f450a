"""Probabilistic error models: the mean and std of the error each multiplier causes at each layer's output.

Errors are approximate minus exact and relative to the layer's output std, the unit of the robustness profile. Scales differ
between output channels when weights are quantised per channel, so every error is scaled to real numbers before pooling.

Three grades predict, one measures:

* `global`: all products of a layer share one pair of operand histograms (methods of Trommer et al., ICCAD 2022, the
  single-distribution case): `std_out = sqrt(K) * s`.
* `multi-distribution`: one activation histogram per receptive field (ICCAD 2022, eq. 15 and 16):
  `std_out = sqrt(K * mean_i(s_i^2) + K^2 * var_i(mu_i))`; the second term is what `global` misses.
* `direct`: sampled receptive fields go through the table with the layer's real weights; also gives the error of every
  output channel and its regression.
* `measured`: whole layer outputs on other images, the truth that the predictions are held against.
"""

from dse.error_model._agreement import Agreement, agreement
from dse.error_model._error_table import ChannelErrors, ErrorTable
from dse.error_model._measure import measure_errors
from dse.error_model._predict import Grade, predict_errors

__all__ = [
    "Agreement",
    "ChannelErrors",
    "ErrorTable",
    "Grade",
    "agreement",
    "measure_errors",
    "predict_errors",
]
