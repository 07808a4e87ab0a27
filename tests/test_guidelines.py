"""Guidelines: a text has a version, the newest one is in force, earlier ones stay."""

import json

import pytest

from data.errors import InputError
from data.guidelines import history, in_force, set_guideline
from data.records import make_id
from tests.people import rows, store_of


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "s.duckdb", 1)


def texts(store, criterion=None):
    with store.reading() as con:
        return [each.text for each in history(con, "d", criterion)]


def now(store, criterion="overall"):
    with store.reading() as con:
        return in_force(con, "d", criterion)


def test_the_newest_is_in_force_and_the_id_follows_from_the_text(store):
    assert now(store) is None
    old = set_guideline(store, "d", "overall", "Prefer what is true.\n")
    new = set_guideline(store, "d", "overall", "Prefer what is short.")
    assert old.guideline_id == make_id("guideline", "d", "overall", "Prefer what is true.")
    assert now(store) == new
    back = set_guideline(store, "d", "overall", "Prefer what is true.")
    assert back.guideline_id == old.guideline_id, "the same text is the same version"
    assert now(store).created_at > old.created_at
    assert texts(store) == [back.text, new.text, old.text]


def test_the_text_in_force_is_not_stored_again(store):
    first = set_guideline(store, "d", "overall", "text")
    assert set_guideline(store, "d", "overall", " text ") == first
    assert texts(store) == ["text"]


def test_each_criterion_has_its_own(store):
    one = set_guideline(store, "d", "overall", "text")
    other = set_guideline(store, "d", "style", "text")
    assert one.guideline_id != other.guideline_id
    assert (now(store), now(store, "style"), now(store, "tone")) == (one, other, None)
    assert texts(store, "style") == ["text"]


@pytest.mark.parametrize(("dataset", "text"), [("e", "x"), ("d", " \n"), ("d", "x" * 50_001)])
def test_what_cannot_be_one_is_refused(store, dataset, text):
    with pytest.raises(InputError):
        set_guideline(store, dataset, "overall", text)
    assert texts(store) == []


def test_the_command_sets_shows_and_removing_the_data_set_takes_them(store, run, tmp_path):
    file = tmp_path / "guideline.md"
    file.write_text("Prefer what is true.")
    assert "no guideline" in run("guideline", "show", "--store", store.path)[2]
    code, _, err = run("guideline", "set", file, "--store", store.path)
    assert code == 0
    assert "in force" in err
    file.write_text("Prefer what is short.")
    set_again = run("guideline", "set", file, "--store", store.path, "--json")
    assert json.loads(set_again[1])["text"] == "Prefer what is short."
    code, out, _ = run("guideline", "show", "--store", store.path)
    assert "Prefer what is short." in out
    assert "Prefer what is true." not in out, "of earlier ones only when they were set"
    assert "earlier" in out
    shown = json.loads(run("guideline", "show", "--store", store.path, "--json")[1])
    assert [each["text"][-6:-1] for each in shown["guidelines"]] == ["short", " true"]
    file.write_bytes(b"\xff")
    code, _, err = run("guideline", "set", file, "--store", store.path)
    assert code == 3
    assert "UTF-8" in err
    assert run("datasets", "remove", "d", "--yes", "--store", store.path)[0] == 0
    assert rows(store, "SELECT count(*) FROM guidelines") == [(0,)]
