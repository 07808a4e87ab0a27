"""Estimate: the one row shape of every result. Reports, files and figures are made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

ALL = "all"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number about one subject, with its interval and what it rests on.

    `slice` is `all` or `column=value`; `method` names the rules in force. `estimate`, `low` and
    `high` are None where undefined, with the reason in `note`; never 0 or a placeholder.
    """

    section: str
    subject: str
    reference: str
    criterion: str
    statistic: str
    method: str
    slice: str
    estimate: float | None
    low: float | None
    high: float | None
    n_items: int
    n_prompts: int
    n_labels: int
    unit: str
    note: str | None = None


COLUMNS = tuple(field.name for field in fields(Estimate))


def as_row(estimate: Estimate) -> dict[str, Any]:
    """The estimate as a dictionary in column order, ready for JSON."""
    return asdict(estimate)
