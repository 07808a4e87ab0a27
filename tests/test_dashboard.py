from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from streamlit.testing.v1 import AppTest

from app import frame, keeping, loading
from data.store import Store
from pipelines.compare import compare
from pipelines.findings import headline
from pipelines.sections.view import Rules, UnparsedRule
from tests.dashboards import ROOT, RUN, make_store, open_numbers
from tests.estimating import AGGREGATE, HUMAN, JUDGE, both, label, store_of

if TYPE_CHECKING:
    from pathlib import Path

VIEWS = {
    "overview": "Can AI feedback stand in for human feedback here?",
    "agreement": "Who agrees with whom, and where does it break?",
    "bias": "Does a judge prefer what humans do not?",
    "cost": "What does a label cost, and what does it buy?",
    "strategy": "Which feedback should be bought?",
    "learning": "What do the labels teach?",
    "disagreements": "Which comparisons should a person look at?",
    "label": "Which of the two responses is better?",
    "runs": "What has been run, what did it cost, and what is left to do?",
    "sql": "What else do you want to know of the store?",
}


def open_app(
    monkeypatch: pytest.MonkeyPatch, store: Path, view: str = "overview", **query: str
) -> AppTest:
    """The dashboard on one of its views, run once."""
    monkeypatch.setattr("sys.argv", ["dashboard.py", "--store", str(store)])
    app = AppTest.from_file(str(ROOT / "app" / "dashboard.py"), default_timeout=120)
    if view != "overview":
        app.run()
        app.switch_page(f"views/{view}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> list[str]:
    return [element.value for element in app.text]


def titles(app: AppTest) -> list[str]:
    return [element.value for element in app.title]


def commands(app: AppTest) -> list[str]:
    """What can be copied: text in a container for it, which stands alone there."""
    return [text for text in texts(app) if text.startswith("concord ")]


def asked(app: AppTest, name: str) -> str | None:
    """A query parameter of the page's address."""
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def check(app: AppTest) -> AppTest:
    assert [element.value for element in app.exception] == []
    return app


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.duckdb"
    make_store(path)
    make_store(path, dataset="other set", simulated=True)
    return path


@pytest.mark.parametrize("view", VIEWS)
def test_empty_store_says_how_to_fill_it(
    view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "empty.duckdb"
    Store(path, create=True)
    app = check(open_app(monkeypatch, path, view))
    assert titles(app) == ["No data yet"]
    assert "concord demo" in commands(app)
    assert any(f"--store {path}" in command for command in commands(app))


@pytest.mark.parametrize("view", VIEWS)
def test_missing_store_says_so(view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, tmp_path / "none.duckdb", view))
    assert any("no store at" in text for text in texts(app))
    assert "concord demo" in commands(app)


def test_the_documentation_asks_what_the_views_ask() -> None:
    page = (ROOT / "docs" / "dashboard.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert dict(rows[1:]) == {frame.VIEWS[view]: question for view, question in VIEWS.items()}


@pytest.mark.parametrize(("view", "question"), VIEWS.items())
def test_views_ask_a_question_and_end_in_a_command(
    view: str, question: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, view, dataset="small"))
    assert titles(app) == [question]
    assert commands(app)[-1].startswith("concord ")
    assert asked(app, "dataset") == "small"
    raw = ("cost_usd", "single_human", "majority=", "parse_error", "unparsed=", "category=", "nan")
    assert [text for text in texts(app) if any(name in text for name in raw)] == []


def test_overview_holds_the_headline_and_how_much_there_is(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, dataset="small"))
    rows = [row for row in compare(Store(small), "small") if row.slice == "all"]
    assert headline(rows) in texts(app)
    counts = "60 comparisons   ·   60 prompts   ·   540 labels   ·   3 humans   ·   3 judges"
    assert counts in texts(app)
    assert any(text.startswith("data ") and text.endswith(" old") for text in texts(app))
    assert not [badge for badge in badges(app) if "simulated" in badge]


def badges(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown if "badge" in element.value]


def test_simulated_data_says_so(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, small, dataset="other set"))
    assert any("simulated" in badge for badge in badges(app))


