"""The views Runs, SQL and what Cost says of spending, drawn without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app import words_sql
from data import user_sql
from tests.dashboards import RUN, make_store, open_numbers
from tests.test_dashboard import asked, check, commands, open_app, texts, titles

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

HUMAN = '{"by": "human", "criterion": "overall", "queue": "routed"}'
HOSTILE = "![x](http://example.org/y) <b>"
FAILED = """
INSERT INTO labels BY NAME
SELECT uuid() AS label_id, comparison_id, annotator_id, run_id, 'overall' AS criterion,
       0 AS repeat, 'failed' AS status, now()::TIMESTAMP AS created_at,
       json_object('reason', $reason) AS details
FROM runs, (FROM comparisons WHERE dataset = 'small' LIMIT 3) WHERE status = 'interrupted'
"""
PAID = """
INSERT INTO replies BY NAME
SELECT uuid() AS request_hash, run_id, 0.01 AS paid_usd, 'served' AS served_model,
       started_at + INTERVAL (i) SECOND AS received_at
FROM runs, range(50) r(i) WHERE judge IN ('done', 'cut off')
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with runs of every kind on `small`, and none on `quiet`."""
    store = make_store(tmp_path_factory.mktemp("runs") / "s.duckdb")
    make_store(store.path, dataset="quiet")
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.writing() as con:
        for hours, (judge, status) in enumerate(
            [("done", "complete"), ("cut off", "interrupted"), ("ann", "complete"),
             (HOSTILE, "budget_spent")]
        ):  # fmt: skip
            con.execute(RUN, {"judge": judge, "dataset": "small", "status": status,
                              "started": now - timedelta(hours=hours)})  # fmt: skip
        con.execute("UPDATE runs SET budget_usd = 2.5, failed = 0 WHERE status = 'budget_spent'")
        con.execute("UPDATE runs SET failed = 0 WHERE judge = 'done'")
        con.execute("UPDATE runs SET settings = $1::JSON, failed = 0 WHERE judge = 'ann'", [HUMAN])
        con.execute(FAILED, {"reason": HOSTILE})
        con.execute(PAID)
    return store.path


def id_of(store: Path, judge: str, monkeypatch: pytest.MonkeyPatch) -> str:
    app = open_app(monkeypatch, store, "runs", dataset="small")
    [box] = [box for box in app.selectbox if box.label == "Run"]
    [name] = [name for name in box.options if name.startswith(f"{judge} on ")]
    return name.rpartition("(")[2].rstrip(")")


def values(app: AppTest) -> dict[str, Any]:
    [facts] = [frame.value for frame in app.dataframe if list(frame.value) == ["What", "Value"]]
    return dict(zip(facts["What"], facts["Value"], strict=True))


def test_runs_of_the_data_set_with_the_one_that_needs_something(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "runs", dataset="small"))
    assert "4 runs: 1 interrupted, 2 complete, 1 budget spent. 200 labels, 2 failed." in texts(app)
    assert "$3.8 spent." in texts(app)  # three judges' runs of $1.25; a person's costs nothing here
    assert values(app)["Labelled by"] == "cut off"
    assert "Data set" not in app.dataframe[0].value
    assert any("3 of 52 labels give no preference" in text for text in texts(app))
    [reasons] = [f.value for f in app.dataframe if "Reason" in f.value]
    assert list(reasons["Reason"]) == [HOSTILE]
    assert commands(app)[-1].startswith("concord label --judge 'cut off' --dataset small")


def test_a_link_names_a_run_by_the_beginning_of_its_id(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = id_of(small, "ann", monkeypatch)
    app = check(open_app(monkeypatch, small, "runs", dataset="small", run=short))
    assert values(app)["Labelled by"] == "ann, a person"
    assert values(app)["Queue"] == "Routed to people"
    assert str(asked(app, "run")).startswith(short)
    assert commands(app)[-1] == f"concord app --store {small}"


def test_spend_against_budget(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = id_of(small, HOSTILE, monkeypatch)
    app = check(open_app(monkeypatch, small, "runs", dataset="small", run=short))
    assert "$1.2 spent of $2.5 (50%)" in texts(app)
    assert commands(app)[-1].endswith(f"--budget 5 --store {small}")


def test_no_run_on_this_data_set_but_on_others(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "runs", dataset="quiet"))
    assert "Nothing has been run on this data set yet." in texts(app)
    assert "On other data sets: 4 runs." in texts(app)
    app = check(open_app(monkeypatch, small, "runs", dataset="quiet", scope="store"))
    assert set(app.dataframe[0].value["Data set"]) == {"small"}


def test_a_live_run_shows_progress_and_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "live.duckdb")
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.writing() as con:
        for judge, started in (("live", now), ("dead", now - timedelta(hours=1))):
            con.execute(RUN, {"judge": judge, "dataset": "small", "status": "running",
                              "started": started})  # fmt: skip
    app = check(open_app(monkeypatch, store.path, "runs"))
    shown = texts(app)
    assert "live is labelling small: 50 of 200 done, 2 failed, $1.2 spent" in shown
    assert [text for text in shown if text.startswith("No new label for 60.")]
    assert commands(app)[-1].startswith("concord runs watch ")


def test_cost_shows_what_was_spent_and_whom_nobody_beats(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "cost", dataset="small"))
    shown = texts(app)
    assert any(text.startswith("$1.0 spent on this data set in 2 runs") for text in shown)
    assert any("nobody beats" in text for text in shown)
    assert any("1,000 labels that match one human cost" in text for text in shown)
    [spent] = [f.value for f in open_numbers(app).dataframe if "Last reply (UTC)" in f.value]
    assert list(spent["Replies"]) == [50, 50]


def test_a_link_brings_a_query_and_does_not_run_it(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a query was run without a click")

    monkeypatch.setattr(user_sql, "Asked", refuse)
    query = "SELECT count(*) AS n FROM labels"
    app = check(open_app(monkeypatch, small, "sql", dataset="small", q=query))
    assert app.text_area[0].value == query
    assert "Press Run to see what it finds." in texts(app)
    assert titles(app) == ["What else do you want to know of the store?"]
    assert commands(app)[-1] == f"concord sql 'SELECT count(*) AS n FROM labels' --store {small}"
    check(app.run())


def press_run(app: AppTest) -> AppTest:
    [button] = [button for button in app.button if button.label == "Run"]
    return check(button.click().run())


def test_a_query_is_run_by_a_click(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"SELECT '{HOSTILE}' AS \"**x**\", count(*) AS n FROM datasets"
    app = press_run(open_app(monkeypatch, small, "sql", dataset="small", q=query))
    table = app.dataframe[0].value
    assert list(table) == ["**x**", "n"]
    assert table.iloc[0].tolist() == [HOSTILE, 2]
    assert any(text.startswith("1 row, in ") for text in texts(app))
    check(app.text_area[0].set_value("SELECT 2").run())  # another query: its result is not there
    assert "Press Run to see what it finds." in texts(app)


def test_a_wrong_query_says_why(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = press_run(open_app(monkeypatch, small, "sql", dataset="small", q="DROP TABLE labels"))
    assert "That is not one SELECT." in texts(app)


def test_a_query_too_long_says_so_and_lets_others_ask(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = user_sql.Asked
    monkeypatch.setattr(user_sql, "Asked", lambda store, sql: real(store, sql, 0.5))
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b"
    app = press_run(open_app(monkeypatch, small, "sql", dataset="small", q=endless))
    assert any("took longer than" in text for text in texts(app))
    assert user_sql.TURN.acquire(timeout=0)
    user_sql.TURN.release()


def test_examples_fill_the_query_and_leave_an_edited_one_alone(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "sql", dataset="small"))
    [box] = [box for box in app.selectbox if box.label == "Examples"]
    check(box.set_value("order").run())
    assert app.text_area[0].value == words_sql.example("order", "small", "overall")
    assert asked(app, "example") == "order"
    [data] = [box for box in app.selectbox if box.label == "Data set"]
    check(data.set_value("quiet").run())
    assert "dataset = 'quiet'" in app.text_area[0].value
    check(app.text_area[0].set_value("SELECT 1").run())
    [data] = [box for box in app.selectbox if box.label == "Data set"]
    check(data.set_value("small").run())
    assert app.text_area[0].value == "SELECT 1"


def test_the_tables_of_the_store_are_described(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "sql", dataset="small", table="runs"))
    [columns] = [f.value for f in app.dataframe if "Holds" in f.value]
    assert "budget_usd" in set(columns["Column"])
    assert all(columns["Holds"])
