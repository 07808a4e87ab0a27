from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.html_report import html_report
from app.report_html.figures import MOST, figures_of, labels_of, own_methods, roles_of
from app.report_html.look import DARK, LIGHT, MARKS, STYLE, TEXTS
from app.report_html.markup import name, text
from app.report_html.plot import Figure, draw
from app.report_html.scale import scale_of
from app.report_html.tabulate import NUMBER, section_tables, table_html
from app.tables import Dot
from data.store import Store
from pipelines.compare import compare
from pipelines.estimates import Estimate
from pipelines.ingest import ingest
from pipelines.wording import STATISTICS, duration, money, percent, points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import Browser

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
FORBIDDEN = ("http:", "https:", "src=", "<script", "javascript:", "url(", "@import", "onerror=")
VOID = {"meta", "wbr"}  # HTML's own; what SVG closes itself is told apart by the parser
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title></style><a href=javascript:alert(1)>",
    "&lt;b&gt; & `x`",
    "safe\u202egpj.exe\u2066\u200f",
)


def estimate(
    statistic: str = "single_human_agreement",
    subject: str = "gpt-4",
    value: float | None = 0.64,
    **rest: object,
) -> Estimate:
    known = value is not None
    fields: dict[str, object] = {
        "section": "agreement",
        "subject": subject,
        "reference": "one human",
        "criterion": "overall",
        "statistic": statistic,
        "method": "ties=class unparsed=drop",
        "slice": "all",
        "estimate": value,
        "low": value - 0.05 if value is not None else None,
        "high": value + 0.05 if value is not None else None,
        "n_items": 480 if known else 0,
        "n_prompts": 80 if known else 0,
        "n_labels": 960 if known else 0,
        "unit": "share",
        "note": None if known else "not known here",
        **rest,
    }
    return Estimate(**fields)  # type: ignore[arg-type]


def small(judge: str = "gpt-4", **rest: object) -> list[Estimate]:
    """A judge, its ceiling, its gap; position and cost."""
    bias = {"section": "bias", "reference": "order shown"}
    cost = {"section": "cost", "unit": "usd"}
    price = "cost_usd_per_1000"
    gap = {"reference": "human ceiling", "unit": "share difference"}
    rows = [
        estimate(subject=judge),
        estimate(subject="human ceiling", value=0.6),
        estimate("gap", judge, 0.04, **gap),
        estimate("first_shown_share", "one human", 0.5, **bias),
        estimate("first_shown_share", judge, 0.7, **bias),
        estimate("position_consistency", judge, 0.8, **bias),
        estimate(price, judge, 4.2, reference="judge labels", **cost),
        estimate(price, "one human", None, reference="human labels", **cost),
    ]
    rows = [replace(row, **rest) for row in rows]  # type: ignore[arg-type]
    rows[1] = replace(rows[1], method=f"{rows[1].method} items of {judge}")
    return rows


