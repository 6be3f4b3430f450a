"""What consecutive forward passes on the same images have in common, computed once.

Designs in lexicographic order are a depth-first walk of the trie of their choices: each shares its first layers with the
one before it. A memo keeps the outputs along one path of that trie and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from dse.nn.layers import ApproxLayer


@dataclass
class _Call:
    """One call of a layer in the order of the forward pass."""

    layer: ApproxLayer
    arithmetic: nn.Module
    output: Tensor | None  # None: it did not fit
    version: int  # of the output when it was stored: a later one says that it has been written to since

    @property
    def nbytes(self) -> int:
        return 0 if self.output is None else self.output.nbytes


class PrefixMemo:
    """Answers the first layer calls of a forward pass from the pass before, as long as they are the same calls.

    The calls of all quantised layers are counted in the order in which the network makes them. While a pass makes the calls
    that the pass before made (the same layer with the same arithmetic), each is answered with the stored output; from the
    first other call on everything is computed. So control flow that depends on the data is followed as it comes, a layer
    may be called never or many times, and layers that stay exact are shared like the others. What the network does between
    its layers is done every time.

    An output is kept by reference. One that the network writes to (`ReLU(inplace=True)`, `+=`, also through a view) is
    recognised by its version, computed again, and kept as a copy from then on.

    It assumes that a layer's input follows from the images and the outputs of the calls before: not so in a network that
    draws random numbers or carries a state from pass to pass, but there no two passes are comparable anyway. And that
    outputs are written to through torch, which counts it, not through `.data` or `.numpy()`.

    Args:
        model: The network.
        layers: Its quantised layers, approximable and exact.
        limit: Bytes of outputs kept; what does not fit is computed again.
    """

    def __init__(self, model: nn.Module, layers: Sequence[ApproxLayer], limit: int) -> None:
        self._model = model
        self._layers = layers
        self._limit = limit
        self._written: set[ApproxLayer] = set()  # layers whose output the network writes to
        self.clear()

    def clear(self) -> None:
        """Forget all outputs: other images follow."""
        self._calls: list[_Call] = []
        self._kept = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the outputs kept."""
        return sum(call.nbytes for call in self._calls)

    def run(self, x: Tensor, changing: Collection[ApproxLayer] = ()) -> Tensor:
        """Return what the model says of a batch.

        Args:
            x: The images `(B, ...)`, the same since the last `clear`. The model gets a copy, for it may write to its input.
            changing: Layers that will have another arithmetic in the next pass: nothing is kept from the first of them on.
        """
        del self._calls[self._kept :]  # the last pass was the last one to need them
        self._at = self._kept = 0
        self._keeping = True
        # outputs made in inference mode would not count what is written to them; leaving it turns gradients on
        with torch.inference_mode(False), torch.no_grad(), _redirected(self._layers, partial(self._call, changing)):
            y: Tensor = self._model(x.clone())
        return y

    def _call(
        self, changing: Collection[ApproxLayer], layer: ApproxLayer, forward: Callable[[Tensor], Tensor], x: Tensor
    ) -> Tensor:
        at, self._at = self._at, self._at + 1
        self._keeping = self._keeping and layer not in changing
        if self._keeping:
            self._kept = self._at
        known = self._calls[at] if at < len(self._calls) else None
        if known and (known.layer is not layer or known.arithmetic is not layer.arithmetic):
            known = None
            del self._calls[at:]
        y = None if known is None else self._answer(known)
        if y is None:
            y = forward(x)
            if self._keeping:
                self._calls[at : at + 1] = [self._stored(layer, y)]
        return y

    def _answer(self, call: _Call) -> Tensor | None:
        if call.output is not None and call.output._version != call.version:
            self._written.add(call.layer)
            call.output = None
        return call.output.clone() if call.output is not None and call.layer in self._written else call.output

    def _stored(self, layer: ApproxLayer, y: Tensor) -> _Call:
        if self.nbytes + y.nbytes > self._limit:
            return _Call(layer, layer.arithmetic, None, 0)
        kept = y.clone() if layer in self._written else y
        return _Call(layer, layer.arithmetic, kept, kept._version)


@contextmanager
def _redirected(layers: Sequence[ApproxLayer], call: Callable[..., Tensor]) -> Iterator[None]:
    """Let `call(layer, forward, x)` stand for the forward pass of each layer; hooks on the layer run as ever."""
    for layer in layers:
        vars(layer)["forward"] = partial(call, layer, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]
