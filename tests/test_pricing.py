"""Prices: what is known of a model, and that no call can cost more than is reserved for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import PriceError
from judges.client import Message, Request
from judges.config import library, read_judge
from judges.judge import Judge, Price
from judges.litellm_client import catalogue_version, load_litellm, storable
from judges.pricing import Tariff, most_prompt_tokens, tariff_of, tariffs
from tests.judging import comparison, judge_of, requests_of, task

MODELS = ("openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5", "gemini/gemini-3.8-flash")
FILE = 'name = "j"\nmodel = "openai/gpt-5.4-mini"\n'
LOCAL = 'name = "j"\nmodel = "openai/mine"\napi_base = "http://127.0.0.1:8000/v1"\n'
LIMIT = "[parameters]\nmax_tokens = 100\n"
PRICE = "[price]\ninput_usd_per_million_tokens = {}\noutput_usd_per_million_tokens = {}\n"
TEXTS = {
    "english": "The quick brown fox jumps over the lazy dog. " * 40,
    "emoji": "\U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd" * 60,
    "cjk": "\u6f22\u5b57\u304b\u306a\u4ea4\u3058\u308a\u6587\u3002" * 60,
    "code": "for (int i = 0; i < n; ++i) {\n\t\ta[i] ^= 0xDEADBEEF;\n}\n" * 30,
    "rare": "\U00013000\u1e9e\ua9c1\u0e5b" * 60,
    "control": "\x00\x01\x7f\u200b\ufeff" * 60,
    "digits": "3.14159265358979" * 60,
    "tags": "<|im_start|><|endoftext|>" * 40,
    "surrogates": "\ud83d" * 300,
    "random": "".join(chr(33 + (k * k * 31 + 7 * k) % 90) for k in range(3000)),
    "empty": "",
}


def request(*contents, model=MODELS[0], **parameters):
    messages = [Message("user" if k else "system", text) for k, text in enumerate(contents)]
    return Request(model, tuple(messages), parameters)


def tokens_of(asked, model=None):
    """By LiteLLM's tokenizer, of what is sent: half a character is replaced before."""
    messages = [{"role": m.role, "content": storable(m.content)} for m in asked.messages]
    return load_litellm().token_counter(model=model or asked.model, messages=messages)


# ---- tokens


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TEXTS)
def test_no_prompt_has_more_tokens_than_its_bound(name, model):
    asked = request("You compare.", TEXTS[name], model=model)
    assert 0 < tokens_of(asked) <= most_prompt_tokens(asked)


def test_many_short_messages_are_bounded_too():
    asked = request(*["a"] * 100)
    assert tokens_of(asked) <= most_prompt_tokens(asked)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=4))
def test_no_prompt_at_all_has_more_tokens_than_its_bound(texts):
    assert tokens_of(request(*texts)) <= most_prompt_tokens(request(*texts))


def test_the_bound_counts_what_is_sent_in_place_of_half_a_character():
    """U+FFFD has three bytes, and a tokenizer may know none of them together."""
    assert most_prompt_tokens(request("\ud83d" * 100)) >= len(("\ufffd" * 100).encode())


def test_a_schema_is_part_of_the_prompt():
    plain = most_prompt_tokens(request("x"))
    schema = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"x": "y" * 500}}}
    assert most_prompt_tokens(request("x", response_format=schema)) > plain + 500
    tools = [{"type": "function", "function": {"name": "f", "description": "y" * 500}}]
    assert most_prompt_tokens(request("x", tools=tools)) > plain + 500


@pytest.mark.parametrize("kind", ["pairwise", "rating", "ranking", "rubric", "soft"])
def test_the_requests_of_every_kind_are_bounded(tmp_path, kind):
    judge = judge_of(tmp_path, f'{FILE}kind = "{kind}"\n{LIMIT}')
    tariff = tariff_of(judge)
    for text in TEXTS.values():
        for asked in requests_of(judge, task(None, comparison(a=text, b="b", prompt=text))):
            actual = tariff.price.cost_usd(tokens_of(asked), 100)
            assert actual <= tariff.most_usd(asked) < 60 * actual


