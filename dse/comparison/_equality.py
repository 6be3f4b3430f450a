"""Whether runs were made under equal conditions; what differs is named by run, key and both values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from dse.comparison._runs import EVALUATOR, Run, Value
from dse.comparison._series import Series
from dse.exceptions import InputError

# equal wherever methods are compared; images and data belong to a problem, and may differ between problems
EVERYWHERE = (
    "hashes.library",
    "format",
    "energy.level",
    "hashes.energy_table",
    "space.tiles",
    "space.constraints",
    "compensation",
    "versions.dse",
)


def unequal(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return one line for each condition that differs, none where the comparison is fair.

    A method that ended of its own accord before its budget was spent (converged, exhausted) had an equal chance.

    Raises:
        InputError: If runs differ in layers or objectives, so that there is nothing to compare.
    """
    first = runs[0]
    for run in runs[1:]:
        if run.columns != first.columns:
            raise InputError(f"{run.label}: objectives are {list(run.columns)}, but {first.label} has {list(first.columns)}")
    lines = [*_settings(runs), *_budgets(runs), *_methods(runs)]
    return tuple(dict.fromkeys(lines))


def by_problem(runs: Sequence[Run]) -> dict[tuple[Value, ...], list[Run]]:
    """Return the runs of each evaluator: same network, data, library and format. Raises InputError for other layers."""
    found: dict[tuple[Value, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(tuple(run.evaluator.values()), []).append(run)
    for group in found.values():
        for run in group:
            if set(run.layers) != set(group[0].layers):
                odd = sorted(set(run.layers) ^ set(group[0].layers))[0]
                raise InputError(f"{run.label}: layers are not those of {group[0].label}: '{odd}' is in one of them only")
    return found


def _settings(runs: Sequence[Run]) -> Iterator[str]:
    for group in by_problem(runs).values():
        for run in group[1:]:
            yield from _differences(run, run.settings, group[0], group[0].settings)
    first, *others = (group[0] for group in by_problem(runs).values())
    for run in others:
        yield from _differences(run, _everywhere(run), first, _everywhere(first))


def _everywhere(run: Run) -> Mapping[str, Value]:
    both = {**run.settings, **run.evaluator}
    return {key: both[key] for key in EVERYWHERE}


def _differences(run: Run, mine: Mapping[str, Value], first: Run, other: Mapping[str, Value]) -> Iterator[str]:
    for key, value in mine.items():
        if value != other[key]:
            yield f"{run.label}: {key} is {_short(value)}, but {first.label} has {_short(other[key])}"


def _budgets(runs: Sequence[Run]) -> Iterator[str]:
    series = [s for run in runs for s in run.series]
    for s in series[1:]:
        if s.budget != series[0].budget:
            yield f"{_who(s)}: search.evaluations is {s.budget}, but {_who(series[0])} has {series[0].budget}"


def _methods(runs: Sequence[Run]) -> Iterator[str]:
    """Every problem is searched by the same methods; else what differs may be the problem and not the method."""
    groups = list(by_problem(runs).values())
    for one, other in pairwise(groups):
        mine, theirs = ({s.method for run in group for s in run.series} for group in (one, other))
        if mine != theirs:
            key = next(k for k in EVALUATOR if one[0].evaluator[k] != other[0].evaluator[k])
            values = _short(other[0].evaluator[key]), _short(one[0].evaluator[key])
            odd = sorted(mine ^ theirs)[0]
            where = f"{other[0].label}: {key} is {values[0]}, but {one[0].label} has {values[1]}"
            yield f"{where}: two problems, and method '{odd}' was run on one of them only"


def _who(series: Series) -> str:
    return f"{series.run} ('{series.method}', seed {series.seed})"


def _short(value: Value) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
