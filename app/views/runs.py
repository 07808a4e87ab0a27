"""The runs view: what goes on, what it costs, what failed, and how to go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from app import commands, controls, frame, loading, parts, words, words_runs
from app.copying import to_copy
from data import run_facts
from data.errors import ConcordError
from data.records import RunStatus
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from app.words_runs import Run
    from data.run_facts import RunFacts

QUESTION = "What has been run, what did it cost, and what is left to do?"
OF_DATASET, OF_STORE = "dataset", "store"
SCOPES = {OF_DATASET: "this data set", OF_STORE: "all data sets"}


def body(context: Context) -> None:
    """How the runs stand, those under way, all of them in a table, and everything of one."""
    store, dataset = context.seen.store, context.choice.dataset
    every = loading.runs(store)
    finding = st.container(key="finding-place")
    scope = controls.pick(
        "runs", "scope", "Runs on", list(SCOPES), of=dataset, shown=SCOPES, width=240
    )
    runs = [run for run in every if scope == OF_STORE or run["dataset"] == dataset]
    with finding:
        _finding(runs, every)
    if not runs:
        why = "What a judge would be asked, without sending anything:"
        parts.next_step(why, commands.label(store, dataset))
        return
    _live(store, runs)
    _table(runs, with_dataset=scope == OF_STORE)
    _one(context, runs)


def _finding(runs: Sequence[Run], every: Sequence[Run]) -> None:
    """How the runs stand and what they cost."""
    if not runs:
        parts.lead(words_runs.NO_RUNS if every else words_runs.NO_RUNS_AT_ALL)
        if every:
            parts.muted(f"On other data sets: {words.count(len(every), 'run')}.", "elsewhere")
        return
    parts.lead(words_runs.lead(runs))
    if (paid := words_runs.paid(runs)) is not None:
        parts.muted(paid, "paid")


def _live(store: str, runs: Sequence[Run]) -> None:
    """The runs under way, drawn anew every few seconds; the page, when one has ended."""
    wanted = tuple(run["run_id"] for run in runs if run["status"] == RunStatus.RUNNING)
    if wanted:
        st.fragment(_progress, run_every=frame.LIVE_SECONDS)(store, wanted)


def _progress(store: str, wanted: tuple[str, ...]) -> None:
    running = [
        run
        for run in loading.runs(store)
        if run["run_id"] in wanted and run["status"] == RunStatus.RUNNING
    ]
    for run in running:
        with st.container(key=f"run-{run['run_id']}", gap="xsmall"):
            st.text(words_runs.progress(run, _pace(store, run)))
            st.progress(min(1.0, (run["done"] or 0) / max(1, run["planned"] or 0)))
            if (silent := words.silence(run, frame.SILENT_SECONDS)) is not None:
                st.text(silent)
    if len(running) < len(wanted):
        st.rerun()


def _pace(store: str, run: Run) -> float | None:
    """Labels per second; None for a run that is silent, or a store that cannot be read now."""
    if words.silence(run, frame.SILENT_SECONDS) is not None:
        return None
    try:
        return loading.lately(store, run_facts.pace_of, run["run_id"])
    except ConcordError:
        return None


def _table(runs: Sequence[Run], *, with_dataset: bool) -> None:
    cells = [words_runs.cells(run) for run in runs]
    hidden = () if with_dataset else ("Data set",)
    shown = [{name: cell for name, cell in row.items() if name not in hidden} for row in cells]
    parts.table(shown, key="table-runs")
    with st.container(key="rows-runs"):
        parts.download(cells, "runs")


def _one(context: Context, runs: Sequence[Run]) -> None:
    """Everything of the run that is chosen, and how to go on with it."""
    store = context.seen.store
    by_id = {run["run_id"]: run for run in runs}
    _take_prefix(list(by_id))
    parts.section("One run", "run")
    names = {identity: words_runs.name(run) for identity, run in by_id.items()}
    chosen = by_id[controls.pick("runs", "run", "Run", list(by_id), of=" ".join(by_id),
                                 default=_first(runs), shown=names, width=560)]  # fmt: skip
    found = loading.lately(store, run_facts.facts_of, chosen["run_id"])
    _budget(chosen)
    left, right = st.columns(2, gap="large")
    with left:
        parts.table(words_runs.facts(chosen, found), key="table-facts", most=20)
    with right:
        _failures(chosen, found)
        _batches(found)
        _judge(found)
    silent = words.silence(chosen, frame.SILENT_SECONDS) is not None
    parts.next_step(*words_runs.next_step(store, chosen, found, silent=silent))


def _take_prefix(identities: Sequence[str]) -> None:
    """A link may name a run by the beginning of its id, as the command line does."""
    asked = st.query_params.get("run", "")
    found = [identity for identity in identities if asked and identity.startswith(asked)]
    if len(found) == 1:
        controls.remember("run", found[0])


def _first(runs: Sequence[Run]) -> str:
    """What a reader looks for: a run that needs something, else the newest."""
    for run in runs:
        if run["status"] in words_runs.GOES_ON or run["failed"]:
            return str(run["run_id"])
    return str(runs[0]["run_id"])


def _budget(run: Run) -> None:
    """Spend against the run's budget."""
    share = words_runs.within_budget(run)
    if share is None or words_runs.by_human(run):
        return
    with st.container(key="budget", gap="xsmall"):
        st.text(f"{words_runs.spend(run)} ({share:.0%})")
        st.progress(share)
        if run["possibly_paid_usd"]:
            most = money(run["possibly_paid_usd"])
            parts.muted(f"Calls without an answer count against it with {most} more.", "budget")


def _failures(run: Run, found: RunFacts) -> None:
    with st.container(key="title-failures"):
        st.text(words_runs.failures_title(run, found))
    rows = words_runs.failures(found)
    if rows:
        parts.table(rows, key="table-failures")
        with st.container(key="rows-failures"):
            parts.download(rows, "failures")


def _batches(found: RunFacts) -> None:
    rows = words_runs.batches(found)
    if rows:
        with st.container(key="title-batches"):
            st.text("Sent in batches")
        parts.table(rows, key="table-batches")


def _judge(found: RunFacts) -> None:
    """The judge as it was when it ran."""
    if found.judge_file is None:
        return
    with st.expander("The judge as it ran", key="more-judge"):
        said = json.dumps(found.judge_file, indent=2, ensure_ascii=False)
        to_copy(said, "judge")


if __name__ == "__main__":
    frame.draw("runs", QUESTION, body)
