"""A run's study: begun in a folder of its own, continued by replay, refused where something has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dse.config import RunConfig, parse_config
from dse.exceptions import InputError, RunError
from dse.run_folder import CONFIG, STUDY, check_out, run_folder, write_toml, written_together
from dse.search import Guidance
from dse.space import SearchSpace
from dse.status import open_study
from dse.store import StudyFile
from dse.toml_files import read_toml

_BUDGET = ("search", "evaluations")  # what a run that goes on may change, and the table of a stage that no evaluation is of
_DEVICE = ("space", "training", "device")  # that trains the network
_LAST_STAGE = "retrain"
_MOST_KEYS = 6  # named in one line


def begin(config: RunConfig, out: Path | None, *, overwrite: bool = False) -> StudyFile:
    """Start a run's study: in memory, or in the folder `out`, which holds the configuration beside it from now on.

    Raises:
        InputError: `out` holds something already, or cannot be written.
    """
    plain = as_plain(config)
    if out is None:
        return StudyFile.create(":memory:", plain, {})
    with run_folder(out, overwrite=overwrite) as folder:
        write_toml(folder / CONFIG, plain)
        StudyFile.create(folder / STUDY, plain, {}).close()
    return StudyFile.open(out / STUDY)


def join(config: RunConfig, out: Path) -> StudyFile:
    """Open the study of an equal run in `out`, or begin it there: of several processes that do so the first begins.

    The table `retrain` may be another than the run's so far: it replaces that one, and only retraining happens again.

    Raises:
        InputError: `out` holds another run, or cannot be written.
    """
    if not (out / STUDY).is_file():
        try:
            return begin(config, out)
        except InputError:
            if not (out / STUDY).is_file():  # not begun by another process meanwhile
                raise
    study = StudyFile.open(out / STUDY)
    try:
        given = as_plain(config)
        refuse_changes(study.config, given, f"--out {out} holds another run")
        _refuse_while_in_use(study, given, f"--out {out}")
        study.update_manifest({"budget": config.search.evaluations})
    except BaseException:
        study.close()
        raise
    return study


def check_place(config: RunConfig, out: Path, *, overwrite: bool = False) -> None:
    """Raise InputError unless a run may be begun in `out`; what is there already is held against the configuration."""
    if not overwrite and (out / STUDY).is_file():
        with StudyFile.open(out / STUDY) as study:
            known, given = study.config, as_plain(config)
        refuse_changes(known, given, f"--out {out} holds another run")
        if _other_last_stage(known, given):
            raise InputError(
                f"--out {out}: that run has another table [{_LAST_STAGE}]; --go-on (go_on=True) continues it with this one, "
                "or choose another folder"
            )
    if overwrite and _in_use(out):
        raise InputError(f"--out {out}: a living process is at work there; end it first, or choose another folder")
    check_out(out, overwrite=overwrite)


def _in_use(folder: Path) -> bool:
    with suppress(InputError, RunError):  # what cannot be read is not in use
        with open_study(folder) as study:
            return study.in_use
    return False


def reopen(folder: Path, *, evaluations: int | None = None) -> tuple[RunConfig, StudyFile]:
    """Open the study of a run that was begun before, with the table `retrain` that `config.toml` has by now.

    Args:
        folder: The run's folder.
        evaluations: Total budget of each method from now on; that of the run when None.

    Returns:
        The run's configuration with that budget, and its study.

    Raises:
        InputError: There is no study, it is damaged, or `config.toml` in the folder is no longer the study's.
    """
    study = open_study(folder)
    try:
        known = study.config
        config = parse_config(known, f"{folder / STUDY}")
        kept = study.manifest.get("budget", config.search.evaluations)
        if (folder / CONFIG).exists():
            given = read_toml(folder / CONFIG)
            refuse_changes(known, given, f"{folder / CONFIG}")
            known = as_plain(parse_config(_with_last_stage(known, given), f"{folder / CONFIG}"))
            if (edited := dict(_leaves(given)).get(_BUDGET)) not in (kept, config.search.evaluations):
                raise InputError(f"{folder / CONFIG}: search.evaluations: {edited} is not the run's; give --budget {edited}")
        budget = kept if evaluations is None else evaluations
        done = max(study.manifest.get("progress", {}).values(), default=0)
        if budget < done:
            raise InputError(f"--budget {budget}: expected at least {done}, which is what the run has; a budget is a total")
        known["search"]["evaluations"] = budget
        config = parse_config(known, f"{folder}")
        _refuse_while_in_use(study, known, f"{folder / CONFIG}")
        study.update_manifest({"budget": budget})
    except BaseException:
        study.close()
        raise
    return config, study


def refuse_changes(known: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    """Raise InputError, naming the keys, where a configuration differs from the study's in what no run may change."""
    if keys := differing_keys(known, given):
        named = ", ".join(f"{key} ({_said(known, key)} there, {_said(given, key)} here)" for key in keys[:_MOST_KEYS])
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        raise InputError(
            f"{where}: not the configuration that the study was begun with: {named}{more}; put it back, or begin another run"
        )


