"""Labelling runs over real HTTP: both orders, resume after a kill, faults, a store in use."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from data.errors import InputError, PriceError, ProviderError, RunError
from data.records import HIGHEST_REPEAT, RunStatus
from data.store import first_row
from judges.baselines import BASELINES
from judges.config import read_judge
from judges.litellm_client import LiteLLMClient
from judges.simulated import Behaviour, running
from pipelines.engines.calls import RetryPolicy
from pipelines.label import LabelOptions, label
from pipelines.plan import plan
from tests.provider import answered, concord, judge_file, kill_when, make_store, truth, wait_for

SHARP = Behaviour(sharpness=50)
QUICK = RetryPolicy(attempts=8, base_seconds=0.01, longest_retry_after_seconds=0.05)
ROOT = Path(__file__).parents[1]


def run_judge(store, path, **options):
    judge = read_judge(path)
    return label(store, judge, LiteLLMClient(judge), LabelOptions("d", retry=QUICK, **options))


def rows(store, sql):
    with store.reading() as con:
        return con.execute(sql).fetchall()


AI = "FROM labels JOIN annotators USING (annotator_id) WHERE kind = 'judge'"


def test_both_orders_by_default_in_stored_orientation(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 20, without_texts=3)
    with running(truth(20), {"m": SHARP}) as provider:
        result = run_judge(store, judge_file(tmp_path, provider.base_url))
        assert (result.planned, result.done, result.failed) == (40, 40, 0)
        assert result.status is RunStatus.COMPLETE
        assert result.without_texts == 3
        assert len(answered(provider.log())) == 40
    assert rows(store, f"SELECT shown, count(*) {AI} GROUP BY ALL ORDER BY ALL") == [
        ("ab", 20),
        ("ba", 20),
    ]
    wrong = f"""SELECT count(*) FROM (SELECT comparison_id, preference {AI}) j
        JOIN (SELECT comparison_id, preference FROM labels JOIN annotators USING (annotator_id)
              WHERE kind = 'human') h USING (comparison_id) WHERE j.preference <> h.preference"""
    assert rows(store, wrong) == [(0,)]
    [(cost, paid, spent)] = rows(
        store,
        "SELECT (SELECT sum(cost_usd) FROM labels), (SELECT sum(paid_usd) FROM replies), "
        "(SELECT sum(spent_usd) FROM runs)",
    )
    assert cost == pytest.approx(paid) == pytest.approx(spent)
    assert paid == pytest.approx(result.spent_usd)
    tokens = rows(store, "SELECT sum(prompt_tokens) + 4 * sum(completion_tokens) FROM replies")
    assert paid == pytest.approx(float(tokens[0][0]) / 1e6)


def test_the_same_command_again_sends_nothing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 10)
    with running(truth(10), {"m": SHARP}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        run_judge(store, path, limit=4)
        first = {line.body_sha256 for line in provider.log()}
        again = run_judge(store, path, limit=4)
        assert (again.run_id, again.before, again.done) == (None, 8, 0)
        more = run_judge(store, path, limit=7)
        assert (more.before, more.done) == (8, 6)
        assert set(answered(provider.log()).values()) == {1}
        assert first < {line.body_sha256 for line in provider.log()}
    with store.reading() as con:
        assert first_row(con, f"SELECT count(*), count(DISTINCT label_id) {AI}") == (14, 14)


def test_an_equal_request_of_another_judge_is_not_bought_again(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 5)
    with running(truth(5), {"m": SHARP}) as provider:
        run_judge(store, judge_file(tmp_path, provider.base_url, name="one"))
        second = run_judge(store, judge_file(tmp_path, provider.base_url, name="two"))
        assert len(list(provider.log())) == 10
    assert (second.reused, second.done, second.spent_usd) == (10, 10, 0.0)
    assert rows(store, f"SELECT name, sum(cost_usd) > 0 {AI} GROUP BY name ORDER BY name") == [
        ("one", True),
        ("two", True),
    ]


def test_equal_requests_of_one_run_are_bought_once(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 6)
    with store.writing() as con:  # the same text twice: both orders are the same request
        con.execute("UPDATE comparisons SET response_b = response_a")
    with running(truth(6), {"m": Behaviour(latency_seconds=0.1)}) as provider:
        result = run_judge(store, judge_file(tmp_path, provider.base_url))
        assert len(list(provider.log())) == 6
    assert (result.done, result.reused) == (12, 6)
    assert rows(store, "SELECT count(*), count(DISTINCT request_hash) FROM replies") == [(6, 6)]
    assert rows(store, "SELECT count(*) FROM label_replies") == [(12,)]


def test_an_interrupt_ends_the_waiting_for_another_try(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 30)
    slow = Behaviour(rate_limit=1.0, retry_after_seconds=50)
    with running(truth(30), {"m": slow}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        command = concord("label", "--store", store.path, "--judge", path, "--concurrency", 4)
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while len(list(provider.log())) < 4:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        process.communicate(timeout=40)
    assert process.returncode == 8
    assert time.monotonic() - started < 30
    assert rows(store, f"SELECT count(*) {AI}") == [(0,)]
    assert rows(store, "SELECT status FROM runs") == [("stopped",)]


def test_a_changed_judge_under_an_old_name_is_another_annotator(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 3)
    with running(truth(3), {"m": SHARP}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        run_judge(store, path)
        original = path.read_text()
        path.write_text(original.replace("pairwise-brief", "pairwise"))
        assert run_judge(store, path).annotator == "sim (2)"
        assert len(list(provider.log())) == 12
        assert run_judge(store, path).annotator == "sim (2)"
        path.write_text(original)
        assert run_judge(store, path).annotator == "sim"
        assert len(list(provider.log())) == 12


def test_faults_are_retried_and_the_rest_is_a_row_with_its_reason(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 60)
    faulty = Behaviour(
        sharpness=50, rate_limit=0.1, server_error=0.1, drop=0.05, malformed=0.05, off_menu=0.1,
        retry_after_seconds=0.01,
    )  # fmt: skip
    with running(truth(60), {"m": faulty}) as provider:
        result = run_judge(store, judge_file(tmp_path, provider.base_url), concurrency=16)
        faults = Counter(line.fault for line in provider.log())
    assert {"rate_limit", "server_error", "drop", "malformed", "off_menu"} <= set(faults)
    status = dict(rows(store, f"SELECT status, count(*) {AI} GROUP BY ALL"))
    assert sum(status.values()) == 120
    assert status["parse_error"] == faults["off_menu"]
    assert rows(store, f"SELECT count(*) {AI} AND status <> 'ok' AND preference IS NOT NULL") == [
        (0,)
    ]
    reasons = rows(store, f"SELECT DISTINCT details->>'reason' {AI} AND status = 'parse_error'")
    assert reasons == [("no verdict line",)]
    maybe = rows(store, "SELECT count(*) FROM possibly_paid")[0][0]
    assert maybe >= faults["drop"]
    assert result.failed == status.get("failed", 0)


def test_what_failed_is_asked_again_by_the_same_command(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 4)
    with running(truth(4), {"m": Behaviour(server_error=1.0)}) as provider:
        port = int(provider.base_url.split(":")[2].split("/")[0])
        path = judge_file(tmp_path, provider.base_url)
        judge = read_judge(path)
        options = LabelOptions("d", retry=RetryPolicy(attempts=2, base_seconds=0.01))
        result = label(store, judge, LiteLLMClient(judge), options)
    assert (result.done, result.failed, result.status) == (0, 8, RunStatus.COMPLETE)
    assert rows(
        store, f"SELECT DISTINCT status, details->>'reason' LIKE 'the provider answered 500:%' {AI}"
    ) == [("failed", True)]
    with running(truth(4), {"m": SHARP}, port=port):
        assert run_judge(store, path).done == 8
    assert rows(store, f"SELECT DISTINCT status {AI}") == [("ok",)]


def test_a_refused_key_ends_the_run_at_once_and_keeps_what_came(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 50)
    with (
        running(truth(50), {"m": SHARP}, require_key="right") as provider,
        pytest.raises(ProviderError, match="refused the key"),
    ):
        run_judge(store, judge_file(tmp_path, provider.base_url), concurrency=4)
    assert rows(store, "SELECT status, failed FROM runs") == [("stopped", 0)]


def test_baselines_cost_nothing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 30)
    for baseline in BASELINES.values():
        result = label(store, baseline, None, LabelOptions("d"))
        assert (result.done, result.spent_usd) == (60, 0.0)
    found = rows(
        store,
        "SELECT name, count(*) FILTER (preference = 'a') FROM labels "
        "JOIN annotators USING (annotator_id) WHERE kind = 'baseline' GROUP BY name ORDER BY name",
    )
    assert found[0] == ("first", 30)
    assert found[1] == ("longer", 0)  # the responses are of equal length


def test_one_order_and_random_order(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 40)
    with running(truth(40), {"m": SHARP}) as provider:
        for orders, expected in (("ab", {"ab": 40}), ("random", None)):
            name = f"sim-{orders}"
            path = judge_file(tmp_path, provider.base_url, name=name, orders=orders)
            assert run_judge(store, path).done == 40
            shown = dict(
                rows(store, f"SELECT shown, count(*) {AI} AND name = '{name}' GROUP BY ALL")
            )
            assert shown == expected or min(shown.values()) > 5


def test_plans_and_errors_before_anything_is_sent(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 6, without_texts=2)
    judge = read_judge(judge_file(tmp_path, "http://127.0.0.1:9/v1"))
    planned = plan(store, judge, LabelOptions("d", limit=4))
    assert (planned.comparisons, planned.planned, planned.done) == (4, 8, 0)
    assert planned.without_texts == 2
    with pytest.raises(InputError, match="no data set 'nope'"):
        plan(store, judge, LabelOptions("nope"))


def test_a_data_set_without_texts_cannot_be_judged(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 0, without_texts=5)
    with pytest.raises(InputError, match="no comparison with both responses' texts"):
        label(store, BASELINES["longer"], None, LabelOptions("d"))


def start(store, path, *more):
    command = concord("label", "--store", store.path, "--judge", path, "--concurrency", 8, *more)
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def test_a_second_process_watches_instead_of_paying_twice(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 100)
    seen = []
    with running(truth(100), {"m": Behaviour(latency_seconds=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        first = start(store, path)
        wait_for(lambda: list(provider.log()))
        judge = read_judge(path)
        options = LabelOptions("d", retry=QUICK)
        result = label(
            store, judge, LiteLLMClient(judge), options, lambda p: seen.append((p.done, p.planned))
        )
        assert first.wait() == 0
        assert set(answered(provider.log()).values()) == {1}
    assert (result.watched, result.done, result.status) == (True, 200, RunStatus.COMPLETE)
    assert result.spent_usd > 0
    assert len({done for done, _ in seen}) > 3, seen
    assert {planned for _, planned in seen} == {200}


def test_who_watches_a_rubric_counts_what_the_run_counts(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 20)
    with running(truth(20), {"m": Behaviour(latency_seconds=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        text = path.read_text().replace('template = "pairwise-brief"', 'kind = "rubric"')
        path.write_text(text)
        first = start(store, path)
        wait_for(lambda: list(provider.log()))
        result = run_judge(store, path)
        assert first.wait() == 0
    assert (result.watched, result.planned, result.done) == (True, 40, 40)
    assert rows(store, f"SELECT count(*) {AI}") == [(6 * 40,)]


def test_who_watches_takes_over_where_the_other_was_killed(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 60)
    with running(truth(60), {"m": Behaviour(latency_seconds=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        first = start(store, path)
        wait_for(lambda: len(list(provider.log())) >= 16)
        second = start(store, path)
        time.sleep(3)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert second.wait(60) == 0
        repeated = [n for n in answered(provider.log()).values() if n > 1]
        assert sum(repeated) - len(repeated) <= 8
    assert rows(store, f"SELECT count(*) {AI} AND status = 'ok'") == [(120,)]


def test_who_watches_a_smaller_run_does_the_rest_itself(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 60)
    with running(truth(60), {"m": Behaviour(latency_seconds=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        first = start(store, path, "--limit", 40)
        wait_for(lambda: list(provider.log()))
        second = start(store, path, "--limit", 60)
        assert (first.wait(60), second.wait(60)) == (0, 0)
        assert set(answered(provider.log()).values()) == {1}
    assert rows(store, f"SELECT count(*) {AI} AND status = 'ok'") == [(120,)]


def test_two_runs_at_once_that_buy_the_same_both_count_it(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 30)
    with running(truth(30), {"m": Behaviour(latency_seconds=1.5)}) as provider:
        files = [judge_file(tmp_path, provider.base_url, name=name) for name in ("one", "two")]
        processes = [start(store, path, "--concurrency", 64) for path in files]
        assert [process.wait(60) for process in processes] == [0, 0]
        paid = [line for line in provider.log() if line.answered]
    assert rows(store, "SELECT sum(paid_usd) FROM replies") == [(pytest.approx(price_of(paid)),)]
    assert rows(store, "SELECT sum(spent_usd) FROM runs") == [(pytest.approx(price_of(paid)),)]
    assert rows(store, f"SELECT count(*) {AI} AND status = 'ok'") == [(120,)]


def price_of(lines):
    """What the provider would charge at the prices of the judge file."""
    return sum(line.prompt_tokens + 4 * line.completion_tokens for line in lines) / 1e6


def test_a_budget_is_never_exceeded_and_the_run_goes_on_with_a_larger_one(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 400)
    with running(truth(400), {"m": Behaviour(latency_seconds=0.05, server_error=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        first = run_judge(store, path, concurrency=256, budget_usd=0.05)
        assert first.status is RunStatus.BUDGET_SPENT
        assert 0.045 < price_of(provider.log()) <= 0.05
        assert first.used_usd == pytest.approx(price_of(provider.log()))
        assert rows(store, "SELECT status, budget_usd FROM runs") == [("budget_spent", 0.05)]
        again = run_judge(store, path, concurrency=256)  # the cap belongs to the run
        assert (again.status, again.run_id, again.done) == (RunStatus.BUDGET_SPENT, first.run_id, 0)
        assert price_of(provider.log()) <= 0.05
        last = run_judge(store, path, concurrency=256, budget_usd=5)
        assert (last.status, last.run_id) == (RunStatus.COMPLETE, first.run_id)
        assert last.used_usd == pytest.approx(price_of(provider.log()))
    assert rows(store, f"SELECT count(*) {AI} AND status = 'ok'") == [(800,)]


def test_calls_possibly_paid_at_a_kill_count_against_the_budget(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 200)
    with running(truth(200), {"m": Behaviour(latency_seconds=0.3)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        for lines in (24, 60):
            process = start(store, path, "--budget", 0.05)
            wait_for(lambda lines=lines: len(list(provider.log())) >= lines)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        result = run_judge(store, path, concurrency=64)
        assert result.status is RunStatus.BUDGET_SPENT
        assert price_of(provider.log()) <= 0.05
    [(paid,)] = rows(store, "SELECT sum(most_usd) FROM possibly_paid")
    [(spent,)] = rows(store, "SELECT sum(paid_usd) FROM replies")
    assert paid > 0
    assert paid + spent <= 0.05
    assert result.used_usd == pytest.approx(paid + spent)


def test_a_budget_needs_a_limit_on_replies(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 2)
    with running(truth(2), {"m": SHARP}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        path.write_text(path.read_text().replace("max_tokens = 200\n", ""))
        with pytest.raises(PriceError, match="has no limit"):
            run_judge(store, path, budget_usd=1)
        assert run_judge(store, path).done == 4


def test_a_run_that_only_fails_is_stopped(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 200)
    with running(truth(200), {"m": Behaviour(server_error=1.0)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        with pytest.raises(RunError, match="5 labels in a row failed, the last one because") as e:
            run_judge(store, path, concurrency=4, max_failures=5)
        assert "--max-failures" in e.value.fix
        assert len(list(provider.log())) <= 10 * QUICK.attempts
    assert rows(store, "SELECT status FROM runs") == [("stopped",)]


def test_more_repeats_than_the_store_can_number_are_refused():
    assert LabelOptions("d", repeats=HIGHEST_REPEAT + 1).repeats == 32_768
    with pytest.raises(InputError, match="repeats is 32769") as error:
        LabelOptions("d", repeats=HIGHEST_REPEAT + 2)
    assert "32,768" in error.value.fix


def test_repeats_are_labels_of_their_own(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 10)
    with running(truth(10), {"m": Behaviour(sharpness=1)}) as provider:
        path = judge_file(tmp_path, provider.base_url, orders="ab")
        path.write_text(path.read_text().replace("temperature = 0", "temperature = 1"))
        assert run_judge(store, path).planned == 10
        result = run_judge(store, path, repeats=3)
        assert (result.planned, result.before, result.done) == (30, 10, 20)
        assert len(list(provider.log())) == 30
    assert rows(store, f"SELECT repeat, count(*) {AI} GROUP BY ALL ORDER BY ALL") == [
        (0, 10),
        (1, 10),
        (2, 10),
    ]


def test_another_model_than_asked_is_recorded_with_the_label(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 5)
    with running(truth(5), {"m": Behaviour(served_model="other-1")}) as provider:
        result = run_judge(store, judge_file(tmp_path, provider.base_url))
    assert result.notes == ("asked for openai/m, the provider serves other-1",)
    assert rows(store, f"SELECT DISTINCT details->>'served_model' {AI}") == [("other-1",)]


def test_killed_at_any_moment_it_continues_and_pays_for_nothing_twice(tmp_path):
    n, concurrency = 120, 16
    store = make_store(tmp_path / "s.duckdb", n)
    log = tmp_path / "log.jsonl"
    with running(truth(n), {"m": Behaviour(latency_seconds=0.1)}, log=log) as provider:
        path = judge_file(tmp_path, provider.base_url)
        command = concord(
            "label", "--store", store.path, "--judge", path, "--concurrency", concurrency
        )
        kills = 0
        for lines in (40, 110):
            process = subprocess.Popen(
                command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
            )
            kills += kill_when(process, log, lines)
        assert kills == 2
        result = run_judge(store, path)
        counts = answered(provider.log())
    assert result.before + result.done == 2 * n
    assert result.before > 0
    assert len(counts) == 2 * n
    again = sum(counts.values()) - 2 * n
    assert again <= kills * concurrency
    assert rows(store, "SELECT count(*) FROM runs") == [(1,)]
    assert rows(store, "SELECT count(*) FROM replies") == [(2 * n,)]
    [(maybe,)] = rows(store, "SELECT count(*) FROM possibly_paid")
    assert again <= maybe <= kills * concurrency


def test_an_interrupt_finishes_the_calls_under_way(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 200)
    with running(truth(200), {"m": Behaviour(latency_seconds=0.2)}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        command = concord("label", "--store", store.path, "--judge", path, "--concurrency", 4)
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while len(list(provider.log())) < 10:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        sent = len(answered(provider.log()))
    assert process.returncode == 8
    assert "The same command continues it" in errors
    assert rows(store, "SELECT status, done FROM runs") == [("stopped", sent)]
    assert rows(store, "SELECT count(*) FROM possibly_paid") == [(0,)]


def test_a_store_in_use_elsewhere_does_not_stop_the_run(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 60)
    store.wait_seconds = 0.2
    hold, held, seen = threading.Event(), threading.Event(), []
    locked = []

    def holder():
        with store.reading():
            held.set()
            hold.wait(20)

    thread = threading.Thread(target=holder)

    def report(progress):
        if progress.done >= 10 and not held.is_set():
            thread.start()
        seen.append(progress.done)
        if progress.store_locked:
            locked.append(progress.done)
        if locked or progress.done == 120:
            hold.set()

    with running(truth(60), {"m": Behaviour(latency_seconds=0.15)}) as provider:
        judge = read_judge(judge_file(tmp_path, provider.base_url))
        options = LabelOptions("d", concurrency=4, retry=QUICK)
        result = label(store, judge, LiteLLMClient(judge), options, report)
    hold.set()
    thread.join()
    assert result.done == 120
    assert locked
    if result.journal_pending:
        from data.ledger import take_up

        take_up(store)
    assert rows(store, f"SELECT count(*) {AI}") == [(120,)]
    assert store.path.stat().st_size > 0


def test_a_judge_with_other_orders_is_asked_for_what_is_missing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 20)
    seen = Counter()
    with running(truth(20), {"m": SHARP}) as provider:
        for orders in ("ab", "ba", "random", "both"):
            path = judge_file(tmp_path, provider.base_url, orders=orders)
            todo = plan(store, read_judge(path), LabelOptions("d"))
            result = run_judge(store, path)
            seen[orders] = result.done
            assert (todo.planned - todo.done, result.status) == (result.done, RunStatus.COMPLETE)
    assert +seen == {"ab": 20, "ba": 20}


def test_random_orders_are_counted_as_they_are_drawn(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 30)
    with running(truth(30), {"m": SHARP}) as provider:
        run_judge(store, judge_file(tmp_path, provider.base_url, orders="ab"))
        path = judge_file(tmp_path, provider.base_url, orders="random")
        todo = plan(store, read_judge(path), LabelOptions("d"))
        assert 0 < todo.done < 30
        result = run_judge(store, path)
    assert (result.before, result.done) == (todo.done, 30 - todo.done)
