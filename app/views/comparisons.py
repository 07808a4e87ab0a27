"""The comparisons view: single comparisons, most telling ones first, with every label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import commands, controls, frame, loading, parts, tables, words
from app.views.judging import ranked
from data.browse import Show, Wanted
from pipelines.findings import judges_by_agreement
from pipelines.wording import duration, money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.frame import Context
    from app.loading import Compared
    from data.browse import Detail, Page

QUESTION = "Which comparisons should a person look at?"
PAGE_SIZE = 20
REASONS = 8
EVERY = ""
ANY = {EVERY: "any judge"}
ALL_CATEGORIES = {EVERY: "all categories"}
NO_TEXT = "This data set gives no text here."


def body(context: Context) -> None:
    """The filter, a page of matching comparisons, and the one that is chosen."""
    wanted, judge = _wanted(context)
    number = _page_number(wanted)
    page = loading.page(context.seen, wanted, number, PAGE_SIZE)
    if not page.rows:
        parts.lead(words.no_match(wanted.show))
        _next(context)
        return
    parts.lead(words.match(wanted.show, page.total, judge))
    chosen = _list(page, wanted, number)
    _pages(page.total, number, wanted)
    detail = loading.detail(context.seen, wanted.dataset, chosen)
    if detail is not None:
        _detail(detail)
    _next(context)


def _wanted(context: Context) -> tuple[Wanted, str | None]:
    """The filter in force, from its controls, and the name of its judge."""
    dataset = context.choice.dataset
    compared = context.compared()
    judges = ranked(compared, compared.rows)
    categories = loading.categories(context.seen, dataset)
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        show = controls.pick("comparisons", "show", "Show", list(Show), shown=words.SHOWS,
                             default=_default(compared), width=380)  # fmt: skip
        judge = controls.pick("comparisons", "judge", "Judge", [EVERY, *judges], of=dataset,
                              shown=ANY, width=220)  # fmt: skip
        category = EVERY
        if len(categories) > 1:
            category = controls.pick("comparisons", "category", "Category", [EVERY, *categories],
                                     of=dataset, shown=ALL_CATEGORIES, width=170)  # fmt: skip
        text = controls.write("comparisons", "text", "Words in prompt or responses", width=220)
    wanted = Wanted(
        dataset=dataset,
        criterion=context.choice.criterion,
        show=show,
        judge=compared.ids.get(judge),
        category=None if category == EVERY else category,
        text=text,
        majority=str(context.choice.rules.majority),
    )
    return wanted, None if judge == EVERY else judge


def _default(compared: Compared) -> Show:
    """What to show first: where there is nobody to disagree with, where judges differ."""
    if judges_by_agreement(compared.rows):
        return Show.AGAINST
    return Show.SPLIT if len(tables.named(compared.kinds, "judge")) > 1 else Show.ALL


def _page_number(wanted: Wanted) -> int:
    """The page that is open; another filter starts at the first."""
    key = f"page-{controls.short(repr(wanted))}"
    return int(st.session_state.get(key, 1))


def _pages(total: int, number: int, wanted: Wanted) -> None:
    """Earlier and later pages."""
    last = -(-total // PAGE_SIZE)
    if last == 1:
        return
    key = f"page-{controls.short(repr(wanted))}"

    def turn(to: int) -> None:
        st.session_state[key] = to

    with st.container(key="pages", horizontal=True, vertical_alignment="center", gap="medium"):
        st.button("Previous", key="earlier", type="tertiary", disabled=number <= 1,
                  on_click=turn, args=(number - 1,))  # fmt: skip
        st.text(f"page {number:,} of {last:,}")
        st.button("Next", key="later", type="tertiary", disabled=number >= last,
                  on_click=turn, args=(number + 1,))  # fmt: skip


def _list(page: Page, wanted: Wanted, number: int) -> str:
    """The page as a table to choose from; returns the id that is chosen.

    A choice outlives new data. A deep link holds for the list that it opened.
    """
    ids = [str(row["comparison_id"]) for row in page.rows]
    slot = f"chosen-{controls.short(repr((wanted, number)))}"
    linked = st.query_params.get("comparison")
    opened = st.session_state.setdefault("comparisons-opened", slot)
    known = st.session_state.setdefault(slot, linked if opened == slot else None)
    first = known or ids[0]
    event = parts.table(
        [_summary(row) for row in page.rows],
        key=f"list-{controls.short(repr((wanted, ids)))}",
        most=8,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(first)] if first in ids else []}},
    )
    selected = [row for row in event["selection"]["rows"] if row < len(ids)]
    chosen = ids[selected[0]] if selected else first
    st.session_state[slot] = chosen
    controls.remember("comparison", chosen)
    return chosen


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as a row of the list."""
    cells = {
        "Prompt": " ".join((row["prompt"] or row["source_id"] or "").split()),
        "Category": row["category"],
        "A": row["model_a"],
        "B": row["model_b"],
        "Humans for A, tie, B": words.tally(row, "humans"),
        "Gold": words.word(words.PREFERENCES, row["gold"]) if row["gold"] else None,
        "Judges for A, tie, B": words.tally(row, "judges"),
    }
    return {title: value for title, value in cells.items() if value is not None}


