"""`concord learn`: what scorers fitted to labels are worth on comparisons held out."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import PLAIN_SECONDS, out, print_json, print_table, say
from data.errors import InputError
from data.store import Store
from judges.response_features import RECIPE, Embedder
from pipelines.estimates import ALL, as_row
from pipelines.learn import learn
from pipelines.lessons import (
    CEILING,
    HUMAN,
    IMITATION,
    LENGTH_ONLY,
    LONGER,
    PROMPTS,
    hybrid,
)
from pipelines.panel import read_panel
from pipelines.sections.view import View
from pipelines.wording import interval_of, money, percent, points, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from judges.response_features import Recipe
    from pipelines.estimates import Estimate
    from pipelines.learn import Learned
    from pipelines.lessons import Plan
    from pipelines.sections.view import Rules

MAY_NOT = (
    "Not shown: anything about supervised fine-tuning or RLHF of a language model. Fitted are "
    "linear scorers of finished responses, which write nothing."
)


def run_learn(
    path: Path, dataset: str | None, criterion: str | None, judges: Sequence[str], rules: Rules,
    plan: Plan, group: str | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Run the experiment and print tables, the recipe and what may be concluded."""
    store = Store(path)
    take_up_if_possible(store)
    panel = read_panel(store, chosen_dataset(store, dataset), criterion, judges)
    view = View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))
    embedder = Embedder(plan.recipe.embedding) if plan.recipe.embedding else None
    learned = learn(store, view, plan, group=group, embed=embedder, progress=Told())
    if embedder is not None:
        say(f"embeddings of {embedder.n_texts:,} texts: {money(embedder.usd)}")
    if as_json:
        print_json(
            {
                "dataset": panel.dataset,
                "simulated": panel.simulated,
                "recipe": asdict(learned.recipe),
                "sizes": learned.sizes,
                "usd_per_label": {k: v if v == v else None for k, v in learned.usd.items()},
                "conclusions": [*sentences(learned, plan), MAY_NOT],
                "estimates": [as_row(row) for row in learned.rows],
                "notes": learned.notes,
            }
        )
        return
    mark = "   (simulated labels)" if panel.simulated else ""
    out().print(f"{panel.dataset}{mark}: {learned.n_items:,} comparisons", markup=False)
    print_learned(learned)
    for sentence in (*sentences(learned, plan), MAY_NOT):
        out().print(sentence, markup=False)
    for note in learned.notes:
        say(f"note: {note}")


class Told:
    """Training sides done, a line every 10 s on stderr; no word of the last one."""

    def __init__(self) -> None:
        self._next = monotonic() + PLAIN_SECONDS

    def __call__(self, done: int, of: int) -> None:
        """So many of so many are done."""
        if monotonic() >= self._next and done < of:
            self._next = monotonic() + PLAIN_SECONDS
            say(f"{done:,} of {of:,} training sides fitted")


def recipe_of(settings: Sequence[str], embedding: str | None) -> Recipe:
    """The default recipe with KEY=VALUE settings. Raises InputError for what is none."""
    kinds = {f.name: type(getattr(RECIPE, f.name)) for f in fields(RECIPE) if f.name != "embedding"}
    found: dict[str, int | float | str] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            found[name] = kinds[name](value)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"no setting of a recipe: {setting!r}",
                f"Give KEY=VALUE with one of {', '.join(kinds)}, such as ridge=3.",
            ) from error
    return replace(RECIPE, **found, embedding=embedding)  # type: ignore[arg-type]


