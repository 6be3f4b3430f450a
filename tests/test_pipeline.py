"""The whole flow at smoke size: what it writes, that it repeats itself, and whose network it takes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dse
from dse.comparison import compare_runs
from dse.config import RunConfig
from dse.exceptions import InputError
from dse.exports import design, to_optuna
from dse.inputs import constrained_space, load_inputs, open_choices
from dse.nn.datasets import load_dataset
from dse.nn.models import build_model
from dse.pareto import hypervolume, non_dominated
from dse.preparation import prepare
from dse.progress import ProgressDisplay
from dse.search import METHODS
from dse.variants import Choices
from dse.verification import verify

FIGURES = ("fronts", "hypervolume", "robustness", "errors", "assignments")


def smoke(**changes: object) -> RunConfig:
    """Return the demo at a size of seconds."""
    data: dict = {
        "space": {
            "name": "digits",
            "tiles": 3,
            "model": {"name": "digits-cnn"},
            "dataset": {"name": "digits", "train_images": 300, "calibration_images": 32, "search_images": 60},
            "training": {"epochs": 4},
            "multipliers": {"library": "catalogue", "include": ["dadda_trunc?u", "dadda_reduced?u", "drum4u"]},
        },
        "robustness": {"steps": 10},
        "error_model": {"patches": 64, "truth_images": 32},
        "search": {"evaluations": 15, "population": 4},
    }
    for key, value in changes.items():
        table = data
        *path, last = key.split("__")
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return dse.parse_config(data)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _private_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(cache))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_what_the_readme_promises(tmp_path: Path) -> None:
    outcome = dse.run(smoke(), out=tmp_path / "run")
    folder = tmp_path / "run"
    assert outcome.folder == folder
    written = {p.name for p in folder.iterdir()}
    tables = {"evaluations.csv", "front.csv", "uniform.csv", "robustness.csv", "errors.csv", "report.md", "savings.csv"}
    assert written >= {"config.toml", "manifest.json", "metrics.json", "figures", *tables}
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.png").stat().st_size > 1000
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    front = rows(folder / "front.csv")
    layers = ("conv1", "conv2", "conv3", "conv4", "conv5", "linear")
    columns = ("method", "rel_energy", "accuracy", "accuracy_loss_pp", "evaluation")
    assert tuple(front[0]) == (*columns, *layers, "search_accuracy", "accuracy_loss_se_pp")
    assert {row["method"] for row in front} == {"nsga2", "alwann", "random"}
    assert all(len({row[layer] for layer in layers}) <= 3 for row in front)
    evaluations = rows(folder / "evaluations.csv")
    for method in ("nsga2", "alwann", "random"):
        own = [row for row in evaluations if row["method"] == method]
        assert [int(row["evaluation"]) for row in own] == list(range(1, 16))
        assert len({tuple(row[layer] for layer in layers) for row in own}) == 15
    assert dse.load_config(folder / "config.toml") == outcome.config


def test_figures_agree_with_each_other(tmp_path: Path) -> None:
    outcome = dse.run(smoke(), out=tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    point = np.array([metrics["reference_point"][k] for k in ("rel_energy", "accuracy_loss_pp")])
    exact = metrics["baselines"]["quantised_accuracy"]
    for method, history in outcome.histories.items():
        assert metrics["hypervolume"][method] == hypervolume(history.objectives, point)
        front = [row for row in rows(tmp_path / "run" / "front.csv") if row["method"] == method]
        assert len(front) == non_dominated(history.objectives).sum()
        for row in front:
            assert float(row["accuracy_loss_pp"]) == 100 * (exact - float(row["accuracy"]))
            asked = history.objectives[int(row["evaluation"]) - 1]
            assert float(row["rel_energy"]) == asked[0]
    assert metrics["images"] == {"train": 300, "calibration": 32, "search": 60, "test": 360}
    assert set(metrics["error_model"]) == {"global", "multi-distribution", "direct"}
    assert 0 < metrics["library_floor"] < 1


def test_no_method_reports_a_design_beyond_the_bound_on_the_loss(tmp_path: Path) -> None:
    methods = [method for method in METHODS if method != "exhaustive"]
    out, bound = tmp_path / "run", 2.0
    outcome = dse.run(smoke(search__methods=methods, space__constraints={"max_accuracy_loss_pp": bound}), out=out)
    evaluated = {m: h.objectives[:, 1] for m, h in outcome.histories.items()}
    assert max(losses.max() for losses in evaluated.values()) > bound
    exact = 100 * json.loads((out / "metrics.json").read_text())["baselines"]["quantised_search_accuracy"]
    losses = [exact - 100 * float(row["search_accuracy"]) for row in rows(out / "front.csv")]
    assert losses and max(losses) <= bound + 1e-9
    uniform = [exact - 100 * float(row["search_accuracy"]) for row in rows(out / "uniform.csv")]
    assert uniform[0] == 0 and max(uniform) <= bound + 1e-9
    assert {row["method"] for row in rows(out / "front.csv")} == {m for m in methods if evaluated[m].min() <= bound}
    measured = {m.series.method: m for m in compare_runs([out]).measured}
    for method, value in outcome.metrics["hypervolume"].items():
        assert measured[method].volume == pytest.approx(value)
    if find_spec("optuna"):
        import optuna

        assert to_optuna(out, tmp_path / "optuna.db")
        study = optuna.load_study(study_name="run", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
        assert 0 < len(study.best_trials) and min(t.values[1] for t in study.best_trials) >= (exact - bound) / 100 - 1e-9


def test_fronts_by_the_loss_to_be_expected(tmp_path: Path) -> None:
    plain, expected = dse.run(smoke()), dse.run(smoke(search__fronts_by="expected-loss"), out=tmp_path / "run")
    for method, history in plain.histories.items():
        assert np.array_equal(history.population, expected.histories[method].population)  # searches are as they were
        front = expected.fronts[method]
        assert front.expected_loss_pp is not None and front.choosing_loss_pp is front.expected_loss_pp
        judged = np.column_stack([front.rel_energy, front.expected_loss_pp])  # without validation images: on search images
        assert non_dominated(judged).all() and len(front.population) > 1
    assert {row["chosen_by"] for row in rows(tmp_path / "run" / "savings.csv")} == {"expected search"}
    for row in rows(tmp_path / "run" / "front.csv"):
        found = expected.fronts[row["method"]].expected_loss_pp
        assert found is not None and float(row["expected_loss_pp"]) in found.tolist()
    assert "is expected to lose at most so much" in (tmp_path / "run" / "report.md").read_text()
    assert "expected_loss_pp" in design(tmp_path / "run", "nsga2", 0)


def test_energy_levels_change_the_scale_and_nothing_else(tmp_path: Path) -> None:
    plain, memory = dse.run(smoke()), dse.run(smoke(energy__level="memory"), out=tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    layers = rows(tmp_path / "run" / "energy.csv")
    spent = [sum(int(r["op_count"]) * float(r[f"{level}_pj"]) for r in layers) for level in ("multiplier", "memory")]
    assert metrics["energy"]["level"] == "memory"
    assert metrics["energy"]["multiplier_share"]["memory"] == pytest.approx(spent[0] / spent[1])
    assert {r["multiplier_pj"] for r in layers} == {str(metrics["energy"]["table"]["multiplier_pj"])}
    for method, history in plain.histories.items():
        assert np.array_equal(history.population, memory.histories[method].population)
        saved, of_multipliers = (1 - h.objectives[:, 0] for h in (memory.histories[method], history))
        assert saved == pytest.approx(of_multipliers * spent[0] / spent[1])
    assert 1 - memory.metrics["library_floor"] == pytest.approx(
        (1 - plain.metrics["library_floor"]) * spent[0] / spent[1]
    )


def test_an_energy_table_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'source = "ours"\nmultiplier_pj = 1\nadder_pj_per_bit = 0\nregister_pj_per_bit = 0\nwire_pj_per_bit_mm = 0\n'
        "pitch_mm = 0\nsram_pj_per_bit = 0\nrows = 1\ncolumns = 1\n"
    )
    outcome = dse.run(smoke(energy={"level": "memory", "table": str(tmp_path / "mine.toml")}))
    assert set(outcome.metrics["energy"]["multiplier_share"].values()) == {1}
    assert outcome.metrics["energy"]["table"]["source"] == "ours"
    plain = dse.run(smoke())
    assert plain.manifest["hashes"]["energy_table"] != outcome.manifest["hashes"]["energy_table"]
    assert np.array_equal(plain.fronts["nsga2"].rel_energy, outcome.fronts["nsga2"].rel_energy)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        dse.run(smoke(seed=seed), out=tmp_path / name)
    for table in ("front.csv", "evaluations.csv"):
        first, second, other = ((tmp_path / name / table).read_bytes() for name in "abc")
        assert first == second
        assert first != other


def test_a_private_cache_does_not_change_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dse.run(smoke(), out=tmp_path / "cached")
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "empty"))
    dse.run(smoke(), out=tmp_path / "fresh")
    assert (tmp_path / "cached" / "front.csv").read_bytes() == (tmp_path / "fresh" / "front.csv").read_bytes()


def test_a_profile_is_learned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other multipliers, the same; not with another seed of it."""
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    first = prepare(load_inputs(smoke()), ProgressDisplay.silent())
    monkeypatch.setattr("dse.preparation.profile_by_name", lambda *_, **__: pytest.fail("learned"))
    again = prepare(load_inputs(smoke(space__multipliers__include=["drum4u"])), ProgressDisplay.silent())
    assert (again.profile.sigma == first.profile.sigma).all() and again.profiles.keys() == first.profiles.keys()
    with pytest.raises(pytest.fail.Exception, match="learned"):
        prepare(load_inputs(smoke(robustness__steps=11)), ProgressDisplay.silent())


