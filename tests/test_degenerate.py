"""Data sets of which little can be said: every section says so, in every form of a report."""

import csv
import json
import re
from io import StringIO
from math import isfinite
from zlib import crc32

import numpy as np
import pytest

from app.reporting import Wanted, run_report
from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator
from data.store import Store
from pipelines.compare import SECTIONS, compare
from pipelines.estimates import COLUMNS
from pipelines.panel import read_panel
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.stats.agreement import TieRule
from tests.estimating import (
    AGGREGATE,
    BASELINE,
    HUMAN,
    JUDGE,
    Rows,
    both,
    label,
    store_of,
)

ALL_SECTIONS = tuple(SECTIONS)
FORMS = ("table", "json", "csv", "markdown")
H2 = {"h1": HUMAN, "h2": HUMAN}
H3 = {**H2, "h3": HUMAN}
OTHER_RULES = Rules(MajorityRule.SIGN, UnparsedRule.WRONG, TieRule.DROP)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def marks(name, n, of="abt"):
    return rng(name).choice(list(of), n)


def one_each(name, n, annotator, of="abt", **rest):
    """A label on each of n comparisons."""
    return [label(i, annotator, mark, **rest) for i, mark in enumerate(marks(name, n, of))]


def swapped(name, n, annotator, of="abt", **rest):
    """A label in each order on each of n comparisons."""
    found = zip(marks(f"{name} ab", n, of), marks(f"{name} ba", n, of), strict=True)
    return [cell for i, (ab, ba) in enumerate(found) for cell in both(i, annotator, ab, ba, **rest)]


def people(n, who=tuple(H3), of="abt"):
    return [cell for h in who for cell in one_each(h, n, h, of)]


def of_models(path, n_models, n=60):
    """Three humans and a judge on the answers of so many models."""
    first = [f"m{i % n_models}" for i in range(n)]
    second = [f"m{(i + 1) % n_models}" for i in range(n)]
    comparisons = [
        {"item": i, "source_id": f"c{i}", "prompt": f"p{i}", "model_a": a, "model_b": b,
         "response_a": f"answer {i}", "response_b": f"reply {i}!"}
        for i, (a, b) in enumerate(zip(first, second, strict=True))
    ]  # fmt: skip
    labels = people(n) + one_each("j", n, "j")
    material = Material(
        dataset="d",
        source="test",
        comparisons=table(comparisons, COMPARISONS),
        labels=table(labels, LABELS),
        annotators=tuple(Annotator(kind, name, "d") for name, kind in {**H3, "j": JUDGE}.items()),
        digest="0",
    )
    store = Store(path, create=True)
    import_material(store, material)
    return store


def stated(path, p_a, mark):
    """A judge that states one probability, whatever the comparison."""
    labels = people(60) + one_each("j", 60, "j", mark, p_a=p_a)
    return store_of(path, labels, {**H3, "j": JUDGE}, n_items=60)


def of_prompts(path, n):
    labels = people(n) + swapped("j", n, "j", p_a=0.7)
    return store_of(path, labels, {**H3, "j": JUDGE}, n_items=n)


def simple(labels, kinds, n_items=60, **options):
    return lambda path: store_of(path, labels, kinds, n_items=n_items, **options)


