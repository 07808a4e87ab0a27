"""The sentence above each section, and tables in 100 columns, on made-up and on real rows."""

import re
from dataclasses import replace

import pytest

from app.printing import SECTION_NAMES, print_report
from data.store import Store
from pipelines.compare import SECTIONS, compare
from pipelines.estimates import Estimate
from pipelines.ingest import ingest
from pipelines.sections.view import CEILING, ONE_HUMAN, Rules
from pipelines.stats.agreement import TieRule
from pipelines.tables import tables_of
from pipelines.titles import section_title

BROKEN = re.compile(r"\bnan\b|\binf\b|None|  |\d[eE][-+]?\d|_|: :|\(\)|undefined: undefined")
REAL = {"pandalm": "pandalm", "prd-vicuna80": "prd"}


def row(section, statistic, subject, estimate, low=None, high=None, **more):
    more = {
        "reference": ONE_HUMAN, "criterion": "overall", "method": "", "slice": "all",
        "n_items": 480, "n_prompts": 80, "n_labels": 480, "unit": "share", "note": None, **more,
    }  # fmt: skip
    return Estimate(
        section=section, statistic=statistic, subject=subject,
        estimate=estimate, low=low, high=high, **more,
    )  # fmt: skip


def check(text):
    assert not BROKEN.search(text), text
    assert text.endswith("."), text
    assert text[0] == text[0].upper() or text[0].islower(), text
    assert text == text.strip()
    return text


# each section


CHANCE = [
    row("chance", "symmetrised_pi", "j", 0.3, 0.2, 0.4, unit="kappa"),
    row("chance", "symmetrised_pi", "k", 0.5, 0.45, 0.55, unit="kappa"),
    row("chance", "symmetrised_pi", "few", 0.9, unit="kappa", note="no interval"),
    row("chance", "symmetrised_pi", "longer", 0.8, 0.7, 0.9, unit="kappa"),
]
PAIRS = row("chance", "symmetrised_pi", CEILING, 0.7, 0.65, 0.75, unit="kappa",
            method="swap-symmetrised items of k")  # fmt: skip
ALPHA = row("chance", "krippendorff_alpha", ONE_HUMAN, 0.18, 0.16, 0.21, unit="kappa")
REPLACE = [
    row("replacement", "advantage_probability", "j", 0.7, 0.6, 0.8),
    row("replacement", "winning_rate", "j", 0.4, method="epsilon=.2 clustered q=.05"),
    row("replacement", "winning_rate", "j", 0.6, method="epsilon=.2 published i.i.d."),
]
CALIBRATION = [
    row("calibration", "calibration_error", "j", 0.2, 0.1, 0.3, method="stated probabilities"),
    row("calibration", "calibration_error", "k", 0.1, 0.05, 0.2, method="stated probabilities"),
    row("calibration", "calibration_error", "few", 0.3, method="stated probabilities"),
    row("calibration", "calibration_error", "j", 0.01, 0.0, 0.02, method="isotonic"),
]
TAU = row("ranking", "kendall_tau_b", "j", 0.8, 0.6, 1.0, unit="correlation")
FLIPS = [
    row("consistency", "flip_rate", "j", 0.2, 0.1, 0.3),
    row("consistency", "flip_rate", "k", 0.4, 0.3, 0.5),
]
AGAIN = [
    row("consistency", "repeat_agreement", "j", 0.9, 0.8, 0.95),
    row("consistency", "repeat_agreement", "k", 0.7, 0.6, 0.8),
    row("consistency", "repeat_agreement", "few", 0.1),
    row("consistency", "test_retest", "ann", 0.8, 0.7, 0.9),
]
HUMANS = [
    row("humans", "agreement_with_others", who, value, value - 0.1, value + 0.1)
    for who, value in (("ann", 0.5), ("bob", 0.7), ("cyd", 0.6))
]