@pytest.mark.parametrize("format_name", ["u8", "s8"])
def test_other_operand_formats(format_name: str) -> None:
    names = [f"dadda_{stem}?{'s' if format_name == 's8' else 'u'}" for stem in ("trunc", "reduced")]
    config = smoke(space__quantisation={"format": format_name}, space__multipliers={"include": names})
    outcome = dse.run(config)
    baselines = outcome.metrics["baselines"]
    assert abs(baselines["quantised_accuracy"] - baselines["float_accuracy"]) < 0.05
    assert outcome.folder is None


def test_quantisation_aware_fine_tuning_and_training_with_noise() -> None:
    config = smoke(space__quantisation={"fine_tune_epochs": 1}, robustness={"steps": 5, "train": "all"})
    plain = dse.run(smoke()).metrics["baselines"]
    tuned = dse.run(config).metrics["baselines"]
    assert tuned["float_accuracy"] == plain["float_accuracy"]
    assert tuned["quantised_accuracy"] != plain["quantised_accuracy"] or tuned != plain


def test_the_callers_own_module_and_arrays() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1, 2, 3)).astype(np.float32)
    y = (x.sum(axis=(1, 2, 3)) > 0).astype(np.int64)
    dataset = dse.arrays_dataset(x[:100], y[:100], x[100:], y[100:], name="mine")
    config = smoke(
        space__model={},
        space__dataset={"calibration_images": 16, "search_images": 32},
        space__layers={"exclude": ["3"]},
        search__methods=["exhaustive"],
    )
    said = io.StringIO()
    outcome = dse.run(config, model=network, dataset=dataset, display=dse.ProgressDisplay(said))
    assert "search exhaustive: done in" in said.getvalue()
    assert outcome.space.layers == ("1",)
    assert outcome.manifest["model"] == "Sequential"
    assert outcome.histories["exhaustive"].stopped in ("exhausted", "budget")


