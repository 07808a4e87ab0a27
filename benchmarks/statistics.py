"""The statistics at full size, beside statsmodels, krippendorff and a resampling loop.

Run: python benchmarks/statistics.py [--comparisons 100000] [--store]
20 annotators label 100,000 comparisons of 50,000 prompts, a tenth of the labels missing; intervals
are from B = 2,000 joint bootstrap replicates over prompts. The peers are timed on as little as they
need to be told apart from, and scaled; each line says so. `--store` writes 10 million labels (1M
comparisons, 20 annotators) into a store and times the agreement section's point estimates.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

import krippendorff  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.metrics import cohen_kappa_score  # noqa: E402
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss  # noqa: E402

from data.store import Store  # noqa: E402
from pipelines.compare import compare  # noqa: E402
from pipelines.sections.view import Rules  # noqa: E402
from pipelines.stats.agreement import TieRule, matches, one_hot, pair_matches, total  # noqa: E402
from pipelines.stats.chance import (  # noqa: E402
    cohen_kappas,
    coincidences,
    gwet_ac1,
    raw_agreement,
    scott_pi,
    symmetrised,
    symmetrised_alpha,
    symmetrised_pi,
)
from pipelines.stats.intervals import cluster_sums  # noqa: E402
from pipelines.stats.ranking import ranking, win_counts  # noqa: E402
from pipelines.stats.resampling import REPLICATES, bootstrap  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = Rules(intervals=False)
ANNOTATORS, HUMANS, MODELS = 20, 4, 20


def made(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Codes (annotators, n) with -1 missing, prompts (n,), and the places of both models (n,)."""
    rng = np.random.default_rng(1)
    prompt = np.arange(n) // 2
    model_a, step = rng.integers(0, MODELS, n), rng.integers(1, MODELS, n)
    model_b = (model_a + step) % MODELS
    quality = (model_a - model_b) / MODELS + rng.normal(size=prompt.max() + 1)[prompt]
    seen = quality + rng.normal(size=(ANNOTATORS, n))
    codes = np.where(np.abs(seen) < 0.25, 1, np.where(seen > 0, 0, 2)).astype(np.int8)
    codes[rng.random((ANNOTATORS, n)) < 0.1] = -1
    return codes, prompt, model_a, model_b


def judges(codes: np.ndarray, prompt: np.ndarray) -> Any:
    """19 judges with the last annotators as humans: agreement, ceiling, gap, B replicates each."""
    humans = sum(one_hot(row) for row in codes[-HUMANS:])
    ceiling = np.where((total(humans) >= 2)[:, None], pair_matches(humans, TieRule.CLASS), np.nan)
    blocks = []
    for row in codes[: ANNOTATORS - 1]:
        terms = np.hstack([matches(one_hot(row), humans, TieRule.CLASS), ceiling])
        usable = np.isfinite(terms).all(axis=1) & (row >= 0)
        blocks.append(cluster_sums(np.where(usable[:, None], terms, 0.0), prompt))

    def gaps(totals: np.ndarray) -> np.ndarray:
        t = totals.reshape(len(totals), -1, 4)
        judge, human = t[..., 0] / t[..., 1], t[..., 2] / t[..., 3]
        return np.hstack([judge, human, judge - human])

    return bootstrap(gaps, np.hstack(blocks))


def all_pairs(codes: np.ndarray, prompt: np.ndarray) -> Any:
    """Seven statistics of all 190 couples of annotators, B replicates each."""
    n_prompts = int(prompt.max()) + 1
    couples = list(combinations(range(len(codes)), 2))
    sums = np.empty((n_prompts, 9 * len(couples)))
    for k, (first, second) in enumerate(couples):
        both = (codes[first] >= 0) & (codes[second] >= 0)
        cell = prompt[both] * 9 + codes[first][both] * 3 + codes[second][both]
        sums[:, 9 * k : 9 * k + 9] = np.bincount(cell, minlength=9 * n_prompts).reshape(-1, 9)

    def seven(totals: np.ndarray) -> np.ndarray:
        cells = totals.reshape(len(totals), -1, 9)
        decided = cells[..., [0, 2, 6, 8]]
        return np.stack([
            raw_agreement(cells), cohen_kappas(cells), scott_pi(cells), symmetrised_pi(cells),
            gwet_ac1(cells), decided[..., [0, 3]].sum(-1) / decided.sum(-1),
            raw_agreement(cells) + cells[..., [1, 3, 5, 7]].sum(-1) / cells.sum(-1) / 2,
        ], axis=-1)  # fmt: skip

    return bootstrap(seven, sums)


def counted(codes: np.ndarray) -> np.ndarray:
    """Labels of each class per comparison (n, 3)."""
    return np.sum([one_hot(row) for row in codes], axis=0)


def alpha(codes: np.ndarray, prompt: np.ndarray) -> Any:
    """Swap-symmetrised alpha of all 20 annotators, B replicates."""
    counts = counted(codes)
    kept = total(counts) >= 2
    cells = symmetrised(coincidences(counts[kept]))
    return bootstrap(symmetrised_alpha, cluster_sums(cells, prompt[kept]))


def rank(codes: np.ndarray, prompt: np.ndarray, model_a: np.ndarray, model_b: np.ndarray) -> Any:
    """Bradley-Terry of both sources with their rank correlations, B replicates."""
    judge, humans = counted(codes[:1]), counted(codes[-HUMANS:])
    return ranking(win_counts((judge, humans), model_a, model_b, prompt))


