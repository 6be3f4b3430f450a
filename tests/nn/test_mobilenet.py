"""MobileNetV2 against torchvision's own, against published counts, and on its way to another process."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn._vision import import_torchvision
from dse.nn.convert import quantize
from dse.nn.models import build_model, load_weights, mobilenetv2, save_weights
from tests.nn.test_models import multiplications, parameters

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def torchvision() -> Iterator[Any]:
    try:
        yield import_torchvision()
    except InputError:
        pytest.skip("torchvision is not installed")


def build(size: int = 32, channels: int = 3, n_classes: int = 10) -> Any:
    return build_model("mobilenetv2", in_shape=(channels, size, size), n_classes=n_classes).eval()


def images(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_large_images_get_torchvisions_network(torchvision: Any) -> None:
    ours, theirs = build(128), torchvision.models.mobilenet_v2(num_classes=10).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        assert torch.equal(ours(images(128)), theirs(images(128)))


@pytest.mark.parametrize(
    ("size", "pixels"), [(16, 2), (28, 4), (32, 4), (63, 8), (64, 4), (96, 6), (127, 8), (128, 4), (224, 7)]
)
def test_strides_leave_a_small_map_of_any_image(size: int, pixels: int) -> None:
    with torch.inference_mode():
        assert build(size).features(torch.zeros(1, 3, size, size)).shape == (1, 1280, pixels, pixels)


def test_the_shorter_side_counts() -> None:
    model = build_model("mobilenetv2", in_shape=(3, 32, 128), n_classes=3).eval()
    with torch.inference_mode():
        assert model.features(torch.zeros(1, 3, 32, 128)).shape == (1, 1280, 4, 16)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("size", "n_classes", "million", "weights"),
    [
        (32, 10, 87.98, 2_236_682),  # chenyaofo/pytorch-cifar-models: 87.98 M, 2.24 M
        (224, 1000, 300.8, 3_504_872),  # Sandler et al. 2018, table 4: 300 M, 3.4 M; parameters as torchvision states
    ],
)
def test_counts_are_the_published_ones(size: int, n_classes: int, million: float, weights: int) -> None:
    model = build(size, n_classes=n_classes)
    counts = multiplications(model, (3, size, size))
    assert len(counts) == 53
    assert sum(counts) / 1e6 == pytest.approx(million, abs=0.05)
    assert parameters(model) == weights


def test_small_and_large_images_share_their_weights() -> None:
    """Strides are no parameters: what was trained on large images is a start for small ones, but for the last layer."""
    published, ours = build(224, n_classes=1000).state_dict(), build(64, n_classes=200).state_dict()
    assert published.keys() == ours.keys()
    others = {key for key, tensor in ours.items() if published[key].shape != tensor.shape}
    assert others == {"classifier.1.weight", "classifier.1.bias"}


def test_grey_images_have_a_stem_of_their_own() -> None:
    grey, colour = build(28, channels=1).state_dict(), build(28).state_dict()
    assert grey["features.0.0.weight"].shape == (32, 1, 3, 3)
    assert {key for key, tensor in grey.items() if colour[key].shape != tensor.shape} == {"features.0.0.weight"}


def test_width_narrows_the_network() -> None:
    narrow = mobilenetv2([3, 32, 32], 10, width=0.5)  # type: ignore[arg-type]  # as TOML gives it
    assert narrow.state_dict()["features.1.conv.1.weight"].shape == (8, 16, 1, 1)
    assert parameters(narrow) == 700_490  # chenyaofo/pytorch-cifar-models, mobilenetv2_x0_5: 0.70 M


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_width_is_refused(width: float) -> None:
    with pytest.raises(InputError, match="expected a width above 0"):
        mobilenetv2((3, 32, 32), 10, width=width)


def test_weights_survive_saving(tmp_path: Path) -> None:
    first, second = build(), mobilenetv2((3, 32, 32), 10)
    save_weights(first, tmp_path / "weights.safetensors")
    load_weights(second, tmp_path / "weights.safetensors")
    with torch.inference_mode():
        assert torch.equal(second.eval()(images(32)), first(images(32)))


def test_the_documents_way_to_start_from_published_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torchvision: Any
) -> None:
    published = torchvision.models.mobilenet_v2().state_dict()
    torch.save(published, tmp_path / "mobilenet_v2-b0353104.pth")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], {})
    model = build(64, n_classes=200)
    load_weights(model, tmp_path / "start.safetensors")
    same = {key for key, tensor in model.state_dict().items() if torch.equal(tensor, published[key])}
    assert model.state_dict().keys() - same == {"classifier.1.weight", "classifier.1.bias"}


def test_another_process_receives_the_network(tmp_path: Path) -> None:
    """Also where a plain `import torchvision` fails, as with a wheel that does not fit torch."""
    model: nn.Module = quantize(build(), images(32))
    with torch.inference_mode():
        torch.save(model(images(32)), tmp_path / "outputs.pt")
    torch.save(images(32), tmp_path / "images.pt")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    code = (
        "import pickle, torch\n"
        "torch.set_num_threads(1)\n"
        "model = pickle.load(open('model.pkl', 'rb'))\n"
        "with torch.inference_mode():\n"
        "    print(torch.allclose(model(torch.load('images.pt')), torch.load('outputs.pt'), atol=1e-4))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "True\n", done.stderr


def test_names_are_listed_without_torchvision() -> None:
    code = "import sys, dse.catalogue as c; dict(c.LISTS['models']()); print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


def test_absent_torchvision_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InputError, match=r"pip install dse\[vision\]"):
        build()
