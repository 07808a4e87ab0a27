"""The disagreements view: what comes first, how it is drawn, and what people say of it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from app import tagging, words_disagreements
from app.views import disagreements
from data import browse
from data.browse import SHOWN_CHARACTERS, Show, Wanted
from data.records import AnnotatorKind
from data.tags import Tag, set_tag, tags_of
from tests.dashboards import make_store
from tests.estimating import label, store_of
from tests.test_dashboard import asked, check, chosen, commands, open_app, texts, titles

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    from data.store import Store

VIEW = "disagreements"
HUMAN, JUDGE = AnnotatorKind.HUMAN, AnnotatorKind.JUDGE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "small.duckdb")


def page(store: Store, **wanted: Any) -> browse.Page:
    with store.reading() as con:
        return browse.page_of(con, Wanted("small", **wanted), number=1, size=20)


def html(app: AppTest) -> list[str]:
    """The blocks with marks; the first is the style of the whole page."""
    return [e.proto.body for e in app.get("html") if "<mark>" in e.proto.body]


def button(app: AppTest, label: str) -> Any:
    [found] = [each for each in app.button if each.label == label]
    return found


def test_confident_judges_against_humans_of_one_mind_come_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store.path, VIEW))
    expected = page(store, show=Show.CONFIDENT)
    assert chosen(app, "Show") == Show.CONFIDENT
    assert asked(app, "show") is None
    lead = f"{expected.total} comparisons where all humans agree and a judge is confident of the"
    assert any(text.startswith(lead) for text in texts(app))
    listed = app.dataframe[0].value
    assert list(listed["Prompt"]) == [row["prompt"] for row in expected.rows]
    assert all(listed["Confident"])
    assert asked(app, "comparison") == expected.rows[0]["comparison_id"]


def test_without_such_a_case_the_next_best_list_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [label(item, who, "a") for item in range(3) for who in ("h", "k")]
    labels += [label(item, "j", "b", "ab") for item in range(3)]
    kinds = {"h": HUMAN, "k": HUMAN, "j": JUDGE}
    found = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=3)
    app = check(open_app(monkeypatch, found.path, VIEW))
    assert chosen(app, "Show") == Show.AGAINST


def test_the_address_of_old_leads_here_with_its_choices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store.path, "comparisons", show="all", text="prompt 7"))
    assert titles(app) == [disagreements.QUESTION]
    assert chosen(app, "Show") == Show.ALL
    assert "some prompt 7" in texts(app)


def test_differences_are_marked_and_can_be_switched_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"show": "all", "text": "prompt 7"}
    app = check(open_app(monkeypatch, store.path, VIEW, **query))
    assert [text.count("<mark>") for text in html(app)] == [1, 1]
    assert any("are the same in the same order" in text for text in texts(app))
    check(app.toggle[0].set_value(False).run())
    assert html(app) == []
    assert any(text.startswith("some response a 7") for text in texts(app))
    assert asked(app, "marks") == "off"
    again = check(open_app(monkeypatch, store.path, VIEW, marks="off", **query))
    assert html(again) == []


def test_model_filter_leaves_what_the_model_answered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store.path, VIEW, show="all", model="some model a"))
    assert chosen(app, "Model of a response") == "some model a"
    assert any(text.startswith("60 comparisons") for text in texts(app))


def tag(app: AppTest, tag: Tag | None, name: str = "eve", note: str = "") -> AppTest:
    if tag is not None:
        app.radio[0].set_value(tag)
    for field, value in (("Your name", name), ("Note (needed for other)", note)):
        [box] = [box for box in app.text_input if box.label == field]
        box.set_value(value)
    return check(button(app, "Save tag").click().run())


def test_a_tag_is_stored_shown_counted_and_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store.path, VIEW))
    item = str(asked(app, "comparison"))
    tag(app, Tag.AI_ERROR, note="it takes <b>length</b>")
    [stored] = tags_of(store, item)
    assert (stored.tag, stored.by, stored.note) == (Tag.AI_ERROR, "eve", "it takes <b>length</b>")
    assert any(t.startswith("AI error, by eve, ") and t.endswith("<b>length</b>")
               for t in texts(app))  # fmt: skip
    assert app.dataframe[0].value["Tags"][0] == "AI error"
    [box] = [box for box in app.selectbox if box.label == "Tag"]
    assert {"AI error (1)", "human noise (0)", "any tag (1)"} <= set(box.options)
    assert commands(app)[-1].startswith("concord tags ")
    check(button(app, "Remove my tag").click().run())
    assert tags_of(store, item) == ()
    assert not [text for text in texts(app) if text.startswith("AI error, by")]


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [(None, "eve", "Choose a tag."), (Tag.HUMAN_NOISE, "", "there is no name"),
     (Tag.OTHER, "eve", "has no note"), (Tag.AI_ERROR, "humans", "means something else")],
)  # fmt: skip
def test_a_tag_that_lacks_something_says_what(
    given: Tag | None, name: str, message: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tag(check(open_app(monkeypatch, store.path, VIEW)), given, name)
    assert any(message in text for text in texts(app))
    assert tags_of(store, str(asked(app, "comparison"))) == ()


def test_a_store_in_use_takes_no_tag_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store.path, VIEW))
    monkeypatch.setattr(tagging, "WAIT_SECONDS", 0.05)
    with store.reading():
        tag(app, Tag.AI_ERROR)
    assert words_disagreements.NOT_SAVED in texts(app)


def test_tags_filter_the_list(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = page(store).rows
    set_tag(store, rows[3]["comparison_id"], Tag.HUMAN_NOISE, "ann")
    set_tag(store, rows[5]["comparison_id"], Tag.AI_ERROR, "ann")
    set_tag(store, rows[5]["comparison_id"], Tag.AI_ERROR, "bob", "both orders")
    for choice, n in (("AI error", 1), ("tagged", 2), ("untagged", 58), ("other", 0)):
        app = check(open_app(monkeypatch, store.path, VIEW, show="all", tag=choice))
        lead = f"{n} comparison" if n else "No comparison matches"
        assert any(text.startswith(lead) for text in texts(app)), choice


def test_the_file_holds_the_list_with_its_tags(store: Store) -> None:
    rows = page(store, show=Show.CONFIDENT).rows
    for who in ("ann", "bob"):
        set_tag(store, rows[0]["comparison_id"], Tag.AI_ERROR, who, f"=note of {who}")
    wanted = Wanted("small", show=Show.CONFIDENT)
    tags = tags_of(store, rows[0]["comparison_id"])
    text = disagreements._whole_list(str(store.path), wanted, tags)
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["Comparison"] for row in found][: len(rows)] == [r["comparison_id"] for r in rows]
    assert [row["Place"] for row in found] == [str(k + 1) for k in range(len(found))]
    first = found[0]
    assert first["Tags"] == "AI error ×2"
    assert first["Notes"] == "bob: =note of bob; ann: =note of ann"
    assert {first["Humans for A"], first["Humans for B"]} == {"0", "3"}
    assert found[1]["Tags"] == ""


def test_the_file_holds_whole_texts_and_says_where_it_does_not(tmp_path: Path) -> None:
    texts_ = {"prompt": "=p" * 400, "response": "r" * 300, "model": "m", "rationale": "r"}
    store = make_store(tmp_path / "s.duckdb", texts=texts_)
    rows = page(store).rows[:2]
    text = disagreements._file(str(store.path), rows, (), 0)
    [first, _] = csv.DictReader(io.StringIO(text, newline=""))
    assert first["Prompt"].startswith(f"'{texts_['prompt']} ")
    assert first["Response A"].startswith(f"{texts_['response']} a ")
    assert first["Response B"].startswith(f"{texts_['response']} b ")
    with store.reading() as con:
        ids = [str(row["comparison_id"]) for row in rows]
        known = browse.file_texts(con, ids, most=2_000)
    assert list(known) == ids[:1]
    found = disagreements.list_rows(rows, (), 0, known)
    assert [row["Response B"] == words_disagreements.LEFT_OUT for row in found] == [False, True]


def test_a_text_of_a_megabyte_is_cut_and_shown_whole_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "word," * 200_000
    kinds = {"h": HUMAN, "j": JUDGE}
    labels = [label(0, "h", "a"), label(0, "j", "b", rationale="why " * 2_000)]
    found = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=1, responses=[(long, "short")])
    app = check(open_app(monkeypatch, found.path, VIEW))
    assert max(map(len, texts(app))) == SHOWN_CHARACTERS
    assert "980,000 more characters of 1,000,000" in texts(app)
    assert "3,000 more characters of 8,000: in the file of the labels." in texts(app)
    assert words_disagreements.TOO_LONG in texts(app)
    check(button(app, "Show all").click().run())
    assert long in texts(app)


def test_the_confident_are_named_with_what_they_state() -> None:
    row = {"humans_a": 3, "humans_tie": 0, "humans_b": 0, "sure": [
        {"name": "i", "sure": -1, "stated": 0.03}, {"name": "j", "sure": -1, "stated": None},
        {"name": "k", "sure": 1, "stated": 0.99}]}  # fmt: skip
    assert words_disagreements.confident(row) == "i 97%, j"
    assert words_disagreements.confident({**row, "humans_tie": 1}) is None
    many = [{"name": f"j{k}", "sure": -1, "stated": None} for k in range(5)]
    assert words_disagreements.confident({**row, "sure": many}) == "j0, j1, j2 and 2 more"
