"""What features, L1 and L2 cost, and our own fit beside statsmodels, in the same run.

Run: python benchmarks/bias.py [--responses 1000000] [--comparisons 250000]
Texts and labels are made up: words with Markdown drawn at random, three humans and a judge.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

import pyarrow as pa  # noqa: E402

from data.records import AnnotatorKind  # noqa: E402
from data.store import Store  # noqa: E402
from pipelines.features import fill_features  # noqa: E402
from pipelines.panel import Panel, Who  # noqa: E402
from pipelines.sections.features import feature_rows  # noqa: E402
from pipelines.sections.view import ONE_HUMAN, Rules, View  # noqa: E402
from pipelines.stats.ordered_probit import ordered_probit  # noqa: E402

N_FEATURES = 12
WORDS = ("the", "of", "model", "answer", "perhaps", "is", "to", "be", "`code`", "**bold**", "why?",
         "yes!", "please", "item\n\n-", "list\n1.", "\n# Title\n")  # fmt: skip
ADD = """
INSERT INTO comparisons BY NAME
SELECT uuid() AS comparison_id, 'd' AS dataset, i::VARCHAR AS source_id, uuid() AS prompt_id,
       'p' AS prompt, a || i AS response_a, b || i AS response_b FROM made
"""


def texts(n: int, random: np.random.Generator) -> list[str]:
    """Texts of 1,000 characters."""
    return [" ".join(random.choice(WORDS, 260))[:1000] for _ in range(n)]


def make(path: str, n_responses: int) -> None:
    """A store with so many responses."""
    random = np.random.default_rng(1)
    some, n = texts(2000, random), n_responses // 2
    with Store(path, create=True).writing() as con:
        con.execute("INSERT INTO datasets VALUES ('d', 'made up', true, now()::TIMESTAMP)")
        for start in range(0, n, 50_000):
            rows = range(start, min(n, start + 50_000))
            made = pa.table({"i": pa.array(rows), "a": [some[i % 2000] for i in rows],
                             "b": [some[7 * i % 2000] for i in rows]})  # fmt: skip
            con.register("made", made)
            con.execute(ADD)
            con.unregister("made")


def count(path: str, n_responses: int) -> None:
    """Features of the responses of a store, which another process makes: its memory is not ours."""
    making = get_context("spawn").Process(target=make, args=(path, n_responses))
    making.start()
    making.join()
    start = perf_counter()
    fill_features(Store(path), "d")
    seconds = perf_counter() - start
    show(f"features of {n_responses:,} responses of 1,000 characters, stored", seconds, 100)
    print(f"   {n_responses / 1e3 / seconds:.0f} MB/s; largest memory {memory():,.0f} MB"
          "   (wanted: < 2,000)")  # fmt: skip


def memory() -> float:
    """The largest memory of this process, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def levels(n: int) -> None:
    """L1 and L2 of one judge and three humans for 12 features."""
    random = np.random.default_rng(2)
    x = random.normal(size=(n, N_FEATURES))
    quality = x[:, 0] / 2 + random.normal(size=n)
    humans = counted(quality[:, None] + random.normal(size=(n, 3)))
    judge = counted((quality + random.normal(size=n) / 2)[:, None])
    nothing = np.zeros_like(judge)
    prompts = np.arange(n, dtype=np.int32) // 2
    panel = Panel(
        dataset="d", criterion="overall", simulated=True, prompt=prompts,
        category=np.full(n, None), longer=np.sign(x[:, 0]).astype(np.int8), length=np.ones(n),
        models=(), model_a=np.full(n, -1, np.int32), model_b=np.full(n, -1, np.int32),
        n_with_texts=n, annotators=(Who("", "j", AnnotatorKind.JUDGE, anonymous=False),), labels={},
        features={f"feature {k}": column for k, column in enumerate(x.T)},
    )  # fmt: skip
    view = View(panel, Rules(), "all", np.ones(n, dtype=bool))
    subjects = [(ONE_HUMAN, np.stack([humans, nothing, nothing])),
                ("j", np.stack([judge, nothing, nothing]))]  # fmt: skip
    start = perf_counter()
    rows = list(feature_rows(view, subjects))
    found = sum(row.estimate is not None for row in rows if row.statistic == "adjusted_difference")
    show(f"L1 and L2 ({found}) for {N_FEATURES} features, {4 * n:,} labels", perf_counter() - start,
         20)  # fmt: skip


def counted(perceived: np.ndarray) -> np.ndarray:
    """Counts of a, tie, b (n, 3) from what labellers perceive (n, labels)."""
    above = (perceived > 0).sum(axis=1)
    return np.stack([above, 0 * above, perceived.shape[1] - above], axis=1).astype(float)


def beside_statsmodels(n: int) -> None:
    """A probit with cluster covariance, by us and by statsmodels."""
    import statsmodels.api as sm

    random = np.random.default_rng(3)
    x = random.normal(size=(n, N_FEATURES))
    chosen = counted((x @ random.normal(size=N_FEATURES) / 4 + random.normal(size=n))[:, None])
    clusters = np.arange(n) // 2
    start = perf_counter()
    ours = ordered_probit(x, chosen, clusters)
    mine = perf_counter() - start
    start = perf_counter()
    theirs = sm.Probit(chosen[:, 0], x).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    other = perf_counter() - start
    covariance = ours.influence[:, :N_FEATURES].T @ ours.influence[:, :N_FEATURES]
    apart = (
        np.abs(ours.weights - theirs.params).max(),
        np.abs(covariance - theirs.cov_params()).max(),
    )
    print(f"probit, {n:,} x {N_FEATURES}, clustered: ours {mine:.2f} s, statsmodels {other:.2f} s")
    print(f"   statsmodels / ours: {other / mine:.1f}   (wanted: >= 2); weights and covariances "
          f"differ by {apart[0]:.1e} and {apart[1]:.1e} at most   (wanted: < 1e-06)")  # fmt: skip


def show(what: str, seconds: float, wanted: float) -> None:
    print(f"{what:72}{seconds:>8.1f} s   (wanted: < {wanted:.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--comparisons", type=int, default=250_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count(f"{folder}/s.duckdb", options.responses)
    levels(options.comparisons)
    beside_statsmodels(4 * options.comparisons)


if __name__ == "__main__":
    main()
