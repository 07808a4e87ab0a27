"""The sentences: each rule of shared/look.md at its boundaries, and no more than intervals say."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import AnnotatorKind
from pipelines.estimates import Estimate
from pipelines.findings import (
    BASELINES,
    find,
    headline,
    judge_sentence,
    judges_by_agreement,
    main_reference,
    verdict,
)
from pipelines.sections.cost import ON_FRONT
from pipelines.sections.position import ONE_ORDER
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN
from pipelines.titles import section_title
from pipelines.wording import STATISTICS

SECTIONS = {
    **dict.fromkeys(("position_consistency", "first_shown_share", "longer_chosen_share"), "bias"),
    **dict.fromkeys(("cost_usd_per_1000", "seconds_per_1000"), "cost"),
}
UNITS = {
    "gap": "share difference",
    "agreement_difference": "share difference",
    "cost_usd_per_1000": "usd",
}


def row(statistic, subject, reference, estimate, low=None, high=None, *, n=480, note=None, **more):
    more = {"slice": "all", "n_prompts": 80, **more}
    return Estimate(
        section=SECTIONS.get(statistic, "agreement"),
        subject=subject,
        reference=reference,
        criterion="overall",
        statistic=statistic,
        method="",
        estimate=estimate,
        low=low,
        high=high,
        n_items=n,
        n_labels=n,
        unit=UNITS.get(statistic, "share"),
        note=note,
        **more,
    )


def gap(estimate, low=None, high=None, *, judge="j", **more):
    """A gap in points."""
    low, high = (None if end is None else end / 100 for end in (low, high))
    value = None if estimate is None else estimate / 100
    return row("gap", judge, CEILING, value, low, high, **more)


def judged(judge, agreement, ceiling=0.5, half=0.02, **more):
    """The three rows of a judge."""
    d = agreement - ceiling
    ends = (None, None) if half is None else (agreement - half, agreement + half)
    gap_ends = (None, None) if half is None else (d - half, d + half)
    return [
        row("single_human_agreement", judge, ONE_HUMAN, agreement, *ends, **more),
        row("single_human_agreement", CEILING, ONE_HUMAN, ceiling, *ends, **more),
        row("gap", judge, CEILING, d, *gap_ends, **more),
    ]


def difference(best, other, low, high):
    value = None if low is None else (low + high) / 2
    return row("agreement_difference", best, other, value, low, high)


# verdicts

MORE = "agrees with a human more often than another human does"
SAME = "is as good as one human"
OPEN = "cannot be told apart from one human yet"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (gap(4, 1, 7), MORE),
        (gap(1, 0.001, 2), MORE),  # wholly above 0, though inside three points
        (gap(1, 0, 2), SAME),  # the interval touches 0: no difference is claimed
        (gap(0, -3, 3), SAME),
        (gap(-1.5, -3, -0.1), "agrees 2 points less than a human does, within 3 points"),
        (gap(-1.5, -3.001, 0.001), f"{OPEN} (about 1 more prompt would tell)"),
        (gap(-25.96, -30.7, -21.2), "agrees 26 points less than a human does"),
        (gap(-2, -3.5, -0.5), "agrees 2 points less than a human does"),
        (gap(-2, -4, 0), OPEN),
        (gap(None, note="no labels"), "cannot be compared with one human: no labels"),
        (
            gap(5, note="too few prompts for an interval (4 of 20)"),
            f"{OPEN}: too few prompts for an interval (4 of 20)",
        ),
    ],
)
def test_verdicts(found, text):
    assert verdict(found) == text


@pytest.mark.parametrize(
    ("low", "high", "prompts", "more"),
    [
        (-6, 6, 80, 240),  # half-width 6: 80 (4 - 1)
        (-6, 0.3, 80, 18),  # half-width 3.15 around -2.85: 80 * .2216 = 17.7
        (-7.5, 0.5, 80, 25),  # 4 around -3.5: 80 * .3061 = 24.5, and wholly below 0
        (-1, 5, 80, 100),  # 3 around 2: 80 (9 / 4 - 1)
        (-12, 12, 1000, 15000),
    ],
)
def test_how_many_more_prompts_would_tell(low, high, prompts, more):
    # G ((half-width / most)^2 - 1): the interval must shrink until it lies on one side of 0, or
    # within three points of it
    found = gap((low + high) / 2, low, high, n_prompts=prompts)
    assert verdict(found) == f"{OPEN} (about {more:,} more prompts would tell)"


@settings(deadline=None)
@given(st.floats(-100, 100), st.floats(0, 50))
def test_no_verdict_claims_a_difference_where_the_interval_covers_zero(centre, half):
    found = gap(centre, centre - half, centre + half)
    text = verdict(found)
    if found.low <= 0 <= found.high:
        assert text == SAME or text.startswith(OPEN)
    if text == MORE:
        assert found.low > 0
    if "less than a human" in text:
        assert found.high < 0
        within = 100 * found.low >= -3
        least = r"agrees [\d.e-]+ points? less than a human does" + (
            ", within 3 points" if within else ""
        )
        assert re.fullmatch(least, text)
    if text == SAME:
        assert 100 * found.low >= -3
        assert 100 * found.high <= 3


# one judge


def test_a_judges_sentence_holds_its_figures():
    rows = judged("gpt-4", 0.56493, 0.52361, half=0.03)
    assert judge_sentence(rows, "gpt-4") == (
        "gpt-4 agrees with a human more often than another human does "
        "(56% v 52%, gap +4 [+1, +7]; 480 comparisons)"
    )


@pytest.mark.parametrize(
    ("own", "ceiling", "figures"),
    [
        (0.6476, 0.6541, "64.8% v 65.4%, gap -1 [-4, +2]"),  # not 65% v 65%, gap -1
        (0.6549, 0.6551, "65.5% v 65.5%, gap -0.02 [-3, +3]"),  # not 65% v 66%, gap -0.02
        (0.6510, 0.6480, "65% v 65%, gap +0.3 [-3, +3]"),
        (0.9996, 0.9448, ">99% v 94%, gap +5 [+2, +8]"),
    ],
)
def test_rounded_sides_do_not_contradict_their_gap(own, ceiling, figures):
    assert figures in (judge_sentence(judged("j", own, ceiling, half=0.03), "j") or "")


def test_a_judges_sentence_without_an_interval():
    note = "too few prompts for an interval (1 of 20)"
    rows = judged("j", 1.0, 0.5, half=None, n=1, note=note)
    assert judge_sentence(rows, "j") == (
        f"j cannot be told apart from one human yet: {note} (100% v 50%, gap +50; 1 comparison)"
    )


def test_a_judge_without_a_gap_has_no_sentence():
    assert judge_sentence([], "j") is None
    undefined = row("gap", "j", CEILING, None, note="no humans")
    assert judge_sentence([undefined], "j") is None
    assert judge_sentence(judged("j", 0.5), "k") is None


# many judges


def test_judges_are_ranked_with_those_that_are_not_known_well_after_the_others():
    rows = [
        *judged("low", 0.4),
        *judged("high", 0.6),
        *judged("b-same", 0.5),
        *judged("a-same", 0.5),
        *judged("lucky", 1.0, half=None),
        *judged("longer", 0.9),
    ]
    assert judges_by_agreement(rows) == ["high", "a-same", "b-same", "low", "lucky", "longer"]


def test_judges_are_measured_by_one_reference_only():
    assert main_reference([]) == MAJORITY
    gold = [row("majority_agreement", j, "gold", x, 0, 1) for j, x in (("j", 0.6), ("k", 0.7))]
    old = [row("majority_agreement", "j", "old gold", 0.9, 0, 1)]
    assert main_reference(old + gold) == "gold"
    assert judges_by_agreement(old + gold) == ["k", "j"]  # not j for its .9 with another label
    majority = [row("majority_agreement", j, MAJORITY, x, 0, 1) for j, x in (("j", 0.5),)]
    assert main_reference(old + gold + majority) == MAJORITY
    assert judges_by_agreement(old + gold + majority) == ["j"]
    assert main_reference(old + gold + majority + judged("k", 0.5)) == ONE_HUMAN
    assert judges_by_agreement(old + gold + majority + judged("k", 0.5)) == ["k"]


def test_slices_and_rows_without_a_number_are_not_found():
    rows = [
        row("coverage", "j", "x", 0.5, slice="category=c"),
        row("coverage", "j", "x", None, note="why"),
    ]
    assert find(rows, "coverage") == []
    assert len(find(rows, "coverage", slice_name="category=c")) == 1
    assert find(rows, "coverage", "k", slice_name="category=c") == []


# the headline


def test_nothing_to_compare():
    none = "No judge can be compared with human or gold labels here yet."
    assert headline([]) == none
    assert headline(judged("longer", 0.6)) == none  # a baseline is no judge
    undefined = row("single_human_agreement", "j", ONE_HUMAN, None, note="no humans")
    assert headline([undefined]) == none


def test_one_judge():
    assert headline(judged("j", 0.51, 0.51, half=0.02)) == (
        "j is as good as one human (51% v 51%, gap 0 [-2, +2]; 480 comparisons)."
    )


@pytest.mark.parametrize(
    ("others", "end"),
    [
        ([("k", 0.01, 0.03)], ""),
        ([("k", 0.0, 0.03)], "; k cannot be told apart from it"),
        ([("k", None, None)], "; k cannot be told apart from it"),
        ([("k", -0.01, 0.0), ("l", -0.1, 0.2)], "; k and l cannot be told apart from it"),
        (
            [("k", -0.1, 0.1), ("l", -0.1, 0.2), ("m", -0.1, 0.2), ("n", 0.1, 0.2)],
            "; k and 2 others cannot be told apart from it",
        ),
        (
            [("k", 0.1, 0.2), ("longer", -0.1, 0.1)],
            "; the baseline longer cannot be told apart from it",
        ),
    ],
)
def test_who_cannot_be_told_apart_from_the_best(others, end):
    rows = judged("j", 0.56, 0.5) + [x for name, *_ in others for x in judged(name, 0.5)]
    rows += [difference("j", *other) for other in others]
    n = 1 + sum(name not in BASELINES for name, *_ in others)
    assert headline(rows) == (
        f"Highest agreement of {n} judges: j agrees with a human more often than another human "
        f"does (56% v 50%, gap +6 [+4, +8]; 480 comparisons){end}."
    )


def test_the_best_on_its_own_comparisons_may_not_be_the_best():
    rows = judged("j", 0.56, 0.5) + judged("k", 0.55) + judged("l", 0.54)
    rows += [difference("j", "k", -0.05, -0.01), difference("j", "l", -0.05, 0.01)]
    assert headline(rows) == (
        "Highest agreement of 3 judges, each on its own comparisons: j agrees with a human more "
        "often than another human does (56% v 50%, gap +6 [+4, +8]; 480 comparisons); k agrees "
        "more where both labelled; l cannot be told apart from it."
    )
    rows += [difference("j", "m", -0.05, -0.01)]
    assert "; k and m agree more where both labelled;" in headline(rows)


@pytest.mark.parametrize(
    ("reference", "named"), [(MAJORITY, "the human majority"), ("gold", "the label 'gold'")]
)
def test_against_a_majority_or_gold(reference, named):
    rows = [row("majority_agreement", "j", reference, 0.84487, 0.81251, 0.87723, n=1419)]
    assert headline(rows) == f"j agrees with {named} 84% [81, 88] of the time (1,419 comparisons)."
    rows = [row("majority_agreement", "j", reference, 0.8, n=1, note="too few prompts")]
    assert headline(rows) == f"j agrees with {named} 80% of the time (1 comparison)."


def test_the_price_stands_beside():
    rows = judged("j", 0.6, 0.5)
    rows += [row("cost_usd_per_1000", "j", "judge labels", 4.2, 4.0, 4.4)]
    assert headline(rows).endswith("480 comparisons), at $4.2 per 1,000 labels.")
    rows += [row("cost_usd_per_1000", ONE_HUMAN, "human labels", 499.7, 490, 510)]
    assert headline(rows).endswith("at $4.2 per 1,000 labels against $500 for humans.")


# titles of the sections


def test_the_agreement_title_is_the_headline_without_prices():
    rows = judged("j", 0.6, 0.5)
    rows += [row("cost_usd_per_1000", "j", "judge labels", 4.2, 4.0, 4.4)]
    assert section_title("agreement", rows) == headline(rows[:3])


def kept(judge, estimate, low=None, high=None, **more):
    return row("position_consistency", judge, "orders swapped", estimate, low, high, **more)


def first_shown(judge, estimate, low=None, high=None, **more):
    return row("first_shown_share", judge, "order shown", estimate, low, high, **more)


def test_the_position_title_names_the_judge_that_an_exchange_moves_most():
    rows = [
        kept("j", 0.7, 0.6, 0.8),
        kept("bard", 0.36875, 0.32617, 0.41133, n=800),
        kept("first", 0.0, 0.0, 0.1),  # a baseline
        kept("hardly", 0.1, n=3),  # no interval
        first_shown("bard", 0.78, 0.75, 0.81, n=800),
    ]
    assert section_title("bias", rows) == (
        "bard keeps its preference in 37% [33, 41] of 800 comparisons when the order is swapped, "
        "and chooses the one shown first 78% of the time."
    )
    assert section_title("bias", rows[3:4]) == (
        "hardly keeps its preference in 10% of 3 comparisons when the order is swapped."
    )


def test_the_position_title_where_each_comparison_was_shown_in_one_order():
    none = "Position: not identified here, as no judge labelled both orders."
    assert section_title("bias", []) == none
    fixed = first_shown("j", 0.9, 0.8, 1.0, note=ONE_ORDER)
    humans = first_shown(ONE_HUMAN, 0.9, 0.8, 1.0)
    assert section_title("bias", [fixed, humans]) == none
    # l may have many ties, which are in the total: 40% is not farther from no preference than 55%
    mixed = [first_shown("k", 0.55, 0.5, 0.6), first_shown("l", 0.4, 0.3, 0.5)]
    assert section_title("bias", [fixed, humans, *mixed]) == (
        "k chooses the response shown first 55% [50, 60] of the time "
        "(480 comparisons, in one order each)."
    )


def cost(subject, reference, estimate):
    return row("cost_usd_per_1000", subject, reference, estimate, note=estimate or "unknown")


@pytest.mark.parametrize(
    ("ai", "human", "text"),
    [
        ([], [], "What these labels cost is not known: the source gives no prices."),
        ([None], [None], "What these labels cost is not known: the source gives no prices."),
        ([9.21, 18.55], [], "1,000 AI labels cost $9.2 to $19."),
        ([9.21, None], [None], "1,000 AI labels cost $9.2; what human labels cost is not known."),
        ([9.21, 9.22], [], "1,000 AI labels cost $9.2."),
        ([], [500], "1,000 human labels cost $500."),
        ([None], [500], "1,000 human labels cost $500; what AI labels cost is not known."),
        ([4.2], [500], "1,000 AI labels cost $4.2 and 1,000 human labels cost $500."),
        ([0.0], [], "1,000 AI labels cost $0."),
    ],
)
def test_the_cost_title(ai, human, text):
    rows = [cost(f"j{k}", "judge labels", x) for k, x in enumerate(ai)]
    rows += [cost(ONE_HUMAN, "human labels", x) for x in human]
    rows += [cost("h1", "human labels", 77), cost("longer", "baseline labels", 0.0)]
    assert section_title("cost", rows) == text


def test_the_cost_title_names_no_baseline_as_unbeaten():
    def front(subject):
        found = row("front_share", subject, "price and agreement with one human", 1.0)
        return replace(found, method=ON_FRONT)

    rows = [cost("j", "judge labels", 4.2), front("j"), front("first")]
    assert section_title("cost", rows).endswith(
        "Unbeaten in price and agreement with one human, of 1: j (100% of resamples)."
    )


# words


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5) | st.none()), min_size=1, max_size=5),
    st.floats(0.0, 1.0),
    st.floats(0, 10) | st.none(),
)
def test_no_sentence_has_raw_names_or_broken_numbers(judges, ceiling, price):
    rows = []
    for k, (agreement, half) in enumerate(judges):
        rows += judged(f"judge {k}", agreement, ceiling, half, note="too few prompts")
        rows += [kept(f"judge {k}", agreement, agreement, agreement)]
        rows += [cost(f"judge {k}", "judge labels", price)]
    sentences = [section_title(section, rows) for section in ("agreement", "bias", "cost")]
    sentences += [headline(rows), *(judge_sentence(rows, f"judge {k}") for k in range(len(judges)))]
    for sentence in sentences:
        assert not re.search(r"nan|None|inf\b|_|  |\d[eE][-+]?\d|\[\]|\(\)", sentence)
        assert not any(name in sentence for name in STATISTICS if "_" in name)


def test_baselines_are_known_by_their_names():
    from judges.baselines import BASELINES as RULES

    assert set(BASELINES) == set(RULES)
    assert {rule.annotator().kind for rule in RULES.values()} == {AnnotatorKind.BASELINE}
