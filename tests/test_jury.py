"""Juries: the mean of their members, whose own labels are kept, and what it costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import JudgeError
from data.records import LabelStatus
from judges.config import read_judge
from judges.judge import Judge, Orders
from judges.jury import Jury
from judges.prompts import parse_template
from tests.judging import (
    AB,
    BA,
    BOTH_ORDERS,
    SECRET,
    TIE,
    A,
    B,
    ask,
    build_again,
    comparison,
    error_of,
    hashes_of,
    ids_of,
    judge_of,
    reply_to,
    requests_of,
    task,
    written,
)

ROOT = Path(__file__).resolve().parents[1]
FILE = 'name = "jury"\nkind = "jury"\nmembers = ["one.toml", "two.toml", "three.toml"]\n'
ONE = 'name = "one"\nmodel = "openai/m1"\n'
TWO = 'name = "two"\nmodel = "openai/m2"\n'
SOFT = 'name = "three"\nmodel = "openai/m3"\nkind = "soft"\n[soft]\nfallback_samples = 2\n'
MEMBERS = {"one_toml": ONE, "two_toml": TWO, "three_toml": SOFT}
PAIR = FILE.replace(', "three.toml"', "")


@pytest.fixture
def jury(tmp_path):
    return judge_of(tmp_path, FILE, **MEMBERS)


def soft(p_first):
    """A soft reply: softmax of these two is p_first."""
    from math import log

    return {"text": "1", "logprobs": ({"1": log(p_first), "2": log(1 - p_first)},)}


def by_name(jury, what, *said, **fields):
    names = {annotator_id: name for name, annotator_id in ids_of(jury).items()}
    judgments = ask(jury, what, *said, **fields)
    assert names[judgments[0].label.annotator_id] == jury.name, "its own label is the first"
    return {names[each.label.annotator_id]: each for each in judgments}


# ---- the verdict


@pytest.mark.parametrize(("shown", "votes"), BOTH_ORDERS)
def test_the_mean_of_the_members_in_stored_orientation(jury, shown, votes):
    found = by_name(jury, task(shown), "Verdict: 1", "Verdict: tie", soft(0.25))
    assert {name: each.label.preference for name, each in found.items()} == {
        "jury": votes["first"],
        "one": votes["first"],
        "two": TIE,
        "three": votes["second"],
    }
    # (1 + 1/2 + 1/4) / 3 = 7/12 is for the first shown.
    p_a = 7 / 12 if shown is AB else 5 / 12
    assert found["jury"].label.p_a == pytest.approx(p_a)
    assert {each.label.shown for each in found.values()} == {shown}
    assert found["jury"].label.details["members"] == {
        "one": votes["first"],
        "two": "tie",
        "three": votes["second"],
    }


def test_swapping_the_responses_mirrors_the_verdict(jury):
    swapped = task(BA, comparison(a="No idea.", b="Because."))
    said = ("Verdict: 2", "Verdict: 2", soft(0.75))
    own, turned = (by_name(jury, what, *said)["jury"] for what in (task(AB), swapped))
    assert own.requests == turned.requests
    assert (own.label.preference, turned.label.preference) == (B, A)
    assert own.label.p_a + turned.label.p_a == pytest.approx(1)


def test_members_that_cancel_each_other_tie(tmp_path):
    jury = judge_of(tmp_path, PAIR, **MEMBERS)
    done = by_name(jury, task(), "Verdict: 1", "Verdict: 2")["jury"].label
    assert (done.p_a, done.preference) == (0.5, TIE)


def test_a_member_without_a_verdict_is_left_out_and_named(tmp_path):
    jury = judge_of(tmp_path, PAIR, **MEMBERS)
    done = by_name(jury, task(), "Who knows.", "Verdict: 2")["jury"].label
    assert (done.p_a, done.preference) == (0.0, B)
    assert done.details["members"] == {"one": "parse_error", "two": "b"}
    assert json.dumps(done.details), "it can be stored"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, LabelStatus.PARSE_ERROR),
        ({"finish_reason": "content_filter"}, LabelStatus.REFUSED),
    ],
)
def test_without_any_verdict_it_has_none_and_was_paid_all_the_same(tmp_path, fields, status):
    jury = judge_of(tmp_path, PAIR, **MEMBERS)
    done = by_name(jury, task(), "?", "?", **fields)["jury"].label
    assert (done.status, done.preference, done.p_a) == (status, None, None)
    assert done.details["reason"] == "no member has a verdict"
    assert (done.cost_usd, done.seconds) == (0.5, 1.5)


def test_where_every_member_skips_the_jury_skips(tmp_path):
    members = {
        name: f"{text}template = 'reference'\n"
        for name, text in MEMBERS.items()
        if "soft" not in text
    }
    jury = judge_of(tmp_path, PAIR, **members)
    found = by_name(jury, task())
    assert {each.label.status for each in found.values()} == {LabelStatus.SKIPPED}
    assert found["jury"].requests == ()
    assert found["jury"].label.cost_usd == 0


def test_a_member_that_skips_leaves_the_cost_known(tmp_path):
    members = MEMBERS | {"two_toml": TWO + "template = 'reference'\n"}
    done = by_name(judge_of(tmp_path, PAIR, **members), task(), "Verdict: 1")["jury"].label
    assert (done.preference, done.cost_usd) == (A, 0.25)
    assert done.details["members"]["two"] == "skipped"


# ---- requests, costs


def test_the_jury_costs_what_its_members_cost_and_waits_for_the_slowest(jury):
    said = [
        {"text": "Verdict: 1", "paid_usd": 0.5, "seconds": 1.0},
        {"text": "Verdict: 1", "paid_usd": 0.25, "seconds": 4.0},
        soft(0.75) | {"paid_usd": 0.125, "seconds": 2.0},
    ]
    found = by_name(jury, task(), *said)
    assert [found[name].label.cost_usd for name in ("jury", "one", "two", "three")] == [
        0.875,
        0.5,
        0.25,
        0.125,
    ]
    assert found["jury"].label.seconds == 4.0
    assert set(found["jury"].requests) == {
        r for n in ("one", "two", "three") for r in found[n].requests
    }
    said[1]["paid_usd"] = None
    assert by_name(jury, task(), *said)["jury"].label.cost_usd is None


def test_a_members_fallback_is_asked_and_paid(jury):
    found = by_name(
        jury, task(), "Verdict: 1", "Verdict: 1", {"text": "1", "logprobs": None}, "2", "2"
    )
    assert found["three"].label.details["soft_from"] == "samples"
    assert found["three"].label.p_a == 0
    assert found["jury"].label.cost_usd == 5 * 0.25
    assert len(found["jury"].requests) == 5


def test_an_equal_request_of_two_members_is_asked_and_paid_once(tmp_path):
    """Two readers of the same replies: the template of one asks what the other's menu says."""
    mine = "## user\n{{response_1}} or {{response_2}}?\nVerdict: 1, or Verdict: 2"
    member = 'model = "openai/m"\ntemplate = "mine.md"\n'
    members = {
        "one_toml": f'name = "one"\n{member}',
        "two_toml": f'name = "two"\n{member}[verdict]\nties = false\n',
    }
    jury = judge_of(tmp_path, PAIR, **members, mine_md=mine)
    assert len(requests_of(jury, task())) == 1
    found = by_name(jury, task(), "Verdict: tie")
    assert (found["one"].label.preference, found["two"].label.preference) == (TIE, None)
    assert [found[n].label.cost_usd for n in ("one", "two", "jury")] == [0.25, 0.25, 0.25]


