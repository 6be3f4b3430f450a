"""Costs of noise against finite differences of the divergence, output by output, and against noise itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers, fake_quantized, quantize
from dse.nn.layers import ApproxLayer
from dse.nn.models import seeded
from dse.robustness import fisher_profile, noise_sweep_profile, profile_by_name
from tests.small import images, network


def smooth() -> tuple[nn.Module, Tensor]:
    """Return a network whose later layers' input is quantised finely beside the steps taken, and inputs."""
    with seeded(3):
        net = nn.Sequential(nn.Conv2d(2, 2, 3, bias=False), nn.Tanh(), nn.Flatten(), nn.Linear(18, 4))
        x = torch.randn(5, 2, 5, 5)
    return quantize(net, x), x


class Nudge(nn.Module):
    """Exact products, one output element moved."""

    def __init__(self, image: int, element: int, step: float) -> None:
        super().__init__()
        self.at, self.step = (image, element), step

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y = FloatArithmetic()(layer, x).clone()
        y.flatten(1)[self.at] += self.step
        return y


def by_finite_differences(net: nn.Module, x: Tensor, name: str, step: float) -> float:
    """Return `std^2 * mean over images of sum over outputs of KL / step^2`, each output moved by itself, both ways."""
    net = copy.deepcopy(net)
    fake_quantized(net)
    layer = approximable_layers(net)[name]
    with torch.no_grad():
        p = net(x).double().log_softmax(1)
        outputs: list[Tensor] = []
        handle = layer.register_forward_hook(lambda _m, _x, y: outputs.append(y))
        net(x)
        handle.remove()
        bias = 0 if layer.bias is None else layer.bias.view(-1, *([1] * layer.trailing_dims))
        y = outputs[0] - bias
        total = 0.0
        for image in range(len(x)):
            for element in range(y[0].numel()):
                for h in (step, -step):
                    layer.arithmetic = Nudge(image, element, h)
                    q = net(x).double().log_softmax(1)
                    total += 0.5 * float((p.exp() * (p - q)).sum()) / step**2
    return total / len(x) * float(y.double().var(correction=0))


