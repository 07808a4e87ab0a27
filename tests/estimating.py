"""Small data sets through a store, for tests of what is computed from one."""

from __future__ import annotations

import re
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any

from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store
from pipelines.compare import compare
from pipelines.findings import judge_sentence, judges_by_agreement
from pipelines.titles import section_title
from pipelines.wording import STATISTICS, interval_of, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipelines.estimates import Estimate
    from pipelines.sections.view import Rules

HUMAN, JUDGE = AnnotatorKind.HUMAN, AnnotatorKind.JUDGE
AGGREGATE, BASELINE = AnnotatorKind.AGGREGATE, AnnotatorKind.BASELINE
NAMES = {"a": "a", "b": "b", "t": "tie"}
STATUSES = {"x": "parse_error", "r": "refused", "f": "failed", "s": "skipped"}


def label(item: int, annotator: str, mark: str, shown: str | None = None, **rest: Any) -> Any:
    """A label: mark a, b, t (tie), or x (parse error), r (refused), f (failed), s (skipped)."""
    status = STATUSES.get(mark, "ok")
    cell = {"item": item, "annotator": annotator, "preference": NAMES.get(mark), "status": status}
    return {**cell, "shown": shown, **rest}


def both(item: int, annotator: str, ab: str, ba: str, **rest: Any) -> list[Any]:
    """A label in each order; a space is none."""
    orders = (("ab", ab), ("ba", ba))
    return [label(item, annotator, m, shown, **rest) for shown, m in orders if m.strip()]


def store_of(
    path: Path,
    labels: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, AnnotatorKind],
    *,
    n_items: int,
    prompts: Sequence[Any] | None = None,
    texts: bool = True,
    responses: Sequence[tuple[str, str]] | None = None,
    categories: Sequence[str | None] | None = None,
    anonymous: Sequence[str] = (),
    dataset: str = "d",
) -> Store:
    """A store with one data set; every comparison has a prompt of its own unless told."""
    prompts = prompts or list(range(n_items))
    responses = responses or [(f"answer {i}", f"reply {i}!") for i in range(n_items)]
    comparisons = [
        {
            "item": i,
            "source_id": f"c{i}",
            "prompt_key": f"p{prompts[i]}",
            "prompt": f"prompt {prompts[i]}" if texts else None,
            "response_a": responses[i][0] if texts else None,
            "response_b": responses[i][1] if texts else None,
            "category": categories[i] if categories else None,
        }
        for i in range(n_items)
    ]
    material = Material(
        dataset=dataset,
        source="test",
        comparisons=table(comparisons, COMPARISONS),
        labels=table(labels, LABELS),
        annotators=tuple(
            Annotator(kind, name, dataset, anonymous=name in anonymous)
            for name, kind in kinds.items()
        ),
        digest="0",
    )
    store = Store(path, create=True)
    import_material(store, material)
    return store


class Rows:
    """Estimate rows that are sane, found by what they are."""

    def __init__(self, rows: Sequence[Estimate]) -> None:
        self.rows = list(rows)
        check(self.rows)

    def all(self, statistic: str, **wanted: str) -> list[Estimate]:
        """Rows of a statistic with these fields."""
        return [
            row
            for row in self.rows
            if row.statistic == statistic
            and all(getattr(row, name) == value for name, value in wanted.items())
        ]

    def one(self, statistic: str, subject: str, **wanted: str) -> Estimate:
        """The only such row of a subject, over all comparisons unless `slice` is wanted."""
        [row] = self.all(statistic, subject=subject, **{"slice": "all", **wanted})
        return row

    def ceiling(self, judge: str, slice_name: str = "all") -> Estimate:
        """The ceiling on the judge's items."""
        found = self.all("single_human_agreement", subject="human ceiling", slice=slice_name)
        [row] = [row for row in found if row.method.endswith(f" items of {judge}")]
        return row


def compared(store: Store, rules: Rules | None = None, dataset: str = "d", **more: Any) -> Rows:
    """All rows of a data set."""
    return Rows(compare(store, dataset, rules=rules, **more))


def check(rows: Sequence[Estimate]) -> None:
    """What holds of every row and every sentence, whatever the data."""
    keys = Counter(
        (r.section, r.statistic, r.subject, r.reference, r.method, r.slice) for r in rows
    )
    assert max(keys.values(), default=0) <= 1, keys.most_common(1)
    for row in rows:
        _check_row(row)
    for section in ("agreement", "bias", "cost"):
        _check_text(section_title(section, rows))
    for judge in judges_by_agreement(rows):
        _check_text(judge_sentence(rows, judge) or "")


def _check_row(row: Estimate) -> None:
    assert row.statistic in STATISTICS, row
    assert row.n_prompts <= row.n_items, row
    assert row.estimate is not None or (row.note and row.low is None), row
    assert (row.low is None) == (row.high is None), row
    if row.low is not None:
        assert isfinite(row.low)
        assert isfinite(row.high)
        assert row.low <= row.estimate <= row.high, row
        assert row.n_prompts >= 20, row
    elif row.estimate is not None:
        assert "interval" in row.note or "the same on every prompt" in row.note, row
    if row.unit == "share" and row.estimate is not None:
        assert 0 <= (row.low or 0) <= row.estimate <= (row.high or 1) <= 1, row
    assert all(type(n) is int for n in (row.n_items, row.n_prompts, row.n_labels)), row
    for text in (row.note or "", value_of(row), interval_of(row)):
        _check_text(text)


def _check_text(text: str) -> None:
    assert not re.search(r"\bnan\b|\binf\b|None|  |\d[eE][-+]?\d", text), text