def test_on_a_resume_only_what_is_missing_is_asked_for(jury):
    first, *rest = requests_of(jury, task())
    asking = jury.asking(task(), SECRET, ids_of(jury))
    known = {first.request_hash: reply_to(first, "Verdict: 1")}
    assert list(asking.needed(known)) == rest


def test_what_failed_is_the_jurys_alone(jury):
    """A member's label would stand in the way of its own run; its replies are kept anyway."""
    [judgment] = jury.asking(task(), SECRET, ids_of(jury)).failed(LabelStatus.FAILED, "500")
    assert judgment.label.annotator_id == jury.annotator().annotator_id
    assert judgment.label.details == {"reason": "500"}


def test_only_the_members_of_the_model_are_reduced(jury):
    reduced = jury.reduced("openai/m3")
    assert [each.name for each in reduced.members] == ["one", "two", "three"]
    assert reduced.members[:2] == jury.members[:2]
    assert reduced.members[2] == jury.members[2].sampled()
    assert jury.reduced("openai/m1") is None
    ids = ids_of(jury)
    asking = reduced.asking(task(), SECRET, ids)
    replies = {each.request_hash: reply_to(each, "Verdict: 1") for each in asking.needed({})}
    assert len(replies) == 4
    labels = [each.label for each in asking.judgments(replies)]
    assert [each.annotator_id for each in labels] == list(ids.values()), "it is the same jury"
    assert labels[3].details["soft_from"] == "samples"


