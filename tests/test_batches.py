"""Runs through batch APIs over real HTTP: the labels of a live run, at half the price."""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import ProviderError, RunError
from data.records import RunStatus
from judges.config import read_judge
from judges.providers import batch_clients_for, client_for
from judges.simulated import Behaviour, running
from pipelines.engines.calls import RetryPolicy
from pipelines.label import Batching, LabelOptions, label
from tests.provider import answered, concord, judge_file, make_store, truth, wait_for

ROOT = Path(__file__).parents[1]
PLAIN = Behaviour(sharpness=2)
QUICK = RetryPolicy(attempts=8, base_seconds=0.01)
LABELS = """
SELECT comparison_id, shown, preference, labels.status, rationale FROM labels
JOIN annotators USING (annotator_id) WHERE kind = 'judge' ORDER BY ALL
"""


def rows(store, sql):
    with store.reading() as con:
        return con.execute(sql).fetchall()


def openai_judge(folder, provider):
    return judge_file(folder, provider.base_url)


def anthropic_judge(folder, provider):
    path = judge_file(folder, provider.base_url.removesuffix("/v1"))
    path.write_text(path.read_text().replace("openai/m", "anthropic/m"))
    return path


def live(store, path, **options):
    judge = read_judge(path)
    return label(store, judge, client_for(judge), LabelOptions("d", retry=QUICK, **options))


def batched(store, path, **options):
    judge = read_judge(path)
    return label(
        store,
        judge,
        None,
        LabelOptions("d", **options),
        batching=Batching(batch_clients_for(judge), poll_seconds=0.1),
    )


@pytest.mark.parametrize("judge_of", [openai_judge, anthropic_judge])
def test_the_labels_of_a_live_run_at_half_the_price(tmp_path, judge_of):
    stores = [make_store(tmp_path / f"{name}.duckdb", 30) for name in ("live", "batch")]
    with running(truth(30), {"m": replace(PLAIN, batch_seconds=0.5)}) as provider:
        path = judge_of(tmp_path, provider)
        first, second = live(stores[0], path), batched(stores[1], path)
        assert (first.done, second.done) == (60, 60)
        assert second.status is RunStatus.COMPLETE
        assert rows(stores[0], LABELS) == rows(stores[1], LABELS)
        assert second.spent_usd == pytest.approx(first.spent_usd / 2)
        assert rows(stores[1], "SELECT DISTINCT price_version FROM replies") == [
            ("judge file batch",)
        ]
        n = len(list(provider.log()))
        path.write_text(path.read_text().replace('name = "sim"', 'name = "again"'))
        again = batched(stores[0], path)  # in one store the second costs nothing
        assert (again.done, again.spent_usd, len(list(provider.log()))) == (60, 0.0, n)
    assert rows(stores[1], "SELECT count(*) FROM possibly_paid") == [(0,)]
    [(status, n_requests)] = rows(stores[1], "SELECT status, n_requests FROM batches")
    assert (status in ("completed", "ended"), n_requests) == (True, 60)


@pytest.mark.parametrize("judge_of", [openai_judge, anthropic_judge])
def test_what_expires_is_asked_again_and_paid_replies_are_kept(tmp_path, judge_of):
    store = make_store(tmp_path / "s.duckdb", 40)
    expiring = replace(PLAIN, batch_seconds=0.2, batch_expired=0.3)
    with running(truth(40), {"m": expiring}) as provider:
        result = batched(store, judge_of(tmp_path, provider))
        assert set(answered(provider.log()).values()) == {1}
    [(n_batches,)] = rows(store, "SELECT count(*) FROM batches")
    assert 2 <= n_batches <= 4
    assert result.done + result.failed == 80
    assert result.done > 70
    assert rows(store, "SELECT count(*) FROM replies") == [(result.done,)]


def test_a_batch_that_is_refused_as_a_whole_costs_nothing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 5)
    with running(truth(5), {"m": replace(PLAIN, batch_invalid=True)}) as provider:
        path = openai_judge(tmp_path, provider)
        with pytest.raises(ProviderError, match="refused the whole batch"):
            batched(store, path)
        assert not [line for line in provider.log() if line.answered]
    assert rows(store, "SELECT count(*) FROM possibly_paid") == [(0,)]
    assert rows(store, "SELECT status, spent_usd FROM runs") == [("stopped", 0.0)]


@pytest.mark.parametrize("judge_of", [openai_judge, anthropic_judge])
def test_requests_that_fail_in_a_batch_are_rows_with_reasons(tmp_path, judge_of):
    store = make_store(tmp_path / "s.duckdb", 30)
    with running(truth(30), {"m": replace(PLAIN, batch_failed=0.5)}) as provider:
        result = batched(store, judge_of(tmp_path, provider))
    assert result.done + result.failed == 60
    reasons = rows(
        store, "SELECT DISTINCT details->>'reason' IS NULL FROM labels WHERE status = 'failed'"
    )
    assert reasons == [(False,)]
    assert result.failed > 0
    failed = "SELECT count(*) FROM labels WHERE status = 'failed'"
    assert rows(store, failed) == [(result.failed,)]


