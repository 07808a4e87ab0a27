"""Every kind of judge from its plan to its stored labels, over real HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data.records import RunStatus
from data.store import Store
from judges.config import read_judge
from judges.simulated import running
from pipelines.label import LabelOptions
from pipelines.plan import plan
from tests.kinds import (
    BETTER,
    CASES,
    DIRECT,
    MODELS,
    N,
    assert_labels,
    assert_reparsed,
    assert_within,
    judge_of,
    make_triads,
    rows_of,
    run,
    sent,
    truth,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judges.simulated import SimulatedProvider
    from judges.task import AnyJudge

CHECKS = "def right(prompt, response, reference):\n    return response.endswith(f' {reference}.')\n"


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


# The others are read by the same code, or asked in another way only.
READ_AGAIN = (
    "pairwise",
    "pairwise in JSON",
    "soft",
    "rating",
    "rubric",
    "few-shot",
    "samples",
    "ranking",
)


@pytest.mark.parametrize("name", CASES)
def test_a_kind_from_its_plan_to_reading_its_replies_again(name, tmp_path, provider, store):
    case = CASES[name]
    judge = judge_of(case, tmp_path, provider)
    planned, before = plan(store, judge, LabelOptions("d")), sent(provider)
    result = run(store, judge)
    assert (result.status, result.notes) == (RunStatus.COMPLETE, ())
    assert (result.planned, result.done, result.failed) == (case.labels, case.labels, 0)
    assert planned.calls == sent(provider) - before == case.calls
    assert_labels(store, case)
    assert_within(store, planned)
    assert run(store, judge).run_id is None
    if name in READ_AGAIN:
        assert_reparsed(store, result.run_id)
        assert sent(provider) - before == case.calls


# ---- verifiers


CHECKED = {
    "exact": "extract = 'is ([0-9]+)'",
    "numeric": "tolerance = 0.01",
    "regex": "extract = '[^:]+$'",
    "python": "function = 'checks.py:right'",
    "json_schema": "extract = '[0-9]+(?=[.]$)'",
}


def verifier(folder: Path, check: str) -> AnyJudge:
    (folder / "checks.py").write_text(CHECKS)
    path = folder / f"{check}.toml"
    lines = f"check = '{check}'\n{CHECKED[check]}"
    path.write_text(f'name = "{check}"\nkind = "verifier"\n[verifier]\n{lines}\n')
    return read_judge(path)


def test_a_verifier_asks_nobody_and_labels_by_the_reference(tmp_path, provider, store):
    before = sent(provider)
    for check in CHECKED:
        judge = verifier(tmp_path, check)
        if check == "json_schema":
            store = make_triads(tmp_path / "schema.duckdb", N, reference='{"const": 42}')
            planned = plan(store, judge, LabelOptions("d"))
            assert (planned.calls, planned.planned, planned.cost_usd) == (0, 3 * N, None)
        result = run(store, judge)
        assert (result.done, result.spent_usd) == (3 * N, 0.0)
        found = rows_of(
            store,
            "source_id, shown, status, preference, p_a, cost_usd, details",
            f"name = '{check}'",
        )
        assert len(found) == 3 * N
        for source_id, *label_, details in found:
            pair = source_id.partition("-")[2]
            better = {"ab": "a", "bc": "tie", "ca": "b"}[pair]  # the answer of a alone is right
            assert label_ == [None, "ok", better, None, 0.0]
            assert json.loads(details) == {"correct": {"a": pair[0] == "a", "b": pair[1] == "a"}}
    assert_reparsed(store, result.run_id)
    assert sent(provider) == before


def test_without_a_reference_a_label_is_skipped_unless_the_file_has_one(tmp_path):
    store = make_triads(tmp_path / "s.duckdb", 1, reference=None)
    path = tmp_path / "v.toml"
    text = 'name = "v"\nkind = "verifier"\n[verifier]\ncheck = "numeric"\n'
    path.write_text(text)
    assert run(store, read_judge(path)).without_verdict == 3
    found = rows_of(store, "status, details->>'reason'")
    assert set(found) == {("skipped", "the comparison has no reference")}
    path.write_text(text + "reference = '41'\n")
    assert run(store, read_judge(path)).without_verdict == 0
    assert [row for (row,) in rows_of(store, "preference", "name = 'v (2)'")] == ["b", "a", "tie"]


# ---- juries


def jury_file(folder: Path, provider: SimulatedProvider) -> Path:
    """Three members, of which one has it all backwards; their own orders do not count."""
    written(folder, provider.base_url, DIRECT, name="one")
    written(folder, provider.base_url, DIRECT + 'orders = "ab"', name="two", model="openai/m2")
    top = DIRECT + 'kind = "soft"'
    written(folder, provider.base_url, top, name="three", model="openai/backwards")
    path = folder / "jury.toml"
    members = '["one.toml", "two.toml", "three.toml"]'
    path.write_text(f'name = "jury"\nkind = "jury"\nmembers = {members}\n')
    return path


def test_a_jury_labels_by_the_mean_of_its_members_and_keeps_their_labels(tmp_path, provider, store):
    judge, before = read_judge(jury_file(tmp_path, provider)), sent(provider)
    assert plan(store, judge, LabelOptions("d")).calls == 18 * N
    result = run(store, judge)
    assert (result.planned, result.done, sent(provider) - before) == (6 * N, 6 * N, 18 * N)
    found = rows_of(store, "name, source_id, preference, p_a, details, cost_usd")
    by_name = {name: [row[1:] for row in found if row[0] == name] for name, *_ in found}
    assert {name: len(rows) for name, rows in by_name.items()} == dict.fromkeys(
        ("jury", "one", "two", "three"), 6 * N
    )
    for row, *votes in zip(*(by_name[n] for n in ("jury", "one", "two", "three")), strict=True):
        source_id, preference, p_a, details, cost_usd = row
        better = BETTER[source_id.partition("-")[2]]
        worse = "b" if better == "a" else "a"
        assert preference == better
        assert p_a == pytest.approx(2 / 3 if better == "a" else 1 / 3, abs=1e-3)
        assert json.loads(details) == {"members": {"one": better, "two": better, "three": worse}}
        assert cost_usd == pytest.approx(sum(vote[4] for vote in votes))
    assert run(store, judge).run_id is None
    assert_reparsed(store, result.run_id)
    assert sent(provider) - before == 18 * N


def test_what_a_member_was_asked_alone_is_not_asked_again_for_the_jury(tmp_path, provider, store):
    judge, before = read_judge(jury_file(tmp_path, provider)), sent(provider)
    run(store, judge.members[0])
    assert plan(store, judge, LabelOptions("d")).calls == 12 * N
    run(store, judge)
    assert sent(provider) - before == 18 * N
    assert len(rows_of(store, "label_id", "name = 'one'")) == 6 * N
