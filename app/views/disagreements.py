"""The disagreements view: single comparisons, most telling ones first, with every label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import commands, controls, frame, loading, parts, tables, tagging, words
from app import words_disagreements as said
from app.difference import compared
from app.marked import marked_html
from app.views.judging import ranked
from data.browse import SHOWN_CHARACTERS, Show, Wanted, file_texts, page_of, whole_text
from data.tags import tagged
from pipelines.findings import judges_by_agreement
from pipelines.one_judge import confidently_against
from pipelines.section_parts import USABLE, narrowed
from pipelines.wording import duration, money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.difference import Difference
    from app.frame import Context
    from app.loading import Compared
    from data.browse import Detail, Page
    from data.store import Connection
    from data.tags import Tagged
    from pipelines.estimates import Estimate

QUESTION = "Which comparisons should a person look at?"
VIEW = "disagreements"
PAGE_SIZE = 20
MOST_IN_FILE = 10_000
REASONS = 8
REASON_CHARACTERS = 5_000
EVERY = ""
ANY = {EVERY: "any judge"}
ALL_CATEGORIES = {EVERY: "all categories"}
ALL_MODELS = {EVERY: "any model"}
SIDES = {"a": "A", "tie": "tie", "b": "B"}
FILE_TEXTS = {"prompt": "Prompt", "response_a": "Response A", "response_b": "Response B"}
NONE, COUNTED = "none", ("Tags", "Confident")
NO_TEXT = "This data set gives no text here."


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for: its tags, its judge's name, and what tells it from another one."""

    wanted: Wanted
    judge: str | None
    tags: tuple[Tagged, ...]
    key: str


def body(context: Context) -> None:
    """The filter, a page of matching comparisons, and the one that is chosen."""
    asked = _filter(context)
    wanted = asked.wanted
    number = int(st.session_state.get(f"page-{asked.key}", 1))
    page = loading.page(context.seen, wanted, number, PAGE_SIZE)
    if not page.rows:
        parts.lead(words.no_match(wanted.show))
        _next(context, asked.tags)
        return
    parts.lead(words.match(wanted.show, page.total, asked.judge))
    _order(wanted.show, page, number)
    chosen = _list(page, asked, number)
    with st.container(key="list-foot", horizontal=True, vertical_alignment="center", gap="medium"):
        _pages(page.total, number, asked.key)
        _files(context, page, asked, number)
    detail = loading.detail(context.seen, wanted.dataset, chosen)
    if detail is not None:
        _detail(context, detail, asked.tags)
    _next(context, asked.tags)


def _order(show: Show, page: Page, number: int) -> None:
    """Why these comparisons stand before others."""
    lines = [said.first_ones(show, len(page.rows), page.total) if number == 1 else None,
             said.CONFIDENT if show is Show.CONFIDENT else None]  # fmt: skip
    if text := " ".join(filter(None, lines)):
        parts.muted(text, "order")


# ---- What is asked for


def _filter(context: Context) -> Filter:
    """The filter in force, from its controls."""
    dataset = context.choice.dataset
    found = loading.lately(context.seen.store, tagged, dataset)
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        show, judge, judge_id = _of_labels(context)
        category = _one_of("category", "Category", loading.categories(context.seen, dataset),
                           dataset, ALL_CATEGORIES)  # fmt: skip
        model = _one_of("model", "Model of a response", loading.models(context.seen, dataset),
                        dataset, ALL_MODELS)  # fmt: skip
        options = said.tag_options(found)
        tag = controls.pick(VIEW, "tag", "Tag", list(options), of=dataset, shown=options, width=190)
        text = controls.write(VIEW, "text", "Words in prompt or responses", width=220)
    only, but = _by_tag(found, tag)
    wanted = Wanted(
        dataset=dataset,
        criterion=context.choice.criterion,
        show=show,
        judge=judge_id,
        category=category,
        text=text,
        majority=str(context.choice.rules.majority),
        model=model,
        only=only,
        but=but,
    )
    key = (dataset, wanted.criterion, show, judge_id, category, text, wanted.majority, model, tag)
    return Filter(wanted, judge, found, controls.short(repr(key)))


def _of_labels(context: Context) -> tuple[Show, str | None, str | None]:
    """What the labels must say, and by which judge: its name and id."""
    compared_ = context.compared()
    rows = context.rows("references")
    show = controls.pick(VIEW, "show", "Show", list(words.SHOWS), shown=words.SHOWS,
                         of=context.choice.dataset, default=_default(context, compared_, rows),
                         width=400)  # fmt: skip
    judge = controls.pick(VIEW, "judge", "Judge", [EVERY, *ranked(compared_, rows)],
                          of=context.choice.dataset, shown=ANY, width=220)  # fmt: skip
    return show, judge or None, compared_.ids.get(judge)


