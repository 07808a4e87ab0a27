"""What is said of runs and of spending, from rows made by hand."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timedelta
from typing import Any

import pytest

from app import figures, figures_spending, words_cost, words_runs, words_sql
from app.tables import Spot
from data.records import RunStatus
from data.run_facts import BINS, RunFacts, Spent, facts_of, pace_of, spent_of
from judges.judge import Orders
from pipelines.estimates import Estimate
from pipelines.sections.cost import AGREEMENT_FRONT, BEATEN, ON_FRONT
from tests.dashboards import make_store

NOON = datetime(2026, 3, 1, 12)
NOTHING = RunFacts([], [], [], None)
ASKED = RunFacts([], [], [], {"file": {"name": "j"}})
JUDGES = {"limit": None, "orders": "both", "criterion": "overall", "repeats": 1}


def run(**changed: Any) -> dict[str, Any]:
    """A judge's complete run."""
    told = changed.pop("settings", JUDGES)
    fields = {"run_id": "1a2b3c4d-0000", "judge": "j", "dataset": "d", "status": "complete",
              "planned": 100, "done": 100, "failed": 0, "spent_usd": 1.0, "budget_usd": None,
              "possibly_paid": 0, "possibly_paid_usd": None, "started_at": NOON,
              "ended_at": NOON + timedelta(minutes=3), "last_label_at": None,
              "settings": json.dumps(told)}  # fmt: skip
    return {**fields, **changed}


PERSON = run(judge="ann", spent_usd=0.0,
             settings={"by": "human", "criterion": "overall", "queue": "routed"})  # fmt: skip


def test_every_order_has_its_words() -> None:
    assert set(words_runs.ORDERS) == set(Orders)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([run()], "1 run: complete. 100 labels, none failed."),
        ([run(), run(failed=2)], "2 runs: all complete. 200 labels, 2 failed."),
        ([run(), run(status="budget_spent", done=1)],
         "2 runs: 1 complete, 1 budget spent. 101 labels, none failed."),
    ],
)  # fmt: skip
def test_lead_counts_runs_by_status(runs: list[dict[str, Any]], said: str) -> None:
    assert words_runs.lead(runs) == said


def test_money_is_of_judges_only_and_names_what_may_be_paid() -> None:
    assert words_runs.paid([PERSON]) is None
    assert words_runs.paid([run(), PERSON, run(spent_usd=0.5)]) == "$1.5 spent."
    open_calls = run(possibly_paid=4, possibly_paid_usd=0.016)
    assert "4 calls were sent" in str(words_runs.paid([open_calls]))
    assert "at most $0.016 more" in str(words_runs.paid([open_calls]))
    assert "at most" not in str(words_runs.paid([run(possibly_paid=1)]))
    assert "1 call was sent" in str(words_runs.paid([run(possibly_paid=1)]))


def test_progress_says_pace_and_time_left_where_they_are_known() -> None:
    going = run(status="running", done=40, failed=1, budget_usd=2.0)
    assert words_runs.progress(going, None) == (
        "j is labelling d: 40 of 100 done, 1 failed, $1.0 spent of $2.0"
    )
    # 60 labels at 0.5 a second take 120 s
    assert words_runs.progress(going, 0.5).endswith("0.5 labels a second, about 2.0 min left")
    assert "left" not in words_runs.progress(run(), 20.0)
    assert "spent" not in words_runs.progress(PERSON, None)


def test_share_of_the_budget() -> None:
    assert words_runs.within_budget(run()) is None
    assert words_runs.within_budget(run(budget_usd=4.0)) == 0.25
    assert words_runs.within_budget(run(budget_usd=0.5)) == 1.0


def test_facts_have_no_raw_names_and_a_person_no_money() -> None:
    told = {**JUDGES, "limit": 2_000, "repeats": 3, "orders": "random"}
    facts = {r["What"]: r["Value"] for r in words_runs.facts(run(settings=told), NOTHING)}
    assert facts["Comparisons"] == "the first 2,000"
    assert facts["Repeats"] == "each asked 3 x"
    assert facts["Order"] == "one, drawn at random"
    assert facts["Took"] == "3.0 min"
    assert "Answered by" not in facts
    person = {r["What"]: r["Value"] for r in words_runs.facts(PERSON, NOTHING)}
    assert person["Labelled by"] == "ann, a person"
    assert person["Queue"] == "Routed to people"
    assert not {"Spent", "Budget", "Order"} & set(person)
    assert not [text for row in (facts, person) for pair in row.items() for text in pair
                if "_" in str(text)]  # fmt: skip


