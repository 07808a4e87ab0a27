"""Templates: one pass, deterministic, and a mark that nobody can guess."""

import re
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import JudgeError
from data.records import Comparison, Preference, Shown
from judges.judge import Judge
from judges.kinds.kind import Kind
from judges.kinds.pairwise import Pairwise
from judges.kinds.ranking import Ranking
from judges.kinds.rating import Rating
from judges.kinds.rubric import Rubric
from judges.kinds.soft import Soft
from judges.parsing import Menu, Verdict, parse
from judges.prompts import FIELDS, TEMPLATES, mark, parse_template, read_template
from judges.task import Task

TEXT = """A note above the parts is not sent.

## system
The mark is {{mark}}.

## user
{{ prompt }}
[1] {{response_1}}
[2] {{response_2}}
{{mark}}
"""
TEMPLATE = parse_template(TEXT, "test.md")
SHIPPED = sorted(path.stem for path in TEMPLATES.glob("*.md"))
KINDS: dict[str, Kind] = {
    "constitution": Pairwise(),
    "few-shot": Pairwise(),
    "pairwise": Pairwise(),
    "pairwise-brief": Pairwise(),
    "ranking": Ranking(),
    "rating": Rating(),
    "reference": Pairwise(),
    "rubric": Rubric(),
    "soft": Soft(),
}


def values(prompt, first, second):
    return {"prompt": prompt, "response_1": first, "response_2": second}


def filled(template, *texts, secret="s3cret"):
    return template.fill(values(*texts), secret)


def contents(template, *texts, secret="s3cret"):
    return [message.content for message in filled(template, *texts, secret=secret)]


def shipped(name, folder):
    return parse_template(read_template(name, folder), name, KINDS[name].needed)


def messages(judge, comparison, shown):
    [[request]] = judge.requests(Task((comparison,), shown), "s")
    return request.messages


# ---- filling


def test_the_fields_are_filled():
    word = mark("s3cret", "Why?", "Because.", "No idea.")
    system, user = filled(TEMPLATE, "Why?", "Because.", "No idea.")
    assert (system.role, system.content) == ("system", f"The mark is {word}.")
    assert (user.role, user.content) == ("user", f"Why?\n[1] Because.\n[2] No idea.\n{word}")


def test_texts_are_pasted_as_they_are_and_never_filled_themselves():
    texts = ("{{mark}} {{response_2}}", "{{prompt}} {{ mark }}", r"{{nonsense}} \1 \g<0> %s {0}")
    word = mark("s3cret", *texts)
    _, user = contents(TEMPLATE, *texts)
    assert user == f"{texts[0]}\n[1] {texts[1]}\n[2] {texts[2]}\n{word}"


def test_a_text_that_ends_in_braces_makes_no_field_with_its_neighbour():
    template = parse_template("## user\n{{response_1}}{{response_2}}", "test.md")
    assert contents(template, "", "{{", "mark}}") == ["{{mark}}"]


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text(alphabet=st.characters(codec="utf-8")))
def test_any_texts_are_in_the_messages_as_they_are(prompt, first, second, secret):
    _, user = contents(TEMPLATE, prompt, first, second, secret=secret)
    word = mark(secret, prompt, first, second)
    assert user == f"{prompt}\n[1] {first}\n[2] {second}\n{word}"


def test_the_same_texts_and_secret_give_the_same_messages():
    texts = ("Why?", "Because.", "No idea.")
    other = parse_template(TEXT, "other.md")
    assert filled(TEMPLATE, *texts) == filled(other, *texts)
    turned = dict(reversed(values(*texts).items()))
    assert filled(TEMPLATE, *texts) == TEMPLATE.fill(turned, "s3cret"), "in whatever order"


def test_the_swapped_order_swaps_the_texts():
    comparison = Comparison(UUID(int=1), "Why?", "Because.", "No idea.")
    judge = Judge("j", "openai/m", TEMPLATE)
    ab = messages(judge, comparison, Shown.AB)
    ba = messages(judge, comparison, Shown.BA)
    assert ab == filled(TEMPLATE, "Why?", "Because.", "No idea.", secret="s")
    assert ba == filled(TEMPLATE, "Why?", "No idea.", "Because.", secret="s")


def test_texts_that_are_not_known_are_empty():
    judge = Judge("j", "openai/m", TEMPLATE)
    sent = messages(judge, Comparison(UUID(int=1), None, None, "b"), Shown.AB)
    assert sent == filled(TEMPLATE, "", "", "b", secret="s")


@pytest.mark.parametrize("text", ["\x00", "a\ud800b", "\udfff", "\u202e\U0001f600", "\r\n\r"])
def test_odd_characters_are_pasted_too(text):
    judge = Judge("j", "openai/m", TEMPLATE)
    [[request]] = judge.requests(Task((Comparison(UUID(int=1), text, text, "b"),), Shown.AB), "s")
    assert f"[1] {text}\n" in request.messages[1].content
    assert isinstance(request.request_hash, UUID)


def test_a_field_of_several_texts_is_delimited_by_the_mark():
    template = parse_template("## user\n{{responses}}", "test.md", ("responses",))
    blocks = (("response 1", "{{mark}}"), ("response 2", "<<end 0>>"))
    [message] = template.fill({"responses": blocks}, "s")
    word = mark("s", "{{mark}}", "<<end 0>>")
    assert message.content == (
        f"<<response 1 {word}>>\n{{{{mark}}}}\n<<end {word}>>\n\n"
        f"<<response 2 {word}>>\n<<end 0>>\n<<end {word}>>"
    )


