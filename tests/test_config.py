"""The configuration: what a file may say, and one line for everything it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dse.config import RunConfig, VariantsConfig, load_config, parse_config, space_folders
from dse.exceptions import InputError
from dse.run_folder import write_toml

SPACE = """
[model]
name = "digits-cnn"
[dataset]
name = "digits"
"""
INLINE = SPACE.replace("[", "[space.")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of no importance."""
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, text: str, name: str = "run.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(call: Any) -> str:
    """Return the message of the InputError that `call` raises: one line."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


def refused(folder: Path, text: str, **options: Any) -> str:
    path = write(folder, text)
    message = refusal(lambda: load_config(path, **options))
    assert message.startswith((f"{path}: ", "--set "))
    return message


# -- what is read ------------------------------------------------------------------------------------------------------


def test_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, INLINE, "mine.toml"))
    assert (config.name, config.seed, config.space.name) == ("mine", 0, "unnamed")
    assert config.space.model.name == "digits-cnn" and config.search.methods == ["nsga2", "alwann", "random"]


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("spaces/own.toml", "spaces/own.toml"),  # a path from the file's folder
        ("search_spaces/own.toml", "own"),  # a name beside the file
        ("../search_spaces/own.toml", "own"),  # beside its folder
    ],
)
def test_space_in_a_file_of_its_own(tmp_path: Path, where: str, named: str) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    write(folder, "tiles = 3\n" + SPACE.replace("[dataset]", 'weights = "w.npz"\n[dataset]'), where)
    config = load_config(write(folder, f'space = "{named}"'))
    assert (config.space.name, config.space.tiles) == ("own", 3)
    assert config.space.model.weights == ((folder / where).parent / "w.npz").resolve()


def test_space_by_a_name_of_the_checkout_and_its_own_name_wins(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, 'space = "digits"')).space.name == "digits"
    write(tmp_path, 'name = "other"\n' + SPACE, "search_spaces/digits.toml")
    assert load_config(write(tmp_path, 'space = "digits"')).space.name == "other"  # nearest folder first
    assert space_folders(tmp_path)[0] == (tmp_path / "search_spaces").resolve()


def test_relative_paths_count_from_their_file(tmp_path: Path) -> None:
    text = """
    [space.model]
    factory = "nets/net.py:build"
    weights = "../w.safetensors"
    [space.dataset]
    factory = "package.module:load"
    data_root = "/data"
    path = "~/images"
    [space.multipliers]
    library = "evoapprox"
    [energy]
    table = "../mine.toml"
    """
    config = load_config(write(tmp_path, text, "deep/run.toml"))
    space = config.space
    assert space.model.factory == f"{tmp_path.resolve()}/deep/nets/net.py:build"
    assert space.model.weights == tmp_path.resolve() / "w.safetensors"
    assert space.dataset.factory == "package.module:load" and space.dataset.data_root == Path("/data")
    assert space.dataset.path == (Path.home() / "images").resolve()
    assert space.multipliers.library == f"{tmp_path.resolve()}/deep/evoapprox"
    assert config.energy.table == tmp_path.resolve() / "mine.toml"
    assert load_config(write(tmp_path, INLINE)).space.multipliers.library == "builtin"


@pytest.mark.parametrize(
    "methods", [[], ["bias"], ["affine", "moments"], ["moments", "affine"], ["affine", "moments", "batch-norm"]]
)
def test_methods_of_compensation_that_go_together(tmp_path: Path, methods: list[str]) -> None:
    assert load_config(write(tmp_path, f"compensation.methods = {methods}\n{INLINE}")).compensation.methods == methods


def test_resolved_configuration_loads_again_from_anywhere(tmp_path: Path, elsewhere: Path) -> None:
    text = """
    seed = 4
    space.tiles = 2
    space.model.factory = "net.py:build"
    space.model.arguments = {width = 8, deep = {a = [1, 2.5, "x"]}}
    space.dataset.name = "digits"
    space.training.lr = 1e-4
    search.reference.accuracy_loss_pp = 3
    """
    overrides = ["space.model.weights=own/w.npz", "space.multipliers.library=lib", "search.methods=['random']"]
    config = load_config(write(tmp_path, text), overrides=[*overrides, "energy.table=own/pj.toml", "energy.level=mac"])
    assert (config.energy.table, config.energy.level) == (elsewhere.resolve() / "own" / "pj.toml", "mac")
    assert config.space.model.weights == elsewhere.resolve() / "own" / "w.npz"
    assert config.space.multipliers.library == str(elsewhere.resolve() / "lib")
    copy = tmp_path / "runs" / "config.toml"
    copy.parent.mkdir()
    write_toml(copy, json.loads(config.model_dump_json(exclude_none=True)))
    again = load_config(copy)
    assert isinstance(again, RunConfig) and again == config


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("search.evaluations=7", "search.evaluations", 7),
        (" search.evaluations = 7 ", "search.evaluations", 7),
        ("search.reference.rel_energy=0.5", "search.reference.rel_energy", 0.5),
        ("name=quick", "name", "quick"),  # no TOML value: taken as text
        ('space.name="a=b"', "space.name", "a=b"),
        ("search.methods=['random', 'nsga2']", "search.methods", ["random", "nsga2"]),
        ("space.training.epochs=2", "space.training.epochs", 2),  # a table that the file does not have
        ("space.dataset.download=true", "space.dataset.download", True),
        ("space.model.name=lenet5", "space.model.name", "lenet5"),
    ],
)
def test_override(tmp_path: Path, override: str, key: str, value: Any) -> None:
    found: Any = load_config(write(tmp_path, INLINE), overrides=[override])
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_the_last_override_wins_and_the_seed_above_all(tmp_path: Path) -> None:
    path = write(tmp_path, "seed = 1\n" + INLINE)
    config = load_config(path, overrides=["search.population=3", "seed=2", "search.population=5"], seed=9)
    assert (config.search.population, config.seed) == (5, 9)
    assert load_config(path).seed == 1 and load_config(path, seed=0).seed == 0


def test_space_of_a_file_can_be_overridden_in_part(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, 'space = "digits"'), overrides=["space.tiles=2"])
    assert config.space.tiles == 2 and config.space.model.name == "digits-cnn"


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sed = 3", "unknown key 'sed'; did you mean 'seed'? in the top level"),
        ("search.evals = 3", "unknown key 'evals'; did you mean 'evaluations'? in search"),
        ("search.reference.energy = 3", "unknown key 'energy'; did you mean 'rel_energy'? in search.reference"),
        ("space.tile = 3", "unknown key 'tile'; did you mean 'tiles'? in space"),
        ("space.model.wights = 'a'", "unknown key 'wights'; did you mean 'weights'? in space.model"),
        ("space.training.epoch = 3", "unknown key 'epoch'; did you mean 'epochs'? in space.training"),
        ("robustness.xyzzy = 3", "unknown key 'xyzzy'; valid: batch_size, compare, lr, "),
        ("search.population = 0", "search.population: Input should be greater than or equal to 2, got 0"),
        ("search.population = 1", "search.population: Input should be greater than or equal to 2, got 1"),
        ("search.population = 'many'", "search.population: Input should be a valid integer"),
        ("search.population = 2.5", "search.population: Input should be a valid integer"),
        ("search.methods = []", "search.methods: "),
        ("compensation.methods = ['bias', 'affine']", "compensation.methods: expected one of bias and affine"),
        ("compensation.methods = ['moments', 'moments']", "compensation.methods: expected each method once"),
        ("compensation.methods = ['tuning']", "compensation.methods.0: Input should be 'bias', 'affine', 'moments' or"),
        ("compensation.images = 0", "compensation.images: Input should be greater than or equal to 1, got 0"),
        ("search.methods = 'random'", "search.methods: Input should be a valid list"),
        ("search.evaluations = 0", "search.evaluations: "),
        ("seed = -1", "seed: Input should be greater than or equal to 0, got -1"),
        ("seed = 4294967296", "seed: Input should be less than or equal to 4294967295, got 4294967296"),
        ("retrain.seed = 4294967296", "retrain.seed: Input should be less than or equal to 4294967295, got 4294967296"),
        ("retrain.window = 128", "retrain.window: Input should be less than or equal to 127, got 128"),
        ("retrain.temperature = 1e30", "retrain.temperature: Input should be less than or equal to 1000, got 1e+30"),
        ("robustness.strength = nan", "robustness.strength: Input should be a finite number"),
        ("robustness.train = 'weights'", "robustness.train: Input should be 'sigma' or 'all', got 'weights'"),
        ("space.quantisation.format = 'u4'", "space.quantisation.format: "),
        ("space.dataset.download = 'perhaps'", "space.dataset.download: "),
        ("search = 3", "search: Input should be a valid dictionary"),
        ("space.dataset.validation_images = 0", "space.dataset.validation_images: Input should be greater"),
        ("space.model = 'lenet5'", "space.model: Input should be a valid dictionary"),
        ("space.model.factory = 'a:b'", "space.model: expected one of the keys name and factory, not both"),
        ("space.dataset.factory = 'a:b'", "space.dataset: expected one of the keys name and factory, not both"),
        ("space.model.arguments = {a = 1}", "space.model: arguments go to a factory; none is given"),
        (
            "space.model.arguments = {a = [nan]}",
            "space.model.arguments: expected text, finite numbers, lists and tables",
        ),
        ("space.dataset.arguments = {a = 2026-01-01}", "space.dataset.arguments: expected text, finite numbers"),
    ],
)
def test_faults_in_a_key(tmp_path: Path, line: str, message: str) -> None:
    key = line.partition(" = ")[0]
    base = [one for one in ("space.model.name = 'a'", "space.dataset.name = 'b'") if not one.startswith(key + ".")]
    assert message in refused(tmp_path, "\n".join([line, *base]))


def test_the_images_that_choose_epochs_are_given_once(tmp_path: Path) -> None:
    part, held_out = "[space.dataset]\nvalidation_images = 9\n", "[retrain]\nvalidation_images = 5\n"
    message = "retrain: expected one of retrain.validation_images and space.dataset.validation_images, not both"
    assert refused(tmp_path, part + held_out).endswith(message)
    for text in (part, held_out, part + "[retrain]\n"):
        config = load_config(write(tmp_path, text))
        assert (config.space.dataset.validation_images is None) == ("space" not in text)


VARIANTS = "[space.multipliers]\nweight_tuning = {}\n[space.multipliers.variants]\n{}\n"


def test_variants(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, INLINE)).space.multipliers.variants is None
    lines = 'order = true\nx_clip = [50]\ntuning = ["histogram"]'
    given = load_config(write(tmp_path, INLINE + VARIANTS.format("true", lines)))
    assert given.space.multipliers.variants == VariantsConfig(order=True, x_clip=[50], tuning=["histogram"])


@pytest.mark.parametrize(
    ("weight_tuning", "line", "message"),
    [
        ("false", 'tuning = ["unifrom"]', "space.multipliers.variants.tuning"),
        ("false", 'tuning = ["uniform", "uniform"]', "space.multipliers.variants.tuning: expected each once"),
        ("false", "x_clip = [50, 100]", "space.multipliers.variants.x_clip.1: Input should be less than or equal to 99"),
        ("false", "x_clip = [true]", "space.multipliers.variants.x_clip.0: Input should be a valid integer"),
        ("false", "w_clip = [50, 50]", "space.multipliers.variants.w_clip: expected each once, got [50, 50]"),
        ("false", "swap = true", "unknown key 'swap'; valid: order, tuning, w_clip, x_clip in space.multipliers.variants"),
        ("true", 'tuning = ["uniform"]', "weight_tuning = true tunes every multiplier uniformly: set it to false"),
    ],
)
def test_variants_refused(tmp_path: Path, weight_tuning: str, line: str, message: str) -> None:
    assert message in refused(tmp_path, INLINE + VARIANTS.format(weight_tuning, line))


def test_the_first_of_several_faults_and_their_number(tmp_path: Path) -> None:
    assert refused(tmp_path, "seed = -1\nsearch.population = 0\nnane = 'x'\n" + INLINE).endswith("(and 2 more)")


def test_long_values_are_cut(tmp_path: Path) -> None:
    assert len(refused(tmp_path, f"seed = '{'x' * 1000}'\n" + INLINE)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("space", ["space = 3"])
def test_no_space(tmp_path: Path, space: str) -> None:
    assert "space: " in refused(tmp_path, space)


def test_unknown_space(tmp_path: Path) -> None:
    assert "space: unknown space 'digit'; did you mean 'digits'?" in refused(tmp_path, 'space = "digit"')


def test_fault_in_a_space_file_names_it(tmp_path: Path) -> None:
    write(tmp_path, "tiles = \n", "s.toml")
    path = write(tmp_path, 'space = "s.toml"')
    assert refusal(lambda: load_config(path)).startswith(f"{tmp_path / 's.toml'}: cannot be read as TOML")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(lambda: load_config(tmp_path / "no.toml")) == f"{tmp_path / 'no.toml'}: no such file"
    assert "expected a file of TOML, got a folder" in refusal(lambda: load_config(tmp_path))
    assert "line 1" in refused(tmp_path, "seed = = 3")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe4'")
    assert "cannot be read as TOML" in refusal(lambda: load_config(tmp_path / "latin.toml"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.evaluations", "--set search.evaluations: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("seed.deep=3", "--set seed.deep=3: 'seed' is not a table"),
        ("space.model.name.deep=3", "'name' is not a table"),
        ("search.evals=3", "unknown key 'evals'; did you mean 'evaluations'?"),
        ("search.population=0", "search.population: "),
        ("search.evaluations=", "search.evaluations: "),
        ("search.evaluations=[1", "search.evaluations: "),
    ],
)
def test_bad_override(tmp_path: Path, override: str, message: str) -> None:
    assert message in refused(tmp_path, "seed = 0\n" + INLINE, overrides=[override])


def test_plain_tables() -> None:
    data = {"space": {"model": {"name": "a"}, "dataset": {"name": "b"}}}
    assert parse_config(data).space.model.name == "a"
    assert parse_config({}).space.model.name is None  # the caller hands network and data to `dse.run`
    assert refusal(lambda: parse_config({**data, "seed": -1}, "my table")).startswith("my table: seed: ")


@pytest.mark.parametrize("value", [None, object(), {"deep": [None]}])
def test_arguments_that_no_file_can_hold(value: Any) -> None:
    data = {"space": {"model": {"factory": "a:b", "arguments": {"x": value}}}}
    assert "space.model.arguments: expected text, finite" in refusal(lambda: parse_config(data))


def test_is_frozen() -> None:
    config = parse_config({"space": {"model": {"name": "a"}, "dataset": {"name": "b"}}})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
