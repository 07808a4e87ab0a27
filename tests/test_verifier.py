"""Verifiers: what passes each check, and what happens where a check cannot be made."""

import json
import warnings

import pytest

from data.errors import JudgeError
from data.records import LabelStatus
from judges.judge import Orders
from judges.verifier import Check, Verifier, fits_schema, last_number
from tests.judging import (
    MIRRORED,
    TIE,
    A,
    B,
    ask,
    build_again,
    comparison,
    error_of,
    identity_of,
    judge_of,
    task,
)

FILE = 'name = "j"\nkind = "verifier"\n[verifier]\ncheck = "exact"\n'
PYTHON = FILE.replace('"exact"', '"python"\nfunction = "checks.py:is_right"')
SOURCE = "def is_right(prompt, response, reference):\n    return reference in response\n"


def label(verifier, a, b, reference="42", prompt="Why?"):
    [judgment] = ask(verifier, task(None, comparison(1, a, b, prompt, reference=reference)))
    assert judgment.requests == ()
    return judgment.label


def verifier(check, **more):
    return Verifier("j", Check(check), **more)


def passes(check, text, reference, **more):
    """Against a response that certainly fails: an empty one."""
    done = label(verifier(check, **more), text, "", reference)
    assert done.status is LabelStatus.OK, done.details
    assert done.details["correct"]["b"] is False
    return done.preference is A


# ---- the label


def test_the_response_that_passes_is_preferred(tmp_path):
    judge = judge_of(tmp_path, FILE)
    for a, b, preference in (
        ("42", "43", A),
        ("43", "42", B),
        ("42", " 42 ", TIE),
        ("1", "2", TIE),
    ):
        done = label(judge, a, b)
        assert (done.preference, done.status) == (preference, LabelStatus.OK)
        assert label(judge, b, a).preference is MIRRORED[preference]
        assert (done.shown, done.cost_usd, done.p_a) == (None, 0, None)
        assert 0 <= done.seconds < 1
    assert label(judge, "42", "43").details == {"correct": {"a": True, "b": False}}


def test_it_has_no_order_and_no_model(tmp_path):
    judge = judge_of(tmp_path, FILE)
    assert (judge.orders, judge.by_prompt, judge.reduced("m")) == (Orders.NONE, False, None)
    [annotator] = judge.annotators()
    assert (annotator.kind, annotator.model) == ("judge", None)


@pytest.mark.parametrize("reference", [None, ""])
@pytest.mark.parametrize("check", ["exact", "numeric", "regex", "json_schema"])
def test_without_a_reference_it_skips_with_the_reason(check, reference):
    done = label(verifier(check), "a", "b", reference)
    assert (done.status, done.preference) == (LabelStatus.SKIPPED, None)
    assert done.details == {"reason": "the comparison has no reference"}


def test_a_reference_of_the_file_stands_in_for_one_that_is_missing(tmp_path):
    judge = judge_of(tmp_path, FILE + 'reference = "yes"\n')
    assert label(judge, "yes", "42", None).preference is A
    assert label(judge, "yes", "42", "42").preference is B


# ---- the checks


