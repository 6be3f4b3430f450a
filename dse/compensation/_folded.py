"""What is folded into a network, as a value: to put back, or to use again when the same design comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from dse.factors import Factors
from dse.nn.convert import quantized_layers
from dse.nn.layers import Correction


@dataclass(frozen=True, eq=False)
class Folded:
    """Corrections of all quantised layers, and the statistics of all BatchNorms that keep any."""

    corrections: Mapping[str, Correction | None]  # by the layer's qualified name
    statistics: Mapping[str, tuple[Tensor, Tensor]]  # running mean and variance (C,), by the BatchNorm's qualified name

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """Return a copy of what is folded into a quantised model."""
        corrections = {name: layer.correction for name, layer in quantized_layers(model).items()}
        kept = {name: (mean.clone(), variance.clone()) for name, (mean, variance) in statistics(model).items()}
        return cls(corrections, kept)

    def factors(self, *, batch_norm: bool) -> Factors:
        """Return it as plain arrays by module: corrections, and with `batch_norm` the BatchNorms' statistics."""
        corrected = {name: vars(found) for name, found in self.corrections.items() if found is not None}
        norms = {name: dict(zip(("mean", "variance"), kept, strict=True)) for name, kept in self.statistics.items()}
        every = {**corrected, **(norms if batch_norm else {})}
        return {name: {what: t.float().cpu().numpy() for what, t in tensors.items()} for name, tensors in every.items()}

    def put(self, model: nn.Module) -> None:
        """Fold it into the model it came from, or a copy of that, in place of what is there."""
        for name, layer in quantized_layers(model).items():
            layer.correction = self.corrections[name]
        for name, kept in statistics(model).items():
            for buffer, value in zip(kept, self.statistics[name], strict=True):
                buffer.copy_(value)


def statistics(model: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the running mean and variance of all BatchNorms that keep them, by qualified name: the buffers themselves."""
    return {
        name: (module.running_mean, module.running_var)
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.running_mean is not None
        and module.running_var is not None
    }
