"""`concord report` and `concord compare`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.printing import print_estimates_as, print_report, print_rows
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import print_json, say
from data.errors import InputError
from data.store import Store, StoreLockedError
from pipelines.compare import (
    DEFAULT_SECTIONS,
    PAGE_SECTIONS,
    SECTIONS,
    compare_judges,
    estimates_of,
)
from pipelines.estimates import as_row
from pipelines.features import fill_features, read_features
from pipelines.findings import difference_sentence
from pipelines.panel import read_panel
from pipelines.probed import read_probed
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.slices import slice_codes
from pipelines.stats.agreement import TieRule

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel


_PAGE = b"<!DOCTYPE html>"
TOLD = 20_000  # comparisons whose features take seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line asks for."""

    dataset: str | None
    sections: tuple[str, ...]
    judges: tuple[str, ...]
    criterion: str | None
    majority: str
    unparsed: str
    ties: str
    slice_by: str = "category"
    intervals: bool = True

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return Rules(
            MajorityRule(self.majority),
            UnparsedRule(self.unparsed),
            TieRule(self.ties),
            self.intervals,
        )


def run_report(
    path: Path, wanted: Wanted, form: str, out: Path | None, *, slices: bool, wide: bool
) -> None:
    """Print the Estimate rows of a data set, or write them as a page."""
    _check(wanted, form, out)
    store = Store(path)
    take_up_if_possible(store)
    dataset = chosen_dataset(store, wanted.dataset)
    panel = read_panel(store, dataset, wanted.criterion, wanted.judges)
    if not wanted.intervals and not wanted.sections:
        wanted = replace(wanted, sections=("agreement",))
    sections = wanted.sections or (PAGE_SECTIONS if form == "html" else DEFAULT_SECTIONS)
    sliced = wanted.slice_by if wanted.intervals else None
    if slices and not sliced:
        say("note: no slices without intervals")
    elif slices and sliced and not slice_codes(panel, sliced)[0]:
        say(f"note: no slices by {sliced}: fewer than two are known of these comparisons")
    if "bias" in sections:
        add_features(store, panel)
        read_probed(store, panel, wanted.judges)
    rows = estimates_of(panel, wanted.rules, sections, sliced)
    kept = dict.fromkeys(row.section for row in rows if row.low is not None)
    if kept and not wanted.intervals:
        say(f"note: --no-intervals does not concern the section {', '.join(kept)}")
    if out is not None:
        _write_page(out, panel, rows)
    elif form == "json":
        estimates = [as_row(row) for row in rows]
        print_json({"dataset": panel.dataset, "simulated": panel.simulated, "estimates": estimates})
    elif form == "table":
        print_report(panel.dataset, panel.simulated, rows, wide=wide, slices=slices)
        others = [name for name in SECTIONS if name not in sections]
        if others and not wanted.sections:
            say(f"more: --section {', '.join(others)}; all on a page: --format html --out FILE")
    else:
        print_estimates_as(form, rows)


def add_features(store: Store, panel: Panel) -> None:
    """Count what the responses hold, once, and read it; a store in use elsewhere has to wait."""
    try:
        fill_features(store, panel.dataset, _tell)
    except StoreLockedError:
        say("note: the store is in use, so new responses' features are counted next time")
    read_features(store, panel)


def _tell(done: int, of: int) -> None:
    if of > TOLD:
        say(f"counting features of the responses, once: {done:,} of {of:,} comparisons")


def _check(wanted: Wanted, form: str, out: Path | None) -> None:
    for section in wanted.sections:
        if section not in SECTIONS:
            raise InputError(f"no section {section!r}", f"There are: {', '.join(SECTIONS)}.")
    if (form == "html") != (out is not None):
        raise InputError(
            "a page needs a file to write" if form == "html" else f"--out is for html, not {form}",
            "--format html --out report.html; others print: redirect them with >.",
        )
    if out is not None and _holds_something_else(out):
        raise InputError(f"{out} exists already and is no page", "Name another --out.")


def _holds_something_else(out: Path) -> bool:
    """Whether writing would destroy a file that is no page: labels, or the store."""
    if not out.is_file():
        return False
    with out.open("rb") as file:
        start = file.read(len(_PAGE))
    return start not in (b"", _PAGE)


def _write_page(out: Path, panel: Panel, rows: list[Estimate]) -> None:
    from app.html_report import html_report

    kinds = {who.name: who.kind for who in panel.annotators}
    page = html_report(
        panel.dataset,
        panel.simulated,
        rows,
        made_at=datetime.now(UTC),
        kinds=kinds,
        command=shlex.join(["concord", *sys.argv[1:]]),
    )
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}", "Name another --out.") from error
    say(f"wrote {out}: one file, to open in a browser or to send")


def run_compare(path: Path, wanted: Wanted, *, as_json: bool) -> None:
    """Print the paired difference of two judges."""
    store = Store(path)
    take_up_if_possible(store)
    dataset, (first, second) = chosen_dataset(store, wanted.dataset), wanted.judges
    rows = compare_judges(
        store, dataset, first, second, rules=wanted.rules, criterion=wanted.criterion
    )
    if as_json:
        print_json({"dataset": dataset, "estimates": [as_row(row) for row in rows]})
        return
    print_rows(difference_sentence(rows), rows)
