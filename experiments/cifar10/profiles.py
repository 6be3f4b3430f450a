"""Learn the noise that layers bear until it no longer moves, and hold it against Fisher information and noise sweep.

    python experiments/cifar10/profiles.py [--network resnet8] [--steps 150 300 600] [--starts 0.025 0.1 0.3]
        [--seeds 0 1 2] [--weights results/cifar10/baselines] [--out results/cifar10/profiles]
        --set space.dataset.path=CIFAR10.npz

Every number of steps is a learning of its own, whose step size falls to 0 at its end. What has been learned is kept in
`--kept` and not learned again. Writes `OUT/NETWORK/`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from profiles_page import RANK, VALUE, page
from scipy.stats import kendalltau, spearmanr
from torch import nn

import dse
from dse.exceptions import ending
from dse.inputs import quantized
from dse.memory import keep_freed_memory
from dse.nn.datasets import Part
from dse.nn.tracing import trace
from dse.progress import ProgressDisplay
from dse.report import ProfilesInfo, TrajectoryInfo, draw_profiles, draw_trajectories, profiles_info, save
from dse.robustness import (
    SETTLED,
    RobustnessProfile,
    RobustnessSettings,
    learn_robustness,
    profile_by_name,
    profile_table,
    settled,
)
from dse.run_folder import write_csv
from dse.types import Floats
from dse.whole_files import writable_folder, write_whole
from dse.workload import model_hash, open_workload

ROOT = Path(__file__).resolve().parents[2]
SPACE_SEED = 0  # of split and patches, as in the study
DRAWN = 200  # steps of a trajectory that trajectories.csv keeps

Key: TypeAlias = tuple[int, float, int]  # steps, starting point, seed
Paths: TypeAlias = Mapping[Key, Floats]  # (steps, L) |sigma| after every step


def apart(a: Floats, b: Floats) -> tuple[float, float]:
    """Return how far two sigmas `(L,)` are apart: mean of |a - b| / ((a + b) / 2) over layers, and Spearman's rho."""
    return float(np.mean(2 * np.abs(a - b) / (a + b))), float(spearmanr(a, b).statistic)


