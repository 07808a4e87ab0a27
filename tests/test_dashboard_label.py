"""The Label page: who labels, what they see and do not see, and what is there afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app import keeping
from app.seat import TOO_QUICK
from app.views.label import QUESTION
from app.words_label import NEW_GUIDELINE, NO_GUIDELINE, QUEUES
from data.guidelines import in_force, set_guideline
from data.ledger import take_up
from data.people import Queue
from data.records import LabelStatus
from pipelines.human_labels import finish
from pipelines.human_room import Room
from tests.people import assign, ids, rows, store_of
from tests.test_dashboard import asked, check, commands, open_app, texts, titles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    from data.store import Store

LABELS = """SELECT name, status, preference, shown, strength, rationale, seconds
            FROM labels JOIN annotators USING (annotator_id)
            WHERE run_id IS NOT NULL ORDER BY labels.created_at"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A store with its Label page; nobody has said who they are."""
    monkeypatch.setattr(Room, "commit_soon", lambda _: None)
    monkeypatch.setattr("app.seat.QUICKEST", 0.0)
    found = []

    def make(n: int, labels: Any = None, **query: str) -> tuple[Store, AppTest]:
        store = store_of(tmp_path / "s.duckdb", n, labels)
        found.append(store)
        return store, check(open_app(monkeypatch, store.path, "label", dataset="d", **query))

    yield make
    for store in found:
        finish(store)


def come_in(app: AppTest, name: str = "eve") -> AppTest:
    app.text_input(key="label-asked").input(name)
    return press(app, "Start labelling")


def button(app: AppTest, label: str) -> Any:
    [found] = [each for each in app.button if each.label == label]
    return found


def press(app: AppTest, label: str) -> AppTest:
    return check(button(app, label).click().run())


def labels_in(app: AppTest, store: Store) -> list[tuple[Any, ...]]:
    """What the store holds once the page was left."""
    _, seat = app.session_state["label-seat"]
    seat.leave()
    take_up(store)
    return rows(store, LABELS)


def test_it_asks_who_labels_before_anything_is_shown(page: Any) -> None:
    _, app = page(3)
    assert titles(app) == [QUESTION]
    assert not [text for text in texts(app) if "question number" in text]
    assert commands(app)[-1].startswith("concord report")
    come_in(app, "   ")
    assert not [text for text in texts(app) if "question number" in text]
    come_in(app, " eve ")
    assert "labelling as eve" in texts(app)
    assert len([text for text in texts(app) if "question number" in text]) == 3
    assert "eve" not in str(app.query_params)


def test_nothing_on_the_page_tells_models_or_what_others_said(page: Any) -> None:
    _, app = page(2, {"bob": {0: "a", 1: "b"}}, queue="second")
    come_in(app)
    everything = str(app.main) + "".join(texts(app))
    assert "question number" in everything
    for hidden in ("model-x", "model-y", "because of", "bob"):
        assert hidden not in everything


def test_choices_are_kept_one_after_the_other(page: Any) -> None:
    store, app = page(3)
    come_in(app)
    app.text_area[0].input("it is shorter")
    check(app.run())
    [strength] = app.get("button_group")
    check(strength.set_value(2).run())
    press(app, "Response 2 is better")
    assert app.text_area[0].value in ("", None), "the next comparison has a reason of its own"
    assert any("1 done now   ·   2 left" in text for text in texts(app))
    press(app, "Tie")
    press(app, "Undo")
    press(app, "Skip")
    press(app, "Response 1 is better")
    assert "Done: nothing is left in this queue. You gave 3 answers." in texts(app)
    first, skipped, last = labels_in(app, store)
    assert first[:2] == ("eve", LabelStatus.OK)
    assert first[2] == {"ab": "b", "ba": "a"}[first[3]]
    assert first[4:6] == (2.0, "it is shorter")
    assert skipped[1:3] == (LabelStatus.SKIPPED, None)
    assert last[2] == {"ab": "a", "ba": "b"}[last[3]]
    assert all(row[6] > 0 for row in (first, skipped, last))