def differing_keys(known: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys whose values differ between two configurations, but for what a run that goes on may change."""
    a, b = dict(_leaves(known)), dict(_leaves(given))
    free = {key for key in a.keys() | b.keys() if key in (_BUDGET, _DEVICE) or key[0] == _LAST_STAGE}
    return sorted(".".join(key) for key in (a.keys() | b.keys()) - free if a.get(key) != b.get(key))


def _with_last_stage(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's configuration with the table of its last stage from another one; without one where that has none."""
    rest = {key: table for key, table in known.items() if key != _LAST_STAGE}
    return rest if _LAST_STAGE not in given else {**rest, _LAST_STAGE: given[_LAST_STAGE]}


def _other_last_stage(known: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    return bool(known.get(_LAST_STAGE) != given.get(_LAST_STAGE))


def _refuse_while_in_use(study: StudyFile, given: Mapping[str, Any], where: str) -> None:
    """Raise InputError where a configuration has another last stage than a run that a process is at work on."""
    if study.in_use and _other_last_stage(study.config, given):
        raise InputError(f"{where}: a living process is at work there with another table [{_LAST_STAGE}]; end it first")


def require_last_stage(study: StudyFile, config: RunConfig) -> None:
    """Raise InputError where another process has given a run another last stage than the one that has just ended here."""
    if _other_last_stage(study.config, as_plain(config)):
        raise InputError(
            f"{study.path}: another process has given this run another table [{_LAST_STAGE}] meanwhile; what was retrained "
            "here lies in its folders, and is not in the run's table"
        )


def retrain_as(study: StudyFile, folder: Path, config: RunConfig) -> None:
    """Give a study, and the file beside it, the table of the last stage that a configuration has: that stage is next."""
    changed = _with_last_stage(study.config, as_plain(config))
    if changed != study.config:
        with written_together(folder) as scratch:  # first: where the study then fails to follow, `resume` takes it from here
            write_toml(scratch / CONFIG, changed)
        study.replace_config(changed)


def record(study: StudyFile, identity: Mapping[str, Any]) -> None:
    """Write into the study what its evaluations depend on (`hashes`) and are named by, or hold it against what stands there.

    Raises:
        InputError: Network, data, library or energy figures are not those that the study was begun with.
    """
    known = study.remember("identity", dict(identity))
    changed = _differing(known["hashes"], identity["hashes"])
    if not changed and known["evaluator"] != identity["evaluator"]:
        changed = ["what scores designs"]
    if changed:
        raise InputError(
            f"{study.path}: {', '.join(changed)} changed since the study was begun (other SHA-256); put back what it was, "
            "or begin another run"
        )


def take_over(study: StudyFile, folder: Path, hashes: Mapping[str, Any], evaluators: Set[str]) -> None:
    """Copy into a study what the run in `folder` has evaluated with equal evaluators; its failures are tried again.

    Raises:
        InputError: There is no study in `folder`, or it is damaged.
    """
    with open_study(folder) as other:
        if not other.counts() or "behaviour" in _differing(other.remembered("identity")["hashes"], hashes):
            return
        study.settle(e for e in other.evaluations() if e.evaluator in evaluators and e.error is None)


def _differing(known: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the names of hashes that are others than they were; what an earlier version did not know has not changed."""
    return [name for name in given if known.get(name, given[name]) != given[name]]


def kept_guidance(study: StudyFile, guidance: Guidance) -> Guidance:
    """Return the guidance that the study's searches began with, this one where none has begun.

    A learned profile differs in its last digits with the number of threads: from the file, a search is replayed to the bit
    whatever the machine does otherwise.
    """
    kept = study.remember(
        "guidance",
        {
            "seeds": guidance.seeds.tolist(),
            "cost": guidance.cost.tolist(),
            "tolerance": None if guidance.tolerance is None else guidance.tolerance.tolist(),
        },
    )
    return replace(
        guidance,
        seeds=np.array(kept["seeds"], dtype=np.int64).reshape(-1, guidance.seeds.shape[1]),
        cost=np.array(kept["cost"], dtype=np.float64),
        tolerance=None if kept["tolerance"] is None else np.array(kept["tolerance"], dtype=np.float64),
    )


def space_as_plain(space: SearchSpace) -> dict[str, Any]:
    """Return what names assignments and gives them their energy, as plain values; `space_from` is its inverse."""
    return {
        "layers": list(space.layers),
        "multipliers": list(space.multipliers),
        "op_counts": space.op_counts.tolist(),
        "rel_energy": space.rel_energy.tolist(),
        "fixed_op_count": int(space.fixed_op_count),
        "overhead": float(space.overhead),
    }


def space_from(plain: Mapping[str, Any]) -> SearchSpace:
    """Return a space in which assignments of a study have their names and energies, without constraints."""
    return SearchSpace(
        layers=tuple(plain["layers"]),
        multipliers=tuple(plain["multipliers"]),
        op_counts=np.array(plain["op_counts"], dtype=np.int64),
        rel_energy=np.array(plain["rel_energy"], dtype=np.float64),
        fixed_op_count=plain["fixed_op_count"],
        overhead=plain["overhead"],
    )


def as_plain(config: RunConfig) -> dict[str, Any]:
    """Return a configuration as tables of plain values, without keys that are not set."""
    plain: dict[str, Any] = json.loads(config.model_dump_json(exclude_none=True))
    return plain


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _said(table: Mapping[str, Any], key: str) -> str:
    found = dict(_leaves(table)).get(tuple(key.split(".")), "absent")
    return f"{found}"[:60]
