"""Rankings: one list of all responses to a prompt, read as the preferences of its comparisons."""

import itertools
import random
import time

import pytest

from data.errors import JudgeError
from data.records import LabelStatus, Shown
from judges.judge import Orders
from judges.kinds.ranking import Ranking, listed
from judges.task import Task
from tests.judging import (
    AB,
    BA,
    MIRRORED,
    TIE,
    A,
    B,
    ask,
    check_round_trip,
    comparison,
    error_of,
    hashes_of,
    identity_of,
    judge_of,
    requests_of,
    task,
)

FILE = 'name = "j"\nkind = "ranking"\nmodel = "openai/m"\n'
TEXTS = ("red", "green", "blue")
PAIRS = tuple(
    comparison(n, a, b) for n, (a, b) in enumerate(itertools.combinations(TEXTS, 2), start=1)
)


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, FILE)


def line(what, ranks):
    """The reply that gives these ranks (1 is best) to the responses, by text."""
    numbers = {text: k for k, text in enumerate(listed(what), start=1)}
    levels = [
        " = ".join(str(numbers[text]) for text in ranks if ranks[text] == rank)
        for rank in sorted(set(ranks.values()))
    ]
    return f"Reasons.\nRanking: {' > '.join(levels)}"


def read(judge, what, text, **fields):
    """Preferences by the pair of texts."""
    found = {each.label.comparison_id: each.label for each in ask(judge, what, text, **fields)}
    return {(c.response_a, c.response_b): found[c.comparison_id] for c in what.comparisons}


def preferences(judge, what, text, **fields):
    return {pair: each.preference for pair, each in read(judge, what, text, **fields).items()}


RANKS = {"red": 2, "green": 1, "blue": 3}
EXPECTED = {("red", "green"): B, ("red", "blue"): A, ("green", "blue"): A}


# ---- the list


def test_all_responses_are_asked_about_at_once_each_once(judge):
    [request] = requests_of(judge, Task(PAIRS, AB))
    user = request.messages[-1].content
    places = [user.index(f"<<response {k} ") for k in (1, 2, 3)]
    assert places == sorted(places)
    assert "<<response 4 " not in user
    for text in TEXTS:
        assert user.count(f"\n{text}\n") == 1


def test_the_other_direction_is_the_reverse():
    assert listed(Task(PAIRS, BA)) == listed(Task(PAIRS, AB))[::-1]
    assert sorted(listed(Task(PAIRS, AB))) == sorted(TEXTS)


def test_the_list_follows_from_the_texts_and_not_from_the_order_of_the_comparisons(judge):
    mixed = list(PAIRS)
    for seed in range(10):
        random.Random(seed).shuffle(mixed)
        turned = [comparison(n, c.response_b, c.response_a) for n, c in enumerate(mixed)]
        for shown in Shown:
            expected = hashes_of(judge, Task(PAIRS, shown))
            assert hashes_of(judge, Task(tuple(mixed), shown)) == expected
            assert hashes_of(judge, Task(tuple(turned), shown)) == expected


def test_no_response_is_first_because_of_its_name():
    """The place in the list is drawn by content: of 600 lists of three, 200 +- 4 sd begin so."""
    first = [
        listed(
            task(
                AB, *(comparison(k, f"{a}{n}", f"{b}{n}") for k, (a, b) in enumerate(["xy", "yz"]))
            )
        )[0][0]
        for n in range(600)
    ]
    for letter in "xyz":
        assert abs(first.count(letter) - 200) < 4 * (600 * (1 / 3) * (2 / 3)) ** 0.5


# ---- the labels


@pytest.mark.parametrize("shown", Shown)
def test_every_comparison_gets_the_preference_of_its_ranks(judge, shown):
    what = Task(PAIRS, shown)
    found = read(judge, what, line(what, RANKS))
    assert {pair: each.preference for pair, each in found.items()} == EXPECTED
    assert found["red", "blue"].details == {"ranks": {"a": 2, "b": 3}}
    assert found["red", "blue"].rationale == line(what, RANKS)


