"""The one training loop: epochs of stochastic gradient descent, between which a training can be put down and taken up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError, one_line
from dse.nn.datasets import Part
from dse.nn.models import seeded
from dse.nn.training._evaluate import device_of, logits
from dse.nn.training._settings import TrainingSettings
from dse.nn.training._threads import threads_for

Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]  # inputs (B, ...), outputs (B, n_classes), labels (B,) -> ()
Rate: TypeAlias = Callable[[float], float]  # share of all steps that is done, above 0 and below 1 -> learning rate

WARM_UP = 0.2  # of all steps, before the peak of the learning rate
_GPU_RANDOM = "random.cuda"  # in a state
_CROP = 4  # pixels of padding that a random crop moves in, as in He et al. 2016, section 4.2


class Trainer:
    """A training between two epochs: the model, the optimiser's momentum and the random state.

    Float training, quantisation-aware training and retraining through tables differ in the model's forward pass, the loss
    and the schedule only. Order, augmentation and dropout come from `seed`; the global random state stays as it was.

    Args:
        model: Trained in place, on the device that it is on: takes (B, C, H, W) float32, gives (B, n_classes).
        part: The training images.
        settings: Of the optimiser.
        seed: Of everything random.
        loss: What is minimised; cross-entropy with the settings' label smoothing when None.
        rate: The learning rate; `cosine` with the settings' peak when None.
        clip_norm: Largest norm of the gradient of all parameters together, which is scaled down to it (Pascanu et al., ICML
            2013, algorithm 1); 0: none.
        passes: What is done to the model before each pass of a batch; a step follows the mean gradient of as many passes,
            such as one at each operating point. One pass of the model as it is when None.
        key: Where a configuration has the learning rate's peak, for messages.

    Raises:
        InputError: The model does not take these images or has too few outputs for the labels.
    """

    def __init__(
        self,
        model: nn.Module,
        part: Part,
        settings: TrainingSettings,
        *,
        seed: int,
        loss: Loss | None = None,
        rate: Rate | None = None,
        clip_norm: float = 0.0,
        passes: Sequence[Callable[[], None]] | None = None,
        key: str = "training",
    ) -> None:
        require_fit(model, part)
        self._model, self._part, self._settings = model, part, settings
        self._loss: Loss = loss or self._cross_entropy
        self._rate: Rate = rate or (lambda done: cosine(done, settings.lr))
        self._clip_norm, self._key, self._device = clip_norm, key, device_of(model)
        self._passes: Sequence[Callable[[], None]] = passes or (lambda: None,)
        self._optimiser = torch.optim.SGD(
            model.parameters(),
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
        with seeded(seed, self._device):
            self._random = self._random_state()

    def run_epoch(self, epoch: int) -> float:
        """Train for one epoch, number `epoch` from 0 of the settings', and return the mean loss of its steps.

        Raises:
            InputError: Loss or weights are not finite any more.
        """
        # Batches of nearly one size: a last batch of a single image would break batch normalisation.
        steps = math.ceil(len(self._part) / self._settings.batch_size)
        loss = total = torch.zeros((), device=self._device)
        self._model.train()
        with self._own_random_state(), threads_for(self._settings.batch_size * self._part.x[0].numel()):
            for i, index in enumerate(torch.randperm(len(self._part)).tensor_split(steps)):
                done = (epoch * steps + i + 1) / (self._settings.epochs * steps + 1)
                x, y = (tensor[index].to(self._device) for tensor in (self._part.x, self._part.y))
                try:
                    loss = self._step(x, y, self._rate(done))
                except InputError:
                    if self._finite():
                        raise
                    break  # a quantised layer has refused the weights
                if not math.isfinite(loss):
                    break
                total = total + loss
        last = float(loss) if self._finite() else math.nan
        if not math.isfinite(last):
            reached = f"{last} in epoch {epoch + 1} with a peak of {self._settings.lr}"
            raise InputError(f"{self._key}.lr: the loss became {reached}; lower it")
        return float(total) / steps

    def state(self) -> dict[str, Tensor]:
        """Return all that the next epoch depends on beside data and settings: `model.*`, `momentum.*`, `random.*`."""
        buffers = {
            f"momentum.{name}": self._optimiser.state[parameter]["momentum_buffer"]
            for name, parameter in self._model.named_parameters()
            if self._optimiser.state[parameter].get("momentum_buffer") is not None
        }
        model = {f"model.{name}": tensor for name, tensor in self._model.state_dict().items()}
        return {**model, **buffers, **{f"random.{name}": state for name, state in self._random.items()}}

    def fits(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether a state has the names and shapes that one of this training has, on whatever device that was."""
        shapes = {name: t.shape for name, t in self.state().items() if not name.startswith(("momentum.", _GPU_RANDOM))}
        state = {name: tensor for name, tensor in state.items() if name != _GPU_RANDOM}
        momenta = {f"momentum.{name}": parameter.shape for name, parameter in self._model.named_parameters()}
        known = shapes | momenta
        return shapes.keys() <= state.keys() <= known.keys() and all(
            tensor.shape == known[name] for name, tensor in state.items()
        )

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a `state` of a training of the same model, one that `fits`."""
        kinds: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "random": {}}
        for name, tensor in state.items():
            kind, _, key = name.partition(".")
            kinds[kind][key] = tensor
        self._model.load_state_dict(kinds["model"])
        for name, parameter in self._model.named_parameters():
            if name in kinds["momentum"]:
                self._optimiser.state[parameter]["momentum_buffer"] = kinds["momentum"][name].to(parameter.device).clone()
        # A GPU's random state is of no use elsewhere; one that has none begins with that of the seed.
        self._random |= {name: tensor.cpu().clone() for name, tensor in kinds["random"].items() if name in self._random}

    def _step(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """Take one step on x (B, ...), y (B,) and return the loss, a scalar without gradient."""
        self._optimiser.param_groups[0]["lr"] = rate
        if self._settings.augment == "flip-crop":
            x = flip_crop(x)
        self._optimiser.zero_grad()
        total = torch.zeros((), device=self._device)
        for prepare in self._passes:  # one graph at a time
            prepare()
            loss = self._loss(x, self._model(x), y) / len(self._passes)
            loss.backward()
            total = total + loss.detach()
        if self._clip_norm:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
        self._optimiser.step()
        return total

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(parameter).all()) for parameter in self._model.parameters())

    def _cross_entropy(self, x: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, label_smoothing=self._settings.label_smoothing)

    def _random_state(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        return state | {"cuda": torch.cuda.get_rng_state(self._device)} if self._device.type == "cuda" else state

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        """Compute with the training's own random state, and keep where it has come to."""
        with seeded(0, self._device):  # puts back what was
            torch.set_rng_state(self._random["cpu"])
            if "cuda" in self._random:
                torch.cuda.set_rng_state(self._random["cuda"], self._device)
            yield
            self._random = self._random_state()