# ---- dollars


def test_the_most_that_a_call_costs_by_hand():
    # 3 + 5 bytes, 2 bytes of `{}` and 32 tokens for each of two messages and the reply: 106 tokens
    # at 2 dollars per million, and 1,000 at 8: 212 + 8,000 millionths of a dollar.
    tariff = Tariff(Price(1, 4), Price(2, 8), "v", 1000)
    assert most_prompt_tokens(request("abc", "d\u00e9fg")) == 106
    assert tariff.most_usd(request("abc", "d\u00e9fg")) == pytest.approx(0.008212)


def test_without_a_limit_there_is_no_most():
    tariff = Tariff(Price(1, 4), Price(1, 4), "v", None)
    assert tariff.most_usd(request("x")) is None
    with pytest.raises(PriceError, match="openai/m has no limit") as caught:
        tariff.check_limit("openai/m")
    assert "max_tokens" in caught.value.fix
    Tariff(Price(1, 4), Price(1, 4), "v", 1).check_limit("openai/m")


def test_tokens_for_pacing_are_those_of_prose_and_the_limit():
    assert Tariff(Price(0, 0), Price(0, 0), "v", 50).tokens(request("x" * 400)) == 150
    assert Tariff(Price(0, 0), Price(0, 0), "v", None).tokens(request("x" * 400)) == 100


def _is_catalogued(judge):
    return isinstance(judge, Judge) and judge.price is None


CATALOGUED = [name for name, path in library().items() if _is_catalogued(read_judge(path))]


