"""What the dashboard says of runs: how they stand, their settings, and how to go on.

Pure: no Streamlit. A run is a row of `loading.runs`: a judge's, or one session of a person.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from app import commands, words
from app.words_label import QUEUES
from data.people import Queue
from data.records import RunStatus
from judges.judge import Orders
from pipelines.human_labels import is_by_human
from pipelines.wording import duration, money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from data.run_facts import RunFacts, Spent

Run = dict[str, Any]

GOES_ON = (RunStatus.INTERRUPTED, RunStatus.STOPPED, RunStatus.BUDGET_SPENT)
ORDERS = {
    Orders.BOTH: "both orders",
    Orders.AB: "response A first",
    Orders.BA: "response B first",
    Orders.RANDOM: "one, drawn at random",
    Orders.NONE: "not shown together",
}
NO_RUNS = "Nothing has been run on this data set yet."
NO_RUNS_AT_ALL = "Nothing has been run in this store yet."
UNKNOWN_REASON = "no reason is stored"
NO_MONEY = "–"


def settings_of(run: Run) -> dict[str, Any]:
    """What a run was told to do."""
    found: dict[str, Any] = json.loads(run["settings"] or "{}")
    return found


def by_human(run: Run) -> bool:
    """Whether a run is a person's session."""
    return is_by_human(settings_of(run))


def name(run: Run) -> str:
    """A run among others: who, on what, when."""
    return (
        f"{run['judge']} on {run['dataset']}, {minute(run['started_at'])} UTC ({run['run_id'][:8]})"
    )


def minute(at: datetime | None) -> str | None:
    """A time as a screen shows it; None where there is none."""
    return None if at is None else at.strftime("%Y-%m-%d %H:%M")


def took(run: Run) -> str | None:
    """How long a run took so far."""
    ended = run["ended_at"] or run["last_label_at"]
    return duration((ended - run["started_at"]).total_seconds()) if ended else None


def lead(runs: Sequence[Run]) -> str:
    """How the runs stand, in one sentence each on status and on labels."""
    counted = Counter(str(run["status"]) for run in runs)
    stand = [(counted[status], words.word(words.RUN_STATUSES, status)) for status in RunStatus]
    found = [(n, status) for n, status in stand if n]
    said = ", ".join(f"{n:,} {status}" for n, status in found)
    if len(found) == 1:
        said = f"all {found[0][1]}" if len(runs) > 1 else found[0][1]
    done, failed = (sum(run[key] or 0 for run in runs) for key in ("done", "failed"))
    lost = f"{failed:,} failed" if failed else "none failed"
    return f"{words.count(len(runs), 'run')}: {said}. {words.count(done, 'label')}, {lost}."


def paid(runs: Sequence[Run]) -> str | None:
    """What the judges' runs cost; None where only people labelled."""
    asked = [run for run in runs if not by_human(run)]
    if not asked:
        return None
    spent = money(sum(run["spent_usd"] or 0.0 for run in asked))
    return f"{spent} spent.{maybe_paid(asked)}"


def maybe_paid(runs: Sequence[Run]) -> str:
    """Calls that were sent and not answered: they may have been paid for."""
    calls = sum(run["possibly_paid"] or 0 for run in runs)
    if not calls:
        return ""
    most = sum(run["possibly_paid_usd"] or 0.0 for run in runs)
    cost = f", at most {money(most)} more" if most else ""
    was = "was" if calls == 1 else "were"
    return (
        f" {words.count(calls, 'call')} {was} sent without an answer being seen, and may have been "
        f"paid for{cost}."
    )


def progress(run: Run, pace: float | None) -> str:
    """A run under way in one line: done, failed, spent of its budget, pace and time left."""
    done, planned, failed = (int(run[key] or 0) for key in ("done", "planned", "failed"))
    said = [f"{done:,} of {planned:,} done"]
    if failed:
        said.append(f"{failed:,} failed")
    if not by_human(run):
        said.append(spend(run))
    if pace:
        said.append(f"{pace:.1f} labels a second" if pace < 10 else f"{pace:,.0f} labels a second")
        if planned > done:
            said.append(f"about {duration((planned - done) / pace)} left")
    return f"{run['judge']} is labelling {run['dataset']}: {', '.join(said)}"