class Page(HTMLParser):
    """Elements with their attributes and text; fails where they are not well nested."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # (the element, its text)
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        """The attributes of every such element."""
        return [
            attributes
            for found, attributes in self.elements
            if found == tag and (not css or css in (attributes.get("class") or "").split())
        ]

    @property
    def words(self) -> str:
        """All text that is no style."""
        return "".join(data for tag, data in self.texts if tag != "style")


def page(rows: Sequence[Estimate], dataset: str = "d", simulated: bool = False) -> Page:
    return Page(html_report(dataset, simulated, rows, made_at=AT))


def check_safe(source: str) -> None:
    """Nothing to run and nothing to fetch, in whatever way one might look for it."""
    for part in FORBIDDEN:
        assert part not in source.lower(), part
    for tag, attributes in Page(source).elements:
        assert tag not in ("script", "img", "link", "iframe", "object", "embed", "base", "form")
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "style")]
        assert attributes.get("href", "#").startswith("#"), attributes


# What is in the file


def test_nothing_to_run_and_nothing_to_fetch() -> None:
    source = html_report("d", True, small(), made_at=AT)
    check_safe(source)
    assert "default-src 'none'; style-src 'unsafe-inline'" in source
    assert source.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("evil", HOSTILE)
def test_untrusted_text_stays_text_wherever_it_stands(evil: str) -> None:
    rows = [
        *small(evil, criterion=evil, note=evil),
        *[replace(row, slice=f"category={evil}") for row in small(evil, note=evil)],
        estimate("odd", evil, section="new", reference=evil, method=f"x {evil}", note=evil),
        estimate("odd", evil, section="new", reference=evil, method="y", note=evil),
        estimate(evil, evil, section=evil, reference=evil, unit=evil, slice=f"{evil}={evil}"),
    ]
    check_safe(html_report(evil, False, rows, made_at=AT, command=f"concord {evil}"))
    shown = page(rows, evil).words
    visible = "".join(c if c.isprintable() else "\ufffd" for c in evil)
    assert visible in shown
    assert not re.search("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]", shown)


@given(st.text())
def test_text_never_spells_markup(anything: str) -> None:
    found = text(anything)
    assert not set("<>\"'=:`") & set(re.sub(r"&#?\w+;", "", found))
    bare = Page(f"<p>{found}</p>")
    assert [tag for tag, _ in bare.elements] == ["p"]
    visible = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in anything)
    assert bare.words == visible


def test_a_name_breaks_between_its_parts_and_keeps_its_direction() -> None:
    assert name("a/b_c") == "<bdi>a/<wbr>b_<wbr>c</bdi>"
    assert name("</b>") == "<bdi>&lt;/<wbr>b&gt;</bdi>"


def test_every_section_has_its_sentence_figures_tables_and_place_in_the_contents() -> None:
    source = html_report("d", False, small(), made_at=AT)
    found = Page(source)
    assert [a["id"] for a in found.all("section")] == ["s0", "s1", "s2"]
    assert [a["href"] for a in found.all("a")] == ["#s0", "#s1", "#s2"]
    assert "gpt-4 cannot be told apart from one human yet" in found.words
    assert "1,000 AI labels cost $4.2" in found.words
    sections = source.split("<section")[1:]
    assert all(part.index("<figure") < part.index("<table") for part in sections)
    ids = [a["id"] for _, a in found.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in found.all("figure")} <= set(ids)


def test_a_simulated_data_set_says_so() -> None:
    assert page(small(), simulated=True).all("p", "banner")
    assert not page(small()).all("p", "banner")


def test_no_rows_is_a_page_that_says_so() -> None:
    assert "There is nothing to report yet." in page([]).words


def test_the_footer_says_when_by_what_and_how_again() -> None:
    rows = small(method="majority=sign ties=class unparsed=tie", criterion="tone")
    late = AT.astimezone(timezone(timedelta(hours=9)))
    found = Page(html_report("it's mine", False, rows, made_at=late)).words
    assert "Made 2026-03-04 05:06 UTC" in found
    assert re.search(r"Concord [\w. ]+, Python 3\.\d+\.\d+, numpy \d", found)
    assert (
        "concord report --dataset 'it'\"'\"'s mine' --criterion tone --majority sign "
        "--unparsed tie --format html --out report.html"
    ) in found
    assert "majority: the sign of the mean label" in found
    given_command = html_report("d", False, rows, made_at=AT, command="concord x --store y")
    assert "concord x --store y" in Page(given_command).words


def test_the_command_has_no_option_that_is_the_rule_anyway() -> None:
    found = page(small()).words
    assert "concord report --dataset d --format html --out report.html" in found


# Colours


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # WebAIM's example


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_marks_stand_out(colours: dict[str, str]) -> None:
    for role in TEXTS:  # WCAG 1.4.3
        assert contrast(colours[role], colours["paper"]) >= 4.5, role
    for role in ("ink", "muted"):
        assert contrast(colours[role], colours["shade"]) >= 4.5, role
    for role in MARKS:  # WCAG 1.4.11, on the band as well
        assert contrast(colours[role], colours["paper"]) >= 3.0, role
        assert contrast(colours[role], colours["band"]) >= 3.0, role


def test_the_two_colours_are_those_of_the_house() -> None:
    assert (LIGHT["human"], LIGHT["ai"]) == ("#0072B2", "#D55E00")
    assert LIGHT.keys() == DARK.keys()
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE)) - {"names"}
    assert used <= LIGHT.keys()
    assert "prefers-color-scheme:dark" in STYLE
    assert STYLE.rindex("@media print") > STYLE.rindex("prefers-color-scheme")


# Axes


def test_a_scale_by_hand() -> None:
    # .47 to .68 in six steps is .035 each, so steps of .05 from .45 to .70
    scale = scale_of([0.47, 0.68], "share")
    assert (scale.low, scale.high) == pytest.approx((0.45, 0.7))
    assert [words for _, words in scale.ticks] == ["45%", "50%", "55%", "60%", "65%", "70%"]
    assert scale.at(0.55) == pytest.approx(40)
    # .58 to .60 is widened to .2 around .59: .49 to .69
    assert scale_of([0.58, 0.6], "share").low == pytest.approx(0.45)
    assert scale.at(None) is None


def test_a_scale_of_differences_holds_zero_and_signs() -> None:
    scale = scale_of([0.04, 0.11], "share difference")
    assert scale.at(0.0) == pytest.approx(0)
    assert [words for _, words in scale.ticks][:2] == ["0", "+2"]


def test_money_far_apart_is_on_a_log_axis_that_has_no_zero() -> None:
    scale = scale_of([0.0, 0.5, 300.0], "usd")
    assert scale.log
    assert [words for _, words in scale.ticks] == ["$0.1", "$1", "$10", "$100", "$1,000"]
    # log10(10) is 1, half way between -1 and 3
    assert scale.at(10.0) == pytest.approx(50)
    assert scale.at(0.0) is None
    assert not scale_of([0.0, 5.0, 10.0], "usd").log


def test_time_is_in_the_unit_one_would_say() -> None:
    assert [words for _, words in scale_of([1200.0, 2400.0], "seconds").ticks] == [
        *["0 min", "10 min", "20 min", "30 min", "40 min"]
    ]
    assert scale_of([8000.0], "seconds").ticks[-1][1].endswith(" h")
    assert scale_of([3.0], "seconds").ticks[-1][1].endswith(" s")


UNITS = ("share", "share difference", "kappa", "correlation", "usd", "seconds", "brier")
VALUES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=0, max_size=6)


@given(VALUES, st.sampled_from(UNITS))
def test_every_value_has_a_place_inside_and_ticks_rise(values: list[float], unit: str) -> None:
    scale = scale_of(values, unit)
    for value in values:
        at = scale.at(value)
        assert at is None if scale.log and value <= 0 else -1e-6 <= at <= 100 + 1e-6
    assert 2 <= len(scale.ticks) <= 9
    assert all(a < b for (a, _), (b, _) in pairwise(scale.ticks))
    assert len({words for _, words in scale.ticks}) == len(scale.ticks)


# Figures


def dot(**rest: object) -> Dot:
    fields: dict[str, object] = {
        "name": "j",
        "role": "AI",
        "value": 0.6,
        "low": 0.55,
        "high": 0.65,
        "text": "60% [55, 65]",
        "n": 40,
        "rests_on": "40 comparisons",
        **rest,
    }
    return Dot(**fields)  # type: ignore[arg-type]


def drawn(*dots: Dot, **rest: object) -> Page:
    figure = Figure("A finding", "What it is.", dots, "share", **rest)  # type: ignore[arg-type]
    return Page(draw(figure, scale_of([0.5, 0.7], "share"), "f"))


def test_a_row_is_drawn_to_scale() -> None:
    found = drawn(dot(band=(0.52, 0.56)), band_name="two humans agree")
    # the axis is .5 to .7: (.6 - .5) / .2 is 50%
    [circle] = found.all("circle")
    assert (circle["cx"], circle["class"]) == ("50.00%", "dot full")
    [span] = found.all("line", "span")
    assert (span["x1"], span["x2"]) == ("25.00%", "75.00%")
    [band] = found.all("rect")
    assert (band["x"], band["width"]) == ("10.00%", "20.00%")
    assert [a["x1"] for a in found.all("line", "grid")] == [
        *["0.00%", "25.00%", "50.00%", "75.00%", "100.00%"]
    ]
    assert found.all("div", "AI")


def test_a_drawing_says_what_it_shows() -> None:
    found = drawn(dot(band=(0.52, 0.56)), band_name="two humans agree 54% [52, 56]")
    assert ("title", "j: 60% [55, 65]") in found.texts
    [said] = [data for tag, data in found.texts if tag == "desc"]
    assert said == (
        "On an axis from 50% to 70%; shaded: two humans agree 54% [52, 56]; 40 comparisons"
    )
    pictures = [a for a in found.all("svg") if a.get("role") == "img"]
    assert len(pictures) == 1


def test_without_an_interval_the_dot_is_open_and_without_a_value_there_is_none() -> None:
    open_dot = drawn(dot(low=None, high=None, text="60% too few prompts"))
    assert [a["class"] for a in open_dot.all("circle")] == ["dot open"]
    assert not open_dot.all("line", "span")
    nothing = drawn(dot(value=None, low=None, high=None, text="not known", n=0))
    assert not nothing.all("circle")
    assert "not known" in nothing.words


def test_a_band_without_an_interval_is_a_line() -> None:
    found = drawn(dot(band=(0.6, 0.6)), band_name="humans")
    assert not found.all("rect")
    assert [a["x1"] for a in found.all("line", "tick")] == ["50.00%"]


@pytest.mark.parametrize(("band", "anchor"), [((0.5, 0.52), "start"), ((0.59, 0.61), "middle"),
                                              ((0.68, 0.7), "end")])  # fmt: skip
def test_the_band_is_named_inside_the_figure(band: tuple[float, float], anchor: str) -> None:
    found = drawn(dot(band=band), band_name="humans")
    assert [a["class"] for a in found.all("text", "name")] == [f"name {anchor}"]


def figures(section: str, rows: Sequence[Estimate]) -> list[Figure]:
    return figures_of(section, rows, roles_of(rows))


def test_agreement_stands_before_its_own_ceiling_and_gaps_beside_zero() -> None:
    rows = [*small("gpt-4"), *small("bard")]
    rows[9] = replace(rows[9], estimate=0.5, low=0.45, high=0.55)  # bard's ceiling
    agreement, gap = figures("agreement", rows)
    assert {d.name: d.band for d in agreement.dots} == {
        "gpt-4": pytest.approx((0.55, 0.65)),
        "bard": pytest.approx((0.45, 0.55)),
    }
    assert agreement.band_name == "two humans agree"  # on comparisons of each judge
    assert not agreement.zero
    assert gap.zero
    assert gap.unit == "share difference"
    assert all(d.band == pytest.approx((-0.03, 0.03)) for d in gap.dots)


def test_one_ceiling_for_all_has_its_figure_in_the_band_name() -> None:
    agreement, _ = figures("agreement", small())
    assert agreement.band_name == "two humans agree 60% [55, 65]"


def test_without_humans_agreement_is_with_the_gold_label() -> None:
    rows = [
        estimate("single_human_agreement", "human ceiling", None),
        estimate("majority_agreement", "j", 0.8, reference="gold"),
    ]
    [figure] = figures("agreement", rows)
    assert [(d.name, d.value, d.band) for d in figure.dots] == [("j", 0.8, None)]


def test_position_figures_share_an_axis_and_humans_are_the_band() -> None:
    first, kept = figures("bias", small())
    assert [d.name for d in first.dots] == ["gpt-4"]
    assert first.dots[0].band == pytest.approx((0.45, 0.55))
    assert first.band_name == "humans 50% [45, 55]"
    assert kept.dots[0].band is None
    source = html_report("d", False, small(), made_at=AT)
    bias = source.split('id="s1"')[1].split("<table")[0]
    axes = re.findall(r'class="row axis".*?</div></div>', bias)
    assert len({re.sub(r"<div.*?>", "", axis) for axis in axes}) == 1


def test_cost_keeps_who_has_no_price_last() -> None:
    [figure] = figures("cost", small())
    assert [(d.name, d.role, d.text) for d in figure.dots] == [
        ("gpt-4", "AI", "$4.2 [4.2, 4.2]"),
        ("one human", "human", "not known"),
    ]


def test_no_figure_where_nothing_is_known() -> None:
    rows = [estimate("cost_usd_per_1000", "j", None, section="cost", unit="usd")]
    assert figures("cost", rows) == []
    assert not page(rows).all("figure")


def test_a_long_figure_leaves_the_rest_to_the_table() -> None:
    rows = [estimate("odd", f"j{k}", 0.5, section="new") for k in range(MOST + 3)]
    [figure] = figures("new", rows)
    assert (len(figure.dots), figure.left_out) == (MOST, 3)
    assert "3 more in the table below." in page(rows).words


def test_roles_come_from_kinds_else_from_what_the_rows_tell() -> None:
    rows = [
        *small("gpt-4"),
        estimate("gap", "longer", 0.1),
        estimate("cohen_kappa", "annotator1", 0.5),
        estimate("cost_usd_per_1000", "ann", 9.0, section="cost", reference="human labels"),
        estimate("gap", "length", section="agreement"),
        estimate("cost_usd_per_1000", "length", section="cost", reference="baseline labels"),
    ]
    found = roles_of(rows)
    assert (found["gpt-4"], found["longer"], found["one human"]) == ("AI", "baseline", "human")
    assert (found["ann"], found["length"]) == ("human", "baseline")
    assert "annotator1" not in found
    told = roles_of(rows, {"annotator1": "human", "gpt-4": "aggregate"})
    assert (told["annotator1"], told["gpt-4"]) == ("human", "ink")


# Sections that this page does not know


def unknown() -> list[Estimate]:
    common = {"section": "new_thing", "reference": "humans"}
    return [
        estimate("odd_number", "j", 0.4, unit="kappa", note="a reason", **common),
        estimate("odd_number", "k", 0.2, unit="kappa", **common),
        estimate("cohen_kappa", "j", None, unit="kappa", **common),
        estimate("score", "j", 1.25, unit="brier", **common),
    ]


def test_an_unknown_section_has_figures_a_table_and_no_sentence_of_another() -> None:
    found = page([*unknown(), *small()])
    head = html_report("d", False, unknown(), made_at=AT).split("<main>")[1][:80]
    assert "<h2>New thing</h2>" in head
    assert [f.title for f in figures("new_thing", unknown())] == ["Odd number", "Score"]
    assert figures("new_thing", unknown())[0].zero
    assert "What these labels cost" not in page(unknown()).words
    assert "a reason" in found.words


def test_the_table_of_an_unknown_section_by_hand() -> None:
    [table] = section_tables("new_thing", unknown())
    assert table.columns == (
        *("slice", "", "against", "statistic", "estimate", "comparisons", "prompts", "note"),
    )
    assert table.lines[0].cells == (
        *("all", "j", "humans", "Odd number", "0.40 [0.35, 0.45]", "480", "80", "a reason"),
    )
    assert table.lines[2].cells[3:] == ("Cohen's kappa", "not known", "0", "0", "not known here")
    [plain] = section_tables("new_thing", [replace(unknown()[1])])
    assert plain.columns[-1] == "prompts"


def test_known_statistics_have_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATISTICS, "odd_number", "a number that is odd")
    assert figures("new_thing", unknown())[0].title == "A number that is odd"


def test_labels_say_as_much_as_tells_rows_apart() -> None:
    rows = [estimate("s", "j", reference="x"), estimate("s", "k", reference="y")]
    assert labels_of(rows) == ["j", "k"]
    pairs = [*rows, estimate("s", "j", reference="y")]
    assert labels_of(pairs) == ["j · x", "k · y", "j · y"]
    fits = [estimate("s", "j", method="ties=half"), estimate("s", "j", method="ties=half cross")]
    assert labels_of(fits) == ["j", "j · cross"]
    assert own_methods(fits) == ["", "cross"]
    assert [line.cells[3] for line in section_tables("new", fits)[0].lines] == ["S", "S (cross)"]


# Tables


def test_numbers_are_at_the_right_and_names_are_not() -> None:
    [table] = section_tables("new_thing", unknown())
    found = Page(table_html(table, "c", {"j": "AI"}, slices=False))
    heads = [(a.get("class"), a.get("scope")) for a in found.all("th") if a.get("scope") == "col"]
    assert [kind for kind, _ in heads] == [None, None, None, "n", "n", "n", None]
    assert len(found.all("td", "n")) == 3 * len(table.lines)
    assert [a["scope"] for a in found.all("th")].count("row") == len(table.lines)
    assert len(found.all("span", "mark")) == 3
    assert ".n{text-align:right" in STYLE
    assert "tabular-nums" in STYLE


@given(st.floats(-1e6, 1e6), st.sampled_from([percent, points, money, duration]))
def test_every_figure_counts_as_a_number(value: float, written: object) -> None:
    value = abs(value) if written in (percent, duration) else value
    figure = written(value)  # type: ignore[operator]
    assert NUMBER.match(figure)
    assert NUMBER.match(f"{figure} [{figure}, {figure}]")


@pytest.mark.parametrize("words", ["gpt-4", "one human", "cost", "annotator1", "4o-mini", "not"])
def test_a_name_is_no_number(words: str) -> None:
    assert not NUMBER.match(words)


@pytest.mark.parametrize("figure", ["", "not known", "480-800", "1,234", ">99%", "<1%", "-0.02"])
def test_what_else_a_cell_of_a_number_holds(figure: str) -> None:
    assert NUMBER.match(figure)


def test_slices_are_folded_with_a_column_of_their_own() -> None:
    rows = [*small(), *[replace(row, slice="category=maths") for row in small()]]
    found = page(rows)
    assert len(found.all("details")) == 3
    assert "By category: 1 in all" in found.words
    assert "maths" in found.words
    assert not page(small()).all("details")


def test_a_note_stands_once_though_two_tables_have_it() -> None:
    pair = estimate("cohen_kappa", reference="annotator1", unit="kappa", note="left out: 3")
    found = page([estimate(note="left out: 3"), *small()[1:3], pair])
    assert len(found.all("table")) == 2
    assert [data for tag, data in found.texts if tag == "li"] == ["gpt-4: left out: 3"]


# Real data, in a browser


@pytest.fixture(scope="module")
def real_pages(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    store = Store(folder / "real.duckdb", create=True)
    found = {}
    for source, directory in (("pandalm", "pandalm"), ("prd", "prd-vicuna80")):
        ingest(store, source, real_data / directory)
        rows = compare(store, directory)
        found[source] = folder / f"{source}.html"
        page_text = html_report(directory, False, rows, made_at=AT)
        found[source].write_text(page_text, encoding="utf-8")
    return found


@pytest.mark.real_data
def test_real_reports_say_what_the_rows_say(real_pages: dict[str, Path]) -> None:
    source = real_pages["prd"].read_text(encoding="utf-8")
    check_safe(source)
    words = Page(source).words
    assert "Highest agreement of 5 judges: gpt-4 agrees with a human more often" in words
    assert "56% v 52%, gap +4 [+1, +7]" in words
    assert "not known: the source gives no prices" in words
    check_safe(real_pages["pandalm"].read_text(encoding="utf-8"))


@pytest.mark.browser
@pytest.mark.real_data
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_fetches_nothing_and_the_page_fits(
    real_pages: dict[str, Path], browser: Browser, width: int, scheme: str
) -> None:
    for path in real_pages.values():
        view = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        asked: list[str] = []
        said: list[str] = []
        view.on("request", lambda request, asked=asked: asked.append(request.url))
        view.on("console", lambda message, said=said: said.append(message.text))
        view.goto(path.as_uri())
        assert asked == [path.as_uri()]
        assert said == []
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        paper = view.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 22, 27)")
        assert view.evaluate(OVERLAPS) == []
        view.close()


@pytest.mark.browser
@pytest.mark.real_data
def test_paper_is_white_and_no_table_is_cut(real_pages: dict[str, Path], browser: Browser) -> None:
    # A4 less margins of 14 mm is 182 mm, at 96 dpi 688 pixels
    view = browser.new_page(viewport={"width": 688, "height": 900}, color_scheme="dark")
    view.emulate_media(media="print")
    for path in real_pages.values():
        view.goto(path.as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= 688
        paper = view.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
    view.close()


# Words of an axis that touch each other, and names under figures.
OVERLAPS = """() => [...document.querySelectorAll('.axis svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
  return boxes.slice(1).filter((box, k) => box.left < boxes[k].right + 1).map(b => b.left);
})"""


def test_each_judge_has_a_figure_of_its_features_at_each_level():
    more = {"section": "bias", "unit": "share difference"}
    rows = [
        estimate("difference_from_humans", "j", 0.1, reference="words", **more),
        estimate("difference_from_humans", "j", -0.1, reference="code", **more),
        replace(estimate("difference_from_humans", "j", 0.3, reference="bold", **more),
                low=None, high=None),
        estimate("adjusted_difference", "j", 0.02, reference="words", **more),
        estimate("difference_from_humans", "k", 0.2, reference="words", **more),
        estimate("detectable_difference_from_humans", "j", 0.2, reference="code", **more),
    ]  # fmt: skip
    found = {
        figure.title: [dot.name for dot in figure.dots] for figure in figures_of("bias", rows, {})
    }
    assert found == {
        "j: features chosen more often than humans do (L1)": ["words", "code"],
        "j: features chosen more often than quality says (L2)": ["words"],
        "k: features chosen more often than humans do (L1)": ["words"],
    }


def test_ticks_are_few_enough_to_be_read_where_limits_are_rounded_outwards() -> None:
    words = [text for _, text in scale_of([-0.22, 0.86], "share difference").ticks]
    assert words == ["-50", "0", "+50", "+100"]  # and not eight from -40 to +100
    for low in range(-100, 0, 7):
        for high in range(0, 101, 7):
            scale = scale_of([low / 100, high / 100], "share difference")
            assert 3 <= len(scale.ticks) <= 7
            assert scale.low <= low / 100 <= high / 100 <= scale.high