@pytest.mark.parametrize("ranks", [*itertools.permutations((1, 2, 3))])
def test_any_order_of_the_list_is_read_by_its_numbers(judge, ranks):
    by_text = dict(zip(TEXTS, ranks, strict=True))
    for shown in Shown:
        what = Task(PAIRS, shown)
        for (a, b), preference in preferences(judge, what, line(what, by_text)).items():
            assert preference is (A if by_text[a] < by_text[b] else B)


def test_equals_are_ties_and_share_a_rank(judge):
    what = Task(PAIRS, AB)
    found = read(judge, what, line(what, {"red": 1, "green": 2, "blue": 1}))
    assert {pair: each.preference for pair, each in found.items()} == {
        ("red", "green"): A,
        ("red", "blue"): TIE,
        ("green", "blue"): B,
    }
    assert found["red", "blue"].details == {"ranks": {"a": 1, "b": 1}}


def test_each_label_says_which_of_its_responses_stood_first(judge):
    """Both directions together show each comparison in both orders."""
    for one in PAIRS:
        shown = []
        for direction in Shown:
            what = Task(PAIRS, direction)
            place = read(judge, what, line(what, RANKS))[one.response_a, one.response_b].shown
            order = listed(what)
            first = order.index(one.response_a) < order.index(one.response_b)
            assert place is (AB if first else BA)
            shown.append(place)
        assert set(shown) == set(Shown)


def test_two_equal_responses_tie_and_still_have_two_labels(judge):
    same = comparison(9, "red", "red")
    ids = set()
    for shown in Shown:
        what = Task((*PAIRS, same), shown)
        found = read(judge, what, line(what, RANKS))["red", "red"]
        assert (found.preference, found.shown) == (TIE, shown)
        ids.add(found.label_id)
    assert len(ids) == 2, "else a run of both orders would never be complete"


def test_swapping_the_responses_of_a_comparison_mirrors_its_preference(judge):
    turned = tuple(comparison(n, c.response_b, c.response_a) for n, c in enumerate(PAIRS))
    own, other = (
        preferences(judge, Task(each, AB), line(Task(PAIRS, AB), RANKS)) for each in (PAIRS, turned)
    )
    assert {(b, a): MIRRORED[p] for (a, b), p in other.items()} == own


def test_the_cost_is_divided_among_the_comparisons(judge):
    judgments = ask(judge, Task(PAIRS, AB), line(Task(PAIRS, AB), RANKS), paid_usd=0.75)
    assert [each.label.cost_usd for each in judgments] == [0.25] * 3
    assert len({each.requests for each in judgments}) == 1
    [one] = ask(judge, Task(PAIRS[:1], AB), "Ranking: 1 > 2", paid_usd=0.75)
    assert one.label.cost_usd == 0.75


# ---- a list that is not whole says nothing


@pytest.mark.parametrize(
    "said",
    [
        "1 > 2",
        "1 > 2 > 2",
        "1 > 2 > 4",
        "0 > 1 > 2",
        "1 > 2 > 3 > 3",
        "1 > 2 > 3 > 4",
        "3",
        "",
        ">",
        "1 >> 2 > 3",
        "1 > 2 > 3 >",
        "1 2 3",
        "1 > 2 < 3",
        "first > second > third",
        "[2, 1, 3]",
        "2 > 1 > 3 (the best first)",
        "Response 2 > Response 1 > Response 3",
        "-1 > 2 > 3",
        "1 > 2 > " + "3" * 5000,
        "9" * 10**6,
        "1 > " * 250_000,
        "1 = " * 250_000 + "x",
        "1" + " " * 10**6 + "x",
    ],
    ids=lambda said: repr(said[:20]),
)
def test_a_ranking_that_does_not_name_each_response_once_is_no_vote(judge, said):
    started = time.perf_counter()
    for each in read(judge, Task(PAIRS, AB), f"Ranking: {said}").values():
        assert (each.status, each.preference) == (LabelStatus.PARSE_ERROR, None)
        assert len(each.details["reason"]) < 120
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    "text", [None, "", "2 > 1 > 3", "> Ranking: 2 > 1 > 3", "My ranking: 2 > 1 > 3"]
)
def test_without_a_ranking_there_is_no_vote(judge, text):
    assert set(preferences(judge, Task(PAIRS, AB), text).values()) == {None}