HJ = {**H3, "j": JUDGE}
CASES = {
    "no humans": simple(
        swapped("j", 60, "j") + one_each("k", 60, "k"), {"j": JUDGE, "k": JUDGE}
    ),
    "one human": simple(people(60, ["h1"]) + swapped("j", 60, "j"), {"h1": HUMAN, "j": JUDGE}),
    "two humans": simple(people(60, ["h1", "h2"]) + swapped("j", 60, "j"), {**H2, "j": JUDGE}),
    "one prompt": simple(people(60) + swapped("j", 60, "j", p_a=0.3), HJ, prompts=[0] * 60),
    "one comparison": simple(people(1) + both(0, "j", "a", "b", p_a=0.3), HJ, n_items=1),
    "all ties": simple(people(60, of="t") + swapped("j", 60, "j", "t", p_a=0.5), HJ),
    "humans tie": simple(people(60, of="t") + swapped("j", 60, "j", "ab", p_a=0.6), HJ),
    "one human always ties": simple(  # two humans are never both decided, the judge and one are
        one_each("h1", 60, "h1", "t") + one_each("h2", 60, "h2", "ab") + swapped("j", 60, "j"),
        {**H2, "j": JUDGE},
    ),
    "no overlap": simple(
        people(60) + [label(60 + i, "j", mark, p_a=0.6) for i, mark in enumerate("ab" * 30)],
        HJ, n_items=120,
    ),
    "no overlap of humans": simple(
        [label(i, f"h{i % 3 + 1}", mark) for i, mark in enumerate(marks("h", 60))]
        + swapped("j", 60, "j", p_a=0.6),
        HJ,
    ),
    "constant judge": simple(people(60) + swapped("j", 60, "j", "a", p_a=0.9), HJ),
    "constant everybody": simple(people(60, of="a") + swapped("j", 60, "j", "a", p_a=0.9), HJ),
    "always opposite": simple(people(60, of="a") + swapped("j", 60, "j", "b", p_a=0.1), HJ),
    "all labels missing": simple(people(60) + swapped("j", 60, "j", "x"), HJ),
    "everybody's labels missing": simple(people(60, of="x") + swapped("j", 60, "j", "x"), HJ),
    "refused, failed, skipped": simple(people(60, of="rfs") + swapped("j", 60, "j", "rfs"), HJ),
    "judge only": simple(swapped("j", 60, "j", p_a=0.8), {"j": JUDGE}),
    "baseline only": simple(one_each("first", 60, "first", "ab"), {"first": BASELINE}),
    "humans only": simple(people(60), H3),
    "one human only": simple(people(60, ["h1"]), {"h1": HUMAN}),
    "aggregate only": simple(one_each("gold", 60, "gold"), {"gold": AGGREGATE}),
    "aggregate and judge": simple(
        one_each("gold", 60, "gold") + swapped("j", 60, "j", p_a=0.4),
        {"gold": AGGREGATE, "j": JUDGE},
    ),
    "no labels": simple([], {}),
    "anonymous humans": simple(people(60) + swapped("j", 60, "j"), HJ, anonymous=list(H3)),
    "no texts": simple(people(60) + swapped("j", 60, "j"), HJ, texts=False),
    "equal lengths": simple(
        people(60) + swapped("j", 60, "j"), HJ, responses=[("same", "size")] * 60
    ),
    "one category": simple(people(60) + swapped("j", 60, "j"), HJ, categories=["x"] * 60),
    "a category each": simple(
        people(60) + swapped("j", 60, "j"), HJ, categories=[f"c{i}" for i in range(60)]
    ),
    "a category of one": simple(
        people(60) + swapped("j", 60, "j", p_a=0.7), HJ, categories=["x"] * 59 + ["y"]
    ),
    "repeats": simple(
        [cell for k in range(3) for cell in swapped(f"j{k}", 60, "j", repeat=k)]
        + [cell for k in range(2) for cell in one_each(f"h{k}", 60, "h1", repeat=k)]
        + people(60, ["h2", "h3"]),
        HJ,
    ),
    "a human twice in both orders": simple(
        swapped("h1", 60, "h1") + people(60, ["h2", "h3"]) + swapped("j", 60, "j"), HJ
    ),
    "free and at once": simple(
        people(60) + swapped("j", 60, "j", cost_usd=0.0, seconds=0.0), HJ
    ),
    "reserved names": simple(
        people(60, ["one human", "human ceiling", "human majority"])
        + swapped("j", 60, "humans", p_a=0.2),
        {"one human": HUMAN, "human ceiling": HUMAN, "human majority": HUMAN, "humans": JUDGE},
    ),
    "names of two kinds": simple(
        people(60) + swapped("j", 60, "one human") + one_each("g", 60, "human ceiling"),
        {**H3, "one human": JUDGE, "human ceiling": AGGREGATE},
    ),
    "names with marks": simple(
        people(60, ["<b>h</b>", "h|2", "[red]h"]) + swapped("j", 60, "=1+1"),
        {"<b>h</b>": HUMAN, "h|2": HUMAN, "[red]h": HUMAN, "=1+1": JUDGE},
    ),
    "no model": lambda path: of_prompts(path, 60),
    **{f"{n} models": lambda path, n=n: of_models(path, n) for n in (1, 2, 3)},
    **{f"p_a {p}": lambda path, p=p, m=m: stated(path, p, m)
       for p, m in ((0.5, "t"), (0.0, "b"), (1.0, "a"))},
    **{f"{n} prompts": lambda path, n=n: of_prompts(path, n) for n in (2, 19, 20, 21, 49, 50)},
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Each case's store with its rows under the default rules, made once."""
    folder, made = tmp_path_factory.mktemp("degenerate"), {}

    def of(case):
        if case not in made:
            path = folder / f"{len(made)}.duckdb"
            CASES[case](path)
            store = Store(path)
            made[case] = store, compare(store, "d", sections=ALL_SECTIONS)
        return made[case]

    return of


def sane(rows):
    """What `Rows` asks of each row, and no number that is none."""
    for row in rows:
        for value in (row.estimate, row.low, row.high):
            assert value is None or isfinite(value), row
        assert row.estimate is not None or row.note, row
        assert min(row.n_items, row.n_prompts, row.n_labels) >= 0, row
    return Rows(rows)


@pytest.mark.parametrize("case", CASES)
def test_every_row_is_a_number_or_says_why_not(found, case):
    sane(found(case)[1])


@pytest.mark.parametrize("case", CASES)
def test_so_it_is_under_other_rules(found, case):
    store, _ = found(case)
    sane(compare(store, "d", rules=OTHER_RULES, sections=ALL_SECTIONS))


@pytest.mark.parametrize("case", CASES)
def test_every_form_of_a_report_is_written(found, case, tmp_path, capsys, monkeypatch):
    store, rows = found(case)

    def known(_panel, _rules, sections, _slices):
        return [row for row in rows if row.section in sections]

    panel = read_panel(store, "d")
    monkeypatch.setattr("app.reporting.estimates_of", known)
    monkeypatch.setattr("app.reporting.read_panel", lambda *_: panel)
    monkeypatch.setattr("app.reporting.take_up_if_possible", lambda _: None)
    monkeypatch.setattr("app.reporting.chosen_dataset", lambda *_: "d")
    for section in ALL_SECTIONS:
        n_rows = len(known(None, None, (section,), None))
        text = {form: written(store, section, form, capsys) for form in FORMS}
        page = written(store, section, "html", capsys, tmp_path / "page.html")
        assert page.lower().startswith("<!doctype html>")
        assert len(json.loads(text["json"], parse_constant=pytest.fail)["estimates"]) == n_rows
        assert [len(cells) for cells in csv.reader(StringIO(text["csv"]))] == [len(COLUMNS)] * (
            n_rows + 1
        )
        assert text["markdown"].count("\n") == n_rows + 2
        for printed in (*text.values(), page):
            assert not re.search(r"\b(nan|NaN|inf|None|Infinity)\b", printed), printed


def written(store, section, form, capsys, out=None):
    """What `concord report` prints or writes."""
    wanted = Wanted("d", (section,), (), None, "mode", "drop", "class")
    run_report(store.path, wanted, form, out, slices=True, wide=False)
    printed = capsys.readouterr().out
    return printed if out is None else out.read_text(encoding="utf-8")


def test_a_report_computes_what_it_prints(found, tmp_path, capsys):
    """Nothing replaced: the page of all sections, of the data set with least to say."""
    store, _ = found("one comparison")
    wanted = Wanted("d", ALL_SECTIONS, (), None, "mode", "drop", "class")
    run_report(store.path, wanted, "html", tmp_path / "page.html", slices=True, wide=False)
    assert "wrote" in "".join(capsys.readouterr())


@pytest.mark.parametrize("ties", TieRule)
def test_a_trivial_judge_is_measured_as_an_annotator_with_its_labels_is(tmp_path, ties):
    """One estimand, two paths: what a baseline reaches, and the agreement of who labels like it."""
    longer = marks("longer", 60, "ab")
    responses = [("long answer", "short") if m == "a" else ("short", "long one") for m in longer]
    labels = people(60) + [label(i, "longer", m) for i, m in enumerate(longer)]
    store = store_of(
        tmp_path / "s", labels, {**H3, "longer": BASELINE}, n_items=60, responses=responses
    )
    rows = Rows(compare(store, "d", rules=Rules(ties=ties), sections=("agreement", "chance")))
    own = rows.one("single_human_agreement", "longer")
    trivial = rows.one("baseline_agreement", "longer response")
    assert (trivial.estimate, trivial.low, trivial.high) == (own.estimate, own.low, own.high)
    assert trivial.method == f"{own.method} items of longer"
    if ties is not TieRule.CLASS:  # half of what is decided, and half of a tie
        assert rows.one("baseline_agreement", "random choice").estimate == pytest.approx(0.5)
