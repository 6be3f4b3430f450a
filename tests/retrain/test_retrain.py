"""Retraining: what it recovers, what it keeps, that it repeats itself and goes on after a kill with the same bits."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file
from torch import Tensor, nn

from dse.error_model import predict_errors
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, builtin
from dse.nn.convert import approximable_layers, simulate
from dse.nn.datasets import Part
from dse.nn.tracing import trace
from dse.nn.training import accuracy, logits, read_kept, write_kept
from dse.retrain import (
    OutputError,
    Retrained,
    RetrainSettings,
    distillation,
    held_out,
    predicted_errors,
    retrain,
    validated,
)
from tests.retrain.digits import QUICK, everywhere, images, parts, quantised, trained, weights


def retrained(settings: RetrainSettings = QUICK, *, name: str = "dadda_trunc10u", **kwargs: Any) -> Retrained:
    train, validation = images()
    return retrain(quantised(), everywhere(name), train, validation, settings, **{"seed": 0, **kwargs})


def outputs(made: Retrained) -> Tensor:
    with torch.no_grad():
        return made.model(parts().test.x[:64])


class Killed(Exception):
    pass


def killed_after(epochs: int) -> Any:
    def progress(done: int, total: int, note: str) -> None:
        if done == epochs:
            raise Killed

    return progress


@pytest.mark.parametrize("gradient", ["straight-through", "table-1d", "table-2d"])
def test_a_network_that_guessed_recovers_and_its_loss_falls(gradient: Any) -> None:
    made = retrained(replace(QUICK, epochs=3, gradient=gradient))
    assert made.log[0].accuracy < 0.4 and made.best.accuracy > 0.9
    losses = [epoch.loss for epoch in made.log[1:]]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 1.5
    simulated = quantised()
    simulate(simulated, everywhere())
    assert accuracy(simulated, parts().test) < 0.4 and accuracy(made.model, parts().test) > 0.85


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_trains_where_gradients_are_off(mode: Any) -> None:
    train, validation = images()
    model = quantised()
    with mode():
        made = retrain(model, everywhere(), train, validation, QUICK, seed=0)
    assert torch.equal(weights(made.model), weights(retrained().model))


def test_what_comes_back_simulates_the_design_with_its_weights_bit_by_bit() -> None:
    made = retrained()
    fresh = quantised()
    fresh.load_state_dict(made.model.state_dict())
    simulate(fresh, everywhere())
    with torch.no_grad():
        assert torch.equal(fresh(parts().test.x), made.model(parts().test.x))
    assert not any(module.training for module in made.model.modules())


def test_the_given_network_and_the_random_state_stay_as_they_were() -> None:
    model, before = quantised(), torch.random.get_rng_state()
    retrain(model, everywhere(), *images(), QUICK, seed=0)
    assert torch.equal(weights(model), weights(quantised()))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_ranges_of_activations_stay_and_running_statistics_move() -> None:
    before, after = quantised().state_dict(), retrained().model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("x_quantizer" in name for name in moved)
    assert {"bn1.running_mean", "bn1.running_var"} <= moved and any(name.endswith(".weight") for name in moved)


def test_buffers_of_the_layers_are_part_of_the_network() -> None:
    model = quantised()
    for layer in approximable_layers(model).values():
        layer.register_buffer("offset", torch.ones(3))
    made = retrain(model, everywhere(), *images(), replace(QUICK, epochs=1), seed=0)
    assert made.best.epoch == 1
    assert all(torch.equal(layer.offset, torch.ones(3)) for layer in approximable_layers(made.model).values())  # type: ignore[arg-type]


def test_one_seed_gives_one_result_and_others_give_others() -> None:
    first, second, other = (weights(retrained(seed=seed).model) for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize("settings", [QUICK, replace(QUICK, augment="flip-crop", forward="noise")])
def test_a_killed_training_goes_on_to_the_same_bits(settings: RetrainSettings, tmp_path: Path) -> None:
    settings = replace(settings, epochs=3)
    noise = {name: OutputError(np.zeros(1), 0.2) for name in everywhere()}
    whole = retrained(settings, noise=noise)
    for epochs in (1, 2):
        with pytest.raises(Killed):
            retrained(settings, noise=noise, cache_dir=tmp_path, progress=killed_after(epochs))
    went_on: list[int] = []
    made = retrained(settings, noise=noise, cache_dir=tmp_path, progress=lambda done, total, note: went_on.append(done))
    assert went_on == [3]
    assert torch.equal(weights(made.model), weights(whole.model))
    assert [replace(epoch, seconds=0) for epoch in made.log] == [replace(epoch, seconds=0) for epoch in whole.log]


def test_nothing_trains_twice(tmp_path: Path) -> None:
    first = retrained(cache_dir=tmp_path)
    again = retrained(cache_dir=tmp_path, progress=killed_after(1))
    assert torch.equal(weights(first.model), weights(again.model)) and first.log == again.log


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"settings": replace(QUICK, lr=0.01)},
        {"settings": replace(QUICK, gradient="table-1d")},
        {"name": "etm5u"},
        {"key": {"model": "another"}},
        {"settings": replace(QUICK, distil=0.5), "teacher": trained()},
    ],
)
def test_another_training_has_another_file(other: dict[str, Any], tmp_path: Path) -> None:
    for arguments in ({}, other):
        with pytest.raises(Killed):
            retrained(cache_dir=tmp_path, progress=killed_after(1), **arguments)
    assert len(list(tmp_path.iterdir())) == 2


def test_other_images_or_weights_have_another_file(tmp_path: Path) -> None:
    train, validation = images()
    shorter, moved = Part(train.x[:-1], train.y[:-1]), quantised()
    with torch.no_grad():
        next(moved.parameters()).mul_(1.01)
    fewer = Part(validation.x[:-1], validation.y[:-1])
    for model, *both in (
        (quantised(), train, validation),
        (quantised(), shorter, validation),
        (quantised(), train, fewer),
        (moved, train, validation),
    ):
        with pytest.raises(Killed):
            retrain(model, everywhere(), *both, QUICK, seed=0, cache_dir=tmp_path, progress=killed_after(1))
    assert len(list(tmp_path.iterdir())) == 4


def test_another_teacher_has_another_file(tmp_path: Path) -> None:
    other = copy.deepcopy(trained())
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    for teacher in (trained(), other):
        with pytest.raises(Killed):
            settings = replace(QUICK, distil=0.5)
            retrained(settings, teacher=teacher, cache_dir=tmp_path, progress=killed_after(1))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_trained_anew(tmp_path: Path) -> None:
    made = retrained(cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert torch.equal(weights(retrained(cache_dir=tmp_path).model), weights(made.model))
    assert load_file(file).keys() == load(whole).keys()


def test_the_best_epoch_is_kept_which_may_be_none() -> None:
    """A rate that ruins the network leaves it as it was given; where a later epoch is worse, the earlier one stays."""
    made = retrained(replace(QUICK, lr=30.0, momentum=0.0, warm_up=0.0), name="trunc_v4u")
    assert made.best.epoch == 0 and torch.equal(weights(made.model), weights(quantised()))
    assert made.best.accuracy == max(epoch.accuracy for epoch in made.log)


def test_the_best_weights_are_those_that_were_measured() -> None:
    settings = replace(QUICK, epochs=4, lr=0.2, schedule="step", step_epochs=4)
    made, sure = retrained(settings), retrained(replace(settings, keep="loss"))
    assert accuracy(made.model, images()[1]) == made.best.accuracy == max(epoch.accuracy for epoch in made.log)
    assert sure.best.validation_loss == min(epoch.validation_loss for epoch in sure.log)
    assert validated(sure.model, images()[1]) == (sure.best.accuracy, sure.best.validation_loss)


def test_patience_ends_a_training_that_gains_nothing() -> None:
    settings = replace(QUICK, epochs=9, lr=1e-12, patience=2)
    made = retrained(settings)
    assert made.log[-1].epoch == made.best.epoch + 2 < 9
    assert retrained(replace(settings, epochs=3, patience=None)).log[-1].epoch == 3


def test_distillation_of_weight_0_is_none_and_needs_no_teacher() -> None:
    plain = retrained()
    assert torch.equal(weights(retrained(replace(QUICK, distil=0.0), teacher=trained()).model), weights(plain.model))
    assert not torch.equal(weights(retrained(replace(QUICK, distil=0.5), teacher=trained()).model), weights(plain.model))


def test_distillation_is_hintons_loss() -> None:
    generator = torch.Generator().manual_seed(3)
    x, given = (torch.randn(5, width, generator=generator) for width in (4, 3))
    y = torch.tensor([0, 1, 2, 0, 1])
    teacher = nn.Linear(4, 3)
    loss = distillation(teacher, RetrainSettings(distil=0.3, temperature=2.0))(x, given, y)
    expected = 0.0
    for i in range(5):
        p, q = (torch.softmax(row / 2.0, 0).tolist() for row in (teacher(x[i]).detach(), given[i]))
        kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        expected += (0.7 * -math.log(torch.softmax(given[i], 0)[y[i]]) + 0.3 * 4 * kl) / 5
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_teacher_teaches_what_it_says_at_inference_and_stays_as_it_is() -> None:
    teacher = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)).train()
    generator = torch.Generator().manual_seed(3)
    x, given = (torch.randn(5, width, generator=generator) for width in (4, 3))
    found = distillation(teacher, RetrainSettings(distil=1.0, temperature=2.0))(x, given, torch.zeros(5, dtype=torch.long))
    assert teacher.training and not teacher[0].running_mean.any()
    with torch.no_grad():
        wanted = (teacher.eval()(x) / 2).softmax(1)
    expected = 4 * nn.functional.kl_div((given / 2).log_softmax(1), wanted, reduction="batchmean")
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_distillation_alone_learns_from_the_teacher_whatever_the_labels() -> None:
    train, validation = images()
    wrong = Part(train.x, (train.y + 1) % 10)
    settings = replace(QUICK, epochs=3, distil=1.0)
    made = retrain(quantised(), everywhere(), wrong, validation, settings, seed=0, teacher=trained())
    assert made.best.accuracy > 0.85


def test_the_exact_network_can_be_retrained_in_the_same_way() -> None:
    train, validation = images()
    made = retrain(quantised(), {}, train, validation, QUICK, seed=0)
    assert made.best.accuracy >= made.log[0].accuracy > 0.9 and made.log[-1].epoch == 2


def test_validation_images_are_of_no_other_part() -> None:
    def seen(part: Part) -> set[bytes]:
        return {image.numpy().tobytes() for image in part.x}

    every = parts()
    train, validation = held_out(every.train, 100)
    assert len(train) == 300 and len(validation) == 100
    for other in (train, every.calibration, every.search, every.test):
        assert not seen(validation) & seen(other)


@pytest.mark.parametrize("count", [0, 400, 401])
def test_held_out_needs_images_on_both_sides(count: int) -> None:
    with pytest.raises(InputError, match="validation_images: expected 1 or more and fewer than the 400 training images"):
        held_out(parts().train, count)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (replace(QUICK, forward="noise"), "pass noise="),
        (replace(QUICK, distil=0.5), "pass teacher="),
        (replace(QUICK, lr=1e20), "retrain.lr: the loss became"),
    ],
)
def test_what_cannot_be_trained_is_said(settings: RetrainSettings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        retrained(settings)


def test_foreign_layers_images_and_places_are_refused(tmp_path: Path) -> None:
    train, validation = images()
    with pytest.raises(InputError, match="unknown approximable layer 'conv9'"):
        retrain(quantised(), {"conv9": everywhere()["conv1"]}, train, validation, QUICK, seed=0)
    with pytest.raises(InputError, match="quantised model"):
        retrain(trained(), {}, train, validation, QUICK, seed=0)
    with pytest.raises(InputError, match="validation images"):
        retrain(quantised(), {}, train, Part(train.x[:0], train.y[:0]), QUICK, seed=0)
    with pytest.raises(InputError, match="does not take images"):
        retrain(quantised(), {}, Part(torch.zeros(2, 3, 8, 8), train.y[:2]), validation, QUICK, seed=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        retrain(quantised(), {}, train, validation, QUICK, seed=0, cache_dir=tmp_path / "file")


def test_noise_of_no_amount_is_quantisation_aware_training_and_tables_judge() -> None:
    tables, settings = everywhere("etm5u"), replace(QUICK, forward="noise")
    quiet, loud = ({name: OutputError(np.zeros(1), std) for name in tables} for std in (0.0, 1.0))
    made, noisy = (retrain(quantised(), tables, *images(), settings, seed=0, noise=noise) for noise in (quiet, loud))
    exact = retrain(quantised(), {}, *images(), QUICK, seed=0)
    for a, b, c in zip(made.log[1:], exact.log[1:], noisy.log[1:], strict=True):
        assert a.loss == pytest.approx(b.loss, rel=0.03) and c.loss > 5 * a.loss  # type: ignore[operator]
        assert a.accuracy < b.accuracy - 0.3  # through the tables
    assert made.log[0].accuracy == noisy.log[0].accuracy == retrained(name="etm5u").log[0].accuracy


def test_predicted_noise_does_not_teach_a_network_to_live_with_a_strong_multiplier() -> None:
    """What the AGN author's exports show of strong multipliers (1L2N: 67.60 % through tables, 16.17 % with noise)."""
    tables = everywhere("etm5u")
    library = MultiplierLibrary([builtin(signed=False)[0], tables["conv1"]])
    errors = predict_errors(trace(quantised(), parts().calibration.x), library)
    noise = predicted_errors(errors, np.ones(len(tables), dtype=np.int64))
    settings = replace(QUICK, epochs=3)
    through_tables = retrained(settings, name="etm5u")
    surrogate = retrained(replace(settings, forward="noise"), name="etm5u", noise=noise)
    assert through_tables.best.accuracy > surrogate.best.accuracy + 0.3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("other", [{}, {"augment": "flip-crop", "distil": 0.5}, {"forward": "noise"}])
