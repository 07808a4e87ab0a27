"""`concord price`: what a label costs, dated and with a note."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app import commands
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import print_json, print_table, say
from data.errors import InputError
from data.prices import (
    history,
    labellers,
    price_of,
    prices_in_force,
    remove_price,
    set_price,
    whom,
)
from data.records import AnnotatorKind
from data.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from data.prices import Labeller, Price

MOST = 20  # annotators without a price in a table
NO_PRICE = "none: not known"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to set or remove; nothing given: only show."""

    annotator: str | None = None
    per_label: float | None = None
    per_hour: float | None = None
    note: str | None = None
    remove: bool = False

    @property
    def sets(self) -> bool:
        """Whether a price is given."""
        return self.per_label is not None or self.per_hour is not None


def run_price(path: Path, dataset: str | None, wanted: Wanted, *, as_json: bool) -> None:
    """Set or remove a price where one is given, then show those in force and who has none."""
    _check(wanted)
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    if wanted.remove:
        remove_price(store, name, wanted.annotator, note=wanted.note)
        say(f"removed the price of {whom(wanted.annotator)}")
    elif wanted.sets:
        _set(store, name, wanted)
    with store.reading() as con:
        everyone, prices = labellers(con, name), prices_in_force(con, name)
        before = history(con, name)
    if as_json:
        print_json({"dataset": name, "in_force": prices, "without": _without(everyone, prices),
                    "history": before})  # fmt: skip
        return
    print_table(("annotator", "price", "set (UTC)", "note"), _lines(everyone, prices))
    say(f"next: {commands.report_cost(str(path), name)}")


def _check(wanted: Wanted) -> None:
    if wanted.remove and wanted.sets:
        raise InputError(
            "--remove and a price contradict each other", "Give one of them: a new price replaces."
        )
    if (wanted.annotator or wanted.note) and not (wanted.remove or wanted.sets):
        raise InputError(
            "no price is given",
            "Give --per-label or --per-hour, or --remove; concord price alone lists prices.",
        )


def _set(store: Store, dataset: str, wanted: Wanted) -> None:
    mine = set_price(store, dataset, wanted.annotator, usd_per_label=wanted.per_label,
                     usd_per_hour=wanted.per_hour, note=wanted.note)  # fmt: skip
    labels, timed = sum(who.labels for who in mine), sum(who.timed for who in mine)
    who = whom(wanted.annotator) + (" without a price of their own" if not wanted.annotator else "")
    say(f"{who}: {_amount(wanted.per_label, wanted.per_hour)}, on {labels:,} labels")
    if wanted.per_hour is not None and timed < labels:
        some = f"{timed:,} of {labels:,} labels have measured seconds; the cost of the others"
        none = f"none of {labels:,} labels has measured seconds: their cost"
        say(f"note: {some if timed else none} is not known")


def _amount(per_label: float | None, per_hour: float | None) -> str:
    """A price as it was given: without exponent, and not rounded."""
    amount, unit = (per_hour, "hour") if per_label is None else (per_label, "label")
    return f"${Decimal(str(amount)).normalize():,f} per {unit}"


def _lines(everyone: Sequence[Labeller], prices: Sequence[Price]) -> Iterator[Sequence[Any]]:
    """Prices in force, then who has none."""
    humans = {who.name for who in everyone if who.kind is AnnotatorKind.HUMAN}
    own = any(price.annotator in humans for price in prices)
    for price in prices:
        name = price.annotator or ("every other human" if own else "every human")
        amount = _amount(price.usd_per_label, price.usd_per_hour)
        yield name, amount, price.set_at, price.note
    without = _without(everyone, prices)
    for who in without[:MOST]:
        yield who.name, _imported(who), None, None
    if len(without) > MOST:
        yield f"and {len(without) - MOST:,} more without", None, None, None


def _without(everyone: Iterable[Labeller], prices: Sequence[Price]) -> list[Labeller]:
    return [who for who in everyone if price_of(prices, who.name, who.kind) is None]


def _imported(who: Labeller) -> str:
    if not who.imported:
        return NO_PRICE
    some = "all" if who.imported == who.labels else f"{who.imported:,} of {who.labels:,}"
    return f"none: as imported, {some} labels"
