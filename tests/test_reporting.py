"""`concord report` and `concord compare`: what is asked for, in which form, and clear errors."""

import csv
import io
import json

import numpy as np
import pytest

from app.printing import SECTION_NAMES
from data.store import Store
from pipelines.compare import DEFAULT_SECTIONS, PAGE_SECTIONS, SECTIONS
from pipelines.ingest import ingest
from pipelines.sections.view import CEILING, ONE_HUMAN
from tests.estimating import HUMAN, JUDGE, label, store_of

JUDGES = {"j": JUDGE, "k": JUDGE, "m": JUDGE}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Sixty comparisons in two categories, three humans, three judges; one reply is unparsed."""
    random = np.random.default_rng(60)
    cells = []
    for i in range(60):
        marks = random.choice(list("aabbt"), 6).tolist()
        cells += [label(i, f"h{k}", mark) for k, mark in enumerate(marks[:3])]
        for judge, mark in zip(JUDGES, marks[3:], strict=True):
            shown = str(random.choice(["ab", "ba"]))
            cells.append(label(i, judge, "x" if (i, judge) == (0, "j") else mark, shown))
    path = tmp_path_factory.mktemp("reporting") / "s.duckdb"
    store_of(
        path, cells, {"h0": HUMAN, "h1": HUMAN, "h2": HUMAN, **JUDGES},
        n_items=60, categories=["code", "maths"] * 30,
        responses=[("w" * (i + 5), f"reply {i}") for i in range(60)],
    )  # fmt: skip
    return path


def estimates(run, *arguments):
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)["estimates"]


def refused(result, *words):
    """An error about what was asked for: two lines on stderr, nothing on stdout, exit code 3."""
    code, out, err = result
    assert (code, out) == (3, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  ")
    for word in words:
        assert word in err, err


# sections, judges, rules, slices


def test_a_first_look_has_three_sections_and_names_the_others(run, store):
    code, out, err = run("report", "--store", store)
    assert code == 0
    assert DEFAULT_SECTIONS == ("agreement", "bias", "cost")
    headings = ("Agreement", "Bias", "Cost and time")
    lines = out.splitlines()
    assert [line for line in lines if line in headings] == list(headings)
    assert max(map(len, lines)) <= 100
    for name in set(SECTIONS) - set(DEFAULT_SECTIONS):
        assert name in err
    found = estimates(run, "report", "--store", store)
    assert list(dict.fromkeys(row["section"] for row in found)) == list(DEFAULT_SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_can_be_asked_for_in_every_form(run, store, section):
    asked = ("report", "--store", store, "--section", section)
    found = estimates(run, *asked)
    assert {row["section"] for row in found} == {section}
    code, out, err = run(*asked, "--slices")
    assert (code, "more:" in err) == (0, False)
    assert max(map(len, out.splitlines())) <= 100
    assert "nan" not in out.replace("human", "").lower()
    assert len(list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv")[1])))) == len(found)
    assert run(*asked, "--format", "markdown")[1].count("\n") == len(found) + 2
    assert run(*asked, "--wide")[0] == 0


def test_sections_come_in_the_order_asked_for(run, store):
    asked = ("--section", "cost", "--section", "agreement")
    found = estimates(run, "report", "--store", store, *asked)
    assert list(dict.fromkeys(row["section"] for row in found)) == ["cost", "agreement"]


def test_a_judge_asked_for_is_the_only_one(run, store):
    everything = estimates(run, "report", "--store", store)
    named = {"j", "k", "m"}
    assert named <= {row["subject"] for row in everything}
    found = estimates(run, "report", "--store", store, "--judge", "k")
    assert {row["subject"] for row in found} & named == {"k"}
    assert {row["reference"] for row in found} & named == set()
    two = estimates(run, "report", "--store", store, "-j", "k", "-j", "m")
    assert {row["subject"] for row in two} & named == {"k", "m"}

    def agreement(rows):
        return [r for r in rows if r["subject"] == "k" and r["statistic"] == "gap"]

    assert agreement(found) == agreement(everything) != []  # alone it has the same figures


@pytest.mark.parametrize("ties", ["class", "drop", "half"])
def test_the_rule_of_ties_is_in_force_and_named(run, store, ties):
    found = estimates(run, "report", "--store", store, "--ties", ties)
    agreement = [row for row in found if row["statistic"] == "single_human_agreement"]
    assert agreement
    assert all(f"ties={ties} " in row["method"] for row in agreement)
    assert any(row["statistic"] == "decided_share" for row in found) is (ties == "drop")


def test_slices_are_made_by_what_is_asked_for(run, store):
    def slices(*options):
        rows = estimates(run, "report", "--store", store, *options)
        return {row["slice"] for row in rows}

    quarters = {f"length={k} quarter" for k in ("1st", "2nd", "3rd", "4th")}
    assert slices() == {"all", "category=code", "category=maths"}
    assert slices("--slice", "length") == {"all", *quarters}
    assert slices("--slice", "models") == {"all"}  # not known here
    assert slices("--no-intervals") == {"all"}
    asked = ("report", "--store", store, "--section", "agreement")
    assert "1st quarter" in run(*asked, "--slice", "length")[1]
    assert "no slices by models" in run(*asked, "--slice", "models")[2]
    assert "no slices without intervals" in run(*asked, "--slice", "length", "--no-intervals")[2]
    shown = run(*asked, "--slices")[1]
    assert "maths" in shown
    hidden = run("report", "--store", store, "--section", "agreement")[1]
    assert "maths" not in hidden
    assert "more rows by slice: --slices" in hidden


def test_without_intervals_there_are_estimates_of_agreement_alone(run, store):
    found = estimates(run, "report", "--store", store, "--no-intervals")
    with_them = estimates(run, "report", "--store", store, "--section", "agreement")
    assert {row["section"] for row in found} == {"agreement"}
    assert [row for row in found if row["low"] is not None] == []

    def values(rows):
        return {
            (r["statistic"], r["subject"], r["reference"], r["method"]): r["estimate"]
            for r in rows
            if r["slice"] == "all" and not r["statistic"].startswith("detectable_")
        }

    assert values(found) == pytest.approx(values(with_them), rel=1e-12)


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_have_no_intervals_then_or_it_is_said_that_they_keep_theirs(run, store, section):
    asked = ("report", "--store", store, "--section", section, "--no-intervals", "--json")
    code, out, err = run(*asked)
    assert code == 0
    known = [row for row in json.loads(out)["estimates"] if row["low"] is not None]
    keep = section in ("replacement", "calibration", "ranking")
    assert bool(known) <= keep
    assert (f"--no-intervals does not concern the section {section}" in err) is bool(known)


def test_json_and_another_form_contradict_each_other(run, store):
    for form in ("csv", "table", "markdown"):
        for command in (("report",), ("sql", "SELECT 1")):
            code, out, err = run(*command, "--store", store, "--json", "--format", form)
            assert (code, out) == (2, "")
            assert f"--json and --format {form} contradict each other" in err
    code, out, _ = run("report", "--store", store, "--json", "--format", "json")
    assert (code, json.loads(out)["dataset"]) == (0, "d")


def test_without_intervals_anonymous_humans_have_none_either(run, tmp_path):
    marks = np.random.default_rng(7).choice(list("aabt"), (40, 2)).tolist()
    cells = [label(i, f"h{k}", marks[i][k]) for i in range(40) for k in (0, 1)]
    cells += [label(i, "j", marks[i][0], "ab") for i in range(40)]
    store_of(
        tmp_path / "concord.duckdb", cells, {"h0": HUMAN, "h1": HUMAN, "j": JUDGE},
        n_items=40, anonymous=("h0", "h1"),
    )  # fmt: skip
    for options, known in (((), True), (("--no-intervals",), False)):
        found = estimates(run, "report", "--section", "agreement", *options)
        kappas = [row for row in found if row["statistic"] == "cohen_kappa"]
        assert {row["subject"] for row in kappas} == {ONE_HUMAN, "j"}
        assert [row["low"] is not None for row in kappas] == [known] * 2


# pages


def test_a_page_is_one_file_with_everything_and_fetches_nothing(run, store, tmp_path):
    code, out, err = run("report", "--store", store, "--format", "html", "--out", "r.html")
    assert (code, out) == (0, "")
    assert "wrote r.html" in err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    for section in PAGE_SECTIONS:
        assert f">{SECTION_NAMES[section]}<" in page, section
    assert "concord report --store" in page  # how to make it again
    asked = ("--section", "agreement", "--format", "html", "--out", "r.html")
    assert run("report", "--store", store, *asked)[0] == 0  # a page may be made again
    smaller = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert len(smaller) < len(page)
    assert f">{SECTION_NAMES['ranking']}<" not in smaller


def test_a_page_needs_a_file_and_a_file_needs_a_page(run, store, tmp_path):
    refused(run("report", "--store", store, "--format", "html"), "needs a file", "--out")
    for form in ("json", "csv", "markdown", "table"):
        result = run("report", "--store", store, "--format", form, "--out", "r.txt")
        refused(result, f"--out is for html, not {form}", "--format html")
    refused(run("report", "--store", store, "--json", "--out", "r.txt"), "not json")
    refused(run("report", "--store", store, "--out", "r.html"), "not table")
    assert list(tmp_path.glob("r.*")) == []


def test_a_page_never_replaces_labels_or_the_store(run, store, tmp_path):
    copy = tmp_path / "concord.duckdb"
    copy.write_bytes(store.read_bytes())
    (tmp_path / "labels.csv").write_text("item,annotator,preference\n")
    (tmp_path / "empty.html").touch()
    before = copy.read_bytes()
    for name in ("concord.duckdb", "labels.csv"):
        result = run("report", "--format", "html", "--out", name)
        refused(result, f"{name} exists already and is no page", "Name another --out.")
    assert copy.read_bytes() == before
    asked = ("--section", "cost", "--format", "html")
    assert run("report", *asked, "--out", "empty.html")[0] == 0
    refused(run("report", *asked, "--out", "none/r.html"), "cannot write", "another --out")


# errors


def test_what_there_is_stands_in_the_error(run, store):
    result = run("report", "--store", store, "--section", "nope")
    refused(result, "no section 'nope'", ", ".join(SECTIONS))
    result = run("report", "--store", store, "--judge", "nope")
    refused(result, "no labels of a judge 'nope'", "There are: j, k, m.")
    refused(run("report", "--store", store, "--judge", "h0"), "There are: j, k, m.")
    refused(run("report", "--store", store, "--dataset", "x"), "It holds: d")
    refused(run("report", "--store", store, "--criterion", "x"), "There are: overall.")


@pytest.mark.parametrize("option", [("--slice", "x"), ("--ties", "x"), ("--format", "pdf")])
def test_values_that_an_option_does_not_have_are_usage_errors(run, store, option):
    code, out, err = run("report", "--store", store, *option)
    assert (code, out) == (2, "")
    assert option[0] in err


# two judges


def test_compare_prints_a_sentence_and_its_rows(run, store):
    code, out, err = run("compare", "j", "k", "--store", store)
    assert (code, err) == (0, "")
    sentence = " ".join(out.split("\n\n")[0].split())
    assert sentence.startswith(("j agrees ", "j and k cannot be told apart: "))
    assert "59 comparisons that both labelled" in sentence
    assert max(map(len, out.splitlines())) <= 100
    rows = estimates(run, "compare", "j", "k", "--store", store)
    figures = {(row["statistic"], row["subject"]): row["estimate"] for row in rows}
    by_hand = figures["single_human_agreement", "j"] - figures["single_human_agreement", "k"]
    assert figures["agreement_difference", "j"] == pytest.approx(by_hand, abs=1e-12)
    assert {row["n_items"] for row in rows} == {59}
    wrong = estimates(run, "compare", "j", "k", "--store", store, "--unparsed", "wrong")
    assert {row["n_items"] for row in wrong} == {60}
    half = estimates(run, "compare", "j", "k", "--store", store, "--ties", "half")
    assert all("ties=half" in row["method"] for row in half)


def test_compare_says_what_to_do(run, store, tmp_path):
    refused(run("compare", "j", "j", "--store", store), "with itself", "Name two judges")
    refused(run("compare", "j", "nope", "--store", store), "'nope'", "There are: j, k, m.")
    assert run("compare", "j", "--store", store)[0] == 2
    cells = [label(0, who, "a", "ab") for who in "jk"]
    kinds = {"j": JUDGE, "k": JUDGE}
    store_of(tmp_path / "bare.duckdb", cells, kinds, n_items=1)
    result = run("compare", "j", "k", "--store", "bare.duckdb")
    refused(result, "has no human or gold labels", "concord import")


def test_compare_of_real_judges(run, real_data, tmp_path):
    found = Store(tmp_path / "real.duckdb", create=True)
    ingest(found, "prd", real_data / "prd-vicuna80")
    code, out, _ = run("compare", "gpt-4", "claude-1", "--store", "real.duckdb")
    assert code == 0
    sentence = " ".join(out.split("\n\n")[0].split())
    assert sentence == (
        "gpt-4 and claude-1 cannot be told apart: +0.03 [-2, +2] points, on the 480 comparisons "
        "that both labelled and two humans too; a difference of 3 points would have been found in "
        "80% of such data sets."
    )
    report = estimates(run, "report", "--store", "real.duckdb", "--section", "agreement")
    of = {(r["statistic"], r["subject"], r["reference"]): r for r in report if r["slice"] == "all"}
    rows = estimates(run, "compare", "gpt-4", "claude-1", "--store", "real.duckdb")
    for row in rows[:2]:  # here all judges labelled everything
        same = of["single_human_agreement", row["subject"], ONE_HUMAN]
        assert row["estimate"] == pytest.approx(same["estimate"], abs=1e-12)
    assert CEILING not in {row["subject"] for row in rows}