def test_a_network_trained_on_a_gpu_is_the_same_on_the_cpu(other: dict[str, Any], tmp_path: Path) -> None:
    settings = replace(QUICK, **other)
    tables = everywhere()
    noise = {name: OutputError(np.zeros(1), 0.0) for name in tables} if settings.forward == "noise" else None

    def made() -> Retrained:
        model, teacher = quantised().cuda(), trained().cuda()
        return retrain(model, tables, *images(), settings, seed=0, noise=noise, teacher=teacher, cache_dir=tmp_path)

    first = made()
    assert [epoch.device for epoch in first.log] == [torch.cuda.get_device_name()] * 3
    there = logits(first.model, images()[1].x)
    assert torch.allclose(logits(first.model.cpu(), images()[1].x), there, atol=0.2)  # a code that rounds the other way
    assert made().log == first.log
    assert len([*tmp_path.iterdir()]) == 1


def test_a_training_is_called_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = retrain(quantised(), everywhere(), *images(), replace(QUICK, epochs=1), seed=0, cache_dir=tmp_path / "here")
    assert [epoch.device for epoch in made.log] == ["cpu", "cpu"]
    monkeypatch.setattr(torch, "__version__", "2.99.0+cu130")
    retrain(quantised(), everywhere(), *images(), replace(QUICK, epochs=1), seed=0, cache_dir=tmp_path / "there")
    here, there = (sorted(file.name for file in (tmp_path / where).iterdir()) for where in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("epochs", [1, 2])
def test_what_a_gpu_has_trained_is_gone_on_with_elsewhere(epochs: int, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        retrained(cache_dir=tmp_path, progress=killed_after(epochs))
    (file,) = tmp_path.iterdir()
    state, log = read_kept(file)
    write_kept(file, {**state, "random.cuda": torch.zeros(16, dtype=torch.uint8)}, log)
    trained: list[int] = []
    made = retrained(cache_dir=tmp_path, progress=lambda done, *_: trained.append(done))
    assert trained == [1, 2][epochs:]
    assert torch.equal(weights(made.model), weights(retrained().model))
