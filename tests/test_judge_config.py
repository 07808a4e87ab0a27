"""Judge files: what they may say, what their errors name, and what makes a judge another one."""

import re
import tomllib
from pathlib import Path

import pytest

from data.errors import JudgeError
from data.records import OVERALL
from judges.config import JudgeFile, KindName, find_judge, library, read_judge
from judges.judge import Judge, Orders, Price
from judges.kinds.pairwise import Pairwise
from judges.kinds.rating import Rating
from judges.litellm_client import load_litellm
from judges.parsing import DEFAULT_PATTERN, Menu
from judges.prompts import TEMPLATES
from judges.verifier import Verifier

MINIMAL = 'name = "j"\nmodel = "openai/m"\n'
FULL = r"""
name = "house judge"
model = "openai/m"
template = "mine.md"
criterion = "helpfulness"
orders = "ab"
api_base = "http://127.0.0.1:8000/v1"
api_key_env = "MY_KEY"
api_key_file = "key.txt"

[parameters]
temperature = 0
stop = ["END"]

[verdict]
first = "A"
second = "B"
tie = "C"
pattern = '\[\[(A|B|C)\]\]'

[price]
input_usd_per_million_tokens = 2
output_usd_per_million_tokens = 8.5
"""
TEMPLATE = "## user\n{{response_1}} or {{response_2}}\n"


def written(folder, text, name="judge.toml"):
    (folder / "mine.md").write_text(TEMPLATE, encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def error(path):
    with pytest.raises(JudgeError) as caught:
        read_judge(path)
    assert str(path) in caught.value.what
    assert "\n" not in caught.value.what.partition(": not TOML")[0]
    assert caught.value.fix
    return caught.value.what


# ---- reading


def test_every_key_reaches_the_judge(tmp_path):
    judge = read_judge(written(tmp_path, FULL))
    assert (judge.name, judge.model) == ("house judge", "openai/m")
    assert (judge.criterion, judge.orders) == ("helpfulness", Orders.AB)
    assert judge.template.parts == (("user", "{{response_1}} or {{response_2}}"),)
    assert judge.kind == Pairwise(Menu("A", "B", "C", r"\[\[(A|B|C)\]\]"))
    assert judge.parameters == {"temperature": 0, "stop": ["END"]}
    assert judge.api_base == "http://127.0.0.1:8000/v1"
    assert judge.api_key_env == "MY_KEY"
    assert judge.api_key_file == str(tmp_path / "key.txt")
    assert judge.price == Price(2.0, 8.5)


def test_what_a_file_leaves_out(tmp_path):
    judge = read_judge(written(tmp_path, MINIMAL))
    assert (judge.criterion, judge.orders) == (OVERALL, Orders.BOTH)
    assert judge.template.text == (TEMPLATES / "pairwise.md").read_text(encoding="utf-8")
    assert judge.kind == Pairwise(Menu("1", "2", "tie", DEFAULT_PATTERN))
    assert judge.parameters == {}
    assert (judge.api_base, judge.api_key_env, judge.api_key_file, judge.price) == (None,) * 4


def test_ties_can_be_taken_off_the_menu(tmp_path):
    judge = read_judge(written(tmp_path, MINIMAL + "[verdict]\nties = false\n"))
    assert judge.kind == Pairwise(Menu(tie=None))


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "judge.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert read_judge(path).name == "j"


def test_a_key_file_is_found_from_any_folder(tmp_path, monkeypatch):
    """A run is continued from its description, wherever the command is given then."""
    written(tmp_path, MINIMAL + 'api_key_file = "key.txt"\n')
    monkeypatch.chdir(tmp_path)
    assert read_judge(Path("judge.toml")).api_key_file == str(tmp_path / "key.txt")


def test_an_absolute_key_file_stays_where_it_is(tmp_path):
    path = written(tmp_path, MINIMAL + 'api_key_file = "/run/secrets/key"\n')
    assert read_judge(path).api_key_file == "/run/secrets/key"


# ---- errors


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('model = "openai/m"', "name: "),
        ('name = "j"', "model: "),
        (MINIMAL + 'modell = "x"', "modell: "),
        (MINIMAL + "[verdict]\nthird = 3", "verdict.third: "),
        (MINIMAL + "[price]\ninput_usd_per_million_tokens = 1", "price.output_usd_per_million"),
        ('name = 7\nmodel = "m"', "name: "),
        ('name = ""\nmodel = "m"', "name: "),
        ('name = "a\\nb"\nmodel = "m"', "name: "),
        ('name = "j"\nmodel = ""', "model: "),
        ('name = "j"\nmodel = ["m"]', "model: "),
        (MINIMAL + 'criterion = "<b>"', "criterion: "),
        (MINIMAL + 'orders = "twice"', "orders: "),
        (MINIMAL + 'parameters = "none"', "parameters: "),
        (MINIMAL + 'verdict = "1 or 2"', "verdict: "),
        (MINIMAL + '[verdict]\nties = "yes"', "verdict.ties: "),
        (MINIMAL + "[verdict]\nfirst = 1", "verdict.first: "),
        (MINIMAL + '[verdict]\nfirst = "2"', "verdict: "),
        (MINIMAL + '[verdict]\ntie = ""', "verdict: "),
        (MINIMAL + "[verdict]\npattern = '('", "verdict.pattern"),
        (MINIMAL + "[verdict]\npattern = 'Verdict: [12]'", "verdict.pattern"),
        (MINIMAL + 'template = "nowhere.md"', "template: "),
        (MINIMAL + 'template = "nowhere"', "template: "),
        (MINIMAL + 'template = "one.md"', "template: "),
    ],
)
def test_an_error_names_the_file_and_the_key(text, named, tmp_path):
    (tmp_path / "one.md").write_text("## user\n{{response_1}}", encoding="utf-8")
    assert f"judge.toml: {named}" in error(written(tmp_path, text))


