"""The pieces that views are made of: a figure with its rows, a lead sentence, a next step.

Everything from the store goes through `st.text`, `st.code`, `st.dataframe` or a chart: none of them
reads markdown or HTML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import tables, words
from app.copying import to_copy
from app.drawing import specification
from pipelines.estimates import ALL
from pipelines.wording import EXPLAINED, NOT_KNOWN, STATISTICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import altair as alt

    from pipelines.estimates import Estimate

ROW_PIXELS = 35
MOST_ROWS = 12
BRACKETS = "Brackets hold 95% intervals over prompts; n counts comparisons."
HOLLOW = "A hollow dot is a value without an interval; pointed at, it says why."
LEGEND = ":blue[●]&nbsp;human &emsp; :orange[●]&nbsp;AI &emsp; :gray[●]&nbsp;baseline"
WIDE = {"Strategy": 300, "Recommended": 300}  # pixels of columns with long names
RIGHT = ("Estimate", "95% interval", "Time", "Cost", "Spent", "Took")  # numbers in words


def lead(text: str, key: str = "finding") -> None:
    """The sentence that answers the view's question."""
    with st.container(key=key):
        st.text(text)


def lines(texts: Sequence[str], key: str) -> None:
    """Sentences below the lead, one a line."""
    with st.container(key=key, gap=None):
        for text in texts:
            st.text(text)


def muted(text: str, key: str) -> None:
    """A quiet line: counts, conditions, what is left out."""
    with st.container(key=f"muted-{key}"):
        st.text(text)


def section(title: str, key: str) -> None:
    """A heading of our own words."""
    with st.container(key=f"section-{key}"):
        st.subheader(title, anchor=False)


def figure(
    key: str,
    title: str,
    chart: alt.TopLevelMixin | None,
    rows: Sequence[Estimate],
    *,
    fixed_width: bool = False,
    note: str | None = None,
    terms: Mapping[str, str] | None = None,
) -> None:
    """A finding, its chart, how to read it, and the rows behind it with a download."""
    with st.container(key=f"figure-{key}"):
        hollow = any(row.estimate is not None and row.low is None for row in rows)
        heading(key, title, list(dict.fromkeys(row.statistic for row in rows)),
                terms=terms, hollow=chart is not None and hollow)  # fmt: skip
        if chart is not None:
            with st.container(key=f"chart-{key}"):
                width = "content" if fixed_width else "stretch"
                drawn = specification(chart)
                st.vega_lite_chart(drawn, width=width, key=f"altair-{key}")  # type: ignore[call-overload]
        if note:
            muted(note, f"note-{key}")
        rows_behind(key, tables.screen_rows(rows), tables.file_rows(rows))


def heading(
    key: str,
    title: str,
    statistics: Sequence[str],
    *,
    terms: Mapping[str, str] | None = None,
    hollow: bool = False,
) -> None:
    """A figure's title with a sentence on each of its statistics and of further terms."""
    with st.container(key=f"heading-{key}", horizontal=True, vertical_alignment="top"):
        with st.container(key=f"title-{key}"):
            st.text(title)
        explained = {STATISTICS[name]: EXPLAINED[name] for name in statistics if name in EXPLAINED}
        explained |= terms or {}
        if explained:
            with st.popover("How to read", type="tertiary", key=f"how-{key}"):
                for k, (name, text) in enumerate(explained.items()):
                    with st.container(key=f"term-{key}-{k}", gap=None):
                        st.text(name)
                        st.text(text)
                st.text(BRACKETS)
                if hollow:
                    st.text(HOLLOW)


def rows_behind(key: str, shown: Sequence[dict[str, Any]], filed: Sequence[dict[str, Any]]) -> None:
    """The numbers of a figure as a table, and as a file: sent to the browser once it is opened."""
    if not shown:
        return
    opened = st.expander("The numbers", key=f"rows-{key}", on_change="rerun")
    if not opened.open:
        return
    with opened:
        table(shown, key=f"table-{key}")
        download(filed, key)


def table(
    rows: Sequence[dict[str, Any]], key: str, *, most: int = MOST_ROWS, **options: Any
) -> Any:
    """Rows as a table: plain text, numbers at the right, missing said as such."""
    frame = pd.DataFrame(rows)
    if "Comparisons of" in frame and set(frame["Comparisons of"]) == {words.slice_name(ALL)}:
        frame = frame.drop(columns="Comparisons of")
    for name in ("Note", "Rule"):
        if name in frame and not frame[name].astype(bool).any():
            frame = frame.drop(columns=name)
    return st.dataframe(
        frame,
        key=key,
        hide_index=True,
        width="stretch",
        # half a row more where there are more rows: it shows that they can be scrolled
        height=ROW_PIXELS * (min(len(frame), most) + 1) + (18 if len(frame) > most else 3),
        placeholder=NOT_KNOWN,
        column_config=_columns(frame),
        **options,
    )


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name in frame.columns:
        if name in RIGHT:
            config[name] = st.column_config.TextColumn(alignment="right")
        elif pd.api.types.is_numeric_dtype(frame[name]):
            config[name] = st.column_config.NumberColumn(format="localized")
        else:
            config[name] = st.column_config.TextColumn(width=WIDE.get(name))
    return config


def download(rows: Sequence[dict[str, Any]], key: str) -> None:
    """Rows as a CSV file that a spreadsheet can open safely."""
    dataset = st.query_params.get("dataset", "")
    st.download_button(
        "Download CSV",
        tables.csv_text(rows),
        file_name=tables.file_name("concord", dataset, key),
        mime="text/csv",
        key=f"download-{key}",
        on_click="ignore",
        type="tertiary",
    )


def legend() -> None:
    """What the colours mean."""
    with st.container(key="legend"):
        st.markdown(LEGEND)


def next_step(why: str, command: str) -> None:
    """What to do next, as a command to copy."""
    with st.container(key="next"):
        st.subheader("Next step", anchor=False)
        st.text(why)
        to_copy(command, "next")
