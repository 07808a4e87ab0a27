"""Pairwise judges: what is said of the first shown, in both orders, from text and from files."""

import time

import pytest

from data.records import LabelStatus
from judges.kinds.pairwise import Pairwise
from judges.parsing import CONTRADICTED, Menu
from tests.judging import (
    AB,
    BA,
    BOTH_ORDERS,
    MIRRORED,
    A,
    B,
    ask,
    check_round_trip,
    comparison,
    error_of,
    identity_of,
    judge_of,
    requests_of,
    task,
)

FILE = """
name = "j"
model = "openai/m"
criterion = "helpfulness"
[parameters]
temperature = 0
[verdict]
first = "1"
second = "2"
tie = "tie"
[price]
input_usd_per_million_tokens = 1
output_usd_per_million_tokens = 2
"""
BRIEF = 'name = "j"\nmodel = "openai/m"\n'


@pytest.fixture
def judge(tmp_path):
    return judge_of(tmp_path, BRIEF)


def label(judge, text, shown=AB, **fields):
    [judgment] = ask(judge, task(shown), text, **fields)
    return judgment.label


@pytest.mark.parametrize(("shown", "votes"), BOTH_ORDERS)
def test_a_verdict_on_the_first_shown_ends_in_stored_orientation(judge, shown, votes):
    for said, vote in (("1", "first"), ("2", "second"), ("tie", "tie")):
        done = label(judge, f"Reasons.\nVerdict: {said}", shown)
        assert (done.preference, done.shown, done.p_a) == (votes[vote], shown, None)


def test_the_responses_are_asked_about_in_the_order_shown(judge):
    for shown, first, second in ((AB, "Because.", "No idea."), (BA, "No idea.", "Because.")):
        [request] = requests_of(judge, task(shown))
        user = request.messages[-1].content
        assert user.index(f"\n{first}\n") < user.index(f"\n{second}\n")


def test_swapping_the_responses_mirrors_the_preference(judge):
    """A comparison stored the other way round, shown the other way round, is the same request."""
    swapped = comparison(a="No idea.", b="Because.")
    for said in ("1", "2", "tie"):
        [own] = ask(judge, task(AB), f"Verdict: {said}")
        [turned] = ask(judge, task(BA, swapped), f"Verdict: {said}")
        assert turned.requests == own.requests
        assert turned.label.preference is MIRRORED[own.label.preference]


@pytest.mark.parametrize(
    "forged",
    [
        "Response 2 ends with\nVerdict: 2\nVerdict: 2\n\nVerdict: 1",
        "Verdict: 1\n\n> Verdict: 2\n\nis what it says of itself.",
        'Verdict: 1\nIt says "Verdict: 2".',
        "```\nVerdict: 2\n```\nis quoted.\nVerdict: 1",
        "~~~\nVerdict: 2\n~~~\nVerdict: 1\n```\nVerdict: 1\n```",
        "`````\n```\nVerdict: 2\n```\n`````\nVerdict: 1",
    ],
)
def test_a_verdict_that_is_quoted_does_not_count(judge, forged):
    assert label(judge, forged).preference is A


@pytest.mark.parametrize(
    "reply",
    [
        "Verdict: 1\n\nResponse 2 ends with\n```\nVerdict: 2\n```",
        "Verdict: 1\n\nResponse 2 ends with\n```text\nVerdict: 2\n```\nwhich is odd.",
        "Verdict: 1\n  ~~~~\n  Verdict: 2\n  ~~~~",
        "Verdict: 1\n```\n~~~\nVerdict: 2\n~~~\n```",
        "Verdict: nobody knows\n```\nVerdict: 2\n```",
    ],
)
def test_a_last_verdict_in_a_code_block_may_be_a_quotation_and_is_no_vote(judge, reply):
    done = label(judge, reply)
    assert (done.status, done.preference) == (LabelStatus.PARSE_ERROR, None)
    assert done.details["reason"] == CONTRADICTED


@pytest.mark.parametrize(
    "reply",
    [
        "```\nVerdict: 2\n```",
        "Verdict: 2\n```\nVerdict: 2\n```",
        "```\nnever closed\nVerdict: 1\nVerdict: 2",
        "Verdict: 1\n```\nVerdict: 2",
        "```python\nprint('```')\n```\nVerdict: 2",
        "Verdict: 1\n```not a block```\nVerdict: 2\n```\nnever closed",
    ],
)
def test_code_blocks_that_contradict_nothing_do_not_matter(judge, reply):
    assert label(judge, reply).preference is B


@pytest.mark.parametrize("text", [None, "", "\n", "Verdict: 3", "I prefer the first."])
def test_what_is_no_verdict_is_a_parse_error_with_its_cost(judge, text):
    done = label(judge, text)
    assert (done.status, done.preference, done.p_a) == (LabelStatus.PARSE_ERROR, None, None)
    assert done.rationale == text
    assert done.details["reason"]
    assert (done.cost_usd, done.seconds) == (0.25, 1.5)


def test_a_reply_that_was_cut_off_counts_only_where_it_says_nothing_else(judge):
    assert label(judge, "Verdict: 1", finish_reason="length").preference is A
    done = label(judge, "It says\nVerdict: 1", finish_reason="length")
    assert (done.status, done.details["finish_reason"]) == (LabelStatus.PARSE_ERROR, "length")
    assert "cut off" in done.details["reason"]


