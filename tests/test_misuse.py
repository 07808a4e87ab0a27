"""Bad input, names that steer a terminal, two writers at once, and what a kill leaves behind."""

from __future__ import annotations

import subprocess
import sys
from subprocess import PIPE

import pyarrow as pa
import pytest
from pyarrow import parquet

from app import terminal
from app.terminal import print_table
from data.errors import InputError
from judges.response_features import MOST_BUCKETS, Recipe
from pipelines.audit import audit
from pipelines.export import write_bytes, write_table
from pipelines.policy import PolicyFile, check_new, read_policy
from pipelines.sections.view import UnparsedRule
from pipelines.strategy import Goal
from pipelines.training import Pairs, preference_pairs
from pipelines.training_folder import check_folder, write_folder
from pipelines.wording import money
from tests.estimating import HUMAN, JUDGE, both, label, store_of

STEERING = "j\x1b[2J:cat:"  # clears the screen; and emoji of Rich's markup


def test_a_name_neither_steers_the_terminal_nor_becomes_an_emoji(capsys):
    terminal.out().print(f"judged by {STEERING}", markup=False)
    print_table(["who"], [[STEERING]])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "judged by j\ufffd[2J:cat:", "who", "j\ufffd[2J:cat:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"ridge": 1e-320}, {"ridge": 1e308}, {"ridge": float("nan")}, {"style_weight": 1e200},
        {"buckets": 2**40}, {"buckets": 2 * MOST_BUCKETS},
    ],
)  # fmt: skip
def test_a_recipe_that_overflows_or_fills_the_memory_is_none(wrong):
    with pytest.raises(InputError, match="a recipe"):
        Recipe(**wrong)
    assert Recipe(buckets=MOST_BUCKETS, ridge=1e-9, style_weight=0)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_goal_and_a_budget_are_numbers_above_0(tmp_path, wrong):
    for name in ("budget_usd", "quality", "usd_per_point"):
        with pytest.raises(InputError, match="not above 0, or no number") as caught:
            Goal(**{name: wrong})
        assert "--budget" in caught.value.fix
    store = store_of(tmp_path / "s.duckdb", [label(0, "h", "a")], {"h": HUMAN}, n_items=1)
    with pytest.raises(InputError, match="a budget of"):
        audit(store, "d", budget_usd=wrong)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-300, "<$0.000000001"), (-2.5e-12, "-<$0.000000001"), (1e-9, "$0.0000000010")],
)
def test_tiny_amounts_are_not_a_row_of_zeros(value, text):
    assert money(value) == text


def test_where_a_policy_goes_is_looked_at_before_anything_is_tried(tmp_path):
    for wrong in ("p.txt", "p", "nowhere/p.toml"):
        with pytest.raises(InputError) as caught:
            check_new(tmp_path / wrong, force=True)
        assert caught.value.fix
    check_new(tmp_path / "p.toml", force=False)


@pytest.mark.parametrize("name", ["nothing.md", "folder"])
def test_a_guideline_that_cannot_be_read_is_bad_input(tmp_path, run, name):
    (tmp_path / "folder").mkdir()
    store = store_of(tmp_path / "s.duckdb", [label(0, "h", "a")], {"h": HUMAN}, n_items=1)
    code, _, err = run("guideline", "set", tmp_path / name, "--store", store.path)
    assert (code, "cannot read" in err, len(err.splitlines())) == (3, True, 2)


# ---- files

OTHER = """
import sys
from pathlib import Path
import pyarrow as pa
from pipelines.export import write_table
for k in range(60):
    write_table(pa.table({"x": list(range(50_000))}), Path(sys.argv[1]))
    print(k, flush=True)
"""


def test_two_who_write_one_file_leave_a_whole_one(tmp_path):
    """Each process has a partial file of its own: here another one is amid its writing."""
    target = tmp_path / "t.parquet"
    with subprocess.Popen([sys.executable, "-c", OTHER, str(target)], stdout=PIPE) as other:
        other.stdout.readline()  # it has written once
        seen = set()
        while other.poll() is None:
            write_table(pa.table({"x": [1]}), target)
            seen.add(parquet.read_table(pa.BufferReader(target.read_bytes())).num_rows)
    assert other.returncode == 0
    assert seen <= {1, 50_000}
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    target = tmp_path / "p.toml"
    target.mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_bytes(b"new", target)
    assert [each.name for each in tmp_path.iterdir()] == ["p.toml"]


def pairs_of(n):
    rows = [
        {"prompt": f"p{k}", "chosen": "a", "rejected": "b", "margin": 1.0, "source": "j",
         "comparison_id": str(k), "split": ("train", "test")[k % 2]} for k in range(n)
    ]  # fmt: skip
    return Pairs(pa.Table.from_pylist(rows), "j", 0, 0, 0, 0, unparsed=UnparsedRule.DROP)


def test_an_export_that_was_killed_before_its_card_can_be_repeated(tmp_path):
    folder = tmp_path / "pairs"
    write_folder(pairs_of(4), folder)
    (folder / "README.md").unlink()
    (folder / "data" / ".train-00000-of-00001.parquet.1.partial").write_bytes(b"half")
    with pytest.raises(InputError, match="exists already"):
        check_folder(folder, force=False)
    check_folder(folder, force=True)
    write_folder(pairs_of(4), folder)
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("other", ["notes.txt", "data/mine.parquet", "data/sub/x"])
def test_without_the_card_nothing_else_may_be_there(tmp_path, other):
    folder = tmp_path / "pairs"
    write_folder(pairs_of(4), folder)
    (folder / "README.md").unlink()
    (folder / other).parent.mkdir(exist_ok=True)
    (folder / other).write_text("mine")
    with pytest.raises(InputError, match="other files"):
        check_folder(folder, force=True)


# ---- policies


def test_a_policy_nested_without_end_is_no_policy(tmp_path):
    (tmp_path / "p.toml").write_text("a = " + "[" * 15_000)
    with pytest.raises(InputError, match=r"p\.toml: not TOML"):
        read_policy(tmp_path / "p.toml")
    (tmp_path / "p.toml").write_text("a" + ".a" * 50_000 + " = 1")
    with pytest.raises(InputError, match="no policy is as long"):
        read_policy(tmp_path / "p.toml")


def test_a_judge_does_not_disagree_with_itself():
    with pytest.raises(ValueError, match="one is named twice"):
        PolicyFile(
            name="p", dataset="d", criterion="overall", judges=("j", "j"), humans=1,
            rule="judges disagree", human_share=0.1, threshold=1.0,
        )  # fmt: skip


def test_a_policy_that_sends_nobody_to_a_human_gives_pairs(tmp_path):
    labels = [each for k in range(6) for each in both(k, "j", "a", "a")]  # never turns
    store = store_of(tmp_path / "s.duckdb", labels, {"j": JUDGE}, n_items=6)
    policy = PolicyFile(
        name="j and humans", dataset="d", criterion="overall", judges=("j",), orders=2,
        rule="order flip", human_share=0.4, threshold=0.5, humans=1, audit=0.0,
    )  # fmt: skip
    assert len(preference_pairs(store, "d", policy, 0.0).table) == 6
