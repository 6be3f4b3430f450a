from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.store import Evaluation
from dse.store._evaluation import checksum, from_row, keys_of, to_row
from tests.store.samples import EVALUATOR, designs, evaluation_of


@pytest.mark.parametrize("number", [0, 1, 9, 700])
def test_a_row_gives_its_evaluation_back(number: int) -> None:
    e = evaluation_of(number)
    stored, _, *content = to_row(e)
    assert from_row([stored, *content]) == e


@pytest.mark.parametrize("value", [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2.0])
def test_figures_keep_every_digit(value: float) -> None:
    stored, _, *content = to_row(Evaluation((1,), "lut", "e", {"accuracy": value}))
    (read,) = from_row([stored, *content]).figures.values()
    assert math.copysign(1, read) == math.copysign(1, value) and read == value


def test_any_change_of_any_column_breaks_the_checksum() -> None:
    stored, _, *content = to_row(evaluation_of(3))
    for i, value in enumerate(content):
        for other in {str: ("", f"{value}x"), bytes: (b"", b"\0"), float: (1e9, None), int: (7,)}.get(type(value), ("x",)):
            with pytest.raises(ValueError, match="checksum"):
                from_row([stored, *content[:i], other, *content[i + 1 :]])
    with pytest.raises(ValueError, match="checksum"):
        from_row([stored[:-1] + b"\0", *content])


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '{"a": "1"}', "[1.0]", '{"a": true}', "{"])
def test_content_that_is_no_figures_is_refused_whatever_its_checksum(text: str) -> None:
    _, _, *content = to_row(evaluation_of(3))
    content[3] = text
    with pytest.raises(ValueError):
        from_row([checksum(content), *content])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, b"odd"),
        (0, "text"),
        (1, "a\x1b[2J"),
        (2, 7),
        (3, None),
        (4, "both"),
        (5, math.inf),
        (5, 1),
        (6, "a\nb"),
        (7, 1.0),
        (8, math.nan),
    ],
)
def test_a_column_that_is_none_of_ours_is_refused_whatever_its_checksum(column: int, value: object) -> None:
    _, _, *content = to_row(evaluation_of(3))
    content[column] = value
    with pytest.raises((ValueError, TypeError)):
        from_row([checksum(content), *content])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": {"accuracy": math.nan}}, "finite"),
        ({"figures": {"accuracy": math.inf}}, "finite"),
        ({"figures": {"a\nb": 1.0}}, "name of a figure"),
        ({"figures": {}}, "both or neither"),
        ({"error": "why"}, "both or neither"),
        ({"seconds": -1.0}, "seconds"),
        ({"seconds": math.nan}, "seconds"),
        ({"attempt": 0}, "attempt"),
        ({"fidelity": ""}, "fidelity"),
        ({"fidelity": "a\nb"}, "fidelity"),
        ({"evaluator": "x" * 2000}, "evaluator"),
        ({"worker": "a\0"}, "worker"),
        ({"finished": math.inf}, "finished"),
        ({"assignment": ()}, "population"),
        ({"assignment": (-1,)}, "0 to 65535"),
        ({"assignment": (65536,)}, "0 to 65535"),
        ({"assignment": (0.5,)}, "integers"),
    ],
)
def test_what_cannot_be_kept_is_the_callers_mistake(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_row(dataclasses.replace(evaluation_of(0), **change))  # type: ignore[arg-type]


def test_a_reason_becomes_one_line() -> None:
    e = Evaluation((1,), "lut", "e", error="Traceback\n  x\t\ud800\x1b[31m" + "y" * 5000)
    error = to_row(e)[6]
    assert "\n" not in error and error.isprintable() and len(error) == 1000 and error.startswith("Traceback x ?")


def test_keys_differ_by_assignment_fidelity_and_evaluator() -> None:
    population = designs(50)
    keys = keys_of(population, "lut", EVALUATOR) + keys_of(population, "test", EVALUATOR) + keys_of(population, "lut", "f")
    assert len(set(keys)) == 150
    assert keys[:50] == keys_of(population.astype(np.uint8), "lut", EVALUATOR)


@pytest.mark.parametrize("population", [np.zeros(3, int), np.zeros((2, 3)), np.zeros((2, 0), int), np.full((1, 1), 1 << 16)])
def test_a_population_of_another_shape_is_refused(population: np.ndarray) -> None:
    with pytest.raises(InputError, match="population"):
        keys_of(population, "lut", EVALUATOR)
