"""Rows as an Arrow table: every value as it was, without pandas."""

import subprocess
import sys

import pyarrow as pa
import pytest

from data.rows import rows_table

SCHEMA = pa.schema([("text", pa.string()), ("n", pa.int16()), ("usd", pa.float64())])


def test_values_come_through_as_they_are():
    rows = [
        {"text": "2026-01-02T03:04:05", "n": 1, "usd": 0, "more": [1, {"a": None}]},
        {"text": 'é "x"\n\u2028\x00', "usd": 1e-9},
        {},
    ]
    expected = [{name: row.get(name) for name in SCHEMA.names} for row in rows]
    assert rows_table(rows, SCHEMA).to_pylist() == expected
    assert rows_table(rows, SCHEMA).schema == SCHEMA


def test_a_row_may_be_large():
    text = "x" * 5_000_000
    assert rows_table([{"text": text}] * 2, SCHEMA)["text"].to_pylist() == [text, text]


def test_no_rows_are_an_empty_table():
    assert rows_table([], SCHEMA).schema == SCHEMA
    assert len(rows_table([], SCHEMA)) == 0


def test_half_a_character_is_replaced():
    assert rows_table([{"text": "a\ud83d"}], SCHEMA)["text"].to_pylist() == ["a?"]


@pytest.mark.parametrize("row", [{"n": "one"}, {"usd": "dear"}, {"text": ["a"]}, {"n": 2**40}])
def test_a_value_of_another_type_is_refused(row):
    with pytest.raises(ValueError, match=r"JSON|conver|fit"):
        rows_table([row], SCHEMA)


def test_pandas_is_not_imported():
    code = (
        "import sys, pyarrow as pa; from data.rows import rows_table;"
        "s = pa.schema([('a', pa.string())]); rows_table([{'a': 'b'}], s); rows_table([], s);"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