@pytest.mark.parametrize(
    ("section", "rows", "text"),
    [
        ("chance", [*CHANCE, ALPHA],
         "Beyond chance, k agrees most with one human: 0.50 [0.45, 0.55]."),
        ("chance", [*CHANCE, ALPHA, PAIRS],
         "Beyond chance, k agrees most with one human: 0.50 [0.45, 0.55], two humans with each "
         "other 0.70 [0.65, 0.75]."),
        ("chance", [*CHANCE, ALPHA, replace(PAIRS, n_items=479)],  # not the same comparisons
         "Beyond chance, k agrees most with one human: 0.50 [0.45, 0.55]."),
        ("chance", CHANCE[:1], "Beyond chance, j agrees most with one human: 0.30 [0.20, 0.40]."),
        ("chance", [ALPHA],
         "Beyond chance, humans agree with each other by alpha 0.18 [0.16, 0.21]."),
        ("chance", [], "Nothing to compare beyond chance."),
        ("replacement", REPLACE,
         "j is at least as close to the other humans as a human is 70% [60, 80] of the time; that "
         "it may replace humans, at a margin of .15, is not shown."),
        ("replacement", [REPLACE[0], replace(REPLACE[1], estimate=0.5)],
         "j is at least as close to the other humans as a human is 70% [60, 80] of the time; that "
         "it may replace humans, at a margin of .15, is shown."),
        ("replacement", [replace(REPLACE[1], estimate=None, note="no human labels")],
         "Whether a judge may replace humans cannot be tested here (no human labels)."),
        ("replacement", [], "Whether a judge may replace humans cannot be tested here."),
        ("calibration", CALIBRATION,
         "k comes closest to the share of humans with the probabilities it states: off by "
         "10% [5, 20] (480 comparisons)."),
        ("calibration", [],
         "No judge states probabilities that can be compared with human labels."),
        ("ranking", [TAU],
         "j ranks the models most like humans do: Kendall's tau-b 0.80 [0.60, 1.00]; no two models "
         "are shown to stand in opposite order."),
        ("ranking", [TAU, row("ranking", "order_reversed", "j", -1.0)],
         "j ranks the models most like humans do: Kendall's tau-b 0.80 [0.60, 1.00]; 1 model "
         "couple is shown to stand in opposite order."),
        ("ranking", [TAU, *[row("ranking", "order_reversed", "j", -1.0)] * 2],
         "j ranks the models most like humans do: Kendall's tau-b 0.80 [0.60, 1.00]; 2 model "
         "couples are shown to stand in opposite order."),
        ("ranking", [], "The models cannot be ranked by both sources here."),
        ("consistency", [*FLIPS, *AGAIN],
         "k changes its preference most when the order is swapped: 40% [30, 50] of 480 "
         "comparisons."),
        ("consistency", AGAIN,
         "k, asked again, gives the same label 70% [60, 80] of the time."),
        ("consistency", AGAIN[3:],
         "ann, asked again, gives the same label 80% [70, 90] of the time."),
        ("consistency", [], "Nobody labelled a comparison twice: consistency is not known."),
        ("humans", HUMANS,
         "Humans agree with another human from 50% [40, 60] (ann) to 70% [60, 80] (bob)."),
        ("humans", [HUMANS[0], replace(HUMANS[0], subject="dot")],
         "Each human's label equals that of another human 50% of the time."),
        ("humans", HUMANS[:1], "Each human's label equals that of another human 50% of the time."),
        ("humans", [], "How single humans do cannot be told here."),
        ("agreement", [], "No judge can be compared with human or gold labels here yet."),
        ("bias", [], "Position: not identified here, as no judge labelled both orders."),
        ("cost", [], "What these labels cost is not known: the source gives no prices."),
    ],
)  # fmt: skip
def test_titles_by_hand(section, rows, text):
    assert check(section_title(section, rows)) == text
    # Rows of a slice, of other sections and without a number change nothing.
    noise = [replace(found, slice="category=x", estimate=0.99) for found in rows]
    noise += [row("other", "coverage", "z", 1.0), row(section, "gap", "z", None, note="none")]
    assert section_title(section, [*noise, *rows]) == text