def test_deep_link_sets_data_set_and_rules(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(monkeypatch, small, dataset="other set", unparsed="wrong", majority="sign")
    assert chosen(check(app), "Data set") == "other set"
    rules = Rules(unparsed=UnparsedRule.WRONG)
    rows = [row for row in compare(Store(small), "other set", rules=rules) if row.slice == "all"]
    assert headline(rows) in texts(app)
    assert any("rules changed" in badge for badge in badges(app))


def chosen(app: AppTest, label: str) -> Any:
    [box] = [box for box in app.selectbox if box.label == label]
    return box.value


def test_unknown_values_in_a_link_are_ignored(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(monkeypatch, small, dataset="none", unparsed="?", judge="nobody", show="x")
    assert chosen(check(app), "Data set") in ("small", "other set")
    assert asked(app, "dataset") == chosen(app, "Data set")
    assert asked(app, "unparsed") is None


def test_choosing_writes_the_link(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(monkeypatch, small, "agreement", dataset="small", show="slices")
    [box] = [box for box in app.selectbox if box.label == "Judge"]
    check(box.set_value("hasty").run())
    assert asked(app, "judge") == "hasty"
    assert any(text.startswith("hasty agrees") for text in texts(app))


def test_agreement_says_where_prompts_are_too_few(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, small, "agreement", dataset="small", judge="careful",
                         show="slices"))  # fmt: skip
    assert chosen(app, "Judge") == "careful"
    assert any("careful agrees most in" in text for text in texts(app))
    tables = [frame.value for frame in open_numbers(app).dataframe]
    rare = [t for t in tables if "Comparisons of" in t and "rare" in set(t["Comparisons of"])]
    assert rare
    assert any("too few prompts" in note for t in rare for note in t["Note"])


def test_cost_says_what_is_not_known_and_why(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, small, "cost", dataset="small"))
    assert any("silent" in text and "not known" in text.lower() for text in texts(app))
    assert any("careful agrees" in text and "$4.0 per 1,000" in text for text in texts(app))
    assert any("No model has been asked" in text for text in texts(app))


@pytest.mark.parametrize(
    ("show", "judge", "phrase"),
    [
        ("all", None, "60 comparisons"),
        ("against", "silent", "where silent disagrees with the human majority"),
        ("split", None, "where the judges disagree"),
        ("swapped", "hasty", "where hasty changes its preference"),
        ("swapped", "silent", "No comparison matches"),
    ],
)
def test_comparisons_are_filtered(
    show: str, judge: str | None, phrase: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"show": show, **({"judge": judge} if judge else {})}
    app = check(open_app(monkeypatch, small, "disagreements", dataset="small", **query))
    assert any(phrase in text for text in texts(app))


def test_a_comparison_shows_texts_labels_and_reasons(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"dataset": "small", "show": "all", "text": "prompt 7"}
    app = check(open_app(monkeypatch, small, "disagreements", **query))
    shown = texts(app)
    assert "some prompt 7" in shown
    marked = [element.proto.body for element in app.get("html")]
    assert any("some response <mark>a</mark> 7" in text for text in marked)
    assert "Response A, by some model a" in shown
    assert "some rationale careful ab" in shown
    labels = app.dataframe[-1].value
    assert list(labels["Annotator"]).count("careful") == 2
    assert set(labels["Kind"]) == {"human", "AI judge", "baseline"}
    assert set(labels["Cost"].dropna()) == {"$0.40", "$0.0040", "$0.00050", "$0"}


def test_pages_turn(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(monkeypatch, small, "disagreements", dataset="small", show="all")
    assert "page 1 of 3" in texts(app)
    [later] = [button for button in app.button if button.label == "Next"]
    check(later.click().run())
    assert "page 2 of 3" in texts(app)


def test_deep_link_to_a_comparison(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(small).reading() as con:
        row = con.execute(
            "SELECT comparison_id FROM comparisons WHERE dataset = 'small' AND source_id = 'c33'"
        ).fetchone()
    assert row
    app = open_app(monkeypatch, small, "disagreements", dataset="small", show="all",
                   comparison=str(row[0]))  # fmt: skip
    assert "some prompt 33" in texts(check(app))


def test_a_live_run_shows_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "live.duckdb")
    now = datetime.now(UTC).replace(tzinfo=None)
    runs = [("live", now, "running"), ("dead", now - timedelta(hours=1), "running"),
            ("old", now - timedelta(days=1), "interrupted")]  # fmt: skip
    with store.writing() as con:
        for judge, started, status in runs:
            con.execute(RUN, {"judge": judge, "dataset": "small", "started": started,
                              "status": status})  # fmt: skip
    for view in ("overview", "cost"):
        app = check(open_app(monkeypatch, store.path, view))
        line = "live is labelling small: 50 of 200 done, 2 failed, $1.2 spent"
        assert any(text.startswith(line[:40]) for text in texts(app))
        assert [text for text in texts(app) if "No new label for 60." in text]


def test_a_store_in_use_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "used.duckdb")
    monkeypatch.setattr(keeping, "WAIT_SECONDS", 0.05)
    with store.writing():
        app = check(open_app(monkeypatch, store.path))
        assert titles(app) == ["The store is in use"]
    check(app.run())
    assert titles(app) == [VIEWS["overview"]]


def test_a_store_in_use_keeps_what_was_read_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "kept.duckdb")
    monkeypatch.setattr(keeping, "WAIT_SECONDS", 0.05)
    app = check(open_app(monkeypatch, store.path))
    before = texts(app)
    with store.writing():
        loading.refresh(str(store.path))
        check(app.run())
    assert any("the data below are those read last" in text for text in texts(app))
    assert set(before) - set(texts(app)) <= {text for text in before if text.startswith("data ")}


