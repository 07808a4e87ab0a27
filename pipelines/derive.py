"""Probes: comparisons with one thing about a response changed, as a data set of its own.

A probe is one file with a function `change`: shipped in `pipelines/probes`, or a user's own. What
it makes follows from the texts alone, so the same command always means the same data set.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from inspect import getdoc, getsource
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from data import queries
from data.derived import Child, add_derived, count_derived, page_of_parents
from data.errors import InputError, JudgeError
from data.records import ORIGINAL, UNCHANGED, make_id
from judges.prompts import parse_template, read_template
from judges.verifier import load_function
from pipelines import probes as shipped_probes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from data.derived import Parent
    from data.store import Store

COMPARISONS = 200  # of each probe, unless told otherwise
PAGE = 500
LOOKED_AT = 20_000  # comparisons, where a probe applies to few
SIDES = ("a", "b")
WORSE = re.compile(r"^WORSE\s*=\s*True\b", re.MULTILINE)  # in a probe's file


class Given(NamedTuple):
    """What a probe may look at."""

    prompt: str | None
    response: str
    """The response that may be changed."""
    other: str
    """The other response of the comparison."""
    author: str | None
    """The model that wrote the response, where that is known."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One change. `change` gives the changed response, None where it does not apply.

    `worse`: it takes something away that a judge should miss.
    """

    name: str
    about: str
    change: Callable[[Given], str | None] = field(repr=False)
    source: str = field(repr=False)
    worse: bool = False

    def children(self, parent: Parent) -> Iterator[Child]:
        """One with a drawn response changed; with the other one where only that can be."""
        it = parent.comparison
        drawn = make_id("probe", self.name, it.comparison_id).int % 2
        for side in (SIDES[drawn], SIDES[1 - drawn]):
            texts = {"a": it.response_a or "", "b": it.response_b or ""}
            author = parent.model_a if side == "a" else parent.model_b
            other = texts["b" if side == "a" else "a"]
            changed = self._changed(Given(it.prompt, texts[side], other, author))
            if changed is not None and changed != texts[side]:
                texts[side] = changed
                yield Child(parent, self.name, side, texts["a"], texts["b"],
                            {"worse": self.worse, "source": _digest(self.source)})  # fmt: skip
                return

    def _changed(self, given: Given) -> str | None:
        try:
            changed = self.change(given)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"the probe {self.name} failed on {given.response[:40]!r}: {type(error).__name__}"
                f"{_text_of(error)}",
                "Mend it: change(given) takes responses of any kind.",
            ) from error
        if changed is not None and not _is_text(changed):
            raise InputError(
                f"the probe {self.name} gave {repr(changed)[:80]}",
                "Return a text of whole characters, or None.",
            )
        return changed


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """The judge's prompt in other words; the responses stay as they are."""

    name: str
    source: str = field(repr=False)

    def children(self, parent: Parent) -> Iterator[Child]:
        """The same texts, to be asked with this template."""
        yield _same(parent, self.name, {"template": self.source})


@dataclass(frozen=True, slots=True)
class Derived:
    """A data set of probes: comparisons by perturbation, and the probes that applied to none."""

    dataset: str
    counts: dict[str, int]
    without: tuple[str, ...]


def shipped() -> dict[str, Probe]:
    """The probes that come with Concord, by name."""
    names = [each.name for each in pkgutil.iter_modules(shipped_probes.__path__)]
    return {name.replace("_", "-"): _shipped(name) for name in names}


def _shipped(stem: str) -> Probe:
    module = importlib.import_module(f"pipelines.probes.{stem}")
    return _probe(stem.replace("_", "-"), module.change, getsource(module), getdoc(module))


def _probe(name: str, change: Any, source: str, doc: str | None) -> Probe:
    about = (doc or "a probe of your own").splitlines()[0].rstrip(".")
    return Probe(name, about, change, source, bool(WORSE.search(source)))


