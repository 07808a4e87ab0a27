"""Policies applied: who goes to a human, with which probability, and what follows from that."""

from __future__ import annotations

import csv
import json
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from data import queries
from data.assignments import assignments, set_assignments
from data.errors import InputError
from data.formats.tabular import TabularOptions, read
from data.imports import import_material
from data.upkeep import remove_dataset
from pipelines.estimates import ALL
from pipelines.export import export_labels
from pipelines.features import fill_features, read_features
from pipelines.panel import read_panel
from pipelines.policy import CostSection, PolicyFile, policy_of, write_policy
from pipelines.route import assign, before, numbers_of, route
from pipelines.routing_scores import DISAGREEMENT, LEARNED, RANDOM, RULES
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.stats.ppi import routed_mean
from pipelines.stats.routing import chance_of_a_human, inclusion
from pipelines.strategy import Goal, Match, choose_strategy
from tests.estimating import HUMAN, JUDGE, both, label, store_of
from tests.test_policy import ROUTED, small

KINDS = {"h1": HUMAN, "j": JUDGE, "k": JUDGE}
BY_FLIP = PolicyFile(**ROUTED, cost=CostSection(usd_per_human_label=0.5))
NEW = [
    *both(0, "j", "a", "a"),  # stays
    *both(1, "j", "a", "b"),  # turns: flip 1
    *both(2, "j", "b", "t"),  # turns: flip 1
    *both(3, "j", "b", " "),  # one order only
    *both(4, "j", "x", "x"),  # no verdict
    *both(6, "j", "t", "t"),  # 5 has no label at all
    label(1, "h1", "a"),
]  # fmt: skip


@pytest.fixture
def new(tmp_path):
    return store_of(tmp_path / "n.duckdb", NEW, KINDS, n_items=7, dataset="new")


def by_number(routes):
    return {row["source_id"]: row for row in routes.table.to_pylist()}


def stored(store, dataset="new", policy=None):
    with store.reading() as con:
        return assignments(con, dataset, policy).to_pylist()


def test_what_turns_goes_to_a_human_and_the_rest_keeps_its_label(new):
    routes = route(new, BY_FLIP, "new", 0.2)
    rows = by_number(routes)
    for name in ("c1", "c2"):
        found = rows[name]
        assert (found["score"], found["destination"], found["queue"]) == (1, "human", "routed")
        assert (found["sampling_probability"], found["preference"]) == (1, None)
    for name, preference in (("c0", "a"), ("c6", "tie")):
        found = rows[name]
        assert (found["score"], found["destination"]) == (0, "AI label")
        assert (found["sampling_probability"], found["preference"]) == (0.2, preference)
    assert {rows[name]["destination"] for name in ("c3", "c4", "c5")} == {"missing"}
    assert routes.missing == {"labels in both orders": 1, "a verdict of j": 1, "j": 1}
    assert (routes.to_humans, routes.kept, routes.n_missing) == (2, 2, 3)
    assert routes.share == 0.5
    assert routes.labelled == 1  # h1 has labelled c1
    assert routes.usd == 0.5 * (routes.to_humans + routes.audit - 1)


def test_a_reply_without_a_verdict_is_a_tie_where_the_policy_says_so(new):
    tie = BY_FLIP.model_copy(update={"unparsed": UnparsedRule.TIE})
    found = by_number(route(new, tie, "new", 0.2))["c4"]
    assert (found["destination"], found["preference"], found["score"]) == ("AI label", "tie", 0)


