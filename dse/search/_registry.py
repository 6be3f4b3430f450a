"""Names of search methods: the package's own, a user's, those of installed packages, and Optuna's samplers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

from dse.exceptions import InputError, one_line, unknown_name
from dse.search._by_circuit import ByCircuit, CircuitSearch
from dse.search._checked import Checked
from dse.search._guidance import Guidance
from dse.search._optuna import OptunaSearch
from dse.space import SearchSpace
from dse.types import Search

ENTRY_POINTS = "dse.methods"
_OPTUNA = "optuna:"


class Builder(Protocol):
    """A class or function that makes a fresh search."""

    def __call__(self, space: SearchSpace, guidance: Guidance, /, *, population: int, seed: int) -> Search:
        """Return a search of `space`: `population` designs in a batch, all draws from `seed`."""
        ...


@dataclass(frozen=True)
class Method:
    """A registered search method."""

    text: str  # one line
    build: Builder
    rungs: tuple[str, ...] = ("lut",)  # fidelities that it chooses by, cheap to dear; "proxy": the profile's closed form


METHODS: dict[str, Method] = {}

_B = TypeVar("_B", bound=Callable[..., Any])


def register_method(name: str, text: str) -> Callable[[_B], _B]:
    """Register the decorated class or function as the search method `name`.

    It is called with the space and the guidance, and by keyword with `population` and `seed`, and returns a `Search`:

        @register_method("mine", "what it does, in one line")
        class Mine:
            def __init__(self, space, guidance, *, population, seed): ...
            def ask(self): ...  # (P, L) int64
            def tell(self, population, objectives): ...  # (P, L), (P, K)

    Raises:
        InputError: If another method has that name, or the name has a colon.
    """

    def register(builder: _B) -> _B:
        if ":" in name or not name:
            raise InputError(f"method '{name}': expected a name without ':', which stands for an import path")
        if name in METHODS and not _same(METHODS[name].build, builder):
            raise InputError(f"method '{name}' is registered already; choose another name")
        METHODS[name] = Method(text, builder)
        return builder

    return register


def make_search(
    name: str,
    space: SearchSpace,
    guidance: Guidance,
    *,
    population: int,
    seed: int,
    load: Callable[[str, str], Any] | None = None,
) -> Search:
    """Return a fresh search.

    Only methods that use the profile read `guidance`; but where circuits have variants, all are given a space of circuits,
    whose variants its cost has chosen (`ByCircuit`).

    Args:
        name: A name of `METHODS` or of the entry points `dse.methods`, `optuna:SAMPLER`, or an import path
            `package.module:attribute` or `file.py:attribute` of a class or function as `register_method` takes it.
        space: What is searched.
        guidance: What the robustness profile says.
        population: Designs in a batch.
        seed: Seed of all draws.
        load: Resolves an import path: called with it and the configuration key it stands under.

    Raises:
        InputError: If no method has that name, or it refuses the space or the guidance.
    """
    if space.circuits is None:
        return _made(name, space, guidance, population, seed, load)
    view = ByCircuit.of(space, guidance)
    search = _made(name, view.space, view.guidance, population, seed, load)
    return CircuitSearch(Checked(name, search, view.space), view)


def _made(
    name: str,
    space: SearchSpace,
    guidance: Guidance,
    population: int,
    seed: int,
    load: Callable[[str, str], Any] | None,
) -> Search:
    if name.startswith(_OPTUNA):
        return OptunaSearch(space, name.removeprefix(_OPTUNA), population=population, seed=seed)
    if name in METHODS:
        return METHODS[name].build(space, guidance, population=population, seed=seed)
    return _built(name, _foreign(name, load), space, guidance, population, seed)


def method_texts() -> Iterator[tuple[str, str]]:
    """Yield the name of each method and one line about it, without importing other packages."""
    yield from ((name, f"{method.text} [{', '.join(method.rungs)}]") for name, method in METHODS.items())
    for name, point in _installed().items():
        yield name, f"{point.value}, of the package {point.dist.name if point.dist else 'unknown'}"
    yield "optuna:SAMPLER", "any sampler of Optuna by its class, such as optuna:TPESampler (extra [optuna])"


def _foreign(name: str, load: Callable[[str, str], Any] | None) -> Any:
    """Return what a name outside `METHODS` stands for."""
    if ":" in name and load is not None:
        return load(name, f"method '{name}'")
    installed = _installed()
    if name not in installed:
        raise unknown_name("method", name, [*METHODS, *installed])
    try:
        return installed[name].load()
    except Exception as error:  # the package is someone else's: it may raise anything
        raise InputError(f"method '{name}': cannot import {installed[name].value}: {one_line(error)}") from error


def _built(name: str, builder: Any, space: SearchSpace, guidance: Guidance, population: int, seed: int) -> Search:
    """Call a builder that is not the package's own, and check what it makes."""
    try:
        search = builder(space, guidance, population=population, seed=seed)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"method '{name}': cannot be built: {type(error).__name__}: {one_line(error)}") from error
    if not isinstance(search, Search):
        raise InputError(f"method '{name}': expected an object with ask() and tell(), got {type(search).__name__}")
    return search


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in METHODS}


def _same(a: Any, b: Any) -> bool:
    """Return whether two builders are one, perhaps read twice from one file."""
    return (a.__module__, getattr(a, "__qualname__", "")) == (b.__module__, getattr(b, "__qualname__", ""))
