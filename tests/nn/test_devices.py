"""Where networks are trained."""

from __future__ import annotations

import pytest
import torch

from dse.exceptions import InputError
from dse.nn.devices import device_name, find_device


def test_the_cpu_is_always_here() -> None:
    assert find_device("cpu", "key") == torch.device("cpu")
    assert device_name(torch.device("cpu")) == "cpu"


@pytest.mark.parametrize(("count", "text"), [(0, "no CUDA device"), (1, "1 CUDA device"), (2, "2 CUDA devices")])
def test_says_what_is_here_instead(monkeypatch: pytest.MonkeyPatch, count: int, text: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match=f"^key: 'cuda:2' cannot be used, PyTorch finds {text} here; set it to cpu$"):
        find_device("cuda:2", "key")


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_gpus_by_number(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device(name, "key") == torch.device(name)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:-1", "cudafoo", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="^--device: expected cpu, cuda or cuda:NUMBER, got"):
        find_device(name, "--device")
