"""The simulated provider's log-probabilities: the planted ones, at the token of the verdict."""

import json
import math
import random

import pytest

from judges.simulated import Behaviour, Truth, running
from judges.simulated.deciding import Choice, choose, probabilities
from judges.simulated.reply import write_reply
from judges.simulated.truth import Found
from judges.simulated.writing import Slot, logprobs, tokens

GOOD = "The harbour is deep, and ships of any size can turn in it."
POOR = "I do not know anything about harbours or about ships at all, or anything else."
TRUTH = Truth([(GOOD, 0.75), (POOR, 0.5)])
# u = 4 * (0.75 - 0.5) = 1 for the good one when it is shown first; ties within 0.5
BEHAVIOUR = Behaviour(sharpness=4, tie_width=0.5, rationale_words=12)
U, W = 1.0, 0.5
TIES = "End with one line, exactly one of:\nVerdict: 1\nVerdict: 2\nVerdict: tie"
NO_TIES = "End with Verdict: 1 or Verdict: 2."


def sigma(x):
    return 1 / (1 + math.exp(-x))


def asked(menu, first=GOOD, second=POOR, model="m", **parameters):
    prompt = f"Is it deep?\n\nResponse 1:\n{first}\n\nResponse 2:\n{second}\n\n{menu}"
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "logprobs": True, "top_logprobs": 5, **parameters}


def probabilities_of(entry):
    return {top["token"]: math.exp(top["logprob"]) for top in entry["top_logprobs"]}


def entries(menu, top=5, behaviour=BEHAVIOUR, **given):
    body = asked(menu, **given)
    written = write_reply(body, behaviour, TRUTH)
    content = written.logprobs(top)
    assert "".join(entry["token"] for entry in content) == written.text
    for entry in content:
        assert bytes(entry["bytes"]).decode() == entry["token"]
    return written, content


def test_the_verdict_has_the_planted_probabilities():
    written, content = entries(TIES)
    verdict = content[-1]
    assert verdict["token"] == written.text.split()[-1]
    shares = probabilities_of(verdict)
    # u + noise is above W for "1", below -W for "2", and between for a tie.
    assert shares["1"] == pytest.approx(sigma(U - W), rel=1e-5)
    assert shares["2"] == pytest.approx(sigma(-U - W), rel=1e-5)
    assert shares["tie"] == pytest.approx(1 - sigma(U - W) - sigma(-U - W), rel=1e-5)
    assert math.exp(verdict["logprob"]) == pytest.approx(shares[verdict["token"]])
    # Other tokens stand beside it as they do at a real provider, and weigh nothing.
    assert len(verdict["top_logprobs"]) == 5
    assert 1 - 1e-5 < sum(shares.values()) < 1
    values = [top["logprob"] for top in verdict["top_logprobs"]]
    assert values == sorted(values, reverse=True)


def test_without_ties_on_the_menu_the_two_words_share_all():
    _, content = entries(NO_TIES, first=POOR, second=GOOD)
    shares = probabilities_of(content[-1])
    assert shares["1"] == pytest.approx(sigma(-U), rel=1e-5)
    assert shares["2"] == pytest.approx(sigma(U), rel=1e-5)
    assert "tie" not in shares


def test_all_other_tokens_are_near_certain():
    _, content = entries(TIES)
    assert len(content) > 12
    for entry in content[:-1]:
        assert entry["logprob"] > -1e-5
        assert entry["top_logprobs"][0]["token"] == entry["token"]
        assert sum(probabilities_of(entry).values()) < 1 + 1e-9


@pytest.mark.parametrize("top", [0, 1, 2, 20])
def test_as_many_alternatives_as_were_asked_for(top):
    _, content = entries(TIES, top)
    assert {len(entry["top_logprobs"]) for entry in content} == {top}
    for entry in content:
        assert len({each["token"] for each in entry["top_logprobs"]}) == top


def test_a_word_of_several_tokens_is_decided_where_the_words_differ():
    schema = {"properties": {"winner": {"enum": ["model_1", "model_2", "tie"]}}}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    body = asked("Which one?", response_format=form)
    written = write_reply(body, Behaviour(sharpness=1000), TRUTH)
    assert json.loads(written.text) == {"winner": "model_1"}
    both = write_reply(body, BEHAVIOUR, TRUTH)
    slot = next(piece for piece in both.pieces if isinstance(piece, Slot))
    content = logprobs([Slot('"model_1"', slot.shares)], 4, 100)
    assert [entry["token"] for entry in content] == ['"', "model", "_", "1", '"']
    p1, p2 = sigma(U - W), sigma(-U - W)
    opening, word, _, digit, closing = map(probabilities_of, content)
    assert opening['"'] == pytest.approx(1, rel=1e-5)
    assert (word["model"], word["tie"]) == pytest.approx((p1 + p2, 1 - p1 - p2), rel=1e-5)
    assert (digit["1"], digit["2"]) == pytest.approx((p1 / (p1 + p2), p2 / (p1 + p2)), rel=1e-5)
    assert closing['"'] == pytest.approx(1, rel=1e-5)