def test_failures_are_named_by_reason() -> None:
    reasons = [{"status": "parse_error", "reason": None, "n": 3},
               {"status": "failed", "reason": "429", "n": 1}]  # fmt: skip
    found = RunFacts(reasons, [], [], None)
    assert words_runs.failures_title(run(), found) == (
        "4 of 100 labels give no preference; most often: reply without a verdict (3)"
    )
    assert [row["Reason"] for row in words_runs.failures(found)] == [
        words_runs.UNKNOWN_REASON, "429"
    ]  # fmt: skip
    assert "Every label" in words_runs.failures_title(run(), NOTHING)
    assert "no reason" in words_runs.failures_title(run(failed=2), NOTHING)
    assert "no label" in words_runs.failures_title(run(done=0), NOTHING)


def test_batches_that_are_not_made_yet() -> None:
    made = {"batch_id": None, "provider": "openai", "n_requests": 5, "submitted_at": NOON,
            "status": "running", "ended_at": None}  # fmt: skip
    [row] = words_runs.batches(RunFacts([], [made], [], None))
    assert row["Batch"] == "not made yet"
    assert row["Ended (UTC)"] is None


@pytest.mark.parametrize(
    ("row", "found", "silent", "command"),
    [
        (run(status="running"), ASKED, False, "concord runs watch 1a2b3c4d --store s"),
        (run(status="running"), ASKED, True, "concord runs retry 1a2b3c4d --store s"),
        (run(status="interrupted"), ASKED, False, "concord runs retry 1a2b3c4d --store s"),
        (run(status="stopped"), NOTHING, False, "concord label --judge j --dataset d --store s"),
        (run(failed=1), ASKED, False, "concord runs retry 1a2b3c4d --store s"),
        (run(status="budget_spent", budget_usd=5.0, settings={**JUDGES, "limit": 9, "repeats": 2}),
         ASKED, False,
         "concord label --judge j --dataset d --limit 9 --repeats 2 --budget 10 --store s"),
        (run(), ASKED, False, "concord runs show 1a2b3c4d --store s"),
        ({**PERSON, "status": "interrupted"}, NOTHING, False, "concord app --store s"),
    ],
)  # fmt: skip
def test_how_to_go_on(row: dict[str, Any], found: RunFacts, silent: bool, command: str) -> None:
    assert words_runs.next_step("s", row, found, silent=silent)[1] == command


def test_commands_take_any_name() -> None:
    odd = run(status="budget_spent", budget_usd=1.0, judge="a; rm -rf $HOME", dataset="it's")
    parts = shlex.split(words_runs.next_step("s", odd, ASKED, silent=False)[1])
    assert parts[2:6] == ["--judge", "a; rm -rf $HOME", "--dataset", "it's"]


def spent(run_id: str, judge: str, minute: int, usd: float, unknown: int = 0) -> Spent:
    return Spent(run_id, judge, NOON + timedelta(minutes=minute), usd, 10, unknown)


SPENDING = [spent("r1", "x", 0, 0.5), spent("r1", "x", 1, 0.5), spent("r2", "y", 2, 3.0, 4)]


def test_spending_is_summed_by_run_and_judge() -> None:
    title = words_runs.spent_title(SPENDING)
    assert title == "$4.0 spent on this data set in 2 runs; y took the largest part ($3.0)"
    assert words_runs.spent_title(SPENDING[:2]).endswith("in 1 run, all by x")
    assert [row["Spent"] for row in words_runs.spent_rows(SPENDING)] == ["$1.0", "$3.0"]
    assert "The price of 4 of them is not known" in words_runs.spent_note(SPENDING)
    assert "not known: 4 of 10" in words_cost.nothing_spent([spent("r", "x", 0, 0.0, 4)])
    assert "were free" in words_cost.nothing_spent([spent("r", "x", 0, 0.0)])


def test_the_line_of_spending_rises_to_the_total() -> None:
    chart = figures_spending.spending(SPENDING).to_dict()  # checks it against its schema
    values = next(iter(chart["datasets"].values()))
    sums = sorted({row["sum"] for rows in chart["datasets"].values() for row in rows})
    assert sums == [0.5, 1.0, 4.0]
    assert values[0]["at"].endswith("Z")


def front(subject: str, share: float, unbeaten: bool) -> Estimate:
    return Estimate(
        section="cost", subject=subject, reference=AGREEMENT_FRONT, criterion="overall",
        statistic="front_share", method=ON_FRONT if unbeaten else f"{BEATEN}: x", slice="all",
        estimate=share, low=None, high=None, n_items=9, n_prompts=9, n_labels=9, unit="share",
        note=None)  # fmt: skip


