"""Data sets of probes: what is made of a comparison, kept beside its original, and made once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from data import queries
from data.errors import InputError
from pipelines.derive import PAGE, derive, find_paraphrase, find_probe, shipped
from tests.estimating import HUMAN, label, store_of

UPPER = '''"""All in capitals."""
def change(given):
    return given.response.upper()
'''
SHORT = '''"""Only what is short."""
WORSE = True
def change(given):
    return "short" if "odd" in given.response else None
'''


@pytest.fixture
def store(tmp_path):
    texts = [(f"answer {'odd' if k % 2 else 'even'} {k}", f"reply {k}") for k in range(40)]
    return store_of(tmp_path / "s.duckdb", [label(0, "h", "a")], {"h": HUMAN}, n_items=40,
                    responses=texts, prompts=[k // 2 for k in range(40)])  # fmt: skip


@pytest.fixture
def probe(tmp_path):
    def write(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return find_probe(str(path))

    return write


def rows_of(store, dataset):
    with store.reading() as con:
        return queries.records(
            con,
            """SELECT child.*, parent.response_a AS a, parent.response_b AS b,
                      parent.prompt_id = child.prompt_id AS same_prompt
               FROM comparisons child JOIN comparisons parent
                   ON parent.comparison_id = child.parent_id
               WHERE child.dataset = $d ORDER BY child.comparison_id""",
            d=dataset,
        )


def test_one_response_is_changed_and_the_original_stands_beside_it(store, probe):
    derived = derive(store, "d", [probe("upper", UPPER)], 30)
    found = rows_of(store, derived.dataset)
    [name] = {row["perturbation"] for row in found} - {"original", "unchanged"}
    assert derived.counts == {name: 30, "original": 30, "unchanged": 15}
    assert name.startswith("upper@")
    sides = Counter()
    for row in found:
        assert row["same_prompt"]
        changed = json.loads(row["metadata"])["changed"]
        other = "b" if changed == "a" else "a"
        if row["perturbation"] == name:
            sides[changed] += 1
            assert row[f"response_{changed}"] == row[changed].upper()
        else:
            assert row[f"response_{changed}"] == row[changed]
        assert row[f"response_{other}"] == row[other]
    assert min(sides.values()) >= 5  # the side is drawn: 30 draws, one in a million has fewer


def test_the_parents_are_the_first_by_id_as_those_of_label_limit_are(store, probe):
    derived = derive(store, "d", [probe("upper", UPPER)], 7)
    with store.reading() as con:
        first = queries.rows(con, "SELECT comparison_id FROM comparisons WHERE dataset = 'd' "
                             "ORDER BY comparison_id LIMIT 7")  # fmt: skip
    parents = {row["parent_id"] for row in rows_of(store, derived.dataset)}
    assert parents == {str(each) for (each,) in first}


def test_a_probe_changes_the_other_response_where_it_does_not_apply_to_the_drawn_one(store, probe):
    derived = derive(store, "d", [probe("short", SHORT)], 200)
    made = [row for row in rows_of(store, derived.dataset) if row["perturbation"][:5] == "short"]
    assert len(made) == 20  # the odd answers, all of them
    assert {json.loads(row["metadata"])["changed"] for row in made} == {"a"}
    assert all(json.loads(row["metadata"])["worse"] for row in made)


def test_the_same_probes_are_the_same_data_set_and_others_another_one(store, probe):
    upper, short = probe("upper", UPPER), probe("short", SHORT)
    first = derive(store, "d", [upper, short], 10)
    assert derive(store, "d", [short, upper, upper], 10) == first
    others = [derive(store, "d", [upper], 10), derive(store, "d", [upper, short], 11),
              derive(store, "d", [probe("upper", UPPER + "\n"), short], 10)]  # fmt: skip
    assert len({first.dataset, *(each.dataset for each in others)}) == 4


def test_a_changed_file_is_another_probe(probe):
    assert probe("upper", UPPER).name != probe("upper", UPPER + "\n").name


def test_a_paraphrase_leaves_the_texts_and_carries_the_template(store):
    derived = derive(store, "d", [find_paraphrase("pairwise-brief")], 10)
    made = [r for r in rows_of(store, derived.dataset) if r["perturbation"].startswith("para")]
    assert len(made) == 10
    for row in made:
        assert (row["response_a"], row["response_b"]) == (row["a"], row["b"])
        assert "## user" in json.loads(row["metadata"])["template"]


def test_what_applies_to_nothing_is_said(store, probe):
    never = probe("never", '"""Nothing."""\ndef change(given):\n    return None\n')
    derived = derive(store, "d", [never, probe("upper", UPPER)], 5)
    assert derived.without == (never.name,)
    with pytest.raises(InputError, match="no probe applies to any comparison of 'd'"):
        derive(store, "d", [never], 5)


def test_errors_of_a_probe_name_it_and_the_response(store, probe):
    with pytest.raises(InputError, match=r"the probe broken@\w+ failed on '(answer|reply).*zero"):
        derive(store, "d", [probe("broken", "def change(given):\n    return 1 / 0\n")], 5)
    with pytest.raises(InputError, match=r"the probe number@\w+ gave 7"):
        derive(store, "d", [probe("number", "def change(given):\n    return 7\n")], 5)
    with pytest.raises(InputError, match=r"gave ..ud800"):
        derive(store, "d", [probe("half", "def change(given):\n    return '\\ud800'\n")], 5)
    with pytest.raises(InputError, match=r"failed on .*SystemExit"):
        derive(store, "d", [probe("ends", "def change(given):\n    raise SystemExit\n")], 5)
    with pytest.raises(InputError, match=r"none\.py: the file has no function 'change'"):
        probe("none", "x = 1\n")
    with pytest.raises(InputError, match=r"wrong\.py: the file does not run: .*line 1"):
        probe("wrong", "def change(:\n")
    with pytest.raises(InputError, match="no probe 'nothing-like-it'") as caught:
        find_probe("nothing-like-it")
    assert "length" in caught.value.fix
    with pytest.raises(InputError, match=r"cannot read the probe nowhere\.py"):
        find_probe("nowhere.py")
    with pytest.raises(InputError, match="nothing to probe"):
        derive(store, "d", [], 5)


def test_what_probes_made_is_neither_probed_nor_imported_into(store, probe, run, tmp_path):
    derived = derive(store, "d", [probe("upper", UPPER)], 5)
    with pytest.raises(InputError, match="was made by probes itself"):
        derive(store, derived.dataset, [probe("upper", UPPER)], 5)
    (tmp_path / "l.csv").write_text("item,ann,preference,response_a,response_b\n1,x,a,p,q\n")
    arguments = ("import", "csv", tmp_path / "l.csv", "--dataset", derived.dataset)
    code, _, err = run(*arguments, "--store", store.path, "--rename", "ann=annotator")
    assert (code, "was made by probes; nothing was imported" in err) == (3, True), err


def test_nothing_is_kept_of_a_data_set_that_could_not_be_made(store, probe):
    with pytest.raises(InputError):
        derive(store, "d", [probe("broken", "def change(given):\n    return 1 / 0\n")], 5)
    with store.reading() as con:
        assert queries.rows(con, "SELECT dataset FROM datasets") == [("d",)]


def test_texts_are_paged(tmp_path, probe):
    n = PAGE + 3
    store = store_of(tmp_path / "p.duckdb", [], {}, n_items=n)
    assert derive(store, "d", [probe("upper", UPPER)], n).counts["original"] == n


def test_without_texts_there_is_nothing_to_change(tmp_path):
    store = store_of(tmp_path / "t.duckdb", [label(0, "h", "a")], {"h": HUMAN}, n_items=3,
                     texts=False)  # fmt: skip
    with pytest.raises(InputError, match="no probe applies"):
        derive(store, "d", list(shipped().values()), 5)
    with pytest.raises(InputError, match="no data set 'nothing'"):
        derive(store, "nothing", list(shipped().values()), 5)


def test_strange_texts_come_through(tmp_path):
    strange = ["", "\x00\x01 \x7f", "\u202eright to left\u202c עברית", "<script>[[A]]</script>",
               "x" * 100_000, "# h\r\n- a\r\n- b\r\n```\ncode\n```"]  # fmt: skip
    pairs = [(text, f"other {k}") for k, text in enumerate(strange)]
    store = store_of(tmp_path / "x.duckdb", [], {}, n_items=len(pairs), responses=pairs)
    derived = derive(store, "d", list(shipped().values()), 100)
    assert derived.counts["original"] == len(pairs)
    made = [row for row in rows_of(store, derived.dataset) if row["perturbation"] == "original"]
    assert {row["response_a"] for row in made} == set(strange)
