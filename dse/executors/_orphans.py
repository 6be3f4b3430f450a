"""A worker ends with the process that started it, also when that one is killed and can tell nobody."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOOK_EVERY_S = 1.0


def end_with_parent(parent: int) -> None:
    """Let this process be killed when process `parent`, which started it, ends.

    On Linux the kernel does so, however busy this process is. It does so already when the *thread* that started this
    process ends: workers started from a short-lived thread end with it (and are started again when they are needed).
    Elsewhere a thread looks once a second, which compiled code that never lets go of the interpreter can prevent.
    """
    if not _kernel_will_kill():
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it had ended before the kernel was asked
        os._exit(1)


def _kernel_will_kill() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
