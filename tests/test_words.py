"""What the dashboard says: the sentences and commands that app.words and app.commands compose."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import commands, serve, tables, theme, words, words_agreement
from data.browse import Show
from data.errors import ConcordError
from data.records import AnnotatorKind, LabelStatus, Preference, RunStatus, Shown
from pipelines.estimates import Estimate
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from tests.dashboards import free_port

HUMAN = "one human"


def estimate(subject: str, value: float | None = 0.5, **rest: Any) -> Estimate:
    """A row of agreement with one human, with an interval of 4 points each way."""
    interval = {"low": None, "high": None}
    if value is not None:
        interval = {"low": value - 0.04, "high": value + 0.04}
    fields = {"section": "agreement", "reference": HUMAN, "criterion": "overall",
              "statistic": "single_human_agreement", "method": "", "slice": "all", **interval,
              "n_items": 90, "n_prompts": 30, "n_labels": 90, "unit": "share"}  # fmt: skip
    return Estimate(subject=subject, estimate=value, **{**fields, **rest})


def gap(subject: str, low: float, high: float) -> Estimate:
    return estimate(subject, (low + high) / 2, statistic="gap", low=low, high=high,
                    unit="share difference")  # fmt: skip


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (words.KINDS, AnnotatorKind),
        (words.PREFERENCES, Preference),
        (words.ORDERS, Shown),
        (words.STATUSES, LabelStatus),
        (words.RUN_STATUSES, RunStatus),
        (words.MAJORITIES, MajorityRule),
        (words.UNPARSED, UnparsedRule),
        (words.SHOWS, Show),
        (tables.ROLE_OF_KIND, AnnotatorKind),
    ],
)
def test_every_value_has_its_word(table: dict[Any, str], values: Any) -> None:
    assert set(table) == set(values)
    assert not [text for text in table.values() if "_" in text]


def test_a_word_for_what_is_not_known() -> None:
    assert words.word(words.KINDS, None) == "not known"
    assert words.word(words.KINDS, "some_thing") == "some thing"


@pytest.mark.parametrize("majority", MajorityRule)
@pytest.mark.parametrize("unparsed", UnparsedRule)
def test_rules_are_said_in_words(majority: MajorityRule, unparsed: UnparsedRule) -> None:
    rules = Rules(majority, unparsed)
    said = words.rule(f"{rules.with_majority} items of the judge=x")
    assert said.count(";") == 3
    assert said.endswith("on the comparisons of the judge=x")
    assert "unparsed" not in said
    assert "responses A and B" in words.rule(f"stated orientation {rules.without_wrong}")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-0.1, "0 s"), (12.4, "12 s"), (99.4, "99 s"), (100, "2 min"), (7200, "2 h")],
)
def test_age(seconds: float, said: str) -> None:
    assert words.age(seconds) == f"data {said} old"
    assert words.age(seconds, newer=True) == f"data {said} old, reading newer"


def test_counts_agree_with_their_noun() -> None:
    assert words.count(1, "judge") == "1 judge"
    assert words.count(2560, "comparison") == "2,560 comparisons"


def test_agreement_title_counts_by_the_interval_of_the_gap() -> None:
    rows = [gap("a", 0.01, 0.05), gap("b", -0.02, 0.02), gap("c", -0.06, 0.02),
            gap("d", -0.2, -0.1), gap("longer", -0.3, -0.2)]  # fmt: skip
    names = ["a", "b", "c", "d", "longer"]
    assert words.agreement_title(rows, names, HUMAN) == (
        "Of 4 judges: 1 above the human ceiling, 1 within 3 points of it, "
        "1 not told apart from it yet, 1 below it"
    )
    assert words.agreement_title(rows, ["d"], HUMAN) == "Of 1 judge: 1 below the human ceiling"
    assert (
        words.agreement_title([], ["d"], "gold")
        == "How often each judge agrees with the label 'gold'"
    )


def test_spread_title_leaves_baselines_to_the_figure() -> None:
    rows = [estimate("low", 0.5), estimate("high", 0.7), estimate("longer", 0.3)]
    assert words.spread_title(rows) == "high agrees most (70% [66, 74]), low least (50% [46, 54])"
    part = words.spread_title(rows, part=True)
    assert part
    assert part.startswith("Of the 2 shown, high agrees most")
    assert words.spread_title(rows[:1]) == "low agrees 50% [46, 54]"
    assert words.spread_title([]) is None


def test_pairs_title_names_the_most_and_the_least_alike() -> None:
    pairs = (("x", "y", 0.6), ("x", "z", 0.2), ("longer", "x", -0.1))
    kappas = [
        estimate(one, value, reference=other, unit="kappa", statistic="cohen_kappa")
        for one, other, value in pairs
    ]
    assert words.pairs_title(kappas) == (
        "Most alike: x and y (0.60 [0.56, 0.64], n 90). "
        "Least alike, baselines aside: x and z (0.20 [0.16, 0.24], n 90)."
    )
    assert words.pairs_title(kappas[:1]) == "x and y: kappa 0.60 [0.56, 0.64], n 90"
    few = estimate("y", 0.9, reference="z", unit="kappa", statistic="cohen_kappa", n_items=29)
    assert words.pairs_title([*kappas, few]).startswith("Most alike: x and y (0.60")
    assert words.pairs_title([few]) == "y and z: kappa 0.90 [0.86, 0.94], n 29"
    assert words.pairs_title([]) == "There are no two annotators to compare"
    apart = estimate("x", None, reference="y", n_items=0, note="undefined: no comparison")
    assert words.pairs_title([apart]) == "No two annotators labelled the same comparisons"
    same = estimate("x", None, reference="y", note="undefined: chance agreement is 1")
    assert words.pairs_title([same]) == ("Cohen's kappa is not defined here: chance agreement is 1")


def test_why_nobody_agrees_with_anybody() -> None:
    assert "No judge has labelled" in words.nothing_to_agree_with(["human"], False)
    assert "no human or gold label" in words.nothing_to_agree_with(["judge"], False)
    assert "No comparison has" in words.nothing_to_agree_with(["judge"], True)
    assert words.named("human majority") == "the human majority"
    assert words.named("gold") == "the label 'gold'"


def test_categories_title_says_where_prompts_are_too_few() -> None:
    few = estimate("j", 0.9, slice="category=few", low=None, high=None,
                   note="too few prompts for an interval (3 of 20)")  # fmt: skip
    rows = [few, estimate("j", 0.5, slice="category=a"), estimate("j", 0.6, slice="category=b=c")]
    assert words.categories_title("j", rows) == (
        "j agrees most in b=c (60% [56, 64]) and least in a (50% [46, 54])"
    )
    assert "too few prompts" in words.categories_title("j", [few])
    assert "only a has enough prompts" in words.categories_title("j", rows[:2])
    assert words.short_figures(few) == "90% too few prompts"


def test_position_and_length_are_compared_with_humans() -> None:
    def share(subject: str, value: float, statistic: str, note: str | None = None) -> Estimate:
        return estimate(subject, value, statistic=statistic, note=note)

    first = [share(HUMAN, 0.45, "first_shown_share"), share("j", 0.5, "first_shown_share"),
             share("k", 0.6, "first_shown_share")]  # fmt: skip
    assert words.first_title(first) == (
        "Shown first: k chooses it 60% [56, 64] of the time, humans 45% [41, 49]"
    )
    fixed = [share("j", 0.5, "first_shown_share", "one fixed order: a preference for ...")]
    assert words.first_title(fixed).startswith("Position: not identified")
    longer = [share(HUMAN, 0.7, "longer_chosen_share"), share("j", 0.5, "longer_chosen_share")]
    assert words.length_title(longer).startswith("Longer responses: j chooses them 50%")
    assert words.length_title(longer[1:]).startswith("j chooses the longer response most often")
    assert words.length_title([]) == "Which response is longer is not known here"
    kept = [share("j", 0.9, "position_consistency"), share("k", 0.4, "position_consistency")]
    assert words.swapped_title(kept).startswith("Swapped order: k keeps its preference least (40%")
    assert words.swapped_title(kept[:1]).startswith("Swapped order: j keeps its preference 90%")
    assert "no judge labelled both orders" in words.swapped_title([])


def test_what_costs_and_times_say() -> None:
    def cost(subject: str, value: float | None, statistic: str = "cost_usd_per_1000") -> Estimate:
        unit = "usd" if "cost" in statistic else "seconds"
        return estimate(subject, value, statistic=statistic, unit=unit, low=value, high=value)

    rows = [cost("j", 4.2), cost(HUMAN, 500.0), cost("longer", 0.0), cost("k", None)]
    assert words.cost_title(rows) == "1,000 labels cost $4.2 (j) to $500 (one human)"
    assert words.cost_title(rows[3:]) == "What these labels cost is not known"
    assert words.cost_title(rows[:1]).startswith("1,000 labels of j cost $4.2")
    times = [cost("j", 30.0, "seconds_per_1000"), cost("k", 7200.0, "seconds_per_1000")]
    assert words.time_title(times) == "1,000 labels take 30 s (j) to 2.0 h (k)"
    assert "not known" in words.time_title([])
    once = [*times, replace(cost("new", 3.0, "seconds_per_1000"), low=None, high=None)]
    assert words.time_title(once) == words.time_title(times)  # one label is no pace
    assert "new take 3 s" in words.time_title(once[2:])
    costs = {row.subject: row for row in rows[:2]}
    agreements = {"j": estimate("j", 0.6), HUMAN: estimate(HUMAN, 0.7)}
    assert words.value_title(costs, agreements, ["j", HUMAN]) == (
        "one human agrees 70% [66, 74] at $500 per 1,000 labels; "
        "j agrees 60% [56, 64] at $4.2 per 1,000 labels"
    )
    assert words.free_note([]) is None
    assert str(words.free_note(["longer"])).endswith("no zero: longer.")


def test_runs_are_told_apart_from_silent_ones() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    run = {"judge": "j", "dataset": "d", "done": 1200, "planned": 5000, "failed": 0,
           "started_at": now, "last_label_at": None}  # fmt: skip
    line = words.run_line(run, "$1.2")
    assert line == "j is labelling d: 1,200 of 5,000 done, $1.2 spent"
    assert words.run_line(run, None) == "j is labelling d: 1,200 of 5,000 done"
    assert words.silence(run, 300) is None
    old = {**run, "last_label_at": now - timedelta(hours=3)}
    assert "No new label for 3.0 h" in str(words.silence(old, 300))
    assert words.silence({**run, "started_at": None}, 300) is None


# ---- commands


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "$(rm -rf ~)", "a;b", "`x`"])
def test_commands_quote_names(name: str) -> None:
    for command in (
        commands.label("s.duckdb", name),
        commands.report("s.duckdb", name),
        commands.report_slices("s.duckdb", name),
        commands.export("s.duckdb", name),
        commands.import_humans("s.duckdb", name),
    ):
        parsed = shlex.split(command)
        assert parsed[0] == "concord"
        assert parsed[parsed.index("--dataset") + 1] == name


def test_the_next_step_follows_from_the_rows() -> None:
    judge = estimate("j", statistic="cost_usd_per_1000", reference="judge labels")
    human, ceiling = estimate("j"), estimate("human ceiling")
    both = estimate("j", statistic="position_consistency")

    def after(*rows: Estimate) -> str:
        return " ".join(commands.after_overview("s", "d", rows))

    assert "No judge has labelled" in after()
    assert "nothing to compare the judges with" in after(judge)
    assert "both orders" in after(judge, human)
    assert "Two humans" in after(judge, human, both)
    assert "concord report" in after(judge, human, both, ceiling)


# ---- serving


def test_the_server_is_started_apart_from_the_current_folder() -> None:
    argv = serve.command(Path("some.duckdb"), 8765)
    assert argv[:5] == [sys.executable, "-P", "-m", "app.server", "run"]
    assert Path(argv[5]).is_absolute()
    assert Path(argv[5]).name == "dashboard.py"
    for flag in ("--server.address=127.0.0.1", "--server.port=8765", "--server.headless=true",
                 "--browser.gatherUsageStats=false", "--server.fileWatcherType=none",
                 "--client.toolbarMode=minimal", "--client.disableDataExport=true"):  # fmt: skip
        assert flag in argv
    assert argv[-3:] == ["--", "--store", str(Path("some.duckdb").resolve())]
    assert "--server.headless=false" in serve.command(Path("s"), 1, headless=False)
    assert sum(flag.startswith("--theme.") for flag in argv) == len(theme.options())


def test_waiting_for_nobody_ends() -> None:

    with pytest.raises(ConcordError, match="did not answer"):
        serve.wait_until_ready(free_port(), seconds=0.2)


def test_no_module_of_the_app_shadows_a_package() -> None:
    names = {path.stem for path in (Path(serve.__file__).parent).iterdir()}
    assert not names & {"data", "judges", "pipelines", "pages", "streamlit"}


def slice_row(judge: str, name: str, value: float, **rest: Any) -> Estimate:
    return estimate(judge, value, slice=f"category={name}", **rest)


def test_which_judge_to_trust_where() -> None:
    gaps = {
        "category=x": [gap("good", -0.02, 0.04), gap("longer", 0.01, 0.2)],
        "category=y": [gap("good", -0.2, -0.1), gap("open", -0.3, -0.01)],
        "category=z": [gap("good", -0.2, 0.1)],
        "category=few": [replace(gap("good", 0.0, 0.0), low=None, high=None)],
    }
    assert words_agreement.beside_human(gaps["category=x"]) == (["good"], False)
    assert words_agreement.beside_human(gaps["category=few"]) == ([], False)
    assert words_agreement.kinds_title(gaps) == (
        "In 1 of 3 slices with an interval, a judge is shown to be at most 3 points below one "
        "human; every judge agrees less than a human does in y"
    )
    assert "enough prompts" in words_agreement.kinds_title({"category=few": gaps["category=few"]})


def test_the_table_of_judges_by_slice_says_whose_n_differs() -> None:
    rows = [slice_row("good", "x", 0.7), slice_row("Two humans", "x", 0.6, n_items=40)]
    ceiling = slice_row("human ceiling", "x", 0.65)
    [found] = words_agreement.kinds_table(
        ["category=x"], ["good", "Two humans", "none"],
        {(row.subject, row.slice): row for row in rows},
        {("good", "category=x"): ceiling}, {"category=x": [gap("good", -0.01, 0.1)]},
    )  # fmt: skip
    assert found == {
        "Comparisons of": "x", "Comparisons": 90, "Two humans": "65% [61, 69]",
        "good": "70% [66, 74]", "judge Two humans": "60% [56, 64], n 40", "none": None,
        "At most 3 points below a human": "good",
    }  # fmt: skip