# ---- the mark


def test_the_mark_depends_on_the_secret_and_on_every_text():
    texts = ("Why?", "Because.", "No idea.")
    marks = {
        mark("s", *texts),
        mark("t", *texts),
        mark("", *texts),
        mark("s", "Why", "?Because.", "No idea."),
        mark("s", "Why?", "No idea.", "Because."),
        mark("s", "Why?", "Because.", "No idea!"),
    }
    assert len(marks) == 6
    assert all(re.fullmatch("[0-9a-f]{12}", word) for word in marks)


def test_the_mark_follows_from_its_arguments_alone():
    # HMAC-SHA256 with the key "secret" of "1,1,1" + "abc", its first twelve digits; worked out with
    # printf '1,1,1abc' | openssl dgst -sha256 -hmac secret
    assert mark("secret", "a", "b", "c") == "9084bfa9fb4b"


def test_the_texts_do_not_give_the_mark_away():
    """Among many secrets no digit of the mark is more likely than chance makes it: 300 +- 6 sd."""
    marks = [mark(str(secret), "Why?", "Because.", "No idea.") for secret in range(4800)]
    assert len(set(marks)) == 4800
    for place in range(12):
        for digit in "0123456789abcdef":
            count = sum(word[place] == digit for word in marks)
            assert abs(count - 300) < 6 * (4800 * (1 / 16) * (15 / 16)) ** 0.5


# ---- checking


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("## user\n{{response_1}} {{response_2}} {{responce}}", "{{responce}}"),
        ("## user\n{{response_1}} {{response_2}} {{ Prompt }}", "{{Prompt}}"),
        ("## user\n{{response_1}} {{prompt}}", "{{response_2}}"),
        ("## user\n{{prompt}}", "{{response_1}}"),
        ("## system\n{{response_1}} {{response_2}}", "## user"),
        ("## system\n{{response_1}} {{response_2}}\n## user\n \n", "## user"),
        ("{{response_1}} {{response_2}}", "## user"),
        ("### user\n{{response_1}} {{response_2}}", "## user"),
        ("", "## user"),
    ],
)
def test_what_is_wrong_with_a_template_is_named_with_its_file(text, named):
    with pytest.raises(JudgeError) as caught:
        parse_template(text, "mine.md")
    assert "mine.md" in caught.value.what
    assert named in caught.value.what
    assert caught.value.fix


def test_an_unknown_field_is_answered_with_the_known_ones():
    with pytest.raises(JudgeError) as caught:
        parse_template("## user\n{{response_1}}{{response_2}}{{x}}", "mine.md")
    assert all(name in caught.value.fix for name in FIELDS)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.md", "folder.md", "latin.md", "a\x00b.md"])
def test_a_template_that_cannot_be_read_is_named(name, tmp_path):
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "latin.md").write_bytes(b"## user\n\xe9")
    with pytest.raises(JudgeError, match="cannot read the template") as caught:
        read_template(name, tmp_path)
    assert name in caught.value.what
    assert all(shipped in caught.value.fix for shipped in SHIPPED)


def test_a_template_of_ones_own_is_found_beside_the_judge_file(tmp_path):
    body = "## user\r\n{{response_1}}|{{response_2}}\r\n"
    (tmp_path / "mine.md").write_bytes(b"\xef\xbb\xbf" + body.encode())
    template = parse_template(read_template("mine.md", tmp_path), "mine.md")
    assert contents(template, "", "a", "b") == ["a|b"]


# ---- the shipped ones


def test_there_are_shipped_templates():
    assert sorted(KINDS) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_has_all_fields_and_delimits_each_text(name, tmp_path):
    template = shipped(name, tmp_path)
    titles = {"response_1": "response 1", "response_2": "response 2", "reference": "reference .+"}
    given = {each: f"the {each}" for each in FIELDS if each != "mark" and template.names(each)}
    blocks = {"responses", "examples"} & given.keys()
    given |= {each: (("response 1", f"the {each}"),) for each in blocks}
    system, user = template.fill(given, "s")
    texts = [f"the {each}" for each in sorted(given)]
    word = mark("s", *texts)
    assert (system.role, user.role) == ("system", "user")
    assert word in system.content
    assert {"prompt", "answer", *KINDS[name].needed} <= given.keys()
    for field in given.keys() - {"answer", "criteria", "principle"}:
        title = "response 1" if field in blocks else titles.get(field, field)
        found = re.search(rf"<<{title} {word}>>\nthe {field}\n<<end {word}>>", user.content)
        assert found, field
    assert all(text in system.content + user.content for text in texts)
    assert "{{" not in system.content + user.content


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_template_asks_for_an_answer_in_its_last_line(name, tmp_path):
    assert re.search(
        r"nswer with (nothing but )?\{\{answer\}\}\.?$|Then end with \{\{answer\}\}$",
        shipped(name, tmp_path).parts[-1][1],
    )


@pytest.mark.parametrize("menu", [Menu(), Menu(tie=None), Menu("A", "B", "C")])
def test_each_answer_that_a_pairwise_judge_asks_for_is_on_the_menu(menu):
    asked = re.findall(r"^Verdict: .+$", Pairwise(menu).answer(as_json=False), re.M)
    verdicts = [parse(line, menu) for line in asked]
    assert verdicts == [Verdict(preference, None) for preference in list(Preference)[: len(asked)]]
    assert len(asked) == len(menu.words)
