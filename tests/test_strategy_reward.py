"""Quality as what a reward model learns: planted words, the same as `learn`, slots, what lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data.errors import InputError
from pipelines.learn import learn
from pipelines.lessons import HUMAN as ONE
from pipelines.lessons import Plan, read_pool
from pipelines.strategy import Goal, Match, choose_strategy
from pipelines.strategy_reward import Learner
from pipelines.strategy_words import sentences
from tests.estimating import HUMAN, JUDGE, check, label, store_of
from tests.test_learn import figure, planted, view_of

QUICK = Plan(repeats=1)


def words(path, *, swapped=None, n=120, texts=True, split=()):
    """Humans like "blue", the third of them at even items only; `good` agrees, `contrary` never.

    Items `split` have a vote for each response alone.
    """
    random = np.random.default_rng(4)
    responses, labels = [], []
    for k in range(n):
        filler = [" ".join(random.choice(list("abcdefghijk"), 6)) for _ in range(2)]
        first = bool(random.integers(2)) != (swapped is not None and bool(swapped[k]))
        pair = [f"{filler[0]} blue", f"{filler[1]} red"]
        responses.append(tuple(pair if first else pair[::-1]))
        good, bad = "ab" if first else "ba"
        third = () if k in split else (("h2", good if k % 2 == 0 else bad),)
        marks = (("h0", good), ("h1", bad if k in split else good), *third,
                 ("good", good), ("contrary", bad))  # fmt: skip
        labels += [label(k, name, mark) for name, mark in marks]
    kinds = dict.fromkeys(("h0", "h1", "h2"), HUMAN) | {"good": JUDGE, "contrary": JUDGE}
    return store_of(path, labels, kinds, n_items=n, prompts=[k // 2 for k in range(n)],
                    texts=texts, responses=responses)  # fmt: skip


def chosen(store, plan=QUICK, goal=None):
    return choose_strategy(view_of(store), goal or Goal(), Match.REWARD, Learner(store, plan))


@pytest.fixture(scope="module")
def blue(tmp_path_factory):
    store = words(tmp_path_factory.mktemp("blue") / "s.duckdb")
    return view_of(store), chosen(store)


def qualities(choice):
    return {each.name: each.quality for each in choice.strategies}


def test_what_is_learned_from_each_strategy_by_hand(blue):
    """Blue matches 3 of 3 votes at even items and 2 of 3 at odd ones; red matches the rest."""
    view, choice = blue
    found = qualities(choice)
    votes = view.humans[choice.items] / view.n_humans[choice.items][:, None]
    most, least = votes.max(axis=1), votes[:, [0, 2]].min(axis=1)
    assert sorted(set(most.round(3))) == [0.667, 1.0]
    assert np.mean(found["good"] == pytest.approx(most)) == 1
    assert np.mean(found["contrary"] == pytest.approx(least)) == 1
    # the jury's two members never agree: all its labels are ties, and nothing is learned
    assert found["jury of contrary, good"] == pytest.approx(np.full(120, 0.5))
    human, contrary = found["one human"].mean(), found["contrary"].mean()
    assert found["good"].mean() >= human > 0.75
    routed = [q.mean() for name, q in found.items() if name.startswith("contrary, ")]
    assert routed
    assert all(contrary <= each <= human for each in routed)
    check(choice.rows)


def test_no_majority_of_several_and_rows_say_what_was_matched(blue):
    _, choice = blue
    assert not any("majority of" in each.name for each in choice.strategies)
    [row] = [r for r in choice.rows if (r.statistic, r.subject) == ("strategy_quality", "good")]
    assert row.reference == "held-out human votes"
    assert "reward model" in row.method
    assert "not labels" in row.method
    assert any("not the labels that are bought" in note for note in choice.notes)
    assert set(choice.needed) <= {None}  # more prompts alone would not tell
    assert "a reward model fitted to labels chosen this way matches" in " ".join(
        sentences(choice, Goal())
    )


def test_one_human_and_a_judge_are_arms_of_the_data_fitting_experiment(tmp_path):
    """All 96 labels of every training side: the same draws, fits and votes."""
    store = planted(tmp_path / "s.duckdb")
    plan = Plan(sizes=(96,), repeats=2)
    learned, found = learn(store, view_of(store), plan), qualities(chosen(store, plan))
    for name, arm in (("one human", ONE), ("contrary", "contrary")):
        assert found[name].mean() == pytest.approx(figure(learned, arm, 96).estimate), name


def test_which_response_is_called_a_changes_nothing(tmp_path, blue):
    swapped = np.random.default_rng(3).integers(0, 2, 120).astype(bool)
    one, other = blue[1], chosen(words(tmp_path / "s.duckdb", swapped=swapped))
    by_prompt = {name: np.bincount(other.prompts, q) for name, q in qualities(other).items()}
    for name, quality in qualities(one).items():
        if "learned" not in name:
            assert np.bincount(one.prompts, quality) == pytest.approx(by_prompt[name]), name


def test_what_is_left_out_is_counted(tmp_path):
    store = words(tmp_path / "s.duckdb", split=(3, 8, 20))
    choice = chosen(store)
    assert choice.n_items == 117
    assert any(note.startswith("left out: 3 comparisons without both") for note in choice.notes)
    choice = chosen(store, Plan(repeats=1, most_comparisons=60))
    pool, _ = read_pool(store, view_of(store), Plan(most_comparisons=60), None)
    assert choice.n_items == len(pool.items) <= 60
    assert any(f"left out: {117 - len(pool.items)} comparisons, by" in n for n in choice.notes)


def test_without_texts_or_a_learner_it_is_said(tmp_path):
    store = words(tmp_path / "s.duckdb", texts=False)
    with pytest.raises(InputError, match="no responses"):
        chosen(store)
    with pytest.raises(InputError, match="texts are not at hand"):
        choose_strategy(view_of(store), Goal(), Match.REWARD)
    with pytest.raises(InputError, match="prompts are needed"):
        chosen(words(tmp_path / "t.duckdb", n=20))


def test_the_command_and_its_policy(tmp_path, run):
    path, policy = tmp_path / "s.duckdb", tmp_path / "policy.toml"
    words(path)
    command = ("strategy", "--store", path, "--match", "reward")
    code, printed, said = run(*command, "--save", policy)
    assert code == 0, said
    assert "reward model matches" in " ".join(printed.split())
    assert 'match = "reward"' in policy.read_text()
    code, printed, said = run(*command, "--json")
    assert code == 0, said
    assert json.loads(printed)["match"] == "reward"