@pytest.mark.parametrize(
    ("text", "right", "in_any_case"),
    [
        ("New York", True, True),
        (" New\n  York ", True, True),
        ("new YORK", False, True),
        ("New York.", False, False),
        ("NewYork", False, False),
    ],
)
def test_exact(text, right, in_any_case):
    assert passes("exact", text, "New York") is right
    assert passes("exact", text, "New York", ignore_case=True) is in_any_case


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("It is 41, no, 42.", 42),
        ("-3.5", -3.5),
        ("\u22123.5", -3.5),
        ("1,234,567.5", 1234567.5),
        ("1,2345", 2345),
        ("3, 4", 4),
        ("6.02e23", 6.02e23),
        ("1E-3", 1e-3),
        (".5", 0.5),
        ("$12", 12),
        ("10-20", 20),
        ("10 - 20", 20),
        ("x=-5", -5),
        ("(a)-5", 5),
        ("from -5 to -7", -7),
        ("\\boxed{42}", 42),
        ("50%", 50),
        ("2 ** 3 = 8.", 8),
        ("", None),
        ("none", None),
        ("-", None),
        ("e5", 5),
        ("1,234", 1234),
    ],
)
def test_the_last_number_of_a_text(text, number):
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "reference", "tolerance", "right"),
    [
        ("42.0", "42", 1e-6, True),
        ("The answer is 42", "#### 42", 1e-6, True),
        ("42 or 43", "42", 1e-6, False),
        ("1000001", "1000000", 1e-6, True),  # relative: one part in a million
        ("1000002", "1000000", 1e-6, False),
        ("0.0000005", "0", 1e-6, True),  # absolute near 0
        ("42.1", "42", 0.01, True),
        ("42.1", "42", 0, False),
        ("42", "42", 0, True),
        ("1,000", "1000", 0, True),
        ("forty-two", "42", 1e-6, False),
        ("9" * 5000, "42", 1e-6, False),
    ],
)
def test_numeric(text, reference, tolerance, right):
    assert passes("numeric", text, reference, tolerance=tolerance) is right


def test_a_numeric_reference_without_a_number_breaks_the_check():
    done = label(verifier("numeric"), "42", "43", "forty-two")
    assert (done.status, done.preference) == (LabelStatus.PARSE_ERROR, None)
    assert "'forty-two' holds no number" in done.details["reason"]


@pytest.mark.parametrize(
    ("text", "pattern", "right"),
    [
        ("It is Paris.", r"\bParis\b", True),
        ("paris", "Paris", False),
        ("Parisian", r"\bParis\b", False),
        ("a\nb", "a.b", False),
        ("a\nb", "(?s)a.b", True),
        ("x", "^x$", True),
    ],
)
def test_regex(text, pattern, right):
    assert passes("regex", text, pattern) is right
    assert passes("regex", text, pattern, ignore_case=True) is (right or text == "paris")


def test_a_reference_that_is_no_pattern_breaks_the_check():
    done = label(verifier("regex"), "a", "b", "(")
    assert done.status is LabelStatus.PARSE_ERROR
    assert done.details["reason"].startswith("the check broke: error: ")


SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"n": 1}', True),
        ('```json\n{"n": 1}\n```', True),
        ('```\n{"n": 1}\n```', True),
        (' {"n": 1, "m": null} ', True),
        ('{"n": "1"}', False),
        ("{}", False),
        ("[]", False),
        ("not JSON", False),
        ('Here: {"n": 1}', False),
        ('{"n": 1', False),
        ('{"n": ' + "1" * 5000 + "}", False),  # Python reads no number of so many digits
        ('{"n": ' + "[" * 100_000 + "]" * 100_000 + "}", False),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_json_schema(text, right):
    assert passes("json_schema", text, SCHEMA) is right


@pytest.mark.parametrize(
    "schema", ["not JSON", '{"type": "objekt"}', "[1]", '{"$ref": "#/nowhere"}']
)
def test_a_broken_schema_breaks_the_check(schema):
    done = label(verifier("json_schema"), "{}", "[]", schema)
    assert (done.status, done.preference) == (LabelStatus.PARSE_ERROR, None)
    assert "\n" not in done.details["reason"]


