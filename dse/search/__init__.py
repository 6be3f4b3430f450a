"""Search methods behind ask/tell, and the loop that drives and charges them.

`METHODS` maps the name of a method to its one-line description and its builder; `make_search` calls it, and
`register_method` adds to it.
"""

from dse.search._additive import additive_search
from dse.search._additive_front import additive_front
from dse.search._alwann import Alwann
from dse.search._by_circuit import ByCircuit
from dse.search._checked import Checked
from dse.search._exhaustive import Exhaustive
from dse.search._greedy import Greedy
from dse.search._guidance import Guidance
from dse.search._loop import History, run_search
from dse.search._loss_model import LossModel
from dse.search._methods import METHODS
from dse.search._nsga2 import SeededNsga2
from dse.search._nsga2_unseeded import UnseededNsga2
from dse.search._one_thread import one_thread
from dse.search._optuna import OptunaSearch
from dse.search._qos_nets import QosNets, clustered_choice
from dse.search._random import RandomSearch
from dse.search._registry import Builder, Method, make_search, method_texts, register_method
from dse.search._spread import evenly, spread_order

__all__ = [
    "METHODS",
    "Alwann",
    "Builder",
    "ByCircuit",
    "Checked",
    "Exhaustive",
    "Greedy",
    "Guidance",
    "History",
    "LossModel",
    "Method",
    "OptunaSearch",
    "QosNets",
    "RandomSearch",
    "SeededNsga2",
    "UnseededNsga2",
    "additive_front",
    "additive_search",
    "clustered_choice",
    "evenly",
    "make_search",
    "method_texts",
    "one_thread",
    "register_method",
    "run_search",
    "spread_order",
]