def _one_of(
    name: str, label: str, options: Sequence[str], dataset: str, shown: Mapping[str, str]
) -> str | None:
    """One of several values, or None for any; there is no choice between fewer than two."""
    if len(options) < 2:
        return None
    picked = controls.pick(VIEW, name, label, [EVERY, *options], of=dataset, shown=shown, width=170)
    return picked or None


def _default(context: Context, compared_: Compared, rows: Sequence[Estimate]) -> Show:
    """What to show first: the most telling list that holds anything."""
    if context.of_panel(confidently_against, narrowed(context.rules, (USABLE,))).n_items:
        return Show.CONFIDENT
    if judges_by_agreement(rows):
        return Show.AGAINST
    return Show.SPLIT if len(tables.named(compared_.kinds, "judge")) > 1 else Show.ALL


def _by_tag(tags: Sequence[Tagged], tag: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The ids that a tag filter asks for (None: any), and those that it leaves out."""
    if tag == said.ANY_TAG:
        return None, ()
    wanted = (said.TAGGED, said.UNTAGGED)
    ids = {each.comparison_id for each in tags if tag in wanted or each.tag == tag}
    found = tuple(sorted(ids))
    return (None, found) if tag == said.UNTAGGED else (found, ())


# ---- The list


def _pages(total: int, number: int, key: str) -> None:
    """Earlier and later pages."""
    last = -(-total // PAGE_SIZE)
    if last == 1:
        return

    def turn(to: int) -> None:
        st.session_state[f"page-{key}"] = to

    with st.container(key="pages", horizontal=True, vertical_alignment="center", gap="medium",
                      width="content"):  # fmt: skip
        st.button("Previous", key="earlier", type="tertiary", disabled=number <= 1,
                  on_click=turn, args=(number - 1,))  # fmt: skip
        st.text(f"page {number:,} of {last:,}")
        st.button("Next", key="later", type="tertiary", disabled=number >= last,
                  on_click=turn, args=(number + 1,))  # fmt: skip


def _files(context: Context, page: Page, asked: Filter, number: int) -> None:
    """The list as CSV with whole texts: this page, and all of it, read when they are asked for."""
    most = min(page.total, MOST_IN_FILE)
    this, everything = said.list_title(len(page.rows), most)
    first = (number - 1) * PAGE_SIZE
    name = partial(tables.file_name, "concord", asked.wanted.dataset, VIEW)
    st.download_button(
        this, partial(_file, context.seen.store, page.rows, asked.tags, first),
        file_name=name(f"{first + 1}"), mime="text/csv", key="download-page", on_click="ignore",
        type="tertiary",
    )  # fmt: skip
    if page.total > len(page.rows):
        st.download_button(
            everything, partial(_whole_list, context.seen.store, asked.wanted, asked.tags),
            file_name=name("all"), mime="text/csv", key="download-list", on_click="ignore",
            type="tertiary",
        )  # fmt: skip


def _whole_list(store: str, wanted: Wanted, tags: Sequence[Tagged]) -> str:
    return _file(store, loading.now(store, _first_ones, wanted).rows, tags, 0)


def _file(
    store: str, rows: Sequence[Mapping[str, Any]], tags: Sequence[Tagged], before: int
) -> str:
    found = loading.now(store, file_texts, tuple(str(row["comparison_id"]) for row in rows))
    return tables.csv_text(list_rows(rows, tags, before, found))


def _first_ones(con: Connection, wanted: Wanted) -> Page:
    return page_of(con, wanted, number=1, size=MOST_IN_FILE)


def list_rows(
    rows: Sequence[Mapping[str, Any]],
    tags: Sequence[Tagged],
    before: int,
    texts: Mapping[str, Mapping[str, str | None]],
) -> list[dict[str, Any]]:
    """Comparisons as rows of a file, numbered from `before` + 1 on; what has no `texts` says so."""
    of = tagging.by_comparison(tags)
    found = []
    for place, row in enumerate(rows, start=before + 1):
        mine = of.get(row["comparison_id"], ())
        sides = {f"{who} for {title}": row[f"{who.lower()}_{side}"]
                 for who in ("Humans", "Judges") for side, title in SIDES.items()}  # fmt: skip
        found.append({
            "Place": place, "Comparison": row["comparison_id"], "Source": row["source_id"],
            **_texts(texts.get(str(row["comparison_id"]))), "Category": row["category"],
            "A": row["model_a"], "B": row["model_b"], **sides, "Gold": _gold(row),
            "Confident": said.confident(row), "Tags": said.tags_of(mine),
            "Notes": said.notes_of(mine),
        })  # fmt: skip
    return found


def _texts(of: Mapping[str, str | None] | None) -> dict[str, str | None]:
    whole = of or dict.fromkeys(FILE_TEXTS, said.LEFT_OUT)
    return {title: whole[name] for name, title in FILE_TEXTS.items()}


def _list(page: Page, asked: Filter, number: int) -> str:
    """The page as a table to choose from; returns the id that is chosen.

    A choice outlives new data. A deep link holds for the list that it opened.
    """
    ids = [str(row["comparison_id"]) for row in page.rows]
    of = tagging.by_comparison(asked.tags)
    slot = f"chosen-{asked.key}-{number}"
    linked = st.query_params.get("comparison")
    opened = st.session_state.setdefault("disagreements-opened", slot)
    known = st.session_state.setdefault(slot, linked if opened == slot else None)
    first = known or ids[0]
    event = parts.table(
        _said([_summary(row, of.get(str(row["comparison_id"]), ())) for row in page.rows]),
        key=f"list-{asked.key}-{controls.short(repr(ids))}",
        most=10,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(first)] if first in ids else []}},
    )
    selected = [row for row in event["selection"]["rows"] if row < len(ids)]
    chosen = ids[selected[0]] if selected else first
    st.session_state[slot] = chosen
    controls.remember("comparison", chosen)
    return chosen


def _summary(row: Mapping[str, Any], tags: Sequence[Tagged]) -> dict[str, Any]:
    """A comparison as a row of the list."""
    return {
        "Prompt": " ".join((row["prompt"] or row["source_id"] or "").split()),
        "Tags": said.tags_of(tags),
        "Humans for A, tie, B": words.tally(row, "humans"),
        "Gold": _gold(row),
        "Judges for A, tie, B": words.tally(row, "judges"),
        "Confident": said.confident(row),
        "Category": row["category"],
        "A": row["model_a"],
        "B": row["model_b"],
    }


def _said(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the list where it is known that there is no tag, and nobody who is confident."""
    return [
        {title: NONE if value is None and title in COUNTED else value
         for title, value in row.items()}
        for row in _without_empty(rows)
    ]  # fmt: skip


def _gold(row: Mapping[str, Any]) -> str | None:
    return words.word(words.PREFERENCES, row["gold"]) if row["gold"] else None


# ---- One comparison


def _detail(context: Context, detail: Detail, tags: Sequence[Tagged]) -> None:
    """One comparison: its prompt, its two responses, its tags, and every label on it."""
    comparison = detail.comparison
    store = context.seen.store
    parts.section("The comparison", "detail")
    _stored(store, comparison, "prompt", words.prompt_title(comparison))
    _responses(store, comparison)
    if comparison["reference"]:
        _stored(store, comparison, "reference", "Reference answer")
    parts.section(said.TAG_QUESTION, "tags")
    mine = tagging.by_comparison(tags).get(str(comparison["comparison_id"]), ())
    tagging.form(store, str(comparison["comparison_id"]), mine)
    parts.section("Every label on it", "labels")
    parts.table(_without_empty([_label(label) for label in detail.labels]), key="table-labels")
    with st.container(key="rows-labels"):
        parts.download([_label_in_file(label) for label in detail.labels], "labels")
    _rationales(detail.labels)


def _responses(store: str, comparison: Mapping[str, Any]) -> None:
    """The two responses beside each other, with what differs marked."""
    found, why_not = _difference(comparison)
    with st.container(key="marks", horizontal=True, vertical_alignment="center", gap="medium"):
        marks = found is not None and _marks_wanted()
        parts.muted(said.in_common(found) if found and marks else why_not, "marks")
    for side, place in zip("ab", st.columns(2, gap="large"), strict=True):
        title = words.response_title(side.upper(), comparison[f"model_{side}"])
        pieces = (found.a if side == "a" else found.b) if found and marks else ()
        draw = partial(st.html, marked_html(pieces)) if pieces else None
        with place:
            _stored(store, comparison, f"response_{side}", title, draw)


def _difference(comparison: Mapping[str, Any]) -> tuple[Difference | None, str]:
    """How the responses differ; None, and why that is not known."""
    a, b = comparison["response_a"], comparison["response_b"]
    if not a or not b:
        return None, said.NOT_BOTH
    if max(comparison["n_response_a"], comparison["n_response_b"]) > SHOWN_CHARACTERS:
        return None, said.TOO_LONG
    found = compared(a, b)
    return found, "" if found else said.TOO_LONG


def _marks_wanted() -> bool:
    """The switch, which is part of the address where it is off."""
    key = "disagreements-marks"
    if key not in st.session_state:
        st.session_state[key] = st.query_params.get("marks") != "off"
    wanted = st.toggle("Show differences", key=key)
    controls.remember("marks", None if wanted else "off")
    return bool(wanted)


def _stored(
    store: str,
    comparison: Mapping[str, Any],
    name: str,
    title: str,
    draw: Callable[[], object] | None = None,
) -> None:
    """A text of the store, of a long one its beginning unless all of it is asked for."""
    total, item = comparison[f"n_{name}"] or 0, str(comparison["comparison_id"])
    slot = f"whole-{name}-{item}"
    if total <= SHOWN_CHARACTERS:
        _text(name, title, comparison[name], draw)
        return
    read = partial(loading.now, store, whole_text, item, name)
    whole = bool(st.session_state.get(slot))
    _text(name, title, read() if whole else comparison[name])
    with st.container(key=f"more-of-{name}", horizontal=True, vertical_alignment="center"):
        if not whole:
            parts.muted(words.more_characters(SHOWN_CHARACTERS, total), f"more-{name}")
            st.button("Show all", key=f"all-{slot}", type="tertiary",
                      on_click=lambda: st.session_state.update({slot: True}))  # fmt: skip
        st.download_button(
            "Download as .txt", read, file_name=f"concord-{name.replace('_', '-')}-{item[:8]}.txt",
            mime="text/plain", key=f"txt-{slot}", on_click="ignore", type="tertiary",
        )  # fmt: skip


def _text(
    name: str, title: str, text: str | None, draw: Callable[[], object] | None = None
) -> None:
    """A text as it stands, in a box of its own."""
    key = name.replace("_", "-")
    with st.container(key=f"name-{key}", gap="xsmall"):
        st.text(title)
        with st.container(key=f"text-{key}", border=True):
            if draw is None:
                st.text(text if text else NO_TEXT)
            else:
                draw()


# ---- Its labels


def _label(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as cells."""
    return {
        "Annotator": label["annotator"],
        "Kind": words.word(words.KINDS, label["kind"]),
        "Preference": words.preferred(label["preference"]),
        "Stated for A": None if label["p_a"] is None else f"{label['p_a']:.0%}",
        "Shown": words.word(words.ORDERS, label["shown"]),
        "State": words.word(words.STATUSES, label["status"]),
        "Criterion": label["criterion"],
        "Time": None if label["seconds"] is None else duration(label["seconds"]),
        "Cost": None if label["cost_usd"] is None else money(label["cost_usd"]),
    }


def _label_in_file(label: Mapping[str, Any]) -> dict[str, Any]:
    """The same with plain numbers, and the reason that was given."""
    cells = _label(label)
    cells |= {"Stated for A": label["p_a"], "Time": label["seconds"], "Cost": label["cost_usd"],
              "Reason": label["rationale"]}  # fmt: skip
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
    given = [label for label in labels if label["rationale"]]
    if not given:
        return
    parts.section("Reasons given", "rationales")
    _reasons(given[:REASONS], 0)
    if given[REASONS:]:
        with st.expander(f"{len(given) - REASONS} more", key="more-reasons"):
            _reasons(given[REASONS:], REASONS)


def _reasons(given: Sequence[Mapping[str, Any]], start: int) -> None:
    columns = st.columns(2, gap="large")
    for k, label in enumerate(given):
        text = label["rationale"]
        with columns[k % 2]:
            _text(f"reason-{start + k}", words.reason_title(label), text[:REASON_CHARACTERS])
            if len(text) > REASON_CHARACTERS:
                more = words.more_characters(REASON_CHARACTERS, len(text))
                parts.muted(f"{more}: in the file of the labels.", f"reason-{start + k}")


def _next(context: Context, tags: Sequence[Tagged]) -> None:
    store, dataset = context.seen.store, context.choice.dataset
    if tags:
        parts.next_step("How often each tag was given, and the notes:",
                        commands.tags(store, dataset))  # fmt: skip
    else:
        parts.next_step("All labels of this data set as a file:", commands.export(store, dataset))


if __name__ == "__main__":
    frame.draw(VIEW, QUESTION, body)
