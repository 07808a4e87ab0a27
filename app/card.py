"""`concord card`: what is known of a judge's bias, on one page."""

from __future__ import annotations

import re
import sys
from textwrap import fill
from typing import TYPE_CHECKING

from rich.text import Text

from app.reporting import add_features
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import clean, out, print_json
from data.store import Store
from pipelines.card import FIRMNESS, LEVELS, bias_card
from pipelines.compare import estimates_of
from pipelines.estimates import as_row
from pipelines.panel import read_panel
from pipelines.probed import read_probed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelines.card import Card
    from pipelines.panel import Panel
    from pipelines.sections.view import Rules

CHECKS, FIRM = "What it should not fall for", "How firm its labels are"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|])")


def run_card(
    path: Path, judge: str, dataset: str | None, criterion: str | None, rules: Rules, form: str
) -> None:
    """Print the card of one judge, as text, Markdown or JSON."""
    store = Store(path)
    take_up_if_possible(store)
    panel = read_panel(store, chosen_dataset(store, dataset), criterion)
    add_features(store, panel)
    read_probed(store, panel)
    card = bias_card(estimates_of(panel, rules, ("bias",), None), judge)
    if form == "json":
        statements = {
            name: [
                {"level": each.level, "text": each.text, "estimate": as_row(each.row)}
                for each in getattr(card, name)
            ]
            for name in ("found", "undecided", "not_found", "checks")
        }
        print_json({"dataset": panel.dataset, "simulated": panel.simulated, "judge": card.judge,
                    **statements, "not_known": card.not_known})  # fmt: skip
        return
    if form == "markdown":
        page = "".join(_markdown(*line) for line in _lines(card, panel))
        sys.stdout.write(re.sub("\n{3,}", "\n\n", page))
        return
    for kind, text in _lines(card, panel):
        _print(kind, clean(text))


def _lines(card: Card, panel: Panel) -> Iterator[tuple[str, str]]:
    """Kind (title, heading, item, text) and text of each line."""
    yield "title", f"{card.judge} on {panel.dataset}"
    marks = ["simulated labels"] if panel.simulated else []
    yield (
        "text",
        ", ".join([f"{panel.n_items:,} comparisons", f"criterion {panel.criterion}", *marks]),
    )
    for heading, statements in (
        ("Found", card.found),
        ("Not clear", card.undecided),
        ("Looked for and not found", card.not_found),
        (CHECKS, [each for each in card.checks if each.row.statistic not in FIRMNESS]),
        (FIRM, [each for each in card.checks if each.row.statistic in FIRMNESS]),
    ):  # fmt: skip
        if heading in (CHECKS, FIRM) and not statements:
            continue
        yield "heading", heading
        if not statements:
            yield "text", "Nothing."
        for level, about in LEVELS.items():
            mine = [each.text for each in statements if each.level == level]
            if mine:
                yield "text", f"{level}: {about}" if level != about else level
            yield from (("item", text) for text in mine)
    yield "heading", "What this data cannot say"
    yield from (("item", text) for text in card.not_known)


def _print(kind: str, text: str) -> None:
    console = out()
    if kind == "item":
        text = fill(text, console.width, initial_indent="  - ", subsequent_indent="    ")
    style = "bold" if kind in ("title", "heading") else ""
    console.print(Text(f"\n{text}" if kind == "heading" else text, style))


def _markdown(kind: str, text: str) -> str:
    """Names are somebody else's text: no markup comes of them."""
    text = _MARKUP.sub(r"\\\1", " ".join(clean(text).split()))
    forms = {"title": f"# {text}\n\n", "heading": f"\n## {text}\n\n", "item": f"- {text}\n"}
    return forms.get(kind, f"\n{text}\n\n")
