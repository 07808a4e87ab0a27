"""Reads of the store for the dashboard: each made once for all browsers, until its data changes.

A view asks for the sections of the comparison that it shows, and for nothing else. How results are
kept, and read anew while a run writes, is `app.keeping`.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from app.keeping import WAIT_SECONDS, Keeper, Reads, Snapshot, beside, large
from data import browse, queries
from data.records import OVERALL, RunStatus
from data.store import DEFAULT_PATH, Store, StoreLockedError
from pipelines import strategy_tries
from pipelines.features import count_and_read_features
from pipelines.panel import read_panel
from pipelines.probed import read_probed
from pipelines.section_parts import PARTS, narrowed, part_rows
from pipelines.sections.view import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime

    from data.browse import Detail, Page, Wanted
    from data.store import Connection
    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.strategy import Match, Tried
    from pipelines.strategy_tries import Sliced

T = TypeVar("T")

FREE_SECONDS = 0.5  # how long a store is tried before it counts as in use
__all__ = ["Reads", "Snapshot"]

_KEEPERS: dict[str, Keeper] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Compared:
    """Who labelled a data set: kind and id of each annotator that has a name of its own."""

    kinds: dict[str, str]
    ids: dict[str, str]
    has_anonymous: bool


def store_path() -> str:
    """The store named on the command line, else by CONCORD_STORE, else in this folder."""
    arguments = sys.argv[1:]
    if "--store" in arguments[:-1]:
        return arguments[arguments.index("--store") + 1]
    return os.environ.get("CONCORD_STORE", DEFAULT_PATH)


def keeper(store: str) -> Keeper:
    """What is kept of a store: one keeper for the whole process."""
    with _LOCK:
        if store not in _KEEPERS:
            _KEEPERS[store] = Keeper(store)
        return _KEEPERS[store]


def snapshot(store: str) -> Snapshot:
    """The newest state of the store that has been read. Raises StoreError where there is none."""
    return keeper(store).snapshot()


def refresh(store: str) -> None:
    """Look for newer data now: it is there on return, or is on its way."""
    keeper(store).refresh()


def datasets(seen: Snapshot) -> list[dict[str, Any]]:
    """What the store holds, a row each data set."""
    return list(seen.reads.get(None, _datasets))


def _datasets(reads: Reads) -> list[dict[str, Any]]:
    with reads.open().reading() as con:
        return queries.records(con, queries.DATASETS)


def criteria(seen: Snapshot, dataset: str) -> list[str]:
    """The criteria that labels of a data set name."""
    return list(seen.reads.get(dataset, _criteria, dataset))


def _criteria(reads: Reads, dataset: str) -> list[str]:
    with reads.open().reading() as con:
        return [str(row[0]) for row in queries.rows(con, queries.CRITERIA, dataset=dataset)]


def categories(seen: Snapshot, dataset: str) -> list[str]:
    """The categories of a data set."""
    return list(seen.reads.get(dataset, _categories, dataset))


def _categories(reads: Reads, dataset: str) -> list[str]:
    with reads.open().reading() as con:
        return browse.categories(con, dataset)


def first_criterion(found: list[str]) -> str:
    """The criterion that a view starts with."""
    return OVERALL if OVERALL in found or not found else found[0]


def compared(seen: Snapshot, dataset: str, criterion: str) -> Compared:
    """Who labelled a data set by a criterion."""
    return seen.reads.get(dataset, _compared, dataset, criterion)


@beside
def _compared(reads: Reads, dataset: str, criterion: str) -> Compared:
    everyone = reads.need(dataset, _panel, dataset, criterion).annotators
    named = [who for who in everyone if not who.anonymous]
    return Compared(
        kinds={who.name: str(who.kind) for who in named},
        ids={who.name: who.annotator_id for who in named},
        has_anonymous=len(named) < len(everyone),
    )


def rows(
    seen: Snapshot,
    dataset: str,
    criterion: str,
    rules: Rules,
    *parts: str,
    judge: str | None = None,
    slices: str | None = None,
) -> list[Estimate]:
    """The Estimate rows of these parts of the comparison (pipelines.section_parts.PARTS).

    Overall only, or with those of a column of slices (category, length or models). Each part is
    computed by itself, the first time that any view asks for it under rules that it depends on.
    """
    found = [
        seen.reads.get(
            dataset, _rows, dataset, criterion, narrowed(rules, PARTS[part].rules), part,
            judge if PARTS[part].of_judge else None, slices,
        )
        for part in parts
    ]  # fmt: skip
    return [row for part in found for row in part]


@beside
def _rows(
    reads: Reads, dataset: str, criterion: str, rules: Rules, part: str, judge: str | None,
    slices: str | None,
) -> list[Estimate]:  # fmt: skip
    read = _panel_with_features if PARTS[part].section == "bias" else _panel
    return part_rows(reads.need(dataset, read, dataset, criterion), rules, part, judge, slices)


@large
def _panel(reads: Reads, dataset: str, criterion: str) -> Panel:
    return read_panel(reads.open(), dataset, criterion)


@large
def _panel_with_features(reads: Reads, dataset: str, criterion: str) -> Panel:
    """The same panel: features, counted here where none are stored, and probes are put into it."""
    panel = reads.need(dataset, _panel, dataset, criterion)
    count_and_read_features(reads.open(), panel)
    read_probed(reads.open(), panel)
    return panel


def of_panel(
    seen: Snapshot,
    dataset: str,
    criterion: str,
    function: Callable[..., T],
    *arguments: Hashable,
    features: bool = False,
) -> T:
    """`function(panel, *arguments)`, made once; the panel is shared: it may not be changed.

    `function` must be one of a module (no lambda, which would be another one each time).
    """
    key = (dataset, criterion, function, features, *arguments)
    found: T = seen.reads.get(dataset, _of_panel, *key)
    return found


@beside
def _of_panel(
    reads: Reads,
    dataset: str,
    criterion: str,
    function: Callable[..., T],
    features: bool,
    *arguments: Hashable,
) -> T:
    read = _panel_with_features if features else _panel
    return function(reads.need(dataset, read, dataset, criterion), *arguments)


def of_tried(
    seen: Snapshot,
    dataset: str,
    criterion: str,
    rules: Rules,
    match: Match,
    function: Callable[..., T],
    *arguments: Hashable,
    by: str | None = None,
) -> T:
    """`function(tried, *arguments)` of the strategies tried on a data set, made once.

    With `by`, a column of slices, `function(tried, sliced, *arguments)`.
    """
    key = (dataset, criterion, narrowed(rules, strategy_tries.RULES), match, by, function)
    found: T = seen.reads.get(dataset, _of_tried, *key, *arguments)
    return found


@beside
def _of_tried(
    reads: Reads, dataset: str, criterion: str, rules: Rules, match: Match, by: str | None,
    function: Callable[..., T], *arguments: Hashable,
) -> T:  # fmt: skip
    of = (dataset, criterion, rules, match)
    tried: list[Any] = [reads.need(dataset, _tried, *of)]
    if by is not None:
        tried.append(reads.need(dataset, _tried_by, *of, by))
    return function(*tried, *arguments)


@large
def _tried(reads: Reads, dataset: str, criterion: str, rules: Rules, match: Match) -> Tried:
    panel = reads.need(dataset, _panel_with_features, dataset, criterion)
    return strategy_tries.tried_on_all(panel, rules, match)


@large
def _tried_by(
    reads: Reads, dataset: str, criterion: str, rules: Rules, match: Match, column: str
) -> Sliced:
    panel = reads.need(dataset, _panel_with_features, dataset, criterion)
    return strategy_tries.tried_by(panel, rules, match, column)


def of_store(
    seen: Snapshot, dataset: str | None, function: Callable[..., T], *arguments: Hashable
) -> T:
    """`function(connection, *arguments)`, made once until the data set changes.

    `dataset` None: until anything in the store does. For a module's function, as `of_panel`.
    """
    found: T = seen.reads.get(dataset, _of_store, function, *arguments)
    return found


def _of_store(reads: Reads, function: Callable[..., T], *arguments: Hashable) -> T:
    with reads.open().reading() as con:
        return function(con, *arguments)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads of one data set by one criterion under the rules in force."""

    seen: Snapshot
    dataset: str
    criterion: str
    rules: Rules

    def compared(self) -> Compared:
        """Who labelled the data set."""
        return compared(self.seen, self.dataset, self.criterion)

    def rows(
        self, *parts: str, judge: str | None = None, slices: str | None = None
    ) -> list[Estimate]:
        """The estimates of these parts; see `rows`."""
        wanted = (self.seen, self.dataset, self.criterion, self.rules)
        return rows(*wanted, *parts, judge=judge, slices=slices)

    def of_panel(
        self, function: Callable[..., T], *arguments: Hashable, features: bool = False
    ) -> T:
        """`function(panel, *arguments)`, made once; see `of_panel`."""
        wanted = (self.seen, self.dataset, self.criterion)
        return of_panel(*wanted, function, *arguments, features=features)

    def of_tried(
        self, match: Match, function: Callable[..., T], *arguments: Hashable, by: str | None = None
    ) -> T:
        """`function(tried, *arguments)`, made once; see `of_tried`."""
        wanted = (self.seen, self.dataset, self.criterion, self.rules, match)
        return of_tried(*wanted, function, *arguments, by=by)

    def of_store(self, function: Callable[..., T], *arguments: Hashable) -> T:
        """`function(connection, *arguments)`, made once; see `of_store`."""
        return of_store(self.seen, self.dataset, function, *arguments)