def test_a_network_and_data_named_by_import_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def build(width):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(1, width, 3), torch.nn.Flatten(), torch.nn.Linear(4 * width, 2))\n"
        "def data():\n"
        "    g = torch.Generator().manual_seed(0)\n"
        "    x, y = torch.randn(90, 1, 4, 4, generator=g), torch.arange(90) % 2\n"
        "    make = lambda a, b: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x[a:b], y[a:b]), batch_size=7)\n"
        "    return make(0, 70), make(70, 90)\n"
    )
    (tmp_path / "run.toml").write_text(
        "[space.model]\nfactory = 'mine.py:build'\narguments = {width = 3}\n"
        "[space.dataset]\nfactory = 'mine.py:data'\ncalibration_images = 8\nsearch_images = 16\n"
        "[robustness]\nsteps = 2\n[search]\nevaluations = 5\npopulation = 2\n"
    )
    outcome = dse.run(dse.load_config(tmp_path / "run.toml"))
    assert outcome.space.layers == ("0", "2")
    assert outcome.metrics["images"] == {"train": 46, "calibration": 8, "search": 16, "test": 20}


def test_weights_that_are_not_finite_are_named() -> None:
    network = build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10)
    with torch.no_grad():
        network.conv2.weight[0] = float("nan")
    with pytest.raises(InputError, match="conv2.weight"):
        load_inputs(smoke(), model=network, dataset=load_dataset("digits"))


