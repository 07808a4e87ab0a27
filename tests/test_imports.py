"""Material into the store: nothing twice, nothing half, every conflict shown."""

import dataclasses

import pytest

from data import queries
from data.errors import InputError
from data.formats.material import COMPARISONS, LABELS, Material, Skipped, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store, first_row
from data.upkeep import remove_dataset, what_removing_takes


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s.duckdb", create=True)


def comparison(item, **changes):
    return {
        "item": item,
        "source_id": f"s{item}",
        "prompt": f"prompt {item // 2}",
        "response_a": f"response a {item}",
        "response_b": f"response b {item}",
        **changes,
    }


def material(comparisons, labels, dataset="d", digest="1", **changes):
    names = dict.fromkeys(label["annotator"] for label in labels)
    return Material(
        dataset,
        "file.csv",
        table(comparisons, COMPARISONS),
        table(labels, LABELS),
        tuple(Annotator(AnnotatorKind.HUMAN, name, dataset) for name in names),
        digest,
        **changes,
    )


def label(item, annotator, preference, **changes):
    return {"item": item, "annotator": annotator, "preference": preference, **changes}


def count(store, name):
    with store.reading() as con:
        return first_row(con, f"SELECT count(*) FROM {name}")[0]


BASIC = material(
    [comparison(0), comparison(1), comparison(2)],
    [label(0, "ann", "a"), label(1, "ann", "tie"), label(0, "bob", "b"), label(2, "bob", "b")],
)


def test_what_came_in_is_counted_and_stored(store):
    skipped = (Skipped("empty", 2, "line 5"),)
    result = import_material(store, dataclasses.replace(BASIC, skipped=skipped))
    assert (result.comparisons_new, result.labels_new) == (3, 4)
    assert (result.comparisons_known, result.labels_known) == (0, 0)
    assert result.annotators == ("ann", "bob")
    assert result.skipped == skipped
    assert count(store, "labels") == 4
    with store.reading() as con:
        prompts = first_row(con, "SELECT count(DISTINCT prompt_id) FROM comparisons")
    assert prompts == (2,)


def test_importing_twice_adds_nothing(store):
    import_material(store, BASIC)
    again = import_material(store, BASIC)
    assert (again.comparisons_new, again.labels_new) == (0, 0)
    assert (again.comparisons_known, again.labels_known) == (3, 4)
    assert [count(store, name) for name in ("comparisons", "labels", "annotators")] == [3, 4, 2]
    assert count(store, "imports") == 1


def test_a_grown_file_adds_what_is_new(store):
    import_material(store, BASIC)
    grown = material([comparison(0), comparison(9)], [label(0, "cyd", "a"), label(9, "ann", "b")])
    result = import_material(store, grown)
    assert (result.comparisons_new, result.labels_new) == (1, 2)
    assert [count(store, name) for name in ("comparisons", "labels", "annotators")] == [4, 6, 3]


def test_the_same_name_in_two_data_sets_is_two_annotators(store):
    import_material(store, BASIC)
    import_material(store, material([comparison(0)], [label(0, "ann", "a")], dataset="e"))
    assert count(store, "annotators") == 3
    assert count(store, "comparisons") == 4


def test_a_swapped_twin_keeps_its_own_id(store):
    twin = comparison(1, response_a="response b 0", response_b="response a 0", prompt="prompt 0")
    import_material(store, material([comparison(0), twin], [label(0, "ann", "a")]))
    assert count(store, "comparisons") == 2


def test_without_texts_the_source_id_is_the_identity(store):
    bare = [{"item": k, "source_id": f"s{k}"} for k in range(2)]
    import_material(store, material(bare, [label(0, "ann", "a"), label(1, "ann", "b")]))
    with store.reading() as con:
        rows = con.execute("SELECT response_a, prompt_id FROM comparisons").fetchall()
    assert [row[0] for row in rows] == [None, None]
    assert len({row[1] for row in rows}) == 2


def test_a_contradiction_in_the_file_shows_both_lines_and_imports_nothing(store):
    labels = [label(0, "ann", "a", line=2), label(1, "ann", "a", line=3),
              label(0, "ann", "b", line=7)]  # fmt: skip
    with pytest.raises(InputError) as error:
        import_material(store, material([comparison(0), comparison(1)], labels))
    assert "'ann' labels comparison 's0' twice" in error.value.what
    assert "a (file.csv, line 2)" in error.value.what
    assert "b (file.csv, line 7)" in error.value.what
    assert "--repeat" in error.value.fix
    assert [count(store, name) for name in ("comparisons", "labels", "datasets")] == [0, 0, 0]


def test_a_contradiction_with_the_store(store):
    import_material(store, BASIC)
    other = material([comparison(0)], [label(0, "ann", "tie", line=9)], digest="2")
    with pytest.raises(InputError, match=r"a \(in the store\) and tie \(file.csv, line 9\)"):
        import_material(store, other)
    assert count(store, "labels") == 4


def test_an_exact_duplicate_is_one_label(store):
    result = import_material(
        store, material([comparison(0)], [label(0, "ann", "a"), label(0, "ann", "a")])
    )
    assert (result.labels_new, result.labels_known) == (1, 1)


