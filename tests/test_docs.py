"""Every `concord` line of the documentation runs, in its order, in a folder of its own."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("make ", "concord fetch", "concord app")  # need a network, or do not end


def commands(page: Path) -> list[str]:
    lines = [line for block in BLOCK.findall(page.read_text()) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


@pytest.fixture
def folder(tmp_path):
    """What the pages take for granted: `mine`, a wide table, the public set that was fetched."""
    table = "item,ann,bob\n" + "".join(f"q{k},{k % 3},{(k * k) % 3}\n" for k in range(30))
    (tmp_path / "table.csv").write_text(table)
    public = ROOT.parent / "shared" / "data" / "pandalm"
    if public.is_dir():
        shutil.copytree(public, tmp_path / "pandalm")
    return tmp_path


def run(line: str, folder: Path) -> None:
    line, _, target = line.partition(" > ")
    words = [sys.executable, "-P", "-m", "app.cli", *shlex.split(line)[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    if target:
        (folder / target.strip()).write_text(done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if page.name != "README.md":
        run("concord import sample", folder)
        run("concord import --template csv > labels.csv", folder)
        run("concord import csv labels.csv --dataset mine", folder)
    lines = commands(page)
    assert lines or page.name == "statistics.md"
    for line in lines:
        if line.startswith(ELSEWHERE) or ("pandalm" in line and not (folder / "pandalm").exists()):
            continue
        assert line.startswith("concord "), line
        run(line, folder)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_columns_of_the_reader_are_documented():
    from data.formats.tabular import COLUMNS

    text = (ROOT / "docs" / "importing.md").read_text()
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []
