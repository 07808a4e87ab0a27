"""Tags: what people say of labels that differ, dated, theirs, and counted."""

import json

import pytest

from data.errors import InputError
from data.tags import TAGS, Tag, counts, remove_tag, set_tag, tags_of
from tests.people import ids, rows, store_of


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "s.duckdb", 3)


def counted(store):
    with store.reading() as con:
        return {each.tag: (each.comparisons, each.people) for each in counts(con, "d")}


def test_a_tag_is_there_with_its_note_and_is_counted(store):
    what = ids(store)
    set_tag(store, what[0], "AI error", "eve", " it follows the length ")
    set_tag(store, what[0], Tag.AI_ERROR, "joe")
    set_tag(store, what[1], Tag.AI_ERROR, "eve")
    set_tag(store, what[1], Tag.UNCLEAR_GUIDELINE, "joe")
    newest, first = tags_of(store, what[0])
    assert (first.tag, first.note, first.by) == (Tag.AI_ERROR, "it follows the length", "eve")
    assert (newest.by, newest.note) == ("joe", None)
    assert counted(store) == {
        Tag.AI_ERROR: (2, 2),
        Tag.HUMAN_NOISE: (0, 0),
        Tag.UNCLEAR_GUIDELINE: (1, 1),
        Tag.OTHER: (0, 0),
    }
    assert tags_of(store, what[2]) == ()


def test_a_new_tag_replaces_ones_own_only_and_the_rows_stay(store):
    what = ids(store)[0]
    set_tag(store, what, Tag.AI_ERROR, "eve")
    set_tag(store, what, Tag.HUMAN_NOISE, "joe")
    set_tag(store, what, Tag.UNCLEAR_GUIDELINE, "eve")
    assert {(each.by, each.tag) for each in tags_of(store, what)} == {
        ("eve", Tag.UNCLEAR_GUIDELINE),
        ("joe", Tag.HUMAN_NOISE),
    }
    remove_tag(store, what, "joe")
    assert [each.by for each in tags_of(store, what)] == ["eve"]
    with pytest.raises(InputError, match="'joe' has no tag"):
        remove_tag(store, what, "joe")
    assert rows(store, "SELECT count(*), count(tag) FROM tags") == [(4, 3)]


@pytest.mark.parametrize(
    ("tag", "by", "note"),
    [("wrong", "eve", None), ("other", "eve", " "), ("AI error", "", None),
     ("AI error", "humans", None), ("AI error", "eve", "x" * 1001)],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(store, tag, by, note):
    with pytest.raises(InputError):
        set_tag(store, ids(store)[0], tag, by, note)
    assert rows(store, "SELECT count(*) FROM tags") == [(0,)]


def test_only_comparisons_of_the_store_can_be_tagged(store):
    for what in ("nonsense", "00000000-0000-0000-0000-000000000009"):
        with pytest.raises(InputError, match="no comparison"):
            set_tag(store, what, Tag.AI_ERROR, "eve")
        with pytest.raises(InputError, match="no comparison"):
            tags_of(store, what)
    with pytest.raises(InputError, match="no data set"), store.reading() as con:
        counts(con, "e")


def test_the_command_lists_and_counts_and_removing_the_data_set_takes_them(store, run):
    set_tag(store, ids(store)[0], Tag.OTHER, "eve", "both are empty")
    code, out, _ = run("tags", "--store", store.path)
    assert code == 0
    assert "both are empty" in out
    found = json.loads(run("tags", "--json", "--store", store.path)[1])
    assert [each["tag"] for each in found["counts"]] == list(TAGS)
    assert found["counts"][-1]["comparisons"] == 1
    assert run("datasets", "remove", "d", "--yes", "--store", store.path)[0] == 0
    assert rows(store, "SELECT count(*) FROM tags") == [(0,)]
