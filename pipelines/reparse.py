"""Reading replies again: a run's labels by the parser of today, without asking anybody."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from data import queries
from data.errors import InputError
from data.ledger import label_event, replace_labels
from judges.config import build, source_of
from judges.judge import Judge, Orders
from pipelines.human_labels import is_by_human
from pipelines.known import known_replies
from pipelines.tasks import LabelOptions, Pages, annotators_of, ids_of, variants

if TYPE_CHECKING:
    from data.store import Store
    from judges.task import AnyJudge, Judgment


@dataclass(frozen=True, slots=True)
class Reparsed:
    """How many labels of a run were read again, and how many came out another way."""

    run_id: str
    read: int
    changed: int
    without_reply: int


def run_of(store: Store, run: str) -> dict[str, Any]:
    """A run by its id, or by the beginning of it. Raises InputError."""
    with store.reading() as con:
        found = [row for row in queries.records(con, queries.RUNS) if row["run_id"].startswith(run)]
    if len(found) != 1:
        many = f"{len(found)} runs begin with" if found else "there is no run"
        raise InputError(f"{many} {run!r}", "`concord runs` lists them.")
    return found[0]


def judge_of(store: Store, run: dict[str, Any]) -> AnyJudge:
    """The judge of a run, as it was when the run was made."""
    if is_by_human(json.loads(run["settings"])):
        raise InputError(
            f"run {run['run_id'][:8]} is what {run['judge']} labelled by hand: nobody can be asked "
            "again",
            "That person goes on in the dashboard, on the page where people label.",
        )
    with store.reading() as con:
        [(definition,)] = queries.rows(con, queries.DEFINITION, run_id=run["run_id"])
    described = json.loads(definition or "{}").get("file")
    if not described:
        raise InputError(f"{run['judge']} asks nobody", "Label again: it costs nothing.")
    judge = build(source_of(described), run["judge"])
    if isinstance(judge, Judge):  # a probing run shows both orders, whatever the file says
        return replace(judge, orders=Orders(json.loads(run["settings"])["orders"]))
    return judge


def options_of(run: dict[str, Any]) -> LabelOptions:
    """What a run was told to do."""
    settings = json.loads(run["settings"])
    return LabelOptions(run["dataset"], settings["limit"], repeats=settings.get("repeats", 1))


def reparse(store: Store, run: str) -> Reparsed:
    """Read a run's replies again; labels that come out another way replace the old ones."""
    row = run_of(store, run)
    judge = judge_of(store, row)
    with store.reading() as con:
        ids = ids_of(judge, annotators_of(con, judge))
        old = {
            UUID(label["label_id"]): label
            for label in queries.records(con, queries.LABELS_OF_RUN, run_id=row["run_id"])
        }
    judgments, without = _read_again(store, judge, options_of(row), ids, set(old))
    changed = [each for each in judgments if _differs(each, old[each.label.label_id])]
    replace_labels(
        store, row["run_id"], [label_event(each.label, each.requests) for each in changed]
    )
    return Reparsed(row["run_id"], len(judgments), len(changed), without)


def _read_again(
    store: Store, judge: AnyJudge, options: LabelOptions, ids: dict[str, UUID], wanted: set[UUID]
) -> tuple[list[Judgment], int]:
    """The run's labels from the replies that the store holds, and how many have none.

    What was asked without a parameter that a provider did not take is found by asking so again.
    """
    secret, found = store.secret(), []
    pages = Pages(judge, UUID(int=0), options)  # of nobody: every task counts as left to do
    while (tasks := pages.read(store)) is not None:
        for each in variants(judge):
            askings: list[Any] = [(each.asking(task, secret, ids), {}) for task in tasks]
            known_replies(store, askings)
            whole = [not asking.needed(known) for asking, known in askings]
            for asking, known in compress(askings, whole):
                found += [one for one in asking.judgments(known) if one.label.label_id in wanted]
            tasks = [task for task, done in zip(tasks, whole, strict=True) if not done]
    return found, len(wanted) - len(found)


def _differs(judgment: Judgment, old: dict[str, Any]) -> bool:
    label = judgment.label
    return (label.status, label.preference, label.p_a) != (
        old["status"],
        old["preference"],
        old["p_a"],
    )
