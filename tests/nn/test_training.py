"""Training: accuracy reached, same seed same result, nothing global touched, a cache that is never stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.datasets import Part, load_dataset, split_dataset
from dse.nn.models import MODELS, build_model, load_weights
from dse.nn.training import (
    DEFAULT_SETTINGS,
    Progress,
    Trainer,
    TrainingSettings,
    accuracy,
    cached_training,
    cosine,
    default_cache_dir,
    logits,
    train,
    write_kept,
)
from dse.nn.training._trainer import flip_crop

QUICK = TrainingSettings(epochs=2, batch_size=16, lr=0.05, weight_decay=1e-4)


def part(n: int = 33) -> Part:
    """Return a problem that one linear layer solves: the brightest of four rows is the class."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 1, 4, 4, generator=generator)
    y = torch.arange(n) % 4
    x[torch.arange(n), 0, y] += 2
    return Part(x, y)


def network(seed: int = 0) -> nn.Module:
    return build_model("digits-cnn", in_shape=(1, 4, 4), n_classes=4, seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


class Recorder:
    """A progress callable that keeps its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, str]] = []

    def __call__(self, done: int, total: int, note: str) -> None:
        self.calls.append((done, total, note))


def test_digits_cnn_reaches_97_percent_with_the_default_settings() -> None:
    data = load_dataset("digits")
    parts = split_dataset(data, train=1000, calibration=128, search=256, test=None, seed=0)
    model = build_model("digits-cnn", in_shape=data.in_shape, n_classes=data.n_classes)
    train(model, parts.train, DEFAULT_SETTINGS["digits-cnn"], seed=0)
    assert accuracy(model, parts.test) >= 0.97


def test_every_model_has_default_settings() -> None:
    assert set(DEFAULT_SETTINGS) == set(MODELS)


@pytest.mark.parametrize("augment", ["none", "flip-crop"])
def test_same_seed_same_weights_and_the_global_state_is_untouched(augment: Any) -> None:
    settings = replace(QUICK, augment=augment)
    before = torch.random.get_rng_state()
    results = []
    for seed in (1, 1, 2):
        model = network()
        train(model, part(), settings, seed=seed)
        results.append(weights(model))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_the_callers_random_state_changes_nothing() -> None:
    model, other = (nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 4)) for _ in range(2))
    other.load_state_dict(model.state_dict())
    train(model, part(), QUICK, seed=0)
    torch.rand(7)
    train(other, part(), QUICK, seed=0)
    assert torch.equal(weights(model), weights(other))


def test_training_learns_reports_and_ends_in_evaluation_mode() -> None:
    recorder, model = Recorder(), network()
    train(model, part(), replace(QUICK, epochs=15, label_smoothing=0.1), seed=0, progress=recorder)
    assert accuracy(model, part()) == 1
    assert not any(module.training for module in model.modules())
    assert [call[:2] for call in recorder.calls] == [(i, 15) for i in range(1, 16)]
    assert recorder.calls[-1][2].startswith("loss ")


def test_threads_are_put_back() -> None:
    seen: list[int] = []
    torch.set_num_threads(2)
    model = network()
    model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()) if model.training else None)
    train(model, part(), QUICK, seed=0)
    assert len(seen) == 2 * 3 and set(seen) == {1} and torch.get_num_threads() == 2


def test_a_left_over_image_does_not_break_batch_normalisation() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(4))
    train(model, part(17), QUICK, seed=0)  # 17 = 16 + 1: two batches of 9 and 8


def test_learning_rate_rises_and_falls() -> None:
    rates = [cosine(i / 100, 0.1) for i in range(101)]
    assert rates[0] == 0 and max(rates) == rates[20] == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05) and rates[100] == pytest.approx(0)


def test_flip_crop_shows_shifted_or_mirrored_images() -> None:
    x = torch.arange(1.0, 51).reshape(1, 2, 5, 5).expand(40, 2, 5, 5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed = flip_crop(x)
    padded = torch.nn.functional.pad(x[0], (4, 4, 4, 4))
    windows = [padded[:, i : i + 5, j : j + 5] for i in range(9) for j in range(9)]
    windows += [window.flip(2) for window in windows]
    assert all(any(torch.equal(image, window) for window in windows) for image in changed)
    assert len(torch.unique(changed, dim=0)) > 20


def test_accuracy_counts_the_largest_output() -> None:
    model = nn.Flatten()  # (N, 1, 1, 3) -> (N, 3): the inputs are the outputs
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])[:, None, None]
    assert accuracy(model, Part(x, torch.tensor([0, 1, 2, 0])), batch_size=3) == 0.75


def test_logits_restore_every_mode_and_do_not_depend_on_the_batches() -> None:
    model = network().train()
    frozen = model.get_submodule("bn1").eval()
    x = part().x
    torch.testing.assert_close(logits(model, x, 5), logits(model, x))
    assert model.training and not frozen.training
    assert not logits(model, x).requires_grad


@pytest.mark.parametrize(("n", "batch_size"), [(0, 4), (4, 0)])
def test_logits_refuse(n: int, batch_size: int) -> None:
    with pytest.raises(InputError, match="batch_size of at least 1"):
        logits(network(), torch.zeros(n, 1, 4, 4), batch_size)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("weight_decay", -1.0),
        ("momentum", 1.0),
        ("label_smoothing", 1.0),
        ("augment", "flip"),
    ],
)
def test_settings_refuse(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"training.{key}"):
        replace(QUICK, **{key: value})


def test_divergence_is_said_in_one_line() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Linear(16, 4))
    with pytest.raises(InputError, match="training.lr: the loss became .* lower it") as caught:
        train(model, part(), replace(QUICK, lr=1e30), seed=0)
    assert "\n" not in str(caught.value)


def test_training_refuses_data_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="does not take images"):
        train(nn.Linear(3, 4), part(), QUICK, seed=0)
    with pytest.raises(InputError, match="above the largest label 3"):
        train(build_model("digits-cnn", in_shape=(1, 4, 4), n_classes=3), part(), QUICK, seed=0)
    with pytest.raises(InputError, match="expected labels from 0, got -1"):
        train(network(), Part(part().x, part().y - 1), QUICK, seed=0)
    with pytest.raises(InputError, match="no images"):
        train(network(), Part(torch.zeros(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64)), QUICK, seed=0)


def cached(cache_dir: Path, progress: Progress, **changes: Any) -> nn.Module:
    chosen: dict[str, Any] = {"part": part(), "settings": QUICK, "seed": 0, "key": {"model": "digits-cnn"}} | changes
    model = chosen.pop("model", None) or network()
    cached_training(model, cache_dir=cache_dir, progress=progress, **chosen)
    return model


def test_cache_hit_gives_the_same_weights_without_training(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    trained, loaded = cached(tmp_path / "new", first), cached(tmp_path / "new", second)
    assert len(first.calls) == 2 and second.calls == []
    assert torch.equal(weights(trained), weights(loaded))
    assert not loaded.training and len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"settings": replace(QUICK, lr=0.01)},
        {"key": {"model": "other"}},
        {"part": part(32)},
        {"model": network(1)},
    ],
)
def test_cache_misses_when_anything_changes(tmp_path: Path, change: dict[str, Any]) -> None:
    recorder = Recorder()
    cached(tmp_path, Recorder())
    cached(tmp_path, recorder, **change)
    assert len(recorder.calls) == 2 and len(list(tmp_path.iterdir())) == 2


def test_corrupt_cache_file_is_replaced(tmp_path: Path) -> None:
    trained = cached(tmp_path, Recorder())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    recorder = Recorder()
    assert torch.equal(weights(cached(tmp_path, recorder)), weights(trained))
    assert len(recorder.calls) == 2
    load_weights(network(), file)


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_with_the_bits_and_the_log_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.nn.training._train._KEEP_EVERY_S", 0.0)
    settings = replace(QUICK, epochs=4, augment="flip-crop")

    def kill(done: int, total: int, note: str) -> None:
        if done == 2:
            raise Killed

    whole, taken_up = network(), network()
    with pytest.raises(Killed):
        cached(tmp_path, kill, settings=settings)
    (kept,) = tmp_path.iterdir()
    recorder = Recorder()
    log = cached_training(
        taken_up, part(), settings, seed=0, key={"model": "digits-cnn"}, cache_dir=tmp_path, progress=recorder
    )
    reference = train(whole, part(), settings, seed=0)
    assert torch.equal(weights(taken_up), weights(whole)) and len(recorder.calls) == 2
    assert [(e["epoch"], e["loss"]) for e in log] == [(e["epoch"], e["loss"]) for e in reference]
    assert not kept.exists()
    again = cached_training(network(), part(), settings, seed=0, key={"model": "digits-cnn"}, cache_dir=tmp_path)
    assert again == log


def test_cache_folder_that_cannot_be_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = Recorder()
    with pytest.raises(InputError, match="cache_dir: cannot make"):
        cached(tmp_path / "file" / "cache", recorder)
    assert recorder.calls == []


def test_default_cache_dir_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "own"
    monkeypatch.delenv("DSE_CACHE")
    assert default_cache_dir() == tmp_path / "xdg" / "dse"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / ".cache" / "dse"


def test_a_training_taken_up_from_its_state_is_the_one_that_was_not_put_down() -> None:
    settings = replace(QUICK, epochs=3, augment="flip-crop")
    one, other = (Trainer(network(seed), part(), settings, seed=7) for seed in (0, 0))
    losses = [one.run_epoch(epoch) for epoch in range(3)]
    assert other.run_epoch(0) == losses[0]
    state = {name: tensor.clone() for name, tensor in other.state().items()}
    other.run_epoch(1)  # goes on, and is forgotten
    taken_up = Trainer(network(1), part(), settings, seed=8)
    taken_up.load_state(state)
    torch.rand(5)
    assert [taken_up.run_epoch(epoch) for epoch in (1, 2)] == losses[1:]
    left, right = one.state(), taken_up.state()
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_loss_and_rate_are_the_callers() -> None:
    asked: list[float] = []
    model = network()
    before = weights(model)
    trainer = Trainer(
        model,
        part(),
        replace(QUICK, weight_decay=0.0),
        seed=0,
        loss=lambda x, outputs, y: (outputs * 0).sum() + 3,
        rate=lambda done: asked.append(done) or 0.5,  # type: ignore[func-returns-value]
    )
    assert trainer.run_epoch(0) == 3 and asked == [1 / 7, 2 / 7, 3 / 7]
    parameters = torch.cat([p.detach().flatten() for p in model.parameters()]).double()
    assert torch.equal(parameters, torch.cat([p.flatten() for p in network().parameters()]).double().detach())
    assert not torch.equal(weights(model), before)  # the running statistics


def test_a_clipped_gradient_keeps_its_direction_and_has_the_norm() -> None:
    settings = replace(QUICK, batch_size=33, momentum=0.0, weight_decay=0.0)  # one step
    moves = []
    for clip_norm in (0.0, 0.01, 1e6):
        model = network()
        start = torch.cat([p.detach().flatten().double() for p in model.parameters()])
        Trainer(model, part(), settings, seed=0, rate=lambda done: 1.0, clip_norm=clip_norm).run_epoch(0)
        moves.append(torch.cat([p.detach().flatten().double() for p in model.parameters()]) - start)
    assert torch.equal(moves[0], moves[2]) and moves[0].norm() > 0.1
    assert moves[1].norm() == pytest.approx(0.01, rel=1e-3)
    assert torch.nn.functional.cosine_similarity(moves[0], moves[1], dim=0) == pytest.approx(1, abs=1e-5)


def test_a_file_of_another_training_is_begun_anew(tmp_path: Path) -> None:
    plain = network()
    train(plain, part(), QUICK, seed=0)
    for foreign in ({"foo": torch.ones(1)}, {"model.foo": torch.ones(1)}):
        write_kept(tmp_path / "kept.safetensors", foreign, [{"epoch": 1, "loss": 0.0, "seconds": 0.0}])
        other = network()
        log = train(other, part(), QUICK, seed=0, keep=tmp_path / "kept.safetensors")
        assert len(log) == QUICK.epochs and torch.equal(weights(other), weights(plain))