def test_a_schema_reads_no_file_and_asks_nobody(tmp_path):
    """The reference is somebody's data: what it refers to is neither read nor fetched."""
    other = tmp_path / "other.json"
    other.write_text("true", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jsonschema warns before it fetches
        done = label(verifier("json_schema"), "1", "2", json.dumps({"$ref": other.as_uri()}))
    assert done.status is LabelStatus.PARSE_ERROR, "else both would fit"
    assert fits_schema("1", "true")


# ---- what of a response is checked


@pytest.mark.parametrize(
    ("extract", "text", "right"),
    [
        (r"Answer: (\w+)", "Answer: 41. Answer: 42", True),  # the last match counts
        (r"Answer: (\w+)", "Answer: 42. Answer: 41", False),
        (r"\d+", "so 42", True),  # without a group the whole match
        (r"Answer: (\w+)", "42", False),  # nothing found is an empty answer
        (r"Answer: (\w+)?", "Answer: ", False),  # a group that took no part
        (r"(?i)answer: (?P<x>\w+)", "ANSWER: 42", True),
    ],
)
def test_extract(extract, text, right):
    assert passes("exact", text, "42", extract=extract) is right


# ---- a function of one's own


def test_a_function_gets_prompt_response_and_reference(tmp_path):
    source = (
        "def is_right(prompt, response, reference):\n"
        "    return (prompt, response, reference) == ('Why?', 'x', '42')\n"
    )
    judge = judge_of(tmp_path, PYTHON, checks_py=source)
    assert label(judge, "x", "y").preference is A
    assert label(judge, "x", "y", prompt="How?").preference is TIE


def test_a_function_needs_no_reference(tmp_path):
    source = "def is_right(p, r, reference):\n    return len(r) < 3 and not reference\n"
    assert label(judge_of(tmp_path, PYTHON, checks_py=source), "a", "long", None).preference is A


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\n"
        "class Right:\n    text: str\n\n"
        "def is_right(p, r, ref):\n    return Right(r) == Right(ref)\n",
        "class Right:\n    def __call__(self, p, r, ref):\n        return r == ref\n\n"
        "is_right = Right()\n",
        "import re\n\ndef is_right(p, r, ref):\n    return re.search(ref, r)\n",  # truth is enough
        "if __name__ == '__main__':\n    raise SystemExit\n\n"
        "def is_right(p, r, ref):\n    return r == ref\n",
    ],
)
def test_ways_to_write_a_function(tmp_path, source):
    done = label(judge_of(tmp_path, PYTHON, checks_py=source), "42", "")
    assert done.preference is A
    assert done.details == {"correct": {"a": True, "b": False}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('line 1\\nline 2')", "ValueError: line 1 line 2"),
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("return is_right(*a)", "RecursionError: "),
        (
            "class X:\n        def __bool__(self): raise TypeError('no')\n    return X()",
            "TypeError: no",
        ),
        ("raise KeyError('x' * 10000)", "KeyError: "),
    ],
)
def test_a_function_that_breaks_is_no_vote_and_does_not_end_the_run(tmp_path, body, said):
    judge = judge_of(tmp_path, PYTHON, checks_py=f"def is_right(*a):\n    {body}\n")
    done = label(judge, "42", "43")
    assert (done.status, done.preference) == (LabelStatus.PARSE_ERROR, None)
    assert done.details["reason"].startswith(f"the check broke: {said}")
    assert len(done.details["reason"]) < 300


def test_a_function_that_takes_other_arguments_is_no_vote(tmp_path):
    judge = judge_of(tmp_path, PYTHON, checks_py="def is_right(response):\n    return True\n")
    assert "TypeError" in label(judge, "42", "43").details["reason"]


def test_two_files_with_functions_of_one_name_stay_apart(tmp_path):
    yes = judge_of(
        tmp_path / "yes", PYTHON, checks_py="def is_right(p, r, ref):\n    return r == 'yes'\n"
    )
    no = judge_of(
        tmp_path / "no", PYTHON, checks_py="def is_right(p, r, ref):\n    return r == 'no'\n"
    )
    assert (label(yes, "yes", "no").preference, label(no, "yes", "no").preference) == (A, B)


# ---- identity, files


