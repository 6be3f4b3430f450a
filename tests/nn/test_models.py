"""Networks against published counts and hand-computed shortcuts; weight files against everything that can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dse.exceptions import InputError
from dse.nn.models import MODELS, ResNet, build_model, check_finite, load_weights, save_weights, seeded
from dse.nn.models._resnet import BasicBlock

SHARED = Path(os.environ.get("DSE_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def multiplications(model: nn.Module, in_shape: tuple[int, ...]) -> list[int]:
    """Count by hooks: outputs times the multiplications behind one output, per layer in forward order."""
    counts: list[int] = []

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        assert isinstance(module, (nn.Conv2d, nn.Linear))
        counts.append(output[0].numel() * module.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    model.eval()(torch.zeros(1, *in_shape))
    for hook in hooks:
        hook.remove()
    return counts


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def digits_cnn(seed: int = 0) -> nn.Module:
    return build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10, seed=seed)


SMALLEST = {"digits-cnn": 4, "lenet5": 28, "mobilenetv2": 16, "vgg16bn": 32}  # pixels; of the others 8


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_maps_images_to_logits(name: str, channels: int) -> None:
    in_shape = (channels, *[SMALLEST.get(name, 8)] * 2)
    if name == "mobilenetv2" and find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    model = build_model(name, in_shape=in_shape, n_classes=7)
    assert model(torch.zeros(2, *in_shape)).shape == (2, 7)
    assert MODELS[name].text
    check_finite(model)


# He et al. 2016, table 6, gives 0.27M, 0.46M and 0.85M; the digits are those of the parameter-free option-A shortcut.
@pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (32, 464_154), (56, 853_018)])
def test_resnet_parameters_are_the_published_ones(depth: int, count: int) -> None:
    assert parameters(build_model(f"resnet{depth}", in_shape=(3, 32, 32), n_classes=10)) == count


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 50, 56])
def test_resnet_depth_counts_its_weighted_layers(depth: int) -> None:
    assert len(multiplications(build_model(f"resnet{depth}", in_shape=(3, 8, 8), n_classes=10), (3, 8, 8))) == depth


def test_resnet20_multiplications_are_the_published_40_55_million() -> None:
    model = build_model("resnet20", in_shape=(3, 32, 32), n_classes=10)
    assert sum(multiplications(model, (3, 32, 32))) == 40_551_040


@pytest.mark.parametrize("size", [28, 32])
def test_lenet5_counts(size: int) -> None:
    model = build_model("lenet5", in_shape=(1, size, size), n_classes=10)
    assert parameters(model) == 61_706
    assert multiplications(model, (1, size, size)) == [117_600, 240_000, 48_000, 10_080, 840]


def test_digits_cnn_has_six_layers_of_similar_cost() -> None:
    assert multiplications(digits_cnn(), (1, 8, 8)) == [4_608, 55_296, 27_648, 55_296, 82_944, 240]


def test_option_a_shortcut_subsamples_and_pads_channels() -> None:
    block = BasicBlock(4, 8, 2).eval()
    nn.init.zeros_(block.bn2.weight)  # the residual branch becomes its bias, 0: only the shortcut is left
    x = torch.rand(2, 4, 6, 6)
    expected = torch.zeros(2, 8, 3, 3)
    expected[:, 2:6] = x[:, :, ::2, ::2]
    torch.testing.assert_close(block(x), expected)


def test_odd_sizes_fit_the_shortcut() -> None:
    assert build_model("resnet8", in_shape=(3, 15, 9), n_classes=3)(torch.zeros(2, 3, 15, 9)).shape == (2, 3)


def test_seed_fixes_the_weights_and_leaves_the_global_state() -> None:
    before = torch.random.get_rng_state()
    first, again, other = digits_cnn(1), digits_cnn(1), digits_cnn(2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.state_dict()["conv1.weight"], again.state_dict()["conv1.weight"])
    assert not torch.equal(first.state_dict()["conv1.weight"], other.state_dict()["conv1.weight"])


def test_seeded_puts_the_state_back_after_an_error() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(3):
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "in_shape", "n_classes", "message"),
    [
        ("resnet21", (3, 32, 32), 10, "unknown model 'resnet21'; did you mean 'resnet"),
        ("resnet20", (3, 4, 32), 10, "at least 8x8 pixels, got 4x32"),
        ("digits-cnn", (1, 3, 3), 10, "at least 4x4"),
        ("lenet5", (1, 8, 8), 10, "28x28 or 32x32 pixels, got 8x8"),
        ("lenet5", (1, 28, 32), 10, "28x28 or 32x32"),
        ("mobilenetv2", (3, 32, 15), 10, "at least 16x16 pixels, got 32x15"),
        ("vgg16bn", (3, 28, 28), 10, "at least 32x32 pixels, got 28x28"),
        ("lenet5", (64,), 10, r"\(C, H, W\)"),
        ("lenet5", (0, 28, 28), 10, r"\(C, H, W\)"),
        ("lenet5", (1, 28, 28), 1, "n_classes of at least 2"),
    ],
)
def test_build_refuses(name: str, in_shape: tuple[int, ...], n_classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(name, in_shape=in_shape, n_classes=n_classes)


@pytest.mark.parametrize("depth", [8, 20])
def test_shared_checkpoints_load(depth: int) -> None:
    path = SHARED / "data" / f"resnet{depth}_cifar10jpeg.npz"
    if not path.is_file():
        pytest.skip("shared/ is not here")
    model = build_model(f"resnet{depth}", in_shape=(3, 32, 32), n_classes=10)
    assert isinstance(model, ResNet)
    load_weights(model, path)
    with np.load(path, allow_pickle=False) as archive:
        assert torch.equal(model.linear.weight.detach(), torch.from_numpy(archive["linear.weight"]))


def test_weights_survive_saving(tmp_path: Path) -> None:
    model, other = digits_cnn(1), digits_cnn(2)
    save_weights(model, tmp_path / "new" / "weights.safetensors")
    load_weights(other, tmp_path / "new" / "weights.safetensors")
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in model.state_dict().items())
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["weights.safetensors"]


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "tied.safetensors")
    load_weights(model, tmp_path / "tied.safetensors")


@pytest.mark.parametrize("name", ["weights.pt", "weights.npz"])
def test_saving_refuses_another_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="change the suffix"):
        save_weights(digits_cnn(), tmp_path / name)


def test_saving_where_no_file_can_be_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.safetensors").mkdir()
    with pytest.raises(InputError, match="cannot write the weights"):
        save_weights(digits_cnn(), tmp_path / "taken.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.safetensors"]


Arrays = dict[str, np.ndarray]


def _arrays() -> Arrays:
    return {key: tensor.numpy() for key, tensor in digits_cnn(1).state_dict().items()}


BREAKAGES: list[tuple[Callable[[Arrays], object], str]] = [
    (lambda a: a.pop("bn1.bias"), "missing 'bn1.bias'; is this"),
    (lambda a: a.update(extra=np.zeros(1)), "unexpected 'extra'"),
    (
        lambda a: a.update({"bn1.bias": np.zeros(9, np.float32)}),
        r"'bn1.bias' has shape \(9,\), the model expects \(8,\)",
    ),
    (lambda a: a.update({"bn1.bias": np.full(8, np.nan)}), "'bn1.bias' holds NaN or infinity in 8 of 8"),
    (lambda a: a.update({"bn1.bias": np.full(8, 1e300)}), "'bn1.bias' holds NaN or infinity"),
    (lambda a: a.update({"bn1.bias": np.zeros(8, np.int32)}), "'bn1.bias' holds torch.int32"),
]


@pytest.mark.parametrize(("breakage", "message"), BREAKAGES)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_loading_refuses_content(
    tmp_path: Path, suffix: str, breakage: Callable[[Arrays], object], message: str
) -> None:
    arrays = _arrays()
    breakage(arrays)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(path, allow_pickle=False, **arrays)
    else:
        save_file({key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}, path)
    model = digits_cnn(2)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(model, path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert torch.equal(model.state_dict()["conv1.weight"], digits_cnn(2).state_dict()["conv1.weight"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([None] * 8), "not a readable .npz"),  # an object array, which only pickle could read
        (np.array(["a"] * 8), "'bn1.bias' holds <U1"),
        (np.zeros(100_000), "too many for shape"),
    ],
)
def test_npz_loading_refuses_members(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, allow_pickle=True, **(_arrays() | {"bn1.bias": array}))
    with pytest.raises(InputError, match=message):
        load_weights(digits_cnn(), path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("weights.pt", b"", "safetensors.torch.save_file"),
        ("weights.pth", b"", "safetensors.torch.save_file"),
        ("weights.npz", b"PK\x03\x04 cut off", "not a readable .npz"),
        ("weights.npz", b"", "not a readable .npz"),
        ("weights.safetensors", b"\xff" * 20, "not a readable safetensors"),
        ("weights.safetensors", b"", "not a readable safetensors"),
    ],
)
def test_loading_refuses_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_weights(digits_cnn(), tmp_path / name)


def test_loading_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_weights(digits_cnn(), tmp_path / "weights.npz")


def test_single_array_in_npz_clothing_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "weights.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="single array"):
        load_weights(digits_cnn(), tmp_path / "weights.npz")


@pytest.mark.parametrize("key", ["conv1.weight", "bn1.running_var"])
def test_check_finite_names_the_tensor(key: str) -> None:
    model = digits_cnn()
    model.state_dict()[key].view(-1)[0] = torch.inf
    with pytest.raises(InputError, match=f"'{key}' holds NaN or infinity in 1 of"):
        check_finite(model)
