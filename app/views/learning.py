"""The learning view: what labels teach, of humans, of judges and of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from app import commands, controls, figures, frame, jobs, parts, tables, words_learning
from app.figures_learning import learning, limits
from app.jobs import Job
from data import browse
from pipelines.sections.view import UnparsedRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from app.frame import Context

QUESTION = "What do the labels teach?"
LOOK_SECONDS = 1.0
NO_GROUP = ""
WIN_AXIS = figures.Axis("held-out humans prefer it to another response", zero=0.5)


def body(context: Context) -> None:
    """The experiment's findings and curves, then best of n; each is run where it was not yet."""
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        job = _learn_job(context)
    _shown(job, "learn", words_learning.ABOUT, lambda found: _learned(context, found))
    parts.section("Best of several responses", "best")
    best = Job("best-of", _of(context), context.seen.store, _version(context))
    _shown(best, "best", words_learning.ABOUT_BEST, lambda found: _best(context, found))
    parts.next_step(
        "All of it on the command line, with every size, recipe and embedding by choice:",
        commands.learn(context.seen.store, context.choice.dataset),
    )


def _version(context: Context) -> str:
    return context.seen.reads.versions.get(context.choice.dataset, "")


def _of(context: Context) -> tuple[str, ...]:
    choice = context.choice
    return f"--dataset={choice.dataset}", f"--criterion={choice.criterion}"


def _learn_job(context: Context) -> Job:
    """What is to be run, from what the reader chose."""
    dataset = context.choice.dataset
    repeats = controls.pick("learning", "repeats", "How thorough", list(words_learning.REPEATS),
                            default="4", shown=words_learning.REPEATS, width=280)  # fmt: skip
    keys = context.of_store(browse.metadata_keys, dataset)
    extra: tuple[str, ...] = ()
    if keys:
        shown = {NO_GROUP: "the category"}
        group = controls.pick("learning", "group", "Hold out whole kinds by", [NO_GROUP, *keys],
                              of=dataset, shown=shown, width=260)  # fmt: skip
        extra = (f"--group={group}",) if group else ()
    unparsed = "tie" if context.rules.unparsed is UnparsedRule.TIE else "drop"
    words = (*_of(context), f"--repeats={repeats}", f"--unparsed={unparsed}", *extra)
    return Job("learn", words, context.seen.store, _version(context))


def _shown(job: Job, key: str, about: str, show: Callable[[Mapping[str, Any]], None]) -> None:
    """A job's result; or how far it is; or what it is about, with a button that starts it."""
    state = jobs.state(job)
    if state.kind == "done":
        show(state.result)
    elif state.kind == "running":
        st.fragment(_progress, run_every=LOOK_SECONDS)(job, key)
    elif state.kind == "none" and (found := jobs.earlier(job)) is not None:
        result, seconds = found
        with st.container(key=f"again-{key}", horizontal=True, vertical_alignment="center"):
            parts.muted(words_learning.earlier(seconds), f"earlier-{key}")
            _start(job, words_learning.AGAIN, key, kind="secondary")
        show(result)
    else:
        if state.kind == "failed":
            parts.lead(words_learning.failure(state.said)[0], f"finding-{key}")
            parts.lines(words_learning.failure(state.said)[1:], f"sentences-{key}")
        else:
            parts.lead(words_learning.NOT_RUN, f"finding-{key}")
            parts.muted(about, key)
        label = "Try again" if state.kind == "failed" else "Run the experiment"
        _start(job, label, key)


def _start(
    job: Job, label: str, key: str, kind: Literal["primary", "secondary"] = "primary"
) -> None:
    if st.button(label, key=f"run-{key}", type=kind):
        jobs.start(job)
        st.rerun()


def _progress(job: Job, key: str) -> None:
    """How far it is; draws the page anew at its end."""
    state = jobs.state(job)
    if state.kind != "running":
        st.rerun()
    done, of = state.progress or (0, 0)
    text = f"{done:,} of {of:,} fitted" if of else "Reading texts and labels"
    with st.container(key=f"progress-{key}", gap="small"):
        st.text(f"Running: {text}. The page may be left: the result is kept.")
        st.progress(done / of if of else 0.0)
        if st.button("Stop", key=f"stop-{key}", type="tertiary"):
            jobs.stop(job)
            st.rerun()