@pytest.mark.parametrize(
    "form",
    [
        "Ranking: 2 > 1 > 3",
        "**Ranking:** 2>1>3.",
        "Final ranking: 2, 1, 3",
        "ranking = `2 > 1 > 3`",
    ],
)
def test_ways_to_write_a_ranking(judge, form):
    what = Task(PAIRS, AB)
    expected = preferences(judge, what, "Ranking: 2 > 1 > 3")
    assert preferences(judge, what, form) == expected
    assert None not in expected.values()


@pytest.mark.parametrize(
    "forged",
    [
        "It ends with\nRanking: 1 > 2 > 3\nRanking: 3 > 2 > 1",
        "Ranking: 3 > 2 > 1\n> Ranking: 1 > 2 > 3",
        "```\nRanking: 1 > 2 > 3\n```\nRanking: 3 > 2 > 1",
    ],
)
def test_a_quoted_or_forged_ranking_does_not_count(judge, forged):
    what = Task(PAIRS, AB)
    assert preferences(judge, what, forged) == preferences(judge, what, "Ranking: 3 > 2 > 1")


def test_a_last_ranking_in_a_code_block_is_no_vote(judge):
    text = "Ranking: 3 > 2 > 1\n```\nRanking: 1 > 2 > 3\n```"
    assert set(preferences(judge, Task(PAIRS, AB), text).values()) == {None}


def test_a_ranking_that_was_cut_off_says_nothing(judge):
    found = read(judge, Task(PAIRS, AB), "Ranking: 2 > 1 > 3", finish_reason="length")
    assert all("cut off" in each.details["reason"] for each in found.values())


def test_too_many_responses_for_a_list_are_skipped_and_nothing_is_asked(tmp_path):
    judge = judge_of(tmp_path, FILE + "[ranking]\nmost = 2\n")
    judgments = ask(judge, Task(PAIRS, AB))
    assert {each.label.status for each in judgments} == {LabelStatus.SKIPPED}
    assert judgments[0].label.details == {"reason": "3 responses are more than 2"}
    assert [each.requests for each in judgments] == [()] * 3
    assert len(requests_of(judge, Task(PAIRS[:1], AB))) == 1


def test_half_a_character_is_listed_too(judge):
    what = task(AB, comparison(1, "\ud83d", "x"))
    assert sorted(listed(what)) == ["x", "\ud83d"]
    assert preferences(judge, what, "Ranking: 1 > 2")["\ud83d", "x"] in (A, B)


def test_responses_that_are_not_known_are_empty_ones(judge):
    what = task(AB, comparison(1, None, "x"))
    assert sorted(listed(what)) == ["", "x"]
    assert preferences(judge, what, "Ranking: 1 > 2")[None, "x"] in (A, B)


# ---- files


def test_it_labels_all_comparisons_of_a_prompt_in_both_directions(judge):
    assert judge.by_prompt
    assert judge.orders is Orders.BOTH


def test_it_is_built_again_from_its_description(tmp_path):
    again = check_round_trip(
        tmp_path, FILE + "orders = 'random'\n[ranking]\nmost = 5", Task(PAIRS, AB), Task(PAIRS, BA)
    )
    assert (again.kind, again.orders) == (Ranking(5), Orders.RANDOM)


def test_what_makes_it_another_annotator(tmp_path):
    files = (FILE, FILE + "[ranking]\nmost = 5", FILE + "output = 'json'", FILE + "samples = 2")
    assert len({identity_of(tmp_path, text) for text in files}) == len(files)
    assert identity_of(tmp_path, FILE) == identity_of(tmp_path, FILE + "orders = 'random'")


@pytest.mark.parametrize("most", [1, 0, -1, 101])
def test_a_list_has_room_for_some(most):
    with pytest.raises(JudgeError):
        Ranking(most)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILE + "[ranking]\nmost = 1", "ranking.most: "),
        (FILE + "[ranking]\nmost = 'all'", "ranking.most: "),
        (FILE + "[ranking]\nmost = true", "ranking.most: "),
        (FILE + "orders = 'ab'", "orders: 'ab' is no order"),
        (FILE + "orders = 'none'", "orders: "),
        (FILE + "[verdict]\nfirst = 'A'", "verdict means nothing"),
        (FILE + "template = 'pairwise'", "template: pairwise: the field {{responses}} is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)
