"""The store that a command names: taken up first, with the data set that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.terminal import say
from data import queries
from data.errors import ConcordError
from data.ledger import take_up

if TYPE_CHECKING:
    from data.store import Store


def take_up_if_possible(store: Store) -> None:
    """Commands go on, with a warning, where a run's journal cannot be taken up."""
    try:
        take_up(store, _warn)
    except ConcordError as error:
        _warn(error)


def _warn(error: ConcordError) -> None:
    say(f"warning: {error.what}")
    say(f"  {error.fix}")


def chosen_dataset(store: Store, dataset: str | None) -> str:
    """The data set that is named, or the only one there is."""
    if dataset is not None:
        return dataset
    with store.reading() as con:
        return queries.only_dataset(con)
