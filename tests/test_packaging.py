"""What is shipped, what is locked, and the rules about files that no type checker sees."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "data", "judges", "pipelines")
KINDS = (
    *(f"{package}/**/*.py" for package in PACKAGES),
    "data/formats/manifests/*.json",
    "app/*.css",
    "app/*.png",
    "data/samples/**/*.csv",
    "data/samples/**/*.jsonl",
    "judges/library/*.toml",
    "judges/library/*.txt",
    "judges/templates/*.md",
)
LEFT_BEHIND = re.compile(r"__pycache__|\.duckdb|\.DS_Store")


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def tracked_files() -> list[Path]:
    """The files of the repository, and the new ones that nobody ignored."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


# ---- The wheel


def shipped_files() -> set[str]:
    """Read from the disk, not from git: what .gitignore hides by mistake is to be found missing."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    names = {path.relative_to(ROOT).as_posix() for path in found}
    return {name for name in names if not LEFT_BEHIND.search(name)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from a copy of what a clone would hold, without the network."""
    source = tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    built = run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], source)
    assert built.returncode == 0, built.stderr
    (path,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    assert sorted(shipped_files() - set(wheel.namelist())) == []


@pytest.mark.parametrize("pattern", KINDS)
def test_wheel_holds_every_kind_of_file(wheel: zipfile.ZipFile, pattern: str) -> None:
    kind = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    assert kind & set(wheel.namelist())


def test_wheel_holds_nothing_but_the_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops - set(PACKAGES) == {f"concord_feedback-{project()['project']['version']}.dist-info"}


def test_wheel_has_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    files = {name.split("/", 1)[1]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "concord = app.cli:main" in wheel.read(files["entry_points.txt"]).decode().splitlines()
    assert b"Apache License" in wheel.read(files["licenses/LICENSE"])


def test_version_is_the_installed_one() -> None:
    declared = project()["project"]["version"]
    assert importlib.metadata.version("concord-feedback") == declared


# ---- The lock


def wanted() -> list[Requirement]:
    declared = project()
    extras = declared["project"]["optional-dependencies"]
    names = [
        *declared["build-system"]["requires"],
        *declared["project"]["dependencies"],
        *extras["dev"],
    ]
    return [Requirement(name) for name in names]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_lock_pins_every_dependency(requirement: Requirement) -> None:
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    name = canonicalize_name(requirement.name)
    versions = [version for pinned, version in pins if canonicalize_name(pinned) == name]
    assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions), versions


def test_lock_is_hashed_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text
    assert re.search(r"^-", text, re.MULTILINE) is None


# ---- The tree

# Each needle is written so that this file does not match itself.
ADDRESSES = re.compile(
    r"py[p]i\.org|python[h]osted|registry\.[n]pm|deb\.[d]ebian|file:[/]{2}"
    r"|(index-url|find-links)[\s=]+[\"']?[\w./:-]*[/]"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w./~-])/(work|farm|root)[/]|/(home|Users)[/]\w+/|[A-Z]:\\\\?Users[\\]"
)


def test_needles_find_what_they_are_for() -> None:
    for scheme, rest in [
        ("https:", "//py" + "pi.org/simple"),
        ("--index-url", " http:" + "//host"),
    ]:
        assert ADDRESSES.search(scheme + rest)
    for first, rest in [
        ("/ro", "ot/x"),
        ("/ho", "me/ann/x"),
        ("C:", "\\Users\\ann"),
        ("/wo", "rk/x"),
    ]:
        assert MACHINE_PATHS.search(f"open({first}{rest})")
    assert MACHINE_PATHS.search("see ../wo" + "rk/x and net" + "work/x") is None


@pytest.mark.parametrize("needle", [ADDRESSES, MACHINE_PATHS], ids=["addresses", "machine paths"])
def test_no_file_names_a_registry_or_a_machine(needle: re.Pattern[str]) -> None:
    found = []
    for name in tracked_files():
        text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
        found += [f"{name}: {match[0]}" for match in needle.finditer(text)]
    assert found == []


def test_streamlit_finds_no_package_of_ours_in_app() -> None:
    """Streamlit puts app/ first on sys.path, and takes a folder `pages` for its own."""
    names = {path.stem for path in (ROOT / "app").iterdir()}
    assert names.isdisjoint({*PACKAGES, "pages"})
    assert (ROOT / "app" / "views").is_dir()


def test_tests_shadow_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    assert {path.stem for path in (ROOT / "tests").rglob("*")}.isdisjoint(PACKAGES)


# ---- The floors


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_contracts_bite(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    (tmp_path / "data" / "bad.py").write_text("import pipelines\n")
    checked = run([str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], tmp_path)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "data.bad -> pipelines" in checked.stdout