def find_probe(given: str) -> Probe:
    """A shipped probe by name, or a file of one's own. Raises InputError where there is none."""
    if not given.endswith(".py"):
        known = shipped()
        if given not in known:
            raise InputError(
                f"no probe {given!r}", f"There are: {', '.join(known)}; or name a file: mine.py."
            )
        return known[given]
    source = _read(Path(given))
    try:
        change = load_function("change", source)
        doc = ast.get_docstring(ast.parse(source))
    except JudgeError as error:
        said = error.what.replace("file of checks", "file")
        raise InputError(f"the probe {given}: {said}", error.fix) from error
    # a changed file is another probe: its labels must not join those of the earlier one
    name = f"{Path(given).stem}@{_digest(source)}"
    return _probe(name, change, source, doc)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the probe {path}: {error}",
            "`concord probes length` prints one to start from.",
        ) from error


def find_paraphrase(given: str) -> Paraphrase:
    """A template by name or file, as judge files name them. Raises JudgeError."""
    text = read_template(given, Path())
    parse_template(text, given, ())
    return Paraphrase(f"paraphrase {Path(given).stem}@{_digest(text)}", text)


def derive(
    store: Store,
    dataset: str,
    probes: Sequence[Probe | Paraphrase],
    n: int = COMPARISONS,
) -> Derived:
    """Make, once, the data set of these probes on the first `n` comparisons they apply to.

    Beside each changed comparison stands its original; every second one of each probe is asked
    once more unchanged. Raises InputError where no comparison of the data set has texts.
    """
    if n < 1 or not probes:
        raise InputError("nothing to probe", "At least one probe, on at least one comparison.")
    by_name = {probe.name: probe for probe in probes}
    probes = [by_name[name] for name in sorted(by_name)]
    digest = _digest(*(f"{probe.name} {probe.source}" for probe in probes), str(n))
    name = f"{dataset}.probes-{digest}"
    source = f"probes of {dataset}: {', '.join(probe.name for probe in probes)}"
    _refuse_probes(store, dataset)
    counts = count_derived(store, name, source)
    if not counts:
        made = list(_made(_parents(store, dataset), probes, n))
        if not made:
            raise InputError(
                f"no probe applies to any comparison of {dataset!r}",
                "Where it has texts the probes gave None or the same text; else import a file "
                "that has response_a and response_b.",
            )
        counts = add_derived(store, name, dataset, source, made)
        if not counts:
            raise InputError(f"{dataset!r} was removed meanwhile", "Import it again.")
    without = tuple(probe.name for probe in probes if probe.name not in counts)
    return Derived(name, counts, without)


def _refuse_probes(store: Store, dataset: str) -> None:
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        if dataset not in [name for (name,) in queries.rows(con, queries.GIVEN_DATASETS)]:
            raise InputError(
                f"{dataset!r} was made by probes itself", "Probe the data set it was made of."
            )


def _is_text(changed: object) -> bool:
    """Whether it is a text that can be stored: half a character cannot."""
    try:
        return isinstance(changed, str) and bool(changed.encode() or True)
    except UnicodeEncodeError:
        return False


def _text_of(error: BaseException) -> str:
    """What an error says, in a line of no great length; it may fail to say anything."""
    try:
        said = " ".join(str(error).split())[:200]
    except Exception:
        said = ""
    return f": {said}" if said else ""


def _parents(store: Store, dataset: str) -> Iterator[Parent]:
    after, seen = UUID(int=0), 0
    while seen < LOOKED_AT:
        with store.reading() as con:
            page = page_of_parents(con, dataset, after, PAGE)
        if not page:
            return
        yield from page
        after, seen = page[-1].comparison.comparison_id, seen + len(page)


def _made(
    parents: Iterable[Parent], probes: Sequence[Probe | Paraphrase], n: int
) -> Iterator[Child]:
    counts: Counter[str] = Counter()
    for parent in parents:
        wanted = [probe for probe in probes if counts[probe.name] < n]
        if not wanted:
            return
        children = [child for probe in wanted for child in probe.children(parent)]
        if children:
            yield from children
            yield _same(parent, ORIGINAL, {})
        if any(counts[child.perturbation] % 2 == 0 for child in children):
            yield _same(parent, UNCHANGED, {})
        counts.update(child.perturbation for child in children)


def _same(parent: Parent, name: str, about: dict[str, Any]) -> Child:
    it = parent.comparison
    drawn = make_id("probe", name, it.comparison_id).int % 2
    return Child(parent, name, SIDES[drawn], it.response_a or "", it.response_b or "", about)


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:6]
