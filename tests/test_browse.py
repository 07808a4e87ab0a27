from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from data import browse
from data.browse import Show, Wanted
from data.records import AnnotatorKind
from pipelines.one_judge import confidently_against
from pipelines.panel import read_panel
from pipelines.sections.view import Rules
from tests.dashboards import PROMPTS, category, human, judge, make_store
from tests.estimating import both, label, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from data.store import Store

SIGN = {"a": 1, "tie": 0, "b": -1}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("browse") / "small.duckdb")


def ids_of(store: Store) -> dict[str, str]:
    with store.reading() as con:
        found = con.execute("SELECT name, annotator_id FROM annotators").fetchall()
    return {name: str(annotator_id) for name, annotator_id in found}


def matching(store: Store, size: int = 1000, **wanted: Any) -> list[str]:
    """The source ids of all comparisons that match, in order."""
    dataset = wanted.pop("dataset", "small")
    with store.reading() as con:
        page = browse.page_of(con, Wanted(dataset, **wanted), number=1, size=size)
    assert page.total == len(page.rows)
    return [row["source_id"] for row in page.rows]


def sides(item: int) -> dict[str, int]:
    """Each judge's preference over both orders: +1 for a."""
    found = {"silent": SIGN[judge(item, "silent", "ab")]} if item != 5 else {}
    for name in ("careful", "hasty"):
        total = sum(SIGN[judge(item, name, shown)] for shown in ("ab", "ba"))
        found[name] = (total > 0) - (total < 0)
    return found


def majority(item: int, rule: str) -> int:
    votes = Counter(human(item, who) for who in range(3))
    if rule == "sign":
        return (votes["a"] > votes["b"]) - (votes["a"] < votes["b"])
    top = [side for side, n in votes.items() if n == max(votes.values())]
    return SIGN[top[0]] if len(top) == 1 else 0


def names(items: list[int]) -> list[str]:
    return sorted(f"c{item}" for item in items)


@pytest.mark.parametrize("rule", ["mode", "sign"])
@pytest.mark.parametrize("who", [None, "careful", "hasty", "silent"])
def test_against_the_humans(rule: str, who: str | None, small: Store) -> None:
    expected = [
        item
        for item in range(PROMPTS)
        if any(
            side != majority(item, rule)
            for name, side in sides(item).items()
            if who in (None, name)
        )
    ]
    found = matching(small, show=Show.AGAINST, judge=who and ids_of(small)[who], majority=rule)
    assert sorted(found) == names(expected)


def test_against_puts_the_humans_of_one_mind_first(small: Store) -> None:
    unanimity = [
        max(Counter(human(int(source_id[1:]), who) for who in range(3)).values())
        for source_id in matching(small, show=Show.AGAINST)
    ]
    assert unanimity == sorted(unanimity, reverse=True)


def test_judges_among_each_other(small: Store) -> None:
    expected = [item for item in range(PROMPTS) if len(set(sides(item).values())) > 1]
    assert sorted(matching(small, show=Show.SPLIT)) == names(expected)
    silent = matching(small, show=Show.SPLIT, judge=ids_of(small)["silent"])
    assert sorted(silent) == names([item for item in expected if item != 5])


def test_swapped(small: Store) -> None:
    expected = [i for i in range(PROMPTS) if judge(i, "hasty", "ab") != judge(i, "hasty", "ba")]
    assert sorted(matching(small, show=Show.SWAPPED)) == names(expected)
    assert sorted(matching(small, show=Show.SWAPPED, judge=ids_of(small)["hasty"])) == names(
        expected
    )
    assert matching(small, show=Show.SWAPPED, judge=ids_of(small)["silent"]) == []


def test_all_by_judge_category_and_text(small: Store) -> None:
    assert len(matching(small)) == PROMPTS
    silent = matching(small, judge=ids_of(small)["silent"])
    assert sorted(silent) == names([item for item in range(PROMPTS) if item != 5])
    rare = [item for item in range(PROMPTS) if category(item) == "rare"]
    assert sorted(matching(small, category="rare")) == names(rare)
    assert matching(small, text="PROMPT 17") == ["c17"]
    assert matching(small, text="response b 23") == ["c23"]
    assert matching(small, text="100%_") == []


def test_a_baseline_counts_only_where_it_is_chosen(small: Store) -> None:
    chosen = matching(small, show=Show.AGAINST, judge=ids_of(small)["longer"])
    wrong = [i for i in range(PROMPTS) if SIGN[judge(i, "longer", "ab")] != majority(i, "mode")]
    assert sorted(chosen) == names(wrong)