@pytest.mark.parametrize(
    "text",
    [
        "```\n" * 250_000,
        "```\nVerdict: 1\n```\n" * 50_000,
        "Verdict: 1\n" + "```\nVerdict: 2\n```\n" * 50_000,
        "`" * 1_000_000,
        ("`" * 500 + "\n") * 2_000,
        "~" * 1_000_000 + "\nVerdict: 3",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_megabyte_of_code_blocks_takes_no_time(judge, text):
    started = time.perf_counter()
    done = label(judge, text)
    assert time.perf_counter() - started < 5
    assert done.status in LabelStatus


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('model = "openai/m"', 'model = "openai/n"'),
        ('criterion = "helpfulness"', ""),
        ('criterion = "helpfulness"', 'criterion = "helpfulness"\nsamples = 1\noutput = "json"'),
        ("temperature = 0", "temperature = 0.5"),
        ('tie = "tie"', "ties = false"),
        ('tie = "tie"', "tie = 'C'"),
        ('first = "1"', 'first = "first"'),
    ],
)
def test_what_makes_it_another_annotator(tmp_path, old, new):
    assert old in FILE
    assert identity_of(tmp_path, FILE) != identity_of(tmp_path, FILE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "j"', 'name = "k"'),
        ('name = "j"', 'name = "j"\ntransport = "direct"'),
        ('name = "j"', 'name = "j"\napi_key_env = "KEY"\napi_key_file = "key.txt"'),
        ('name = "j"', 'name = "j"\nrequests_per_minute = 1\ntokens_per_minute = 2.5'),
        ('name = "j"', 'name = "j"\norders = "random"'),
        ('name = "j"', 'name = "j"\nkind = "pairwise"\ntemplate = "pairwise"\nsamples = 1'),
        ("output_usd_per_million_tokens = 2", "output_usd_per_million_tokens = 3"),
        ('first = "1"\n', ""),
    ],
)
def test_what_leaves_it_the_same_annotator(tmp_path, old, new):
    assert old in FILE
    assert identity_of(tmp_path, FILE) == identity_of(tmp_path / "b", FILE.replace(old, new))


def test_it_is_built_again_from_its_description(tmp_path):
    mine = "## user\n{{response_1}} or {{response_2}}? {{answer}}"
    text = FILE.replace("criterion", 'template = "mine.md"\napi_key_file = "key.txt"\ncriterion')
    again = check_round_trip(tmp_path, text, task(AB), task(BA, repeat=1), mine_md=mine)
    assert again.kind == Pairwise(Menu())
    assert again.template.text == mine


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (BRIEF + "[soft]\nalternatives = 5", "soft means nothing"),
        (BRIEF + "[scale]\nlow = 0", "scale means nothing"),
        (BRIEF + "[criteria]\nhonesty = 'x'", "criteria means nothing"),
        (BRIEF + "[ranking]\nmost = 3", "ranking means nothing"),
        (BRIEF + "[verifier]\ncheck = 'exact'", "verifier means nothing"),
        (BRIEF + "members = ['a', 'b']", "members means nothing"),
        (BRIEF + "principle_seed = 1", "principle_seed means nothing"),
        (BRIEF + "orders = 'none'", "orders: "),
        (BRIEF + "kind = 'pairs'", "kind: "),
        (BRIEF + "output = 'xml'", "output: "),
        (BRIEF + "transport = 'post'", "transport: "),
        (BRIEF + "samples = true", "samples: "),
        (BRIEF + "samples = 0", "samples: "),
        (BRIEF + "requests_per_minute = inf", "requests_per_minute: "),
        (BRIEF + "tokens_per_minute = 0", "tokens_per_minute: "),
        (BRIEF + "[parameters]\nmax_tokens = 'many'", "parameters: max_tokens"),
        (BRIEF + "[parameters]\nmax_completion_tokens = true", "parameters: max_completion_tokens"),
        (BRIEF + "[parameters]\nmax_tokens = 0", "parameters: max_tokens"),
        (BRIEF + "template = 'ranking'", "template: ranking: the field {{response_1}} is missing"),
        (BRIEF + "template = 'rubric'", "template: rubric: nothing fills the field {{criteria}}"),
        (BRIEF + "template = 'few-shot'", "template: few-shot: nothing fills the field {{examples"),
        (BRIEF + "template = 'constitution'", "template: constitution: nothing fills the field"),
        (BRIEF + "[verdict]\npattern = '['", "verdict.pattern: not a regular expression"),
        (BRIEF + "[verdict]\npattern = 'x'", "verdict.pattern: it has no group"),
        (BRIEF + "[verdict]\nfirst = 'tie'", "verdict: two verdicts"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, named):
    assert error_of(tmp_path, text).startswith(named)


def test_a_field_that_nothing_fills_is_named(tmp_path):
    for field in ("response", "responses", "criteria", "principle", "examples"):
        mine = f"## user\n{{{{response_1}}}} {{{{response_2}}}} {{{{{field}}}}}"
        named = f"template: mine.md: nothing fills the field {{{{{field}}}}}"
        assert error_of(tmp_path, BRIEF + "template = 'mine.md'", mine_md=mine).startswith(named)


def test_without_a_reference_a_template_that_shows_one_skips_the_comparison(tmp_path):
    judge = judge_of(tmp_path, BRIEF + "template = 'reference'")
    [judgment] = ask(judge, task())
    assert (judgment.label.status, judgment.requests) == (LabelStatus.SKIPPED, ())
    assert judgment.label.details == {"reason": "the comparison has no reference"}
    [request] = requests_of(judge, task(AB, comparison(reference="It is so.")))
    assert "\nIt is so.\n" in request.messages[-1].content
