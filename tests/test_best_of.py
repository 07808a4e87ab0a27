"""Best of n: by hand, by brute force, on real data; what is missing; what may be said."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from app.best_of import curve_sentences, selection_sentence, sentences
from data.errors import InputError
from data.store import Store
from judges.response_features import Recipe
from pipelines.best_of import CHANCE, LONGER, BestOf, best_of
from pipelines.estimates import Estimate
from pipelines.ingest import ingest
from pipelines.sections.view import ONE_HUMAN
from pipelines.stats.intervals import NO_VARIATION
from pipelines.stats.selection import curve, shared_best, worth
from tests.estimating import HUMAN, JUDGE, check, label, store_of

X, Y, Z = "x", "yy", "zzz"
PAIRS = ((X, Y), (X, Z), (Y, Z))
SMALL = Recipe(buckets=256)
KINDS = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}


def small(folder, marks, prompts=1, pairs=PAIRS, kinds=KINDS, name="s"):
    """A store whose prompts have the three responses; `marks` by annotator, one for each pair."""
    labels = [
        label(p * len(pairs) + i, who, mark)
        for p in range(prompts)
        for who, each in marks.items()
        for i, mark in enumerate(each)
        if mark != " "
    ]
    return store_of(folder / f"{name}.duckdb", labels, {k: kinds[k] for k in marks},
                    n_items=prompts * len(pairs), responses=[*pairs] * prompts,
                    prompts=[p for p in range(prompts) for _ in pairs])  # fmt: skip


def values(found, method="one human or more"):
    return {
        (row.subject, row.statistic, int(row.slice[2:])): row.estimate
        for row in found.rows
        if row.method == method
    }


# ---- by hand


def test_selections_of_one_prompt_by_hand(tmp_path):
    # Humans: x before y before z. The judge: y before z before x.
    found = best_of(small(tmp_path, {"h1": "aaa", "j": "bba"}), "d")
    check(found.rows)
    got = values(found)
    expected = {
        ("j", "selection_win_rate"): (1 / 2, 1 / 3, 1 / 2),  # of x 1, of y 1/2, of z 0
        ("j", "selection_best_share"): (None, 1 / 3, 0),  # of {y, z} alone it selects theirs
        (LONGER, "selection_win_rate"): (1 / 2, 1 / 6, 0),
        (LONGER, "selection_best_share"): (None, 0, 0),
        (CHANCE, "selection_best_share"): (1, 1 / 2, 1 / 3),
    }
    for (name, statistic), wanted in expected.items():
        for n, value in enumerate(wanted, 1):
            assert got.get((name, statistic, n)) == pytest.approx(value), (name, statistic, n)
    assert got["j", "selection_step", 3] == pytest.approx(1 / 6)
    assert got["j", "selection_difference", 3] == pytest.approx(1 / 2)
    # Its own points are x 0, y 1, z 1/2: deviations of -1, 1 and 0 over sqrt(2/3).
    assert got["j", "proxy_score", 3] == pytest.approx(np.sqrt(3 / 2))
    assert (found.most, found.paired_most, found.n_prompts, found.left_out) == (3, None, 1, 0)
    assert "two humans" in " ".join(found.notes)
    assert "no reward model: 1 prompts" in " ".join(found.notes)


def test_a_human_is_judged_by_the_others_and_judges_meet_the_same_panels(tmp_path):
    # h1: x, y, z. h2: y, x, z. The judge prefers y.
    found = best_of(small(tmp_path, {"h1": "aaa", "h2": "baa", "j": "bba"}), "d")
    check(found.rows)
    got = values(found, "two humans or more, one held out")
    assert got[ONE_HUMAN, "selection_win_rate", 3] == pytest.approx(1 / 2)
    assert got[ONE_HUMAN, "selection_best_share", 3] == 0
    assert got["j", "selection_win_rate", 3] == pytest.approx(3 / 4)  # 1 by h2, 1/2 by h1
    assert got["j", "selection_best_share", 3] == pytest.approx(1 / 2)
    assert (ONE_HUMAN, "selection_win_rate", 3) not in values(found)
    assert values(found)["j", "selection_best_share", 3] == pytest.approx(1 / 2)  # shared by x, y


def test_who_cannot_tell_selects_like_chance(tmp_path):
    found = best_of(small(tmp_path, {"h1": "aaa", "j": "ttt"}, prompts=20), "d", train_on=())
    got = values(found)
    for n in (2, 3):
        assert got["j", "selection_win_rate", n] == pytest.approx(1 / 2)
        assert got["j", "selection_best_share", n] == pytest.approx(1 / n)
        assert got["j", "proxy_score", n] == 0


def test_a_judge_counts_on_the_prompts_where_it_has_all_pairs(tmp_path):
    store = store_of(
        tmp_path / "s.duckdb",
        [label(i, "h1", "a") for i in range(6)] + [label(i, "j", "b") for i in range(5)],
        {"h1": HUMAN, "j": JUDGE}, n_items=6, responses=[*PAIRS] * 2, prompts=[0] * 3 + [1] * 3,
    )  # fmt: skip
    sizes = {row.subject: row.n_prompts for row in best_of(store, "d").rows}
    assert (sizes["j"], sizes[LONGER]) == (1, 2)


def test_the_largest_set_that_humans_compared_whole(tmp_path):
    w = "wwww"
    pairs = (*PAIRS, (X, w), (Y, w))  # z and w were not compared
    found = best_of(small(tmp_path, {"h1": "aaabb"}, pairs=pairs), "d")
    assert found.most == 3
    assert {row.n_items for row in found.rows} == {3}


# ---- by brute force


def brute(points, target, proxy, n):
    """Worth, share of the target's best, and proxy of the best of n; exact, one subset a time."""
    k = len(points)
    value = [sum(target[r][s] for s in range(k) if s != r) / (k - 1) for r in range(k)]

    def chosen(table, members):
        sums = {r: sum(table[r][s] for s in members if s != r) for r in members}
        best = [r for r in members if sums[r] == max(sums.values())]
        return {r: Fraction(r in best, len(best)) for r in members}

    subsets = list(combinations(range(k), n))
    totals = [Fraction(0)] * 3
    for members in subsets:
        mine, theirs = chosen(points, members), chosen(target, members)
        for place, column in enumerate((value, theirs, proxy)):
            totals[place] += sum(mine[r] * column[r] for r in members)
    return [float(each / len(subsets)) for each in totals]