def test_at_the_threshold_a_human_is_drawn_and_the_probability_covers_both_draws(tmp_path):
    labels = [row for k in range(400) for row in both(k, "j", "a", "b" if k % 2 else "a")]
    store = store_of(tmp_path / "t.duckdb", labels, KINDS, n_items=400, dataset="new")
    at_one = BY_FLIP.model_copy(update={"threshold": 1.0})
    rows = route(store, at_one, "new", 0.1).table.to_pylist()
    turned = [row for row in rows if row["score"] == 1]
    assert len(turned) == 200
    # one of four by the rule, and a tenth of the others: 1/4 + 3/4 * 1/10
    assert {row["sampling_probability"] for row in turned} == {0.325}
    routed = sum(row["queue"] == "routed" for row in turned)
    audited = sum(row["queue"] == "audit" for row in turned)
    assert 25 <= routed <= 77  # binomial(200, .25): outside once in 10,000 or less
    assert 2 <= audited <= 32
    assert {row["queue"] for row in rows if row["score"] == 0} == {None, "audit"}
    # a label that differs by order is kept as one of the two, not as a tie
    kept = [row["preference"] for row in turned if row["queue"] != "routed"]
    assert {"a", "b"} == set(kept)
    assert 0.3 < np.mean([p == "a" for p in kept]) < 0.7


def test_humans_alone_and_judges_alone_are_policies_too(new):
    base = {"name": "p", "dataset": "d", "criterion": "overall"}
    humans = route(new, PolicyFile(**base, humans=2), "new", 0.3)
    assert (humans.to_humans, humans.audit, humans.kept, humans.usd) == (7, 0, 0, None)
    assert set(humans.table["sampling_probability"].to_pylist()) == {1.0}
    judge = route(new, PolicyFile(**base, judges=("j",)), "new", 1.0)
    assert (judge.to_humans, judge.audit, judge.kept, judge.n_missing) == (0, 5, 5, 2)
    nobody = route(new, PolicyFile(**base, judges=("j",)), "new", 0.0)
    assert (nobody.audit, set(nobody.table["queue"].to_pylist())) == (0, {None})
    assert "no mean of all comparisons follows" in nobody.notes[-1]


def test_a_jury_keeps_the_sign_of_the_mean_and_needs_every_member(tmp_path):
    labels = [
        *both(0, "j", "a", "a"), *both(0, "k", "a", "t"),  # a
        *both(1, "j", "a", "a"), *both(1, "k", "b", "b"),  # a tie
        *both(2, "j", "b", "b"), *both(2, "k", "t", "t"),  # b
        *both(3, "j", "b", "b"),  # k has not labelled it
    ]  # fmt: skip
    store = store_of(tmp_path / "j.duckdb", labels, KINDS, n_items=4, dataset="new")
    jury = PolicyFile(name="p", dataset="d", criterion="overall", judges=("j", "k"), jury=True)
    routes = route(store, jury, "new")
    assert [by_number(routes)[f"c{k}"]["preference"] for k in range(4)] == ["a", "tie", "b", None]
    assert routes.missing == {"k": 1}