@pytest.mark.parametrize("price", ["-1", "nan", "inf", '"2"', "true"])
def test_a_price_is_a_number_from_zero_on(price, tmp_path):
    section = f"[price]\ninput_usd_per_million_tokens = {price}\noutput_usd_per_million_tokens = 0"
    what = error(written(tmp_path, MINIMAL + section))
    assert "price.input_usd_per_million_tokens: " in what


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8000", "ftp://host/v1", "http://", "http:///v1", "http://a host/v1", "https://"],
)
def test_an_api_base_is_an_address(address, tmp_path):
    assert "api_base: " in error(written(tmp_path, f'{MINIMAL}api_base = "{address}"'))


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8000", "https://host/v1/", "http://[::1]:8000/v1", "https://h/?v=2@x"],
)
def test_addresses_that_are_fine(address, tmp_path):
    assert read_judge(written(tmp_path, f'{MINIMAL}api_base = "{address}"')).api_base == address


@pytest.mark.parametrize(
    "line",
    [
        'model = "other"',
        'api_base = "http://elsewhere"',
        "timeout = 5",
        "num_retries = 3",
        "n = 5",
        "stream = true",
        'mock_response = "Verdict: 1"',
        "drop_params = true",
        "temperature = nan",
        "when = 2026-01-01",
        "extra_body.when = 12:00:00",
    ],
)
def test_parameters_that_cannot_be_sent_are_named(line, tmp_path):
    what = error(written(tmp_path, f"{MINIMAL}[parameters]\n{line}"))
    assert "parameters: " in what