def test_the_curve_is_what_all_subsets_give():
    random = np.random.default_rng(1)

    def table(k):
        found = [[Fraction(0)] * k for _ in range(k)]
        for r, s in combinations(range(k), 2):
            found[r][s] = Fraction(int(random.integers(4)), 3)
            found[s][r] = 1 - found[r][s]
        return found

    for k in (3, 4, 5):
        sources, targets = [table(k) for _ in range(30)], [table(k) for _ in range(30)]
        proxy = random.integers(5, size=(30, k))
        got = curve(np.array(sources, float), np.array(targets, float), proxy.astype(float), k)
        for n in range(1, k + 1):
            wanted = [
                brute(s, t, [Fraction(int(v)) for v in p], n)
                for s, t, p in zip(sources, targets, proxy, strict=True)
            ]
            np.testing.assert_allclose(got[n - 1].T, wanted, atol=1e-12)
        assert worth(np.array(targets, float)).mean() == pytest.approx(1 / 2)


def test_equal_values_share_the_selection_whatever_the_order_of_summing():
    thirds = np.array([[0.1 + 0.2, 0.3, 0.0]])
    assert shared_best(thirds).tolist() == [[0.5, 0.5, 0.0]]


def test_a_rule_that_scores_can_only_rise_in_its_own_score():
    random = np.random.default_rng(2)
    scores, points = random.normal(size=(50, 5)), random.random((50, 5, 5))
    own = curve(scores, points, scores, 5)[:, 2]
    assert (np.diff(own, axis=0) >= -1e-12).all()
    np.testing.assert_allclose(own[-1], scores.max(axis=1))


# ---- through a store