@pytest.mark.parametrize("name", CATALOGUED)
def test_the_most_is_at_least_what_litellm_would_charge_for_any_call(name):
    """Also where a cache is written, and where a long context costs more."""
    judge = read_judge(library()[name])
    tariff = tariff_of(judge)
    assert tariff.version == catalogue_version()
    litellm = load_litellm()
    for prompt in (10, 10_000, 150_000, 250_000, 900_000):
        for cached, written in ((0, 0), (prompt // 2, 0), (0, prompt // 2)):
            usage = litellm.Usage(
                prompt_tokens=prompt,
                completion_tokens=tariff.reply_tokens,
                total_tokens=prompt + tariff.reply_tokens,
                cache_read_input_tokens=cached,
                cache_creation_input_tokens=written,
            )
            actual = sum(litellm.cost_per_token(model=judge.model, usage_object=usage))
            assert actual <= tariff.most.cost_usd(prompt, tariff.reply_tokens) * (1 + 1e-9)


# ---- where a price comes from


def test_the_judge_files_price_comes_first(tmp_path):
    judge = judge_of(tmp_path, FILE + LIMIT + PRICE.format(3, 5))
    assert tariff_of(judge) == Tariff(Price(3, 5), Price(3, 5), "judge file", 100)


def test_the_catalogues_price_is_that_of_litellm(tmp_path):
    tariff = tariff_of(judge_of(tmp_path, FILE + LIMIT))
    info = load_litellm().get_model_info("openai/gpt-5.4-mini")
    assert tariff.price.input_usd_per_million_tokens == pytest.approx(
        info["input_cost_per_token"] * 1e6
    )
    assert tariff.price.output_usd_per_million_tokens == pytest.approx(
        info["output_cost_per_token"] * 1e6
    )
    assert tariff.most.input_usd_per_million_tokens >= tariff.price.input_usd_per_million_tokens
    assert tariff.reply_tokens == 100


def test_without_a_limit_the_models_own_one_counts(tmp_path):
    info = load_litellm().get_model_info("openai/gpt-5.4-mini")
    assert tariff_of(judge_of(tmp_path, FILE)).reply_tokens == info["max_output_tokens"]
    assert tariff_of(judge_of(tmp_path, LOCAL + PRICE.format(0, 0))).reply_tokens is None


def test_the_largest_of_several_limits_counts(tmp_path):
    text = (
        FILE + "[parameters]\nmax_completion_tokens = 50\nmax_tokens = 70\nmax_output_tokens = 60\n"
    )
    assert tariff_of(judge_of(tmp_path, text)).reply_tokens == 70


@pytest.mark.parametrize("text", [LOCAL, 'name = "j"\nmodel = "openai/no-such-model-9"\n'])
def test_a_price_that_nobody_knows_is_an_error_that_says_what_to_do(tmp_path, text):
    """At an address of one's own a well-known name may be anything."""
    with pytest.raises(PriceError, match=r"judge j: the price of openai/.* is not known") as caught:
        tariffs(judge_of(tmp_path, text))
    assert "--price-in" in caught.value.fix
    assert "[price]" in caught.value.fix


def test_an_address_of_ones_own_hides_the_catalogue(tmp_path):
    with pytest.raises(PriceError):
        tariff_of(judge_of(tmp_path, FILE + 'api_base = "http://127.0.0.1:8000/v1"\n'))


def test_what_asks_nobody_has_no_price(tmp_path):
    assert (
        tariffs(judge_of(tmp_path, 'name = "v"\nkind = "verifier"\n[verifier]\ncheck = "exact"'))
        == {}
    )


# ---- juries


def jury(folder, **members):
    names = ", ".join(f'"{name}.toml"' for name in members)
    files = {f"{name}_toml": f'name = "{name}"\n{text}' for name, text in members.items()}
    return judge_of(folder, f'name = "jury"\nkind = "jury"\nmembers = [{names}]\n', **files)


def member(model="openai/mine", template="pairwise", base="http://127.0.0.1:8000/v1"):
    return f'model = "{model}"\ntemplate = "{template}"\napi_base = "{base}"\n'


def test_two_models_have_a_tariff_each(tmp_path):
    found = tariffs(
        jury(
            tmp_path,
            one=member() + LIMIT + PRICE.format(1, 2),
            two=member("openai/other") + LIMIT + PRICE.format(3, 4),
            three=member(base="http://127.0.0.1:8001/v1") + PRICE.format(5, 6),
        )
    )
    assert {key: tariff.price for key, tariff in found.items()} == {
        ("openai/mine", "http://127.0.0.1:8000/v1"): Price(1, 2),
        ("openai/other", "http://127.0.0.1:8000/v1"): Price(3, 4),
        ("openai/mine", "http://127.0.0.1:8001/v1"): Price(5, 6),
    }


@pytest.mark.parametrize("prices", [((1, 2), (1, 3)), ((0, 2), (1, 2))])
def test_two_prices_of_one_model_are_an_error(tmp_path, prices):
    one, two = (PRICE.format(*price) for price in prices)
    found = jury(tmp_path, one=member() + one, two=member(template="pairwise-brief") + two)
    with pytest.raises(
        PriceError, match="two members of jury give different prices for openai/mine"
    ):
        tariffs(found)


@pytest.mark.parametrize(
    "limits", [(10, 300, 300), (300, 10, 300), (None, 10, None), (10, None, None)]
)
def test_the_longest_reply_of_any_member_is_what_is_reserved(tmp_path, limits):
    """One member without a limit leaves the model without one: else the cap could be overspent."""
    *given, expected = limits
    texts = [f"[parameters]\nmax_tokens = {limit}\n" if limit else "" for limit in given]
    one, two = (text + PRICE.format(1, 2) for text in texts)
    found = jury(tmp_path, one=member() + one, two=member(template="pairwise-brief") + two)
    assert [tariff.reply_tokens for tariff in tariffs(found).values()] == [expected]


def test_a_member_without_a_price_is_named(tmp_path):
    found = jury(tmp_path, one=member() + PRICE.format(1, 2), two=member("openai/other"))
    with pytest.raises(PriceError, match="judge two: the price of openai/other"):
        tariffs(found)