def test_pages_do_not_overlap_and_know_the_total(small: Store) -> None:
    seen = []
    with small.reading() as con:
        for number in (1, 2, 3, 4):
            page = browse.page_of(con, Wanted("small"), number=number, size=25)
            assert page.total == (PROMPTS if number < 4 else 0)
            seen += [row["comparison_id"] for row in page.rows]
    assert len(seen) == len(set(seen)) == PROMPTS


def test_summaries_count_who_prefers_what(small: Store) -> None:
    with small.reading() as con:
        [row] = browse.page_of(con, Wanted("small", text="prompt 8"), number=1, size=5).rows
    votes = Counter(human(8, who) for who in range(3))
    assert [row["humans_a"], row["humans_tie"], row["humans_b"]] == [
        votes["a"], votes["tie"], votes["b"]
    ]  # fmt: skip
    judged = Counter(sides(8).values())
    assert [row["judges_a"], row["judges_tie"], row["judges_b"]] == [
        judged[1], judged[0], judged[-1]
    ]  # fmt: skip
    assert row["prompt"] == "some prompt 8"


def test_gold_stands_in_where_there_are_no_humans(tmp_path: Path) -> None:
    kinds = {"gold": AnnotatorKind.AGGREGATE, "j": AnnotatorKind.JUDGE, "h": AnnotatorKind.HUMAN}
    labels = [
        label(0, "gold", "a"),
        label(0, "j", "b"),  # against gold
        label(1, "gold", "a"),
        label(1, "h", "b"),
        label(1, "j", "b"),  # with the human
        label(2, "gold", "a"),
        *both(2, "j", "a", "x"),
    ]  # unparsed in one order
    store = store_of(tmp_path / "g.duckdb", labels, kinds, n_items=3)
    assert matching(store, dataset="d", show=Show.AGAINST) == ["c0"]
    assert matching(store, dataset="d", show=Show.SWAPPED) == []


def test_a_humans_repeat_is_no_second_vote(tmp_path: Path) -> None:
    kinds = {"h": AnnotatorKind.HUMAN, "k": AnnotatorKind.HUMAN, "j": AnnotatorKind.JUDGE}
    labels = [label(0, "h", "a"), label(0, "h", "b", repeat=1), label(0, "h", "b", repeat=2),
              label(0, "k", "a"), label(0, "j", "a")]  # fmt: skip
    store = store_of(tmp_path / "r.duckdb", labels, kinds, n_items=1)
    assert matching(store, dataset="d", show=Show.AGAINST) == []


def test_detail_holds_texts_and_every_label(small: Store) -> None:
    with small.reading() as con:
        [row] = browse.page_of(con, Wanted("small", text="prompt 5"), number=1, size=1).rows
        detail = browse.detail_of(con, "small", row["comparison_id"])
        assert browse.detail_of(con, "other", row["comparison_id"]) is None
        assert browse.detail_of(con, "small", "no id") is None
    assert detail
    assert detail.comparison["response_a"].startswith("some response a")
    assert len(detail.labels) == 9
    statuses = {label["annotator"]: label["status"] for label in detail.labels}
    assert set(statuses) == {"ann", "bob", "cem", "careful", "hasty", "silent", "longer"}


def test_categories_and_runs(small: Store) -> None:
    with small.reading() as con:
        assert browse.categories(con, "small") == ["advice", "facts", "rare"]
        assert browse.categories(con, "none") == []
        assert browse.last_labels(con) == {}


def confident_items(who: str | None) -> list[int]:
    """Where three humans agree on a response and a judge's both orders say the other."""
    found = []
    for item in range(PROMPTS):
        votes = {human(item, k) for k in range(3)}
        for name in ("careful", "hasty") if who is None else (who,):
            said = {judge(item, name, shown) for shown in ("ab", "ba")}
            if votes in ({"a"}, {"b"}) and said | votes == {"a", "b"} and len(said) == 1:
                found.append(item)
    return sorted(set(found))


@pytest.mark.parametrize("who", [None, "careful", "hasty"])
def test_confident_against_humans_of_one_mind(who: str | None, small: Store) -> None:
    expected = confident_items(who)
    assert expected
    found = matching(small, show=Show.CONFIDENT, judge=who and ids_of(small)[who])
    assert sorted(found) == names(expected)
    assert matching(small, show=Show.CONFIDENT, judge=ids_of(small)["silent"]) == []


def test_confident_is_what_the_overview_counts(small: Store) -> None:
    panel = read_panel(small, "small")
    assert len(matching(small, show=Show.CONFIDENT)) == confidently_against(panel, Rules()).n_items


