"""Data sets of which little can be said: every section says so, in every form of a report."""

import csv
import json
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
def stores(tmp_path_factory):
    """Each case's store, made once."""
    folder, made = tmp_path_factory.mktemp("degenerate"), {}

    def store(case):
        if case not in made:
            path = folder / f"{len(made)}.duckdb"
            CASES[case](path)
            made[case] = path
        return Store(made[case])

    return store


def sane(rows):
    """What `Rows` asks of each row, and no number that is none."""
    for row in rows:
        for value in (row.estimate, row.low, row.high):
            assert value is None or isfinite(value), row
        assert row.estimate is not None or row.note, row
        assert min(row.n_items, row.n_prompts, row.n_labels) >= 0, row
    return Rows(rows)


@pytest.mark.parametrize("rules", [Rules(), OTHER_RULES], ids=["default", "other"])
@pytest.mark.parametrize("case", CASES)
def test_every_row_is_a_number_or_says_why_not(stores, case, rules):
    store = stores(case)
    rows = sane(compare(store, "d", rules=rules, sections=ALL_SECTIONS))
    for row in rows.rows:
        if row.low is not None:
            assert row.n_prompts >= 20, row


@pytest.mark.parametrize("case", CASES)
def test_every_form_of_a_report_is_written(stores, case, tmp_path, capsys):
    store = stores(case)
    rows = compare(store, "d", sections=ALL_SECTIONS)
    for section in ALL_SECTIONS:
        mine = [row for row in rows if row.section == section]
        for form in ("table", "json", "csv", "markdown", "html"):
            out = tmp_path / "page.html" if form == "html" else None
            written = written_by(store, (section,), form, out, capsys)
            assert not {"nan", "inf", "NaN", "Infinity"} & set(written.replace('"', " ").split())
            if form == "json":
                assert len(json.loads(written)["estimates"]) == len(mine)
            if form == "csv":
                header, *lines = csv.reader(StringIO(written))
                assert header == list(COLUMNS)
                assert len(lines) == len(mine)
            if form == "markdown":
                assert written.count("\n") == 2 + len(mine)


def written_by(store, sections, form, out, capsys):
    """What the command prints or writes."""
    wanted = Wanted("d", sections, (), None, "mode", "drop", "class")
    run_report(store.path, wanted, form, out, slices=True, wide=False)
    printed = capsys.readouterr().out
    return printed if out is None else out.read_text(encoding="utf-8")
