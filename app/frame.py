"""What surrounds every view: the header, the shared controls, and what is said without data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from app import commands, controls, loading, words
from app.copying import to_copy
from app.keeping import on_screen
from app.words_runs import by_human
from data.errors import ConcordError
from data.records import RunStatus
from data.store import StoreLockedError
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from app.controls import Choice
    from app.keeping import Key
    from app.loading import Compared, Reader, Snapshot
    from pipelines.estimates import Estimate
    from pipelines.sections.view import Rules
    from pipelines.strategy import Match

T = TypeVar("T")

STYLE = Path(__file__).with_name("style.css")
VIEWS = {
    "overview": "Overview",
    "agreement": "Agreement",
    "bias": "Bias",
    "cost": "Cost",
    "strategy": "Strategy",
    "learning": "Learning",
    "disagreements": "Disagreements",
    "label": "Label",
    "runs": "Runs",
    "sql": "SQL",
}
READING = "Reading the labels and comparing the annotators"
TRYING = "Trying every strategy that the labels allow"
AGE_SECONDS = 5
RETRY_SECONDS = 5
LIVE_SECONDS = 3
SILENT_SECONDS = 300.0  # a run without a new label for so long may have no process any more


@dataclass(frozen=True, slots=True)
class Context:
    """What a view draws from."""

    seen: Snapshot
    choice: Choice
    dataset: Mapping[str, Any]

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self.choice.rules

    def compared(self) -> Compared:
        """Who labelled the data set."""
        with st.spinner(READING):
            return self._reader().compared()

    def rows(
        self, *parts: str, judge: str | None = None, slices: str | None = None
    ) -> list[Estimate]:
        """The estimates of these parts under the rules in force; see `loading.rows`."""
        with st.spinner(READING):
            return self._reader().rows(*parts, judge=judge, slices=slices)

    def of_panel(
        self, function: Callable[..., T], *arguments: Hashable, features: bool = False
    ) -> T:
        """`function(panel, *arguments)`, made once; see `loading.of_panel`."""
        with st.spinner(READING):
            return self._reader().of_panel(function, *arguments, features=features)

    def of_tried(
        self, match: Match, function: Callable[..., T], *arguments: Hashable, by: str | None = None
    ) -> T:
        """`function(tried, *arguments)`, made once; see `loading.of_tried`."""
        with st.spinner(TRYING):
            return self._reader().of_tried(match, function, *arguments, by=by)

    def of_store(self, function: Callable[..., T], *arguments: Hashable) -> T:
        """`function(connection, *arguments)`, made once; see `loading.of_store`."""
        with st.spinner(READING):
            return self._reader().of_store(function, *arguments)

    def _reader(self) -> Reader:
        choice = self.choice
        return loading.Reader(self.seen, choice.dataset, choice.criterion, choice.rules)


def draw(view: str, question: str, body: Callable[[Context], None]) -> None:
    """A whole page: header, controls, the question that the view answers, and its body."""
    st.html(STYLE)
    store = loading.store_path()
    with st.container(key="top"):
        nav, age = _header()
    try:
        seen = loading.snapshot(store)
        with on_screen() as keys:
            _page(view, question, body, seen, partial(_show_age, age, seen, keys))
    except StoreLockedError as error:
        _locked(store, error)
    except ConcordError as error:
        _unavailable(error, store)
    with nav:
        _links(view)


def _header() -> tuple[Any, Any]:
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        with st.container(key="brand", width="content"):
            st.text("Concord")
        nav = st.container(key="nav", horizontal=True, width="content", gap="small")
        age = st.container(key="age-place", width="content")
    return nav, age


def _links(view: str) -> None:
    for name, title in VIEWS.items():
        with st.container(key=f"{'here' if name == view else 'link'}-{name}", width="content"):
            st.page_link(f"views/{name}.py", label=title, query_params=controls.carried())


def _page(
    view: str,
    question: str,
    body: Callable[[Context], None],
    seen: Snapshot,
    show_age: Callable[[str | None], None],
) -> None:
    if seen.busy:
        with st.container(key="busy"):
            st.text(f"{seen.busy}: the data below are those read last. It is tried again.")
    found = {row["dataset"]: row for row in loading.datasets(seen)}
    if not found:
        show_age(None)
        _empty(seen.store)
        return
    simulated = {name: bool(row["simulated"]) for name, row in found.items()}
    choice = controls.choose(view, seen, simulated)
    show_age(choice.dataset)
    dataset = found[choice.dataset]
    st.title(question, anchor=False)
    body(Context(seen, choice, dataset))


def _show_age(place: Any, seen: Snapshot, keys: Sequence[Key], dataset: str | None) -> None:
    version = seen.version_of(dataset)
    with place:
        st.fragment(_age, run_every=AGE_SECONDS)(seen.store, dataset, version, keys)


def _age(store: str, dataset: str | None, version: str, keys: Sequence[Key]) -> None:
    """How old the data is; draws the page anew where newer data of the data set has been read.

    `keys`: of what is on this screen, which stays in use.
    """
    try:
        seen = loading.snapshot(store)
        seen.reads.still_used(keys)
    except ConcordError:
        st.text("the store cannot be read now")
        return
    with st.container(key="age", horizontal=True, vertical_alignment="center", gap="small"):
        st.text(words.age(time.time() - seen.read_at, newer=seen.reading))
        again = st.button("Refresh", type="tertiary", key="refresh")
    if again:
        loading.refresh(store)
        st.rerun()
    if seen.version_of(dataset) != version:
        st.rerun()


def _empty(store: str) -> None:
    st.title("No data yet", anchor=False)
    with st.container(key="lead"):
        st.text("This store holds no data set. Bring in labels of your own:")
    to_copy(commands.import_csv(store), "import")
    with st.container(key="lead-2"):
        st.text("Or look around first, with a bundled sample: no key and no network needed.")
    to_copy(commands.demo(), "demo")


def _unavailable(error: ConcordError, store: str) -> None:
    st.title("There is nothing to show", anchor=False)
    with st.container(key="lead"):
        st.text(f"{error.what}.")
        st.text(error.fix)
    to_copy(commands.import_csv(store), "import")
    to_copy(commands.demo(), "demo")


def _locked(store: str, error: ConcordError) -> None:
    st.title("The store is in use", anchor=False)
    with st.container(key="lead"):
        st.text(f"{error.what}. {error.fix} It is tried again every {RETRY_SECONDS} s.")

    st.fragment(_retry, run_every=RETRY_SECONDS)(store, time.monotonic())


def _retry(store: str, since: float) -> None:
    """Draw the page anew once the store is free; not at once, as it was tried just now."""
    if time.monotonic() - since > RETRY_SECONDS / 2 and loading.is_free(store):
        loading.refresh(store)
        st.rerun()


def live_runs(store: str) -> None:
    """The progress of the runs under way, drawn anew every few seconds while there are any."""
    if _running(store):
        st.fragment(_progress, run_every=LIVE_SECONDS)(store)


def _running(store: str) -> list[dict[str, Any]]:
    return [run for run in loading.runs(store) if run["status"] == RunStatus.RUNNING]


def _progress(store: str) -> None:
    running = _running(store)
    for run in running:
        with st.container(key=f"run-{run['run_id']}", gap="xsmall"):
            st.text(words.run_line(run, None if by_human(run) else money(run["spent_usd"])))
            st.progress(min(1.0, (run["done"] or 0) / max(1, run["planned"] or 0)))
            if (silent := words.silence(run, SILENT_SECONDS)) is not None:
                st.text(silent)
    if not running:
        st.rerun()
