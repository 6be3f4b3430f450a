"""Which figures of two methods are put against each other, and how several problems are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.comparison import compare_runs
from dse.comparison._scope import ALL
from tests.comparison.synthetic import search, write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two problems; on the second one method lacks two seeds."""
    full = {(m, s): search(k, s, 10) for m, k in (("a", 4), ("b", 1), ("c", 2)) for s in range(4)}
    part = {key: value for key, value in full.items() if key not in (("b", 0), ("b", 1))}
    return [
        write_run(tmp_path / name, series, manifest={"hashes": {"model": name * 8}})
        for name, series in (("x", full), ("y", part))
    ]


def test_partners_are_of_the_same_problem_and_seed(runs: list[Path]) -> None:
    found = {(p.scope, p.first, p.second): p for p in compare_runs(runs).pairs if p.indicator == "hypervolume"}
    together, alone = found[ALL, "a", "b"], found["net on digits (model yyyyyy)", "a", "b"]
    assert (together.n, together.left_out, together.test.name) == ((6, 6), 2, "Wilcoxon signed-rank, exact")
    assert (alone.n, alone.better, alone.test.name.split(",")[0]) == ((4, 2), None, "Mann-Whitney U")
    assert found[ALL, "a", "c"].n == (8, 8)


def test_effects_are_means_over_the_problems(runs: list[Path]) -> None:
    found = [p for p in compare_runs(runs).pairs if (p.indicator, p.first, p.second) == ("igd_plus", "a", "b")]
    each = [p.a12 for p in found if p.scope != ALL]
    assert len(each) == 2
    assert [p.a12 for p in found if p.scope == ALL] == [pytest.approx(sum(each) / 2)]


def test_ranks_are_of_the_blocks_that_all_methods_have(runs: list[Path]) -> None:
    blocks = {r.scope: r.result.blocks for r in compare_runs(runs).rankings}
    assert blocks == {ALL: 6, "net on digits (model xxxxxx)": 4, "net on digits (model yyyyyy)": 2}


def test_holm_corrects_for_the_pairs_of_one_indicator(runs: list[Path]) -> None:
    found = compare_runs(runs).pairs
    for pair in found:
        family = [p for p in found if (p.scope, p.indicator) == (pair.scope, pair.indicator)]
        assert pair.test.p <= pair.p_holm <= min(1.0, len(family) * pair.test.p)
        if pair.test.p == min(p.test.p for p in family):
            assert pair.p_holm == pytest.approx(min(1.0, len(family) * pair.test.p))


def test_targets_of_all_problems_count_each_problems_own(runs: list[Path]) -> None:
    reached = [r for r in compare_runs(runs).reached if r.target.key == "90%" and r.method == "a"]
    assert [r.timing.n for r in reached] == [4, 4, 8] and reached[-1].scope == ALL and reached[-1].volume is None
    assert reached[-1].timing.reached == sum(r.timing.reached for r in reached[:-1])
