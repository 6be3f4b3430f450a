"""Noise learning: what is injected, what is rewarded, which layers bear more, and what stays untouched."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic, IntegerArithmetic, NoiseArithmetic
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.models import build_model, seeded
from dse.robustness import RobustnessSettings, fisher_profile, learn_robustness
from dse.robustness._agn import _cost

QUICK = RobustnessSettings(steps=5, batch_size=8)
COUNTS = np.array([100, 300])


class OneCounts(nn.Module):
    """Two parallel layers, of which only `counted` reaches the logits."""

    def __init__(self, common: float) -> None:
        super().__init__()
        self.counted = nn.Linear(2, 2)
        self.ignored = nn.Linear(2, 2)
        with torch.no_grad():  # the classes differ by 4, the part common to both logits by much more
            self.counted.weight.copy_(torch.tensor([[common, 2.0], [common, -2.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.counted(x) + 0 * self.ignored(x)


class NoneCounts(OneCounts):
    def forward(self, x: Tensor) -> Tensor:
        return 0 * super().forward(x)


def two_classes(count: int = 64) -> tuple[Tensor, Tensor]:
    labels = torch.arange(count) % 2
    nuisance = torch.randn(count, generator=torch.Generator().manual_seed(0))
    return torch.stack([nuisance, 1 - 2.0 * labels], dim=1), labels


def quantized(model: nn.Module) -> nn.Module:
    return quantize(model, two_classes()[0])


def digits() -> tuple[Any, Tensor, Tensor]:
    """Return a network whose batch normalisation has seen its random images, and these images."""
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(12, 1, 8, 8, generator=generator), torch.arange(12) % 10
    model = build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10).train()
    with torch.no_grad():
        for _ in range(30):
            model(images)
    return quantize(model, images), images, labels


# -- the noise ---------------------------------------------------------------------------------------------------------


def noisy_layer(sigma: float) -> tuple[Any, Tensor, Tensor]:
    """Return a layer of two channels, one a hundred times larger, with large biases, its inputs and exact product."""
    with seeded(0):
        linear = nn.Linear(3, 2)
        inputs = torch.randn(20_000, 3)
    with torch.no_grad():
        linear.weight[1] *= 100
        linear.bias.copy_(torch.tensor([1e6, -1e6]))
    layer: Any = approximable_layers(quantize(nn.Sequential(linear), inputs))["0"]
    product = FloatArithmetic()(layer, inputs)
    layer.arithmetic = NoiseArithmetic(sigma)
    return layer, inputs, product


def test_noise_is_sigma_times_one_std_of_the_product_without_bias() -> None:
    layer, inputs, product = noisy_layer(0.3)
    with seeded(1), torch.no_grad():
        noise = (layer.arithmetic(layer, inputs) - product) / product.std()
    assert noise.mean(0).tolist() == pytest.approx([0, 0], abs=0.01)
    assert noise.std(0).tolist() == pytest.approx([0.3, 0.3], rel=0.02)  # the same for the small channel
    assert abs(np.corrcoef(noise.T.numpy())[0, 1]) < 0.03
    assert float((noise.abs() > 0.6).float().mean()) == pytest.approx(0.0455, abs=0.005)  # Gaussian: two sigma
    with seeded(1), torch.no_grad():
        added = layer(inputs) - layer.bias - product
    assert (added / product.std()).std(0).tolist() == pytest.approx([0.3, 0.3], rel=0.02)


class Scaled(nn.Module):
    """An exact product with a factor of its own."""

    def __init__(self, product: Tensor) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self._product = product

    def forward(self, layer: nn.Module, x: Tensor) -> Tensor:
        return self.factor * self._product


def test_gradient_flows_through_the_std() -> None:
    layer, inputs, product = noisy_layer(0.5)
    layer.arithmetic._exact = scaled = Scaled(product[:50].detach())
    with seeded(1):
        out = layer.arithmetic(layer, inputs[:50]).sum()
    out.backward()
    # y + sigma std(y) eps grows in proportion to y, its std included
    assert scaled.factor.grad is not None and scaled.factor.grad.item() == pytest.approx(out.item(), rel=1e-4)
    with seeded(1):
        eps = torch.randn_like(product[:50])
    assert float(layer.arithmetic.sigma.grad) == pytest.approx(
        (product[:50].std(correction=0) * eps).sum().item(), rel=1e-4
    )


# -- the reward --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma_initial", "slopes"),
    [
        (0.1, [0.25, 0.75]),  # the layers' shares of the multiplications
        (0.6, [0, 0]),  # beyond sigma_max there is nothing to gain
    ],
)
def test_reward_gradient(monkeypatch: pytest.MonkeyPatch, sigma_initial: float, slopes: list[float]) -> None:
    monkeypatch.setattr(torch.optim, "Adam", torch.optim.SGD)  # a step is lr times the gradient
    settings = replace(QUICK, steps=3, sigma_initial=sigma_initial, strength=0.4, lr=0.01)
    profile, _ = learn_robustness(quantized(NoneCounts(0.0)), *two_classes(), COUNTS, settings)
    assert profile.layers == ("counted", "ignored")
    path = 0.01 * (1 + 0.75 + 0.25)  # the three steps of the falling learning rate
    expected = [min(sigma_initial + path * 0.4 * slope, settings.sigma_max) for slope in slopes]
    assert profile.sigma.tolist() == pytest.approx(expected, rel=1e-5)


def test_layer_that_decides_bears_less_than_one_that_is_ignored() -> None:
    settings = RobustnessSettings(steps=120, batch_size=32)
    profile, _ = learn_robustness(quantized(OneCounts(20.0)), *two_classes(), np.array([100, 100]), settings)
    counted, ignored = profile.sigma
    assert ignored == settings.sigma_max  # momentum may carry it past the end of the reward; the profile ends there
    assert counted < 0.1


def test_wide_margin_bears_more_than_a_tiny_one() -> None:
    settings = RobustnessSettings(steps=60, batch_size=32)
    tiny, wide = (
        learn_robustness(quantized(OneCounts(common)), *two_classes(), COUNTS, settings)[0].sigma[0]
        for common in (20.0, 0.0)
    )
    assert tiny < wide / 2


# -- what is touched ---------------------------------------------------------------------------------------------------


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_sigma_alone_leaves_weights_and_statistics() -> None:
    model, images, labels = digits()
    counts = np.ones(6, dtype=np.int64)
    profile, learnt = learn_robustness(model, images, labels, counts, QUICK)
    assert changed(state(model), state(learnt)) == set()
    assert (profile.sigma != pytest.approx(QUICK.sigma_initial)) and (profile.sigma >= 0).all()
    assert learnt is not model and not learnt.training


def test_training_all_moves_weights_and_statistics() -> None:
    model, images, labels = digits()
    _, learnt = learn_robustness(model, images, labels, np.ones(6, dtype=np.int64), replace(QUICK, train="all"))
    moved = changed(state(model), state(learnt))
    assert {name for name in state(model) if "quantizer" not in name} == moved
    assert not learnt.training and all(isinstance(layer.arithmetic, FloatArithmetic) for layer in layers(learnt))


def layers(model: nn.Module) -> list[Any]:
    return list(approximable_layers(model).values())


@pytest.mark.parametrize("train", ["sigma", "all"])
def test_model_passed_in_is_untouched(train: Any) -> None:
    model, images, labels = digits()
    simulate(model)
    model.conv1.weight.requires_grad_(False)
    model.train()
    before = copy.deepcopy(state(model))
    _, learnt = learn_robustness(model, images, labels, np.ones(6, dtype=np.int64), replace(QUICK, train=train))
    assert changed(before, state(model)) == set()
    assert all(isinstance(layer.arithmetic, IntegerArithmetic) for layer in layers(model))
    assert not model.conv1.weight.requires_grad and model.conv2.weight.requires_grad and model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(isinstance(layer.arithmetic, FloatArithmetic) for layer in layers(learnt))


def test_seed_decides_everything_and_no_global_generator_moves() -> None:
    model, images, labels = digits()
    counts = np.ones(6, dtype=np.int64)
    settings = replace(QUICK, train="all")

    def sigma(seed: int, images: Tensor = images) -> tuple[float, ...]:
        return tuple(learn_robustness(model, images, labels, counts, settings, seed=seed)[0].sigma.tolist())

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    found = {sigma(7) for _ in range(3)}
    torch.rand(1)
    found.add(sigma(7))
    assert len(found) == 1 and sigma(8) not in found
    torch.set_rng_state(before[0])
    sigma(7)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1] and random.getstate() == before[2]  # type: ignore[index]


def test_progress_is_told_every_step() -> None:
    model, images, labels = digits()
    told: list[tuple[int, int]] = []
    learn_robustness(
        model,
        images,
        labels,
        np.ones(6, dtype=np.int64),
        QUICK,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told == [(i, 5) for i in range(1, 6)]


def test_the_profile_is_the_mean_of_what_the_last_steps_were_watched_at() -> None:
    model, images, labels = digits()
    path: list[np.ndarray] = []
    settings = replace(QUICK, steps=10)
    profile, _ = learn_robustness(model, images, labels, np.ones(6, dtype=np.int64), settings, watch=path.append)
    assert np.array(path).shape == (10, 6) and (path[0] != path[1]).all()
    assert profile.sigma.tolist() == pytest.approx(np.mean(path[-3:], axis=0).tolist())


def test_the_cost_is_the_balance_unless_the_slopes_say_more() -> None:
    alpha, initial = np.array([2.0, 0.03, 0.5]), 0.1
    path = np.random.default_rng(0).uniform(0.01, 0.4, (50, 3))
    before = np.vstack([np.full((1, 3), initial), path[:-1]])
    exact = 2 * alpha * before
    assert _cost(path, exact, initial, np.array([1.0, 0.02, 0.1])) == pytest.approx(alpha)
    assert _cost(path, exact, initial, np.array([3.0, 0.02, 0.6])) == pytest.approx([3.0, 0.03, 0.6])
    noisy = exact + np.random.default_rng(1).normal(0, 0.1, (50, 3))  # standard error of alpha about 0.03
    assert _cost(path, noisy, initial, np.array([1.9, 0.02, 0.1])) == pytest.approx([2.0, 0.02, 0.5], rel=0.1)


def test_a_layer_of_few_multiplications_costs_what_the_expansion_says() -> None:
    """Labels drawn from the network itself, so that cross-entropy rises by the divergence that Fisher information gives."""
    ready, _, _ = digits()
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(256, 1, 8, 8, generator=generator)
    with torch.no_grad():
        ready.linear.weight.mul_(10)  # an untrained network is sure of nothing, so that noise would cost nearly nothing
        labels = torch.multinomial(ready(images).softmax(dim=1), 1, generator=generator)[:, 0]
    counts = 10 ** np.arange(len(approximable_layers(ready)))  # by the balance alone costs would be wrong by as much
    settings = RobustnessSettings(steps=150, batch_size=256, sigma_max=0.2)
    found, _ = learn_robustness(ready, images, labels, counts, settings)
    expected = fisher_profile(ready, images).alpha
    assert found.alpha is not None and expected is not None
    apart = np.abs(np.log(found.alpha / expected))
    assert (apart[:3] < np.log(1.5)).all() and (apart < np.log(4)).all(), (found.alpha, expected)


def test_fewer_images_than_a_batch() -> None:
    model, images, labels = digits()
    profile, _ = learn_robustness(model, images[:1], labels[:1], np.ones(6, dtype=np.int64), QUICK)
    assert np.isfinite(profile.sigma).all()


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "labels", "counts", "message"),
    [
        (0, 0, 6, "at least one; got 0, 0"),
        (12, 11, 6, "as many labels as images.* got 12, 11"),
        (12, 12, 5, "expected 6 op counts, one per layer; got 5"),
    ],
)
def test_bad_input(images: int, labels: int, counts: int, message: str) -> None:
    model, x, y = digits()
    with pytest.raises(InputError, match=message):
        learn_robustness(model, x[:images], y[:labels], np.ones(counts, dtype=np.int64), QUICK)


def test_model_without_approximable_layers() -> None:
    with pytest.raises(InputError, match="no approximable layer"):
        learn_robustness(nn.Sequential(nn.Linear(2, 2)), *two_classes(), np.zeros(0, dtype=np.int64), QUICK)


@pytest.mark.parametrize("value", [0, -1, float("nan")])
@pytest.mark.parametrize("name", ["steps", "batch_size", "strength", "sigma_max", "sigma_initial", "lr", "weight_lr"])
def test_settings_that_are_not_positive(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"robustness.{name}: expected a positive number, got"):
        RobustnessSettings(**{name: value})


def test_unknown_way_to_train() -> None:
    with pytest.raises(InputError, match="unknown robustness.train 'sigmas'; did you mean 'sigma'"):
        RobustnessSettings(train="sigmas")  # type: ignore[arg-type]


def test_divergence_is_said() -> None:
    model, images, labels = digits()
    with pytest.raises(InputError, match="diverged"):
        learn_robustness(model, images, labels, np.ones(6, dtype=np.int64), replace(QUICK, train="all", weight_lr=1e38))
