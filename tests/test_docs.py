"""The documentation runs: every command in its order, and every judge file, against a provider.

The provider is the simulated one, under the names of the real models. Where the addresses and keys
of OpenAI and Anthropic come from the environment, files are used as they stand; an address that a
file names itself is replaced.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app import cli
from data.derived import responses_of
from data.samples.build import LABELS
from data.samples.build import truth as sample_truth
from data.store import Store
from judges.config import JudgeFile, KindName, library
from judges.prompts import FIELDS, TEMPLATES
from judges.simulated import Behaviour, Truth, running
from judges.verifier import Check
from pipelines.derive import derive, find_probe, shipped
from pipelines.ingest import ingest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ON_JUDGES = (ROOT / "docs" / "judges.md", ROOT / "docs" / "labelling.md")
WITH_PYTHON = [page for page in PAGES if "from pipelines import" in page.read_text()]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:toml|md|txt|py))\n")
ELSEWHERE = ("make ", "concord fetch", "concord app")  # need a network, or do not end
MODELS = ("gpt-5.4-mini", "gpt-4.1-mini", "claude-haiku-5-5", "my-model")
LOCAL = "http://127.0.0.1:8000/v1"
NOT_SIMULATED = ("gemini-3.8-flash", "small-jury")  # Google's protocol


def commands(page):
    blocks = [text for language, text in BLOCK.findall(page.read_text()) if language == "sh"]
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def files(page):
    """The files of a page: blocks that begin with `# NAME`."""
    found = [(FILE.match(text), text) for _, text in BLOCK.findall(page.read_text())]
    return {match[1]: text for match, text in found if match}


def judge_files():
    return [name for page in ON_JUDGES for name in files(page) if name.endswith(".toml")]


def probed_texts(folder):
    """What the probes of the pages make of the sample."""
    store = Store(folder / "s.duckdb", create=True)
    list(ingest(store, "sample", None))
    for name, text in files(ROOT / "docs" / "probes.md").items():
        (folder / name).write_text(text)
    own = [find_probe(str(path)) for path in folder.glob("*.py")]
    derived = derive(store, "sample", [*shipped().values(), *own], 1000)
    return responses_of(store, derived.dataset)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    sky = [
        ("Because it mirrors the sea.", 0.1),
        ('Air scatters blue light more than red: "Rayleigh scattering".', 0.9),
    ]
    texts = Truth([*sample_truth(), *sky]).including(
        probed_texts(tmp_path_factory.mktemp("probes"))
    )
    with running(texts, dict.fromkeys(MODELS, Behaviour(tie_width=0.2))) as server:
        yield server


@pytest.fixture
def concord(provider, tmp_path, monkeypatch, capsys):
    """Give a command in a folder of its own; returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONCORD_STORE", raising=False)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(name, provider.base_url)
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"):
        monkeypatch.setenv(name, provider.anthropic_url)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "a-key-for-nobody")

    def give(line):
        line, _, target = line.partition(" > ")
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        said = capsys.readouterr()
        assert code == 0, f"{line}\n{said.err}"
        if target:
            Path(target.strip()).write_text(said.out.replace(LOCAL, provider.base_url))
        return said.out

    return give


@pytest.fixture
def folder(concord, tmp_path):
    """What the pages take for granted: `mine`, a wide table, the public set that was fetched."""
    table = "item,ann,bob\n" + "".join(f"q{k},{k % 3},{(k * k) % 3}\n" for k in range(30))
    (tmp_path / "table.csv").write_text(table)
    new = "prompt,response_a,response_b\n" + "".join(f"q{k}?,yes,no\n" for k in range(3))
    (tmp_path / "new.csv").write_text(new)
    public = ROOT.parent / "shared" / "data" / "pandalm"
    if public.is_dir():
        shutil.copytree(public, tmp_path / "pandalm")
    return tmp_path


def prepare(page, folder, concord, provider):
    """The data and the files that a page speaks of."""
    if page.name != "README.md":
        concord("concord import sample")
        shutil.copy(LABELS, "labels.csv")
        concord("concord import csv labels.csv --dataset mine")
    for name, text in files(page).items():
        Path(name).write_text(text.replace(LOCAL, provider.base_url))


def sooner(line):
    """A batch is looked at at once, not after half a minute."""
    return f"{line} --poll-seconds 0.1" if "--batch" in line else line


def newest_run(concord):
    return json.loads(concord("concord runs --json"))["runs"][0]["run_id"][:8]


def n_labels():
    with Store(Path("concord.duckdb")).reading() as con:
        return con.execute("SELECT count(*) FROM labels").fetchall()[0][0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, folder, concord, provider):
    prepare(page, folder, concord, provider)
    lines = commands(page)
    assert lines or page.name == "statistics.md"
    for line in lines:
        if line.startswith(ELSEWHERE) or ("pandalm" in line and not (folder / "pandalm").exists()):
            continue
        assert line.startswith("concord "), line
        before = n_labels() if line.startswith("concord label ") else None
        concord(line.replace("RUN", newest_run(concord)) if "RUN" in line else sooner(line))
        labels = "--dry-run" not in line and line.startswith("concord label ")
        assert before is None or (n_labels() > before) is labels, line