def crowd(folder, name, turned):
    """30 prompts with four responses, two humans and a judge; some comparisons stored as (b, a)."""
    random = np.random.default_rng(3)
    pairs, labels, prompts = [], [], []
    words = ("good", "fine", "bad", "poor", "long", "short")
    for prompt in range(30):
        said = [" ".join(random.choice(words, size=5)) + f" {prompt} {r}" for r in range(4)]
        for r, s in combinations(range(4), 2):
            item, flip = len(pairs), turned and (prompt + r + s) % 2
            marks = random.choice(["a", "b", "t"], size=3, p=[0.5, 0.3, 0.2])
            other = {"a": "b", "b": "a", "t": "t"}
            pairs.append((said[s], said[r]) if flip else (said[r], said[s]))
            prompts.append(prompt)
            for who, mark in zip(("h1", "h2", "j"), marks, strict=True):
                labels.append(label(item, who, other[mark] if flip else mark))
    return store_of(folder / f"{name}.duckdb", labels, KINDS, n_items=len(pairs),
                    responses=pairs, prompts=prompts)  # fmt: skip


def test_nothing_hangs_on_which_response_is_called_a(tmp_path):
    one, other = (
        best_of(crowd(tmp_path, name, turned), "d", train_on=("humans", "j"), recipe=SMALL)
        for name, turned in (("one", False), ("other", True))
    )
    check(one.rows)
    assert {row.subject for row in one.rows} == {
        "j", "reward model on humans", "reward model on j", LONGER, CHANCE, ONE_HUMAN,
    }  # fmt: skip
    assert len(one.rows) == len(other.rows)
    for mine, theirs in zip(one.rows, other.rows, strict=True):
        for name in ("estimate", "low", "high"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name), abs=1e-7)
        assert replace(mine, estimate=0, low=0, high=0) == replace(
            theirs, estimate=0, low=0, high=0
        )


def test_the_command_prints_tables_sentences_and_json(tmp_path, run):
    store = crowd(tmp_path, "s", turned=False)
    code, out, err = run("best-of", "--store", store.path)
    assert code == 0, err
    assert "Selected among 4 responses, compared by two humans or more, one held out" in out
    assert "n = 4" in out
    assert "Limits: 30 prompts with 4 given responses." in out
    assert max(map(len, out.splitlines())) <= 100
    code, out, _ = run("best-of", "--store", store.path, "--json")
    said = json.loads(out)
    assert (code, said["responses"], said["prompts"]) == (0, 4, 30)
    assert said["sentences"][-1].startswith("Limits:")
    code, _, err = run("best-of", "--store", store.path, "--train-on", "nobody")
    assert (code, "no annotator 'nobody'" in err) == (3, True)


def test_without_several_responses_the_answer_says_what_is_missing(tmp_path):
    store = store_of(tmp_path / "s.duckdb", [label(i, "h1", "a") for i in range(9)],
                     {"h1": HUMAN}, n_items=9)  # fmt: skip
    with pytest.raises(
        InputError, match=r"3 responses that humans compared .*the most: 2"
    ) as error:
        best_of(store, "d")
    assert "several responses to a prompt, and human labels" in error.value.fix
    judged = store_of(tmp_path / "j.duckdb", [label(i, "j", "a") for i in range(3)],
                      {"j": JUDGE}, n_items=3, prompts=[0] * 3, responses=PAIRS)  # fmt: skip
    with pytest.raises(InputError, match="the most: 0"):
        best_of(judged, "d")


# ---- what may be said


def made(name, statistic, n, estimate, low=None, high=None, unit="share"):
    return Estimate("best_of", name, "held-out humans", "overall", statistic, "one human or more",
                    f"n={n}", estimate, low, high, 60, 40, 60, unit)  # fmt: skip


def steps(name, *each):
    """Rows of (human step, low, high, own step) from n = 2 on."""
    rows = []
    for n, (human, low, high, own) in enumerate(each, 2):
        rows.append(made(name, "selection_step", n, human, low, high, "share difference"))
        rows.append(made(name, "proxy_step", n, own, own - 0.1, own + 0.1, "sd"))
    return rows


def test_where_humans_stop_following_is_named_by_rule():
    both = (0.1, 0.05, 0.15, 0.6)
    said = list(curve_sentences([
        *steps("up", both, both), *steps("stops", both, (0.02, -0.01, 0.05, 0.3)),
        *steps("falls", both, (-0.05, -0.08, -0.02, 0.3)),
        *steps("alike", both, (0.02, -0.01, 0.05, 0.05)),
    ]))  # fmt: skip
    assert said[0] == (
        "stops: from n = 2 to 3 its own score still rises (+0.30 standard deviations), humans' "
        "preference is not shown to rise (+2 [-1, +5] points)."
    )
    assert "falls: from n = 2 to 3" in said[1]
    assert "preference falls (-5 [-8, -2] points)" in said[1]
    assert said[2] == (
        "alike: from n = 2 to 3 its own score is not shown to rise (+0.05 standard deviations): "
        "no step to follow."
    )
    assert said[3].startswith("With every response up to n = 3 own score and humans both rise: up;")
    assert len(said) == 4


