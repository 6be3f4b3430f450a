"""Fine-tuning for all points together: what each scheme trains, the step it takes, and that it goes on after a kill."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, catalogue
from dse.nn.convert import approximable_layers, quantize
from dse.nn.datasets import Part
from dse.nn.training import read_kept, write_kept
from dse.operands import operand_format
from dse.operating_points import FineTuned, OperatingPoint, OperatingPointModel, fine_tune, point_accuracies
from dse.operating_points._tables import trainable
from dse.retrain import RetrainSettings
from dse.variants import plain_tables
from tests.operating_points import small
from tests.retrain import digits as digits_data
from tests.retrain.digits import images, parts, quantised, trained

QUICK = replace(digits_data.QUICK, epochs=1, lr=0.05)


@cache
def _digits() -> OperatingPointModel:
    chosen = [m for m in catalogue(signed=False) if m.is_exact or m.name in ("etm5u", "dadda_trunc10u")]
    library, network = MultiplierLibrary(chosen), quantised()
    named = zip(("best", "middle", "eco"), (library.names[0], "dadda_trunc10u", "etm5u"), strict=True)
    points = [OperatingPoint(name, dict.fromkeys(approximable_layers(network), m), 1.0) for name, m in named]
    return OperatingPointModel(network, points, library.names, plain_tables(library, operand_format("sm8")))


def digits() -> OperatingPointModel:
    """Return a network that is right in one point and guesses in two."""
    return copy.deepcopy(_digits())


def tuned(scheme: Any = "batch-norm", settings: RetrainSettings = QUICK, **kwargs: Any) -> FineTuned:
    return fine_tune(digits(), *images(), settings, scheme=scheme, **{"seed": 0, **kwargs})


@cache
def finished(scheme: str) -> FineTuned:
    return tuned(scheme, replace(QUICK, epochs=2))


def state(model: nn.Module, norms: bool) -> dict[str, Tensor]:
    return {name: t for name, t in model.state_dict().items() if (".norms." in name) == norms}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_trains_wherever_it_is_called(mode: Any) -> None:
    made = tuned("shared")
    with mode():
        there = tuned("shared")
    assert equal(dict(there.model.state_dict()), dict(made.model.state_dict()))


def test_no_training_leaves_everything_as_it_was() -> None:
    made = finished("none")
    assert equal(dict(made.model.state_dict()), dict(digits().state_dict())) and not made.model.owns_norms
    (epoch,) = made.log
    assert epoch.loss is None and epoch.accuracy == pytest.approx(sum(point_accuracies(digits(), images()[1])) / 3)


def test_batch_norm_trains_norms_of_each_point_and_no_weight() -> None:
    made, before = finished("batch-norm"), digits()
    assert equal(state(made.model, norms=False), state(before, norms=False))
    for norm in made.model.norms:
        for name in ("weight", "bias", "running_mean", "running_var"):
            first, second, third = (getattr(point, name) for point in norm.norms)
            assert not torch.equal(first, second) and not torch.equal(second, third)
    guessed, learnt = point_accuracies(before, parts().test), point_accuracies(made.model, parts().test)
    assert max(guessed[1:]) < 0.4 and min(learnt) > 0.8 and learnt[0] > guessed[0] - 0.03
    assert made.model.overhead().norms == 2 * sum(2 * len(norm.norms[0].weight) for norm in made.model.norms)  # type: ignore[arg-type]


def test_shared_trains_one_set_of_weights_for_all_points() -> None:
    made = finished("shared")
    assert not equal(state(made.model, norms=False), state(digits(), norms=False))
    assert min(point_accuracies(made.model, parts().test)) > 0.8
    assert made.model.overhead().norms == finished("batch-norm").model.overhead().norms


@pytest.mark.parametrize("scheme", ["batch-norm", "shared"])
def test_what_comes_back_is_as_it_was_handed_in(scheme: str) -> None:
    given, random = digits(), torch.random.get_rng_state()
    given.operating_point = 1
    next(given.parameters()).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    made = fine_tune(given, *images(), replace(QUICK, lr=1e-6), scheme=scheme, seed=0).model  # type: ignore[arg-type]
    assert made.operating_point == given.operating_point == 1
    assert equal(dict(given.state_dict()), before) and torch.equal(torch.random.get_rng_state(), random)
    assert [p.requires_grad for p in made.parameters()].count(False) == 1 and not any(
        m.training for m in made.modules()
    )


def test_the_best_epoch_has_the_best_mean_accuracy_of_the_points() -> None:
    made = finished("batch-norm")
    mean = sum(point_accuracies(made.model, images()[1])) / 3
    assert made.best.accuracy == pytest.approx(mean) == max(epoch.accuracy for epoch in made.log)
    ruined = tuned(settings=replace(QUICK, lr=1e4, momentum=0.0, warm_up=0.0, clip_norm=0.0))
    assert ruined.best.epoch == 0 and point_accuracies(ruined.model, images()[1]) == point_accuracies(
        digits(), images()[1]
    )


@pytest.mark.parametrize("scheme", ["batch-norm", "shared"])
def test_a_step_follows_the_mean_gradient_of_the_points(scheme: Any, tmp_path: Path) -> None:
    """One batch, one step, against the same by hand: a pass for each point, gradients added up and divided."""
    part = Part(small.images(), torch.arange(12) % 5)
    plain = {"momentum": 0.0, "weight_decay": 0.0, "clip_norm": 0.0, "warm_up": 0.0}
    settings = RetrainSettings(epochs=1, lr=0.1, batch_size=12, **plain)  # type: ignore[arg-type]
    fine_tune(small.made(), part, part, settings, scheme=scheme, seed=0, cache_dir=tmp_path)
    kept = read_kept(next(tmp_path.iterdir()))
    assert kept is not None
    model = small.made().train()
    model.own_norms()
    model.give(model.arithmetics(trainable("straight-through", 0)))
    for point in range(3):
        model.operating_point = point
        (F.cross_entropy(model(part.x), part.y) / 3).backward()
    trained_ones = {id(p) for norm in model.norms for p in norm.parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            if scheme == "shared" or id(parameter) in trained_ones:
                parameter -= settings.rate(0.5) * parameter.grad  # the middle of one step
    for name, expected in model.state_dict().items():
        assert torch.allclose(kept[0][f"model.{name}"], expected, rtol=1e-4, atol=1e-6), name


class Killed(Exception):
    pass


def killed(done: int, total: int, note: str) -> None:
    raise Killed


def test_a_killed_training_goes_on_to_the_same_bits_and_nothing_trains_twice(tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=2)
    whole = tuned(settings=settings)
    with pytest.raises(Killed):
        tuned(settings=settings, cache_dir=tmp_path, progress=killed)
    steps: list[int] = []
    made = tuned(settings=settings, cache_dir=tmp_path, progress=lambda done, total, note: steps.append(done))
    assert steps == [2] and equal(dict(made.model.state_dict()), dict(whole.model.state_dict()))
    again = tuned(settings=settings, cache_dir=tmp_path, progress=killed)
    assert equal(dict(again.model.state_dict()), dict(made.model.state_dict())) and again.log == made.log


@pytest.mark.parametrize(
    "changed",
    [
        lambda state: {"foo": torch.ones(1)},
        lambda state: {name: t for name, t in state.items() if not name.startswith("best.network.plain")},
        lambda state: {name: t for name, t in state.items() if not name.startswith("random.")},
        lambda state: {**state, "model.network.plain.weight": torch.ones(2, 2)},
        lambda state: {**state, "best.network.plain.weight": torch.ones(2, 2)},
        lambda state: {**state, "momentum.foo": torch.ones(2)},
    ],
)
def test_a_file_of_something_else_counts_as_damaged(changed: Any, tmp_path: Path) -> None:
    part = Part(small.images(), torch.arange(12) % 5)
    tune = partial(fine_tune, small.made(), part, part, replace(QUICK, batch_size=12), seed=0, cache_dir=tmp_path)
    expected = dict(tune().model.state_dict())
    file = next(tmp_path.iterdir())
    kept = read_kept(file)
    assert kept is not None
    write_kept(file, changed(kept[0]), kept[1])
    assert equal(dict(tune().model.state_dict()), expected)
    write_kept(file, kept[0], [])
    assert equal(dict(tune().model.state_dict()), expected)


def test_another_training_has_another_file(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [
        {},
        {"scheme": "shared"},
        {"seed": 1},
        {"settings": replace(QUICK, lr=0.01)},
        {"key": {"model": "another"}},
        {"settings": replace(QUICK, distil=0.5), "teacher": trained()},
    ]
    for arguments in others:
        with pytest.raises(Killed):
            tuned(cache_dir=tmp_path, progress=killed, **arguments)
    assert len(list(tmp_path.iterdir())) == len(others)


def test_other_tables_have_another_file(tmp_path: Path) -> None:
    part = Part(small.images(), torch.arange(12) % 5)
    for model in (small.made(methods=()), small.made(methods=(), tuned=True), small.made(methods=())):
        fine_tune(model, part, part, QUICK, seed=0, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_distillation_needs_the_teacher_and_changes_the_outcome() -> None:
    with pytest.raises(InputError, match="fine-tuning.distil: 0.5 needs the float network"):
        tuned(settings=replace(QUICK, distil=0.5))
    distilled = tuned(settings=replace(QUICK, epochs=2, distil=0.5), teacher=trained())
    assert not equal(state(distilled.model, norms=True), state(finished("batch-norm").model, norms=True))


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown fine-tuning scheme 'batchnorm'; did you mean 'batch-norm'"):
        tuned("batchnorm")
    with pytest.raises(InputError, match="fine-tuning.forward: expected 'tables', got 'noise'"):
        tuned(settings=replace(QUICK, forward="noise"))
    with pytest.raises(InputError, match="fine-tuning.lr: the loss became"):
        tuned("shared", settings=replace(QUICK, lr=1e30, clip_norm=0.0))
    train, validation = images()
    with pytest.raises(InputError, match="expected validation images, got none"):
        fine_tune(digits(), train, Part(train.x[:0], train.y[:0]), QUICK, seed=0)
    for labels, message in ((validation.y + 99, "validation images: .*largest label"), (validation.y - 99, "labels from 0")):
        for scheme in ("none", "batch-norm"):
            with pytest.raises(InputError, match=message):
                fine_tune(digits(), train, Part(validation.x, labels), QUICK, scheme=scheme, seed=0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"fine-tuning.seed: expected 0 to 2\^64 - 1, got 1180591620717411303424"):
        tuned(seed=2**70)
    with pytest.raises(InputError, match="does not take images"):
        fine_tune(digits(), Part(torch.zeros(2, 3, 8, 8), train.y[:2]), validation, QUICK, seed=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        tuned(cache_dir=tmp_path / "file")
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 5))
    without = quantize(net, small.images())
    tables = plain_tables(small.library(), operand_format("sm8"))
    model = OperatingPointModel(without, [OperatingPoint("one", {"1": "noisy"}, 1.0)], small.library().names, tables)
    part = Part(small.images(), torch.arange(12) % 5)
    with pytest.raises(InputError, match="expected a network with BatchNorms to train"):
        fine_tune(model, part, part, QUICK, seed=0)
    assert fine_tune(model, part, part, QUICK, scheme="shared", seed=0).log[-1].epoch == 1
