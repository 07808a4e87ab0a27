"""What the overview reads: apart from how it is drawn, which takes a while to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.findings import judges_by_agreement
from pipelines.one_judge import confidently_against
from pipelines.section_parts import USABLE, narrowed

if TYPE_CHECKING:
    from app.frame import Context
    from app.loading import Reader
    from pipelines.estimates import Estimate
    from pipelines.one_judge import Against


def read(reader: Reader) -> None:
    """All of it, in the view's order, before the first browser comes."""
    agreement(reader)
    reader.compared()
    against(reader)
    differences(reader)


def agreement(reader: Context | Reader) -> list[Estimate]:
    """How often who agrees and at which price; without anybody to agree with, with each other."""
    rows = reader.rows("references", "prices")
    return rows if judges_by_agreement(rows) else [*rows, *reader.rows("kappas")]


def against(reader: Context | Reader) -> Against:
    """The comparisons to look at first."""
    return reader.of_panel(confidently_against, narrowed(reader.rules, (USABLE,)))


def differences(reader: Context | Reader) -> list[Estimate]:
    """What the order does, and how judges differ from humans."""
    return reader.rows("order", "differences")