def test_two_judges_disagree_by_hand(tmp_path):
    labels = [label(0, "j", "a"), label(0, "k", "a"), label(1, "j", "a"), label(1, "k", "b")]
    store = store_of(tmp_path / "d.duckdb", labels, KINDS, n_items=2, dataset="new")
    policy = BY_FLIP.model_copy(update={"rule": DISAGREEMENT, "judges": ("j", "k")})
    rows = by_number(route(store, policy, "new"))
    assert [rows[c]["score"] for c in ("c0", "c1")] == [0, 1]
    assert [rows[c]["destination"] for c in ("c0", "c1")] == ["AI label", "human"]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A store with the data set `d`, and every strategy tried on it as a policy."""
    store = small(tmp_path_factory.mktemp("route") / "s.duckdb", 90)
    fill_features(store, "d")
    panel = read_panel(store, "d")
    read_features(store, panel)
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    choice = choose_strategy(view, Goal(), Match.HUMAN)
    policies = [
        policy_of(choice, k, Goal(), dataset="d", criterion="overall", simulated=False,
                  unparsed=UnparsedRule.DROP)
        for k in range(len(choice.strategies))
    ]  # fmt: skip
    return store, policies


def test_where_it_was_chosen_every_policy_sends_the_share_that_was_chosen(chosen):
    store, policies = chosen
    seen = set()
    learned = [policy for policy in policies if policy.rule == LEARNED]
    for policy in [each for each in policies if each not in learned[1:]]:
        routes = route(store, policy, "d")
        assert routes.n_missing == 0
        if policy.routes:
            assert routes.share == pytest.approx(policy.human_share), policy.name
            assert "are not like those" not in " ".join(routes.notes)
        seen.add(policy.rule)
    assert len(seen) == len(RULES)  # with none, without the stated certainty


def test_a_learned_rule_is_fitted_again_where_it_was_chosen_and_needs_that_data_set(chosen):
    store, policies = chosen
    learned = next(policy for policy in policies if policy.rule == LEARNED)
    assert "the router was fitted anew to 90 comparisons of d" in route(store, learned, "d").notes
    elsewhere = learned.model_copy(update={"dataset": "gone"})
    with pytest.raises(InputError, match="learns from 'gone' in the same store") as caught:
        route(store, elsewhere, "d")
    assert "--choose" in caught.value.fix


def test_a_learned_rule_goes_to_other_comparisons(tmp_path):
    store = small(tmp_path / "s.duckdb", 90)
    labels = [*(row for k in range(30) for row in both(k, "j", "a", "ab"[k % 2])),
              *(row for k in range(30) for row in both(k, "j2", "a", "a"))]  # fmt: skip
    store_of(store.path, labels, {"j": JUDGE, "j2": JUDGE}, n_items=30, dataset="new")
    policy = PolicyFile(**{**ROUTED, "rule": LEARNED, "judges": ("j", "j2"), "threshold": 1e-6})
    routes = route(store, policy, "new")
    assert routes.n_missing == 0
    assert routes.notes[0] == "the router was fitted anew to 90 comparisons of d"
    score = {row["source_id"]: row["score"] for row in routes.table.to_pylist()}
    # in d the judge errs where it turns with the order: so it needs a human more there
    assert min(score[f"c{k}"] for k in range(1, 30, 2)) > max(
        score[f"c{k}"] for k in range(0, 30, 2)
    )


def test_a_share_unlike_the_chosen_one_is_said(tmp_path):
    labels = [row for k in range(40) for row in both(k, "j", "a", "ba"[k % 2])]
    store = store_of(tmp_path / "f.duckdb", labels, KINDS, n_items=40, dataset="new")
    half = route(store, BY_FLIP, "new")  # .5 of them turn, .3 were chosen
    assert "50% go to a human, 30% where the policy was chosen" in half.notes[0]
    alike = route(store, BY_FLIP.model_copy(update={"human_share": 0.4}), "new")
    assert alike.notes == ()


def test_assigning_again_changes_nothing_and_another_policy_stays(new):
    routes = route(new, BY_FLIP, "new", 0.9)
    assign(new, routes)
    before = stored(new)
    assert {row["queue"] for row in before} == {"routed", "audit"}
    assert all(0 < row["sampling_probability"] <= 1 for row in before)
    assign(new, routes)
    assert stored(new) == before
    other = BY_FLIP.model_copy(update={"name": "other"})
    assign(new, route(new, other, "new", 0.0))
    assert stored(new, policy=BY_FLIP.name) == before
    assign(new, route(new, BY_FLIP, "new", 0.0))  # replaced: nothing of the audit is left
    assert {row["queue"] for row in stored(new, policy=BY_FLIP.name)} == {"routed"}
    assert len(stored(new, policy="other")) == 2
    remove_dataset(new, "new")
    assert stored(new) == []


JUDGE_ALONE = PolicyFile(
    name="j", dataset="d", criterion="overall", judges=("j",), audit=0.5,
    cost=CostSection(usd_per_human_label=0.5),
)  # fmt: skip


@pytest.fixture
def begun(tmp_path):
    """An audit of half of 40 comparisons, the first 4 of which a human has labelled since."""
    labels = [label(k, "j", "a") for k in range(40)]
    store = store_of(tmp_path / "b.duckdb", labels, KINDS, n_items=40, dataset="new")
    assign(store, route(store, JUDGE_ALONE, "new"))
    answer(store, tmp_path, stored(store)[:4])
    return store


def answer(store, tmp_path, rows):
    """Labels of a file that says nothing of probabilities."""
    with store.reading() as con:
        names = dict(queries.rows(con, "SELECT comparison_id::VARCHAR, source_id FROM comparisons"))
    lines = [f"{names[row['comparison_id']]},ann,a" for row in rows]
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(["source_id,annotator,preference", *lines]))
    import_material(store, read(path, TabularOptions(dataset="new"), refers=True))


def test_what_humans_have_labelled_of_an_audit_stays_with_its_probability(begun):
    first = stored(begun)
    n = len(first)
    none = route(begun, JUDGE_ALONE, "new", 0.0)
    found = before(begun, none)
    assert (found.replaced, found.withdrawn, found.kept) == (0, n - 4, 4)
    assert stored(begun) == first  # looking changes nothing
    assign(begun, none)
    assert stored(begun) == first[:4]
    found = before(begun, none)
    assert (found.replaced, found.withdrawn, found.kept) == (0, 0, 4)
    half = route(begun, JUDGE_ALONE, "new", 0.5)
    assign(begun, half)  # the same draw brings the others back

    def bare(rows):
        return [{**row, "assigned_at": None} for row in rows]

    assert bare(stored(begun)) == bare(first)


def test_asked_in_the_smaller_or_the_larger_of_two_draws_has_the_larger_probability(begun):
    first = stored(begun)
    done = [row["comparison_id"] for row in first[:4]]
    assign(begun, route(begun, JUDGE_ALONE, "new", 0.25))
    rows = {row["comparison_id"]: row["sampling_probability"] for row in stored(begun)}
    assert {rows[each] for each in done} == {0.5}
    assert {p for each, p in rows.items() if each not in done} == {0.25}
    every = route(begun, JUDGE_ALONE, "new", 1.0)
    assert before(begun, every).replaced == len(rows)
    assign(begun, every)
    rows = stored(begun)
    assert (len(rows), {row["sampling_probability"] for row in rows}) == (40, {1.0})


def test_a_label_from_before_the_assignment_does_not_keep_it(new):
    judge = JUDGE_ALONE.model_copy(update={"name": "all"})
    assign(new, route(new, judge, "new", 1.0))  # h1 had labelled c1
    assert len(stored(new)) == 5
    assign(new, route(new, judge, "new", 0.0))
    assert stored(new) == []


def test_the_command_says_what_it_withdraws_and_who_else_waits(begun, run, tmp_path):
    write_policy(JUDGE_ALONE, tmp_path / "j.toml")
    write_policy(JUDGE_ALONE.model_copy(update={"name": "k"}), tmp_path / "k.toml")
    n = len(stored(begun))
    waiting = f"{n - 4} to audit of the policy 'j' still wait for a human in this data set"
    given = ("--store", begun.path, "--audit", 0)
    code, _, err = run("route", "--policy", "k.toml", *given)
    said = " ".join(err.split())
    assert code == 0, err
    assert waiting in said
    assert "nothing goes to a human by this policy" in said
    assert "next:" not in said
    code, out, err = run("route", "--policy", "j.toml", *given, "--json")
    said = " ".join(err.split())
    assert f"{n - 4} withdrawn, 4 kept with their probability" in said
    assert "before concord audit, route by the policy and --audit of before" in said
    assert json.loads(out)["before"] == {
        "replaced": 0, "withdrawn": n - 4, "kept": 4, "elsewhere": {}
    }  # fmt: skip
    code, _, err = run("route", "--policy", "k.toml", *given)
    assert "still wait" not in err  # a human has labelled all that is left of the other


def test_nothing_is_next_where_a_human_has_labelled_all(tmp_path, run):
    labels = [row for k in range(3) for row in (label(k, "j", "a"), label(k, "h1", "a"))]
    store = store_of(tmp_path / "l.duckdb", labels, KINDS, n_items=3, dataset="new")
    write_policy(JUDGE_ALONE, tmp_path / "j.toml")
    given = ("route", "--policy", "j.toml", "--store", store.path, "--audit", 1)
    code, out, err = run(*given)
    assert code == 0, err
    assert "still to be bought, the audit included: $0" in " ".join(out.split())
    assert "next: nothing, as all that goes to a human is labelled by one already" in err
    assert "concord app" not in err
    answered = route(store, JUDGE_ALONE.model_copy(update={"humans": 0}), "new", 1.0)
    assert (answered.audit, answered.labelled) == (3, 3)


def test_two_humans_cost_two_labels_less_those_that_are_there(tmp_path, run):
    kinds = {"h1": HUMAN, "h2": HUMAN, "h3": HUMAN, "j": JUDGE}
    labels = [label(0, "h1", "a"), *(label(1, h, "a") for h in ("h1", "h2")),
              *(label(2, h, "a") for h in ("h1", "h2", "h3")), label(3, "j", "a"),
              *both(4, "h1", "a", "a")]  # fmt: skip
    store = store_of(tmp_path / "h.duckdb", labels, kinds, n_items=5, dataset="new")
    two = PolicyFile(name="two", dataset="d", criterion="overall", humans=2,
                     cost=CostSection(usd_per_human_label=0.5))  # fmt: skip
    routes = route(store, two, "new")
    assert (routes.labelled, routes.usd) == (2, 0.5 * (1 + 0 + 0 + 2 + 1))  # in both orders: one
    write_policy(two, tmp_path / "two.toml")
    _, out, _ = run("route", "--policy", "two.toml", "--store", store.path, "--dry-run")
    assert "labelled by 2 already" in " ".join(out.split())


def test_a_human_is_no_judge_of_a_policy(new):
    with pytest.raises(InputError, match="'h1' is a human, no judge") as caught:
        route(new, JUDGE_ALONE.model_copy(update={"judges": ("h1",)}), "new")
    assert "judges" in caught.value.fix


def test_nothing_is_stored_where_the_file_cannot_be_written(new, run, tmp_path):
    write_policy(BY_FLIP, tmp_path / "p.toml")
    (tmp_path / "dir.csv").mkdir()
    given = ("route", "--policy", "p.toml", "--store", new.path, "--dataset", "new")
    for target, said in (("nosuch/x.csv", "no such folder"), ("dir.csv", "it is a folder")):
        code, _, err = run(*given, "--out", target, "--force")
        assert (code, said in err) == (3, True), err
        assert stored(new) == []


def test_a_learned_rule_chosen_by_what_reward_models_learn_is_applied(chosen):
    store, policies = chosen
    learned = next(policy for policy in policies if policy.rule == LEARNED)
    by_reward = route(store, learned.model_copy(update={"match": Match.REWARD}), "d")
    scores = [r.table["score"].to_pylist() for r in (by_reward, route(store, learned, "d"))]
    assert by_reward.n_missing == 0
    assert np.ptp(scores[0]) > 0
    assert np.corrcoef(scores)[0, 1] > 0.9  # what a human is right more often, in both


def test_nothing_is_assigned_in_a_data_set_that_is_not_there(new):
    rows = pa.table({"comparison_id": [], "queue": [], "score": [], "sampling_probability": []})
    with pytest.raises(InputError, match="no data set 'x'"):
        set_assignments(new, "x", "p", rows)
    with pytest.raises(InputError, match="no data set 'x'"):
        route(new, BY_FLIP, "x")


def test_numbers_hang_on_the_comparison_alone_and_are_as_good_as_drawn():
    ids = [str(UUID(int=k)) for k in range(4000)]
    numbers = numbers_of("human", ids)
    np.testing.assert_array_equal(numbers[::-1], numbers_of("human", ids[::-1]))
    assert np.abs(np.sort(numbers) - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / np.sqrt(4000)
    assert abs(np.corrcoef(numbers, numbers_of("label", ids))[0, 1]) < 0.06
    assert 0 <= numbers.min() < numbers.max() < 1


def test_what_humans_say_of_those_who_were_drawn_gives_the_mean_of_all():
    """Unbiased within three standard errors over 200 worlds; the routed ones alone are far off."""
    random = np.random.default_rng(1)
    n, worlds, off, alone = 300, 200, [], []
    for _ in range(worlds):
        score = random.integers(0, 5, n) / 4
        judge = (random.random(n) < 0.7).astype(float)
        wrong = random.random(n) < 0.1 + 0.5 * score  # the judge errs where the score is high
        human = np.where(wrong, 1 - judge, judge)
        chance = chance_of_a_human(score, 0.75, 0.35)
        probability = inclusion(chance, 0.1)
        ids = [str(UUID(bytes=random.bytes(16))) for _ in range(n)]
        asked = numbers_of("human", ids) < probability
        found = routed_mean(np.where(asked, human, np.nan), judge, np.arange(n) // 2, probability)
        off.append(found.mean.estimate - human.mean())
        alone.append(human[asked].mean() - human.mean())
    for values, good in ((np.array(off), True), (np.array(alone), False)):
        error = values.std(ddof=1) / np.sqrt(worlds)
        assert (abs(values.mean()) < 3 * error) == good, (values.mean(), error)


def test_a_probability_travels_with_the_labels_of_a_file(new, tmp_path):
    routes = route(new, BY_FLIP, "new", 0.5)
    rows = [row for row in routes.table.to_pylist() if row["queue"]]
    path = tmp_path / "labelled.csv"
    with path.open("w", newline="") as file:
        names = ["source_id", "annotator", "preference", "sampling_probability"]
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "annotator": "ann", "preference": "a"} for row in rows)
    import_material(new, read(path, TabularOptions(dataset="new"), refers=True))
    with new.reading() as con:
        found = queries.rows(con, """SELECT source_id, sampling_probability FROM labels
            JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
            WHERE name = 'ann'""")  # fmt: skip
    assert dict(found) == {row["source_id"]: row["sampling_probability"] for row in rows}
    export_labels(new, "new", tmp_path / "out.csv")
    again = [row for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
             if row["annotator"] == "ann"]  # fmt: skip
    assert {r["source_id"]: float(r["sampling_probability"]) for r in again} == dict(found)


def test_the_command_assigns_and_says_what_is_missing(new, run, tmp_path):
    write_policy(BY_FLIP, tmp_path / "p.toml")
    given = ("route", "--policy", "p.toml", "--store", new.path, "--audit", 0.5)
    code, out, err = run(*given, "--dry-run")
    assert code == 0, err
    assert "nothing was stored" in err
    assert stored(new) == []
    assert "expected 50%, 30% where it was chosen" in out
    assert f"missing labels: concord label --judge j.toml --dataset new --store {new.path}" in err
    code, out, err = run(*given, "--out", "routes.csv", "--json")
    assert code == 0, err
    assert '"to_humans": 2' in out
    assert len(stored(new)) == 2 + sum(row["queue"] == "audit" for row in stored(new))
    written = list(csv.DictReader((tmp_path / "routes.csv").read_text().splitlines()))
    assert len(written) == 7
    code, _, err = run(*given, "--out", "routes.csv")
    assert (code, "exists already" in err) == (3, True)


def test_without_any_label_the_missing_ones_are_named(tmp_path):
    store = store_of(tmp_path / "e.duckdb", [], KINDS, n_items=3, dataset="new")
    routes = route(store, BY_FLIP, "new")
    assert (routes.missing, routes.share, routes.usd) == ({"j": 3}, None, 0.0)
    random = BY_FLIP.model_copy(update={"rule": RANDOM, "threshold": None})
    assert route(store, random, "new").n_missing == 3  # the AI label is missing all the same