def test_repeat_keeps_a_second_label_and_stays_idempotent(store):
    import_material(store, BASIC)
    second = material(
        [comparison(0), comparison(1)],
        [label(0, "ann", "b", line=2), label(1, "ann", "tie", line=3)],
        digest="2",
    )
    assert import_material(store, second, repeat=True).labels_new == 2
    assert import_material(store, second, repeat=True).labels_new == 0
    with store.reading() as con:
        repeats = con.execute(
            "SELECT preference, repeat FROM labels JOIN annotators USING (annotator_id) "
            "WHERE name = 'ann' ORDER BY repeat, preference"
        ).fetchall()
    assert repeats == [("a", 0), ("tie", 0), ("b", 1), ("tie", 1)]


def test_repeats_within_one_file_are_numbered_in_order(store):
    labels = [label(0, "ann", p, line=k) for k, p in enumerate("aba", start=2)]
    import_material(store, material([comparison(0)], labels), repeat=True)
    with store.reading() as con:
        rows = con.execute("SELECT repeat, preference FROM labels ORDER BY repeat").fetchall()
    assert rows == [(0, "a"), (1, "b"), (2, "a")]


def test_both_orders_are_two_labels(store):
    labels = [label(0, "ann", "a", shown="ab"), label(0, "ann", "b", shown="ba")]
    assert import_material(store, material([comparison(0)], labels)).labels_new == 2


def test_labels_refer_to_known_comparisons_by_id(store):
    import_material(store, BASIC)
    only = [{"item": 0, "source_id": "s2"}]
    refers = material(only, [label(0, "cyd", "a", line=2)], digest="2", refers=True)
    assert import_material(store, refers).labels_new == 1
    with store.reading() as con:
        row = first_row(
            con,
            "SELECT response_a FROM labels JOIN comparisons USING (comparison_id) "
            "JOIN annotators USING (annotator_id) WHERE name = 'cyd'",
        )
    assert row == ("response a 2",)


def test_an_unmatched_id_is_an_error_with_its_line(store):
    import_material(store, BASIC)
    items = [{"item": 0, "source_id": "s0"}, {"item": 1, "source_id": "nope"}]
    labels = [label(0, "cyd", "a", line=2), label(1, "cyd", "b", line=3)]
    with pytest.raises(InputError, match=r"no comparison 'nope' \(file.csv, line 3\)"):
        import_material(store, material(items, labels, digest="2", refers=True))
    assert count(store, "labels") == 4


def test_changed_texts_behind_a_known_id(store):
    import_material(store, BASIC)
    changed = material([comparison(0, response_a="new")], [label(0, "ann", "a")], digest="2")
    with pytest.raises(InputError, match="'s0' is in the data set 'd' with other texts"):
        import_material(store, changed)


def test_one_id_for_two_comparisons_in_a_file(store):
    twice = [comparison(0), comparison(1, source_id="s0")]
    with pytest.raises(InputError, match="'s0' stands for two different comparisons"):
        import_material(store, material(twice, [label(0, "ann", "a")]))


def test_empty_responses_are_texts(store):
    empty = comparison(0, response_a="")
    import_material(store, material([empty], [label(0, "ann", "b")]))
    with store.reading() as con:
        assert first_row(con, "SELECT response_a FROM comparisons") == ("",)


def test_an_impossible_label_is_refused_by_the_store(store):
    from data.errors import StoreError

    broken = material([comparison(0)], [label(0, "ann", "a", status="failed")])
    with pytest.raises(StoreError):
        import_material(store, broken)
    assert count(store, "comparisons") == 0


def test_removing_a_data_set_leaves_the_others(store):
    import_material(store, BASIC)
    import_material(store, material([comparison(0)], [label(0, "ann", "a")], dataset="e"))
    assert what_removing_takes(store, "d").labels == 4
    removed = remove_dataset(store, "d")
    assert (removed.comparisons, removed.labels) == (3, 4)
    assert [count(store, n) for n in ("comparisons", "labels", "annotators", "datasets")] == [1] * 4
    assert import_material(store, BASIC).labels_new == 4
    with pytest.raises(InputError, match="no data set 'nope'"):
        what_removing_takes(store, "nope")


def test_a_user_query_reads_only(store, tmp_path):
    import_material(store, BASIC)
    secret = tmp_path / "secret.csv"
    secret.write_text("x\n1\n")
    with store.reading() as con:
        assert queries.query_user_sql(con, "SELECT count(*) AS n FROM labels", 5).to_pylist() == [
            {"n": 4}
        ]
    for bad in ("DROP TABLE labels", f"FROM '{secret}'", "SELEKT", "SET threads = 1",
                "COPY labels TO 'x.csv'", "SET enable_external_access = true"):  # fmt: skip
        with store.reading() as con, pytest.raises(InputError):
            queries.query_user_sql(con, bad, 5)
    with store.reading() as con:
        assert queries.query_user_sql(con, "FROM labels", 2).num_rows == 2
