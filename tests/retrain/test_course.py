"""The file of a training: what was written is read, whatever else is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dse.exceptions import InputError
from dse.retrain import Epoch
from dse.retrain._course import best_of, read_course, write_course

LOG = (Epoch(0, None, 0.5, 1.1, 0.25), Epoch(1, 0.1 + 0.2, 2 / 3, 1e-9, 3.0))


def test_tensors_and_log_come_back_to_the_bit(tmp_path: Path) -> None:
    shared = torch.rand(4, 3)
    state = {"a": shared.t(), "b": shared, "n": torch.tensor(7), "random": torch.get_rng_state()}
    write_course(tmp_path / "x.safetensors", state, LOG)
    found = read_course(tmp_path / "x.safetensors")
    assert found is not None and found[1] == LOG and found[0].keys() == state.keys()
    assert all(torch.equal(found[0][name], state[name]) and found[0][name].dtype == state[name].dtype for name in state)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_what_is_no_such_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    assert read_course(file) is None
    for content in (b"", b"nonsense" * 9):
        file.write_bytes(content)
        assert read_course(file) is None
    for header in (None, {"log": "["}, {"log": '[{"epoch": 1}]'}, {"other": "[]"}):
        save_file({"a": torch.zeros(2)}, file, metadata=header)
        assert read_course(file) is None


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_course(tmp_path / "no folder" / "x.safetensors", {"a": torch.zeros(1)}, LOG)


def test_by_accuracy_the_best_is_the_most_accurate_then_the_surest_then_the_first() -> None:
    log = (Epoch(0, None, 0.5, 1.0, 0), Epoch(1, 1.0, 0.6, 0.9, 0), Epoch(2, 1.0, 0.6, 0.8, 0), Epoch(3, 1.0, 0.6, 0.8, 0))
    assert [best_of(log[:count], "accuracy").epoch for count in (4, 2, 1)] == [2, 1, 0]


def test_by_loss_accuracy_says_nothing_and_the_first_of_equals_is_best() -> None:
    log = (Epoch(0, None, 0.7, 1.0, 0), Epoch(1, 1.0, 0.6, 0.8, 0), Epoch(2, 1.0, 0.9, 0.8, 0), Epoch(3, 1.0, 0.9, 0.9, 0))
    assert [best_of(log[:count], "loss").epoch for count in (4, 1)] == [1, 0]