# ---- the judge files


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The data set `mine` in a store, and the examples that a page draws from it."""
    where = tmp_path_factory.mktemp("mine")
    shutil.copy(LABELS, where / "labels.csv")
    for line in ("import csv labels.csv --dataset mine", "examples --n 4 > examples.jsonl"):
        line, _, target = line.partition(" > ")
        command = [sys.executable, "-P", "-m", "app.cli", *line.split()]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=where, env=environment, capture_output=True, check=True)
        if target:
            (where / target).write_bytes(done.stdout)
    return where


def statuses(name):
    sql = """SELECT DISTINCT status FROM labels JOIN annotators USING (annotator_id)
             WHERE name = ? AND dataset IS NULL"""
    with Store(Path("concord.duckdb")).reading() as con:
        return {status for (status,) in con.execute(sql, [name]).fetchall()}


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if "from pipelines import" in p.read_text()],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs_after_its_commands(page, folder, concord, provider, capsys):
    prepare(page, folder, concord, provider)
    for line in commands(page):
        concord(line)
    examples = [text for language, text in BLOCK.findall(page.read_text()) if language == "python"]
    for text in examples:
        exec(compile(text, page.name, "exec"), {})
        assert re.search(r"^judge.* -?0\.\d+", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("name", judge_files())
def test_a_judge_file_of_a_page_labels(name, concord, provider, mine):
    shutil.copytree(mine, ".", dirs_exist_ok=True)
    for page in ON_JUDGES:
        for file, text in files(page).items():
            Path(file).write_text(text.replace(LOCAL, provider.base_url))
    result = json.loads(concord(f"concord label --judge {name} --dataset mine --limit 6 --json"))
    assert (result["status"], result["failed"], result["notes"]) == ("complete", 0, [])
    assert result["done"] == result["planned"] > 0
    file = tomllib.loads(Path(name).read_text())
    found = statuses(file["name"])
    assert "ok" in found
    # Not every comparison of the sample has a reference, and not all of those fit every check.
    unasked = {"skipped", "parse_error"} if file.get("kind") == "verifier" else {"skipped"}
    assert found <= {"ok", *unasked}
    assert found == {"ok"} or result["without_verdict"] > 0


@pytest.mark.parametrize("name", sorted({*library()} - {*NOT_SIMULATED}))
def test_a_shipped_judge_labels(name, concord, provider, mine):
    shutil.copytree(mine, ".", dirs_exist_ok=True)
    concord(f"concord judges {name} > shipped.toml")
    result = json.loads(concord("concord label --judge shipped.toml --limit 4 --json"))
    assert (result["status"], result["failed"], result["notes"]) == ("complete", 0, [])
    assert "ok" in statuses(name)


# ---- what the pages say


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target, place in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text()):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            places = {f"#{title.lower().replace(' ', '-')}" for title in titles}
            assert not place or place in places, f"{page.name}: {target}{place}"


def test_the_columns_of_the_reader_are_documented():
    from data.formats.tabular import COLUMNS

    text = (ROOT / "docs" / "importing.md").read_text()
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def test_every_kind_key_field_check_and_template_is_documented():
    page = ON_JUDGES[0].read_text()
    keys = [f"`[{k}]`" if f"`[{k}]`" in page else f"`{k}`" for k in JudgeFile.model_fields]
    fields = [f"`{{{{{field}}}}}`" for field in FIELDS]
    templates = [f"`{path.stem}`" for path in TEMPLATES.glob("*.md")]
    words = [f"`{word}`" for word in (*KindName, *Check)]
    assert [each for each in (*keys, *fields, *templates, *words) if each not in page] == []


def test_every_kind_has_a_file_and_every_option_of_a_run_is_documented():
    kinds = {
        tomllib.loads(text).get("kind", "pairwise")
        for page in ON_JUDGES
        for name, text in files(page).items()
        if name.endswith(".toml")
    }
    assert kinds == {*KindName} - {KindName.REWARD_MODEL}  # whose file a command writes
    pages = "".join(each.read_text() for each in ON_JUDGES)
    options = set(re.findall(r"--[a-z-]+", label_options())) - {"--store"}
    assert sorted(option for option in options if option not in pages) == []


def label_options():
    from typer.main import get_command

    command = get_command(cli.app).commands["label"]
    return " ".join(option for each in command.params for option in each.opts)


def test_the_page_of_probes_has_each_of_them():
    page = (ROOT / "docs" / "probes.md").read_text()
    assert [name for name in shipped() if f"`{name}`" not in page] == []
