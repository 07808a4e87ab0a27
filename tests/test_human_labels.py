"""People label: blind, at once, beside a judge's run; what was acknowledged is there, and once."""

import gc
import json
import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from data.errors import InputError, RunError
from data.guidelines import set_guideline
from data.journal import is_live, journals_in, read_events
from data.ledger import commit_journal, damaged_journals, take_up
from data.people import Desk
from data.records import Preference, Shown
from data.store import Store
from judges.simulated import Behaviour, running
from pipelines import human_labels
from pipelines.human_labels import (
    AlreadyLabelledError,
    Choice,
    LabellingSession,
    Queue,
    QueueRules,
    UnconfirmedNameError,
    check_person,
    finish,
    history,
    item,
    labels_of_others,
    preference_of,
    progress,
    queue,
    shown_to,
)
from pipelines.human_room import Room, Writer
from tests.people import ROOT, assign, ids, person_process, rows, store_of
from tests.provider import concord, judge_file, truth, wait_for

MOST = 400
OF_PEOPLE = "FROM labels JOIN runs USING (run_id) WHERE settings->>'by' = 'human'"


@pytest.fixture
def made(served, monkeypatch):
    """As `served`, without the process that commits: the next writer does, as after a kill."""
    monkeypatch.setattr(Room, "commit_soon", lambda _: None)
    return served


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Comparisons that nobody has labelled: a store is copied faster than made."""
    return store_of(tmp_path_factory.mktemp("whole") / "s.duckdb", MOST)


@pytest.fixture
def served(whole, tmp_path):
    """Makes stores; sessions that are still open are closed, and nothing goes on at the end."""
    stores = []

    def make(n, labels=None, bare=0):
        path = tmp_path / f"s{len(stores)}.duckdb"
        if labels or bare:
            stores.append(store_of(path, n, labels, bare))
        else:
            whole.backup(path)
            stores.append(Store(path))
            with stores[-1].writing() as con:
                con.execute("DELETE FROM comparisons WHERE source_id[2:]::INTEGER >= ?", [n])
        return stores[-1]

    yield make
    gc.collect()
    for store in stores:
        finish(store)


def a_session(store, person="eve", kind=Queue.UNLABELLED, **more):
    return LabellingSession(store, "d", "overall", person, kind, **more)


def label_all(session, choice=Choice.FIRST, most=None):
    """Label to the end, or so many; returns the labels."""
    found = []
    while (most is None or len(found) < most) and (shown := session.current()) is not None:
        found.append(session.record(shown.comparison_id, choice, seconds=2.0))
    return found


def committed(store, session):
    """Everything that the session kept, in the store."""
    close(session, store)
    return rows(store, f"SELECT labels.* {OF_PEOPLE} ORDER BY labels.created_at")


def close(session, store):
    """End a session, and have its labels committed: by the process for it where there is one."""
    session.close()
    finish(store)
    take_up(store)


# ---- What is kept


def test_a_label_is_stored_with_all_that_is_known_of_it(made):
    store = made(3)
    guideline = set_guideline(store, "d", "overall", "Prefer what is true.")
    session = a_session(store)
    shown = session.current()
    session.record(shown.comparison_id, "second", strength=2, rationale=" shorter ", seconds=4.5)
    close(session, store)
    [row] = rows(
        store,
        "SELECT comparison_id::VARCHAR, criterion, repeat, shown, preference, strength, status, "
        "rationale, seconds, cost_usd, sampling_probability, guideline_id, details, run_id, "
        f"name, kind, dataset FROM (SELECT labels.* {OF_PEOPLE}) JOIN annotators "
        "USING (annotator_id)",
    )
    other = "b" if shown.shown is Shown.AB else "a"
    assert row[:9] == (
        shown.comparison_id, "overall", 0, shown.shown, other, 2.0, "ok", "shorter", 4.5,
    )  # fmt: skip
    assert row[9:12] == (None, None, guideline.guideline_id)
    assert json.loads(row[12]) == {"queue": "unlabelled"}
    assert row[13:] == (session.run_id, "eve", "human", "d")


@pytest.mark.parametrize(
    ("choice", "shown", "stored"),
    [
        ("first", "ab", "a"), ("second", "ab", "b"), ("tie", "ab", "tie"), ("skip", "ab", None),
        ("first", "ba", "b"), ("second", "ba", "a"), ("tie", "ba", "tie"), ("skip", "ba", None),
    ],
)  # fmt: skip
def test_a_choice_is_stored_in_stored_orientation(choice, shown, stored):
    assert preference_of(Choice(choice), Shown(shown)) == (stored and Preference(stored))


def test_whoever_wants_response_a_gets_it_stored_in_either_order(made):
    store = made(40)
    session = a_session(store)
    orders = set()
    while (shown := session.current()) is not None:
        first = "response a" in shown.first
        assert first == (shown.shown is Shown.AB)
        assert ("response a" in shown.second) != first
        orders.add(shown.shown)
        session.record(shown.comparison_id, "first" if first else "second")
    assert orders == {Shown.AB, Shown.BA}
    found = committed(store, session)
    assert len(found) == 40
    assert rows(store, f"SELECT DISTINCT preference {OF_PEOPLE}") == [("a",)]
    assert {shown for (shown,) in rows(store, f"SELECT shown {OF_PEOPLE}")} == {"ab", "ba"}


def test_the_side_is_drawn_anew_for_each_person_comparison_and_repeat():
    people, items = [UUID(int=k) for k in range(4)], [UUID(int=100 + k) for k in range(500)]
    drawn = [[[shown_to(who, what, repeat) is Shown.AB for what in items] for repeat in range(2)]
             for who in people]  # fmt: skip
    flat = [side for person in drawn for repeat in person for side in repeat]
    # 4,000 fair draws: beyond 4.9 standard deviations once in a million.
    assert abs(sum(flat) - 2000) < 4.9 * (4000**0.5) / 2
    for one, other in ((drawn[0][0], drawn[1][0]), (drawn[0][0], drawn[0][1])):
        same = sum(a == b for a, b in zip(one, other, strict=True))
        assert abs(same - 250) < 4.9 * (500**0.5) / 2
    assert shown_to(people[0], str(items[0]), 0) == shown_to(people[0], items[0], 0)


def test_a_skip_has_no_preference_and_leaves_the_comparison_to_others(made):
    store = made(2)
    session = a_session(store)
    skipped = label_all(session, "skip", most=1)[0]
    assert (skipped.status, skipped.preference) == ("skipped", None)
    assert str(skipped.comparison_id) not in queue(store, "d", "overall", "eve", Queue.UNLABELLED)
    others = queue(store, "d", "overall", "joe", Queue.UNLABELLED)
    assert others[-1] == str(skipped.comparison_id), "what somebody skipped comes last"
    assert len(others) == 2
    assert len(committed(store, session)) == 1
    assert rows(store, f"SELECT preference, labels.status {OF_PEOPLE}") == [(None, "skipped")]
    assert progress(store, "d", "overall", "eve").skipped == 1


def test_seconds_that_are_nobodys_time_are_null_with_the_reason(made):
    session = a_session(made(6))
    idle, unknown = "idle: more than 600 s", "not measured"
    for seconds, stored, reason in (
        (600.0, 600.0, None), (600.1, None, idle), (-1.0, None, unknown), (0, 0.0, None),
        (float("nan"), None, unknown), (None, None, unknown),
    ):  # fmt: skip
        label = session.record(session.current().comparison_id, "tie", seconds=seconds)
        assert (label.seconds, label.details.get("seconds")) == (stored, reason)


def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(made):
    store = made(1)
    session = a_session(store)
    shown = session.current()
    for wrong in (
        {"choice": "both"}, {"choice": "tie", "strength": 1}, {"choice": "skip", "strength": 1},
        {"choice": "first", "strength": 4}, {"choice": "first", "strength": 0},
        {"choice": "first", "rationale": "x" * 4001},
    ):  # fmt: skip
        with pytest.raises(InputError):
            session.record(shown.comparison_id, **wrong)
    assert history(store, "d", "overall", "eve") == ()
    assert list(journals_in(store.journals)) == [], "a look at a comparison makes no run"
    session.record(shown.comparison_id, "first")


def test_text_of_any_kind_survives(made):
    store = made(1)
    session = a_session(store)
    said = "an 'ä'\n\u2028 \U0001f600 \"quoted\" \x00"
    session.record(session.current().comparison_id, "first", rationale=said)
    committed(store, session)
    assert rows(store, f"SELECT rationale {OF_PEOPLE}") == [(said,)]


# ---- Blind


def test_a_person_sees_no_models_and_no_labels(made):
    store = made(3, {"ann": {0: "a", 1: "b"}})
    session = a_session(store, kind=Queue.SECOND)
    shown = session.current()
    said = repr(shown) + repr(item(store, "d", shown.comparison_id, "eve"))
    assert "model-" not in said
    assert "because of" not in said
    assert "ann" not in said
    assert shown.prompt.startswith("question")
    assert shown.reference.startswith("reference")
    assert item(store, "d", shown.comparison_id, "eve") == shown


def test_labels_of_others_are_hidden_until_the_own_one_is_given(made):
    store = made(1, {"ann": {0: "a"}})
    session = a_session(store, kind=Queue.SECOND)
    what = session.current().comparison_id
    with pytest.raises(InputError, match="hidden"):
        labels_of_others(store, "d", "overall", "eve", what)
    session.record(what, "tie")
    [other] = labels_of_others(store, "d", "overall", "eve", what)
    assert (other["annotator"], other["preference"]) == ("ann", "a")


# ---- Queues


def test_queues_hold_what_their_names_say(made):
    store = made(6, {"ann": {0: "a", 1: "b", 2: "a"}, "bob": {2: "b"}}, bare=2)
    number = {each: k for k, each in ids(store).items()}

    def numbers(person, kind, **rules):
        found = queue(store, "d", "overall", person, kind, rules=QueueRules(**rules))
        assert len(set(found)) == len(found)
        return {number[each] for each in found}

    assert numbers("eve", Queue.UNLABELLED) == {3, 4, 5}
    assert numbers("eve", Queue.SECOND) == {0, 1}
    assert numbers("ann", Queue.SECOND) == set()
    assert numbers("bob", Queue.SECOND) == {0, 1}
    assert numbers("eve", Queue.ROUTED) == numbers("eve", Queue.AUDIT) == set()
    assign(store, "routed", {ids(store)[k]: 1.0 for k in (0, 2, 3)}, "rule")
    assign(store, "audit", {ids(store)[k]: 0.25 for k in (1, 4)}, "draw")
    assert numbers("eve", Queue.ROUTED) == {3}
    assert numbers("eve", Queue.ROUTED, humans=2) == {0, 3}
    assert numbers("bob", Queue.ROUTED, humans=3) == {0, 3}
    # A label that was not given for the audit is none of the sample's, though it is there.
    assert numbers("eve", Queue.AUDIT) == {1, 4}
    assert numbers("ann", Queue.AUDIT) == {4}
    assert queue(store, "d", "style", "eve", Queue.SECOND) == (), "of another criterion"


def test_an_order_is_a_persons_own_and_stays(made):
    store = made(60)
    orders = {who: queue(store, "d", "overall", who, Queue.UNLABELLED) for who in ("eve", "joe")}
    assert sorted(orders["eve"]) == sorted(orders["joe"]) == sorted(ids(store).values())
    assert orders["eve"] != orders["joe"]
    session = a_session(store)
    done = [str(label.comparison_id) for label in label_all(session, most=7)]
    assert done == list(orders["eve"][:7])
    session.close()
    assert a_session(store).current().comparison_id == orders["eve"][7]
    left = [each for each in orders["joe"] if each not in done]
    assert queue(store, "d", "overall", "joe", Queue.UNLABELLED) == tuple(left)
    assert queue(store, "d", "overall", "joe", Queue.UNLABELLED, limit=2) == tuple(left[:2])


def test_an_audited_label_carries_the_probability_with_which_it_was_drawn(made):
    store = made(4)
    number = ids(store)
    assign(store, "audit", {number[0]: 0.25, number[1]: 0.1}, "draw")
    assign(store, "routed", {number[2]: 1.0}, "rule")
    for kind in (Queue.AUDIT, Queue.ROUTED, Queue.UNLABELLED):
        session = a_session(store, kind=kind)
        label_all(session)
        session.close()
    close(session, store)
    found = rows(store, f"SELECT comparison_id::VARCHAR, sampling_probability, "
                        f"details->>'queue', details->>'policy' {OF_PEOPLE}")  # fmt: skip
    assert {row[0]: row[1:] for row in found} == {
        number[0]: (0.25, "audit", "draw"),
        number[1]: (0.1, "audit", "draw"),
        number[2]: (1.0, "routed", "rule"),
        number[3]: (None, "unlabelled", None),
    }
    assert queue(store, "d", "overall", "joe", Queue.AUDIT) == ()


def test_a_retest_is_a_repeat_of_a_label_given_long_ago(made):
    store = made(3)
    first = a_session(store)
    labels = label_all(first)
    first.close()
    again = {"rules": QueueRules(retest_hours=1.0, retest_labels=99)}
    assert queue(store, "d", "overall", "eve", Queue.RETEST, **again) == ()
    by_labels = {"rules": QueueRules(retest_hours=1.0, retest_labels=2)}
    oldest = (str(labels[0].comparison_id),)
    assert queue(store, "d", "overall", "eve", Queue.RETEST, **by_labels) == oldest
    now = {"rules": QueueRules(retest_hours=0.0)}
    session = a_session(store, kind=Queue.RETEST, **now)
    assert {each.repeat for each in label_all(session, "tie")} == {1}
    assert queue(store, "d", "overall", "eve", Queue.RETEST, **now) == (), "once each"
    assert queue(store, "d", "overall", "joe", Queue.RETEST, **now) == ()
    committed(store, session)
    kept = rows(store, f"SELECT repeat, count(*), count(DISTINCT label_id) {OF_PEOPLE} GROUP BY 1")
    assert sorted(kept) == [(0, 3, 3), (1, 3, 3)]
    assert queue(store, "d", "overall", "joe", Queue.SECOND) != (), "a repeat is no second human"


def test_only_what_was_shown_can_be_labelled_and_only_once(made):
    store = made(3, {"ann": {0: "a"}})
    session = a_session(store)
    [_, other] = queue(store, "d", "overall", "eve", Queue.UNLABELLED)
    with pytest.raises(InputError, match="not been shown"):
        session.record(other, "first")
    with pytest.raises(InputError, match="not in the queue"):
        session.show(ids(store)[0])
    assert session.show(other).comparison_id == other
    session.record(other, "first")
    with pytest.raises(InputError, match="not been shown"):
        session.record(other, "second")
    with pytest.raises(InputError, match="not in the queue"):
        session.show(other)
    with pytest.raises(InputError, match="no data set 'e'"):
        LabellingSession(store, "e", "overall", "eve")


def test_two_windows_of_one_person_give_one_label(made):
    store = made(2)
    one, other = a_session(store), a_session(store)
    what = one.current().comparison_id
    assert other.current().comparison_id == what
    one.record(what, "first")
    with pytest.raises(AlreadyLabelledError):
        other.record(what, "second")
    assert other.current().comparison_id != what, "it goes on"


# ---- Who


def test_the_name_of_an_imported_human_is_theirs_until_confirmed(made):
    store = made(2, {"Ann": {0: "a"}})
    with pytest.raises(UnconfirmedNameError):
        check_person(store, "d", "Ann")
    with pytest.raises(InputError, match="'Ann'"):
        check_person(store, "d", "ANN", same_person=True)
    assert check_person(store, "d", "  Ann ", same_person=True) == "Ann"
    session = a_session(store, "Ann", same_person=True)
    assert len(label_all(session)) == 1, "what she labelled elsewhere is done"
    assert check_person(store, "d", "Ann") == "Ann", "she has labelled here"
    with pytest.raises(InputError, match="'Ann'"):
        a_session(store, "ann")
    committed(store, session)
    assert rows(store, "SELECT count(*) FROM annotators WHERE name = 'Ann'") == [(1,)]
    assert check_person(store, "d", "Ann") == "Ann"


def test_a_new_name_is_known_from_its_first_label_on(made):
    store = made(2)
    session = a_session(store, "Zoë")
    assert check_person(store, "d", "zoë") == "zoë"
    label_all(session, most=1)
    with pytest.raises(InputError, match="Zoë"):
        check_person(store, "d", "zoë")


# ---- Taking back


@pytest.mark.parametrize("stored", [False, True])
def test_a_label_that_was_taken_back_is_gone_and_can_be_given_again(request, stored):
    store = request.getfixturevalue("served" if stored else "made")(3)
    session = a_session(store)
    [first, second] = label_all(session, most=2)
    if stored:
        session.close()
        wait_for(lambda: rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(2,)], 20)
    back = session.undo()
    assert back.comparison_id == str(second.comparison_id)
    assert session.current() == back
    assert [o.comparison_id for o in history(store, "d", "overall", "eve")] == [
        str(first.comparison_id)
    ]
    assert str(second.comparison_id) in queue(store, "d", "overall", "joe", Queue.UNLABELLED)
    if stored:
        wait_for(lambda: rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(1,)], 20)
    again = session.record(back.comparison_id, "tie", seconds=1.0)
    assert again.label_id == second.label_id
    assert again.details["taken_back"] == 1
    committed(store, session)
    found = dict(rows(store, f"SELECT comparison_id, preference {OF_PEOPLE}"))
    assert found == {first.comparison_id: first.preference, second.comparison_id: "tie"}
    assert rows(store, "SELECT done, spent_usd, status FROM runs") == [(2, 0.0, "stopped")]


def test_labels_are_taken_back_one_by_one_to_the_first_of_the_session(made):
    store = made(3)
    session = a_session(store)
    labels = label_all(session)
    assert [session.undo().comparison_id for _ in labels] == [
        str(label.comparison_id) for label in reversed(labels)
    ]
    with pytest.raises(InputError, match="no label"):
        session.undo()
    assert committed(store, session) == []


# ---- How far


def test_progress_and_history_count_what_is_not_committed_yet(made):
    store = made(4, {"eve": {0: "a"}})
    session = a_session(store, same_person=True)
    for seconds in (1.0, 2.0, 30.0):
        session.record(session.current().comparison_id, "first", seconds=seconds)
    now = progress(store, "d", "overall", "eve")
    assert (now.labelled, now.left, now.skipped, now.median_seconds) == (4, 0, 0, 2.0)
    assert now.today == 4, "an import without times counts from its own"
    own = history(store, "d", "overall", "eve", limit=3)
    assert [each.seconds for each in own] == [30.0, 2.0, 1.0]
    committed(store, session)
    assert progress(store, "d", "overall", "eve") == now
    assert all(each.saved for each in history(store, "d", "overall", "eve"))
    nobody = progress(store, "d", "overall", "joe")
    assert (nobody.labelled, nobody.median_seconds) == (0, None)


def test_the_guideline_that_was_shown_is_the_one_that_is_carried(made):
    store = made(3)
    old = set_guideline(store, "d", "overall", "old")
    session = a_session(store)
    session.current()
    new = set_guideline(store, "d", "overall", "new")
    session.refresh()
    assert session.guideline == old, "somebody is looking at a comparison under it"
    label_all(session, most=1)
    session.refresh()
    assert session.guideline == new
    label_all(session)
    committed(store, session)
    carried = rows(store, f"SELECT guideline_id {OF_PEOPLE} ORDER BY labels.created_at")
    assert carried == [(old.guideline_id,), (new.guideline_id,), (new.guideline_id,)]


def test_a_queue_is_read_again_while_the_person_goes_on(made, monkeypatch):
    store = made(5)
    session = a_session(store)
    asked, free, page = threading.Event(), threading.Event(), Desk.page

    def slow(*arguments):
        asked.set()
        assert free.wait(60)
        return page(*arguments)

    monkeypatch.setattr(human_labels, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(Desk, "page", slow)
    new = set_guideline(store, "d", "overall", "new")
    label_all(session, most=2)
    assert asked.wait(60), "it is read, and nobody waits for it"
    assert (session.left, session.guideline) == (3, None)
    looked_at = session.current()
    free.set()
    session._reading.join()
    assert session.current() == looked_at
    assert (session.left, session.guideline) == (3, None)
    session.record(looked_at.comparison_id, "tie")
    session.current()
    assert session.guideline == new
    monkeypatch.setattr(human_labels, "STALE_SECONDS", -1.0)
    label_all(session)
    assert session.left == 0


# ---- At once, and killed


def test_people_label_in_threads_and_processes_while_a_judge_writes(served, tmp_path):
    n = 60
    store = served(n)
    errors, done = [], []
    with running(truth(n), {"m": Behaviour(latency_seconds=0.02)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        path.write_text(f'transport = "direct"\n{path.read_text()}')
        command = concord("label", "--store", store.path, "--judge", path, "--concurrency", "4")
        judge = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        outside = person_process(store, "joe", pause=0.02)

        def work(name):
            try:
                session = a_session(store, name)
                while (shown := session.current()) is not None:
                    session.record(shown.comparison_id, "first", seconds=1.0)
                    done.append((name, shown.comparison_id))
                    time.sleep(0.02)
                session.close()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("eve", "zoe")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said, _ = outside.communicate(timeout=60)
        assert judge.wait(60) == 0
    assert errors == []
    assert outside.returncode == 0
    finish(store)
    take_up(store)
    done += [("joe", line.split()[0]) for line in said.splitlines()]
    found = rows(
        store,
        "SELECT name, comparison_id::VARCHAR FROM labels JOIN annotators USING (annotator_id) "
        "WHERE kind = 'human'",
    )
    assert sorted(found) == sorted(done), "every label that was acknowledged, each once"
    assert {what for _, what in found} == set(ids(store).values())
    by_judge = "FROM labels JOIN annotators USING (annotator_id) WHERE kind = 'judge'"
    assert rows(store, f"SELECT count(*), count(DISTINCT label_id) {by_judge}") == [(2 * n, 2 * n)]
    statuses = rows(store, "SELECT judge, status, done, failed FROM runs")
    assert {row[1] for row in statuses} == {"complete"}
    assert sum(row[2] for row in statuses if row[0] != "sim") == len(done)


@pytest.mark.parametrize("committer_too", [False, True])
def test_killed_in_the_middle_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    served, committer_too
):
    store = served(400)
    process = person_process(store, "joe", pause=0.005)
    said = [process.stdout.readline() for _ in range(60)]
    if committer_too:
        for child in children_of(process.pid):
            os.kill(child, signal.SIGKILL)
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate()
    acknowledged = dict(line.split() for line in [*said, *rest.splitlines()])
    assert 60 <= len(acknowledged) < 400
    count = f"SELECT comparison_id::VARCHAR, shown {OF_PEOPLE}"
    if committer_too:
        take_up(store)
    else:  # it saw its server end
        wait_for(lambda: rows(store, "SELECT status FROM runs") == [("interrupted",)], 20)
    kept = rows(store, count)
    assert len(dict(kept)) == len(kept)
    assert set(acknowledged.items()) <= set(kept)
    assert len(kept) - len(acknowledged) <= 1, "the one whose acknowledgement was cut off"
    take_up(store)
    assert rows(store, count) == kept
    session = a_session(store, "joe")
    assert session.left == 400 - len(kept)


def children_of(pid):
    return [int(k) for k in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_committer_that_was_killed_is_started_again_by_the_next_label(served):
    store = served(4)
    session = a_session(store)
    label_all(session, most=1)
    count = f"SELECT count(*) {OF_PEOPLE}"
    wait_for(lambda: rows(store, count) == [(1,)], 20)
    pid = session._room._committer._process.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    label_all(session, most=1)
    assert session._room._committer._process.pid != pid
    wait_for(lambda: rows(store, count) == [(2,)], 20)


def test_a_queue_labelled_to_its_end_is_complete_though_nobody_leaves(made):
    """A browser is closed without a word; taking the last label back opens the run again."""
    store = made(2)
    session = a_session(store)
    label_all(session)
    [path] = journals_in(store.journals)
    assert read_events(path)[0][-1]["status"] == "complete"
    session.undo()
    assert read_events(path)[0][-1]["event"] != "end"
    close(session, store)
    assert rows(store, "SELECT done, status FROM runs") == [(1, "stopped")]


def test_a_queue_that_another_window_ended_is_complete_too(made):
    store = made(3)
    one, other = a_session(store), a_session(store)
    label_all(one, most=2)
    label_all(other)
    one.refresh()
    assert one.current() is None
    ends = [read_events(path)[0][-1].get("status") for path in journals_in(store.journals)]
    assert ends == ["complete", "complete"]
    for session in (one, other):
        close(session, store)


def test_a_torn_last_line_is_no_label_and_the_ones_before_are(made):
    store = made(3)
    session = a_session(store)
    label_all(session, most=2)
    close(session, store)
    [path] = journals_in(store.journals)
    events, _ = read_events(path)
    label = next(event for event in events if event["event"] == "label")
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(json.dumps({**label, "label_id": str(UUID(int=5))})[:-9].encode())
    assert len(history(store, "d", "overall", "eve")) == 2
    take_up(store)
    assert rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(2,)]
    assert path.stat().st_size == whole
    label_all(session)  # the same run goes on
    committed(store, session)
    assert rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(3,)]
    assert rows(store, "SELECT done, status FROM runs") == [(3, "complete")]


def test_labels_go_on_into_the_journal_while_somebody_else_holds_the_store(served):
    store = served(5)
    session = a_session(store)
    label_all(session, most=1)
    wait_for(lambda: rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(1,)], 20)
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    )
    holder = subprocess.Popen(
        [os.sys.executable, "-c", code, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    assert len(label_all(session, most=3)) == 3
    with pytest.raises(Exception, match="in use by another process"):
        Store(store.path, wait_seconds=0.1).reading().__enter__()
    holder.communicate(b"\n")
    label_all(session)
    assert len(committed(store, session)) == 5


def test_a_label_that_cannot_be_written_was_not_given(made, monkeypatch):
    store = made(2)
    session = a_session(store)
    shown = session.current()

    def full(*_):
        raise RunError("no space left", "Free some.")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", full)
        with pytest.raises(RunError):
            session.record(shown.comparison_id, "first")
    assert session.current() == shown
    session.record(shown.comparison_id, "second")
    assert len(committed(store, session)) == 1


def test_a_session_that_is_dropped_lets_go_of_its_journal(made):
    store = made(2)
    session = a_session(store)
    label_all(session, most=1)
    [path] = journals_in(store.journals)
    assert is_live(path)
    del session
    gc.collect()
    assert not is_live(path)
    assert read_events(path)[0][-1]["status"] == "stopped"


def test_a_damaged_line_costs_no_other_session(made):
    store = made(4)
    session = a_session(store)
    label_all(session, most=2)
    close(session, store)
    [path] = journals_in(store.journals)
    with path.open("ab") as file:
        file.write(b'{"event": "undo"}\n')
    assert len(damaged_journals(store)) == 1
    other = a_session(store, "joe")
    label_all(other)
    close(other, store)
    assert rows(store, f"SELECT count(*) {OF_PEOPLE}") == [(4,)]


def test_a_journal_of_before_people_labelled_is_still_read(made):
    """Its annotators have no data set, its labels no strength."""
    store = made(1)
    run, what = "00000000-0000-4000-8000-000000000001", ids(store)[0]
    at = datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None).isoformat()
    who = {"kind": "judge", "name": "j", "model": None, "definition": {"judge": "j"}}
    lines = [
        {"event": "run", "run_id": run, "judge": "j", "dataset": "d", "settings": {}, "planned": 1,
         "budget_usd": None, "started_at": at, "annotators": [who]},
        {"event": "label", "at": at, "label_id": run, "comparison_id": what, "annotator_id": run,
         "criterion": "overall", "repeat": 0, "shown": "ab", "preference": "a", "p_a": None,
         "status": "ok", "rationale": None, "seconds": None, "cost_usd": 0.5, "details": None,
         "requests": []},
    ]  # fmt: skip
    store.journals.mkdir(exist_ok=True)
    path = store.journals / f"{run}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert commit_journal(store, path, final=True) == 1
    assert rows(store, "SELECT strength, cost_usd FROM labels") == [(None, 0.5)]


# ---- In the commands


def test_what_people_label_is_in_every_command(made, run):
    store = made(30, {"ann": dict.fromkeys(range(30), "a")})
    session = a_session(store, kind=Queue.SECOND)
    label_all(session, "tie")
    close(session, store)
    code, out, err = run("runs", "--store", store.path)
    assert code == 0
    assert "eve" in out
    assert "complete" in out
    found = json.loads(run("runs", "--json", "--store", store.path)[1])["runs"]
    assert (found[0]["judge"], found[0]["done"], found[0]["spent_usd"]) == ("eve", 30, 0.0)
    code, _, err = run("runs", "retry", found[0]["run_id"], "--store", store.path)
    assert code == 3
    assert "by hand" in err
    code, _, err = run("labels", "reparse", "--run", found[0]["run_id"], "--store", store.path)
    assert code == 3
    assert "by hand" in err
    code, out, _ = run("report", "--store", store.path, "--section", "agreement", "--json")
    [coverage] = [
        row
        for row in json.loads(out)["estimates"]
        if (row["subject"], row["statistic"]) == ("eve", "coverage")
    ]
    assert (coverage["estimate"], coverage["n_labels"]) == (1.0, 30)
    code, _, _ = run("export", "labels.csv", "--store", store.path)
    assert code == 0
    assert Path("labels.csv").read_text().count('"eve"') == 30


def test_a_removed_and_imported_data_set_can_be_labelled_again(made, run, whole, tmp_path):
    store = made(2)
    session = a_session(store)
    label_all(session)
    close(session, store)
    assert run("datasets", "remove", "d", "--yes", "--store", store.path)[0] == 0
    whole.backup(tmp_path / "again.duckdb")
    with duckdb.connect(str(store.path)) as con:
        con.execute(f"ATTACH '{tmp_path / 'again.duckdb'}' AS again (READ_ONLY)")
        con.execute("INSERT INTO datasets FROM again.datasets")
        con.execute("INSERT INTO comparisons FROM again.comparisons LIMIT 2")
    assert len(label_all(a_session(store))) == 2