def test_new_data_is_drawn_after_a_refresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "grows.duckdb")
    app = check(open_app(monkeypatch, store.path))
    assert [box.options for box in app.selectbox if box.label == "Data set"] == [["small"]]
    make_store(store.path, dataset="second")
    check(app.run())  # the version is not looked up again yet
    assert [box.options for box in app.selectbox if box.label == "Data set"] == [["small"]]
    [refresh] = [button for button in app.button if button.label == "Refresh"]
    check(refresh.click().run())
    assert [box.options for box in app.selectbox if box.label == "Data set"] == [
        ["second", "small"]
    ]


def test_the_store_is_only_read(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.read_bytes()
    for view in VIEWS:
        check(open_app(monkeypatch, small, view, dataset="small"))
    assert small.read_bytes() == before


ODD: dict[str, Any] = {
    "no labels": {"labels": [], "kinds": {}},
    "humans only": {"labels": [label(i, h, "a") for i in range(3) for h in "hk"],
                    "kinds": {"h": HUMAN, "k": HUMAN}},
    "one judge only": {"labels": [label(i, "j", "b") for i in range(3)], "kinds": {"j": JUDGE}},
    "no texts": {"labels": [label(i, n, "b", "ab") for i in range(3) for n in "hj"],
                 "kinds": {"h": HUMAN, "j": JUDGE}, "texts": False},
    "nothing usable": {"labels": [label(i, "j", "x", "ab") for i in range(3)],
                       "kinds": {"j": JUDGE}},
    "gold and one order": {"labels": [label(i, n, "t", "ab") for i in range(30) for n in "gj"],
                           "kinds": {"g": AGGREGATE, "j": JUDGE}, "n_items": 30},
    "anonymous humans": {"labels": [x for i in range(30) for x in
                                    (label(i, "h", "ab"[i % 2]), label(i, "k", "a"),
                                     *both(i, "j", "b", "ab"[i % 2]))],
                         "kinds": {"h": HUMAN, "k": HUMAN, "j": JUDGE}, "n_items": 30,
                         "anonymous": ("h", "k"), "categories": ["c"] * 15 + [None] * 15},
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("odd", ODD)
def test_odd_data_sets_are_drawn(
    odd: str, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "odd.duckdb", **{"n_items": 3, **ODD[odd]})
    app = check(open_app(monkeypatch, store.path, view))
    assert titles(app) == [VIEWS[view]]
    assert commands(app)[-1].startswith("concord ")
