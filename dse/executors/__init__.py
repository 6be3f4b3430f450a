"""Run jobs under supervision: in this process, in worker processes, on several machines.

A job is a small payload, the work a callable that a factory builds once in every worker. `Executor.run` yields every
payload exactly once as a `Settled`, with a result or with one line saying why there is none; no job can take another
with it. `open_executor` chooses among `SerialExecutor`, `ProcessExecutor` and `DaskExecutor`.
"""

from dse.executors._dask import DaskExecutor
from dse.executors._open import open_executor
from dse.executors._process import STRIKES, ProcessExecutor
from dse.executors._serial import SerialExecutor
from dse.executors._types import Check, Executor, Factory, Settled, WorkersLost

__all__ = [
    "STRIKES",
    "Check",
    "DaskExecutor",
    "Executor",
    "Factory",
    "ProcessExecutor",
    "SerialExecutor",
    "Settled",
    "WorkersLost",
    "open_executor",
]