def _learned(context: Context, found: Mapping[str, Any]) -> None:
    """Findings, curves by number or money, and what may not be concluded."""
    rows = words_learning.estimates(found)
    groups, not_shown = words_learning.conclusions(found)
    if not rows or not groups:
        parts.lead(words_learning.NOT_RUN, "finding-learn")
        return
    parts.lead(words_learning.lead(groups), "finding-learn")
    _curves(context, found)
    for k, (heading, lines) in enumerate(groups):
        with st.container(key=f"title-findings-{k}"):
            st.text(heading)
        parts.lines(lines, f"sentences-{k}")
    with st.container(key="title-not"):
        st.text("What may not be concluded:")
    parts.lines(not_shown, "sentences-not")
    parts.muted(words_learning.recipe(found), "recipe")
    for k, note in enumerate(found.get("notes", [])):
        parts.muted(words_learning.noted(note), f"learn-{k}")


def _curves(context: Context, found: Mapping[str, Any]) -> None:
    rows = words_learning.estimates(found)
    judges = words_learning.judges(rows)
    with st.container(key="filter-curves", horizontal=True, gap="medium"):
        judge = None
        if judges:
            judge = controls.pick("learning", "judge", "Labels of the judge", judges,
                                  of=context.choice.dataset, width=280)  # fmt: skip
        by = controls.pick("learning", "by", "Curves", list(words_learning.BY),
                           shown=words_learning.BY, width=240)  # fmt: skip
    if by == words_learning.MONEY and not words_learning.has_prices(rows):
        parts.muted(words_learning.NO_MONEY, "no-money")
        by = words_learning.NUMBER
    ways = words_learning.ways(found)
    drawn = {way: words_learning.curves(rows, way, judge, by) for way in ways}
    behind = {way: words_learning.shades(rows, way) for way in ways}
    heights = limits((c for each in drawn.values() for c in each),
                     (s for each in behind.values() for s in each))  # fmt: skip
    places = st.columns(len(ways), gap="large") if len(ways) > 1 else [st.container()]
    for way, place in zip(ways, places, strict=True):
        money = by == words_learning.MONEY
        axis = "US dollars for the labels" if money else "labels that were fitted to"
        key = "learn-seen" if way == ways[0] else "learn-unseen"
        names = {curve.name for curve in drawn[way]} | {shade.name for shade in behind[way]}
        shown = [r for r in rows if r.method == way and r.subject in names
                 and r.statistic in ("held_out_agreement", "labels_usd")]  # fmt: skip
        chart = None
        if drawn[way]:
            chart = learning(tuple(drawn[way]), tuple(behind[way]), f"{axis}, log scale", heights,
                             money=money)  # fmt: skip
        with place:
            parts.figure(key, words_learning.title(rows, way), chart, shown,
                         terms=words_learning.TERMS)  # fmt: skip
    parts.muted(words_learning.KEY, "curves")


def _best(context: Context, found: Mapping[str, Any]) -> None:
    """What each source selects, and from where on humans do not follow its score."""
    rows = words_learning.estimates(found)
    said = [str(line) for line in found.get("sentences", [])]
    if not rows or not said:
        parts.lead(words_learning.NOT_RUN, "finding-best")
        return
    first, *rest = said
    parts.lead(first, "finding-best")
    parts.lines(rest, "sentences-best")
    sources = words_learning.sources(rows, int(found.get("responses", 0)))
    kinds = context.compared().kinds
    dots = [tables.dot(row, words_learning.source_role(row.subject, kinds)) for row in sources]
    title = words_learning.best_title(sources, int(found.get("responses", 0)))
    shown = [row for row in rows if row.method == rows[0].method]
    parts.figure("best", title, figures.dots(dots, WIN_AXIS) if dots else None, shown)
    for k, note in enumerate(found.get("notes", [])):
        parts.muted(words_learning.noted(note), f"best-{k}")


if __name__ == "__main__":
    frame.draw("learning", QUESTION, body)
