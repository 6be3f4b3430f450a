"""Reading a run's TOML file: paths, overrides, and faults in one line."""

from __future__ import annotations

import copy
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dse.config._schema import PACKAGED, RunConfig, Table
from dse.exceptions import InputError, unknown_name
from dse.toml_files import parse_toml, read_toml

_SPACE_PATHS = {
    "model": ("weights", "factory"),
    "dataset": ("data_root", "path", "factory"),
    "multipliers": ("library",),
}
_RUN_PATHS = {"energy": ("table",)}


def load_config(path: str | Path, *, overrides: Sequence[str] = (), seed: int | None = None) -> RunConfig:
    """Read a run's TOML file.

    Args:
        path: The file. Its key `space` is a table, or the path of a space file or its name in `search_spaces/`.
        overrides: Texts `key=value` with a dotted key and a TOML value, applied last; paths count from the current folder.
        seed: Replaces the file's seed when given.

    Raises:
        InputError: One line that names file and key, for anything that is not as it should be.
    """
    path = Path(path)
    data = _absolute(read_toml(path), _RUN_PATHS, path.parent)
    if isinstance(data.get("space"), dict):
        data["space"] = _absolute(data["space"], _SPACE_PATHS, path.parent)
    elif isinstance(data.get("space"), str):
        space_file = _find_space(data["space"], path)
        data["space"] = {"name": space_file.stem, **_absolute(read_toml(space_file), _SPACE_PATHS, space_file.parent)}
    data.setdefault("name", path.stem)
    for override in overrides:
        _override(data, override)
    data = _absolute(data, _RUN_PATHS, Path.cwd())  # what is relative now came from the command line
    if isinstance(data.get("space"), dict):
        data["space"] = _absolute(data["space"], _SPACE_PATHS, Path.cwd())
    if seed is not None:
        data["seed"] = seed
    return parse_config(data, str(path))


def parse_config(data: Mapping[str, Any], where: str = "configuration") -> RunConfig:
    """Return the configuration that nested tables describe; `where` names their source in messages."""
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_fault(error)}") from None


def with_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> RunConfig:
    """Return the configuration that nested tables describe once texts `key=value` have replaced values of theirs."""
    changed = copy.deepcopy(dict(data))
    for override in overrides:
        _override(changed, override)
    return parse_config(changed)


def space_folders(beside: Path | None = None) -> list[Path]:
    """Return the folders in which spaces are looked up by name, in order; `beside` is the folder of a run's file."""
    checkout = Path(__file__).resolve().parents[2]
    roots = [Path.cwd(), checkout, Path(sys.prefix) / "share" / "dse"]
    folders = [root / "search_spaces" for root in ([] if beside is None else [beside, beside.parent]) + roots]
    return [folder for folder in dict.fromkeys(folder.resolve() for folder in folders) if folder.is_dir()]


def _find_space(name: str, config: Path) -> Path:
    """Return the space file that a run's file names: a path from its folder, or a name in one of the space folders."""
    if (config.parent / name).is_file():
        return config.parent / name
    known = {file.stem: file for folder in reversed(space_folders(config.parent)) for file in folder.glob("*.toml")}
    if name not in known:
        raise InputError(f"{config}: space: {unknown_name('space', name, known)}")
    return known[name]


def _absolute(data: dict[str, Any], paths: Mapping[str, Sequence[str]], folder: Path) -> dict[str, Any]:
    """Return nested tables with paths (keys of `paths` by table, files of methods) absolute, from their file's folder."""
    for table, keys in paths.items():
        section = data.get(table, {})
        if not isinstance(section, dict):
            continue
        for key in keys:
            value = section.get(key)
            if isinstance(value, str) and (key != "factory" or ".py:" in value) and value not in PACKAGED:
                section[key] = str((folder / Path(value).expanduser()).resolve())
    search = data.get("search")
    if isinstance(search, dict) and isinstance(search.get("methods"), list):
        search["methods"] = [
            str((folder / Path(name).expanduser()).resolve()) if isinstance(name, str) and ".py:" in name else name
            for name in search["methods"]
        ]
    return data


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: expected key=value, for example --set search.evaluations=100")
    try:
        parsed = parse_toml(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    *tables, last = key.strip().split(".")
    target: Any = data
    for table in tables:
        target = target.setdefault(table, {})
        if not isinstance(target, dict):
            raise InputError(f"--set {text}: '{table}' is not a table")
    target[last] = parsed


def _first_fault(error: ValidationError) -> str:
    """Say the first fault of a pydantic error in one line, with the nearest valid key for an unknown one."""
    faults = error.errors(include_url=False)
    first = faults[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "extra_forbidden":
        table = ".".join(str(part) for part in first["loc"][:-1]) or "the top level"
        return f"{unknown_name('key', str(first['loc'][-1]), _valid_keys(first['loc'][:-1]))} in {table}{more}"
    said = first["type"] == "missing" or isinstance(first["input"], dict)  # a table's fault is said of its keys
    got = "" if said else f", got {first['input']!r}"[:120]
    return f"{key or 'configuration'}: {first['msg'].removeprefix('Value error, ')}{got}{more}"


def _valid_keys(location: Sequence[int | str]) -> list[str]:
    """Return the keys that the table at `location` may hold."""
    table: Any = RunConfig
    for part in location:
        annotation = table.model_fields[str(part)].annotation
        table = next(
            t
            for t in (annotation, *getattr(annotation, "__args__", ()))
            if isinstance(t, type) and issubclass(t, Table)
        )
    return list(table.model_fields)
