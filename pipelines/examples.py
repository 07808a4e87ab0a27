"""Few-shot examples from a data set's own human labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from data import queries
from data.errors import InputError
from data.records import make_id

if TYPE_CHECKING:
    from data.store import Store


def draw_examples(store: Store, dataset: str, n: int, seed: int) -> str:
    """JSON lines of n comparisons of n prompts on which the humans agree, drawn by seed.

    One comparison for each prompt. Raises InputError where there are too few.
    """
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        found = queries.records(con, queries.AGREED, dataset=dataset)
    drawn = sorted(found, key=lambda row: make_id("example", seed, row["comparison_id"]).int)
    by_prompt = {row["prompt_id"]: row for row in reversed(drawn)}
    chosen = [row for row in drawn if by_prompt[row["prompt_id"]] is row][:n]
    if len(chosen) < n:
        raise InputError(
            f"{dataset!r} has {len(chosen)} prompts with a comparison on which its humans agree",
            f"Ask for at most {len(chosen)} examples, or collect more human labels.",
        )
    return "".join(_line(row) for row in chosen)


def _line(row: dict[str, str]) -> str:
    keys = ("prompt", "response_a", "response_b", "preference")
    return json.dumps({key: row[key] for key in keys}, ensure_ascii=False) + "\n"
