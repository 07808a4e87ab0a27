"""Templates: one pass, deterministic, and a mark that nobody can guess."""

import re
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import JudgeError
from data.records import Comparison, Preference, Shown
from judges.judge import Judge
from judges.parsing import Verdict, parse
from judges.prompts import FIELDS, TEMPLATES, mark, parse_template, read_template

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


def contents(template, *texts, secret="s3cret"):
    return [message.content for message in template.fill(*texts, secret)]


# ---- filling


def test_the_fields_are_filled():
    word = mark("s3cret", "Why?", "Because.", "No idea.")
    system, user = TEMPLATE.fill("Why?", "Because.", "No idea.", "s3cret")
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
    assert TEMPLATE.fill(*texts, "s") == parse_template(TEXT, "other.md").fill(*texts, "s")


def test_the_swapped_order_swaps_the_texts():
    comparison = Comparison(UUID(int=1), "Why?", "Because.", "No idea.")
    judge = Judge("j", "openai/m", TEMPLATE)
    ab = judge.request(comparison, Shown.AB, "s").messages
    ba = judge.request(comparison, Shown.BA, "s").messages
    assert ab == TEMPLATE.fill("Why?", "Because.", "No idea.", "s")
    assert ba == TEMPLATE.fill("Why?", "No idea.", "Because.", "s")


def test_texts_that_are_not_known_are_empty():
    judge = Judge("j", "openai/m", TEMPLATE)
    request = judge.request(Comparison(UUID(int=1), None, None, "b"), Shown.AB, "s")
    assert request.messages == TEMPLATE.fill("", "", "b", "s")


@pytest.mark.parametrize("text", ["\x00", "a\ud800b", "\udfff", "\u202e\U0001f600", "\r\n\r"])
def test_odd_characters_are_pasted_too(text):
    judge = Judge("j", "openai/m", TEMPLATE)
    request = judge.request(Comparison(UUID(int=1), text, text, "b"), Shown.AB, "s")
    assert f"[1] {text}\n" in request.messages[1].content
    assert isinstance(request.request_hash, UUID)


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
    template = read_template("mine.md", tmp_path)
    assert contents(template, "", "a", "b") == ["a|b"]


# ---- the shipped ones


def test_there_are_shipped_templates():
    assert SHIPPED == ["pairwise", "pairwise-brief"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_has_all_fields_and_delimits_each_text(name, tmp_path):
    template = read_template(name, tmp_path)
    system, user = template.fill("the prompt", "the first", "the second", "s")
    word = mark("s", "the prompt", "the first", "the second")
    assert (system.role, user.role) == ("system", "user")
    assert word in system.content
    for text in ("the prompt", "the first", "the second"):
        assert re.search(rf"<<.+ {word}>>\n{text}\n<<end {word}>>", user.content)
    assert "{{" not in system.content + user.content


@pytest.mark.parametrize("name", SHIPPED)
def test_each_answer_that_a_shipped_template_asks_for_is_on_the_menu(name, tmp_path):
    judge = Judge("j", "openai/m", read_template(name, tmp_path))
    asked = re.findall(r"^Verdict: .+$", judge.template.text, re.M)
    verdicts = [parse(line, judge.menu) for line in asked]
    assert verdicts == [Verdict(preference, None) for preference in Preference]
