"""What a label costs by what a user says: dated rows, never edited; the newest is in force.

A price is of one annotator of a data set, by the name that reports show, or of every human there
who has no price of their own. It goes before what was imported with the labels, which stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data import queries
from data.errors import InputError
from data.names import told_apart
from data.records import HIGHEST_USD, AnnotatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from data.store import Connection, Store

MOST_NAMES = 20  # of an error

HISTORY = """
SELECT annotator, usd_per_label, usd_per_hour, note, set_at FROM prices
WHERE dataset = $dataset ORDER BY set_at DESC, rowid DESC
"""
LABELLERS = f"""
SELECT annotator_id, name, kind, list(criterion) AS criteria, sum(labels)::BIGINT AS labels,
       sum(imported)::BIGINT AS imported, sum(timed)::BIGINT AS timed
FROM (SELECT annotator_id, criterion, count(*) AS labels, count(cost_usd) AS imported,
             count(seconds) AS timed
      FROM labels JOIN comparisons USING (comparison_id)
      WHERE dataset = $dataset GROUP BY annotator_id, criterion)
JOIN annotators USING (annotator_id)
GROUP BY annotator_id, name, kind
{queries.BY_KIND}"""
ADD = """
INSERT INTO prices BY NAME
SELECT $dataset AS dataset, $annotator AS annotator, $usd_per_label AS usd_per_label,
       $usd_per_hour AS usd_per_hour, $note AS note, $set_at AS set_at
"""


@dataclass(frozen=True, slots=True)
class Price:
    """A row of the table. `annotator` None: every human without a price of their own.

    Both amounts None: the price before was removed. `set_at` is UTC.
    """

    annotator: str | None
    usd_per_label: float | None
    usd_per_hour: float | None
    note: str | None
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Labeller:
    """An annotator by the name that reports show; labels with a cost or a time of their own."""

    name: str
    kind: AnnotatorKind
    labels: int
    imported: int
    timed: int


def set_price(
    store: Store,
    dataset: str,
    annotator: str | None,
    *,
    usd_per_label: float | None = None,
    usd_per_hour: float | None = None,
    note: str | None = None,
) -> list[Labeller]:
    """Put a price in force from now on; returns whose it is.

    Raises InputError for an unknown data set or annotator, and unless there is exactly one amount.
    """
    amounts = {"usd_per_label": usd_per_label, "usd_per_hour": usd_per_hour}
    _check_amount([amount for amount in amounts.values() if amount is not None])
    with store.writing() as con:
        everyone = labellers(con, dataset)
        _check_annotator(everyone, dataset, annotator)
        _add(con, dataset, annotator, note, **amounts)
        found = prices_in_force(con, dataset)
    mine = [price for price in found if price.annotator == annotator]
    return [who for who in everyone if price_of(found, who.name, who.kind) in mine]


def remove_price(
    store: Store, dataset: str, annotator: str | None, *, note: str | None = None
) -> None:
    """Take the price in force away: what was imported counts again.

    Raises InputError for an unknown data set, and where no such price is in force.
    """
    with store.writing() as con:
        queries.check_dataset(con, dataset)
        found = [price.annotator for price in prices_in_force(con, dataset)]
        if annotator not in found:
            raise InputError(
                f"no price of {whom(annotator)} is in force in {dataset!r}",
                f"There are prices of: {_listed(map(whom, found))}.",
            )
        _add(con, dataset, annotator, note)


def history(con: Connection, dataset: str) -> list[Price]:
    """All that was ever set, newest first."""
    return [Price(*row) for row in queries.rows(con, HISTORY, dataset=dataset)]


def prices_in_force(con: Connection, dataset: str) -> list[Price]:
    """The newest price of each annotator, that of all humans first."""
    newest: dict[str | None, Price] = {}
    for price in history(con, dataset):
        newest.setdefault(price.annotator, price)
    found = [p for p in newest.values() if (p.usd_per_label, p.usd_per_hour) != (None, None)]
    return sorted(found, key=lambda price: (price.annotator is not None, price.annotator or ""))


def price_of(prices: Iterable[Price], name: str, kind: AnnotatorKind) -> Price | None:
    """An annotator's own price, else that of every human if it is one."""
    found = {price.annotator: price for price in prices}
    return found.get(name) or (found.get(None) if kind is AnnotatorKind.HUMAN else None)


def labellers(con: Connection, dataset: str) -> list[Labeller]:
    """Who can have a price: all but gold and majority labels, under each name that is shown.

    Raises InputError for an unknown data set.
    """
    queries.check_dataset(con, dataset)
    everyone = queries.records(con, LABELLERS, dataset=dataset)
    criteria = sorted({criterion for row in everyone for criterion in row["criteria"]})
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for criterion in criteria:  # as a report, which is of one criterion
        for row in told_apart(row for row in everyone if criterion in row["criteria"]):
            shown[row["annotator_id"], row["name"]] = row
    return [
        Labeller(r["name"], AnnotatorKind(r["kind"]), r["labels"], r["imported"], r["timed"])
        for r in shown.values()
        if r["kind"] != AnnotatorKind.AGGREGATE
    ]


def whom(annotator: str | None) -> str:
    """Whose price it is, in words."""
    return "every human" if annotator is None else repr(annotator)


def _add(
    con: Connection, dataset: str, annotator: str | None, note: str | None,
    usd_per_label: float | None = None, usd_per_hour: float | None = None,
) -> None:  # fmt: skip
    now = datetime.now(UTC).replace(tzinfo=None)
    con.execute(ADD, {"dataset": dataset, "annotator": annotator, "note": note or None,
                      "usd_per_label": usd_per_label, "usd_per_hour": usd_per_hour,
                      "set_at": now})  # fmt: skip


def _check_amount(amounts: Sequence[float]) -> None:
    if len(amounts) != 1:
        raise InputError(
            "a price is either per label or per hour", "Give one of --per-label and --per-hour."
        )
    if not 0 <= amounts[0] <= HIGHEST_USD:  # nor NaN
        raise InputError(
            f"a price of {amounts[0]} US dollars", f"Give a number from 0 to {HIGHEST_USD:,}."
        )


def _check_annotator(everyone: Sequence[Labeller], dataset: str, annotator: str | None) -> None:
    names = [who.name for who in everyone]
    if annotator is None and not any(who.kind is AnnotatorKind.HUMAN for who in everyone):
        raise InputError(
            f"{dataset!r} has no human labels to price",
            f"Choose an annotator with --annotator: {_listed(names)}.",
        )
    if annotator is not None and annotator not in names:
        raise InputError(
            f"no annotator {annotator!r} in {dataset!r} whose labels can have a price",
            f"There are: {_listed(names)}.",
        )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more or "none"