def test_the_front_says_of_whom_it_is_not_sure() -> None:
    rows = [front("x", 0.99, True), front("y", 0.6, True), front("z", 0.4, False)]
    assert words_cost.unbeaten(rows) == ["x", "y"]
    assert words_cost.front_title(rows) == (
        f"Of 3, nobody beats x and y in {AGREEMENT_FRONT}; of y that is not sure (60% of resamples)"
    )
    assert "not sure" not in words_cost.front_title(rows[:1])
    free = [front("first", 0.6, True), front("longer", 0.1, False)]
    assert words_cost.front_title([*rows, *free]) == words_cost.front_title(rows)
    assert words_cost.front_title([*free, front("z", 0.4, False)]).endswith(
        "each of 1 is beaten, by a baseline at least"
    )
    many = [front(name, 0.95, True) for name in "abcde"]
    assert "a and 4 others" in words_cost.front_title(many)
    assert words_cost.scatter_note([], ["x"], ["x", "y"]) is None
    assert "dashed" in str(words_cost.scatter_note([], ["x", "y"], ["x", "y"]))


REPLIES = """
INSERT INTO replies BY NAME
SELECT uuid() AS request_hash, $run::UUID AS run_id, $paid AS paid_usd, 'm' AS served_model,
       $at::TIMESTAMP + INTERVAL (i) SECOND AS received_at FROM range($n) r(i)
"""
ADD = """
INSERT INTO runs BY NAME SELECT $run::UUID AS run_id, uuid() AS annotator_id, $judge AS judge,
    $dataset AS dataset, '{}'::JSON AS settings, $at::TIMESTAMP AS started_at, $status AS status
"""


def test_spending_is_read_in_few_parts_of_one_data_set(tmp_path: Any) -> None:
    store = make_store(tmp_path / "s.duckdb")
    ids = [f"00000000-0000-0000-0000-00000000000{k}" for k in range(3)]
    with store.writing() as con:
        for run_id, judge, dataset, n, paid in (
            (ids[0], "x", "small", 1_000, 0.001), (ids[1], "y", "small", 1, None),
            (ids[2], "x", "other", 5, 1.0),
        ):  # fmt: skip
            con.execute(ADD, {"run": run_id, "judge": judge, "dataset": dataset, "at": NOON,
                              "status": str(RunStatus.COMPLETE)})  # fmt: skip
            con.execute(REPLIES, {"run": run_id, "paid": paid, "at": NOON, "n": n})
    with store.reading() as con:
        found = spent_of(con, "small")
        assert facts_of(con, ids[0]).served == [{"served_model": "m", "n": 1_000}]
        assert facts_of(con, ids[0]).judge_file is None
        assert pace_of(con, ids[0]) is None
    x = [part for part in found if part.judge == "x"]
    assert len(x) == BINS
    assert sum(part.usd for part in x) == pytest.approx(1.0)
    assert sum(part.n for part in x) == 1_000
    [y] = [part for part in found if part.judge == "y"]
    assert (y.usd, y.n, y.n_unknown) == (0.0, 1, 1)
    assert [part.at for part in found] == sorted(part.at for part in found)


PACED = """
INSERT INTO labels BY NAME
SELECT uuid() AS label_id, comparison_id, annotator_id, run_id, 'overall' AS criterion,
       0 AS repeat, 'ok' AS status, 'a' AS preference,
       $at::TIMESTAMP + INTERVAL (2 * row_number() OVER ()) SECOND AS created_at
FROM comparisons, runs LIMIT 11
"""


def test_pace_is_that_of_the_last_minutes(tmp_path: Any) -> None:
    store = make_store(tmp_path / "s.duckdb")
    run_id = "00000000-0000-0000-0000-000000000009"
    with store.writing() as con:
        con.execute(ADD, {"run": run_id, "judge": "x", "dataset": "small", "at": NOON,
                          "status": "running"})  # fmt: skip
        con.execute(PACED, {"at": NOON - timedelta(hours=5)})
        con.execute(PACED, {"at": NOON})
    with store.reading() as con:
        assert pace_of(con, run_id) == pytest.approx(0.5)  # eleven labels, two seconds apart


def test_the_scatter_joins_those_whom_nobody_beats_cheapest_first() -> None:
    spots = [Spot(name, "AI", cost, cost / 100, None, None, "", "") for name, cost in
             (("dear", 50.0), ("beaten", 20.0), ("cheap", 10.0))]  # fmt: skip
    chart = figures.scatter(spots, ("x", "y"), ("dear", "cheap")).to_dict()
    [line] = [layer for layer in chart["layer"] if layer["mark"]["type"] == "line"]
    assert [row["cost"] for row in chart["datasets"][line["data"]["name"]]] == [10.0, 50.0]
    alone = figures.scatter(spots, ("x", "y"), ("cheap",)).to_dict()
    assert not [layer for layer in alone["layer"] if layer["mark"]["type"] == "line"]


def test_long_texts_are_cut_in_cells_only() -> None:
    text = "x" * (words_sql.LONGEST_CELL + 1)
    assert words_sql.cell(text) == f"{text[:-1]} …"
    assert [words_sql.cell(value) for value in (text[1:], 7, None)] == [text[1:], 7, None]