def worst(pairs: Sequence[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Return the largest difference and the smallest rank correlation of pairs; NaN without one."""
    found = [apart(a, b) for a, b in pairs]
    return (max(d for d, _ in found), min(r for _, r in found)) if found else (float("nan"), float("nan"))


def convergence(sigmas: Mapping[Key, Floats]) -> list[dict[str, float]]:
    """Return for every number of steps how far sigmas are apart that should be equal, the worst of all pairs.

    `start`: other starting points, same seed. `steps`: half as many steps, same start and seed. `seed`: other seeds, same
    start: the noise that is left, since the draws differ. Converged where `start` and `steps` keep `VALUE` and `RANK`.
    """
    rows = []
    for steps in sorted({key[0] for key in sigmas}):
        mine = {key[1:]: sigma for key, sigma in sigmas.items() if key[0] == steps}
        pairs = list(combinations(mine, 2))
        kinds = {
            "start": [(mine[a], mine[b]) for a, b in pairs if a[1] == b[1]],
            "steps": [(sigma, sigmas[steps // 2, *key]) for key, sigma in mine.items() if (steps // 2, *key) in sigmas],
            "seed": [(mine[a], mine[b]) for a, b in pairs if a[0] == b[0]],
        }
        row: dict[str, float] = {"steps": steps}
        for kind, found in kinds.items():
            row[f"{kind}_difference"], row[f"{kind}_rank"] = worst(found)
        decisive = ("start", "steps")
        row["converged"] = all(row[f"{k}_difference"] <= VALUE and row[f"{k}_rank"] >= RANK for k in decisive)
        rows.append(row)
    return rows


def agreements(profiles: Mapping[str, RobustnessProfile], op_counts: NDArray[np.int64]) -> list[list[object]]:
    """Return rows: two profiles, what of them is compared, Spearman's rho and its p-value, Kendall's tau-b.

    `sigma` as each profile gives it; `cost` of noise, which for a learned sigma is c / sigma; `equilibrium`, the sigma at
    which learning would settle, which for a cost alpha is c / alpha.
    """
    costs = {name: profile.noise_cost(op_counts) for name, profile in profiles.items()}
    shares = op_counts / op_counts.sum()
    what = {
        "sigma": {name: profile.sigma for name, profile in profiles.items()},
        "cost": costs,
        "equilibrium": {name: shares / np.maximum(cost, 1e-12) for name, cost in costs.items()},
    }
    rows: list[list[object]] = []
    for kind, values in what.items():
        for a, b in combinations([*values, "op count"], 2):
            x, y = ((values | {"op count": shares})[name] for name in (a, b))
            rho = spearmanr(x, y)
            rows.append([a, b, kind, float(rho.statistic), float(rho.pvalue), float(kendalltau(x, y).statistic)])
    return rows


def by_layer(
    learned: Sequence[Floats], costs: Mapping[str, Floats], op_counts: NDArray[np.int64], settings: RobustnessSettings
) -> list[list[float]]:
    """Return rows, one per layer: share of the multiplications, learned sigma (mean, least, most), sigma expected by costs.

    Expected is where the reward's slope balances the loss's, `lambda c / (2 alpha)`, at most `sigma_max`
    (`RobustnessProfile.noise_cost`): with alpha in nats nothing is left to fit.
    """
    share = op_counts / op_counts.sum()
    expected = [
        np.minimum(settings.strength * share / (2 * np.maximum(alpha, 1e-12)), settings.sigma_max)
        for alpha in costs.values()
    ]
    together = np.array(learned)
    columns = [share, together.mean(axis=0), together.min(axis=0), together.max(axis=0), *expected]
    return np.array(columns).T.tolist()


def learn(
    model: nn.Module, train: Part, op_counts: NDArray[np.int64], settings: RobustnessSettings, seed: int, folder: Path
) -> Floats:
    """Return the trajectory of one learning `(steps, L)`, from its file where there is one."""
    depends_on = f"{model_hash(model)} {train.content_hash} {sorted(vars(settings).items())} {seed}"
    kept = folder / f"{hashlib.sha256(depends_on.encode()).hexdigest()[:16]}.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    path: list[Floats] = []
    with ProgressDisplay() as display:
        display.start(f"{settings.steps} steps from {settings.sigma_initial}, seed {seed}")
        learn_robustness(model, train.x, train.y, op_counts, settings, seed=seed, progress=display.update, watch=path.append)
        display.finish()
    content = io.BytesIO()
    np.save(content, np.array(path))
    write_whole(kept, content.getvalue())
    return np.array(path)


def thinned(paths: Paths) -> Iterator[list[object]]:
    """Yield rows of trajectories.csv: steps, start, seed, step, |sigma| of each layer."""
    for (steps, start, seed), path in paths.items():
        for step in np.unique(np.linspace(0, steps - 1, min(steps, DRAWN)).round().astype(int)):
            yield [steps, start, seed, int(step) + 1, *(f"{value:.4g}" for value in path[step])]


def draw(paths: Paths, layers: Sequence[str], info: ProfilesInfo | None, network: str, out: Path) -> None:
    """Draw the longest learnings of the first seed, and the profiles side by side."""
    assert info is not None  # its file has just been written
    steps, seed = max(key[0] for key in paths), next(iter(paths))[2]
    shown = {f"from {k[1]}": np.maximum(path, 1e-4) for k, path in paths.items() if k[0] == steps and k[2] == seed}
    caption = f"{network} on CIFAR-10 (JPEG), seed {seed}; averaged from the dotted line on"
    trajectories = TrajectoryInfo(
        layers, shown, 1 - SETTLED, "|sigma| (1 = std of the output)", "Noise being learned", caption
    )
    save(partial(draw_trajectories, trajectories), out, "trajectories")
    save(partial(draw_profiles, info, f"{network} on CIFAR-10 (JPEG)"), out, "profiles")


def main() -> None:
    """Learn, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet8")
    parser.add_argument("--steps", type=int, nargs="+", default=(150, 300, 600), help="each the double of another")
    parser.add_argument("--starts", type=float, nargs="+", default=(0.025, 0.1, 0.3))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--weights", type=Path, default=ROOT / "results" / "cifar10" / "baselines")
    parser.add_argument("--kept", type=Path, default=Path("runs") / "profiles", help="folder of what has been learned")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "cifar10" / "profiles")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    keep_freed_memory()
    weights = (given.weights / f"{given.network}.safetensors").resolve()
    overrides = [f"space.model.name={given.network}", f"space.model.weights={weights}", *given.overrides]
    config = dse.load_config(Path(__file__).with_name("study.toml"), overrides=overrides, seed=SPACE_SEED)
    workload = open_workload(config.space, seed=SPACE_SEED).workload
    model = quantized(config, workload)
    seen = trace(model, workload.parts.calibration.x, patches=config.error_model.patches, seed=SPACE_SEED)
    run = RobustnessSettings(**config.robustness.model_dump(exclude={"profile", "compare"}))
    keys = [(steps, start, seed) for steps in sorted(given.steps) for start in given.starts for seed in given.seeds]
    settings = [replace(run, steps=steps, sigma_initial=start) for steps, start, _ in keys]
    writable_folder(given.kept)
    out = writable_folder(given.out / given.network)
    train = workload.parts.train
    paths = {
        key: learn(model, train, seen.op_counts, own, key[2], given.kept) for key, own in zip(keys, settings, strict=True)
    }
    sigmas = {key: settled(path, run.sigma_max) for key, path in paths.items()}
    longest = np.array([sigma for key, sigma in sigmas.items() if key[0] == max(given.steps)])
    profiles = {"agn": RobustnessProfile(seen.names, longest.mean(axis=0))}
    for name in ("fisher", "sweep"):
        with ProgressDisplay() as display:
            display.start(name)
            profiles[name], _ = profile_by_name(name, model, train.x, train.y, seen.op_counts, progress=display.update)
            display.finish()
    used, _ = learn_robustness(model, train.x, train.y, seen.op_counts, run, seed=SPACE_SEED)
    rows = convergence(sigmas)
    ranks = agreements(profiles | {"agn-run": used}, seen.op_counts)
    write_csv(out / "sigma.csv", ("steps", "start", "seed", *seen.names), ([*k, *s.tolist()] for k, s in sigmas.items()))
    write_csv(out / "trajectories.csv", ("steps", "start", "seed", "step", *seen.names), thinned(paths))
    write_csv(out / "convergence.csv", tuple(rows[0]), [list(row.values()) for row in rows])
    write_csv(out / "ranks.csv", ("a", "b", "of", "spearman", "p_value", "kendall"), ranks)
    write_csv(out / "profiles.csv", *profile_table(profiles, seen.op_counts))
    draw(paths, seen.names, profiles_info(out / "profiles.csv"), given.network, out)
    costs = {name: profiles[name].noise_cost(seen.op_counts) for name in ("fisher", "sweep")}
    layers = dict(zip(seen.names, by_layer(list(longest), costs, seen.op_counts, run), strict=True))
    text = page(given, run, rows, ranks, layers, len(train.x))
    (out / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    with ending("profiles.py"):
        main()
