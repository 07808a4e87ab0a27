"""CSV, JSON lines and Parquet files: what is read, what is refused, and where it says it is."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.formats import columns, json_sheet
from data.formats.material import COMPARISONS, LABELS, Material
from data.formats.tabular import COLUMNS, TabularOptions, read, template
from data.imports import import_material
from data.records import AnnotatorKind
from data.store import Store

LABEL = "source_id,annotator,preference\n"


def write(tmp_path: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_text(tmp_path: Path, content: str | bytes, name: str = "labels.csv", **said: Any):
    return read(write(tmp_path, content, name), TabularOptions(**said))


def refused(tmp_path: Path, content: str | bytes, name: str = "labels.csv", **said: Any) -> str:
    """The message and the fix of the InputError; the message names the file."""
    with pytest.raises(InputError) as error:
        read_text(tmp_path, content, name, **said)
    assert str(tmp_path / name) in error.value.what or error.value.what.startswith("--")
    assert error.value.fix
    assert "\n" not in error.value.what
    return f"{error.value.what} | {error.value.fix}"


def labels(material: Material, *names: str) -> list[tuple[Any, ...]]:
    """Labels as tuples of the named columns, with the source id in front."""
    ids = {row["item"]: row["source_id"] for row in material.comparisons.to_pylist()}
    rows = material.labels.to_pylist()
    return [(ids[row["item"]], *(row[name] for name in names)) for row in rows]


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",", end: str = "\n") -> str:
    file = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    # Python 3.11 leaves a lone carriage return unquoted, unless it is told to quote everything.
    lone = any("\r" in str(cell) for row in rows for cell in row.values())
    quoting = csv.QUOTE_ALL if lone else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(file, names, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def as_json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def in_all_formats(folder: Path, rows: list[dict[str, Any]]) -> list[Path]:
    parquet = folder / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    return [
        write(folder, as_csv(rows), "x.csv"),
        write(folder, as_csv(rows, "\t"), "x.tsv"),
        write(folder, as_json_lines(rows), "x.jsonl"),
        parquet,
    ]


FULL = [
    {
        "source_id": "p1",
        "prompt_id": "q1",
        "prompt": "Name a prime.",
        "response_a": 'The number "2",\nof course.',
        "response_b": "",
        "model_a": "m1",
        "model_b": "m2",
        "category": "maths",
        "reference": "2",
        "metadata": '{"level": 1}',
        "annotator": "ann",
        "annotator_kind": "human",
        "preference": "a",
        "shown": "ba",
        "p_a": 0.75,
        "strength": -2.5,
        "status": "ok",
        "criterion": "truth",
        "repeat": 1,
        "rationale": "=SUM(1;2)",
        "seconds": 12.5,
        "cost_usd": 0.0125,
        "sampling_probability": 0.25,
        "created_at": "2026-02-03T04:05:06.789+01:00",
    },
    {
        "source_id": "p1",
        "prompt_id": "q1",
        "prompt": "Name a prime.",
        "response_a": 'The number "2",\nof course.',
        "response_b": "",
        "model_a": "m1",
        "model_b": "m2",
        "category": "maths",
        "reference": "2",
        "metadata": '{"level": 1}',
        "annotator": "judge-1",
        "annotator_kind": "judge",
        "preference": "",
        "shown": "",
        "p_a": 0.5,
        "strength": 0.0,
        "status": "refused",
        "criterion": "",
        "repeat": 0,
        "rationale": "",
        "seconds": 0.0,
        "cost_usd": 0.0,
        "sampling_probability": 1.0,
        "created_at": "2026-02-03",
    },
]


# --- what is read -------------------------------------------------------------------------------


def test_every_documented_column_is_read(tmp_path):
    assert list(FULL[0]) == list(COLUMNS)
    material = read_text(tmp_path, as_csv(FULL), simulated=True)
    assert material.dataset == "labels"
    assert material.source == str(tmp_path / "labels.csv")
    assert material.simulated
    assert not material.refers
    assert material.comparisons.schema == COMPARISONS
    assert material.labels.schema == LABELS
    assert material.comparisons.to_pylist() == [
        {
            "item": 0,
            "source_id": "p1",
            "prompt_key": "q1",
            "prompt": "Name a prime.",
            "response_a": 'The number "2",\nof course.',
            "response_b": "",
            "model_a": "m1",
            "model_b": "m2",
            "category": "maths",
            "reference": "2",
            "metadata": '{"level": 1}',
        }
    ]
    first, second = material.labels.to_pylist()
    assert first == {
        "item": 0,
        "annotator": "ann",
        "criterion": "truth",
        "repeat": 1,
        "shown": "ba",
        "preference": "a",
        "p_a": 0.75,
        "strength": -2.5,
        "status": "ok",
        "rationale": "=SUM(1;2)",
        "seconds": 12.5,
        "cost_usd": 0.0125,
        "sampling_probability": 0.25,
        "details": None,
        "created_at": datetime(2026, 2, 3, 3, 5, 6, 789000, UTC),
        "line": 2,
    }
    assert (second["status"], second["preference"], second["shown"]) == ("refused", None, None)
    assert (second["criterion"], second["repeat"], second["rationale"]) == ("overall", 0, None)
    assert second["created_at"] == datetime(2026, 2, 3, tzinfo=UTC)
    assert second["line"] == 4  # the first row is on lines 2 and 3
    assert [(a.name, a.kind, a.dataset) for a in material.annotators] == [
        ("ann", AnnotatorKind.HUMAN, "labels"),
        ("judge-1", AnnotatorKind.JUDGE, "labels"),
    ]
    assert any("1 comparisons have an empty response" in note for note in material.notes)
    assert any("1 times in created_at name no zone" in note for note in material.notes)


def test_dates_of_all_years_with_four_digits_are_stored(tmp_path):
    dates = ["0001-01-01T00:00:00Z", "1500-02-03", "2026-02-03T04:05:06.7891239999Z", "9999-12-31"]
    rows = "".join(f"{n},ann,a,{date}\n" for n, date in enumerate(dates))
    material = read_text(tmp_path, "source_id,annotator,preference,created_at\n" + rows)
    store = Store(tmp_path / "s.duckdb", create=True)
    import_material(store, material)
    with store.reading() as con:
        times = con.execute("SELECT created_at FROM labels ORDER BY 1").fetchall()
    assert [str(time) for (time,) in times] == [
        "0001-01-01 00:00:00",
        "1500-02-03 00:00:00",
        "2026-02-03 04:05:06.789123",
        "9999-12-31 00:00:00",
    ]


def test_a_probability_of_the_other_response_is_noted_and_kept(tmp_path):
    head = "source_id,annotator,preference,p_a,status\n"
    rows = "1,j,a,0.9,\n2,j,a,0.5,\n3,j,tie,0.1,\n4,j,,0.9,refused\n5,j,b,,\n6,j,b,0.4,\n"
    fine = read_text(tmp_path, head + rows)
    assert not any("p_a" in note for note in fine.notes)
    material = read_text(tmp_path, head + rows + "7,j,a,0.49,\n8,j,b,0.9,\n")
    [note] = [note for note in material.notes if "p_a" in note]
    assert note.startswith("2 of 8 labels have a p_a that points to the other response (such as ")
    assert "labels.csv, line 8)" in note
    assert material.labels["p_a"].to_pylist()[-2:] == [0.49, 0.9]


def test_only_three_columns_are_needed_with_an_id(tmp_path):
    material = read_text(tmp_path, LABEL + "1,ann,a\n2,ann,tie\n1,bob,b\n")
    assert labels(material, "annotator", "preference", "line") == [
        ("1", "ann", "a", 2),
        ("2", "ann", "tie", 3),
        ("1", "bob", "b", 4),
    ]
    row = material.comparisons.to_pylist()[0]
    assert row["prompt"] is row["response_a"] is row["response_b"] is None
    assert set(material.labels["status"].to_pylist()) == {"ok"}
    assert any("no texts" in note for note in material.notes)


def test_without_ids_equal_texts_are_one_comparison_with_one_id_in_every_file(tmp_path):
    head = "prompt,response_a,response_b,annotator,preference\n"
    material = read_text(tmp_path, head + "p,x,y,ann,a\np,x,z,ann,a\np,x,y,bob,b\n")
    ids = material.comparisons["source_id"].to_pylist()
    assert len(set(ids)) == 2
    assert [row[0] for row in labels(material)] == [ids[0], ids[1], ids[0]]
    rows = [
        {"model_a": None, "preference": "a", "annotator": "ann"}
        | {"prompt": "p", "response_a": "x", "response_b": "z"}
    ]
    other = read_text(tmp_path, as_json_lines(rows), "other.jsonl")
    assert other.comparisons["source_id"].to_pylist() == ids[1:]


def test_an_alias_and_renamed_columns(tmp_path):
    content = "item,who,winner\n1,ann,a\n"
    material = read_text(
        tmp_path, content, rename={"who": "annotator", "winner": "preference"}, dataset="mine"
    )
    assert labels(material, "annotator", "preference") == [("1", "ann", "a")]
    assert material.dataset == "mine"


def test_an_ignored_column_is_left_out_and_its_line_breaks_still_count(tmp_path):
    content = 'source_id,junk,annotator,preference\n1,"x\n\ny",ann,a\n2,,ann,a\n'
    material = read_text(tmp_path, content, ignore=("junk",))
    assert material.labels["line"].to_pylist() == [2, 5]


def test_preferences_are_stripped_of_blanks_and_case_and_translated(tmp_path):
    content = LABEL + "1, ann ,A\n2,ann, Tie\n3,ann,1.0\n4,ann,2\n5,ann,Left\n"
    material = read_text(tmp_path, content, values={"1": "a", "2": "b", "left": "a"})
    assert [row[1:] for row in labels(material, "annotator", "preference")] == [
        ("ann", "a"),
        ("ann", "tie"),
        ("ann", "a"),
        ("ann", "b"),
        ("ann", "a"),
    ]


def test_values_are_checked(tmp_path):
    assert "--values 1=first" in refused(tmp_path, LABEL + "1,ann,1\n", values={"1": "first"})
    assert "'A' twice" in refused(tmp_path, LABEL, values={"a": "b", "A": "a"})


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write(tmp_path, bom, end, delimiter):
    rows = [
        {"source_id": "1", "annotator": "Zoë", "preference": "a", "rationale": 'x, "y"; z\t!'},
        {"source_id": "2", "annotator": "Zoë", "preference": "b", "rationale": f"one{end}two"},
        {"source_id": "3", "annotator": "Zoë", "preference": "tie", "rationale": ""},
    ]
    material = read_text(tmp_path, bom + as_csv(rows, delimiter, end).encode())
    assert labels(material, "annotator", "preference", "rationale", "line") == [
        ("1", "Zoë", "a", 'x, "y"; z\t!', 2),
        ("2", "Zoë", "b", f"one{end}two", 3),
        ("3", "Zoë", "tie", None, 5),
    ]


def test_rows_and_lines_without_content_are_skipped_and_counted(tmp_path):
    material = read_text(tmp_path, "\n" + LABEL + "\n1,ann,a\n,,\n , ,\n2,ann,b\n\n")
    assert material.labels["line"].to_pylist() == [4, 7]
    (skipped,) = material.skipped
    assert (skipped.n, skipped.example) == (4, f"{tmp_path / 'labels.csv'}, line 3")


def test_columns_without_name_may_be_empty_only(tmp_path):
    content = "source_id,annotator,preference,,\n1,ann,a,,\n"
    assert len(read_text(tmp_path, content).labels) == 1
    message = refused(tmp_path, content + "2,ann,a,,x\n")
    assert "column 5 has values (line 3) but no name" in message


def test_a_row_that_is_longer_than_a_block(tmp_path):
    long = "x" * (1 << 25)
    content = f"source_id,response_a,annotator,preference\n1,{long},ann,a\n2,y,ann,b\n"
    assert len(read_text(tmp_path, content).labels) == 2


def test_one_empty_response_is_a_response_but_an_empty_row_has_no_texts(tmp_path):
    head = "source_id,prompt,response_a,response_b,annotator,preference\n"
    material = read_text(tmp_path, head + "1,p,,y,ann,a\n2,,,,ann,a\n3,,,,ann,a\n")
    rows = material.comparisons.to_pylist()
    assert [row["response_a"] for row in rows] == ["", None, None]
    assert [row["prompt"] for row in rows] == ["p", None, None]


def test_ids_that_share_their_texts_are_noted(tmp_path):
    head = "source_id,prompt,response_a,response_b,annotator,preference\n"
    material = read_text(tmp_path, head + "1,p,x,y,ann,a\n2,p,x,y,ann,a\n3,p,x,z,ann,a\n")
    assert len(material.comparisons) == 3
    assert any(note.startswith("1 ids have the texts of another") for note in material.notes)


def test_kinds_of_annotators(tmp_path):
    head = "source_id,annotator,annotator_kind,preference\n"
    content = head + "1,ann,,a\n1,gold,aggregate,a\n1,j,Judge,a\n2,j,,a\n2,ann,,b\n"
    material = read_text(tmp_path, content, kind=AnnotatorKind.BASELINE, anonymous=True)
    assert [(a.name, a.kind.value, a.anonymous) for a in material.annotators] == [
        ("ann", "baseline", False),
        ("gold", "aggregate", False),
        ("j", "judge", False),
    ]
    crowd = read_text(tmp_path, LABEL + "1,crowd,a\n", anonymous=True)
    assert crowd.annotators[0].anonymous


def test_metadata_is_written_in_one_way(tmp_path):
    head = "source_id,metadata,annotator,preference\n"
    content = head + '1,"{""a"":1,""b"":""é""}",ann,a\n1,"{""a"": 1, ""b"": ""\\u00e9""}",bob,b\n'
    material = read_text(tmp_path, content)
    assert material.comparisons["metadata"].to_pylist() == ['{"a": 1, "b": "é"}']


def test_the_digest_is_of_the_file_and_of_how_it_is_read(tmp_path):
    content = "source_id,one,two\n1,a,b\n"
    one = read_text(tmp_path, content, wide=("one",), ignore=("two",))
    two = read_text(tmp_path, content, wide=("two",), ignore=("one",))
    again = read_text(tmp_path, content, wide=("two",), ignore=("one",), dataset="other")
    assert one.digest != two.digest == again.digest


# --- three formats, two forms -------------------------------------------------------------------


def test_all_formats_give_the_same_tables(tmp_path):
    materials = [read(path) for path in in_all_formats(tmp_path, FULL)]
    first = materials[0]
    for other in materials[1:]:
        assert other.comparisons.equals(first.comparisons)
        assert other.labels.drop_columns("line").equals(first.labels.drop_columns("line"))
        assert other.annotators == first.annotators
        assert other.notes == first.notes


def test_json_lines_take_values_as_they_are_written(tmp_path):
    rows = [
        {"source_id": 7, "annotator": "ann", "preference": 1, "metadata": {"deep": [1, {"x": 2}]}},
        {"source_id": "8", "annotator": "ann", "preference": "tie", "seconds": "2.5"},
        {"source_id": 9, "annotator": "ann", "preference": True, "seconds": 3, "response_a": None},
    ]
    content = as_json_lines(rows).replace("\n", "\n\n", 1)
    material = read_text(tmp_path, content, "x.ndjson", values={"1": "a", "true": "b"})
    assert labels(material, "preference", "seconds", "line") == [
        ("7", "a", None, 1),
        ("8", "tie", 2.5, 3),
        ("9", "b", 3.0, 4),
    ]
    assert material.comparisons["metadata"][0].as_py() == '{"deep": [1, {"x": 2}]}'


def test_json_lines_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(json_sheet, "_ROWS_AT_ONCE", 2)
    rows: list[dict[str, Any]] = [
        {"source_id": str(n), "annotator": "ann", "preference": "a"} for n in range(7)
    ]
    rows[2]["seconds"] = 1  # a column that the first block does not have
    rows[3]["seconds"] = 2.5
    rows[5]["seconds"] = "3"
    rows[6]["rationale"] = "because"
    material = read_text(tmp_path, as_json_lines(rows), "x.jsonl")
    assert material.labels["seconds"].to_pylist() == [None, None, 1, 2.5, None, 3, None]
    assert labels(material, "rationale", "line")[-1] == ("6", "because", 7)
    rows[5]["source_id"] = ["5"]
    assert "line 6: source_id is an object" in refused(tmp_path, as_json_lines(rows), "x.jsonl")


def test_null_and_empty_responses_differ_where_the_format_can_say_so(tmp_path):
    rows = [
        {"source_id": "1", "prompt": "p", "response_a": None, "response_b": "y"},
        {"source_id": "2", "prompt": "p", "response_a": "", "response_b": "y"},
    ]
    rows = [row | {"annotator": "ann", "preference": "a"} for row in rows]
    for path in in_all_formats(tmp_path, rows)[2:]:
        assert read(path).comparisons["response_a"].to_pylist() == [None, ""]


def test_parquet_columns_of_many_types(tmp_path):
    table = pa.table(
        {
            "source_id": pa.array([1, 2], pa.int32()),
            "annotator": pa.array(["ann", "ann"]).dictionary_encode(),
            "preference": pa.array([1.0, 2.0]),
            "response_a": pa.array(["x", None], pa.large_string()),
            "seconds": pa.array([3, None], pa.int64()),
            "metadata": pa.array([{"k": 1}, None], pa.struct([("k", pa.int64())])),
            "created_at": pa.array([0, 10**9], pa.timestamp("ns", tz="Europe/Berlin")),
            "rationale": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    material = read(tmp_path / "x.parquet", TabularOptions(values={"1": "a", "2": "b"}))
    assert labels(material, "preference", "seconds", "line") == [
        ("1", "a", 3.0, 1),
        ("2", "b", None, 2),
    ]
    assert material.comparisons["metadata"].to_pylist() == ['{"k": 1}', None]
    assert material.labels["created_at"][1].as_py() == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_wide_and_long_give_the_same_labels(tmp_path):
    wide = "source_id,shown,ann,bob,cyd\n1,ab,a,b,\n2,ba,tie,,a\n3,,,,\n"
    long = (
        "source_id,shown,annotator,preference\n1,ab,ann,a\n1,ab,bob,b\n2,ba,ann,tie\n2,ba,cyd,a\n"
    )
    one = read_text(tmp_path, wide, "wide.csv", wide=("ann", "bob", "cyd"), dataset="x")
    other = read_text(tmp_path, long, "long.csv", dataset="x")
    names = [name for name in LABELS.names if name not in ("item", "line")]
    assert sorted(labels(one, *names), key=str) == sorted(labels(other, *names), key=str)
    assert set(one.annotators) == set(other.annotators)
    assert {(s.reason, s.n, s.example.rsplit(" ", 1)[1]) for s in one.skipped} == {
        ("ann was not asked (empty cell)", 1, "4"),
        ("bob was not asked (empty cell)", 2, "3"),
        ("cyd was not asked (empty cell)", 2, "2"),
    }


def test_comparisons_may_come_without_labels(tmp_path):
    content = "prompt,response_a,response_b,model_a\np,x,y,m\np,x,z,m\np,x,y,m\n"
    found = read_text(tmp_path, content, unlabelled=True)
    assert (len(found.comparisons), len(found.labels), found.annotators) == (2, 0, ())
    assert not any("shown first" in note for note in found.notes)
    assert "--unlabelled" in refused(tmp_path, content)  # never by itself


@pytest.mark.parametrize("column", ["annotator", "preference", "shown", "cost_usd", "created_at"])
def test_what_belongs_to_a_label_contradicts_that_there_is_none(tmp_path, column):
    message = refused(tmp_path, f"source_id,{column}\n1,\n", unlabelled=True)
    assert f"{column!r} belongs to labels" in message
    assert f"--ignore {column}" in message


def test_wide_columns_may_be_renamed_to_the_annotators_names(tmp_path):
    content = "item,annotator1,annotator2\n1,1,0\n"
    material = read_text(
        tmp_path,
        content,
        wide=("annotator1", "annotator2"),
        rename={"annotator1": "ann"},
        values={"1": "a", "0": "tie"},
        kind=AnnotatorKind.JUDGE,
    )
    assert labels(material, "annotator", "preference") == [
        ("1", "ann", "a"),
        ("1", "annotator2", "tie"),
    ]
    assert {a.kind for a in material.annotators} == {AnnotatorKind.JUDGE}


def test_a_wide_file_without_a_single_label(tmp_path):
    assert "has no labels" in refused(tmp_path, "source_id,ann\n1,\n2,\n", wide=("ann",))


# --- columns that are refused -------------------------------------------------------------------


def test_an_unknown_column_is_named_with_the_nearest(tmp_path):
    message = refused(tmp_path, "source_id,annotator,preferense\n1,ann,a\n")
    assert "unknown column 'preferense' (nearest to 'preferense': preference)" in message
    assert "--rename preferense=preference" in message
    assert "--ignore preferense" in message
    message = refused(tmp_path, LABEL[:-1] + ",qqq,zzz\n1,ann,a,,\n")
    assert "unknown columns 'qqq', 'zzz' |" in message
    assert "--rename theirs=ours" in message


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("winner", "preference"),
        ("Response A", "response_a"),
        ("rater", "annotator"),
        ("modelb", "model_b"),
        ("xyzzy", None),
    ],
)
def test_the_nearest_column(theirs, ours):
    assert columns.nearest(theirs) == ours


def test_missing_columns(tmp_path):
    message = refused(tmp_path, "source_id,annotator\n1,ann\n")
    assert "no column preference" in message
    assert "--rename theirs=ours" in message
    assert "--wide" in message
    message = refused(tmp_path, "prompt,response_a,annotator,preference\np,x,ann,a\n")
    assert "no column source_id (or all of prompt, response_a and response_b)" in message
    assert "no column source_id" in refused(tmp_path, "ann\na\n", wide=("ann",))


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.parquet"])
def test_columns_that_are_there_twice(tmp_path, name):
    if name.endswith("parquet"):
        table = pa.table([pa.array(["1"])] * 2, names=["source_id", "source_id"])
        pq.write_table(table, tmp_path / name)
        with pytest.raises(InputError, match="'source_id' is there more than once"):
            read(tmp_path / name)
    elif name.endswith("csv"):
        message = refused(tmp_path, "source_id,preference,preference\n1,a,b\n")
        assert "'preference' is there more than once" in message
    else:
        message = refused(tmp_path, '{"source_id": 1}\n{"source_id": 1, "source_id": 2}\n', name)
        assert "line 2: not JSON (a name is there twice in one object)" in message


def test_two_columns_cannot_become_one(tmp_path):
    message = refused(tmp_path, "source_id,item,annotator,preference\n1,1,ann,a\n")
    assert "the columns 'source_id', 'item' would all be source_id" in message
    assert "--ignore item" in message


def test_options_must_name_columns_of_the_file(tmp_path):
    for said in ({"ignore": ("anotator",)}, {"wide": ("anotator",)}):
        message = refused(tmp_path, LABEL + "1,ann,a\n", **said)
        assert f"no column 'anotator', which --{next(iter(said))} names" in message
        assert "Did you mean 'annotator'?" in message
    assert "--rename names" in refused(tmp_path, LABEL, rename={"x": "prompt"})
    message = refused(tmp_path, LABEL + "1,ann,a\n", rename={"preference": "preferred"})
    assert "--rename preference=preferred names no column of Concord's" in message


def test_a_wide_column_is_an_annotator_and_nothing_else(tmp_path):
    content = "source_id,ann,prompt\n1,a,p\n"
    assert "'prompt' cannot be both an annotator" in refused(tmp_path, content, wide=("prompt",))
    message = refused(tmp_path, content, wide=("ann",), ignore=("ann",))
    assert "left out (--ignore)" in message


@pytest.mark.parametrize("name", ["preference", "annotator", "seconds", "p_a", "status"])
def test_wide_rows_hold_nothing_that_belongs_to_one_label(tmp_path, name):
    message = refused(tmp_path, f"source_id,ann,{name}\n1,a,1\n", wide=("ann",))
    assert f"'{name}' cannot stand beside a column for each annotator" in message


# --- cells that are refused ---------------------------------------------------------------------

HEAD = (
    "source_id,rationale,annotator,annotator_kind,preference,shown,p_a,strength,status,"
    "repeat,seconds,cost_usd,sampling_probability,created_at,metadata\n"
)
GOOD = {"source_id": "1", "annotator": "ann", "preference": "a"}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"preference": "left"}, "preference is 'left', which is neither a nor b nor tie"),
        ({"preference": "x" * 99}, f"preference is '{'x' * 60}...'"),
        ({"preference": " "}, "no preference, and no status that says why"),
        ({"preference": "", "status": "ok"}, "no preference, and no status"),
        ({"status": "refused"}, "preference a with status refused"),
        ({"preference": "", "status": "broken"}, "status is 'broken', not one of ok, refused"),
        ({"annotator": " "}, "no annotator"),
        ({"annotator_kind": "robot"}, "annotator_kind is 'robot', not one of human, judge"),
        ({"shown": "a"}, "shown is 'a', not one of ab, ba"),
        ({"p_a": "1.01"}, "p_a is '1.01', not from 0 to 1"),
        ({"p_a": "-0.1"}, "p_a is '-0.1', not from 0 to 1"),
        ({"p_a": "nan"}, "p_a is 'nan', not from 0 to 1"),
        ({"sampling_probability": "0"}, "sampling_probability is 0, and yet it was drawn"),
        ({"sampling_probability": "1.5"}, "sampling_probability is '1.5'"),
        ({"strength": "inf"}, "strength is 'inf', not a finite number"),
        ({"seconds": "-1"}, "seconds is '-1', not from 0 to 31,622,400"),
        ({"seconds": "1,5"}, "seconds is '1,5', not a number"),
        ({"cost_usd": "$2"}, "cost_usd is '$2', not a number"),
        ({"cost_usd": "-0.01"}, "cost_usd is '-0.01', not from 0 to 1,000,000"),
        ({"cost_usd": "1e307"}, "cost_usd is '1e307', not from 0 to 1,000,000"),
        ({"seconds": "4e7"}, "seconds is '4e7', not from 0 to 31,622,400"),
        ({"repeat": "1.5"}, "repeat is '1.5', not a whole number"),
        ({"repeat": "40000"}, "repeat is '40000', not from 0 to 32,767"),
        ({"created_at": "31.01.2026"}, "created_at is '31.01.2026', not a date"),
        ({"created_at": "2026-02-30"}, "created_at is '2026-02-30', not a date"),
        ({"created_at": "2026-01-01T25:00Z"}, "created_at is '2026-01-01T25:00Z', not a date"),
        ({"created_at": "0000-12-31"}, "created_at is '0000-12-31', in UTC not in the years 1 to"),
        (
            {"created_at": "9999-12-31T23:00-01:00"},
            "created_at is '9999-12-31T23:00-01:00', in UTC not in the years 1 to 9999",
        ),
        ({"metadata": "{"}, "metadata is '{', not JSON"),
        ({"metadata": "[1]"}, "metadata is '[1]', not a JSON object"),
        ({"metadata": '{"x": NaN}'}, """metadata is '{"x": NaN}', not JSON"""),
        ({"metadata": '{"x": "\\ud800"}'}, """metadata is '{"x": "\\\\ud800"}', not JSON"""),
        ({"source_id": ""}, "no source_id, and no prompt instead"),
        ({"rationale": "a\0b"}, "rationale holds a NUL byte"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_bad_cell_is_shown_with_its_physical_line(tmp_path, cells, expected, suffix):
    fine = [GOOD | {"source_id": f"0{n}", "rationale": "two\nlines"} for n in range(40)]
    rows = [*fine, GOOD | cells, *fine, GOOD | cells]
    names = HEAD.strip().split(",")
    rows = [{name: row.get(name, "") for name in names} for row in rows]
    line = 2 + 2 * 40 if suffix == "csv" else 41
    content = as_csv(rows) if suffix == "csv" else as_json_lines(rows)
    message = refused(tmp_path, content, f"x.{suffix}")
    assert f"x.{suffix}, line {line}: {expected}" in message


def test_the_fix_for_an_unknown_preference_is_the_values_option(tmp_path):
    assert "--values 1=a,2=b,0=tie" in refused(tmp_path, LABEL + "1,ann,1\n")


def test_an_annotator_has_one_kind(tmp_path):
    head = "source_id,annotator,annotator_kind,preference\n"
    message = refused(tmp_path, head + "1,x,human,a\n2,y,,a\n3,x,judge,a\n")
    assert "line 4: annotator 'x' is judge, but human on line 2" in message


def test_one_id_stands_for_one_comparison(tmp_path):
    head = "source_id,response_a,response_b,category,annotator,preference\n"
    message = refused(tmp_path, head + '1,"x\n",y,c,ann,a\n2,x,y,c,ann,a\n1,x,y,c,bob,b\n')
    assert "line 5: response_a of comparison '1' is 'x', but 'x\\n' on line 2" in message
    message = refused(tmp_path, head + "1,x,y,c,ann,a\n1,x,y,d,bob,b\n")
    assert "line 3: category of comparison '1' is 'd', but 'c' on line 2" in message


def test_json_lines_that_cannot_be_read(tmp_path):
    good = '{"source_id": 1, "annotator": "x", "preference": "a"}\n'
    cases = {
        "{\n": "line 2: not JSON (Expecting property name",
        "[1]\n": "line 2: not a JSON object",
        good[:-1] + good: "line 2: not JSON (Extra data)",
        "[" * 100_000 + "\n": "line 2: not JSON",
        good.replace('"x"', '"\\ud800"'): "line 2: annotator holds half a character",
        good.replace('"x"', '["x"]'): "line 2: annotator is an object or a list, not a text",
        good.replace('"x"', '"a\\u0000b"'): "line 2: annotator holds a NUL byte",
    }
    for bad, expected in cases.items():
        assert expected in refused(tmp_path, good + bad + good, "x.jsonl")


def test_parquet_files_that_cannot_be_read(tmp_path):
    assert "not a Parquet file that can be read" in refused(tmp_path, b"PAR1 no", "x.parquet")
    good = {"source_id": ["1", "2"], "annotator": ["x", "x"], "preference": ["a", "b"]}
    bad = {
        "rationale is not UTF-8": pa.array([b"fine", b"\xff"]),
        "holds list": pa.array([["x"], ["y"]]),
        "row 2: rationale holds a NUL": pa.array(["fine", "a\0b"]),
    }
    for expected, column in bad.items():
        pq.write_table(pa.table(good | {"rationale": column}), tmp_path / "x.parquet")
        with pytest.raises(InputError, match=expected):
            read(tmp_path / "x.parquet")
    pq.write_table(pa.table(good).slice(0, 0), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="has no rows"):
        read(tmp_path / "x.parquet")
    pq.write_table(pa.table(good | {"preference": ["a", "c"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="row 2: preference is 'c'"):
        read(tmp_path / "x.parquet")


# --- files that are refused ---------------------------------------------------------------------


def test_files_that_are_not_there_or_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"cannot read .*none.csv: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    path = write(tmp_path, LABEL)

    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="Permission denied"):
        read(path)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.tsv"])
def test_files_without_rows(tmp_path, name):
    assert "is empty" in refused(tmp_path, "", name)
    assert "is empty" in refused(tmp_path, b"\xef\xbb\xbf", name)
    no_content = "is empty" if name != "x.jsonl" else "has no rows"
    assert no_content in refused(tmp_path, "\n \n", name)
    if name == "x.csv":
        assert "has a header but no rows" in refused(tmp_path, LABEL, name)
        assert "has a header but no rows" in refused(tmp_path, LABEL.strip(), name)
        assert "has no rows" in refused(tmp_path, LABEL + ",,\n\n", name)
    if name == "x.jsonl":
        rows = '{"source_id": null, "annotator": "", "preference": null}\n'
        assert "has no rows" in refused(tmp_path, rows, name)


def test_a_file_of_another_kind(tmp_path):
    message = refused(tmp_path, "x", "labels.xlsx")
    assert "a file of this kind cannot be read" in message
    assert ".csv, .tsv, .jsonl, .ndjson, .parquet" in message
    assert len(read_text(tmp_path, LABEL + "1,ann,a\n", "LABELS.CSV").labels) == 1


def test_ragged_rows(tmp_path):
    fine = '1,"x\ny",a\n' * 3
    assert "line 8: 2 cells, but the header has 3" in refused(tmp_path, LABEL + fine + "1,a\n")
    message = refused(tmp_path, LABEL + fine + "\n1,x,y,a\n1,2\n")
    assert "line 9: 4 cells, but the header has 3" in message
    assert "between double quotes" in message
    message = refused(tmp_path, LABEL + '1,"x,a\n2,y,a\n')
    assert "line 2: 2 cells" in message
    assert "quote that is not closed" in message


def test_a_ragged_row_far_into_a_large_file(tmp_path):
    row = f'1,"{"x" * 5000}\n\n",a\n'
    message = refused(tmp_path, LABEL + row * 7000 + "1,2\n")  # 35 MB: three blocks
    assert f"line {2 + 3 * 7000}: 2 cells" in message


def test_a_quote_that_is_never_closed_in_the_last_column(tmp_path):
    content = 'source_id,annotator,preference,rationale\n1,ann,a,x\n2,ann,a,"y\n3,ann,b,z\n'
    assert "line 3: a quote is not closed" in refused(tmp_path, content)
    assert len(read_text(tmp_path, content + '"\n').labels) == 2
    assert len(read_text(tmp_path, content.replace('"', 'a 5" ')).labels) == 3


@pytest.mark.parametrize("where", ["header", "row"])
def test_bytes_that_are_not_utf8(tmp_path, where):
    content = (LABEL + "1,ann,a\n" * 5000).encode()
    if where == "header":
        content = content.replace(b"preference", b"pr\xe9f\xe9rence")
    else:
        content += b"1,Zo\xeb,a\n"
    line = 1 if where == "header" else 5002
    assert f"line {line}: not UTF-8 (byte 0xe" in refused(tmp_path, content)
    message = refused(tmp_path, b'{"source_id": 1}\n{"source_id": "\xe9"}\n', "x.jsonl")
    assert "line 2: not UTF-8 (byte 0xe9)" in message


def test_nul_bytes_and_utf16(tmp_path):
    assert "line 3: source_id holds a NUL" in refused(tmp_path, LABEL + "1,ann,a\n\0,ann,a\n")
    assert "not UTF-8" in refused(tmp_path, (LABEL + "1,ann,a\n").encode("utf-16"))
    assert "NUL" in refused(tmp_path, (LABEL + "1,ann,a\n").encode("utf-16-le"))


def test_a_first_line_that_is_no_header(tmp_path):
    assert "the first line is no header" in refused(tmp_path, "x" * 200_000)


# --- into the store -----------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "test.duckdb", create=True)


def test_the_template_can_be_imported_as_it_is(tmp_path, store):
    material = read_text(tmp_path, template(), "my-labels.csv")
    assert material.skipped == ()
    done = import_material(store, material)
    assert (done.comparisons_new, done.labels_new) == (1, 3)
    assert set(template().splitlines()[0].split(",")) <= set(COLUMNS)


def test_importing_twice_in_any_format_adds_nothing(tmp_path, store):
    for n, path in enumerate(in_all_formats(tmp_path, FULL)):
        done = import_material(store, read(path, TabularOptions(dataset="x")))
        assert (done.comparisons_new, done.labels_new) == ((1, 2) if n == 0 else (0, 0))
    with store.reading() as con:
        row = con.execute("SELECT response_b, metadata->>'level' FROM comparisons").fetchall()
        times = con.execute("SELECT created_at, rationale FROM labels ORDER BY 1").fetchall()
    assert row == [("", "1")]
    assert [time.astimezone(UTC).hour for time, _ in times] == [0, 3]
    assert times[1][1] == "=SUM(1;2)"


def test_files_without_ids_can_be_imported(tmp_path, store):
    head = "prompt,response_a,response_b,annotator,preference\n"
    material = read_text(tmp_path, head + "p,x,y,ann,a\np,x,z,ann,a\n", "x.csv")
    assert import_material(store, material).comparisons_new == 2
    more = read_text(tmp_path, head + "q,x,y,ann,a\np,x,z,bob,b\n", "x.csv")
    done = import_material(store, more)
    assert (done.comparisons_new, done.comparisons_known, done.labels_new) == (1, 1, 2)


def test_labels_only_refer_to_comparisons_of_the_store(tmp_path, store):
    import_material(store, read_text(tmp_path, template(), "x.csv"))
    path = write(tmp_path, "source_id,category,annotator,preference\n1,law,cyd,b\n")
    material = read(path, TabularOptions(dataset="x"), refers=True)
    assert material.refers
    assert any("category of comparisons in the store" in note for note in material.notes)
    done = import_material(store, material)
    assert (done.comparisons_new, done.labels_new) == (0, 1)
    path = write(tmp_path, LABEL + "1,dan,b\n\n77,dan,a\n")
    with pytest.raises(InputError, match=r"'77' \(.*labels.csv, line 4\)"):
        import_material(store, read(path, TabularOptions(dataset="x"), refers=True))


def test_a_file_with_texts_never_only_refers(tmp_path, store):
    path = write(tmp_path, template(), "x.csv")
    assert not read(path, refers=True).refers


def test_labels_only_can_start_a_data_set(tmp_path, store):
    done = import_material(store, read_text(tmp_path, LABEL + "1,ann,a\n2,ann,b\n"))
    assert (done.comparisons_new, done.labels_new) == (2, 2)


def test_conflicting_labels_name_both_lines_and_repeats_keep_both(tmp_path, store):
    content = LABEL + '1,"ann ",a\n2,ann,b\n1,ann,b\n'
    material = read_text(tmp_path, content)
    with pytest.raises(InputError, match=r"a \(.*, line 2\) and b \(.*, line 4\)"):
        import_material(store, material)
    assert import_material(store, material, repeat=True).labels_new == 3


# --- any text -----------------------------------------------------------------------------------

NASTY = st.text(
    st.one_of(
        st.sampled_from("\",;\t\n\r'=+@-\\|\u2028\u0085 \ufeff{}"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)
NAMED = NASTY.map(lambda text: f"x{text}")


@st.composite
def nasty_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    texts = ("prompt", "response_a", "response_b", "category", "model_a")
    comparisons = draw(
        st.lists(st.fixed_dictionaries(dict.fromkeys(texts, NAMED)), min_size=1, max_size=4)
    )
    rows = []
    for n, comparison in enumerate(comparisons):
        for annotator in draw(st.lists(NAMED.map(str.strip), min_size=1, max_size=3, unique=True)):
            row = {
                "source_id": f"{n}",
                **comparison,
                "annotator": annotator,
                "preference": draw(st.sampled_from(["a", "b", "tie"])),
                "rationale": draw(NASTY),
                "metadata": json.dumps({draw(NASTY): draw(NASTY)}, ensure_ascii=False),
            }
            rows.append(row | ({"metadata": rows[-1]["metadata"]} if same(rows, row) else {}))
    return rows


def same(rows: list[dict[str, Any]], row: dict[str, Any]) -> bool:
    return bool(rows) and rows[-1]["source_id"] == row["source_id"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=nasty_rows())
def test_nasty_texts_come_out_of_all_formats_as_they_went_in(rows):
    names = ("annotator", "preference", "rationale")
    expected = [
        (row["source_id"], row["annotator"].strip(), row["preference"], row["rationale"] or None)
        for row in rows
    ]
    texts = ("prompt", "response_a", "response_b", "category", "model_a", "metadata")
    with tempfile.TemporaryDirectory() as folder:
        for path in in_all_formats(Path(folder), rows):
            material = read(path)
            assert labels(material, *names) == expected
            by_id = {row["source_id"]: row for row in rows}
            for row in material.comparisons.to_pylist():
                assert all(row[name] == by_id[row["source_id"]][name] for name in texts)


@settings(max_examples=150, deadline=None)
@given(rows=nasty_rows(), end=st.sampled_from(["\n", "\r\n"]))
def test_lines_are_those_of_pythons_csv_reader(rows, end):
    """Where Arrow and the standard library read the same rows, they stand on the same lines."""
    content = as_csv(rows, end=end)
    with tempfile.TemporaryDirectory() as folder:
        material = read(write(Path(folder), content))
    reader = csv.reader(io.StringIO(content, newline=""))
    starts = []
    while True:
        start = reader.line_num + 1
        if next(reader, None) is None:
            break
        starts.append(start)
    assert material.labels["line"].to_pylist() == starts[1:]


@pytest.mark.parametrize("name", ["", "  ", " mine", "a\nb", "\x1b[2J", "n" * 201])
def test_a_data_set_needs_a_name_that_can_be_typed(tmp_path, name):
    with pytest.raises(InputError, match="cannot be the name of a data set") as error:
        read_text(tmp_path, LABEL + "1,ann,a\n", dataset=name)
    assert "--dataset" in error.value.fix


def test_half_a_character_in_a_name_of_a_json_object(tmp_path):
    line = '{"source_id": "1", "annotator": "x", "preference": "a", "\\ud83d": 1}\n'
    assert "line 1: a name holds half a character" in refused(tmp_path, line, "x.jsonl")


def test_a_number_of_any_size_can_be_an_id(tmp_path):
    line = f'{{"source_id": {"9" * 400}, "annotator": "x", "preference": "a"}}\n'
    assert labels(read_text(tmp_path, line, "x.jsonl")) == [("9" * 400,)]


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(InputError, match="not a plain file"):
        read(tmp_path / "x.csv")