def start(store, path, *more):
    command = concord("label", "--store", store.path, "--judge", path, "--batch", *more)
    return subprocess.Popen(
        [*command, "--poll-seconds", "0.2"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("judge_of", [openai_judge, anthropic_judge])
def test_killed_while_it_waits_it_collects_the_same_batch(tmp_path, judge_of):
    store = make_store(tmp_path / "s.duckdb", 50)
    with running(truth(50), {"m": replace(PLAIN, batch_seconds=4)}) as provider:
        path = judge_of(tmp_path, provider)
        process = start(store, path)
        journals = tmp_path / "s.duckdb.journal"
        wait_for(
            lambda: any('"status": "running"' in j.read_text() for j in journals.glob("*.jsonl"))
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        result = batched(store, path)
        assert (result.done, result.status) == (100, RunStatus.COMPLETE)
        assert set(answered(provider.log()).values()) == {1}
    assert rows(store, "SELECT count(*) FROM batches") == [(1,)]
    assert rows(store, "SELECT count(*) FROM possibly_paid") == [(0,)]


def test_an_interrupt_leaves_the_batch_at_the_provider(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 20)
    with running(truth(20), {"m": replace(PLAIN, batch_seconds=5)}) as provider:
        path = openai_judge(tmp_path, provider)
        process = start(store, path)
        journals = tmp_path / "s.duckdb.journal"
        wait_for(
            lambda: any('"status": "running"' in j.read_text() for j in journals.glob("*.jsonl"))
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 8
        assert rows(store, "SELECT status FROM runs") == [("stopped",)]
        assert rows(store, "SELECT status FROM batches") == [("running",)]
        with pytest.raises(RunError, match="batches of sim on 'd' are at the provider"):
            live(store, path)  # it would buy the same requests a second time
        assert batched(store, path).done == 40
        assert set(answered(provider.log()).values()) == {1}


def test_a_budget_holds_for_batches(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 100)
    with running(truth(100), {"m": PLAIN}) as provider:
        result = batched(store, openai_judge(tmp_path, provider), budget_usd=0.01)
        paid = [line for line in provider.log() if line.answered]
    assert result.status is RunStatus.BUDGET_SPENT
    assert 0 < result.done < 200
    spent = sum(line.prompt_tokens + 4 * line.completion_tokens for line in paid) / 2e6
    assert 0.008 < spent <= 0.01
    assert result.used_usd == pytest.approx(spent)


class Killed(BaseException):
    """As if the process ended here."""


class Dying:
    """A batch client that dies once, in one of its calls: what follows is the real one."""

    keeps_tags = True

    def __init__(self, client, at, after=0):
        self.client, self.at, self.after = client, at, after

    def __getattr__(self, name):
        return getattr(self.client, name)

    def submit(self, requests, tag):
        if self.at == "submit":
            raise Killed
        return self.client.submit(requests, tag)

    def results(self, batch_id, requests):
        for n, line in enumerate(self.client.results(batch_id, requests)):
            if self.at == "results" and n >= self.after:
                raise Killed
            yield line


def dying(store, path, at, after=0, **options):
    judge = read_judge(path)
    clients = {key: Dying(c, at, after) for key, c in batch_clients_for(judge).items()}
    with pytest.raises(Killed):
        label(store, judge, None, LabelOptions("d", **options), batching=Batching(clients, 0.1))


def batch_price(lines):
    answered_lines = [line for line in lines if line.answered]
    return sum(line.prompt_tokens + 4 * line.completion_tokens for line in answered_lines) / 2e6


def test_a_batch_that_was_never_made_costs_nothing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 20)
    with running(truth(20), {"m": PLAIN}) as provider:
        path = openai_judge(tmp_path, provider)
        dying(store, path, "submit", budget_usd=0.025)
        assert not list(provider.log())
        result = batched(store, path)
        assert (result.done, result.status) == (40, RunStatus.COMPLETE)
        assert result.used_usd == pytest.approx(batch_price(provider.log()))
    assert rows(store, "SELECT count(*) FROM possibly_paid") == [(0,)]


def test_killed_while_it_collects_the_budget_holds(tmp_path):
    store = make_store(tmp_path / "s.duckdb", 100)
    with running(truth(100), {"m": PLAIN}) as provider:
        path = openai_judge(tmp_path, provider)
        dying(store, path, "results", after=5, budget_usd=0.01)
        result = batched(store, path)
        assert set(answered(provider.log()).values()) == {1}
        assert result.status is RunStatus.BUDGET_SPENT
        assert 0.008 < batch_price(provider.log()) <= 0.01
        assert result.used_usd == pytest.approx(batch_price(provider.log()))
    assert rows(store, "SELECT sum(paid_usd) FROM replies") == [(pytest.approx(result.used_usd),)]