def cosine(done: float, peak: float, warm_up: float = WARM_UP) -> float:
    """Return the learning rate at `done` 0 .. 1: a line up to `peak`, then half a cosine down to 0."""
    if done < warm_up:
        return peak * done / warm_up
    return peak * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


def flip_crop(x: Tensor) -> Tensor:
    """Mirror half of the images x (B, C, H, W) left to right, and shift each by up to 4 pixels, filling with zeros."""
    n, _, height, width = x.shape
    padded = F.pad(x, (_CROP,) * 4)
    top, left = torch.randint(0, 2 * _CROP + 1, (2, n, 1))
    columns = torch.arange(width).expand(n, width)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, width - 1 - columns) + left
    rows = torch.arange(height) + top
    images = torch.arange(n)[:, None, None]
    # Indexing around the channel axis puts it last, where float convolutions on CPUs are a fifth faster: it stays there.
    return padded[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def require_fit(model: nn.Module, part: Part) -> None:
    """Refuse images that the model does not take, and labels that it has no output for.

    Raises:
        InputError: If there are no images, the model raises anything, its outputs are not (N, n_classes), or a label is not
            from 0 to n_classes - 1.
    """
    if len(part) == 0:
        raise InputError("training: the training part has no images; give it some")
    try:
        shape = tuple(logits(model, part.x[:1]).shape)
    except Exception as error:  # whatever a user's network raises
        raise InputError(
            f"training: the model does not take images {tuple(part.x.shape[1:])} ({one_line(error)})"
        ) from error
    if (least := int(part.y.min())) < 0:
        raise InputError(f"training: expected labels from 0, got {least}")
    largest = int(part.y.max())
    if len(shape) != 2 or shape[1] <= largest:
        raise InputError(
            f"training: the model gives outputs {shape} for one image, expected (1, n_classes), n_classes above the "
            f"largest label {largest}; build it for this data set"
        )