# ---- identity, files


def test_its_annotators_are_its_own_and_those_of_its_members(jury):
    own, *members = jury.annotators()
    assert (own.name, own.model) == ("jury", None)
    assert [each.name for each in members] == ["one", "two", "three"]
    assert members == [each.annotator() for each in jury.members]
    assert own.definition["members"] == ["one", "two", "three"]


def test_what_makes_it_another_annotator(tmp_path):
    def identity(text=FILE, **changed):
        return judge_of(tmp_path, text, **(MEMBERS | changed)).annotator("x").annotator_id

    same = identity()
    turned = FILE.replace('"one.toml", "two.toml"', '"two.toml", "one.toml"')
    assert identity(turned) == same, "a mean does not know who came first"
    assert identity(FILE.replace('"jury"', '"panel"', 1)) == same
    assert identity(FILE + "orders = 'ab'") == same
    assert identity(one_toml=ONE.replace('"one"', '"uno"')) == same
    assert identity(one_toml=ONE + "api_key_env = 'KEY'") == same
    others = [
        identity(PAIR),
        identity(one_toml=ONE.replace("m1", "m9")),
        identity(one_toml=ONE + "[parameters]\ntemperature = 1"),
        identity(
            "criterion = 'q'\n" + FILE, **{k: f"criterion = 'q'\n{v}" for k, v in MEMBERS.items()}
        ),
    ]
    assert len({same, *others}) == 5


def test_it_is_the_same_annotator_in_another_process(tmp_path):
    path = written(tmp_path, FILE, **MEMBERS)
    code = (
        "import sys; from pathlib import Path; from judges.config import read_judge;"
        "print(read_judge(Path(sys.argv[1])).annotator().annotator_id)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, path],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in "1234"
    }
    assert said == {str(read_judge(path).annotator().annotator_id)}


def test_it_is_built_again_from_its_description(tmp_path):
    path = written(tmp_path, FILE + "orders = 'random'\n", **MEMBERS)
    jury = read_judge(path)
    for name in ("judge", "one", "two", "three"):
        (tmp_path / f"{name}.toml").unlink()
    again = build_again(jury)
    assert again == jury
    assert again.orders is Orders.RANDOM
    assert [each.annotator() for each in again.members] == [
        each.annotator() for each in jury.members
    ]
    for shown in (AB, BA):
        assert hashes_of(again, task(shown)) == hashes_of(jury, task(shown))


def test_it_is_paced_by_the_strictest_limit_of_its_members(tmp_path, jury):
    assert (jury.requests_per_minute, jury.tokens_per_minute) == (None, None)
    paced = MEMBERS | {
        "one_toml": ONE + "requests_per_minute = 600\ntokens_per_minute = 1000\n",
        "two_toml": TWO + "requests_per_minute = 60\n",
    }
    jury = judge_of(tmp_path, FILE, **paced)
    assert (jury.requests_per_minute, jury.tokens_per_minute) == (60, 1000)