def spend(run: Run) -> str:
    """What a run spent, and of which budget."""
    of = "" if run["budget_usd"] is None else f" of {budget(run)}"
    return f"{money(run['spent_usd'])} spent{of}"


def within_budget(run: Run) -> float | None:
    """The share of its budget that a run has spent, from 0 to 1; None without a budget."""
    if not run["budget_usd"]:
        return None
    spent, budget = float(run["spent_usd"] or 0.0), float(run["budget_usd"])
    return min(1.0, max(0.0, spent / budget))


def settings(run: Run) -> dict[str, str]:
    """What a run was told to do, in words."""
    told = settings_of(run)
    said = {"Criterion": told.get("criterion")}
    if is_by_human(told):
        queue = told.get("queue")
        said["Queue"] = QUEUES[Queue(queue)] if queue in set(Queue) else queue
    else:
        limit, repeats, orders = (told.get(key) for key in ("limit", "repeats", "orders"))
        said["Comparisons"] = "all" if limit is None else f"the first {limit:,}"
        said["Order"] = ORDERS[Orders(orders)] if orders in set(Orders) else orders
        said["Repeats"] = "each asked once" if repeats in (None, 1) else f"each asked {repeats} x"
    return {what: str(value) for what, value in said.items() if value is not None}


def facts(run: Run, found: RunFacts) -> list[dict[str, Any]]:
    """Everything of one run as rows of two columns."""
    human = by_human(run)
    planned, done, failed = (f"{run[key] or 0:,}" for key in ("planned", "done", "failed"))
    rows: dict[str, str | None] = {
        "Labelled by": run["judge"] + (", a person" if human else ""),
        "Data set": run["dataset"],
        "Status": words.word(words.RUN_STATUSES, run["status"]),
        "Planned": planned,
        "Done": done,
        "Failed": failed,
    }
    if not human:
        rows["Spent"] = money(run["spent_usd"])
        rows["Budget"] = budget(run)
        rows["Possibly paid"] = _unanswered(run)
        if (models := served(found)) is not None:
            rows["Answered by"] = models
    rows |= {
        "Started (UTC)": minute(run["started_at"]),
        "Ended (UTC)": minute(run["ended_at"]),
        "Took": took(run),
    }
    rows |= settings(run)
    return [{"What": what, "Value": value} for what, value in rows.items()]


def _unanswered(run: Run) -> str:
    calls = run["possibly_paid"] or 0
    if not calls:
        return "no call"
    most = run["possibly_paid_usd"]
    return words.count(calls, "call") + (f", at most {money(most)}" if most else "")


def served(found: RunFacts) -> str | None:
    """Which models answered, as the provider names them."""
    named = [(each["served_model"], each["n"]) for each in found.served]
    said = [f"{model or 'a model without a name'} ({n:,})" for model, n in named]
    return ", ".join(said) or None


def failures(found: RunFacts) -> list[dict[str, Any]]:
    """Why labels are missing, the most frequent reason first."""
    return [
        {
            "Labels": each["n"],
            "What happened": words.word(words.STATUSES, each["status"]),
            "Reason": each["reason"] or UNKNOWN_REASON,
        }
        for each in found.failures
    ]


def failures_title(run: Run, found: RunFacts) -> str:
    """How many labels give no preference, and the most frequent reason."""
    n = sum(each["n"] for each in found.failures)
    if not n and run["failed"]:
        return f"{words.count(run['failed'], 'label')} failed; the store holds no reason"
    if not n:
        done = run["done"]
        return "Every label gives a preference" if done else "There is no label of this run yet"
    first = found.failures[0]
    what = words.word(words.STATUSES, first["status"])
    total = (run["done"] or 0) + (run["failed"] or 0)
    of = f" of {total:,}" if total >= n else ""
    return f"{n:,}{of} labels give no preference; most often: {what} ({first['n']:,})"


def batches(found: RunFacts) -> list[dict[str, Any]]:
    """The batches of a run, as they stand."""
    return [
        {
            "Batch": each["batch_id"] or "not made yet",
            "Provider": each["provider"],
            "Status": words.word({}, each["status"]),
            "Requests": each["n_requests"],
            "Submitted (UTC)": minute(each["submitted_at"]),
            "Ended (UTC)": minute(each["ended_at"]),
        }
        for each in found.batches
    ]