class Straight(nn.Module):
    """A network without quantisation behind the layer that is looked at: its outputs go into the logits smoothly."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, bias=True)
        self.mix = nn.Parameter(torch.randn(27, 5) / 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).tanh().flatten(1) @ self.mix


def test_costs_are_those_of_finite_differences() -> None:
    with seeded(1):
        x = torch.randn(4, 2, 5, 5)
        net = quantize(Straight(), x)
    expected = by_finite_differences(net, x, "conv", 0.02)
    found = fisher_profile(net, x, probes=5)
    assert found.layers == ("conv",) and found.alpha is not None
    assert found.alpha[0] == pytest.approx(expected, rel=0.01)
    drawn = [fisher_profile(net, x, probes=2, seed=seed).alpha for seed in range(200)]
    assert np.mean(drawn) == pytest.approx(found.alpha[0], rel=0.06)  # without bias
    assert len({float(a[0]) for a in drawn if a is not None}) == 200


def test_the_last_layer_by_hand() -> None:
    """Noise on logits: `std^2 / 2 * trace(diag(p) - p p^T)`."""
    net, x = smooth()
    fake_quantized(net)
    with torch.no_grad():
        logits = net(x)
        y = logits - net[3].bias  # type: ignore[union-attr]
        p = logits.softmax(1)
    expected = 0.5 * float(y.var(correction=0)) * float((1 - p.square().sum(1)).mean())
    alpha = fisher_profile(net, x, probes=4).alpha
    assert alpha is not None and alpha[1] == pytest.approx(expected, rel=1e-4)


def test_noise_costs_what_the_expansion_says() -> None:
    net, x = smooth()
    many = x.repeat(400, 1, 1, 1)
    fisher, sweep = fisher_profile(net, x, probes=4).alpha, noise_sweep_profile(net, many, levels=(0.1,)).alpha
    assert fisher is not None and sweep is not None
    assert sweep == pytest.approx(fisher, rel=0.2)  # noise passes a quantiser, whose slope the gradient takes for 1


class Forgetful(nn.Module):
    """One layer counts, one does not."""

    def __init__(self) -> None:
        super().__init__()
        self.counted, self.ignored = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.ignored(x)
        return self.counted(x)


@pytest.mark.parametrize("profile", [fisher_profile, noise_sweep_profile])
def test_a_layer_that_does_not_count_costs_nothing(profile: object) -> None:
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    with seeded(0):
        net = quantize(Forgetful(), x)
    found = profile(net, x)  # type: ignore[operator]
    assert found.layers == ("ignored", "counted") and found.alpha[0] == 0 < found.alpha[1]
    assert np.isfinite(found.sigma).all() and found.sigma[0] > 100 * found.sigma[1]
    assert found.sigma[1] == pytest.approx((0.01 / found.alpha[1]) ** 0.5)


@pytest.mark.parametrize("profile", [fisher_profile, noise_sweep_profile])
def test_repeats_and_leaves_model_and_generator_alone(profile: object) -> None:
    net = network()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    arithmetics = [layer.arithmetic for layer in approximable_layers(net).values()]
    state = torch.get_rng_state()
    first, second = profile(net, images(), seed=4), profile(net, images(), seed=4)  # type: ignore[operator]
    assert first.alpha.tolist() == second.alpha.tolist() and torch.equal(state, torch.get_rng_state())
    assert first.layers == tuple(approximable_layers(net))
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert [layer.arithmetic for layer in approximable_layers(net).values()] == arithmetics
    assert all(p.requires_grad for p in net.parameters())


def test_a_network_that_writes_to_what_it_gets() -> None:
    x = images()
    with seeded(5):
        layers = [nn.Conv2d(2, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)]
    plain = quantize(nn.Sequential(*layers), x)
    layers[1] = nn.ReLU(inplace=True)
    writing = quantize(nn.Sequential(*layers), x)
    found = [fisher_profile(net, x).alpha for net in (plain, writing)]
    assert found[0] is not None and found[1] is not None and found[0].tolist() == found[1].tolist()


def test_bad_input() -> None:
    net = network()
    with pytest.raises(InputError, match="at least one image and one probe, got 0 and 2"):
        fisher_profile(net, images()[:0])
    with pytest.raises(InputError, match="at least one image and one probe, got 6 and 0"):
        fisher_profile(net, images(), probes=0)
    with pytest.raises(InputError, match=r"levels above 0, got 6 images, levels \[0.1, 0\]"):
        noise_sweep_profile(net, images(), levels=(0.1, 0))
    for profile in (fisher_profile, noise_sweep_profile):
        with pytest.raises(InputError, match="no approximable layer"):
            profile(nn.Linear(2, 2), torch.zeros(1, 2))  # type: ignore[operator]
    with torch.no_grad():
        net.linear.bias.fill_(float("nan"))  # type: ignore[union-attr]
    for profile in (fisher_profile, noise_sweep_profile):
        with pytest.raises(InputError, match="robustness: expected finite"):
            profile(net, images())  # type: ignore[operator]


def test_profiles_by_name() -> None:
    net, counts = network(), np.array([1, 2, 3])
    labels = torch.zeros(6, dtype=torch.int64)
    for name, same in (("fisher", fisher_profile), ("sweep", noise_sweep_profile)):
        profile, model = profile_by_name(name, net, images(), labels, counts, seed=2)
        assert model is net and profile.noise_cost(counts).tolist() == same(net, images(), seed=2).alpha.tolist()  # type: ignore[union-attr]
    with pytest.raises(InputError, match="unknown robustness profile 'fischer'; did you mean 'fisher'"):
        profile_by_name("fischer", net, images(), labels, counts)
