"""Text that a spreadsheet would run is kept from it; everything else stays as it is."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from app import tables
from app.cli import app
from pipelines.spreadsheets import plain, plain_table
from tests.estimating import HUMAN, label, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from data.store import Store

RUNS = ["=1+1", "+1", "-b", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "-", "-1+2", "-inf",
        "=cmd|' /C calc'!A0", "-2 is less", "-1\n=2", "-1\n"]  # fmt: skip
STAYS = ["a=b", "'=1", " =1", "", "-5", "-0.25", "-1e-05", "5", "1-1", "猫"]


@pytest.mark.parametrize("text", RUNS)
def test_text_that_would_run_gets_an_apostrophe(text: str) -> None:
    assert plain(text) == f"'{text}"


@pytest.mark.parametrize("value", [*STAYS, -5, -0.25, None, True])
def test_everything_else_stays(value: object) -> None:
    assert plain(value) is value


def test_a_table_is_treated_as_its_cells_are() -> None:
    texts = [*RUNS, *STAYS, None]
    numbers = [-1.5] * len(texts)
    found = plain_table(pa.table({"text": texts, "=n": numbers}))
    assert found["text"].to_pylist() == [plain(text) for text in texts]
    assert found["=n"].to_pylist() == numbers


def test_no_row_of_a_csv_begins_within_a_text() -> None:
    """A bare carriage return ends a row for some programs, unless the cell is quoted."""
    text = tables.csv_text([{"a": "x\r=1+1", "b": "y\n=2", "c": -3}])
    assert '"x\r=1+1"' in text
    [_, row] = csv.reader(io.StringIO(text, newline=""))
    assert row == ["x\r=1+1", "y\n=2", "-3"]


def exported(store: Store, to: Path, *options: str) -> list[dict[str, str]]:
    given = ["export", str(to), "--dataset", "d", "--store", str(store.path), *options]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    with to.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_keeps_texts_and_one_for_spreadsheets_is_safe(tmp_path: Path) -> None:
    responses = [("=HYPERLINK(1)", "- a list"), ("-5", "plain")]
    labels = [label(item, "h", "a", rationale="@all") for item in range(2)]
    store = store_of(tmp_path / "s.duckdb", labels, {"h": HUMAN}, n_items=2, responses=responses)
    as_it_is = exported(store, tmp_path / "a.csv")
    assert {(row["response_a"], row["response_b"]) for row in as_it_is} == set(responses)
    safe = exported(store, tmp_path / "b.csv", "--spreadsheet")
    assert {(row["response_a"], row["response_b"]) for row in safe} == {
        ("'=HYPERLINK(1)", "'- a list"),
        ("-5", "plain"),
    }
    assert {row["rationale"] for row in safe} == {"'@all"}
    for options in (["x.jsonl"], ["x.csv", "--pairs", "majority"]):
        given = ["export", str(tmp_path / options[0]), *options[1:], "--spreadsheet", "--store",
                 str(store.path)]  # fmt: skip
        assert CliRunner().invoke(app, given).exit_code != 0