def undefined(rows):
    return [
        replace(found, estimate=None, low=None, high=None, n_items=0, note="undefined: no label")
        for found in rows
    ]


def bare(rows):
    return [replace(found, low=None, high=None, note="too few prompts") for found in rows]


@pytest.fixture(scope="module")
def store(real_data, tmp_path_factory):
    found = Store(tmp_path_factory.mktemp("titles") / "s.duckdb", create=True)
    for folder, source in REAL.items():
        ingest(found, source, real_data / folder)
    return found


@pytest.fixture(scope="module", params=REAL)
def rows(request, store):
    """All rows of a real data set."""
    return compare(store, request.param, sections=tuple(SECTIONS), slices=None)


@pytest.mark.parametrize("change", [list, undefined, bare])
def test_every_section_of_real_rows_has_its_sentence(rows, change):
    for section in SECTIONS:
        check(section_title(section, change(rows)))
        alone = [found for found in change(rows) if found.section == section]
        check(section_title(section, alone))
        for found in alone:
            check(section_title(section, [found]))
        for table in tables_of(section, alone):
            for line in table.lines:
                assert len(line.cells) == len(table.columns)
                assert not any(BROKEN.search(cell.replace("_", " ")) for cell in line.cells)


def test_undefined_rows_name_nobody(rows):
    judges = {found.subject for found in rows if found.section == "agreement"}
    judges -= {ONE_HUMAN, CEILING}
    for section in SECTIONS:
        text = section_title(section, undefined(rows))
        assert not [name for name in judges if re.search(rf"\b{re.escape(name)}\b", text)], text


# tables in 100 columns


def printed(capsys, rows, **options):
    print_report("d", simulated=False, rows=rows, **{"wide": False, "slices": False, **options})
    return capsys.readouterr().out.splitlines()


def test_tables_fit_a_hundred_columns_and_break_no_name(rows, capsys):
    lines = printed(capsys, rows)
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for section in SECTIONS:
        for table in tables_of(section, [found for found in rows if found.section == section]):
            for line in table.lines:
                for cell in line.cells[1:]:
                    assert cell in text, cell
                first = line.cells[1]
                assert any(shown.startswith(first) for shown in lines), first
            words = {word for name in table.columns[1:] for word in name.split()}
            if table.lines:
                assert words <= set(text.split())  # headings may wrap, between words only


@pytest.mark.parametrize("ties", TieRule)
def test_agreement_fits_under_every_rule(store, capsys, ties):
    for dataset in REAL:
        rows = compare(store, dataset, rules=Rules(ties=ties), sections=("agreement",), slices=None)
        [table, _] = tables_of("agreement", rows)
        assert ("both decided" in table.columns) is (ties is TieRule.DROP)
        lines = printed(capsys, rows)
        assert max(map(len, lines)) <= 100
        for line in table.lines:
            shown = next(text for text in lines if text.startswith(line.cells[1]))
            for cell in line.cells[2:]:
                assert cell in shown, shown  # on one line


def test_each_section_has_a_sentence_and_a_heading_of_its_own(rows, capsys):
    lines = printed(capsys, rows)
    assert set(SECTION_NAMES) == set(SECTIONS)
    for section, name in SECTION_NAMES.items():
        assert lines.count(name) == 1, section


def test_a_ranking_that_may_be_the_other_way_round_is_not_called_like_the_humans():
    wide = replace(TAU, estimate=1.0, low=-1.0, high=1.0)
    assert section_title("ranking", [wide]) == (
        "Whether any judge ranks the models as humans do cannot be told yet: j comes closest, with "
        "Kendall's tau-b 1.00 [-1.00, 1.00]."
    )
