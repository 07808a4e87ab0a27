"""`concord label`, `judges` and `runs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.browsing import chosen_dataset, take_up_if_possible
from app.terminal import ProgressLine, out, print_json, print_labelled, print_table, say
from data import queries
from data.errors import RunError
from data.records import RunStatus
from data.store import Store
from judges.baselines import BASELINES, Baseline
from judges.config import find_judge, library, read_judge
from pipelines.label import LabelOptions, label, plan
from pipelines.wording import money

if TYPE_CHECKING:
    from pathlib import Path

    from judges.judge import Judge

FEW = 5


def list_judges(*, as_json: bool) -> None:
    """The shipped judges and the baselines."""
    shipped = {name: read_judge(path) for name, path in library().items()}
    if as_json:
        print_json(
            [{"name": name, "model": judge.model} for name, judge in shipped.items()]
            + [{"name": name, "model": None} for name in BASELINES]
        )
        return
    rows = [[name, judge.model, f"orders: {judge.orders}"] for name, judge in shipped.items()]
    rows += [[name, "no model", baseline.about] for name, baseline in BASELINES.items()]
    print_table(["judge", "model", ""], rows)
    say("a judge of your own: concord judges local-server > my-judge.toml")


def print_judge(name: str) -> None:
    """A judge file on stdout."""
    sys.stdout.write(find_judge(name).read_text(encoding="utf-8"))


def run_label(
    path: Path,
    name: str,
    dataset: str | None,
    limit: int | None,
    concurrency: int,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Plan or run a judge over a data set; RunError where labels are missing at the end."""
    store = Store(path)
    options = LabelOptions(chosen_dataset(store, dataset), limit, concurrency)
    judge = BASELINES.get(name) or read_judge(find_judge(name))
    if dry_run:
        _say_plan(store, judge, options, as_json=as_json)
        return
    client = None
    if not isinstance(judge, Baseline):
        from judges.litellm_client import LiteLLMClient

        client = LiteLLMClient(judge)
    with ProgressLine(quiet=as_json) as progress:
        result = label(store, judge, client, options, progress)
    print_labelled(result)
    if as_json:
        print_json(result)
    if result.status is RunStatus.STOPPED:
        raise RunError("the run was stopped", "The same command continues it.")
    if result.failed:
        raise RunError(
            f"{result.failed:,} labels failed",
            f"The same command asks for them again; the reasons: concord runs --store {path}",
        )
    say(f"next: concord report --store {path} --dataset {options.dataset}")


def _say_plan(
    store: Store, judge: Judge | Baseline, options: LabelOptions, *, as_json: bool
) -> None:
    planned = plan(store, judge, options)
    if as_json:
        print_json(planned)
        return
    out().print(
        f"{planned.annotator} on {planned.dataset}: {planned.comparisons:,} comparisons, "
        f"{planned.planned:,} labels (orders: {judge.orders}), {planned.done:,} there already, "
        f"{planned.planned - planned.done:,} calls to make; nothing was sent",
        markup=False,
    )


def list_runs(path: Path, *, as_json: bool) -> None:
    """Runs, newest first, with the reasons of failures and how to continue."""
    store = Store(path)
    take_up_if_possible(store)
    with store.reading() as con:
        found = queries.records(con, queries.RUNS)
        for run in found:
            run["failures"] = queries.records(con, queries.FAILURES, run_id=run["run_id"])
    if as_json:
        print_json({"runs": found})
        return
    columns = ["judge", "dataset", "status", "planned", "done", "failed"]
    print_table(
        [*columns, "spent", "maybe paid", "started"],
        [
            [
                *(run[name] for name in columns),
                money(run["spent_usd"]),
                run["possibly_paid"],
                run["started_at"],
            ]
            for run in found
        ],
        numbers=(3, 4, 5, 6, 7),
    )
    for run in found:
        for failure in run["failures"][:FEW]:
            say(f"{run['judge']}: {failure['n']:,} {failure['status']}: {failure['reason']}")
        if run["status"] in (RunStatus.INTERRUPTED, RunStatus.STOPPED):
            say(f"{run['judge']} on {run['dataset']}: give the same `concord label` to continue")
