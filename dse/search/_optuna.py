"""Any sampler of Optuna behind ask/tell, in memory (extra `[optuna]`)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dse.exceptions import InputError, one_line, unknown_name
from dse.space import SearchSpace
from dse.types import FAILED, Objectives, Population

_LOSS = "accuracy_loss_pp"  # attribute of a trial: Optuna asks for constraints before it has stored the values


class OptunaSearch:
    """Lets an Optuna sampler choose each layer's multiplier.

    A layer is one integer parameter: the rank of its multiplier by energy among those it allows, so that neighbours cost
    about the same, and samplers that know only numbers can take part. Designs that the space does not permit are repaired
    and the sampler is told what the repaired design scores. The first design is the exact one (where the energy bound
    permits it); the number of objectives is known after it. Failed designs are told as failed trials. The space's
    `max_loss_pp` is a constraint for the samplers that take any (TPE, NSGA-II, NSGA-III, GP); the others go without.

    Samplers take longer the more trials they know; 10,000 are too many for most.

    Args:
        space: The search space.
        sampler: Name of a class of `optuna.samplers`.
        population: Designs in a batch.
        seed: Seed of the sampler.

    Raises:
        InputError: If Optuna is not installed, has no such sampler, or cannot build it from a seed alone, or if the sampler
            takes one objective only.
    """

    def __init__(self, space: SearchSpace, sampler: str, *, population: int, seed: int) -> None:
        self._optuna = _optuna()
        self._name = sampler
        self._space = space
        self._size = population
        self._ranked = [_by_energy(space, row) for row in space.choices]
        with self._quiet():
            self._sampler = self._built(sampler, seed)
            trial_run = self._optuna.create_study(directions=["minimize"] * 2, sampler=self._built(sampler, seed))
            trial_run.ask().suggest_int("any", 0, 1)  # refuses now what takes one objective only
        self._study: Any = None
        self._trials: list[Any] = []

    def ask(self) -> Population:
        """Propose the exact design, then what the sampler suggests `(P, L)` int64."""
        if self._study is None:
            return self._space.repair(np.zeros((1, len(self._ranked)), dtype=np.int64))
        with self._quiet():
            self._trials = [self._study.ask() for _ in range(self._size)]
            designs = [
                [int(ranked[trial.suggest_int(f"layer{l}", 0, len(ranked) - 1)]) for l, ranked in enumerate(self._ranked)]
                for trial in self._trials
            ]
        return self._space.repair(np.array(designs, dtype=np.int64))

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        with self._quiet():
            if self._study is None:
                self._study = self._optuna.create_study(directions=["minimize"] * objectives.shape[1], sampler=self._sampler)
                self._trials = [self._first_trial(population[0])]
            for trial, values in zip(self._trials, objectives, strict=True):
                trial.set_user_attr(_LOSS, float(values[1]))
                if (values >= FAILED).any():
                    self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                else:
                    self._study.tell(trial, values.tolist())

    def _first_trial(self, design: Population) -> Any:
        """Return a trial that holds a design already evaluated."""
        ranks = [int(np.flatnonzero(ranked == m)[0]) for ranked, m in zip(self._ranked, design, strict=True)]
        self._study.enqueue_trial({f"layer{l}": rank for l, rank in enumerate(ranks)})
        trial = self._study.ask()
        for l, ranked in enumerate(self._ranked):
            trial.suggest_int(f"layer{l}", 0, len(ranked) - 1)
        return trial

    def _built(self, name: str, seed: int) -> Any:
        samplers = self._optuna.samplers
        known = [n for n in dir(samplers) if n.endswith("Sampler") and not n.startswith("Base")]
        if name not in known:
            raise unknown_name("method", f"optuna:{name}", [f"optuna:{n}" for n in known])
        made = getattr(samplers, name)
        taken, bound = inspect.signature(made).parameters, self._space.max_loss_pp
        arguments: dict[str, Any] = {"seed": seed} if "seed" in taken else {}
        if bound is not None and "constraints_func" in taken:
            arguments["constraints_func"] = lambda trial: (trial.user_attrs[_LOSS] - bound,)  # kept where not above 0
        try:
            return made(**arguments)
        except (TypeError, ValueError, ImportError) as error:
            raise InputError(f"optuna:{name}: cannot be built from a seed alone: {one_line(error)}") from error

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Silence Optuna's log and warnings, and say in one line what it refuses."""
        logging = self._optuna.logging
        before = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (ImportError, ValueError, RuntimeError, NotImplementedError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"optuna:{self._name}: {one_line(error)}") from error
        finally:
            logging.set_verbosity(before)


def _by_energy(space: SearchSpace, allowed: Any) -> Population:
    """Return the multipliers that a layer allows, dearest first."""
    columns = np.flatnonzero(allowed)
    return columns[np.argsort(-space.rel_energy[columns], kind="stable")]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError("optuna: is not installed; pip install 'dse[optuna]'") from None
    return optuna
