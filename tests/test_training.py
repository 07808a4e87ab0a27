"""Preference pairs for training: what is chosen, what is left out, how prompts are split."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest

from app.browsing import WantedPairs
from data.errors import InputError
from pipelines.policy import PolicyFile, write_policy
from pipelines.route import assign, route
from pipelines.sections.view import UnparsedRule
from pipelines.training import preference_pairs
from pipelines.training_folder import check_folder, write_folder
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
    with pytest.raises(InputError, match="no annotator ''"):  # not the majority
        preference_pairs(store, "d", WantedPairs("", None, 0.0).whose(), 0.0)


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


JURY = [
    *both(0, "j", "a", "a"), *both(0, "k", "a", "t"), label(0, "h1", "b"),
    *both(1, "j", "a", "a"), *both(1, "k", "b", "b"), label(1, "h1", "b"),
    *both(2, "j", "b", "a"), *both(2, "k", "b", "b"), label(2, "h1", "b"),
    *both(3, "j", "b", "b"), *both(3, "k", "x", "x"),
    *both(4, "j", "b", "a"), *both(4, "k", "a", "a"),
]  # fmt: skip
BY_FLIP = PolicyFile(
    name="j and humans", dataset="d", criterion="overall", judges=("j",), orders=2,
    rule="order flip", human_share=0.4, threshold=0.5, humans=1, audit=1.0,
)  # fmt: skip


@pytest.fixture
def jury(tmp_path):
    kinds = {"h1": HUMAN, "j": JUDGE, "k": JUDGE}
    return store_of(tmp_path / "j.duckdb", JURY, kinds, n_items=5)


def test_a_jury_chooses_by_the_mean_of_its_members(jury):
    pairs = preference_pairs(jury, "d", "jury:j,k", 0.0)
    rows = by_number(pairs)
    # 0: (1 + 1/2) / 2; 1: a tie; 2: (0 - 1) / 2; 3: k has no verdict; 4: (0 + 1) / 2
    assert {name: row["margin"] for name, row in rows.items()} == {
        "prompt 0": 0.75, "prompt 2": 0.5, "prompt 4": 0.5,
    }  # fmt: skip
    assert [rows[f"prompt {k}"]["chosen"] for k in (0, 2)] == ["answer 0", "reply 2!"]
    assert (pairs.ties, pairs.without_label, pairs.without_verdict) == (1, 0, 1)
    assert {row["source"] for row in rows.values()} == {"jury of j, k"}
    tied = preference_pairs(jury, "d", "jury:j,k", 0.0, unparsed=UnparsedRule.TIE)
    assert by_number(tied)["prompt 3"]["margin"] == 0.5
    assert tied.without_verdict == 0
    with pytest.raises(InputError, match="no annotator 'm'"):
        preference_pairs(jury, "d", "jury:j,m", 0.0)


def test_a_policy_takes_the_human_where_it_sends_the_comparison_to_one(jury):
    with pytest.raises(InputError, match="assigned nothing in 'd'") as caught:
        preference_pairs(jury, "d", BY_FLIP, 0.0)
    assert "concord route" in caught.value.fix
    assign(jury, route(jury, BY_FLIP, "d"))
    pairs = preference_pairs(jury, "d", BY_FLIP, 0.0)
    rows = by_number(pairs)
    # j turns on 2 and 4: 2 has a human's label, 4 waits, and as it stands it is a tie; 0 and 1 are
    # audited, where the human says otherwise, and keep j's
    assert {name: (row["chosen"], row["source"]) for name, row in rows.items()} == {
        "prompt 0": ("answer 0", "j"),
        "prompt 1": ("answer 1", "j"),
        "prompt 2": ("reply 2!", "human majority"),
        "prompt 3": ("reply 3!", "j"),
    }
    assert (pairs.ties, pairs.waiting, pairs.source) == (1, 1, "j and humans")


def test_what_the_rule_cannot_look_at_has_no_label_by_the_policy(jury):
    policy = PolicyFile(
        name="two", dataset="d", criterion="overall", judges=("j", "k"), rule="judges disagree",
        human_share=0.5, threshold=0.6, humans=1,
    )  # fmt: skip
    routes = route(jury, policy, "d")
    assert routes.missing == {"a verdict of k": 1}
    assign(jury, routes)
    pairs = preference_pairs(jury, "d", policy, 0.0)
    assert "prompt 3" not in by_number(pairs)  # k has no verdict, so nobody knows where it goes
    assert pairs.without_label == 1
    tie = preference_pairs(jury, "d", policy, 0.0, unparsed=UnparsedRule.TIE)
    assert by_number(tie)["prompt 3"]["chosen"] == "reply 3!"


def test_policies_of_humans_or_judges_alone_need_no_route(jury):
    base = {"name": "p", "dataset": "elsewhere", "criterion": "overall"}
    for policy, source in (
        (PolicyFile(**base, humans=1), "majority"),
        (PolicyFile(**base, judges=("j",)), "j"),
        (PolicyFile(**base, judges=("j", "k"), jury=True), "jury:j,k"),
    ):
        found = preference_pairs(jury, "d", policy, 0.0).table
        assert found == preference_pairs(jury, "d", source, 0.0).table, source


def test_a_folder_has_the_splits_their_types_and_a_card(tmp_path, run):
    labels = [label(i, "j", "a") for i in range(60)]
    store = store_of(tmp_path / "p.duckdb", labels, {"j": JUDGE}, n_items=60)
    given = ("export", "pairs", "--store", store.path, "--pairs", "j", "--test-share", 0.5)
    code, _, err = run(*given)
    assert code == 0, err
    splits = {name: pq.read_table(tmp_path / "pairs" / "data" / f"{name}-00000-of-00001.parquet")
              for name in ("train", "test")}  # fmt: skip
    assert sum(map(len, splits.values())) == 60
    assert not set(splits["train"]["prompt"].to_pylist()) & set(
        splits["test"]["prompt"].to_pylist()
    )
    for table in splits.values():
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert list(features) == table.column_names
        assert {features[name]["dtype"] for name in ("prompt", "chosen", "rejected")} == {"string"}
        assert features["margin"] == {"dtype": "float64", "_type": "Value"}
    card = (tmp_path / "pairs" / "README.md").read_text()
    head, text = card.removeprefix("---\n").split("\n---\n")
    for name, table in splits.items():
        assert f"  - split: {name}\n    path: data/{name}-*" in head
        sizes = rf"  - name: {name}\n    num_bytes: [1-9]\d*\n    num_examples: {len(table)}\n"
        assert re.search(sizes, head + "\n")
    assert "preferred by: j;" in text
    assert "license:" not in card
    code, _, err = run(*given)
    assert (code, "pairs exists already" in err) == (3, True)
    code, _, err = run(*given[:-1], 0, "--force")
    assert code == 0, err
    assert [each.name for each in (tmp_path / "pairs" / "data").iterdir()] == [
        "train-00000-of-00001.parquet"
    ]


def test_a_folder_half_written_has_no_card_and_no_split_of_before(jury, tmp_path, monkeypatch):
    folder, pairs = tmp_path / "pairs", preference_pairs(jury, "d", "j", 0.5)
    write_folder(pairs, folder)
    before = sorted(each.name for each in folder.rglob("*.*"))
    assert "README.md" in before

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # killed before the first split is there
        patch.setattr("pipelines.training_folder.write_table", stop)
        with pytest.raises(KeyboardInterrupt):
            write_folder(pairs, folder)
    assert [each.name for each in folder.rglob("*.*")] == []
    check_folder(folder, force=True)
    write_folder(pairs, folder)
    assert sorted(each.name for each in folder.rglob("*.*")) == before


def test_a_folder_of_somebody_else_is_never_written_into(jury, run, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "README.md").write_text("# My work")
    given = ("export", "work", "--store", jury.path, "--pairs", "j")
    for more in ((), ("--force",)):
        assert run(*given, *more)[0] == 3
    assert [each.name for each in (tmp_path / "work").iterdir()] == ["README.md"]
    code, _, err = run("export", "labels", "--store", jury.path)
    assert (code, "cannot export to labels" in err) == (3, True)


def test_the_command_takes_a_policy_and_no_source_beside_it(jury, run, tmp_path):
    write_policy(BY_FLIP, tmp_path / "p.toml")
    assign(jury, route(jury, BY_FLIP, "d"))
    given = ("export", "pairs.jsonl", "--store", jury.path, "--policy", "p.toml")
    code, _, err = run(*given)
    assert code == 0, err
    assert "1 wait for a human's label" in err
    assert run(*given, "--pairs", "j", "--force")[0] == 3
