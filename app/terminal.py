"""What the command line shows: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from textwrap import fill
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.wording import duration, money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from rich.text import Text

    from data.imports import Imported
    from pipelines.label import Labelled, Progress

WIDTH = 100
PLAIN_SECONDS = 10.0
_LEAST_NAME = 12
_BREAKS = re.compile(r"[\r\n\t]+")  # in a cell they would break the table


class _Verbatim(Console):
    """Texts as they are: names from outside neither steer the terminal nor turn into emoji."""

    def render_str(self, text: str, **said: Any) -> Text:
        """A text that is printed, or in a cell, without control characters."""
        return super().render_str(clean(text), **{**said, "emoji": False})


errors = _Verbatim(stderr=True, highlight=False)


def out() -> Console:
    """The console of stdout: 100 columns where that is no terminal."""
    return _Verbatim(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def say(text: str = "") -> None:
    """A plain line on stderr."""
    errors.print(escape(clean(text)), soft_wrap=True)


def print_json(value: Any) -> None:
    """A result as JSON on stdout; what steers a terminal or turns text around is escaped."""
    text = json.dumps(value, indent=2, default=_plain, ensure_ascii=False)
    sys.stdout.write(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID | datetime):
        return str(value)
    raise TypeError(type(value).__name__)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Iterable[int] = ()
) -> None:
    """A table on stdout; columns in `numbers` are right-aligned."""
    right = set(numbers)
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    columns = [_cell(name) for name in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    console = out()
    longest = [max((len(row[k]) for row in cells), default=0) for k in range(len(columns))]
    gaps = 2 * len(columns)
    too_wide = sum(map(max, longest, map(len, columns))) + gaps > console.width
    figures = sum(longest[k] for k in right) + _LEAST_NAME * (len(columns) - len(right))
    whole = figures + gaps <= console.width  # a figure and its interval stay on one line
    for k, name in enumerate(columns):
        narrow = k in right and too_wide and whole
        table.add_column(
            escape(fill(name, max(longest[k], 1), break_long_words=False) if narrow else name),
            justify="right" if k in right else "left",
            overflow="fold",
            no_wrap=narrow,
        )
    for row in cells:
        table.add_row(*map(escape, row))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return clean(_BREAKS.sub(" ", str(value)))


def clean(text: str) -> str:
    """Text from outside without control characters: a terminal obeys those."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def print_imported(result: Imported) -> None:
    """What an import did, in a few lines on stderr."""
    simulated = "  (simulated labels)" if result.simulated else ""
    say(f"{result.dataset}{simulated}")
    known = f", {result.comparisons_known:,} known already" if result.comparisons_known else ""
    say(f"  {result.comparisons_new:,} comparisons new{known}")
    known = f", {result.labels_known:,} known already" if result.labels_known else ""
    say(f"  {result.labels_new:,} labels new{known}")
    names = result.annotators
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    if names:
        say(f"  annotators: {', '.join(names[:8])}{more}")
    for skipped in result.skipped:
        say(f"  skipped {skipped.n:,}: {skipped.reason} (such as {skipped.example})")
    for note in result.notes:
        say(f"  note: {note}")


def print_labelled(result: Labelled) -> None:
    """How a run ended, in a few lines on stderr."""
    spent = money(result.spent_usd)
    if result.watched:
        say(f"{result.annotator} on {result.dataset}: done by another process, {spent} spent")
        return
    if result.run_id is None:
        say(f"{result.annotator}: all {result.planned:,} labels of {result.dataset} are there.")
        return
    reused = f", {result.reused:,} from replies bought before" if result.reused else ""
    spent += "" if result.budget_usd is None else f" of {money(result.budget_usd)}"
    say(
        f"{result.annotator} on {result.dataset}: {result.done:,} labels{reused}, "
        f"{result.failed:,} failed, {spent} spent, {duration(result.seconds)}, "
        f"{result.status.value.replace('_', ' ')}"
    )
    if result.without_verdict:
        say(f"  {result.without_verdict:,} of them without a verdict: concord runs says why")
    for note in result.notes:
        say(f"  note: {note}")
    if result.before:
        say(f"  {result.before:,} of {result.planned:,} were there before")
    if result.without_texts:
        say(f"  {result.without_texts:,} comparisons left out: a response has no text")
    if result.journal_pending:
        say("  the store is in use: the labels are in the journal; the next command stores them")


class ProgressLine:
    """Done, failed, spent, rate and time left: in place on a terminal, else a line every 10 s."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._live = errors.is_terminal and not quiet
        self._quiet = quiet
        self._status = errors.status("starting") if self._live else None
        self._told: float | None = None
        self._stopping = False

    def __enter__(self) -> ProgressLine:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where a run stands."""
        if self._status:
            self._status.update(escape(progress_text(progress)))
        elif not self._quiet:
            self._tell_plainly(progress)

    def _tell_plainly(self, progress: Progress) -> None:
        now = time.monotonic()
        news = progress.stopping and not self._stopping
        self._stopping = progress.stopping
        if news or (self._told is not None and now - self._told >= PLAIN_SECONDS):
            say(progress_text(progress))
        if self._told is None or now - self._told >= PLAIN_SECONDS:
            self._told = now


def progress_text(progress: Progress) -> str:
    """A run's progress in one line."""
    ready = progress.before + progress.done
    rate = progress.per_second
    left = max(0, progress.planned - ready - progress.failed)
    spent = money(progress.spent_usd if progress.price_known else None)
    parts = [f"{ready:,} of {progress.planned:,} done", f"{progress.failed:,} failed"]
    if progress.budget_usd is not None:
        spent = f"{money(progress.used_usd)} of {money(progress.budget_usd)}"
    parts += [f"{spent} spent", f"{rate:.0f} labels/s"]
    if rate > 0:
        parts.append(f"{duration(left / rate)} left")
    if progress.waiting:
        parts.append(progress.waiting)
    if progress.stopping:
        parts.append("stopping: waiting for the calls under way (again to quit now)")
    if progress.store_locked:
        parts.append("the store is in use elsewhere: labels wait in the journal")
    return ", ".join(parts)
