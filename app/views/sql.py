"""The SQL view: a question of a reader's own, read-only and within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import commands, controls, frame, parts, words_sql
from data import browse, user_sql
from data.errors import ConcordError

if TYPE_CHECKING:
    from app.frame import Context
    from data.user_sql import Answer

QUESTION = "What else do you want to know of the store?"
TEXT, FILLED, DONE = "sql-text", "sql-filled", "sql-done"
FIRST = "SELECT kind, count(*) AS annotators FROM annotators GROUP BY kind ORDER BY kind"
LONGEST_LINK = 2_000  # characters of a query that an address takes
LOOK_SECONDS = 0.25
TURN_SECONDS = 30.0  # for the query of somebody else to end
HEIGHT = 240
RULES = (
    f"One SELECT, at most {user_sql.MOST_ROWS:,} rows, {user_sql.MOST_SECONDS:.0f} s and "
    f"{user_sql.MEMORY} of memory. The store is only read; files and networks are shut off. "
    "Nothing runs before you press Run, also where a link brings a query along."
)
NO_ROWS = "The query found no rows."
TO_RUN = "Press Run to see what it finds."


def body(context: Context) -> None:
    """The examples, the query, what it found, and the tables that there are."""
    store = context.seen.store
    _fill(context)
    parts.muted(RULES, "rules")
    sql = _query()
    with st.container(key="sql-buttons", horizontal=True, gap="small"):
        asked = st.button("Run", key="sql-run", type="primary")
        place = st.empty()
    state = st.empty()
    if asked:
        st.session_state.pop(DONE, None)
        st.session_state[DONE] = (sql, _ask(store, sql, state, place))
    _result(sql)
    _tables(context)
    why = "The same on the command line, for a file or for more rows:"
    parts.next_step(why, commands.line("concord", "sql", sql or FIRST, "--store", store))


def _fill(context: Context) -> None:
    """The query of a link or of the example chosen; an edited one is left alone."""
    dataset, criterion = context.choice.dataset, context.choice.criterion
    if TEXT not in st.session_state:
        st.session_state[TEXT] = st.query_params.get("q", FIRST)[: user_sql.MOST_CHARACTERS]
    chosen = controls.pick("sql", "example", "Examples", list(words_sql.EXAMPLES),
                           shown=words_sql.EXAMPLES, width=520)  # fmt: skip
    wanted = (chosen, dataset, criterion)
    before = st.session_state.get(FILLED)
    if before is None:  # a link's own query goes before its example
        filled = chosen if "q" not in st.query_params else ""
        before = ("", dataset, criterion) if filled else wanted
    edited = bool(before[0]) and st.session_state[TEXT] != words_sql.example(*before)
    if chosen and wanted != before and not (edited and chosen == before[0]):
        st.session_state[TEXT] = words_sql.example(*wanted)
    st.session_state[FILLED] = wanted


def _query() -> str:
    sql = str(st.text_area("SQL", key=TEXT, height=HEIGHT)).strip()
    controls.remember("q", sql if sql and sql != FIRST and len(sql) <= LONGEST_LINK else None)
    return sql


def _ask(store: str, sql: str, state: Any, place: Any) -> Answer | ConcordError:
    """The answer, or why there is none. A click anywhere meanwhile stops the query."""
    place.button("Stop", key="sql-stop")
    try:
        with _Turn(state), user_sql.Asked(store, sql) as asking:
            while not asking.wait(LOOK_SECONDS):
                state.text(f"Running for {asking.seconds:.0f} s")
            return asking.answer()
    except ConcordError as error:
        return error
    finally:
        place.empty()
        state.empty()


class _Turn:
    """One query at a time for all browsers: this one waits where another one runs."""

    def __init__(self, state: Any) -> None:
        self._state, self._has = state, False

    def __enter__(self) -> None:
        for _ in range(round(TURN_SECONDS / LOOK_SECONDS)):
            if user_sql.TURN.acquire(timeout=LOOK_SECONDS):
                self._has = True
                return
            self._state.text("Waiting for the query of another browser to end")
        raise ConcordError("other queries are running", "Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        if self._has:
            user_sql.TURN.release()


def _result(sql: str) -> None:
    """What was found for the query that stands above; another one is to be run first."""
    asked, done = st.session_state.get(DONE, (None, None))
    if done is None or asked != sql:
        parts.muted(TO_RUN, "to-run")
        return
    if isinstance(done, ConcordError):
        what, fix = words_sql.problem(done)
        parts.lead(what, key="finding-problem")
        parts.muted(fix, "fix")
        return
    parts.muted(words_sql.found(len(done.rows), done.seconds, is_cut=done.is_cut), "found")
    if any(words_sql.is_long(value) for row in done.rows for value in row):
        parts.muted(words_sql.CUT, "cut")
    if not done.rows:
        parts.muted(NO_ROWS, "no-rows")
        return
    with st.container(key="rows-sql"):
        _frame(done)
        rows = [dict(zip(done.columns, row, strict=True)) for row in done.rows]
        parts.download(rows, "sql")


def _frame(answer: Answer) -> None:
    """The rows as they are: plain text and numbers, no links, no pictures."""
    shown = [[words_sql.cell(value) for value in row] for row in answer.rows]
    frame = pd.DataFrame(shown, columns=list(answer.columns))
    config = {
        name: st.column_config.TextColumn()
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
        and not pd.api.types.is_bool_dtype(frame[name])
    }
    height = parts.ROW_PIXELS * (min(len(frame), 15) + 1) + 3
    st.dataframe(frame, key="table-sql", hide_index=True, width="stretch", height=height,
                 placeholder="null", column_config=config)  # fmt: skip


def _tables(context: Context) -> None:
    """The tables of the store, and the columns of one."""
    with st.expander("The tables and their columns", key="more-tables"):
        rows = [
            {"Table": name, "A row is": text}
            for name, text in words_sql.TABLES.items()
            if name not in words_sql.TRANSPORT
        ]
        parts.table(rows, key="table-tables", most=len(rows))
        names = [str(row["Table"]) for row in rows]
        table = controls.pick("sql", "table", "Columns of", names, default="labels", width=240)
        columns = context.of_store(browse.columns)
        parts.table(words_sql.columns_of(columns, table), key="table-columns", most=20)


if __name__ == "__main__":
    frame.draw("sql", QUESTION, body)