def first_reader(store: str) -> Reader | None:
    """What a page without any choice is about; None for a store that holds nothing."""
    seen = snapshot(store)
    for dataset in [str(row["dataset"]) for row in datasets(seen)]:
        return Reader(seen, dataset, first_criterion(criteria(seen, dataset)), Rules())
    return None


def models(seen: Snapshot, dataset: str) -> list[str]:
    """The models whose responses a data set compares."""
    return list(of_store(seen, dataset, browse.models, dataset))


def now(store: str, function: Callable[..., T], *arguments: Hashable) -> T:
    """`function(connection, *arguments)` of this moment, kept by nobody: what is large and rare."""
    with Store(store, upgrade=False, wait_seconds=WAIT_SECONDS).reading() as con:
        return function(con, *arguments)


def page(seen: Snapshot, wanted: Wanted, number: int, size: int) -> Page:
    """One page of the comparisons that match a filter."""
    return seen.reads.get(wanted.dataset, _page, wanted, number, size)


def _page(reads: Reads, wanted: Wanted, number: int, size: int) -> Page:
    with reads.open().reading() as con:
        return browse.page_of(con, wanted, number=number, size=size)


def detail(seen: Snapshot, dataset: str, comparison_id: str) -> Detail | None:
    """One comparison with all its labels."""
    return seen.reads.get(dataset, _detail, dataset, comparison_id)


def _detail(reads: Reads, dataset: str, comparison_id: str) -> Detail | None:
    with reads.open().reading() as con:
        return browse.detail_of(con, dataset, comparison_id)


def runs(store: str) -> list[dict[str, Any]]:
    """All runs, newest first, with the time of the newest label of those that are running.

    While somebody else holds the store these are the ones read last.
    """
    return list(lately(store, _runs))


def lately(store: str, function: Callable[..., T], *arguments: Hashable) -> T:
    """`function(connection, *arguments)` as of two seconds ago or later: for what runs change."""
    found: T = keeper(store).lately(function, *arguments)
    return found


def _runs(con: Connection) -> list[dict[str, Any]]:
    found = queries.records(con, queries.RUNS)
    running = any(run["status"] == RunStatus.RUNNING for run in found)
    newest: dict[str, datetime] = browse.last_labels(con) if running else {}
    return [{**run, "last_label_at": newest.get(run["run_id"])} for run in found]


def is_free(store: str) -> bool:
    """Whether the store can be read at this moment."""
    try:
        with Store(store, upgrade=False, wait_seconds=FREE_SECONDS).reading():
            return True
    except StoreLockedError:
        return False