SURE = [  # (humans, labels of the judge, whether it is sure of the other response)
    ("aa", [label(0, "j", "b", p_a=0.1)], True),
    ("aa", [label(0, "j", "b", p_a=0.11)], False),
    ("bb", [label(0, "j", "a", p_a=0.9)], True),
    ("aa", [label(0, "j", "b", "ab", p_a=0.3), label(0, "j", "b", "ba", p_a=0.2)], True),
    ("aa", [label(0, "j", "b", "ab"), label(0, "j", "a", "ba")], False),
    ("aa", [label(0, "j", "b", "ab"), label(0, "j", "b", "ab", repeat=1)], False),
    ("aa", [label(0, "j", "b", "ab"), label(0, "j", "x", "ba")], False),
    ("at", [label(0, "j", "b", p_a=0.0)], False),
    ("tt", [label(0, "j", "b", p_a=0.0)], False),
    ("a", [label(0, "j", "b", p_a=0.0)], False),
]


@pytest.mark.parametrize(("humans", "labels", "sure"), SURE)
def test_what_counts_as_confident(
    humans: str, labels: list[Any], sure: bool, tmp_path: Path
) -> None:
    kinds = {"h": AnnotatorKind.HUMAN, "k": AnnotatorKind.HUMAN, "j": AnnotatorKind.JUDGE}
    given = [label(0, who, mark) for who, mark in zip("hk", humans, strict=False)]
    store = store_of(tmp_path / "s.duckdb", [*given, *labels], kinds, n_items=1)
    assert matching(store, dataset="d", show=Show.CONFIDENT) == ["c0"] * sure
    found = confidently_against(read_panel(store, "d"), Rules())
    assert found.n_items == sure


def test_more_humans_then_more_judges_then_the_more_certain_come_first(tmp_path: Path) -> None:
    kinds = {"h": AnnotatorKind.HUMAN, "k": AnnotatorKind.HUMAN, "l": AnnotatorKind.HUMAN,
             "j": AnnotatorKind.JUDGE, "i": AnnotatorKind.JUDGE}  # fmt: skip
    labels = [label(item, who, "a") for item in range(4) for who in "hk"]
    labels += [label(item, "j", "b", p_a=p) for item, p in enumerate([0.1, 0.02, 0.1, 0.1])]
    labels += [label(2, "i", "b", p_a=0.1), label(3, "l", "a")]
    store = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=4)
    assert matching(store, dataset="d", show=Show.CONFIDENT) == ["c3", "c2", "c1", "c0"]
    with store.reading() as con:
        [row, *_] = browse.page_of(con, Wanted("d", show=Show.CONFIDENT), number=1, size=1).rows
    assert row["sure"] == [{"name": "j", "sure": -1, "stated": pytest.approx(0.1)}]


def test_by_model_and_by_ids(small: Store) -> None:
    with small.reading() as con:
        assert browse.models(con, "small") == ["some model a", "some model b"]
        everything = browse.page_of(con, Wanted("small"), number=1, size=PROMPTS).rows
    ids = tuple(row["comparison_id"] for row in everything)
    assert len(matching(small, model="some model b")) == PROMPTS
    assert matching(small, model="another") == []
    assert matching(small, only=ids[:2]) == [row["source_id"] for row in everything[:2]]
    assert matching(small, only=()) == []
    assert len(matching(small, but=ids[:2])) == PROMPTS - 2
    rare = matching(small, but=ids[:2], category="rare", show=Show.AGAINST)
    assert set(rare) <= set(names(list(range(9, PROMPTS, 10))))


def test_a_long_text_comes_in_part_and_whole_when_asked(tmp_path: Path) -> None:
    text = "猫" * (browse.SHOWN_CHARACTERS + 7)
    kinds = {"j": AnnotatorKind.JUDGE}
    store = store_of(tmp_path / "s.duckdb", [label(0, "j", "a")], kinds, n_items=1,
                     responses=[(text, "short")])  # fmt: skip
    with store.reading() as con:
        [row] = browse.page_of(con, Wanted("d"), number=1, size=1).rows
        found = browse.detail_of(con, "d", row["comparison_id"])
        assert found
        assert found.comparison["response_a"] == text[: browse.SHOWN_CHARACTERS]
        assert found.comparison["n_response_a"] == len(text)
        assert browse.whole_text(con, row["comparison_id"], "response_a") == text
        assert browse.whole_text(con, row["comparison_id"], "reference") == ""
