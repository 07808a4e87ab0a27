"""A person's seat at a queue: what is kept, what is dropped, and how long it took."""

from itertools import product
from types import SimpleNamespace

import pytest

from app import words_label
from app.seat import DONE_ELSEWHERE, QUICKEST, TOO_QUICK, Seat
from data.errors import InputError
from data.ledger import take_up
from data.people import Own, Queue
from data.records import LabelStatus, Shown
from pipelines import human_labels
from pipelines.human_labels import Choice, finish, history, preference_of, progress
from pipelines.human_room import Room
from tests.people import rows, store_of

GIVEN = """SELECT comparison_id::VARCHAR, shown, preference, strength, rationale, seconds, status
           FROM labels JOIN annotators USING (annotator_id) WHERE name = 'eve'
           ORDER BY labels.created_at"""


@pytest.fixture
def clock(monkeypatch):
    """The seat's own clock: `clock.now` seconds."""
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("app.seat.time", SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A store and a seat in it; labels are committed at the end, not by a process meanwhile."""
    monkeypatch.setattr(Room, "commit_soon", lambda _: None)
    stores = []

    def make(n, labels=None, kind=Queue.UNLABELLED, person="eve"):
        if not stores:
            stores.append(store_of(tmp_path / "s.duckdb", n, labels))
        return Seat.take(stores[0], "d", "overall", person, kind)

    yield make
    for store in stores:
        finish(store)


def give(seat, clock, choice=Choice.FIRST, seconds=2.0, **more):
    item = seat.current()
    seat.drawn()
    clock.now += seconds
    seat.choose(item.comparison_id, choice, more.get("strength"), more.get("rationale"))
    return item


def committed(seat):
    seat.leave()
    take_up(seat.store)
    return rows(seat.store, GIVEN)


def test_a_choice_is_stored_with_its_time_strength_and_reason(made, clock):
    seat = made(4)
    items = [
        give(seat, clock, Choice.FIRST, 3.5, strength=2, rationale="  shorter "),
        give(seat, clock, Choice.SECOND, 1.0),
        give(seat, clock, Choice.TIE, 0.5, strength=3),
        give(seat, clock, Choice.SKIP, 900.0, strength=1),
    ]
    assert seat.said is None
    found = committed(seat)
    assert [row[0] for row in found] == [item.comparison_id for item in items]
    assert [row[1] for row in found] == [item.shown for item in items]
    first, second, tie, skip = found
    assert first[2] == ("a" if items[0].shown is Shown.AB else "b")
    assert second[2] == ("b" if items[1].shown is Shown.AB else "a")
    assert first[3:6] == (2.0, "shorter", 3.5)
    assert tie[2:6] == ("tie", None, None, 0.5), "a tie has no strength"
    assert skip[2:] == (None, None, None, None, "skipped"), "fifteen minutes: somebody was away"


def test_drawing_again_does_not_start_the_clock_again(made, clock):
    seat = made(1)
    seat.current()
    seat.drawn()
    clock.now += 5.0
    give(seat, clock, seconds=2.0)
    assert committed(seat)[0][5] == 7.0


def test_what_comes_too_soon_or_too_late_is_not_kept(made, clock):
    seat = made(3)
    gone = give(seat, clock)
    seat.choose(gone.comparison_id, Choice.SECOND, None, None)
    now = seat.current()
    seat.choose(now.comparison_id, Choice.FIRST, None, None)
    assert (len(seat.given), seat.said) == (1, None), "the next one is not on the screen yet"
    seat.drawn()
    seat.choose(gone.comparison_id, Choice.SECOND, None, None)
    clock.now += QUICKEST / 2
    seat.choose(now.comparison_id, Choice.FIRST, None, None)
    assert (len(seat.given), seat.said) == (1, TOO_QUICK), "a key that is held down"
    clock.now += QUICKEST
    seat.choose(now.comparison_id, Choice.FIRST, None, None)
    assert (len(seat.given), seat.said) == (2, None)
    assert seat.current() not in (gone, now)


def test_undo_shows_the_comparison_again_and_counts_its_time_anew(made, clock):
    seat = made(2)
    assert not seat.can_undo
    first = give(seat, clock, seconds=9.0)
    before = seat.standing()
    give(seat, clock, Choice.SKIP)
    assert seat.current() is None
    seat.undo()
    seat.undo()
    assert not seat.can_undo
    assert seat.standing().left == before.left + 1
    assert give(seat, clock, Choice.TIE, seconds=1.5) == first
    [row] = committed(seat)
    assert (row[0], row[2], row[5]) == (first.comparison_id, "tie", 1.5)


def test_a_second_window_of_the_same_person_goes_on_with_the_next(made, clock):
    seat, other = made(2), made(2)
    assert seat.current() == other.current()
    seat.drawn()
    give(other, clock)
    seat.choose(seat.item.comparison_id, Choice.FIRST, None, None)
    assert seat.said == DONE_ELSEWHERE
    assert seat.current() == other.current()
    other.leave()


def test_the_standing_is_that_of_the_store(made, clock):
    seat = made(8, {"bob": {0: "a"}})
    for choice, seconds in zip("fsts", (1.0, 40.0, 2.0, 3.0), strict=True):
        chosen = {"f": Choice.FIRST, "s": Choice.SECOND, "t": Choice.TIE}[choice]
        give(seat, clock, chosen, seconds)
    give(seat, clock, Choice.SKIP, 100.0)
    assert seat.standing() == progress(seat.store, "d", "overall", "eve")
    assert seat.standing().median_seconds == 2.5
    assert words_label.progress(seat.standing(), 5) == (
        "5 done now   ·   2 left   ·   4 labels today   ·   1 skipped   ·   2.5 s each (median)"
    )
    assert words_label.share_done(seat.standing(), 5) == 5 / 7


def test_own_labels_are_those_of_the_store_newest_first(made, clock):
    seat = made(4)
    give(seat, clock)
    assert len(seat.own()) == 1
    give(seat, clock, Choice.SECOND, rationale="why")
    give(seat, clock, Choice.SKIP)
    said = [words_label.own_choice(each) for each in seat.own()]
    assert said == ["skipped", "response 2", "response 1"]

    def known(found):
        return [(each.comparison_id, each.preference, each.shown, each.rationale, each.seconds,
                 each.prompt, each.status, each.repeat) for each in found]  # fmt: skip

    assert known(seat.own()) == known(history(seat.store, "d", "overall", "eve"))
    seat.undo()
    assert len(seat.own()) == 2


def test_labels_of_others_come_after_ones_own_and_end_taking_back(made, clock):
    seat = made(2, {"bob": {0: "a", 1: "b"}}, Queue.SECOND)
    item = seat.current()
    with pytest.raises(InputError, match="hidden until"):
        seat.others(item.comparison_id)
    assert not seat.looked
    give(seat, clock)
    assert seat.can_undo
    [bob] = seat.others(item.comparison_id)
    assert bob["annotator"] == "bob"
    assert not seat.can_undo
    seat.undo()
    assert len(seat.given) == 1


def test_what_the_disk_refuses_is_said(made, clock, monkeypatch):
    seat = made(1)

    def full(*_, **__):
        raise InputError("the disk is full", "Make room.")

    monkeypatch.setattr(human_labels.LabellingSession, "record", full)
    give(seat, clock)
    assert seat.said == "It was not kept: the disk is full. Make room."
    assert seat.given == []


@pytest.mark.parametrize(("choice", "shown"), [*product(Choice, Shown)])
def test_own_choices_are_said_as_they_were_made(choice, shown):
    preference = preference_of(choice, shown)
    status = LabelStatus.SKIPPED if preference is None else LabelStatus.OK
    own = Own("c", None, status, preference, shown, 0, None, None, None, None, True)
    words = {"first": "response 1", "second": "response 2", "tie": "tie", "skip": "skipped"}
    assert words_label.own_choice(own) == words[choice]


def test_every_queue_and_choice_has_its_words_and_key():
    assert set(words_label.QUEUES) == set(words_label.QUEUES_EXPLAINED) == set(Queue)
    assert set(words_label.KEYS) == set(words_label.BUTTONS) == set(Choice)
    keys = [*words_label.KEYS.values(), words_label.UNDO_KEY]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {"C", "R"}, "Streamlit's own"
    for kind in Queue:
        assert words_label.done(kind, 0) != words_label.done(kind, 2)
        assert words_label.after(kind, "s.duckdb", "d")[1].startswith("concord ")
