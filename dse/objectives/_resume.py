"""Forward passes that go on where a pass before stood, in networks whose flow is the same whatever the data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from dse.nn.layers import ApproxLayer


class _Tracer(fx.Tracer):
    """Takes quantised layers as they are: their arithmetic changes from pass to pass."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, ApproxLayer) or super().is_leaf_module(m, module_qualified_name)


@dataclass
class _Stand:
    """Where a pass stands before it calls a quantised layer."""

    layer: ApproxLayer
    arithmetic: nn.Module  # of that layer in the pass that was here
    values: dict[fx.Node, Any]  # of every operation before; None where nothing after needs it
    versions: list[tuple[Tensor, int]]  # of the tensors among them: a later one says that it has been written to since

    @property
    def is_current(self) -> bool:
        """Whether the layer will do what it did."""
        return self.layer.arithmetic is self.arithmetic

    @property
    def is_intact(self) -> bool:
        """Whether nothing has been written to the values since."""
        return all(tensor._version == version for tensor, version in self.versions)


class ResumedPass:
    """Passes of a traced network, each begun where it first differs from the pass before.

    Like `PrefixMemo`, but nothing before that place is done again, not even what lies between the layers; hooks on layers
    before it do not run. The network's operations are recorded once (`torch.fx`), so it must do the same whatever its input:
    see `resumed_pass`.

    Args:
        graph: The traced network, in evaluation mode.
        limit: Bytes of tensors kept; where they do not fit, a pass begins farther back.
    """

    def __init__(self, graph: fx.GraphModule, limit: int) -> None:
        self._operations = _Operations(graph, self._before)
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        """Forget all values: other images follow."""
        self._stands: list[_Stand] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors kept."""
        kept = {id(tensor): tensor.nbytes for stand in self._stands for tensor, _ in stand.versions}
        return sum(kept.values())

    def run(self, x: Tensor, changing: Collection[ApproxLayer] = ()) -> Tensor:
        """Return what the network says of a batch `(B, ...)`; see `PrefixMemo.run`."""
        changed = next((i for i, stand in enumerate(self._stands) if not stand.is_current), None)
        if changed is not None:
            del self._stands[changed + 1 :]  # where the pass stood before the layer that has changed is still right
        while self._stands and not self._stands[-1].is_intact:
            self._stands.pop()
        done = self._stands.pop().values if self._stands else {}
        self._changing, self._keeping = changing, True
        # outputs made in inference mode would not count what is written to them; leaving it turns gradients on
        with torch.inference_mode(False), torch.no_grad():
            y: Tensor = self._operations.run(x.clone(), initial_env=dict(done))
        return y

    def _before(self, layer: ApproxLayer, values: dict[fx.Node, Any]) -> None:
        """Keep where the pass stands before it calls a layer, up to the first that will be another in the next pass."""
        if not self._keeping:
            return
        versions = [(tensor, tensor._version) for tensor in _tensors(values.values())]
        self._stands.append(_Stand(layer, layer.arithmetic, values, versions))
        self._keeping = layer not in self._changing
        if self.nbytes > self._limit:
            self._stands.pop()
            self._keeping = False


class _Operations(fx.Interpreter):
    """Does the operations of a traced network that have not been done yet."""

    def __init__(self, graph: fx.GraphModule, before: Callable[[ApproxLayer, dict[fx.Node, Any]], None]) -> None:
        super().__init__(graph)
        self._nodes = list(graph.graph.nodes)
        self._report = before

    def run_node(self, n: fx.Node) -> Any:
        """Report the values of all operations before a quantised layer is called (None where none is needed any more)."""
        layer = self.submodules.get(str(n.target)) if n.op == "call_module" else None
        if isinstance(layer, ApproxLayer):
            self._report(layer, {node: self.env.get(node) for node in self._nodes[: self._nodes.index(n)]})
        return super().run_node(n)


def resumed_pass(model: nn.Module, x: Tensor, limit: int) -> ResumedPass | None:
    """Return passes of `model`, or None where it cannot be traced or its trace says anything else of `x` than it does."""
    before = set(vars(model))
    _no_semaphores()
    try:
        graph = _Tracer().trace(model)
        if any(node.op == "get_attr" for node in graph.nodes):
            return None  # tensors that the network makes or reads by itself would be the trace's for ever
        passes = ResumedPass(fx.GraphModule(model, graph), limit)
        same = torch.equal(passes.run(x), model(x.clone()))
    except Exception:  # a network's own code may raise anything when it meets a stand-in for its input
        return None
    finally:
        for name in set(vars(model)) - before:  # constants that the tracer has put there
            delattr(model, name)
    passes.clear()
    return passes if same else None


def _no_semaphores() -> None:
    """Give torch.fx's progress bar, which is never shown, a lock of this process alone.

    The one it makes by itself is a semaphore of the system, which a worker process that is killed leaves behind.
    """
    bar: Any = torch.hub.tqdm
    if hasattr(bar, "set_lock") and not hasattr(bar, "_lock"):
        bar.set_lock(threading.RLock())


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    """Return the tensors in values, also inside of tuples and lists."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found += _tensors(value)
    return found
