"""`concord runs`: what ran, what it cost, what failed, and how to go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.labelling import at_price
from app.stores import take_up_if_possible
from app.terminal import ProgressLine, print_json, print_labelled, print_table, say
from data import queries
from data.errors import RunError
from data.records import RunStatus
from data.store import Store
from pipelines.human_labels import is_by_human
from pipelines.label import Progress, label
from pipelines.reparse import judge_of, options_of, run_of
from pipelines.watch import follow_run
from pipelines.wording import money

if TYPE_CHECKING:
    from pathlib import Path

FEW = 5
COLUMNS = ("judge", "dataset", "status", "planned", "done", "failed")
GOES_ON = (RunStatus.INTERRUPTED, RunStatus.STOPPED, RunStatus.BUDGET_SPENT)


def list_runs(path: Path, *, as_json: bool) -> None:
    """Runs, newest first, with the reasons of failures and how to continue."""
    found = _runs(path)
    if as_json:
        print_json({"runs": found})
        return
    print_table(
        ["run", *COLUMNS, "spent", "maybe paid", "started"],
        [
            [
                run["run_id"][:8],
                *(_said(run[name]) for name in COLUMNS),
                money(run["spent_usd"]),
                run["possibly_paid"],
                run["started_at"],
            ]
            for run in found
        ],
        numbers=(4, 5, 6, 7, 8),
    )
    for run in found:
        _say_failures(run)
        if run["status"] in GOES_ON and not is_by_human(json.loads(run["settings"])):
            say(f"{run['judge']} on {run['dataset']}: give the same `concord label` to continue")


def _said(value: Any) -> Any:
    return value.replace("_", " ") if isinstance(value, str) else value


def _runs(path: Path) -> list[dict[str, Any]]:
    store = Store(path)
    take_up_if_possible(store)
    with store.reading() as con:
        found = queries.records(con, queries.RUNS)
        for run in found:
            run["failures"] = queries.records(con, queries.FAILURES, run_id=run["run_id"])
    return found


def _say_failures(run: dict[str, Any]) -> None:
    for failure in run["failures"][:FEW]:
        say(f"{run['judge']}: {failure['n']:,} {_said(failure['status'])}: {failure['reason']}")


def show_run(path: Path, run: str, *, as_json: bool) -> None:
    """All that is known of one run."""
    store = Store(path)
    take_up_if_possible(store)
    row = run_of(store, run)
    with store.reading() as con:
        row["failures"] = queries.records(con, queries.FAILURES, run_id=row["run_id"])
        row["batches"] = queries.records(con, queries.BATCHES, run_id=row["run_id"])
        row["served"] = queries.records(con, queries.SERVED, run_id=row["run_id"])
    if as_json:
        print_json(row)
        return
    print_table(["", ""], [[name, _said(value)] for name, value in _facts(row)])
    _say_failures(row)
    for batch in row["batches"]:
        say(f"batch {batch['batch_id']}: {batch['n_requests']:,} requests, {batch['status']}")


def _facts(row: dict[str, Any]) -> list[tuple[str, Any]]:
    paid = f"{row['possibly_paid']:,}"
    if row["possibly_paid_usd"]:
        paid += f" calls, at most {money(row['possibly_paid_usd'])}"
    served = ", ".join(f"{each['served_model']} ({each['n']:,})" for each in row["served"])
    settings = json.loads(row["settings"])
    return [
        ("run", row["run_id"]),
        *((name, row[name]) for name in COLUMNS),
        ("spent", money(row["spent_usd"])),
        ("budget", "none" if row["budget_usd"] is None else money(row["budget_usd"])),
        ("possibly paid", paid),
        ("served by", served or None),
        ("started", row["started_at"]),
        ("ended", row["ended_at"]),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
    ]


def watch_run(path: Path, run: str) -> None:
    """Show a run's progress until it ends."""
    store = Store(path)
    row = run_of(store, run)
    progress = Progress(row["planned"], 0)
    with ProgressLine() as line:
        status = follow_run(store.journals / f"{row['run_id']}.jsonl", progress, line)
    killed = "was killed"
    if not is_by_human(json.loads(row["settings"])):
        killed += ": the same `concord label` continues it"
    ended = killed if status is None else str(status)
    say(f"{row['judge']} on {row['dataset']}: {progress.done:,} labels, {ended.replace('_', ' ')}")


def retry_run(
    path: Path,
    run: str,
    price_in: float | None = None,
    price_out: float | None = None,
    *,
    as_json: bool,
) -> None:
    """Ask again for what failed or is missing, with the judge as it was."""
    from judges.providers import client_for

    store = Store(path)
    take_up_if_possible(store)
    row = run_of(store, run)
    judge = at_price(judge_of(store, row), price_in, price_out)
    with ProgressLine(quiet=as_json) as progress:
        result = label(store, judge, client_for(judge), options_of(row), progress)
    print_labelled(result)
    if as_json:
        print_json(result)
    if result.failed or result.status is not RunStatus.COMPLETE:
        raise RunError(f"{result.failed:,} labels failed again", f"concord runs show {run}")