def next_step(store: str, run: Run, found: RunFacts, *, silent: bool) -> tuple[str, str]:
    """(why, command): how to go on with a run, by its status."""
    identity = run["run_id"][:8]
    status = run["status"]
    if by_human(run):
        why = f"{run['judge']} goes on in this dashboard, on the page Label; it is served by:"
        return why, commands.line("concord", "app", "--store", store)
    if status == RunStatus.RUNNING and not silent:
        return (
            "To follow it in a terminal:",
            commands.line("concord", "runs", "watch", identity, "--store", store),
        )
    if status == RunStatus.BUDGET_SPENT:
        why = "Its budget is spent. The same command with a larger one continues it:"
        return why, label(store, run, 2 * (run["budget_usd"] or 1.0))
    if status in GOES_ON or status == RunStatus.RUNNING or run["failed"]:
        why = "To ask for what is missing or failed, and for nothing that is there:"
        if found.judge_file is None:
            return why, label(store, run)
        return why, commands.line("concord", "runs", "retry", identity, "--store", store)
    return (
        "All of it on the command line:",
        commands.line("concord", "runs", "show", identity, "--store", store),
    )


def label(store: str, run: Run, most_usd: float | None = None) -> str:
    """The command of a run; a judge from a file is named as its file is."""
    told = settings_of(run)
    parts = ["concord", "label", "--judge", run["judge"], "--dataset", run["dataset"]]
    if told.get("limit") is not None:
        parts += ["--limit", str(told["limit"])]
    if told.get("repeats", 1) != 1:
        parts += ["--repeats", str(told["repeats"])]
    if most_usd is not None:
        parts += ["--budget", f"{most_usd:g}"]
    return commands.line(*parts, "--store", store)


def cells(run: Run) -> dict[str, Any]:
    """A run as a row of the table; people are not paid through a run."""
    human = by_human(run)
    return {
        "Labelled by": run["judge"],
        "Data set": run["dataset"],
        "Status": words.word(words.RUN_STATUSES, run["status"]),
        "Planned": run["planned"],
        "Done": run["done"],
        "Failed": run["failed"],
        "Spent": NO_MONEY if human else money(run["spent_usd"]),
        "Budget": NO_MONEY if human else budget(run),
        "Possibly paid": run["possibly_paid"],
        "Started (UTC)": minute(run["started_at"]),
        "Took": took(run),
    }


def budget(run: Run) -> str:
    """The most that a run may spend."""
    return "none" if run["budget_usd"] is None else money(run["budget_usd"])


def spent_title(spent: Sequence[Spent]) -> str:
    """What was spent in all, by how many runs, and which judge took the largest part."""
    by_judge: dict[str, float] = {}
    for part in spent:
        by_judge[part.judge] = by_judge.get(part.judge, 0.0) + part.usd
    total, runs = sum(by_judge.values()), len({part.run_id for part in spent})
    said = f"{money(total)} spent on this data set in {words.count(runs, 'run')}"
    if not total:
        return said
    if len(by_judge) == 1:
        return f"{said}, all by {next(iter(by_judge))}"
    most = max(by_judge, key=lambda judge: by_judge[judge])
    return f"{said}; {most} took the largest part ({money(by_judge[most])})"


def spent_rows(spent: Sequence[Spent]) -> list[dict[str, Any]]:
    """What each run spent, newest last."""
    by_run: dict[str, list[Spent]] = {}
    for part in spent:
        by_run.setdefault(part.run_id, []).append(part)
    return [
        {
            "Judge": parts[0].judge,
            "Run": run_id[:8],
            "Spent": money(sum(part.usd for part in parts)),
            "Replies": sum(part.n for part in parts),
            "Without a known price": sum(part.n_unknown for part in parts),
            "Last reply (UTC)": minute(parts[-1].at),
        }
        for run_id, parts in by_run.items()
    ]


def spent_note(spent: Sequence[Spent]) -> str:
    """What the figure rests on, and what it leaves out."""
    n, unknown = (sum(getattr(part, key) for part in spent) for key in ("n", "n_unknown"))
    missing = f" The price of {unknown:,} of them is not known." if unknown else ""
    return (
        f"From {words.count(n, 'reply').replace('replys', 'replies')}, whatever the criterion; a "
        f"reply that the store held already cost nothing again.{missing}"
    )
