"""How far what one network says of its inputs is from what another says."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from dse.types import Floats


def log_probabilities(logits: Tensor) -> Floats:
    """Return the logarithm of the softmax of finite logits: `(B, C)` -> `(B, C)` float64, on the CPU.

    In numpy, one thread: the last bit does not depend on how many cores a sum is shared between.
    """
    values = logits.detach().cpu().double().numpy()
    values = values - values.max(axis=1, keepdims=True)
    result: Floats = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return result


def kl_divergence(log_p: Floats, log_q: Floats) -> Floats:
    """Return `KL(p || q) = sum_c p_c (log p_c - log q_c)` of each row, in nats: twice `(B, C)` -> `(B,)`, at least 0.

    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22(1), 1951, eq. 2.4.
    """
    return np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=1), 0.0)