def test_the_file_itself(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    (tmp_path / "broken.toml").write_text("name = ", encoding="utf-8")
    assert "cannot read" in error(tmp_path / "folder.toml")
    assert "cannot read" in error(tmp_path / "latin.toml")
    assert "cannot read" in error(tmp_path / "nowhere.toml")
    assert "not TOML" in error(tmp_path / "broken.toml")
    (tmp_path / "broken.toml").write_text("votes = " + "1" * 5000, encoding="utf-8")
    assert "not TOML" in error(tmp_path / "broken.toml")


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(JudgeError) as caught:
        read_judge(written(tmp_path, MINIMAL + "x = 1"))
    assert all(key in caught.value.fix for key in JudgeFile.model_fields)


# ---- no keys in judge files


FAKE = "sk-fake-0123456789abcdef"


@pytest.mark.parametrize(
    "line",
    [
        f'api_key_env = "{FAKE}"',  # the key where the variable's name belongs
        f'api_base = "https://me:{FAKE}@host/v1"',
        f'api_key = "{FAKE}"',
        f'[parameters]\napi_key = "{FAKE}"',
        f'[parameters]\naws_secret_access_key = "{FAKE}"',
        f'[parameters.extra_headers]\nAuthorization = "Bearer {FAKE}"',
        f'[parameters.extra_headers]\nx-api-key = "{FAKE}"',
        f'[parameters]\nthings = [{{token = "{FAKE}"}}]',
    ],
)
def test_a_key_in_a_judge_file_is_refused_and_not_repeated(line, tmp_path):
    path = written(tmp_path, MINIMAL + line)
    assert FAKE not in error(path)


@pytest.mark.parametrize("name", ["max_tokens", "prompt_cache_key", "max_completion_tokens"])
def test_names_that_only_look_like_keys_are_fine(name, tmp_path):
    judge = read_judge(written(tmp_path, f"{MINIMAL}[parameters]\n{name} = 1"))
    assert judge.parameters == {name: 1}


def test_neither_a_judge_nor_its_annotator_holds_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", FAKE)
    (tmp_path / "key.txt").write_text(FAKE, encoding="utf-8")
    judge = read_judge(written(tmp_path, FULL))
    assert FAKE not in repr(judge)
    assert FAKE not in repr(judge.annotator())
    definition = judge.annotator().definition
    file = definition.pop("file")
    assert FAKE not in repr(file), "it says where the key is, and no more"
    assert not [key for key in definition if "key" in key]
    assert "MY_KEY" not in repr(definition)


# ---- the library


def test_a_judge_is_found_by_name_or_by_path(tmp_path, monkeypatch):
    path = written(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert find_judge("judge.toml") == Path("judge.toml")
    assert find_judge(str(path)) == path
    assert find_judge("local-server") == library()["local-server"]


@pytest.mark.parametrize("name", ["nobody", "judge", ".", ""])
def test_a_judge_that_is_not_found_is_named_with_the_shipped_ones(name, tmp_path, monkeypatch):
    written(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JudgeError) as caught:
        find_judge(name)
    assert repr(name) in caught.value.what
    assert all(shipped in caught.value.fix for shipped in library())


def test_a_judge_file_that_is_not_there_is_called_a_file():
    with pytest.raises(JudgeError, match=r"no judge file nowhere\.toml"):
        find_judge("nowhere.toml")


def shipped():
    """The shipped judges by name, each as built."""
    return {name: read_judge(path) for name, path in library().items()}


def shipped_models():
    return [name for name, judge in shipped().items() if isinstance(judge, Judge)]


@pytest.mark.parametrize("name", library())
def test_each_shipped_judge_reads_and_bears_the_name_of_its_file(name):
    judge = read_judge(library()[name])
    assert judge.name == name
    together = not isinstance(judge, Verifier) and getattr(judge, "kind", judge) != Rating()
    assert judge.orders is (Orders.BOTH if together else Orders.NONE)


@pytest.mark.parametrize("name", library())
def test_each_shipped_judge_is_the_same_when_it_is_copied_elsewhere(name, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(library()[name].read_text(encoding="utf-8"), encoding="utf-8")
    assert read_judge(path).annotators() == read_judge(library()[name]).annotators()


def test_the_library_has_a_judge_of_every_kind_but_two():
    read = {tomllib.loads(path.read_text()).get("kind", "pairwise") for path in library().values()}
    # A ranking is its template alone, a reward model what it was fitted to.
    assert read == {*KindName} - {"ranking", "reward_model"}


def test_principles_of_ones_own_are_beside_the_file_also_without_an_ending(tmp_path):
    (tmp_path / "principles").write_text("Be brief.\n")
    judge = read_judge(written(tmp_path, MINIMAL + 'principles = "principles"'))
    assert judge.constitution.principles == ("Be brief.",)
    with pytest.raises(JudgeError, match=r"principles: cannot read .*helpful-honest-harmless\.txt"):
        read_judge(written(tmp_path, MINIMAL + 'principles = "helpful-honest-harmless.txt"'))


@pytest.mark.parametrize("name", shipped_models())
def test_the_replies_of_each_shipped_judge_are_bounded(name):
    judge = read_judge(library()[name])
    assert {"max_tokens", "max_completion_tokens"} & set(judge.parameters)


@pytest.mark.parametrize("name", sorted(set(shipped_models()) - {"local-server"}))
def test_the_price_of_each_shipped_judge_is_in_the_bundled_map(name):
    judge = read_judge(library()[name])
    assert judge.api_base is None
    assert judge.price is None
    info = load_litellm().get_model_info(judge.model)
    assert info["mode"] == "chat"
    assert info["input_cost_per_token"] > 0
    assert info["output_cost_per_token"] > 0


@pytest.mark.parametrize("name", shipped_models())
def test_the_parameters_of_each_shipped_judge_are_supported(name):
    judge = read_judge(library()[name])
    litellm = load_litellm()
    model, provider, *_ = litellm.get_llm_provider(judge.model, api_base=judge.api_base)
    supported = litellm.get_supported_openai_params(model, provider)
    assert set(judge.sent_parameters) <= set(supported)


def test_the_local_server_is_here_and_costs_nothing():
    judge = read_judge(library()["local-server"])
    assert judge.api_base == "http://127.0.0.1:8000/v1"
    assert judge.model.startswith("openai/")
    assert judge.price == Price(0, 0)


def test_a_shipped_file_says_which_keys_it_needs(monkeypatch):
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    for name, judge in shipped().items():
        text = library()[name].read_text(encoding="utf-8")
        said = set(re.findall(r"\b[A-Z]+_API_KEY\b", text))
        models = [m.model for m in getattr(judge, "members", [judge]) if isinstance(m, Judge)]
        if name == "local-server":
            continue
        needed = [load_litellm().validate_environment(model)["missing_keys"] for model in models]
        assert len(said) == len(needed), name
        assert all(said & set(missing) for missing in needed), name


# ---- identity


def annotator(folder, text):
    return read_judge(written(folder, text)).annotator()


def identity(folder, text):
    return annotator(folder, text).definition["identity"]


def test_the_same_file_is_the_same_annotator(tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    first, second = annotator(tmp_path, FULL), annotator(other, FULL)
    assert first.annotator_id == second.annotator_id
    files = [each.definition.pop("file") for each in (first, second)]
    assert first.definition == second.definition
    keys = [file["file"].pop("api_key_file") for file in files]
    assert keys == [str(tmp_path / "key.txt"), str(other / "key.txt")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('model = "openai/m"', 'model = "openai/n"'),
        ('template = "mine.md"', 'template = "pairwise"'),
        ("temperature = 0", "temperature = 1"),
        ("temperature = 0", "temperature = 0\nseed = 1"),
        ('stop = ["END"]', ""),
        ('criterion = "helpfulness"', 'criterion = "honesty"'),
        ('api_base = "http://127.0.0.1:8000/v1"', 'api_base = "http://127.0.0.1:8001/v1"'),
        ('api_base = "http://127.0.0.1:8000/v1"', ""),
        ('first = "A"', 'first = "X"'),
        ('tie = "C"', 'tie = "D"'),
        ('tie = "C"', "ties = false"),
        (r"pattern = '\[\[(A|B|C)\]\]'", r"pattern = '<(A|B|C)>'"),
    ],
)
def test_what_makes_a_judge_another_one(old, new, tmp_path):
    assert old in FULL
    changed = FULL.replace(old, new)
    assert identity(tmp_path, FULL) != identity(tmp_path, changed)
    assert annotator(tmp_path, FULL).annotator_id != annotator(tmp_path, changed).annotator_id


def test_another_text_in_the_same_template_file_makes_another_judge(tmp_path):
    path = written(tmp_path, FULL)
    before = read_judge(path).annotator()
    (tmp_path / "mine.md").write_text(TEMPLATE + "Be fair.", encoding="utf-8")
    after = read_judge(path).annotator()
    assert before.definition["identity"] != after.definition["identity"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "house judge"', 'name = "another"'),
        ('orders = "ab"', 'orders = "both"'),
        ("input_usd_per_million_tokens = 2", "input_usd_per_million_tokens = 3"),
        ('api_key_env = "MY_KEY"', 'api_key_env = "YOUR_KEY"'),
        ('api_key_file = "key.txt"', ""),
        ('temperature = 0\nstop = ["END"]', 'stop = ["END"]\ntemperature = 0'),
        ("[parameters]", "# a remark\n[parameters]"),
    ],
)
def test_what_leaves_a_judge_the_one_it_was(old, new, tmp_path):
    assert old in FULL
    assert identity(tmp_path, FULL) == identity(tmp_path, FULL.replace(old, new))


def test_the_name_tells_annotators_apart_without_changing_what_they_are(tmp_path):
    judge = read_judge(written(tmp_path, FULL))
    own, second = judge.annotator(), judge.annotator("house judge (2)")
    assert own.annotator_id != second.annotator_id
    assert own.definition == second.definition
    assert second.definition["judge"] == "house judge"


def test_menus_that_join_to_the_same_words_are_different_judges(tmp_path):
    first = MINIMAL + "[verdict]\nfirst = 'a|b'\nsecond = 'c'"
    second = MINIMAL + "[verdict]\nfirst = 'a'\nsecond = 'b|c'"
    assert identity(tmp_path, first) != identity(tmp_path, second)