FAULTY = """
import torch
def raises(): raise RuntimeError("no such luck")
def three_channels(): return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 10))
def five_classes(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5))
def double(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).double()
def single(): return torch.nn.Linear(8, 10)
class Two(torch.nn.Module):
    def __init__(self): super().__init__(); self.fc = torch.nn.Linear(64, 10)
    def forward(self, x): return self.fc(x.flatten(1)), x
class Clash(torch.nn.Module):
    def __init__(self): super().__init__(); self.accuracy = torch.nn.Linear(64, 10)
    def forward(self, x): return self.accuracy(x.flatten(1))
number = 3
def needs(n): return torch.nn.Linear(n, 2)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "no such luck"),
        ("three_channels", "does not take images"),
        ("five_classes", "n_classes"),
        ("double", "does not take images"),
        ("single", "space.model"),
        ("Two", "does not take images"),
        ("Clash", "accuracy"),
        ("number", "no function"),
        ("needs", "arguments"),
        ("missing", "no function"),
    ],
)
def test_networks_that_do_not_fit_are_refused_before_the_run(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text(FAULTY)  # called like a module of the standard library
    config = smoke(space__model={"factory": f"{tmp_path / 'random.py'}:{name}"}, space__training={"epochs": 1})
    with pytest.raises(InputError, match=message) as caught:
        load_inputs(config)
    assert "space.model" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_does_not_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def build(:\n")
    with pytest.raises(InputError, match="space.model.factory.*broken.py.*SyntaxError"):
        load_inputs(smoke(space__model={"factory": f"{tmp_path / 'broken.py'}:build"}))


def test_what_stays_in_float_is_said() -> None:
    class Own(nn.Linear):
        pass

    network = nn.Sequential(nn.Conv1d(8, 8, 1), nn.Flatten(), Own(64, 12), nn.Linear(12, 2))
    x = np.random.default_rng(0).normal(size=(80, 8, 8)).astype(np.float32)
    dataset = dse.arrays_dataset(x[:60], np.arange(60) % 2, x[60:], np.arange(20) % 2, name="rows")
    config = smoke(space__model={}, space__dataset={"calibration_images": 8, "search_images": 16})
    inputs = load_inputs(config, model=network, dataset=dataset)
    assert (inputs.layers, inputs.float_layers) == (("3",), ("0", "2"))


def test_the_callers_network_is_left_as_it_is() -> None:
    network = build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_inputs(smoke(), model=network, dataset=load_dataset("digits"))
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space__model": {"name": "digit-cnn"}}, "digits-cnn"),
        ({"space__dataset": {"name": "digit"}}, "digits"),
        ({"search__methods": ["nsga"]}, "did you mean 'nsga3'"),
        ({"energy__level": "arry"}, "energy.level: unknown energy level 'arry'; did you mean 'array'?"),
        ({"energy__table": "nowhere.toml"}, "energy.table: nowhere.toml: no such file"),
        ({"search__methods": ["random", "random"]}, "once"),
        ({"space__multipliers": {"include": ["dadda_trunk5u"]}}, "dadda_trunc5u"),
        ({"space__layers": {"include": ["conv9"]}}, "conv"),
        ({"space__layers": {"exclude": ["*"]}}, "no approximable layer"),
        ({"space__dataset": {"name": "digits", "search_images": 100000}}, "space.dataset.search_images"),
        ({"space__dataset": {"name": "digits", "validation_images": 100000}}, "space.dataset.validation_images: expected 1"),
        ({"space__dataset": {"name": "npz", "path": "nowhere.npz"}}, "space: nowhere.npz: no such file"),
        ({"space__dataset": {"name": "npz"}}, "space: dataset.path: not set"),
        ({"search__methods": ["exhaustive"]}, "search.methods: exhaustive"),
        ({"space__multipliers": {"library": "nowhere"}}, "space.multipliers: "),
        ({"space__model": {"factory": "nowhere.to:be_found"}}, "space.model.factory"),
        ({"space__model": {}}, "space.model"),
        ({"space__constraints": {"forbidden": {"*": ["dadda8u"]}}}, "space.constraints: forbidden: .* names the exact"),
        (
            {"space__constraints": {"allowed": {"conv1": ["dadda_trunc5u"]}, "forbidden": {"conv1": ["dadda_trunc*"]}}},
            "space.constraints: layer 'conv1': what is allowed there is forbidden there as well",
        ),
        ({"compensation__methods": ["moments"], "compensation__images": 10_000}, "compensation.images: expected at most"),
        (
            {"space__quantisation": {"format": "s8"}, "space__multipliers": {"signed": False, "include": ["drum9u"]}},
            "drum",
        ),
    ],
)
def test_mistakes_are_refused_in_one_line_and_nothing_is_written(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        dse.run(smoke(**changes), out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="exists"):
            dse.run(smoke(), out=tmp_path / "run", overwrite=overwrite)
    assert (tmp_path / "run" / "precious").exists()


def test_unsigned_multipliers_do_not_serve_signed_weights_in_sm8() -> None:
    config = smoke(space__multipliers={"signed": True, "include": ["*"]}).space
    with pytest.raises(InputError, match="signed"):
        open_choices(config.multipliers, "sm8")


def test_compensation_changes_losses_and_neither_energy_nor_the_exact_network(tmp_path: Path) -> None:
    plain = dse.run(smoke())
    wanted = {"compensation__methods": ["affine", "moments"], "compensation__images": 32}
    config = smoke(**wanted)
    outcome = dse.run(config, out=tmp_path / "run")
    parallel = dse.run(config, out=tmp_path / "parallel", execution=dse.execution.Execution(jobs=2))
    assert outcome.metrics["baselines"] == plain.metrics["baselines"]
    uniform, before = outcome.uniform, plain.uniform
    assert (uniform.rel_energy == before.rel_energy).all()
    assert (uniform.search_loss_pp != before.search_loss_pp).any() and uniform.search_loss_pp[0] == 0
    for name in ("front.csv", "evaluations.csv", "uniform.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "parallel" / name).read_bytes()
    assert parallel.manifest["evaluator"] == outcome.manifest["evaluator"] != plain.manifest["evaluator"]
    assert {design.verdict for design in verify(tmp_path / "run", designs=3).designs} == {"identical"}


VARIED = {
    "library": "catalogue",
    "include": ["booth_t3u", "loba1_k4u"],
    "weight_tuning": False,
    "variants": {"order": True, "x_clip": [50], "tuning": ["uniform", "histogram"]},
}


def test_variants_are_choices_like_any_other_and_can_be_built_from_what_is_exported(tmp_path: Path) -> None:
    plain = dse.run(smoke(space__multipliers={**VARIED, "variants": None}))
    found = dse.run(smoke(space__multipliers=VARIED, space__tiles=2), out=tmp_path / "run")
    assert {"booth_t3u.swap.x50.histogram", "loba1_k4u.swap", *plain.space.multipliers} < set(found.space.multipliers)
    energies = dict(zip(found.space.multipliers, found.space.rel_energy, strict=True))
    for name, energy in energies.items():
        assert energy == plain.library.rel_energy[plain.library.index(name.partition(".")[0])]
    assert found.manifest["evaluator"] != plain.manifest["evaluator"]
    for history in found.histories.values():
        for row in history.population:
            circuits = {found.space.multipliers[m].partition(".")[0] for m in row}
            assert len(circuits) <= 2
    chosen = np.unique(np.vstack([front.population for front in found.fronts.values()]))
    assert any("." in found.space.multipliers[m] for m in chosen)
    for method in found.fronts:
        exported = design(tmp_path / "run", method, 0)
        for layer, name in exported["assignment"].items():
            built = exported["layers"][layer]
            assert built["circuit"] == name.partition(".")[0] and len(built["table_sha256"]) == 64
            assert (built["first_operand"] == "weight") == (".swap" in name)
            assert (built["x_clip"], built["w_clip"]) == (50 if ".x50" in name else 100, 100)
            assert built["tuning"] == next((kind for kind in ("uniform", "histogram") if name.endswith(kind)), "none")
    checked = verify(tmp_path / "run", designs=4)
    assert [v.verdict for v in checked.designs] == ["identical"] * len(checked.designs)


def test_clipping_needs_a_format_whose_magnitudes_fill_the_circuits_range() -> None:
    """In s8, magnitudes end at 127: unsigned circuits would get twice the codes for nothing, and clip nothing."""
    space = {"space__multipliers": {**VARIED, "signed": False}, "space__quantisation": {"format": "s8"}}
    with pytest.raises(InputError, match="space.multipliers.variants: expected no x_clip and w_clip of unsigned .*; set"):
        dse.run(smoke(**space))


def test_exact_multipliers_of_reduced_width_are_per_layer_mixed_precision(tmp_path: Path) -> None:
    variants = {"order": True, "x_clip": [50], "w_clip": [80], "tuning": ["histogram"]}
    library = {"library": "widths", "include": ["exact[34]x3", "exact5x4"], "weight_tuning": False, "variants": variants}
    found = dse.run(smoke(space__multipliers=library, space__tiles=2), out=tmp_path / "run")
    names = found.space.multipliers
    assert names[0] == "exact8x8" and {"exact5x4", "exact5x4.x50w80", "exact5x4.swap.x50.histogram"} < set(names)
    for history in found.histories.values():
        for row in history.population:
            assert len({names[m].partition(".")[0] for m in row}) <= 2
    assert len(found.uniform.rel_energy) == 4  # one for each circuit
    assert {v.verdict for v in verify(tmp_path / "run", designs=2).designs} == {"identical"}


def test_reduced_widths_beside_another_library() -> None:
    """The dearer of the two exact circuits is the reference."""
    patterns = ["dadda_trunc6u", "dadda_trunc8u", "exact5x4"]
    also: dict[str, Any] = {"also": ["widths"], "include": patterns, "weight_tuning": False}
    both = load_inputs(smoke(space__multipliers={**also, "library": "catalogue", "variants": {"order": True}}))
    assert set(both.library.names) == {"exact8x8", "dadda_trunc6u", "dadda_trunc8u", "exact5x4", "exact5x4.swap"}
    with pytest.raises(InputError, match="space.multipliers: multiplier library: the name '.*' comes 2 times"):
        load_inputs(smoke(space__multipliers={**also, "library": "widths"}))
    with pytest.raises(InputError, match="also"):
        smoke(space__multipliers={"also": ["exact"]})


def test_reduced_widths_are_unsigned() -> None:
    with pytest.raises(InputError, match="space.multipliers: library 'widths': its operands are unsigned"):
        load_inputs(smoke(space__multipliers={"library": "widths"}, space__quantisation={"format": "s8"}))


def test_a_run_without_variants_writes_nothing_of_them(tmp_path: Path) -> None:
    dse.run(smoke(), out=tmp_path / "run")
    assert not (tmp_path / "run" / "variants.json").exists()
    assert "layers" not in design(tmp_path / "run", "nsga2", 0)
    assert "variants" not in (tmp_path / "run" / "config.toml").read_text()


def test_constraints_may_name_a_variant_that_is_dropped_as_a_twin() -> None:
    limits = {
        "allowed": {"a": ["loba1_k4u.histogram"]},
        "forbidden": {"b": ["booth_t3u*", "*.histogram"], "c": ["loba1_k4u"]},
    }
    config = smoke(space__multipliers=VARIED, space__constraints=limits)
    asked = open_choices(config.space.multipliers, "sm8")
    dropped = [m for m, choice in enumerate(asked.items) if choice.multiplier.name == "loba1_k4u.histogram"]
    twin = [choice.multiplier.name for choice in asked].index("loba1_k4u")
    items = tuple(choice for m, choice in enumerate(asked.items) if m not in dropped)
    left = replace(asked, items=items, twins=(("loba1_k4u.histogram", twin),))
    assert isinstance(left, Choices)
    space = constrained_space(config, left, ("a", "b", "c"), np.array([1, 1, 1]))
    allowed = [{space.multipliers[m] for m in np.flatnonzero(row)} for row in space.choices]
    assert allowed[0] == {space.multipliers[0], "loba1_k4u"}
    assert allowed[1] == {n for n in space.multipliers if not n.startswith("booth_t3u") and not n.endswith(".histogram")}
    assert "loba1_k4u" in allowed[1] and allowed[2] == set(space.multipliers) - {"loba1_k4u"}
    assert space.circuits is not None and space.tile_limit == 3


def test_a_pattern_of_no_variant_is_refused() -> None:
    with pytest.raises(InputError, match=r"space.constraints: .*unknown multiplier 'loba1_k4u.histogran'"):
        load_inputs(
            smoke(
                space__multipliers=VARIED,
                space__constraints={"forbidden": {"*": ["loba1_k4u.histogran"]}},
            )
        )