def timed(name: str, work: Callable[[], Any], wanted: str = "") -> float:
    """Seconds of one call, printed."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"{name:66}{seconds:9.2f} s   {wanted}", flush=True)
    return seconds


def resampled_loop(codes: np.ndarray, prompt: np.ndarray, replicates: int) -> None:
    """What a bootstrap loop does for the raw agreement of one couple of annotators."""
    rng, n_prompts = np.random.default_rng(1), int(prompt.max()) + 1
    of_prompt = np.split(np.arange(len(prompt)), np.flatnonzero(np.diff(prompt)) + 1)
    for _ in range(replicates):
        drawn = rng.integers(0, n_prompts, n_prompts)
        rows = np.concatenate([of_prompt[g] for g in drawn])
        first, second = codes[0][rows], codes[1][rows]
        both = (first >= 0) & (second >= 0)
        (first[both] == second[both]).mean()


def arithmetic(n: int) -> None:
    """The lines that need no store."""
    codes, prompt, model_a, model_b = made(n)
    print(
        f"{ANNOTATORS} annotators x {n:,} comparisons, {prompt.max() + 1:,} prompts, "
        f"B = {REPLICATES:,}"
    )
    timed("19 judges: agreement, ceiling and gap", lambda: judges(codes, prompt), "(wanted: < 15)")
    pairs = timed("190 couples x 7 statistics", lambda: all_pairs(codes, prompt), "(wanted: < 60)")
    ours = timed("alpha, 20 annotators", lambda: alpha(codes, prompt), "(wanted: < 5)")
    timed("Bradley-Terry, 20 models, two sources", lambda: rank(codes, prompt, model_a, model_b),
          "(wanted: < 30)")  # fmt: skip
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"largest memory so far: {megabytes:,.0f} MB   (wanted: < 3,000)")
    loop = timed("resampling loop: 5 replicates, raw agreement of one couple",
                 lambda: resampled_loop(codes, prompt, 5))  # fmt: skip
    print(f"   its 190 couples at B = {REPLICATES:,} / ours with 7 statistics: "
          f"{loop / 5 * REPLICATES * 190 / pairs:,.0f}")  # fmt: skip
    data = np.where(codes >= 0, codes, np.nan).astype(float)
    peer = timed("krippendorff.alpha: the point estimate alone", lambda: krippendorff.alpha(
        reliability_data=data, level_of_measurement="nominal"))  # fmt: skip
    print(f"   at B = {REPLICATES:,} / ours: {peer * REPLICATES / ours:,.0f}")
    complete = counted(codes)[total(counted(codes)) == ANNOTATORS].astype(int)
    timed(
        "statsmodels fleiss_kappa: the point estimate alone", lambda: statsmodels_fleiss(complete)
    )
    both = (codes[0] >= 0) & (codes[1] >= 0)
    one = timed("sklearn cohen_kappa_score: one couple, the point estimate alone",
                lambda: cohen_kappa_score(codes[0][both], codes[1][both]))  # fmt: skip
    print(f"   190 couples at B = {REPLICATES:,} / ours with 7 statistics: "
          f"{one * 190 * REPLICATES / pairs:,.0f}")  # fmt: skip


FILL = """
INSERT INTO comparisons BY NAME SELECT
    md5('c' || i)::UUID AS comparison_id, 'd' AS dataset, i::VARCHAR AS source_id,
    md5('p' || (i // 2))::UUID AS prompt_id, 'category ' || i % 8 AS category
FROM range($n) t(i);
INSERT INTO annotators BY NAME SELECT md5('a' || j)::UUID AS annotator_id,
    CASE WHEN j < 4 THEN 'human' ELSE 'judge' END AS kind, 'd' AS dataset,
    'annotator ' || j AS name, false AS anonymous FROM range(20) t(j);
INSERT INTO labels BY NAME SELECT md5(i || '-' || j)::UUID AS label_id,
    md5('c' || i)::UUID AS comparison_id, md5('a' || j)::UUID AS annotator_id,
    'overall' AS criterion, 0 AS repeat,
    CASE WHEN hash(i, j, 1) % 2 = 0 THEN 'ab' ELSE 'ba' END AS shown,
    ['a', 'b', 'tie', 'a', 'b'][1 + (CASE WHEN hash(i, j, 2) % 3 > 0 THEN hash(i)
                                     ELSE hash(i, j) END % 5)::INTEGER] AS preference,
    'ok' AS status, now()::TIMESTAMP AS created_at
FROM range($n) t(i), range(20) u(j) WHERE hash(i, j, 3) % 2 = 0;
"""


def through_store(n: int) -> None:
    """Point estimates of the agreement section, 20 annotators with half of the labels."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "s.duckdb", create=True)
        with store.writing() as con:
            con.execute("INSERT INTO datasets VALUES ('d', 'made', true, now()::TIMESTAMP)")
            for sql in FILL.replace("$n", str(n)).split(";\n"):
                if sql.strip():
                    con.execute(sql)
            [(labels,)] = con.execute("SELECT count(*) FROM labels").fetchall()
        print(f"a store of {n:,} comparisons, {labels:,} labels")
        timed("point estimates of the agreement section",
              lambda: compare(store, "d", rules=POINTS, sections=("agreement",), slices=None),
              "(wanted: < 15)")  # fmt: skip
        timed(
            "the same with intervals",
            lambda: compare(store, "d", sections=("agreement",), slices=None),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=100_000)
    parser.add_argument("--store", action="store_true", help="10M labels through a store instead")
    options = parser.parse_args()
    if options.store:
        through_store(10 * options.comparisons)
    else:
        arithmetic(options.comparisons)


if __name__ == "__main__":
    main()
