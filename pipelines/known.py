"""Replies that the store holds: what was bought once answers every equal request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from data import queries
from data.records import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.store import Store
    from judges.task import Asking

ROUNDS = 3  # a fallback asks after the first replies, and may be known as well


def known_replies(store: Store, askings: Sequence[tuple[Asking, dict[UUID, Reply]]]) -> None:
    """Add to each asking's replies those that the store holds for its requests."""
    for _ in range(ROUNDS):
        wanted = [
            (request.request_hash, replies)
            for asking, replies in askings
            for request in asking.needed(replies)
        ]
        found = stored_replies(store, [request_hash for request_hash, _ in wanted])
        if not found:
            return
        for request_hash, replies in wanted:
            if request_hash in found:
                replies[request_hash] = found[request_hash]


def stored_replies(store: Store, hashes: Sequence[UUID]) -> dict[UUID, Reply]:
    """The replies to these requests that the store holds."""
    if not hashes:
        return {}
    with store.reading() as con:
        rows = queries.records(con, queries.KNOWN_REPLIES, hashes=[str(each) for each in hashes])
    return {UUID(row["request_hash"]): _reply(row) for row in rows}


def _reply(row: dict[str, Any]) -> Reply:
    logprobs = row.pop("logprobs")
    return Reply(
        **{**row, "request_hash": UUID(row["request_hash"])},
        logprobs=None if logprobs is None else tuple(json.loads(logprobs)),
    )
