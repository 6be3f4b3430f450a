"""QoS-Nets' choice of n multipliers by clustering layers (arXiv 2410.07762), for one operating point at a time."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from dse.exceptions import InputError
from dse.search._guidance import Guidance
from dse.search._one_thread import one_thread
from dse.search._spread import evenly, spread_order
from dse.space import SearchSpace
from dse.types import FAILED, Assignment, Floats, Objectives, Population

_MOST_SCALES = 500


class QosNets:
    """Clusters the layers by what they bear, gives each cluster one multiplier, and does so for a sweep of tolerance scales.

    Each layer is a point whose coordinates are the multipliers' errors relative to its tolerance. Multipliers that no layer
    bears are dropped and values of 1 and more compressed to `1 + ln v`, so that hopeless ones do not decide. k-means with as
    many clusters as the tile limit admits; a cluster gets the cheapest multiplier that its centre bears (coordinate at most
    1). A centre is a mean, so that single layers may get more than they bear. The paper clusters three operating points
    together (`dse.operating_points` does); here each scale is one point, and the scales are those at which some layer begins
    to bear some multiplier, visited so that any budget spreads over them; once a design has lost more than is of interest,
    bolder scales wait until all others have been visited. Forbidden multipliers and the energy bound are repaired
    afterwards.

    Args:
        space: The search space; its tile limit is the number of clusters.
        guidance: `tolerance`, the errors relative to what each layer bears, and the loss beyond which a design is of no
            interest.
        population: Designs in a batch.
        seed: Seed of k-means.

    Raises:
        InputError: If the guidance has no tolerance `(L, M)`.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> None:
        shape = (len(space.layers), len(space.multipliers))
        if guidance.tolerance is None or guidance.tolerance.shape != shape:
            got = "none" if guidance.tolerance is None else str(guidance.tolerance.shape)
            raise InputError(f"qos-nets: expected errors relative to the tolerance {shape} in the guidance, got {got}")
        self._space = space
        self._tolerance = guidance.tolerance
        self._size = population
        self._seed = seed
        scales = np.unique(self._tolerance[self._tolerance > 0])
        scales = scales[evenly(len(scales), _MOST_SCALES)]
        scales = scales if len(scales) else np.ones(1)
        self._scales = scales  # cautious to bold
        self._waiting: list[int] = spread_order(np.arange(len(scales), dtype=np.float64)).tolist()
        self._limit = guidance.loss_limit(space)
        self._beyond = len(scales)  # the most cautious scale whose design was found to lose too much
        self._asked: list[int] = []  # scales of the last batch
        self._known: set[bytes] = set()

    def ask(self) -> Population:
        """Propose the designs of the next scales that are new `(P, L)` int64, no rows at the end."""
        asked: list[Assignment] = []
        self._asked = []
        while len(asked) < self._size and self._waiting:
            scale = next((s for s in self._waiting if s < self._beyond), self._waiting[0])
            self._waiting.remove(scale)
            design = self._space.repair(self._clustered(self._tolerance / self._scales[scale])[None])[0]
            if design.tobytes() not in self._known:
                self._known.add(design.tobytes())
                asked.append(design)
                self._asked.append(scale)
        return np.array(asked, dtype=np.int64).reshape(-1, len(self._space.layers))

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        lost = zip(self._asked, objectives[:, 1].tolist(), strict=True)
        self._beyond = min([self._beyond, *(scale for scale, loss in lost if self._limit < loss < FAILED)])

    def _clustered(self, relative: Floats) -> Assignment:
        """Return the assignment `(L,)` for errors relative to the tolerances `(L, M)`."""
        return clustered_choice(relative, self._space.rel_energy, clusters=self._space.tile_limit, seed=self._seed)


def clustered_choice(relative: Floats, rel_energy: Floats, *, clusters: int, seed: int) -> Assignment:
    """Give each row (a layer, at an operating point) its cluster's multiplier, at most `clusters` different ones.

    The steps of QoS-Nets (arXiv 2410.07762): multipliers that no row bears (value at most 1) are dropped, values of 1 and
    more compressed to `1 + ln v` (the published branch leaves out the 1, after which everything up to e looks feasible),
    rows clustered by k-means (scikit-learn, k-means++, one start), and a cluster gets the cheapest multiplier that its
    centre bears: the least harmful among equally cheap ones, and where it bears none.

    Args:
        relative: Errors relative to what each row bears, `(R, M)`, finite.
        rel_energy: Energy of one multiplication `(M,)`.
        clusters: Number of clusters.
        seed: Of k-means.

    Returns:
        `(R,)` int64 indices of multipliers.

    Raises:
        InputError: An error is not finite.
    """
    if not np.isfinite(relative).all():
        row, column = np.argwhere(~np.isfinite(relative))[0]
        got = f"{relative[row, column]} of multiplier {column} in row {row}"
        raise InputError(f"tolerance: expected finite errors, got {got}")
    useful = np.flatnonzero((relative <= 1).any(axis=0))
    if len(useful) == 0:  # no layer bears any: each gets the least harmful
        useful = np.arange(relative.shape[1])
    points = compressed(relative[:, useful])
    count = min(clusters, len(np.unique(points, axis=0)))
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows that differ by rounding alone are one cluster
        found = KMeans(count, n_init=1, random_state=seed).fit(points).labels_
    numbers, labels = np.unique(found, return_inverse=True)
    # k-means' own centres have gone through a translation: rounding may carry a value of exactly 1 beyond it
    centres = [points[found == cluster].mean(axis=0) for cluster in numbers]
    choice = [useful[_cheapest_borne(centre, rel_energy[useful])] for centre in centres]
    return np.array(choice, dtype=np.int64)[labels]


def compressed(relative: Floats) -> Floats:
    """Return `1 + ln v` for values v of 1 and more, smaller ones as they are."""
    return np.where(relative >= 1, 1 + np.log(np.maximum(relative, 1)), relative)


def _cheapest_borne(centre: Floats, rel_energy: Floats) -> int:
    """Return the cheapest multiplier that a centre bears, the least harmful where it bears none."""
    borne = np.flatnonzero(centre <= max(1.0, float(centre.min())))
    return int(borne[np.lexsort((centre[borne], rel_energy[borne]))[0]])
