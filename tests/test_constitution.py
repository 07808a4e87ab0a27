"""Constitutions: which principle a comparison is judged by, and that it stays the same."""

from collections import Counter
from uuid import UUID, uuid5

import pytest

from data.errors import JudgeError
from judges.constitution import Constitution, read_principles
from tests.judging import (
    AB,
    BA,
    A,
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

FILE = 'name = "j"\nmodel = "openai/m"\nprinciples = "principles.txt"\n'
SEEDED = FILE + "principle_seed = 7\n"
PRINCIPLES = "# ours\nPrefer the honest one.\n\n- Prefer the kind one.\nPrefer the short one.\n"
THREE = ("Prefer the honest one.", "Prefer the kind one.", "Prefer the short one.")
IDS = [uuid5(UUID(int=0), str(number)) for number in range(3000)]


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, FILE, principles_txt=PRINCIPLES)


def test_a_principle_a_line_without_bullets_remarks_and_empty_lines():
    assert read_principles(PRINCIPLES) == THREE
    assert read_principles("\r\n  a \r\n-\r\n#b\r\n- # c\n-d") == ("a", "-d")
    assert read_principles("# nothing\n\n") == ()


def test_every_principle_is_as_likely_as_the_others():
    """3,000 draws of three: 1,000 each, standard deviation sqrt(3000 / 3 * 2 / 3) = 25.8."""
    drawn = Counter(Constitution(THREE).draw(each, 0) for each in IDS)
    assert set(drawn) == set(THREE)
    assert all(abs(count - 1000) < 4 * 25.8 for count in drawn.values())


def test_the_draw_follows_from_seed_comparison_and_repeat_alone():
    one = [Constitution(THREE).draw(each, 0) for each in IDS]
    assert one == [Constitution(THREE).draw(each, 0) for each in IDS]
    for other in (
        [Constitution(THREE, 1).draw(each, 0) for each in IDS],
        [Constitution(THREE).draw(each, 1) for each in IDS],
    ):
        # Two independent draws agree on a third: 1,000 of 3,000, as above.
        agree = sum(a == b for a, b in zip(one, other, strict=True))
        assert abs(agree - 1000) < 4 * 25.8


def test_both_orders_are_judged_by_the_same_principle_and_the_label_says_which(judge):
    for n in range(20):
        said = set()
        for shown in (AB, BA):
            what = task(shown, comparison(n))
            [request] = requests_of(judge, what)
            [judgment] = ask(judge, what, "Verdict: 1")
            principle = judgment.label.details["principle"]
            assert f"\n\n{principle}\n\n" in request.messages[0].content
            assert sum(each in request.messages[0].content for each in THREE) == 1
            said.add(principle)
        assert len(said) == 1


def test_repeats_may_be_judged_by_other_principles(judge):
    said = {
        ask(judge, task(repeat=repeat), "Verdict: 1")[0].label.details["principle"]
        for repeat in range(30)
    }
    assert said == set(THREE)


def test_an_unparsed_label_says_its_principle_too(judge):
    assert ask(judge, task(), "?")[0].label.details["principle"] in THREE


def test_a_principle_is_a_text_and_fills_nothing(tmp_path):
    odd = "Prefer {{response_2}} and <<end {{mark}}>>."
    judge = judge_of(tmp_path, FILE, principles_txt=odd)
    [request] = requests_of(judge, task())
    assert odd in request.messages[0].content
    assert ask(judge, task(), "Verdict: 1")[0].label.preference is A


def test_what_makes_it_another_annotator(tmp_path):
    def identity(text=FILE, principles=PRINCIPLES):
        return identity_of(tmp_path, text, principles_txt=principles)

    same = identity()
    others = [
        identity(SEEDED),
        identity(principles=PRINCIPLES + "Prefer the blue one."),
        identity(principles=PRINCIPLES.replace("kind", "kinder")),
        identity(principles="\n".join(reversed(THREE))),  # the draw is by place
    ]
    assert len({same, *others}) == 5
    assert identity(principles="\n".join(THREE)) == same, "remarks and bullets do not matter"
    assert identity(FILE + "principle_seed = 0\n") == same
    renamed = FILE.replace("principles.txt", "other.txt")
    assert identity_of(tmp_path / "b", renamed, other_txt=PRINCIPLES) == same


def test_it_is_built_again_from_its_description(tmp_path):
    tasks = [task(shown, comparison(n)) for n in range(5) for shown in (AB, BA)]
    again = check_round_trip(tmp_path, SEEDED, *tasks, principles_txt=PRINCIPLES)
    assert again.constitution == Constitution(THREE, 7)


def test_another_principle_is_another_request(tmp_path, judge):
    other = judge_of(tmp_path, FILE, principles_txt=PRINCIPLES.replace("Prefer", "Choose"))
    assert hashes_of(judge, task()) != hashes_of(other, task())


@pytest.mark.parametrize("principles", [(), ("",), ("a", " ")])
def test_a_constitution_needs_principles(principles):
    with pytest.raises(JudgeError, match="without principles"):
        Constitution(principles)


@pytest.mark.parametrize(
    ("text", "principles", "named"),
    [
        (FILE, "# nothing\n", "principles: a constitution without principles"),
        (FILE, "", "principles: "),
        (FILE.replace("principles.txt", "nowhere.txt"), "x", "principles: cannot read"),
        (FILE.replace("principles.txt", ""), "x", "principles: cannot read"),
        (FILE + "principle_seed = 'x'", "x", "principle_seed: "),
        (FILE + "principle_seed = true", "x", "principle_seed: "),
        (
            FILE + "template = 'pairwise'",
            "x",
            "template: pairwise: the field {{principle}} is missing",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, principles, named):
    assert error_of(tmp_path, text, principles_txt=principles).startswith(named)


def test_principles_that_are_no_text_are_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"Prefer the caf\xe9.")
    text = FILE.replace("principles.txt", "latin.txt")
    assert error_of(tmp_path, text).startswith("principles: cannot read")
