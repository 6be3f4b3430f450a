"""A small network, its trace and a library, in every operand format and both scales of weights."""

from __future__ import annotations

import pytest
from torch import nn

from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import Trace, trace
from tests.small import images, library, network

FORMATS = ("sm8", "u8", "s8")
CASES = [(format, weights) for format in FORMATS for weights in ("per-channel", "per-tensor")]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Trace, MultiplierLibrary]:
    model = network(*request.param)
    return model, trace(model, images(), patches=12, seed=4), library(signed=request.param[0] == "s8")
