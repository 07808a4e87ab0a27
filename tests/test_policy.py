"""Policy files: what is saved can be read again, and what cannot be applied is refused."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.policy import (
    CostSection,
    PolicyFile,
    as_policy,
    beyond,
    place_of,
    policy_of,
    policy_text,
    read_policy,
    write_policy,
)
from pipelines.routing_scores import DISAGREEMENT, FLIP, RANDOM, RULES
from pipelines.sections.view import Rules, UnparsedRule, View
from pipelines.strategy import Goal, Match, choose_strategy
from tests.estimating import HUMAN, JUDGE, both, label, store_of

ROUTED = {
    "name": "j, 30% to a human: order flip", "dataset": "d", "criterion": "overall",
    "judges": ("j",), "orders": 2, "rule": FLIP, "human_share": 0.3, "threshold": 0.5,
    "at_threshold": 0.25, "humans": 1,
}  # fmt: skip
texts = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
)  # half a character has no place in a file


def small(path, n=48):
    """Two judges who turn with the order here and there, two humans who mostly agree."""
    labels = []
    for k in range(n):
        right, wrong = ("a", "b") if k % 2 else ("b", "a")
        labels += [label(k, "h1", right, cost_usd=0.5), label(k, "h2", right if k % 6 else "t")]
        labels += both(k, "j", right, right if k % 4 else wrong, cost_usd=0.002)
        labels += both(k, "j2", wrong if k % 5 == 0 else right, right, cost_usd=0.001)
    return store_of(path, labels, {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "j2": JUDGE}, n_items=n)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small(tmp_path_factory.mktemp("policy") / "s.duckdb")


@pytest.fixture(scope="module")
def choice(store):
    panel = read_panel(store, "d")
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    return choose_strategy(view, Goal(budget_usd=200), Match.HUMAN)


def saved(choice, place):
    return policy_of(choice, place, Goal(budget_usd=200), dataset="d", criterion="overall",
                     simulated=True, unparsed=UnparsedRule.TIE)  # fmt: skip


def test_every_strategy_can_be_saved_and_read_again(choice, tmp_path):
    rules = set()
    for place, strategy in enumerate(choice.strategies):
        file = saved(choice, place)
        write_policy(file, tmp_path / f"{place}.toml")
        again = read_policy(tmp_path / f"{place}.toml")
        assert again == file
        assert as_policy(again) == strategy.policy
        assert (again.name, again.unparsed) == (strategy.name, UnparsedRule.TIE)
        assert again.quality.low <= again.quality.estimate <= again.quality.high
        assert again.quality.n_comparisons == 48
        rules.add(again.rule)
    assert {None, *RULES} - rules == {"stated certainty"}  # none is stated


def test_the_figure_of_the_recommended_one_is_not_the_one_it_was_chosen_by(choice):
    found = saved(choice, choice.recommended)
    assert found.quality.estimate == round(choice.selected.estimate, 6)
    assert "scored on the tenth" in found.quality.method
    other = next(k for k in range(len(choice.strategies)) if k != choice.recommended)
    assert saved(choice, other).quality.estimate == round(float(choice.quality[other]), 6)
    assert found.cost.usd_per_human_label == 0.5
    assert found.cost.usd_per_1000 == pytest.approx(1000 * choice.cost_usd[choice.recommended])
    assert found.goal == "most quality within $200 for 1,000 comparisons"


@given(
    texts, texts, st.lists(texts, min_size=1, max_size=3, unique=True), st.floats(1e-12, 1e6)
)  # fmt: skip
def test_whatever_the_names_are_they_come_back(name, dataset, judges, threshold):
    file = PolicyFile(**{**ROUTED, "name": name, "dataset": dataset, "judges": tuple(judges),
                         "threshold": threshold, "goal": f"# {name}\n[quality]"})  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "p.toml"
        write_policy(file, path)
        assert read_policy(path) == file


def test_the_comment_says_what_the_policy_does():
    text = policy_text(PolicyFile(**ROUTED))
    said = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    assert "About 30% go to a human: those where the judge's preference turns with the" in said
    assert max(map(len, text.splitlines())) <= 100
    humans = {"name": "one human", "dataset": "d", "criterion": "overall", "humans": 1}
    assert "Every comparison gets one human label." in policy_text(PolicyFile(**humans))
    assert "[cost]" not in policy_text(PolicyFile(**humans))  # nothing is known of it


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "by mood"}, "rule: not one of at random, order flip"),
        ({"judges": ()}, "judges: a rule needs a judge"),
        ({"humans": 0}, "humans: a rule needs one human"),
        ({"rule": None}, "rule: which comparisons go to humans?"),
        ({"rule": None, "humans": 0, "judges": ()}, "judges: neither judges nor humans"),
        ({"rule": DISAGREEMENT}, "judges: that rule compares two judges"),
        ({"jury": True}, "jury: of two judges or more"),
        ({"threshold": None}, "threshold: above 0"),
        ({"human_share": 0.0}, "human_share: a rule needs a share above 0"),
        ({"human_share": 1.5}, "human_share: Input should be less than or equal to 1"),
        ({"audit": float("nan")}, "audit: Input should be"),
        ({"orders": 3}, "orders: Input should be"),
        ({"unparsed": "perhaps"}, "unparsed: Input should be 'drop', 'tie' or 'wrong'"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"quality": {"estimate": 0.9}}, "quality.n_comparisons: Field required"),
    ],
)
def test_what_cannot_be_applied_is_named_by_file_and_key(tmp_path, change, said):
    values = {**ROUTED, **change}
    lines = [f"{key} = {_plain(value)}" for key, value in values.items()
             if value is not None and key != "quality"]  # fmt: skip
    lines += ["[quality]", "estimate = 0.9"] if "quality" in values else []
    path = tmp_path / "p.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        read_policy(path)
    assert caught.value.what.startswith(f"{path}: {said}")
    assert "human_share" in caught.value.fix


def _plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    return repr(list(value) if isinstance(value, tuple) else value)


def test_a_share_at_random_needs_no_threshold():
    file = PolicyFile(**{**ROUTED, "rule": RANDOM, "threshold": None})
    assert "threshold =" not in policy_text(file).replace("at_threshold =", "")


def test_what_is_no_toml_or_not_there_says_so(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_policy(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(InputError, match=r"bad\.toml: not TOML"):
        read_policy(tmp_path / "bad.toml")


def test_what_has_no_end_is_no_policy(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", Path("/dev/zero")):
        with pytest.raises(InputError, match="it is no file"):
            read_policy(path)
    long = tmp_path / "long.toml"
    with long.open("w") as file:
        file.truncate(4 << 30)  # a hole: reading it whole would fill the memory
    with pytest.raises(InputError, match="more than 20,000 characters"):
        read_policy(long)
    long.write_text("humans = " + "1" * 5000)
    with pytest.raises(InputError, match=r"long\.toml: not TOML: Exceeds"):
        read_policy(long)


def test_a_file_that_exists_stays_unless_told(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("mine")
    file = PolicyFile(**ROUTED, cost=CostSection(usd_per_human_label=0.5))
    with pytest.raises(InputError, match="exists already"):
        write_policy(file, path)
    assert path.read_text() == "mine"
    write_policy(file, path, force=True)
    assert tomllib.loads(path.read_text())["cost"] == {"usd_per_human_label": 0.5}
    with pytest.raises(InputError, match="no name of a policy file"):
        write_policy(file, tmp_path / "p.json")


def test_a_name_that_is_none_is_answered_with_names(choice):
    assert place_of(choice, None) == choice.recommended
    assert place_of(choice, "one human") == 0
    with pytest.raises(InputError, match="no strategy 'two humans'") as caught:
        place_of(choice, "two humans")
    assert "on the frontier are: " in caught.value.fix


def test_the_command_saves_what_it_recommends_or_what_is_chosen(store, run, tmp_path):
    given = ("strategy", "--store", store.path, "--budget", 200)
    code, out, err = run(*given, "--save", "p.toml")
    assert code == 0, err
    first = read_policy(tmp_path / "p.toml")
    assert f"wrote p.toml: {first.name}" in err
    assert f"Recommended within $200: {first.name}" in out.replace("\n", " ").replace("  ", " ")
    code, _, err = run(*given, "--save", "p.toml", "--choose", "j")
    assert (code, "p.toml exists already" in err) == (3, True)
    code, _, err = run(*given, "--save", "p.toml", "--choose", "j", "--force", "--json")
    assert code == 0, err
    assert read_policy(tmp_path / "p.toml").judges == ("j",)
    code, _, err = run(*given, "--choose", "j")
    assert (code, "Add --save" in err) == (3, True)
    code, _, err = run("strategy", "--store", store.path, "--quality", 0.9999, "--save", "q.toml")
    assert (code, (tmp_path / "q.toml").exists()) == (3, False)
    assert "no strategy meets the goal" in err


def test_a_policy_says_what_its_audit_adds_to_its_cost():
    alone = {**ROUTED, "name": "j", "rule": None, "human_share": 0.0, "threshold": None,
             "humans": 0}  # fmt: skip
    priced = CostSection(usd_per_1000=1.1, usd_per_human_label=0.5)
    # 5% of 1,000 at $0.5, and of the 70% that a rule keeps; two humans cost twice as much
    assert "about $25 more for 1,000, at $0.50 for a human label" in comment(alone, priced)
    dearer = CostSection(usd_per_human_label=0.6)
    assert "about $21 more for 1,000, at $0.60" in comment(ROUTED, dearer)
    assert "about $35 more for 1,000, at $1.0 for 2" in comment({**ROUTED, "humans": 2}, priced)
    assert "price of a human label is not known" in comment(alone, CostSection())
    assert "audit of" not in comment({**alone, "audit": 0.0}, priced)
    humans = {"name": "one human", "dataset": "d", "criterion": "overall", "humans": 1}
    assert "audit of" not in comment(humans, priced)


def comment(values, cost):
    """What the section on cost says in words."""
    text = policy_text(PolicyFile(**values, cost=cost))
    assert PolicyFile.model_validate(tomllib.loads(text)).cost == cost
    return " ".join(text.partition("[cost]")[2].replace("\n# ", " ").split())


def test_what_is_chosen_by_name_says_so_and_what_it_misses(choice):
    dear = next(k for k, each in enumerate(choice.strategies) if each.name == "one human")
    assert choice.cost_usd[dear] == 0.5
    assert saved(choice, dear).goal == "chosen by name"
    assert beyond(choice, dear, Goal(budget_usd=200)) == (
        "it costs $500 for 1,000, more than the budget of $200"
    )
    assert beyond(choice, dear, Goal(budget_usd=499.99)) == (
        "it costs $500 for 1,000, more than the budget of $499.99"
    )
    assert beyond(choice, dear, Goal(budget_usd=500)) is None
    quality = float(choice.quality[dear])
    asked = beyond(choice, dear, Goal(quality=0.999))
    assert asked == f"its quality is {quality:.3f}, below the 0.999 that was asked for"
    assert beyond(choice, dear, Goal(quality=quality)) is None
    assert beyond(choice, dear, Goal(usd_per_point=1)) is None
    assert beyond(choice, choice.recommended, Goal(budget_usd=200)) is None


def test_the_command_warns_of_what_the_policy_costs_beyond(store, run):
    given = ("strategy", "--store", store.path, "--budget", 200, "--json", "--save")
    code, _, err = run(*given, "one.toml", "--choose", "one human")
    assert code == 0, err
    assert "note: it costs $500 for 1,000, more than the budget of $200" in err
    assert "audit" not in err  # humans label all
    code, _, err = run(*given, "j.toml", "--choose", "j")
    said = " ".join(err.split())
    assert code == 0, err
    assert "about $25 more for 1,000, at $0.50 for a human label" in said
    assert "concord route --audit 0 leaves it out" in said
    assert "budget" not in said
