"""Which approximate multiplier goes into which layer of a neural network, and what is gained?

The flow, each step a function from plain data to plain data:

    config = dse.load_config("experiments/demo.toml")   what to explore, and how
    outcome = dse.run(config, out="runs/demo")          all of the below, written to a folder

    quantize -> trace                    a quantised network, and what calibration images show of its layers
    learn_robustness -> predict_errors   the noise each layer bears, and the error each multiplier causes there
    matching_sweep -> run_search         seeds, and the search they start
    write_report                         figures and tables of a run

Names are imported when first used, so that `dse --help` needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.config import RunConfig, load_config, parse_config
    from dse.error_model import ErrorTable, measure_errors, predict_errors
    from dse.exceptions import InputError
    from dse.matching import match, matching_sweep
    from dse.multipliers import Multiplier, MultiplierLibrary, load_library
    from dse.nn.convert import approximable_layers, quantize, simulate
    from dse.nn.datasets import arrays_dataset, loaders_dataset
    from dse.nn.quantizers import QuantizationSettings
    from dse.nn.tracing import trace
    from dse.outcome import Outcome
    from dse.pipeline import resume, run
    from dse.progress import ProgressDisplay
    from dse.report import write_report
    from dse.robustness import RobustnessSettings, learn_robustness
    from dse.search import make_search, run_search
    from dse.space import SearchSpace

_HOME = {
    "dse.config": ("RunConfig", "load_config", "parse_config"),
    "dse.error_model": ("ErrorTable", "measure_errors", "predict_errors"),
    "dse.exceptions": ("InputError",),
    "dse.matching": ("match", "matching_sweep"),
    "dse.multipliers": ("Multiplier", "MultiplierLibrary", "load_library"),
    "dse.nn.convert": ("approximable_layers", "quantize", "simulate"),
    "dse.nn.datasets": ("arrays_dataset", "loaders_dataset"),
    "dse.nn.quantizers": ("QuantizationSettings",),
    "dse.nn.tracing": ("trace",),
    "dse.outcome": ("Outcome",),
    "dse.pipeline": ("resume", "run"),
    "dse.progress": ("ProgressDisplay",),
    "dse.report": ("write_report",),
    "dse.robustness": ("RobustnessSettings", "learn_robustness"),
    "dse.search": ("make_search", "run_search"),
    "dse.space": ("SearchSpace",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ErrorTable", "InputError", "Multiplier", "MultiplierLibrary", "Outcome", "ProgressDisplay", "QuantizationSettings",
    "RobustnessSettings", "RunConfig", "SearchSpace", "approximable_layers", "arrays_dataset", "learn_robustness",
    "load_config", "load_library", "loaders_dataset", "make_search", "match", "matching_sweep", "measure_errors",
    "parse_config", "predict_errors", "quantize", "resume", "run", "run_search", "simulate", "trace", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'dse' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
