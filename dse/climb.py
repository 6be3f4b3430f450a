"""Score some of the designs that a run evaluated by cheaper fidelities too, and say what each of these is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dse.fidelity import TOP, LadderRow, RungScores, ladder_rows, parse_fidelity, proxy, timed_proxy
from dse.preparation import Prepared
from dse.progress import ProgressDisplay
from dse.search import History
from dse.stored import StoredFigures
from dse.types import Population


def climb(
    prepared: Prepared,
    histories: Mapping[str, History],
    figures: Callable[[str], StoredFigures],
    display: ProgressDisplay,
) -> list[LadderRow]:
    """Return what every rung of the configured ladder is worth on designs of the run; nothing where there are none.

    Closed forms of all profiles, the configured rungs, and the top rung by its other figure, against the top rung's loss of
    accuracy and divergence. Costs of simulated rungs are those of the evaluations in the study file.
    """
    ladder = prepared.inputs.config.ladder
    limit = prepared.guidance.loss_limit(prepared.space)
    designs = _chosen(histories, ladder.designs, limit, len(prepared.space.layers))
    if len(designs) == 0:
        return []
    scores = [
        timed_proxy(f"proxy {name}", proxy(name, profile, prepared.trace, prepared.errors), designs)
        for name, profile in prepared.profiles.items()
    ]
    images = len(prepared.workload.parts.search)
    rungs = [*(rung for rung in ladder.rungs if (parse_fidelity(rung)[1] or 1) < images), TOP]
    for done, rung in enumerate(dict.fromkeys(rungs)):
        scores += _simulated(rung, figures(rung), designs)
        display.update(done + 1, len(rungs), rung)
    top = figures(TOP)
    exact = top.column("accuracy", np.zeros_like(designs[:1]))[0]
    targets = {"accuracy_loss_pp": 100 * (exact - top.column("accuracy", designs)), "kl": top.column("kl", designs)}
    return ladder_rows(scores, targets, prepared.space.energy(designs))


def _chosen(histories: Mapping[str, History], count: int, limit: float, layers: int) -> Population:
    """Return about `count` distinct designs with losses of interest, evenly over what each method evaluated."""
    chosen = [np.zeros((0, layers), dtype=np.int64)]
    for history in histories.values():
        useful = history.population[history.objectives[:, 1] <= limit]
        share = min(count // len(histories), len(useful))
        chosen.append(useful[np.linspace(0, len(useful) - 1, share).astype(np.int64)])
    return np.unique(np.vstack(chosen), axis=0)


def _simulated(rung: str, stored: StoredFigures, designs: Population) -> list[RungScores]:
    """Return what a simulated rung says of designs by accuracy and by divergence, both from one evaluation."""
    ms = 1000 * float(np.median(stored.seconds(designs)))
    return [
        RungScores(rung, "accuracy", -stored.column("accuracy", designs), ms),
        RungScores(rung, "kl", stored.column("kl", designs), ms),
    ]