def test_marks_are_decided_token_by_token():
    _, content = entries("One of [[A>>B]], [[A>B]], [[A=B]], [[B>A]], [[B>>A]]")
    letter = next(each for each in content if {"A", "B"} <= probabilities_of(each).keys())
    assert probabilities_of(letter)["B"] == pytest.approx(sigma(-U - W), rel=1e-5)


def test_slots_that_are_labelled_backwards_have_the_probabilities_of_their_labels():
    prompt = f"Response 2:\n{GOOD}\n\nResponse 1:\n{POOR}\n\n{NO_TIES}"
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    written = write_reply(body, BEHAVIOUR, TRUTH)
    assert probabilities_of(written.logprobs(3)[-1])["2"] == pytest.approx(sigma(U), rel=1e-5)


def test_a_reply_that_is_cut_has_the_tokens_that_are_left():
    for limit in range(1, 30):
        written, content = entries(TIES, max_tokens=limit)
        assert len(written.text) <= 4 * limit
        assert content


def test_a_reply_without_a_verdict_is_near_certain():
    written, content = entries(TIES, behaviour=Behaviour(constant="Verdict: 1"))
    assert all(entry["logprob"] > -1e-5 for entry in content)
    assert written.logprobs(0)[-1]["top_logprobs"] == []


def test_nothing_is_impossible_to_write():
    _, content = entries(TIES, behaviour=Behaviour(sharpness=1e6))
    assert json.loads(json.dumps(content[-1], allow_nan=False))["token"] == "1"
    assert "2" not in probabilities_of(content[-1])


@pytest.mark.parametrize(
    "text", ["a  b\n\n\nc", "港は深く 1234567", "_x__y²½", "", '[[A]] {"k": 1}']
)
def test_tokens_are_the_text(text):
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize("ties", [True, False])
def test_choices_fall_as_often_as_their_probabilities_say(ties):
    rng = random.Random(5)
    behaviour = Behaviour(sharpness=3, position=0.6, length=0.4, tie_width=0.7, order_weight=0.3)
    hits = dict.fromkeys(Choice, 0)
    planted = {choice: [] for choice in Choice}
    for i in range(4000):
        pair = [Found(0, f"{i} {s} " + "word " * rng.randrange(5, 60), rng.random()) for s in "xy"]
        hits[choose(behaviour, "m", *pair, ties=ties)] += 1
        for choice, share in probabilities(behaviour, *pair, ties=ties).items():
            planted[choice].append(share)
    for choice in Choice:
        deviation = math.sqrt(math.fsum(p * (1 - p) for p in planted[choice]))
        assert abs(hits[choice] - math.fsum(planted[choice])) <= 4 * deviation, choice
    assert (hits[Choice.TIE] > 500) == ties


# ---- over HTTP, with OpenAI's own client

SERVED = {
    "m": BEHAVIOUR,
    "silent": Behaviour(logprobs=False),
    "no-logprobs": Behaviour(refuse_logprobs=True),
    "no-format": Behaviour(refuse_response_format=True),
}


@pytest.fixture(scope="module")
def client():
    import openai

    with (
        running(TRUTH, SERVED) as server,
        openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as made,
    ):
        yield made


def test_they_are_read_by_openais_client(client):
    (choice,) = client.chat.completions.create(**asked(TIES)).choices
    content = choice.logprobs.content
    assert "".join(entry.token for entry in content) == choice.message.content
    tops = {top.token: math.exp(top.logprob) for top in content[-1].top_logprobs}
    assert tops["1"] == pytest.approx(sigma(U - W), rel=1e-5)
    assert choice.message.content == write_reply(asked(TIES), BEHAVIOUR, TRUTH).text


def test_they_are_given_only_when_asked_for_and_only_by_models_that_have_them(client):
    bare = asked(TIES)
    del bare["logprobs"], bare["top_logprobs"]
    for body in (bare, asked(TIES, model="silent"), asked(TIES, logprobs=False, top_logprobs=None)):
        (choice,) = client.chat.completions.create(**body).choices
        assert choice.logprobs is None
        assert choice.message.content
    (choice,) = client.chat.completions.create(**asked(TIES, top_logprobs=None)).choices
    assert choice.logprobs.content[-1].top_logprobs == []


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (asked(TIES, model="no-logprobs"), "logprobs"),
        (
            asked(TIES, model="no-format", response_format={"type": "json_object"}),
            "response_format",
        ),
        (asked(TIES, top_logprobs=21), "top_logprobs"),
        (asked(TIES, top_logprobs=-1), "top_logprobs"),
        (asked(TIES, logprobs=False), "top_logprobs"),
    ],
)
def test_parameters_that_are_refused_are_named(client, body, parameter):
    import openai

    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**body)
    assert caught.value.param == parameter
    assert parameter in caught.value.message
    given = {"response_format": {"type": "json_object"}} if parameter == "logprobs" else {}
    plain = {"model": body["model"], "messages": body["messages"], **given}
    assert client.chat.completions.create(**plain).choices
