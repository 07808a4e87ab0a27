"""What stands in where a provider does not take a parameter, runs in batches, and second tries.

All over real HTTP: nothing that was paid for is paid for twice, or lost.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.runs import retry_run
from data.errors import ProviderError
from data.records import RunStatus
from data.store import Store
from judges.config import read_judge
from judges.providers import client_for
from judges.simulated import Behaviour, running
from pipelines.engines.calls import RetryPolicy
from pipelines.label import LabelOptions, Progress, label
from pipelines.plan import plan
from tests.kinds import (
    BETTER,
    CASES,
    DIRECT,
    MODELS,
    SHARP,
    N,
    assert_labels,
    assert_reparsed,
    assert_within,
    judge_of,
    make_triads,
    rows_of,
    run,
    run_in_batches,
    sent,
    truth,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judges.simulated import SimulatedProvider


@pytest.fixture(scope="module")
def provider() -> Iterator[SimulatedProvider]:
    with running(truth(N), MODELS) as server:
        yield server


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_triads(tmp_path_factory.mktemp("imported") / "s.duckdb", N).path


@pytest.fixture
def store(imported: Path, tmp_path: Path) -> Store:
    """The imported data set in a store of its own."""
    return Store(Path(shutil.copy(imported, tmp_path)))


# ---- what a provider does not take


SAMPLED = DIRECT + 'kind = "soft"'
FALLBACK = "[soft]\nfallback_samples = 3\n"


def answered_for(provider: SimulatedProvider, model: str) -> int:
    return sum(line.answered for line in provider.log() if line.model == model)


def refused_for(provider: SimulatedProvider, model: str) -> int:
    return sum(line.status == 400 for line in provider.log() if line.model == model)


def test_samples_stand_in_where_log_probabilities_are_left_out(tmp_path, provider, store):
    path = written(tmp_path, provider.base_url, SAMPLED, FALLBACK, model="openai/silent")
    judge, before = read_judge(path), answered_for(provider, "silent")
    result = run(store, judge)
    assert (result.done, result.without_verdict) == (6 * N, 0)
    assert (
        answered_for(provider, "silent") - before == 6 * N + 18 * N
    )  # the silent replies are paid
    assert_sampled(store)
    assert run(store, judge).run_id is None
    assert_reparsed(store, result.run_id)
    assert answered_for(provider, "silent") - before == 24 * N


def assert_sampled(store: Store) -> None:
    for source_id, preference, p_a, details in rows_of(
        store, "source_id, preference, p_a, details"
    ):
        better = BETTER[source_id.partition("-")[2]]
        assert (preference, p_a) == (better, 1.0 if better == "a" else 0.0)
        assert json.loads(details) == {
            "soft_from": "samples",
            "samples": {better: 3, "unparsed": 0},
        }


def test_without_samples_a_missing_log_probability_is_no_vote(tmp_path, provider, store):
    path = written(tmp_path, provider.base_url, SAMPLED, model="openai/silent")
    assert run(store, read_judge(path)).without_verdict == 6 * N
    assert {status for (status,) in rows_of(store, "status")} == {"parse_error"}
    [reason] = {reason for (reason,) in rows_of(store, "details->>'reason'")}
    assert reason.startswith("no log-probabilities; fallback_samples asks")


def test_samples_stand_in_where_log_probabilities_are_refused(tmp_path, provider, store):
    path = written(tmp_path, provider.base_url, SAMPLED, FALLBACK, model="openai/no-logprobs")
    judge, before = read_judge(path), answered_for(provider, "no-logprobs")
    result = run(store, judge, concurrency=4)
    assert result.done == 6 * N
    assert result.notes == ("openai/no-logprobs does not take a parameter: asked without it",)
    assert answered_for(provider, "no-logprobs") - before == 18 * N
    assert refused_for(provider, "no-logprobs") <= 4  # those under way when the first was refused
    assert_sampled(store)
    assert run(store, judge).run_id is None
    assert_reparsed(store, result.run_id)
    assert answered_for(provider, "no-logprobs") - before == 18 * N


def test_what_a_fallback_has_bought_is_not_bought_again_when_a_run_goes_on(
    tmp_path, provider, store
):
    path = written(tmp_path, provider.base_url, SAMPLED, FALLBACK, model="openai/no-logprobs")
    judge, before = read_judge(path), answered_for(provider, "no-logprobs")
    for cap in (0.0030, 0.0032, 0.0034):  # one reply costs a little more than $0.0002
        stopped = run(store, judge, concurrency=1, budget_usd=cap)
        assert stopped.status is RunStatus.BUDGET_SPENT
        bought = answered_for(provider, "no-logprobs") - before
        if bought % 3:
            break
    assert bought % 3, "no task was cut in two"
    assert run(store, judge, budget_usd=10.0).status is RunStatus.COMPLETE
    assert len(rows_of(store, "label_id")) == 6 * N
    assert answered_for(provider, "no-logprobs") - before == 18 * N


def test_without_samples_refused_log_probabilities_end_the_run(tmp_path, provider, store):
    path = written(tmp_path, provider.base_url, SAMPLED, model="openai/no-logprobs")
    with pytest.raises(ProviderError, match="logprobs") as caught:
        run(store, read_judge(path))
    assert "fallback_samples" in caught.value.fix


@pytest.mark.parametrize("transport", ["direct", "litellm"])
def test_lines_stand_in_where_structured_output_is_refused(tmp_path, provider, store, transport):
    top = f'transport = "{transport}"\noutput = "json"'
    path = written(tmp_path, provider.base_url, top, model="openai/no-json")
    judge, before = read_judge(path), answered_for(provider, "no-json")
    refused = refused_for(provider, "no-json")
    assert plan(store, judge, LabelOptions("d")).calls == 6 * N
    result = run(store, judge, concurrency=4)
    assert (result.done, result.without_verdict) == (6 * N, 0)
    assert result.notes == ("openai/no-json does not take a parameter: asked without it",)
    assert answered_for(provider, "no-json") - before == 6 * N
    assert refused_for(provider, "no-json") - refused <= 4
    assert {details for (details,) in rows_of(store, "details")} == {'{"output": "text"}'}
    assert_reparsed(store, result.run_id)


def test_one_member_of_a_jury_is_asked_for_less(tmp_path, provider, store):
    top = DIRECT + 'output = "json"'
    written(tmp_path, provider.base_url, top, name="one")
    written(tmp_path, provider.base_url, top, name="two", model="openai/no-json")
    path = tmp_path / "jury.toml"
    path.write_text('name = "jury"\nkind = "jury"\nmembers = ["one.toml", "two.toml"]\n')
    judge, before = read_judge(path), answered_for(provider, "m")
    result = run(store, judge)
    assert (result.done, result.without_verdict) == (6 * N, 0)
    assert answered_for(provider, "m") - before == 6 * N
    found = set(rows_of(store, "name, details->>'output'", "name <> 'jury'"))
    assert found == {("one", None), ("two", "text")}
    assert_reparsed(store, result.run_id)


# ---- batches


BATCHED = ("pairwise, Anthropic", "soft", "rating", "rubric in JSON")


@pytest.mark.parametrize("name", BATCHED)
def test_a_kind_through_batches_at_half_the_price(name, tmp_path, provider, store):
    case = CASES[name]
    top = case.top.replace(DIRECT, "")
    judge, before = judge_of(replace(case, top=top), tmp_path, provider), sent(provider)
    planned = plan(store, judge, LabelOptions("d"), batch=True)
    result = run_in_batches(store, judge)
    assert (result.status, result.done, result.notes) == (RunStatus.COMPLETE, case.labels, ())
    assert planned.calls == sent(provider) - before == case.calls
    assert all(line.batch for line in list(provider.log())[before:])
    assert_labels(store, case)
    assert_within(store, planned)
    assert run_in_batches(store, judge).run_id is None
    assert sent(provider) - before == case.calls


def test_members_of_a_jury_are_asked_for_less_in_batches_and_nothing_is_bought_twice(
    tmp_path, provider, store
):
    written(tmp_path, provider.base_url, 'output = "json"', name="one")
    written(tmp_path, provider.base_url, 'output = "json"', name="two", model="openai/no-json")
    path = tmp_path / "jury.toml"
    path.write_text('name = "jury"\nkind = "jury"\nmembers = ["one.toml", "two.toml"]\n')
    judge = read_judge(path)
    before = [answered_for(provider, model) for model in ("m", "no-json")]
    result = run_in_batches(store, judge)
    assert (result.done, result.without_verdict) == (6 * N, 0)
    after = [answered_for(provider, model) for model in ("m", "no-json")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [6 * N, 6 * N]
    found = set(rows_of(store, "name, details->>'output'", "name <> 'jury'"))
    assert found == {("one", None), ("two", "text")}


class LostError(Exception):
    """A session that ends without seeing its batch through."""


def test_a_batch_of_a_fallback_is_collected_by_the_next_session(tmp_path, provider, store):
    top, model = 'kind = "soft"', "openai/late"
    judge = read_judge(written(tmp_path, provider.base_url, top, FALLBACK, model=model))

    def end_with_the_second_batch(progress: Progress) -> None:
        if f"of {18 * N} requests" in (progress.waiting or ""):
            raise LostError

    with pytest.raises(LostError):
        run_in_batches(store, judge, end_with_the_second_batch)
    assert rows_of(store, "label_id") == []
    result = run_in_batches(store, judge)
    assert (result.done, result.failed, result.without_verdict) == (6 * N, 0, 0)
    assert answered_for(provider, "late") == 18 * N
    assert_sampled(store)
    with store.reading() as con:
        assert con.execute("SELECT count(*) FROM possibly_paid").fetchall() == [(0,)]


def test_a_soft_judge_without_samples_ends_in_batches_too(tmp_path, provider, store):
    path = written(tmp_path, provider.base_url, 'kind = "soft"', model="openai/no-logprobs")
    with pytest.raises(ProviderError, match="logprobs"):
        run_in_batches(store, read_judge(path))


# ---- runs that are asked again


RETRIED = {
    "constitution": CASES["constitution"],
    "few-shot": CASES["few-shot"],
    "in words": CASES["pairwise in words"],
}


def test_what_failed_is_asked_again_with_the_judges_as_they_were(tmp_path, capsys):
    """Its file, template, principles and examples may have gone meanwhile."""
    stores, runs = {}, {}
    policy = RetryPolicy(attempts=1, deadline_seconds=1)
    with running(truth(N), {"m": Behaviour(server_error=1.0)}) as provider:
        port = int(provider.base_url.rpartition(":")[2].partition("/")[0])
        for name, case in RETRIED.items():
            stores[name] = make_triads(tmp_path / f"{name}.duckdb", N)
            judge = judge_of(case, tmp_path, provider)
            options = LabelOptions("d", retry=policy, max_failures=1000)
            result = label(stores[name], judge, client_for(judge), options)
            assert (result.done, result.failed) == (case.skipped, case.labels - case.skipped)
            runs[name] = str(result.run_id)
    for file in ("j.toml", "words.md", "principles.txt", "examples.jsonl"):
        (tmp_path / file).unlink()
    with running(truth(N), {"m": SHARP}, port=port) as provider:
        for name, case in RETRIED.items():
            retry_run(stores[name].path, runs[name][:8], as_json=True)
            again = json.loads(capsys.readouterr().out)
            assert (again["done"], again["failed"]) == (case.labels - case.skipped, 0)
            assert_labels(stores[name], case)
            retry_run(stores[name].path, runs[name][:8], as_json=True)  # nothing is left to ask
            assert json.loads(capsys.readouterr().out)["run_id"] is None
        assert sent(provider) == sum(case.calls for case in RETRIED.values())
