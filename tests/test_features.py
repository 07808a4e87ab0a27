"""Features of responses: what is counted, where it is kept, and what judges make of it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from data.errors import InputError
from data.feature_values import add_feature, count_missing, stored_values
from data.features import FEATURES
from data.schema import MIGRATIONS, migrate
from data.upkeep import remove_dataset
from pipelines.compare import compare
from pipelines.estimates import Estimate
from pipelines.features import (
    add_python_feature,
    add_sql_feature,
    fill_features,
    read_features,
)
from pipelines.multiplicity import clear_of_zero
from pipelines.panel import read_panel
from pipelines.sections.view import ONE_HUMAN, Rules
from pipelines.stats.features import parts_of, richer_counts, scaled, turned
from tests.estimating import HUMAN, JUDGE, both, label, store_of

OF = {feature.name: feature.of for feature in FEATURES}
MARKDOWN = """# A title

Perhaps **this** helps, and I think `that` may too!

- one
* two
3. three
    4) four

```python
print("- no item? yes, in code lines are not told apart")
```
Please let me know!! Is it clear?"""


def of(name, text):
    return OF[name](pa.array([text], pa.string()))[0].as_py()


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("words", 40),
        ("list items", 4),
        ("headings", 1),
        ("bold", 1),
        ("code", 3),
        ("hedges", 3),
        ("refusal", 0),
        ("exclamation marks", 3),
        ("questions", 2),
        ("politeness", 2),
    ],
)
def test_each_feature_of_a_text_counted_by_hand(name, n):
    assert of(name, MARKDOWN) == n
    assert of(name, "") == 0
    assert of(name, None) is None


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", 1),
        ("I\u2019m sorry. As an AI, I have no body.", 1),
        ("I cannot provide it.", 1),
        ("You cannot provide it.", 0),
        ("She was sorry.", 0),
    ],
)
def test_refusals(text, refuses):
    assert of("refusal", text) == refuses


def test_text_of_every_kind_passes_through_in_linear_time():
    texts = [
        "",
        " \t\n\u00a0",
        "\u202eright to left \u05d0\u05d1",
        "\x00\x07\x1b[31m",
        "<script>alert(1)</script>",
        "a" * 100_000,
        "*" * 100_000,
        "`" * 100_001,
        "# " * 50_000,
        "\U0001f600" * 1000,
        "I " * 50_000,
    ]
    start = time.process_time()
    for feature in FEATURES:
        found = feature.of(pa.array(texts))
        assert found.null_count == 0
        assert np.isfinite(found.to_numpy()).all()
    assert time.process_time() - start < 20  # no expression backtracks
    assert of("words", texts[1]) == 0


def test_richer_by_hand():
    counts = np.array([[2, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 0]], dtype=float)
    found = richer_counts(counts, np.array([0.5, -2, 0, np.nan]))
    assert found.tolist() == [[2, 3], [1, 2], [0, 0], [0, 0]]
    assert np.array_equal(found, richer_counts(counts[:, ::-1], np.array([-0.5, 2, 0, np.nan])))


def test_scaled_is_not_centred_and_turned_names_no_slot():
    x = np.array([[0.0, 3.0], [0.0, -3.0], [2.0, 1.0], [-2.0, 1.0], [0.0, 0.0]])
    assert (scaled(x) ** 2).mean(axis=0) == pytest.approx([1, 1])
    assert turned(x).tolist() == [False, True, False, True, False]


def test_parts_by_the_size_of_the_difference():
    assert parts_of(np.array([-1.0, 2, 0, np.nan, -3, 4, 5])).tolist() == [0, 1, -1, -1, 2, 3, 4]
    assert parts_of(np.array([1.0, -1, 1, 0])).tolist() == [0, 0, 0, -1]
    assert parts_of(np.zeros(3)).tolist() == [-1, -1, -1]


# in the store


def small(tmp_path, responses, **more):
    n = len(responses)
    labels = [label(i, "h", "a") for i in range(n)]
    return store_of(tmp_path / "s.duckdb", labels, {"h": HUMAN}, n_items=n, responses=responses,
                    **more)  # fmt: skip


def test_features_are_counted_once_and_kept(tmp_path):
    store = small(tmp_path, [("one two", "one!"), ("", "- x")])
    told = []
    assert count_missing(store, "d") == 2
    assert fill_features(store, "d", lambda *progress: told.append(progress)) == 2
    assert told == [(2, 2)]
    assert fill_features(store, "d") == 0
    with store.reading() as con:
        rows = stored_values(con, "d").to_pylist()
    assert len(rows) == 2 * len(FEATURES)
    words = {(r["a"], r["b"]) for r in rows if r["feature"] == "words"}
    assert words == {(2, 1), (0, 2)}
    panel = read_panel(store, "d")
    read_features(store, panel)
    assert sorted(panel.features["words"]) == pytest.approx(sorted([np.log(3 / 2), -np.log(3)]))
    remove_dataset(store, "d")
    with store.reading() as con:
        assert con.execute("SELECT count(*) FROM features").fetchall() == [(0,)]


def test_an_older_definition_is_counted_again(tmp_path):
    store = small(tmp_path, [("one two", "one!")])
    fill_features(store, "d")
    with store.writing() as con:
        con.execute("UPDATE features SET version = 'older', a = 99")
    assert fill_features(store, "d") == 1
    with store.reading() as con:
        assert con.execute("SELECT count(*), max(a) FROM features").fetchall() == [(10, 2.0)]


def test_pages_of_long_texts_hold_few_comparisons(tmp_path, monkeypatch):
    monkeypatch.setattr("data.feature_values.CHARACTERS", 10)
    store = small(tmp_path, [(f"text {i}", "x" * 20) for i in range(5)])
    told = []
    fill_features(store, "d", lambda done, of: told.append((done, of)))
    assert told == [(k, 5) for k in range(1, 6)]


def test_a_store_of_the_version_before_gets_the_table(tmp_path):
    import duckdb

    con = duckdb.connect(str(tmp_path / "old.duckdb"))
    migrate(con, MIGRATIONS[:2])
    assert migrate(con)[0] == "features of responses"
    con.close()


def test_a_users_own_feature(tmp_path):
    store = small(tmp_path, [("ab", "abc"), ("x", "")])
    vowels = lambda texts: pa.array([t.count("a") * 1.0 for t in texts.to_pylist()])  # noqa: E731
    assert add_feature(store, "d", "vowels", "1", vowels) == 2
    assert add_feature(store, "d", "vowels", "1", vowels) == 0
    assert add_feature(store, "d", "vowels", "2", vowels) == 2
    panel = read_panel(store, "d")
    read_features(store, panel)
    assert panel.features["vowels"].tolist() == [0.0, 0.0]
    fill_features(store, "d")
    read_features(store, panel)
    assert len(panel.features) == len(FEATURES) + 1
    with pytest.raises(InputError, match="own features"):
        add_feature(store, "d", "words", "1", vowels)


def test_a_users_sql_and_python(tmp_path):
    store = small(tmp_path, [("a1 b2", "abc"), ("x", "")])
    assert add_sql_feature(store, "d", "digits", "length(regexp_replace(text, '[^0-9]', '', 'g'))")
    assert add_python_feature(store, "d", "size", "size", "def size(text):\n    return len(text)")
    panel = read_panel(store, "d")
    read_features(store, panel)
    assert sorted(panel.features["digits"]) == [0.0, 2.0]
    assert sorted(panel.features["size"]) == [1.0, 2.0]


def test_the_command_adds_lists_and_removes(run, tmp_path):
    store = small(tmp_path, [("a1 b2", "abc"), ("x", "")])
    (tmp_path / "mine.py").write_text("def size(text):\n    return len(text)\n")
    where = ("features", "--store", store.path)
    code, out, err = run(*where, "--add", "size", "--python", "mine.py:size")
    assert (code, "counted on 2" in err, "next: concord report" in err) == (0, True, True)
    assert "your own" in out
    assert run(*where, "--remove", "size", "--json")[0] == 0
    code, out, err = run(*where, "--remove", "size")
    assert (code, "none" in err) == (3, True)
    assert run(*where, "--add", "size")[0] == 3
    assert run(*where, "--sql", "1")[0] == 3


@pytest.mark.parametrize(
    ("add", "definition", "message"),
    [
        (add_sql_feature, ["foo(text)"], "foo does not exist"),
        (add_sql_feature, ["count(text)"], "single text"),
        (add_sql_feature, ["(SELECT count(*) FROM read_text('/etc/passwd'))"], "failed"),
        (add_python_feature, ["f", "def f(text):\n    return 1 / len(text)"], "f failed on ''"),
        (add_python_feature, ["f", "def f(text):\n    return float('nan')"], "gave nan"),
    ],
)
def test_a_users_feature_that_fails_leaves_nothing(tmp_path, monkeypatch, add, definition, message):
    monkeypatch.setattr("data.feature_values.CHARACTERS", 5)  # several pages
    store = small(tmp_path, [("ab", "abc"), ("x", ""), ("abc", "d")])
    with pytest.raises(InputError, match=message):
        add(store, "d", "mine", *definition)
    with store.reading() as con:
        assert con.execute("SELECT count(*) FROM features").fetchall() == [(0,)]


# rows


def listing(i):
    """The responses of a comparison: one of them is a list."""
    return ("- x\n- y", "plain words") if i % 2 else ("plain words", "- x\n- y")


def listed(tmp_path, n=60, humans=("h", "i")):
    """Humans choose the list in two of three comparisons, the judge always."""
    labels = []
    for i in range(n):
        better = "a" if i % 2 else "b"
        other = "b" if i % 2 else "a"
        labels += [label(i, name, better if i % 3 else other) for name in humans]
        labels += both(i, "j", better, better)
    kinds = dict.fromkeys(humans, HUMAN) | {"j": JUDGE}
    return store_of(tmp_path / "s.duckdb", labels, kinds, n_items=n,
                    responses=[listing(i) for i in range(n)])  # fmt: skip


def one(rows, statistic, subject, reference):
    [found] = [
        row
        for row in rows
        if (row.statistic, row.subject, row.reference, row.slice)
        == (statistic, subject, reference, "all")
    ]
    return found


def test_l1_is_the_judge_less_humans(tmp_path):
    rows = compare(listed(tmp_path), "d", sections=("bias",))
    assert one(rows, "richer_chosen_share", "j", "list items").estimate == 1.0
    humans = one(rows, "richer_chosen_share", ONE_HUMAN, "list items")
    assert humans.estimate == pytest.approx(2 / 3)
    row = one(rows, "difference_from_humans", "j", "list items")
    assert row.estimate == pytest.approx(1 / 3)
    assert (row.n_items, row.n_labels, row.method) == (60, 120, "L1 ties=half")
    assert 0 < row.low < row.high < 1
    # nobody's responses hold headings
    assert one(rows, "difference_from_humans", "j", "headings").note


def test_who_labels_as_humans_do_differs_by_nothing(tmp_path):
    """However many humans there are, and however often they tie."""
    labels = []
    for i in range(40):
        marks = [("a", "t", "t", "b"), ("b",), ("a", "a")][i % 3]
        labels += [label(i, f"h{k}", mark) for k, mark in enumerate(marks)]
        labels += [label(i, "j", mark, repeat=k) for k, mark in enumerate(marks)]
    kinds = {f"h{k}": HUMAN for k in range(4)} | {"j": JUDGE}
    store = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=40,
                     responses=[("- x\n- y", "plain words")] * 40)  # fmt: skip
    row = one(compare(store, "d", sections=("bias",)), "difference_from_humans", "j", "list items")
    assert row.estimate == pytest.approx(0.0, abs=1e-12)


def test_the_curve_of_the_majority_and_the_judge(tmp_path):
    rows = compare(listed(tmp_path), "d", sections=("bias",))
    curve = "list items: fifth 1 of the differences"  # all differ by two items: one part
    assert one(rows, "richer_by_difference", "human majority", curve).estimate == pytest.approx(
        2 / 3
    )
    found = one(rows, "richer_by_difference", "j", curve)
    assert (found.estimate, found.n_items, found.n_labels) == (1.0, 60, 120)


def test_l2_says_why_there_is_none(tmp_path):
    rows = compare(listed(tmp_path), "d", sections=("bias",))
    row = one(rows, "adjusted_difference", "j", "list items")
    assert row.estimate is None
    assert row.note


def test_l2_needs_two_humans(tmp_path):
    rows = compare(listed(tmp_path, humans=("h",)), "d", sections=("bias",))
    assert "two humans" in one(rows, "adjusted_difference", "j", "list items").note


def test_without_intervals_there_is_no_l2(tmp_path):
    rows = compare(listed(tmp_path), "d", sections=("bias",), rules=Rules(intervals=False))
    assert one(rows, "adjusted_difference", "j", "list items").estimate is None


def difference(reference, value, low=None, high=None):
    return Estimate("bias", "j", reference, "overall", "difference_from_humans", "L1", "all",
                    value, low, high, 200, 200, 200, "share difference")  # fmt: skip


def test_what_is_clear_among_many():
    clear = difference("words", 0.2, 0.15, 0.25)
    doubtful = difference("bold", 0.03, 0.0005, 0.0595)
    none = [difference(f"feature {k}", 0.0, -0.03, 0.03) for k in range(9)]
    assert clear_of_zero([doubtful, *none, clear]) == [clear]
    assert clear_of_zero([doubtful]) == [doubtful]  # alone it is clear
    assert clear_of_zero([difference("words", 0.2)]) == []
    level = replace(difference("words", 0.06, 0.03, 0.09), method="L2 ties=half")
    assert clear_of_zero([level]) == []  # of 0, and not of the floor
    assert clear_of_zero([replace(level, estimate=0.1, low=0.08, high=0.12)])
