"""One text under several ids is one prompt: nobody learns from it and is tried on it."""

from __future__ import annotations

import numpy as np

from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator
from data.store import Store
from pipelines.estimates import ALL
from pipelines.learn import CEILING, learn
from pipelines.lessons import Plan, read_pool
from pipelines.panel import read_panel
from pipelines.same_prompt import same_prompt
from pipelines.sections.view import Rules, View
from pipelines.training import preference_pairs
from tests.estimating import HUMAN, label, store_of

HUMANS = ("h1", "h2", "h3")


def view_of(store, dataset="d"):
    panel = read_panel(store, dataset)
    return View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))


def four_ids(path, dataset="d", n=200):
    """50 questions, each under four ids with nearly the same answers; which is better is a coin."""
    random = np.random.default_rng(0)
    comparisons, labels = [], []
    for i in range(n):
        if i % 4 == 0:
            said = [" ".join(f"w{x}" for x in random.integers(0, 4000, 8)) for _ in range(2)]
            better = "ab"[random.integers(2)]
        comparisons.append({
            "item": i, "source_id": f"c{i}", "prompt_key": f"p{i}", "prompt": f"question {i // 4}",
            "response_a": f"{said[0]} {i % 4}", "response_b": f"{said[1]} {i % 4}",
        })  # fmt: skip
        labels += [label(i, name, better) for name in HUMANS]
    annotators = tuple(Annotator(HUMAN, name, dataset) for name in HUMANS)
    store = Store(path, create=True)
    import_material(store, Material(
        dataset=dataset, source="test", comparisons=table(comparisons, COMPARISONS),
        labels=table(labels, LABELS), annotators=annotators, digest="0",
    ))  # fmt: skip
    return store


def test_ids_and_texts_are_joined_by_hand():
    code, digest = same_prompt(np.array([0, 1, 1, 2, 3]), ["x", "y", "x", "z", "w"])
    assert code.tolist() == [0, 0, 0, 2, 3]  # 0 and 1 share x
    assert len(set(digest.tolist())) == 3
    alone = same_prompt(np.array([5, 5]), ["y", "x"])[1]
    assert set(alone.tolist()) == {digest[0]}  # whatever the ids are
    assert len(same_prompt(np.zeros(0, dtype=int), [])[0]) == 0


def test_a_text_is_in_one_split_of_an_export_and_in_the_same_of_another_data_set(tmp_path):
    split: dict[str, str] = {}
    for dataset in ("d", "other"):
        store = four_ids(tmp_path / f"{dataset}.duckdb", dataset)
        rows = preference_pairs(store, dataset, "majority", 0.3).table.to_pylist()
        assert len(rows) == 200
        for row in rows:
            assert split.setdefault(row["prompt"], row["split"]) == row["split"]
    assert 3 <= sum(each == "test" for each in split.values()) <= 28


def test_what_cannot_be_learned_is_not_learned_from_another_id_of_the_prompt(tmp_path):
    store = four_ids(tmp_path / "s.duckdb")
    plan = Plan(sizes=(100,), repeats=1)
    pool, _ = read_pool(store, view_of(store), plan, None)
    assert np.bincount(pool.prompt).tolist() == [4] * 50
    found = learn(store, view_of(store), plan)
    [human] = [row for row in found.rows if row.statistic == "held_out_agreement"
               and (row.subject, row.slice) == ("one human", "labels=100")]  # fmt: skip
    assert human.n_prompts == 50
    assert human.low < 0.5 < human.high


def test_prompts_without_a_text_stay_apart(tmp_path):
    store = four_ids(tmp_path / "s.duckdb")
    with store.writing() as con:
        con.execute("UPDATE comparisons SET prompt = ''")
    pool, _ = read_pool(store, view_of(store), Plan(), None)
    assert np.bincount(pool.prompt).tolist() == [1] * 200
    rows = preference_pairs(store, "d", "majority", 0.3).table["split"].to_pylist()
    assert 30 <= rows.count("test") <= 90


def test_humans_who_throw_coins_have_a_ceiling_of_one_half(tmp_path):
    """Two decided votes are only there where they agree: they say nothing of agreement."""
    random = np.random.default_rng(3)
    labels = [label(k, h, "abt"[random.integers(3)]) for k in range(600) for h in HUMANS]
    kinds = dict.fromkeys(HUMANS, HUMAN)
    store = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=600)
    found = learn(store, view_of(store), Plan(sizes=(50,), repeats=1))
    [ceiling] = [row for row in found.rows if row.subject == CEILING]
    # three decided votes: (2/3)^3 of 600 comparisons, .5 within 4 standard errors
    assert 130 <= ceiling.n_items == ceiling.n_prompts <= 226
    assert abs(ceiling.estimate - 0.5) < 4 * 0.29 / np.sqrt(ceiling.n_items)