def test_a_score_that_rises_alike_on_all_prompts_rises():
    rows = steps("ranks", (0.1, 0.05, 0.15, 0.6))
    rows[1] = replace(rows[1], low=None, high=None, note=NO_VARIATION)
    [said] = curve_sentences(rows)
    assert "both rise: ranks;" in said


def test_without_intervals_nothing_is_said_of_the_curve():
    rows = [replace(row, low=None, high=None) for row in steps("few", (0.1, 0, 0, 0.6))]
    assert list(curve_sentences(rows)) == [
        "Too few prompts to say how far humans follow its own score: few."
    ]


def test_a_selection_beside_the_longest():
    name = "reward model on humans"
    rows = [made(name, "selection_win_rate", 5, 0.7, 0.6, 0.8),
            made(name, "selection_best_share", 5, 0.5, 0.4, 0.6)]  # fmt: skip
    for low, high, words in ((-0.02, 0.06, "it cannot be told from taking the longest"),
                             (0.01, 0.06, "better than taking the longest"),
                             (-0.06, -0.01, "worse than taking the longest")):  # fmt: skip
        gap = made(name, "selection_difference", 5, 0.02, low, high, "share difference")
        said = selection_sentence([*rows, gap], name)
        assert words in said
        assert "70% [60, 80] of the time (chance: 50%)" in said
        assert "50% [40, 60] (chance: 20%; 40 prompts)" in said


def test_who_is_not_shown_to_beat_chance_is_named():
    rows = (made("j", "selection_win_rate", 2, 0.52, 0.49, 0.55),
            made("k", "selection_win_rate", 2, 0.62, 0.59, 0.65))  # fmt: skip
    found = BestOf(rows, 2, None, 40, 0, (), "d", simulated=False)
    assert "Not shown to select better than chance: j." in list(sentences(found))


# ---- real data


@pytest.mark.real_data
def test_the_figures_of_prd(real_data, tmp_path):
    store = Store(tmp_path / "s.duckdb", create=True)
    list(ingest(store, "prd", real_data / "prd-vicuna80"))
    found = best_of(store, "prd-vicuna80", train_on=())
    check(found.rows)
    assert (found.most, found.paired_most, found.n_prompts) == (5, 4, 80)
    got = values(found)
    assert {row.n_items for row in found.rows} == {800, 480}
    assert got["gpt-4", "selection_win_rate", 5] == pytest.approx(oracle(store), abs=1e-9)
    for name in (LONGER, "gpt-4", "claude-1", "gpt-3.5-turbo", "bard", "vicuna-13b"):
        rates = [got[name, "selection_win_rate", n] for n in range(1, 6)]
        assert rates[0] == pytest.approx(0.5)
        assert rates == sorted(rates)
    paired = values(found, "two humans or more, one held out")
    assert paired[ONE_HUMAN, "selection_win_rate", 4] == pytest.approx(0.667, abs=0.002)


def oracle(store):
    """gpt-4's selection of five, from SQL and plain loops."""
    sql = """
        SELECT prompt_id, model_a, model_b, kind, avg(CASE preference WHEN 'a' THEN 1.0
               WHEN 'tie' THEN 0.5 ELSE 0.0 END)
        FROM labels JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
        WHERE response_a IS NOT NULL AND (kind = 'human' OR name = 'gpt-4') GROUP BY ALL"""
    prompts = {}
    with store.reading() as con:
        for prompt, a, b, kind, share in con.execute(sql).fetchall():
            points = prompts.setdefault(prompt, {}).setdefault(kind, {})
            points.setdefault(a, []).append(share)
            points.setdefault(b, []).append(1 - share)
    rates = []
    for each in prompts.values():
        own = {model: round(sum(shares), 6) for model, shares in each["judge"].items()}
        best = [model for model, value in own.items() if value == max(own.values())]
        rates.append(np.mean([np.mean(each["human"][model]) for model in best]))
    return np.mean(rates)