def test_members_may_be_shipped_judges(tmp_path):
    text = FILE.replace('"one.toml"', '"local-server"')
    jury = judge_of(tmp_path, text, **MEMBERS)
    assert [each.name for each in jury.members] == ["local-server", "two", "three"]


@pytest.mark.parametrize(
    ("text", "changed", "named"),
    [
        (
            FILE.replace('"one.toml", "two.toml", ', ""),
            {},
            "members: jury jury: its members are three",
        ),
        ('name = "jury"\nkind = "jury"\n', {}, "members: jury jury: its members are none"),
        (
            FILE,
            {"two_toml": TWO.replace('"two"', '"one"')},
            "members: jury jury: its members are one, one",
        ),
        (FILE, {"two_toml": TWO.replace('"two"', '"jury"')}, "members: jury jury: its members are"),
        (
            FILE,
            {"two_toml": ONE.replace('"one"', '"two"')},
            "members: jury jury: two of its members are the same",
        ),
        (FILE, {"two_toml": "criterion = 'x'\n" + TWO}, "members: jury jury: two does not answer"),
        (FILE, {"two_toml": "kind = 'rating'\n" + TWO}, "members: jury jury: two does not answer"),
        (FILE, {"two_toml": "kind = 'ranking'\n" + TWO}, "members: jury jury: two does not answer"),
        (FILE, {"two_toml": FILE}, "members: two.toml has no model"),
        (
            FILE,
            {"two_toml": 'name = "v"\nkind = "verifier"\n[verifier]\ncheck = "exact"'},
            "members: two.toml has no model",
        ),
        (FILE.replace("two.toml", "judge.toml"), {}, "members: judge.toml has no model"),
        (FILE.replace("two.toml", "nowhere.toml"), {}, "members: no judge file"),
        (FILE.replace("two.toml", "nobody"), {}, "members: no judge 'nobody'"),
        (FILE.replace("two.toml", "longer"), {}, "members: no judge 'longer'"),
        (FILE, {"two_toml": TWO + "modell = 'x'"}, "members: "),
        (FILE, {"two_toml": "template = 'x'\n" + TWO}, "members: "),
        (FILE, {"two_toml": TWO + "[verdict]\nfirst = '2'"}, "two: verdict: two verdicts"),
        (FILE + "model = 'openai/m'", {}, "model means nothing"),
        (FILE + "template = 'pairwise'", {}, "template means nothing"),
        (FILE + "samples = 2", {}, "samples means nothing"),
        (FILE + "api_base = 'http://x/v1'", {}, "api_base means nothing"),
        (FILE + "api_key_env = 'KEY'", {}, "api_key_env means nothing"),
        (FILE + "requests_per_minute = 1", {}, "requests_per_minute means nothing"),
        (
            FILE + "[price]\ninput_usd_per_million_tokens = 1\noutput_usd_per_million_tokens = 1",
            {},
            "price means",
        ),
        (FILE + "orders = 'none'", {}, "orders: "),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, changed, named):
    assert error_of(tmp_path, text, **(MEMBERS | changed)).startswith(named)


def test_two_juries_that_name_each_other_end(tmp_path):
    other = FILE.replace("one.toml", "judge.toml").replace('"jury"', '"other"', 1)
    text = FILE.replace("two.toml", "other.toml")
    assert "other.toml has no model" in error_of(tmp_path, text, other_toml=other, **MEMBERS)


def test_a_jury_of_one_is_refused_by_itself_too():
    template = parse_template("## user\n{{response_1}} {{response_2}}", "test.md")
    one, two = (Judge(name, f"openai/{name}", template) for name in ("one", "two"))
    assert Jury("jury", (one, two)).members == (one, two)
    for members in ((), (one,), (one, one)):
        with pytest.raises(JudgeError):
            Jury("jury", members)