def _detail(detail: Detail) -> None:
    """One comparison: its prompt, its two responses, and every label on it."""
    comparison = detail.comparison
    parts.section("The comparison", "detail")
    _text("prompt", words.prompt_title(comparison), comparison["prompt"])
    left, right = st.columns(2, gap="large")
    with left:
        _text("response-a", words.response_title("A", comparison["model_a"]),
              comparison["response_a"])  # fmt: skip
    with right:
        _text("response-b", words.response_title("B", comparison["model_b"]),
              comparison["response_b"])  # fmt: skip
    if comparison["reference"]:
        _text("reference", "Reference answer", comparison["reference"])
    parts.section("Every label on it", "labels")
    parts.table(_without_empty([_label(label) for label in detail.labels]), key="table-labels")
    with st.container(key="rows-labels"):
        parts.download([_label_in_file(label) for label in detail.labels], "labels")
    _rationales(detail.labels)


def _text(key: str, title: str, text: str | None) -> None:
    """A text as it stands, in a box of its own."""
    with st.container(key=f"name-{key}", gap="xsmall"):
        st.text(title)
        with st.container(key=f"text-{key}", border=True):
            st.text(text if text else NO_TEXT)


def _label(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as cells."""
    return {
        "Annotator": label["annotator"],
        "Kind": words.word(words.KINDS, label["kind"]),
        "Preference": words.preferred(label["preference"]),
        "Shown": words.word(words.ORDERS, label["shown"]),
        "State": words.word(words.STATUSES, label["status"]),
        "Criterion": label["criterion"],
        "Time": None if label["seconds"] is None else duration(label["seconds"]),
        "Cost": None if label["cost_usd"] is None else money(label["cost_usd"]),
    }


def _label_in_file(label: Mapping[str, Any]) -> dict[str, Any]:
    """The same with plain numbers, and the reason that was given."""
    cells = _label(label)
    cells |= {"Time": label["seconds"], "Cost": label["cost_usd"], "Reason": label["rationale"]}
    names = {"Time": "Seconds", "Cost": "US dollars"}
    return {names.get(title, title): value for title, value in cells.items()}


def _without_empty(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Columns that say something: one criterion, or times nobody knows, need none."""
    kept = [
        title
        for title in rows[0]
        if any(row[title] is not None for row in rows)
        and (title != "Criterion" or len({row[title] for row in rows}) > 1)
    ] if rows else []  # fmt: skip
    return [{title: row[title] for title in kept} for row in rows]


def _rationales(labels: Sequence[Mapping[str, Any]]) -> None:
    """Why annotators preferred what they did, where they said so."""
    said = [label for label in labels if label["rationale"]]
    if not said:
        return
    parts.section("Reasons given", "rationales")
    _reasons(said[:REASONS], 0)
    if said[REASONS:]:
        with st.expander(f"{len(said) - REASONS} more", key="more-reasons"):
            _reasons(said[REASONS:], REASONS)


def _reasons(said: Sequence[Mapping[str, Any]], start: int) -> None:
    columns = st.columns(2, gap="large")
    for k, label in enumerate(said):
        with columns[k % 2]:
            _text(f"reason-{start + k}", words.reason_title(label), label["rationale"])


def _next(context: Context) -> None:
    store, dataset = context.seen.store, context.choice.dataset
    parts.next_step("All labels of this data set as a file:", commands.export(store, dataset))


if __name__ == "__main__":
    frame.draw("comparisons", QUESTION, body)