def test_what_makes_it_another_annotator(tmp_path):
    def identity(text=FILE, source=SOURCE):
        return identity_of(tmp_path, text, checks_py=source)

    others = [
        identity(),
        identity(FILE.replace("exact", "regex")),
        identity(FILE + "tolerance = 0.5"),
        identity(FILE + "ignore_case = true"),
        identity(FILE + "extract = 'x'"),
        identity(FILE + "reference = 'x'"),
        identity("criterion = 'q'\n" + FILE),
        identity(PYTHON),
        identity(PYTHON, SOURCE + "# changed\n"),
        identity(PYTHON.replace("is_right", "other"), SOURCE.replace("is_right", "other")),
    ]
    assert len(set(others)) == len(others)
    assert (
        identity(FILE.replace('"j"', '"k"') + "tolerance = 1e-6\nignore_case = false") == others[0]
    )
    renamed = PYTHON.replace("checks.py", "rules.py")
    assert identity_of(tmp_path / "b", renamed, rules_py=SOURCE) == identity(PYTHON)


@pytest.mark.parametrize("text", [FILE + "extract = '(x)'\nreference = 'x'", PYTHON])
def test_it_is_built_again_from_its_description(tmp_path, text):
    judge = judge_of(tmp_path, text, checks_py=SOURCE)
    for path in tmp_path.iterdir():
        path.unlink()
    again = build_again(judge)
    assert again == judge
    assert label(again, "42", "x").preference is label(judge, "42", "x").preference


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ('name = "j"\nkind = "verifier"\n', "", "[verifier] is missing"),
        (FILE.replace("exact", "fuzzy"), "", "verifier.check: "),
        (FILE + "tolerance = -1", "", "verifier.tolerance: "),
        (FILE + "tolerance = nan", "", "verifier.tolerance: "),
        (FILE + "ignore_case = 1", "", "verifier.ignore_case: "),
        (FILE + "fuzz = 1", "", "verifier.fuzz: "),
        (FILE + "extract = '('", "", "verifier: extract: not a regular expression"),
        (
            FILE.replace("exact", "numeric") + "reference = 'x'",
            "",
            "verifier: reference: the check numeric",
        ),
        (
            FILE.replace("exact", "regex") + "reference = '('",
            "",
            "verifier: reference: the check regex",
        ),
        (
            FILE.replace("exact", "json_schema") + "reference = '{\"type\": 1}'",
            "",
            "verifier: reference: the check json",
        ),
        (FILE + 'function = "checks.py:is_right"', SOURCE, "verifier.function goes with"),
        (FILE.replace("exact", "python"), SOURCE, "verifier.function goes with"),
        (
            PYTHON.replace("checks.py:is_right", "is_right"),
            SOURCE,
            "verifier.function: cannot read",
        ),
        (PYTHON.replace("checks.py", "nowhere.py"), SOURCE, "verifier.function: cannot read"),
        (PYTHON, "def is_wrong(): pass", "verifier: the file of checks has no function 'is_right'"),
        (PYTHON, "is_right = 3", "verifier: the file of checks has no function 'is_right'"),
        (PYTHON, "def is_right(", "verifier: the file of checks does not run"),
        (PYTHON, "import nowhere_at_all", "verifier: the file of checks does not run"),
        (PYTHON, "raise SystemExit", "verifier: the file of checks does not run"),
        (PYTHON, "raise ValueError('a\\nb')", "verifier: the file of checks does not run: a b"),
        ("model = 'openai/m'\n" + FILE, "", "model means nothing"),
        ("orders = 'both'\n" + FILE, "", "orders: "),
        ("members = ['x']\n" + FILE, "", "members means nothing"),
        ("api_key_file = 'x'\n" + FILE, "", "api_key_file means nothing"),
        ("tokens_per_minute = 3\n" + FILE, "", "tokens_per_minute means nothing"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, source, named):
    assert error_of(tmp_path, text, checks_py=source).startswith(named)


def test_a_verifier_of_ones_own_checks_itself():
    with pytest.raises(JudgeError, match="extract"):
        verifier("exact", extract="[").check_itself()
    verifier("exact", extract="[a]", reference="x").check_itself()
