"""Settings: the schedules, what is refused, and that configuration and settings are one."""

from __future__ import annotations

from typing import Any

import pytest

from dse.config import RetrainConfig
from dse.exceptions import InputError
from dse.retrain import RetrainSettings


def test_the_cosine_rises_and_falls() -> None:
    settings = RetrainSettings(lr=0.1, warm_up=0.2)
    rates = [settings.rate(i / 100) for i in range(101)]
    assert rates[0] == 0 and rates[10] == pytest.approx(0.05) and max(rates) == rates[20] == 0.1
    assert rates[60] == pytest.approx(0.05) and rates[100] == pytest.approx(0)
    assert RetrainSettings(lr=0.1, warm_up=0).rate(0) == 0.1


def test_steps_fall_at_the_first_step_of_their_epochs() -> None:
    settings = RetrainSettings(epochs=5, lr=1.0, schedule="step", step_epochs=2, step_factor=0.1, warm_up=0.1)
    steps = 7
    rates = [settings.rate((epoch * steps + i + 1) / (5 * steps + 1)) for epoch in range(5) for i in range(steps)]
    assert rates[:4] == pytest.approx([(i + 1) / 36 / 0.1 for i in range(3)] + [1.0])
    assert rates[3:] == pytest.approx([1.0] * 11 + [0.1] * 14 + [0.01] * 7)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("batch_size", 0),
        ("momentum", 1.0),
        ("weight_decay", -1.0),
        ("augment", "flip"),
        ("clip_norm", -1.0),
        ("schedule", "linear"),
        ("warm_up", 1.0),
        ("step_epochs", 0),
        ("step_factor", 0.0),
        ("forward", "exact"),
        ("gradient", "none"),
        ("distil", 1.5),
        ("keep", "last"),
        ("temperature", 0.0),
        ("patience", 0),
    ],
)
def test_values_out_of_range_are_refused_here_and_in_the_configuration(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"retrain.*{key}"):
        RetrainSettings(**{key: value})
    with pytest.raises(ValueError, match=key):
        RetrainConfig.model_validate({key: value})


def test_the_configuration_has_the_same_defaults() -> None:
    fields = RetrainConfig.model_fields
    own = RetrainSettings()
    for key in vars(own):
        if key != "augment":  # the network's own
            assert fields[key].default == getattr(own, key), key
