"""The command line: results on stdout, the rest on stderr, exit codes, no traceback."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.terminal import print_json
from data.store import Store
from judges.simulated import Behaviour, running
from pipelines.ingest import ingest
from tests.provider import concord, judge_file, make_store, truth

ROOT = Path(__file__).parents[1]
LABELS = """item,annotator,preference
1,ann,a
2,ann,b
3,ann,tie
1,bob,a
2,bob,a
3,bob,tie
"""


@pytest.fixture
def labels_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(LABELS)
    return path


def assert_clear(result, code, *words):
    """One message that says what and what to do, no traceback, nothing on stdout."""
    exit_code, out, err = result
    assert exit_code == code, err
    assert "Traceback" not in err
    assert out == ""
    lines = [line for line in err.strip().splitlines() if not line.startswith("note")]
    assert lines[-2].startswith("error: "), err
    assert lines[-1].startswith("  "), err
    for word in words:
        assert word in err, err


def rounded(report):
    """The rows of a report; prompts are summed in another order, so the last digits differ."""
    rows = json.loads(report)["estimates"]
    return [{k: round(v, 9) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def test_what_labels_imports_no_statistics():
    """Each worker of a run has its own copy of whatever is imported."""
    code = (
        "import sys, app.labelling, pipelines.live, data.committer\n"
        "print(sorted({'scipy', 'pandas', 'streamlit', 'pipelines.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['concord', '--help']\n"
        "from app import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'litellm', 'pandas', 'streamlit', 'openai', 'anthropic', 'pyarrow', 'duckdb'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command",
    ["demo", "import", "fetch", "datasets", "judges", "label", "runs", "report", "export", "sql",
     "app", "doctor"],
)  # fmt: skip
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Usage:" in out
    if command == "label":
        assert "\n    concord label --judge longer --dataset mine\n" in out  # a line an example


def test_the_way_from_a_file_to_a_report(run, labels_csv):
    code, out, err = run("import", "csv", labels_csv, "--json")
    assert code == 0
    [imported] = json.loads(out)["imported"]
    assert (imported["comparisons_new"], imported["labels_new"]) == (3, 6)
    assert "3 comparisons new" in err
    assert "concord report" in err
    assert run("import", "csv", labels_csv)[0] == 0

    code, out, _ = run("report", "--json")
    result = json.loads(out)
    assert result["dataset"] == "labels"
    assert result["simulated"] is False
    kappas = [row for row in result["estimates"] if row["statistic"] == "cohen_kappa"]
    # ann: a b tie, bob: a a tie. Observed 2/3; chance 1/3*2/3 + 1/3*0 + 1/3*1/3 = 1/3.
    assert kappas[0]["estimate"] == pytest.approx(0.5)
    assert kappas[0]["low"] is None
    assert "too few prompts" in kappas[0]["note"]

    code, out, _ = run("report", "--format", "csv")
    table = list(csv.DictReader(io.StringIO(out)))
    assert len(table) == len(result["estimates"])
    code, out, _ = run("report", "--format", "markdown")
    assert out.count("\n") == len(table) + 2
    code, out, _ = run("report")
    assert max(len(line) for line in out.splitlines()) <= 100
    assert "nan" not in out.lower()


def test_an_export_can_be_imported_again(run, tmp_path):
    run("import", "sample")
    for suffix in ("csv", "jsonl", "parquet"):
        target = tmp_path / f"out.{suffix}"
        assert run("export", target)[0] == 0
        other = f"other-{suffix}.duckdb"
        code, _, err = run("import", suffix, target, "--store", other, "--dataset", "sample")
        assert code == 0, err
        first = rounded(run("report", "--json")[1])
        assert rounded(run("report", "--store", other, "--json")[1]) == first


def test_an_export_never_replaces_a_file_unasked(run, tmp_path, labels_csv):
    run("import", "csv", labels_csv)
    assert_clear(run("export", labels_csv), 3, "exists already", "--force")
    assert labels_csv.read_text() == LABELS
    assert run("export", labels_csv, "--force")[0] == 0
    code, _, err = run("import", "csv", labels_csv, "--store", "again.duckdb")
    assert code == 0
    assert "zone" not in err


def test_a_template_is_importable(run, tmp_path):
    code, out, _ = run("import", "--template", "csv")
    (tmp_path / "t.csv").write_text(out)
    assert run("import", "csv", "t.csv")[0] == code == 0


def test_the_sample_says_that_it_is_simulated(run):
    assert "simulated" in run("import", "sample")[2]
    assert "simulated" in run("report")[1]
    assert json.loads(run("report", "--json")[1])["simulated"] is True
    assert "yes" in run("datasets", "list")[1]


def test_datasets(run, labels_csv, tmp_path):
    run("import", "csv", labels_csv)
    assert "labels" in run("datasets", "list")[1]
    assert [a["name"] for a in json.loads(run("datasets", "show", "labels", "--json")[1])[
        "annotators"]] == ["ann", "bob"]  # fmt: skip
    assert run("datasets", "backup", "copy.duckdb")[0] == 0
    assert_clear(run("datasets", "backup", "copy.duckdb"), 4, "exists already")
    assert_clear(run("datasets", "remove", "labels"), 3, "--yes")
    assert run("datasets", "remove", "labels", "--yes")[0] == 0
    assert json.loads(run("datasets", "list", "--json")[1]) == {"datasets": []}
    assert len(json.loads(run("datasets", "list", "--store", "copy.duckdb", "--json")[1])[
        "datasets"]) == 1  # fmt: skip


def test_sql_in_all_forms(run, labels_csv):
    run("import", "csv", labels_csv)
    query = "SELECT preference, count(*) AS n FROM labels GROUP BY ALL ORDER BY ALL"
    assert json.loads(run("sql", query, "--json")[1])[0] == {"preference": "a", "n": 3}
    assert run("sql", query, "--format", "csv")[1].startswith("preference,n\na,3\n")
    assert "preference" in run("sql", query)[1]
    assert_clear(run("sql", "DROP TABLE labels"), 3, "one SELECT")


def test_judges(run, tmp_path):
    names = [row["name"] for row in json.loads(run("judges", "--json")[1])]
    assert {"local-server", "longer", "first", "random"} <= set(names)
    code, out, _ = run("judges", "local-server")
    (tmp_path / "mine.toml").write_text(out)
    assert code == 0
    assert_clear(run("judges", "nope"), 5, "no judge 'nope'")


def test_label_and_runs(run, tmp_path):
    make_store(tmp_path / "concord.duckdb", 12)
    assert run("label", "--judge", "longer")[0] == 0
    with running(truth(12), {"m": Behaviour()}) as provider:
        judge = judge_file(tmp_path, provider.base_url)
        code, out, _ = run("label", "--judge", judge, "--dry-run", "--json")
        assert json.loads(out)["planned"] == 24
        assert list(provider.log()) == []
        code, out, err = run("label", "--judge", judge, "--json")
        assert code == 0, err
        result = json.loads(out)
        assert (result["done"], result["status"]) == (24, "complete")
        assert "next: concord report" in err
    listed = json.loads(run("runs", "--json")[1])["runs"]
    assert [row["judge"] for row in listed] == ["sim", "longer"]
    assert listed[0]["spent_usd"] == pytest.approx(result["spent_usd"])
    assert "complete" in run("runs")[1]


def test_a_plan_refuses_what_the_run_would_refuse(run, tmp_path):
    make_store(tmp_path / "concord.duckdb", 1)
    with running(truth(1), {"m": Behaviour()}) as provider:
        judge = judge_file(tmp_path, provider.base_url)
        command = ("label", "--judge", judge, "--dry-run")
        assert_clear(run(*command, "--workers", "many"), 3, "--workers many")
        assert run(*command, "--limit", 10**20)[0] == 2


def test_a_retry_is_at_the_price_that_is_given(run, tmp_path):
    store = make_store(tmp_path / "concord.duckdb", 2)
    price = ("--price-in", 1, "--price-out", 1)
    with running(truth(2), {"m": Behaviour()}) as provider:
        path = judge_file(tmp_path, provider.base_url)
        path.write_text(path.read_text().split("[price]")[0])
        assert run("label", "--judge", path, *price)[0] == 0
        [row] = json.loads(run("runs", "--json")[1])["runs"]
        with store.writing() as con:
            for table in ("labels", "label_replies", "replies"):
                con.execute(f"DELETE FROM {table} WHERE true")
        code, out, err = run("runs", "retry", row["run_id"], *price, "--json")
        assert code == 0, err
        result = json.loads(out)
        assert (result["done"], result["spent_usd"]) == (4, pytest.approx(row["spent_usd"]))


def test_a_model_that_the_provider_does_not_know(run, tmp_path):
    make_store(tmp_path / "concord.duckdb", 1)
    with running(truth(1), {"other": Behaviour()}) as provider:
        judge = judge_file(tmp_path, provider.base_url, model="m")
        assert_clear(run("label", "--judge", judge), 6, "does not know the model")


def test_doctor(run):
    code, out, _ = run("doctor", "--json")
    checks = {row["check"]: row for row in json.loads(out)}
    assert checks["package data"]["found"] == "ours"
    assert checks["litellm"]["ok"]
    assert code == 0


def test_doctor_sees_a_name_collision(tmp_path):
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", "import app.doctor, sys; sys.path.insert(0, sys.argv[1]);"
         "sys.modules.pop('judges', None); print(app.doctor._names())", str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, env=environment, check=True,
    )  # fmt: skip
    assert "another package of that name" in done.stdout


BAD = {
    "missing file": (["import", "csv", "none.csv"], 3, "none.csv"),
    "folder for a file": (["import", "csv", "."], 3, ""),
    "no format": (["import"], 3, "no format"),
    "unknown format": (["import", "xml", "x"], 3, "no format 'xml'"),
    "no path": (["import", "csv"], 3, "no path"),
    "missing folder": (["import", "pandalm", "none"], 3, "none"),
    "bad values option": (["import", "csv", "labels.csv", "--values", "1"], 3, "--values"),
    "bad kind": (["import", "csv", "labels.csv", "--kind", "robot"], 3, "robot"),
    "unknown data set": (["report", "--dataset", "nope"], 3, "It holds: labels"),
    "unknown section": (["report", "--section", "nope"], 3, "agreement, chance, replacement"),
    "unknown criterion": (["report", "--criterion", "nope"], 3, "overall"),
    "unknown judge": (["label", "--judge", "nope"], 5, "no judge 'nope'"),
    "no texts": (["label", "--judge", "longer"], 3, "texts"),
    "bad suffix": (["export", "x.xlsx"], 3, ".csv, .jsonl, .parquet"),
    "bad export folder": (["export", "none/x.csv"], 3, "cannot write"),
    "missing store": (["report", "--store", "none.duckdb"], 4, "no store at none.duckdb"),
    "unknown public set": (["fetch", "nope"], 3, "no public data set"),
    "unknown template": (["import", "--template", "xlsx"], 3, "There is: csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_clear_message(run, labels_csv, name):
    arguments, code, words = BAD[name]
    assert run("import", "csv", labels_csv)[0] == 0
    assert_clear(run(*arguments), code, words)
    assert json.loads(run("sql", "SELECT count(*) AS n FROM labels", "--json")[1]) == [{"n": 6}]


FILES = {
    "wrong columns": ("who,what\nx,y\n", ["who"]),
    "unknown preference": ("item,annotator,preference\n1,ann,a\n2,ann,left\n", ["left", "line 3"]),
    "contradiction": ("item,annotator,preference\n1,ann,a\n1,ann,b\n", ["line 2", "line 3"]),
    "not UTF-8": (b"item,annotator,preference\n1,\xff\xfe,a\n", ["UTF-8", "line 2"]),
    "empty": ("", ["empty"]),
    "ragged": ("item,annotator,preference\n1,ann\n", ["line 2"]),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_name_the_line_and_import_nothing(run, tmp_path, name):
    content, words = FILES[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_clear(run("import", "csv", path), 3, *words)
    found = json.loads(run("sql", "SELECT count(*) AS n FROM comparisons", "--json")[1] or "[]")
    assert found in ([], [{"n": 0}])


def test_an_unmatched_id_names_file_and_line(run, labels_csv, tmp_path):
    run("import", "csv", labels_csv)
    more = tmp_path / "more.csv"
    more.write_text("item,annotator,preference\n1,cyd,a\n99,cyd,b\n")
    result = run("import", "csv", more, "--dataset", "labels")
    assert_clear(result, 3, "'99'", "line 3")


def test_an_import_that_fails_leaves_no_store_behind(run, tmp_path, monkeypatch):
    run("import", "csv", "none.csv")
    for name, (content, _) in FILES.items():
        path = tmp_path / f"{name.replace(' ', '-')}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert run("import", "csv", path)[0] == 3
        assert list(tmp_path.glob("*.duckdb*")) == []
    made = Store(tmp_path / "concord.duckdb", create=True).path.read_bytes()
    assert run("import", "csv", path)[0] == 3
    assert (tmp_path / "concord.duckdb").read_bytes() == made


def test_a_store_that_another_process_makes_meanwhile_is_left_alone(
    run, labels_csv, tmp_path, monkeypatch
):
    store = tmp_path / "concord.duckdb"

    def beside(*arguments, **options):
        Store(store, create=True)
        return ingest(*arguments, **options)

    monkeypatch.setattr("app.importing.ingest", beside)
    assert_clear(run("import", "csv", labels_csv), 4, "another process made", "again")
    assert [path.name for path in tmp_path.glob("concord.duckdb*")] == ["concord.duckdb"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert run("import", "csv", labels_csv)[0] == 0
    assert json.loads(run("sql", "SELECT count(*) AS n FROM labels", "--json")[1]) == [{"n": 6}]


def test_a_newer_store(run, tmp_path):
    store = Store(tmp_path / "concord.duckdb", create=True)
    with store.writing() as con:
        con.execute("INSERT INTO migrations VALUES (99, 'x')")
    assert_clear(run("report"), 4, "newer Concord", "Upgrade")


def test_a_store_in_use(run, tmp_path, monkeypatch):
    monkeypatch.setattr("data.store.WAIT_SECONDS", 0.2)
    monkeypatch.setattr(
        Store.__init__, "__kwdefaults__", {"create": False, "upgrade": True, "wait_seconds": 0.2}
    )
    path = tmp_path / "concord.duckdb"
    Store(path, create=True)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert holder.stdout.readline() == b"held\n"
    assert_clear(run("report"), 4, "in use by another process")
    holder.kill()
    holder.communicate()


def test_judges_without_a_key_or_a_price(run, tmp_path, monkeypatch):
    make_store(tmp_path / "concord.duckdb", 1)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert_clear(run("label", "--judge", "gpt-5.4-mini"), 6, "OPENAI_API_KEY", "export")
    free = judge_file(tmp_path, "http://127.0.0.1:9/v1")
    free.write_text(free.read_text().split("[price]")[0])
    assert_clear(run("label", "--judge", free), 7, "price", "[price]")
    unknown = judge_file(tmp_path, "http://127.0.0.1:9/v1", name="u")
    text = unknown.read_text().replace("openai/m", "nosuch-model").split("api_base")
    unknown.write_text(text[0] + "\n".join(text[1].split("\n")[1:]))
    assert_clear(run("label", "--judge", unknown), 6, "nosuch-model")


def test_debug_shows_the_traceback(tmp_path):
    done = subprocess.run(
        concord("--debug", "report", "--store", tmp_path / "none.duckdb"),
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert "Traceback" in done.stderr


def test_control_characters_do_not_reach_the_terminal(run, tmp_path):
    path = tmp_path / "evil.csv"
    path.write_text("item,annotator,preference\n1,\x1b[31mred[bold],a\n1,bob,b\n")
    run("import", "csv", path)
    out = run("report")[1] + run("datasets", "show", "evil")[1] + run("sql", "FROM annotators")[1]
    assert "\x1b" not in out
    assert "[bold]" in out


def test_a_damaged_journal_stops_no_other_command_and_is_told(run, labels_csv, tmp_path):
    run("import", "csv", labels_csv)
    journal = tmp_path / "concord.duckdb.journal" / "00000000-0000-0000-0000-000000000001.jsonl"
    journal.parent.mkdir(exist_ok=True)
    journal.write_text("not JSON\n")
    for command in (
        ["report"], ["datasets", "list"], ["runs"], ["export", "x.csv"],
        ["import", "csv", labels_csv], ["simulate", "-d", "s", "--prompts", 20],
        ["label", "--judge", "longer", "-d", "s"], ["datasets", "remove", "s", "--yes"],
    ):  # fmt: skip
        code, _, err = run(*command)
        assert code == 0, err
        assert err.count("warning: the run journal") == 1
        assert f"{journal.name} is damaged on line 1 " in err
        assert "\n  Mend that line, or move the file" in err
    assert journal.read_text() == "not JSON\n"
    code, out, _ = run("doctor", "--json")
    [check] = [row for row in json.loads(out) if row["check"] == "run journal"]
    assert (code, check["ok"]) == (1, False)
    assert f"{journal.name} is damaged on line 1 " in check["found"]


@pytest.mark.parametrize("line", [0, 4])
def test_a_run_whose_journal_is_damaged_is_not_continued(run, tmp_path, line):
    store = make_store(tmp_path / "concord.duckdb", 12)
    with running(truth(12), {"m": Behaviour()}) as provider:
        judge = judge_file(tmp_path, provider.base_url)
        assert run("label", "--judge", judge)[0] == 0
        [journal] = store.journals.glob("*.jsonl")
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join([*lines[:line], "x\n", *lines[line + 1 : -1]]))
        with store.writing() as con:  # as after a kill before the first commit
            for table in ("runs", "labels", "label_replies", "replies", "annotators"):
                con.execute(f"DELETE FROM {table}")
        asked = len(list(provider.log()))
        for _ in range(2):
            result = run("label", "--judge", judge)
            assert result[0] == 4
            last = result[2].strip().splitlines()[-2:]
            assert last[0].startswith("error: the run journal ")
            assert f"{journal.name} is damaged on line {line + 1} " in last[0]
        assert len(list(provider.log())) == asked
        listed = json.loads(run("runs", "--json")[1])["runs"]
        assert [row["status"] for row in listed] == (["interrupted"] if line else [])


def test_an_interrupt_is_told_in_one_line(run, labels_csv, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    told = (130, "", "stopped: nothing was stored by half, and what was received is kept\n")
    monkeypatch.setattr("app.importing.import_material", interrupted, raising=False)
    monkeypatch.setattr("pipelines.ingest.import_material", interrupted)
    assert run("import", "csv", labels_csv) == told
    assert list(tmp_path.glob("*.duckdb*")) == []
    Store(tmp_path / "concord.duckdb", create=True)
    monkeypatch.setattr("app.reporting.chosen_dataset", interrupted)
    assert run("report") == told


def test_names_with_line_breaks_keep_a_table_whole(run, tmp_path):
    path = tmp_path / "breaks.csv"
    path.write_text('item,annotator,preference\n1,"an\n\tn",a\n1,bob,b\n')
    run("import", "csv", path)
    lines = run("datasets", "show", "breaks")[1].splitlines()
    assert any(line.startswith("an n ") for line in lines)
    shown = run("sql", "SELECT 'x\r\ny' AS \"[b]\nc\", 'a  b' AS d")[1].splitlines()
    assert [line.split() for line in shown] == [["[b]", "c", "d"], ["x", "y", "a", "b"]]
    assert "a  b" in shown[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["report", "--store", "n" * 300], 1, "File name too long"),
        (["import", "csv", "n" * 300 + ".csv"], 1, "File name too long"),
        (["report", "--dataset", "\udcff"], 3, "not UTF-8"),
        (["import", "csv", "labels.csv", "--values", "1=a,1=b"], 3, "1 twice"),
        (["import", "csv", "labels.csv", "--rename", "x=a", "--rename", "x=b"], 3, "x twice"),
        (["import", "csv", "\x1b[31m.csv"], 3, "does not exist"),
    ],
)
def test_odd_arguments_give_one_clear_message(run, labels_csv, arguments, code, words):
    result = run(*arguments)
    assert_clear(result, code, words)
    assert "\x1b" not in result[2]


def test_a_closed_stdout_is_no_fault(tmp_path):
    code = (
        "import os, subprocess, sys\n"
        f"done = subprocess.run({concord('judges')!r}, stderr=subprocess.PIPE, "
        "preexec_fn=lambda: os.close(1))\n"
        "assert done.returncode == 0 and b'unexpected' not in done.stderr, done\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# what a data set supports


def test_a_data_set_says_what_it_supports_and_how_to_get_the_rest(run, labels_csv):
    run("import", "csv", labels_csv)
    code, out, _ = run("datasets", "show", "labels")
    assert code == 0
    lines = out.splitlines()
    assert lines[:4] == [
        "labels",
        "3 comparisons of 3 prompts, none with texts; models not known.",
        "2 identified humans; human labels for each comparison: 2 on 3.",
        "No judges.",
    ]
    assert max(map(len, lines)) <= 100
    for heading in ("annotator", "supported", "not supported", "difference"):
        assert sum(line.startswith(heading + " ") for line in lines) >= 1, heading
    assert "(1) concord import csv labels.csv --dataset labels" in lines
    shown = json.loads(run("datasets", "show", "labels", "--json")[1])
    supports = {row["what"]: row for row in shown["supports"]}
    assert supports["human ceiling"]["available"] is True
    assert supports["intervals"]["collect"] == "labels on 17 more prompts; 50 in all are better"
    assert shown["counts"]["human_labels"] == {"2": 3}
    assert shown["smallest_differences"][0]["difference"] is None


def test_the_command_that_is_named_gets_what_is_missing(run, labels_csv):
    labels_csv.write_text("item,annotator,preference\n1,ann,a\n2,ann,b\n")
    run("import", "csv", labels_csv, "--store", "other.duckdb")

    def ceiling():
        shown = run("datasets", "show", "labels", "--store", "other.duckdb", "--json")[1]
        [row] = [r for r in json.loads(shown)["supports"] if r["what"] == "human ceiling"]
        return row

    before = ceiling()
    labels_csv.write_text("item,annotator,preference\n1,bob,a\n2,bob,a\n")
    name, *arguments = before["command"].split()
    assert (name, run(*arguments)[0]) == ("concord", 0)
    assert (before["available"], ceiling()["available"]) == (False, True)


def test_commands_that_ask_a_judge_are_understood(run):
    run("import", "sample")
    shown = json.loads(run("datasets", "show", "sample", "--json")[1])
    assert shown["simulated"] is True
    commands = {row["command"] for row in shown["supports"]}
    labelling = [c.split()[1:] for c in commands if c and c.startswith("concord label ")]
    assert len(labelling) == 3  # both orders, repeats, probabilities
    for arguments in labelling:
        code, _, err = run(*arguments, "--dry-run")
        assert code == 0, err


def test_a_data_set_of_several_criteria_says_which_one_it_is_about(run, labels_csv):
    labels_csv.write_text(
        "item,annotator,preference,criterion\n1,ann,a,style\n1,ann,b,facts\n2,ann,b,facts\n"
    )
    run("import", "csv", labels_csv)
    out = run("datasets", "show", "labels")[1]
    assert "supported (criterion facts)" in out
    shown = json.loads(run("datasets", "show", "labels", "--json")[1])
    assert (shown["criterion"], shown["criteria"]) == ("facts", ["facts", "style"])


def test_comparisons_without_labels_wait_for_judges(tmp_path, run):
    (tmp_path / "new.csv").write_text("prompt,response_a,response_b\np,x,y yes\nq,x,z\n")
    code, _, err = run("import", "csv", "new.csv", "--unlabelled")
    assert code == 0, err
    assert "2 comparisons new" in err
    assert "annotators" not in err
    assert "next: concord plan --store concord.duckdb --dataset new" in err
    code, _, err = run("import", "csv", "new.csv", "--unlabelled", "--wide", "x")
    assert code != 0
    assert "--unlabelled beside --wide" in err
    code, _, err = run("label", "--dataset", "new", "--judge", "longer")
    assert code == 0, err
    assert "4 labels, 0 failed" in err


def test_json_on_a_terminal_is_text_alone(capsys):
    text = "a\x9b31m b\u202ec \u2028 \x1b[2J é 中"
    print_json({"name": text})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": text}
    assert not set(out) & set("\x9b\u202e\u2028\x1b")
    assert "é 中" in out
