"""Reads of the store for the dashboard, cached by the store's path and its data version.

The only module with `st.cache_*`. The version is looked up at most every 15 s, or on Refresh; while
somebody else holds the store, what was read last stays in use and says how old it is.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from data import browse, queries
from data.records import RunStatus
from data.store import DEFAULT_PATH, Store, StoreLockedError
from pipelines.compare import estimates_of
from pipelines.panel import read_panel
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule

if TYPE_CHECKING:
    from datetime import datetime

    from data.browse import Detail, Page, Wanted
    from pipelines.estimates import Estimate
    from pipelines.panel import Panel

CHECK_SECONDS = 15
WAIT_SECONDS = 3.0
RUNS_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the store: everything drawn from it is cached under its version.

    `read_at` is when that version was last seen (seconds since 1970); `busy` says why nothing
    newer could be read.
    """

    store: str
    version: str
    read_at: float
    busy: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """All estimates of a data set; kind and id of each annotator that has a name of its own."""

    rows: list[Estimate]
    kinds: dict[str, str]
    ids: dict[str, str]
    has_anonymous: bool


def store_path() -> str:
    """The store named on the command line, else by CONCORD_STORE, else in this folder."""
    arguments = sys.argv[1:]
    if "--store" in arguments[:-1]:
        return arguments[arguments.index("--store") + 1]
    return os.environ.get("CONCORD_STORE", DEFAULT_PATH)


def snapshot(store: str) -> Snapshot:
    """The newest state of the store known here. Raises StoreError where there is none to show."""
    return _look(store)


def refresh() -> None:
    """Look the version up again at the next read."""
    _look.clear()
    _runs.clear()


@st.cache_data(ttl=CHECK_SECONDS, show_spinner=False)
def _look(store: str) -> Snapshot:
    try:
        with _open(store).reading() as con:
            [(version,)] = queries.rows(con, queries.VERSION)
    except StoreLockedError as error:
        last = _last_seen().get(store)
        if last is None:
            raise
        return replace(last, busy=error.what)
    seen = Snapshot(store, str(version), time.time())
    _last_seen()[store] = seen
    return seen


@st.cache_resource(show_spinner=False)
def _last_seen() -> dict[str, Snapshot]:
    return {}


def _open(store: str) -> Store:
    return Store(store, upgrade=False, wait_seconds=WAIT_SECONDS)


def datasets(seen: Snapshot) -> list[dict[str, Any]]:
    """What the store holds, a row each data set."""
    return _datasets(seen.store, seen.version)


@st.cache_data(max_entries=4, show_spinner=False)
def _datasets(store: str, version: str) -> list[dict[str, Any]]:  # noqa: ARG001 (part of the key)
    with _open(store).reading() as con:
        return queries.records(con, queries.DATASETS)


def criteria(seen: Snapshot, dataset: str) -> list[str]:
    """The criteria that labels of a data set name."""
    return _criteria(seen.store, seen.version, dataset)


@st.cache_data(max_entries=64, show_spinner=False)
def _criteria(store: str, version: str, dataset: str) -> list[str]:  # noqa: ARG001
    with _open(store).reading() as con:
        return [str(row[0]) for row in queries.rows(con, queries.CRITERIA, dataset=dataset)]


def categories(seen: Snapshot, dataset: str) -> list[str]:
    """The categories of a data set."""
    return _categories(seen.store, seen.version, dataset)


@st.cache_data(max_entries=64, show_spinner=False)
def _categories(store: str, version: str, dataset: str) -> list[str]:  # noqa: ARG001
    with _open(store).reading() as con:
        return browse.categories(con, dataset)


def compared(seen: Snapshot, dataset: str, criterion: str | None, rules: Rules) -> Compared:
    """All estimates of a data set under the rules in force."""
    return _compared(
        seen.store, seen.version, dataset, criterion, str(rules.majority), str(rules.unparsed)
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _compared(
    store: str, version: str, dataset: str, criterion: str | None, majority: str, unparsed: str
) -> Compared:
    panel = _panel(store, version, dataset, criterion)
    rules = Rules(MajorityRule(majority), UnparsedRule(unparsed))
    named = [who for who in panel.annotators if not who.anonymous]
    return Compared(
        rows=estimates_of(panel, rules),
        kinds={who.name: str(who.kind) for who in named},
        ids={who.name: who.annotator_id for who in named},
        has_anonymous=any(who.anonymous for who in panel.annotators),
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _panel(store: str, version: str, dataset: str, criterion: str | None) -> Panel:  # noqa: ARG001
    return read_panel(_open(store), dataset, criterion)


def page(seen: Snapshot, wanted: Wanted, number: int, size: int) -> Page:
    """One page of the comparisons that match a filter."""
    return _page(seen.store, seen.version, wanted, number, size)


@st.cache_data(max_entries=64, show_spinner="Looking through the comparisons")
def _page(store: str, version: str, wanted: Wanted, number: int, size: int) -> Page:  # noqa: ARG001
    with _open(store).reading() as con:
        return browse.page_of(con, wanted, number=number, size=size)


def detail(seen: Snapshot, dataset: str, comparison_id: str) -> Detail | None:
    """One comparison with all its labels."""
    return _detail(seen.store, seen.version, dataset, comparison_id)


@st.cache_data(max_entries=64, show_spinner=False)
def _detail(
    store: str,
    version: str,  # noqa: ARG001
    dataset: str,
    comparison_id: str,
) -> Detail | None:
    with _open(store).reading() as con:
        return browse.detail_of(con, dataset, comparison_id)


def runs(store: str) -> list[dict[str, Any]]:
    """All runs, newest first, with the time of the newest label of those that are running.

    While somebody else holds the store these are the ones read last.
    """
    try:
        found = _runs(store)
    except StoreLockedError:
        return _last_runs().get(store, [])
    _last_runs()[store] = found
    return found


@st.cache_data(ttl=RUNS_SECONDS, show_spinner=False)
def _runs(store: str) -> list[dict[str, Any]]:
    with _open(store).reading() as con:
        found = queries.records(con, queries.RUNS)
        running = any(run["status"] == RunStatus.RUNNING for run in found)
        newest: dict[str, datetime] = browse.last_labels(con) if running else {}
    return [{**run, "last_label_at": newest.get(run["run_id"])} for run in found]


@st.cache_resource(show_spinner=False)
def _last_runs() -> dict[str, list[dict[str, Any]]]:
    return {}


def is_free(store: str) -> bool:
    """Whether the store can be read at this moment."""
    try:
        with _open(store).reading():
            return True
    except StoreLockedError:
        return False
