"""Preference pairs for training: what is chosen, what is left out, how prompts are split."""

from __future__ import annotations

import json

import pytest

from data.errors import InputError
from pipelines.training import preference_pairs
from tests.estimating import HUMAN, JUDGE, both, label, store_of

LABELS = [
    *(label(0, h, "a") for h in ("h1", "h2", "h3")),
    *(label(1, h, m) for h, m in (("h1", "b"), ("h2", "b"), ("h3", "t"))),
    *(label(2, h, m) for h, m in (("h1", "a"), ("h2", "b"))),  # a tie of the two
    label(3, "h1", "b"),
    *both(0, "j", "b", "b"),
    *both(3, "j", "a", "x"),  # one order has no verdict
]
KINDS = {"h1": HUMAN, "h2": HUMAN, "h3": HUMAN, "j": JUDGE}


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "s.duckdb", LABELS, KINDS, n_items=5)


def by_number(pairs):
    return {row["prompt"]: row for row in pairs.table.to_pylist()}


def test_the_majority_chooses_and_the_margin_is_how_far_from_a_tie(store):
    pairs = preference_pairs(store, "d", "majority", 0.0)
    rows = by_number(pairs)
    assert sorted(rows) == ["prompt 0", "prompt 1", "prompt 3"]
    assert (rows["prompt 0"]["chosen"], rows["prompt 0"]["rejected"]) == ("answer 0", "reply 0!")
    assert (rows["prompt 1"]["chosen"], rows["prompt 1"]["rejected"]) == ("reply 1!", "answer 1")
    assert rows["prompt 0"]["margin"] == 1
    assert rows["prompt 1"]["margin"] == pytest.approx(2 / 3)  # two of three, the third a tie
    assert (pairs.ties, pairs.without_label, pairs.without_texts) == (1, 1, 0)
    assert {row["source"] for row in rows.values()} == {"human majority"}


def test_a_judge_chooses_by_its_usable_labels(store):
    rows = by_number(preference_pairs(store, "d", "j", 0.0))
    assert {name: row["chosen"] for name, row in rows.items()} == {
        "prompt 0": "reply 0!", "prompt 3": "answer 3",
    }  # fmt: skip


def test_who_is_not_there_is_named_with_those_who_are(store):
    with pytest.raises(InputError, match="no annotator 'gpt'") as caught:
        preference_pairs(store, "d", "gpt", 0.0)
    assert "majority, h1, h2, h3, j" in caught.value.fix


def test_comparisons_without_texts_are_counted(tmp_path):
    store = store_of(tmp_path / "t.duckdb", LABELS, KINDS, n_items=5, texts=False)
    pairs = preference_pairs(store, "d", "majority", 0.0)
    assert (len(pairs.table), pairs.without_texts) == (0, 5)


def test_no_prompt_is_in_both_splits_and_every_source_has_the_same_ones(tmp_path):
    labels = [label(i, who, "a") for i in range(400) for who in ("h1", "j")]
    store = store_of(tmp_path / "p.duckdb", labels, {"h1": HUMAN, "j": JUDGE}, n_items=400,
                     prompts=[i // 2 for i in range(400)])  # fmt: skip
    split = {}
    for source in ("majority", "j"):
        for row in preference_pairs(store, "d", source, 0.3).table.to_pylist():
            assert split.setdefault(row["prompt"], row["split"]) == row["split"]
    tested = sum(each == "test" for each in split.values())
    assert 35 <= tested <= 85  # 200 prompts at .3: a binomial that is outside once in 10,000
    larger = preference_pairs(store, "d", "j", 0.5).table.to_pylist()
    assert {r["prompt"] for r in larger if r["split"] == "test"} >= {
        prompt for prompt, name in split.items() if name == "test"
    }


def test_the_command_writes_json_lines_and_says_what_is_left_out(store, run, tmp_path):
    target = tmp_path / "pairs.jsonl"
    code, out, err = run("export", target, "--store", store.path, "--pairs", "majority", "--json")
    assert code == 0, err
    assert "left out: 1 with a tie, 1 without a label" in err
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert {"prompt", "chosen", "rejected", "margin", "source", "split"} <= set(rows[0])
    assert json.loads(out)["train"] + json.loads(out)["test"] == len(rows) == 3
    code, _, err = run("export", target, "--store", store.path, "--pairs", "majority")
    assert (code, "exists already" in err) == (3, True)
