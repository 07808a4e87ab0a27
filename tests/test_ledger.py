"""Journals into the store: exactly once, whatever was killed when."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from data.errors import StoreError
from data.journal import Journal
from data.ledger import (
    commit_journal,
    damaged_journals,
    end_event,
    failed_event,
    label_event,
    replace_labels,
    reply_event,
    run_event,
    sent_event,
    take_up,
)
from data.records import (
    Annotator,
    AnnotatorKind,
    Label,
    LabelStatus,
    Preference,
    Reply,
    Run,
    RunStatus,
    Shown,
)
from data.store import Store, StoreLockedError, first_row

JUDGE = Annotator(AnnotatorKind.JUDGE, "j", definition={"judge": "j", "identity": "1"})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s.duckdb", create=True, wait_seconds=0.3)


def a_run(store):
    run = Run(
        uuid4(), JUDGE.annotator_id, "j", "d", {"limit": None}, 4, datetime(2026, 1, 2, tzinfo=UTC)
    )
    return run, Journal(store.journals / f"{run.run_id}.jsonl")


def a_label(n, **changes):
    label = Label(
        UUID(int=n), JUDGE.annotator_id, Shown.AB, LabelStatus.OK, Preference.A, cost_usd=0.5
    )
    return replace(label, **changes)


def a_reply(n, paid=0.5):
    return Reply(UUID(int=1000 + n), "Verdict: 1", "served", 10, 2, paid, "v1", 0.25, "stop")


def buy(journal, n, **changes):
    """As a run does: sent, then the reply, then the label that was read from it."""
    journal.write(sent_event(a_reply(n).request_hash, 0.75))
    journal.write(reply_event(a_reply(n)))
    journal.write(label_event(a_label(n, **changes), [a_reply(n).request_hash]))


def one(store, sql):
    with store.reading() as con:
        return first_row(con, sql)


def test_a_commit_takes_everything_once(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
        buy(journal, 2)
        assert commit_journal(store, journal.path) == 2
        assert commit_journal(store, journal.path) == 0
        buy(journal, 3)
        assert commit_journal(store, journal.path) == 1
        journal.write(end_event(RunStatus.COMPLETE))
        commit_journal(store, journal.path, final=True)
    assert one(store, "SELECT count(*), sum(cost_usd) FROM labels") == (3, 1.5)
    assert one(store, "SELECT count(*), sum(paid_usd) FROM replies") == (3, 1.5)
    assert one(store, "SELECT count(*) FROM label_replies") == (3,)
    sql = "SELECT planned, done, failed, spent_usd, status, ended_at IS NULL FROM runs"
    assert one(store, sql) == (4, 3, 0, 1.5, "complete", False)
    assert one(store, "SELECT kind, name, definition->>'judge' FROM annotators") == (
        "judge",
        "j",
        "j",
    )
    assert one(store, "SELECT count(*) FROM possibly_paid") == (0,)


def test_a_long_journal_is_taken_in_parts(store, monkeypatch):
    import data.ledger

    monkeypatch.setattr(
        data.ledger, "read_events", lambda p, o: data.journal.read_events(p, o, size=300)
    )
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        for n in range(20):
            buy(journal, n)
        assert commit_journal(store, journal.path) == 20
    assert one(store, "SELECT count(*) FROM labels") == (20,)


def test_a_dead_run_is_taken_up_and_lists_what_may_have_been_paid(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
        journal.write(sent_event(UUID(int=7), 0.75))
        journal.write(sent_event(UUID(int=8), 0.5))
        journal.write(failed_event(UUID(int=8)))
        assert take_up(store) == []  # it is live
    assert take_up(store) == [(journal.path, 1)]
    assert take_up(store) == []
    assert one(store, "SELECT status, done FROM runs") == ("interrupted", 1)
    sql = "SELECT count(*), min(request_hash), sum(most_usd) FROM possibly_paid"
    assert one(store, sql) == (1, UUID(int=7), 0.75)


def test_a_resumed_run_keeps_what_may_have_been_paid_once(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        journal.write(sent_event(UUID(int=1001)))
    take_up(store)
    with Journal(journal.path) as again:
        again.write(run_event(run, [JUDGE]))
        buy(again, 1)
        commit_journal(store, again.path)
        assert one(store, "SELECT status FROM runs") == ("running",)
        again.write(end_event(RunStatus.COMPLETE))
        commit_journal(store, again.path, final=True)
    assert one(store, "SELECT count(*) FROM possibly_paid") == (1,)
    assert one(store, "SELECT status, done FROM runs") == ("complete", 1)


def test_a_later_label_takes_the_place_of_a_failure_only(store):
    run, journal = a_run(store)
    failed = a_label(1, status=LabelStatus.FAILED, preference=None, details={"reason": "500"})
    with journal:
        journal.write(run_event(run, [JUDGE]))
        journal.write(label_event(failed))
        commit_journal(store, journal.path)
        assert one(store, "SELECT done, failed FROM runs") == (0, 1)
        buy(journal, 1)
        commit_journal(store, journal.path)
        assert one(store, "SELECT done, failed FROM runs") == (1, 0)
        journal.write(label_event(a_label(1, preference=Preference.B)))
        commit_journal(store, journal.path)
    assert one(store, "SELECT count(*), min(preference) FROM labels") == (1, "a")


def test_a_reused_reply_costs_the_label_but_is_not_paid_again(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
        second = a_label(2, shown=Shown.BA)
        journal.write(label_event(second, [a_reply(1).request_hash]))
        commit_journal(store, journal.path)
    assert one(store, "SELECT sum(cost_usd) FROM labels") == (1.0,)
    assert one(store, "SELECT sum(paid_usd), count(*) FROM replies") == (0.5, 1)
    assert one(store, "SELECT count(*) FROM label_replies") == (2,)


def test_an_unknown_price_stays_unknown(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        journal.write(sent_event(UUID(int=1001)))
        label = a_label(1, cost_usd=None)
        journal.write(reply_event(a_reply(1, paid=None)))
        journal.write(label_event(label, [a_reply(1).request_hash]))
        commit_journal(store, journal.path)
    assert one(store, "SELECT cost_usd FROM labels") == (None,)
    assert one(store, "SELECT paid_usd FROM replies") == (None,)


def test_a_store_in_use_loses_nothing(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
        with store.reading(), pytest.raises(StoreLockedError):
            commit_journal(store, journal.path)
    with store.reading():
        assert take_up(store) == []
    assert take_up(store) == [(journal.path, 1)]


def test_a_damaged_journal_is_named_and_the_others_are_taken_up(store):
    damaged = store.journals / f"{UUID(int=0)}.jsonl"
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
    damaged.write_text("not JSON\n")
    trouble = []
    assert take_up(store, trouble.append) == [(journal.path, 1)]
    assert [str(damaged) in error.what for error in trouble] == [True]
    assert "on line 1 " in trouble[0].what
    assert one(store, "SELECT count(*) FROM labels") == (1,)
    assert take_up(store) == []
    assert damaged.read_text() == "not JSON\n"


DAMAGE = {
    "not JSON": b"\0\0\0\n",
    "a field gone": b'{"event": "label", "at": "2026-01-02"}\n',
    "no id": b'{"event": "failed", "request_hash": "x", "at": "2026-01-02T00:00:00"}\n'
    b'{"event": "label", "label_id": "3", "requests": [], "at": "2026-01-02T00:00:00"}\n',
    "no time": b'{"event": "label", "label_id": "00000000-0000-0000-0000-000000000001", '
    b'"requests": [], "at": "noon"}\n',
    "half a run": b'{"event": "run", "run_id": "00000000-0000-0000-0000-000000000001"}\n',
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_stands_before_a_damaged_line_is_committed_and_the_rest_once_it_is_mended(store, name):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
    sound = journal.path.read_bytes()
    journal.path.write_bytes(sound + DAMAGE[name])
    with Journal(journal.path) as again:
        buy(again, 2)
        again.write(end_event(RunStatus.COMPLETE))
    content = journal.path.read_bytes()
    trouble = []
    assert take_up(store, trouble.append) == []
    assert [f"{journal.path} is damaged on line 5 " in error.what for error in trouble] == [True]
    assert [error.what for error in damaged_journals(store)] == [trouble[0].what]
    assert one(store, "SELECT count(*) FROM labels") == (1,)
    assert one(store, "SELECT status, done FROM runs") == ("interrupted", 1)
    assert journal.path.read_bytes() == content
    journal.path.write_bytes(content.replace(DAMAGE[name], b""))
    assert take_up(store, trouble.append) == [(journal.path, 1)]
    assert one(store, "SELECT status, done FROM runs") == ("complete", 2)
    assert (len(trouble), damaged_journals(store)) == (1, [])


@pytest.mark.parametrize("tokens", [10**30, "ten"])
def test_values_that_the_store_cannot_hold_are_a_damaged_journal(store, tokens):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        reply = replace(a_reply(1), prompt_tokens=tokens)
        journal.write(reply_event(reply), label_event(a_label(1), [reply.request_hash]))
    with pytest.raises(StoreError, match="damaged on line 2 "):
        commit_journal(store, journal.path, final=True)
    assert len(damaged_journals(store)) == 1


def test_foreign_files_beside_the_journals_are_left_alone(store):
    store.journals.mkdir()
    (store.journals / "notes.jsonl").write_text("not JSON\n")
    (store.journals / f"{UUID(int=1)}.jsonl").mkdir()
    assert take_up(store) == []


def test_a_reply_without_a_label_is_kept_and_paid(store):
    """A label of several requests comes after the last of them; a kill may come before."""
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        journal.write(sent_event(a_reply(1).request_hash), reply_event(a_reply(1)))
    assert take_up(store) == [(journal.path, 0)]
    assert one(store, "SELECT count(*) FROM labels") == (0,)
    assert one(store, "SELECT text, paid_usd FROM replies") == ("Verdict: 1", 0.5)
    assert one(store, "SELECT spent_usd, status FROM runs") == (0.5, "interrupted")
    assert one(store, "SELECT count(*) FROM possibly_paid") == (0,)


def test_every_annotator_of_a_run_is_kept_and_the_run_is_the_first_ones(store):
    member = Annotator(AnnotatorKind.JUDGE, "m", definition={"judge": "m", "identity": "2"})
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE, member]))
        journal.write(run_event(run, [JUDGE, member]))
        commit_journal(store, journal.path)
    assert one(store, "SELECT list(name ORDER BY name) FROM annotators") == (["j", "m"],)
    assert one(store, "SELECT annotator_id FROM runs") == (JUDGE.annotator_id,)


def test_what_a_reply_and_a_label_hold_is_all_stored(store):
    run, journal = a_run(store)
    logprobs = ({"1": -0.25, "2": -1.5}, {})
    reply = replace(a_reply(1), logprobs=logprobs, fingerprint="fp")
    label = a_label(1, p_a=0.75, criterion="honesty", repeat=2, details={"soft_from": "logprobs"})
    hashes = [reply.request_hash, UUID(int=99)]
    with journal:
        journal.write(run_event(run, [JUDGE]), reply_event(reply), label_event(label, hashes))
        commit_journal(store, journal.path)
    sql = "SELECT logprobs, fingerprint, finish_reason, served_model FROM replies"
    found, *rest = one(store, sql)
    assert (tuple(json.loads(found)), *rest) == (logprobs, "fp", "stop", "served")
    sql = "SELECT label_id, p_a, criterion, repeat, shown, details->>'soft_from' FROM labels"
    assert one(store, sql) == (label.label_id, 0.75, "honesty", 2, "ab", "logprobs")
    assert one(store, "SELECT count(*), count(DISTINCT label_id) FROM label_replies") == (2, 1)


def test_the_budget_of_a_run_may_be_raised_by_a_resume(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(replace(run, budget_usd=2.0), [JUDGE]))
        commit_journal(store, journal.path)
        assert one(store, "SELECT budget_usd FROM runs") == (2.0,)
        journal.write(run_event(replace(run, budget_usd=3.0), [JUDGE]))
        commit_journal(store, journal.path)
        assert one(store, "SELECT budget_usd FROM runs") == (3.0,)
        journal.write(run_event(run, [JUDGE]))
        commit_journal(store, journal.path)
    assert one(store, "SELECT budget_usd FROM runs") == (3.0,)


def test_labels_that_are_read_again_take_the_place_of_the_old_ones(store):
    run, journal = a_run(store)
    with journal:
        journal.write(run_event(run, [JUDGE]))
        buy(journal, 1)
        buy(journal, 2)
        commit_journal(store, journal.path)
    again = label_event(a_label(1, preference=Preference.B), [a_reply(1).request_hash])
    replace_labels(store, str(run.run_id), [again])
    sql = "SELECT list(preference ORDER BY comparison_id) FROM labels"
    assert one(store, sql) == (["b", "a"],)
    assert one(store, "SELECT count(*) FROM label_replies") == (2,)