def test_a_key_that_is_held_down_labels_nothing(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, app = page(2)
    monkeypatch.setattr("app.seat.QUICKEST", 3600.0)
    press(come_in(app), "Tie")
    assert TOO_QUICK in texts(app)
    assert any("0 done now   ·   2 left" in text for text in texts(app))


def test_an_empty_queue_leads_to_one_that_is_not(page: Any) -> None:
    _, app = page(2, {"bob": {0: "a", 1: "b"}})
    come_in(app)
    assert any(text.startswith("Every comparison with both texts") for text in texts(app))
    press(app, f"{QUEUES[Queue.SECOND]}: 2 left")
    assert asked(app, "queue") == "second"
    assert any("0 done now   ·   2 left" in text for text in texts(app))


def test_routed_comparisons_come_when_they_are_assigned(page: Any) -> None:
    store, app = page(4, queue="routed")
    come_in(app)
    assert any(text.startswith("Nothing is waiting here: no policy") for text in texts(app))
    assert "strategy" in commands(app)[-1]
    assign(store, "routed", {ids(store)[2]: 1.0})
    check(app.run())
    press(app, "Change")
    come_in(app, "joe")
    assert "question number 00002?" in texts(app)


def test_the_name_of_an_imported_human_is_confirmed(page: Any) -> None:
    store, app = page(2, {"bob": {0: "a"}})
    come_in(app, "Bob")
    assert any("'bob'" in text for text in texts(app)), "another spelling is another person"
    come_in(app, "bob")
    assert "There are imported labels of bob in this data set. Is that you?" in texts(app)
    press(app, "Use another name")
    come_in(app, "bob")
    press(app, "That is me")
    press(app, "Tie")
    assert labels_in(app, store)[0][:3] == ("bob", LabelStatus.OK, "tie")


def test_a_guideline_is_shown_and_a_new_version_put_in_force(page: Any) -> None:
    store, app = page(3)
    come_in(app)
    assert NO_GUIDELINE in texts(app)
    [area] = [each for each in app.text_area if each.label == "What people are to look at"]
    area.input("Prefer the **shorter** one.")
    press(app, "Put in force")
    assert NEW_GUIDELINE in texts(app)
    assert NO_GUIDELINE in texts(app), "this comparison is looked at without"
    press(app, "Tie")
    assert "Prefer the **shorter** one." in texts(app)
    press(app, "Tie")
    with store.reading() as con:
        made = in_force(con, "d", "overall")
    assert made is not None
    labels_in(app, store)
    carried = rows(store, "SELECT guideline_id FROM labels ORDER BY created_at")
    assert carried == [(None,), (made.guideline_id,)]


def test_a_guideline_of_before_is_there_from_the_first(page: Any, tmp_path: Path) -> None:
    store, app = page(1)
    set_guideline(store, "d", "overall", "Be strict.")
    come_in(app)
    assert "Be strict." in texts(app)
    assert any(text.startswith("Version ") for text in texts(app))


def test_own_labels_are_listed_and_others_only_at_the_end(page: Any) -> None:
    _, app = page(2, {"bob": {0: "a", 1: "b"}}, queue="second")
    come_in(app)
    app.session_state["more-label-own"] = True
    check(app.run())
    assert "None yet." in texts(app)
    press(app, "Tie")
    [own] = [frame.value for frame in app.dataframe]
    assert list(own["You said"]) == ["tie"]
    press(app, "Skip")
    [own] = [frame.value for frame in app.dataframe]
    assert list(own["You said"]) == ["skipped", "tie"]
    assert any(text.startswith("Choose one of your labels") for text in texts(app))


def test_a_store_in_use_is_said_and_not_lost(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, app = page(2)
    come_in(app)
    monkeypatch.setattr(keeping, "WAIT_SECONDS", 0.05)
    with store.writing():
        press(app, "Tie")
        press(app, "Undo")
        press(app, "Response 1 is better")
    assert any("1 done now   ·   1 left" in text for text in texts(app))
    assert len(labels_in(app, store)) == 1
