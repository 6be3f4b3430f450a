"""Operating points survive their folder; a broken one is named by file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._points_file import EXPECTED, Rated, StoredPoints, read_points, write_points


def stored(images: int = 7) -> StoredPoints:
    """Return two points and one design of a front, of two layers."""
    exact = np.arange(images) < images - 1

    def rated(names: tuple[str, ...], energy: list[float], loss: list[float]) -> Rated:
        right = np.stack([exact & (np.arange(images) > i) for i in range(len(names))])
        test = 100 * (exact.mean() - right.mean(axis=1))
        losses = {EXPECTED: np.array(loss), "search": np.array(loss) + 0.5, "test": test}
        return Rated(names, np.array(energy), losses, right)

    return StoredPoints(
        layers=("first", "second"),
        instances=("exact", "loa9u"),
        assignments=(("exact", "loa9u"), ("loa9u", "loa9u")),
        points=rated(("point 0", "point 1"), [0.6, 0.3], [0.1, 2.0]),
        front=rated(("nsga2 4",), [0.4], [1.0]),
        exact=exact,
        facts={"run": "tiny", "evaluations": 12},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_points(stored(), [[0.6, 0.1, "exact", "loa9u"]], tmp_path / "points")


def test_round_trip(folder: Path) -> None:
    there, back = stored(), read_points(folder)
    for name in ("layers", "instances", "assignments", "facts"):
        assert getattr(back, name) == getattr(there, name)
    assert np.array_equal(back.exact, there.exact)
    for one, other in ((there.points, back.points), (there.front, back.front)):
        assert one.names == other.names and np.array_equal(one.right, other.right)
        assert np.array_equal(one.rel_energy, other.rel_energy)
        assert {k: v.tolist() for k, v in one.loss_pp.items()} == {k: v.tolist() for k, v in other.loss_pp.items()}
    designs = back.designs(back.points)
    assert designs.loss_pp.tolist() == [0.1, 2.0] and designs.names == ("point 0", "point 1")


def test_tables(folder: Path) -> None:
    losses = stored().points.loss_pp["test"].tolist()
    assert (folder / "points.csv").read_text().splitlines() == [
        "point,rel_energy,expected_loss_pp,search_loss_pp,test_loss_pp,first,second",
        f"point 0,0.6,0.1,0.6,{losses[0]},exact,loa9u",
        f"point 1,0.3,2.0,2.5,{losses[1]},loa9u,loa9u",
    ]
    assert (folder / "evaluations.csv").read_text().splitlines()[1] == "0.6,0.1,exact,loa9u"


def test_a_front_may_be_empty(tmp_path: Path) -> None:
    there = stored()
    none = Rated((), np.zeros(0), {}, np.zeros((0, 7), dtype=bool))
    write_points(StoredPoints(**{**vars(there), "front": none}), [], tmp_path / "points")
    assert read_points(tmp_path / "points").front.names == ()


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="1"), "points.json: key 'format': expected 'dse operating points 1', got '1'"),
        (lambda d: d.pop("format"), "key 'format' is missing"),
        (lambda d: d.update(layers="first"), "key 'layers': expected a list of names"),
        (lambda d: d.update(points=[]), "key 'points': expected a list of objects"),
        (lambda d: d["points"].pop(), "key 'points': has 1 designs, right.npz beside it 2"),
        (lambda d: d["points"][1].pop("rel_energy"), "points.json: points 1: key 'rel_energy' is missing"),
        (lambda d: d["points"][0]["loss_pp"].pop("expected"), "points 0: key 'loss_pp.expected' is missing"),
        (
            lambda d: d["points"][0]["loss_pp"].update(search=None),
            "points 0: key 'loss_pp.search': expected a finite number",
        ),
        (lambda d: d["points"][1]["assignment"].pop("first"), "points 1: key 'assignment.first' is missing"),
        (lambda d: d["points"][1]["assignment"].update(third="exact"), "points 1: key 'assignment': expected the layers"),
        (lambda d: d["points"][1]["assignment"].update(first="mine"), "key 'assignment.first': 'mine' is none of the inst"),
        (lambda d: d.update(instances=["exact", "mine"]), "'loa9u' is none of the instances"),
        (lambda d: d.update(instances=["exact", "exact"]), "key 'instances': expected printable names, each once, got 'ex"),
        (lambda d: d.update(layers=["first", "first"]), "key 'layers': expected printable names, each once, got 'first'"),
        (lambda d: d["points"][1].update(name="point 0"), "key 'points': expected printable names, each once, got 'point"),
        (lambda d: d["points"][1].update(name="a\nb"), "key 'points': expected printable names"),
        (lambda d: d["points"].reverse(), "points 0: key 'loss_pp.test': has .* right.npz beside it makes"),
        (lambda d: d["front"][0]["loss_pp"].update(test=0), "front 0: key 'loss_pp.test': has 0 pp, right.npz"),
        (lambda d: d["points"][0].update(rel_energy=0.2), "key 'points': expected falling energies and rising expected"),
        (lambda d: d["points"][0]["loss_pp"].update(expected=-500), "key 'loss_pp.expected': expected pp of an acc"),
        (lambda d: d["points"][1].update(rel_energy=-1), "points 1: key 'rel_energy': expected 0 or more, got -1"),
    ],
)
def test_a_broken_file_is_named(folder: Path, change: Change, message: str) -> None:
    path = folder / "points.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        read_points(folder)


def test_variants_are_of_the_instances(tmp_path: Path) -> None:
    other = {"assignments": (("exact", "loa9u.swap"),) * 2, "variants": {"loa9u.swap": "loa9u"}}
    there = StoredPoints(**{**vars(stored()), **other})
    folder = write_points(there, [], tmp_path / "points")
    assert read_points(folder).variants == {"loa9u.swap": "loa9u"}
    data = json.loads((folder / "points.json").read_text())
    for variants, message in (({"loa9u.swap": "mine"}, "variants.loa9u.swap': expected its circuit, got 'mine'"),
                              ({}, "'loa9u.swap' is none of the instances")):  # fmt: skip
        (folder / "points.json").write_text(json.dumps({**data, "variants": variants}))
        with pytest.raises(InputError, match=message):
            read_points(folder)


def test_damaged_answers_are_named(folder: Path) -> None:
    path = folder / "right.npz"
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    np.save(folder / "one.npy", np.ones(7, dtype=bool))
    damaged = [b"", whole[:200], (folder / "one.npy").read_bytes()]
    for _ in range(300):
        flipped = bytearray(whole)
        for place in rng.integers(len(whole), size=3):
            flipped[place] = rng.integers(256)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        try:
            read_points(folder)  # some bytes mean nothing
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    for content in damaged[:3]:
        path.write_bytes(content)
        with pytest.raises(InputError, match="right.npz: cannot be read: .*; choose the points again"):
            read_points(folder)


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere/points.json: no such file; expected a folder that `dse qos choose`"):
        read_points(tmp_path / "nowhere")
    np.savez_compressed(folder / "right.npz", exact=np.ones(7), points=np.ones((2, 7), dtype=bool), front=np.ones((1, 7)))
    with pytest.raises(InputError, match="right.npz: 'exact': expected bool with 7 images, got float64"):
        read_points(folder)
    (folder / "right.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="right.npz: cannot be read"):
        read_points(folder)
    (folder / "right.npz").unlink()
    with pytest.raises(InputError, match="right.npz: no such file; choose the operating points again"):
        read_points(folder)