def sizes_of(text: str) -> tuple[int, ...]:
    """Numbers between commas. Raises InputError for what is none."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"no sizes: {text!r}", "Give numbers of labels: 25,100,400.") from error


# ---- tables


def print_learned(learned: Learned) -> None:
    """Arms by number of labels for each way of holding out, then prices and recipes."""
    for way, sizes in learned.sizes.items():
        mine = [row for row in learned.rows if row.method == way]
        print_table(
            [f"{way}: held-out votes matched", *(f"{size:,}" for size in sizes)],
            list(_agreements(mine, learned, sizes)),
            numbers=range(1, len(sizes) + 1),
        )
        [longer, ceiling] = [_one(mine, "held_out_agreement", who) for who in (LONGER, CEILING)]
        out().print(
            f"the longer response: {_figure(longer)}; one human, of another: {_figure(ceiling)}; "
            f"{longer.n_items:,} comparisons, {longer.n_prompts:,} prompts\n",
            markup=False,
        )
    _print_prices(learned)
    out().print(f"recipe: {learned.recipe}", markup=False)
    for way in learned.sizes:
        out().print(recipes_sentence(learned, way), markup=False)


def _agreements(
    rows: Sequence[Estimate], learned: Learned, sizes: Sequence[int]
) -> Iterator[list[str]]:
    for arm in (*_bought(learned), LENGTH_ONLY):
        found = [_one(rows, "held_out_agreement", arm, size) for size in sizes]
        cells = [value_of(row) for row in found]
        yield [arm, *cells[:-1], f"{cells[-1]} {interval_of(found[-1])}".strip()]


def _bought(learned: Learned) -> list[str]:
    """The arms that a team could buy, and the best of the imitations."""
    arms = [arm for arm in learned.arms if not arm.startswith("imitation: ")]
    return [IMITATION, *(arm for arm in arms if arm != LENGTH_ONLY)]


def _print_prices(learned: Learned) -> None:
    way, sizes = next(iter(learned.sizes.items()))
    rows = [row for row in learned.rows if row.method == way]
    if not any(row.estimate is not None for row in rows if row.statistic == "labels_usd"):
        say("note: no price of a label is known: concord price sets one")
        return
    print_table(
        ["cost of the labels", *(f"{size:,}" for size in sizes), "a point above 50%"],
        [
            [
                arm,
                *(value_of(_one(rows, "labels_usd", arm, size)) for size in sizes),
                value_of(_one(rows, "usd_per_point", arm, sizes[-1])),
            ]
            for arm in _bought(learned)
        ],
        numbers=range(1, len(sizes) + 2),
    )


def _one(rows: Sequence[Estimate], statistic: str, arm: str, size: int = 0) -> Estimate:
    name = f"labels={size}" if size else ALL
    [found] = [
        row for row in rows if (row.statistic, row.subject, row.slice) == (statistic, arm, name)
    ]
    return found


def _figure(row: Estimate) -> str:
    return f"{value_of(row)} {interval_of(row)}".strip()


# ---- words


def recipes_sentence(learned: Learned, way: str) -> str:
    """The sensitivity row: the same figures by a few recipes, and whether a sign hangs on them."""
    rows = [row for row in learned.rows if row.method.startswith(f"{way}; ")]
    agreement = [row for row in rows if row.statistic == "recipe_agreement"]
    text = "; ".join(f"{_said(row)} {value_of(row)}" for row in agreement)
    lines = [f"{way}, {HUMAN} by recipe: {text}"]
    for judge in learned.judges:
        found = [r for r in rows if r.statistic == "recipe_difference" and r.subject == judge]
        values = [row.estimate for row in found if row.estimate is not None]
        if values:
            turns = min(values) < 0 < max(values)
            verdict = "its sign follows the recipe" if turns else "of one sign over these recipes"
            span = f"{points(min(values))} to {points(max(values))} points"
            lines.append(f"  {judge} less {HUMAN}: {span}: {verdict}")
    return "\n".join(lines)


def _said(row: Estimate) -> str:
    return row.method.partition("; ")[2].replace("style_weight", "style").replace("=", " ")


def sentences(learned: Learned, plan: Plan) -> Iterator[str]:
    """What may be concluded: composed from the intervals at the most labels, no more than those."""
    for way, sizes in learned.sizes.items():
        last = f"labels={sizes[-1]}"
        rows = [
            row for row in learned.rows
            if (row.method, row.slice, row.statistic) == (way, last, "held_out_difference")
        ]  # fmt: skip
        named = {(row.subject, row.reference): row for row in rows}
        where = "on prompts not seen" if way == PROMPTS else "on categories not seen"
        yield f"With {sizes[-1]:,} labels, {where}:"
        yield f"  comparisons of one human {compared(named[HUMAN, IMITATION], 'imitation')};"
        yield f"  they {compared(named[HUMAN, LONGER], 'choosing the longer response')};"
        for judge in learned.judges:
            row = named[judge, HUMAN]
            yield f"  labels of {judge} {compared(row, 'those of one human')};"
            row = named[hybrid(judge, plan.human_share), HUMAN]
            mixed = f"{percent(plan.human_share)} of one human, the rest of {judge}"
            yield f"  labels {mixed}, {compared(row, 'those of one human alone')};"
        yield from _grown(rows, sizes)


def _grown(rows: Sequence[Estimate], sizes: Sequence[int]) -> Iterator[str]:
    """What more labels of a human brought."""
    for row in rows:
        if row.reference.endswith(" labels"):
            yield f"  {sizes[-1]:,} labels of one human {compared(row, f'{sizes[0]:,}')}."


def compared(row: Estimate, other: str) -> str:
    """A difference in words: better or worse only where its interval excludes 0."""
    if row.estimate is None:
        return f"cannot be compared with {other} ({row.note})"
    if row.low is None or row.high is None:
        return f"cannot be told from {other} ({points(row.estimate)} points; {row.note})"
    figures = f"({points(row.estimate)} points {interval_of(row)})"
    if row.low > 0:
        return f"match more held-out votes than {other} {figures}"
    if row.high < 0:
        return f"match fewer held-out votes than {other} {figures}"
    return f"cannot be told from {other} {figures}"
