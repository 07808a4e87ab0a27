"""The views of bias and agreement in parts, and what the overview says of bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from data.store import Store
from judges.baselines import BASELINES
from pipelines.card import bias_card
from pipelines.compare import compare
from pipelines.derive import derive, find_probe
from pipelines.label import LabelOptions, label
from pipelines.sections.view import Rules
from pipelines.stats.agreement import TieRule
from pipelines.titles import section_title
from tests.dashboards import make_store, open_numbers
from tests.estimating import HUMAN, JUDGE, both, store_of
from tests.estimating import label as mark
from tests.test_dashboard import asked, check, chosen, commands, open_app, texts

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small store, and a baseline that probes asked, which has not labelled the data set."""
    path = tmp_path_factory.mktemp("probed") / "s.duckdb"
    store = make_store(path)
    probes = [find_probe(name) for name in ("length", "empty")]
    derived = derive(store, "small", probes, 40)
    label(store, BASELINES["first"], None, LabelOptions(derived.dataset))
    return path


def frames(app: AppTest) -> list[set[str]]:
    """The statistics of each table."""
    shown = open_numbers(app).dataframe
    return [set(t.value["Statistic"]) for t in shown if "Statistic" in t.value]


def test_bias_says_the_card_first(probed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, probed, "bias", dataset="small", judge="hasty"))
    rows = compare(Store(probed), "small", sections=("bias",), slices=None)
    card = bias_card(rows, "hasty")
    said = texts(app)
    assert any("hasty" in text and "looked at" in text for text in said)
    assert card.found
    for statement in (*card.found, *card.undecided, *card.not_found):
        assert [text for text in said if statement.text in text], statement.text
    assert set(card.not_known) <= set(said)
    assert any("Benjamini" in text for text in said)
    assert {"chose it more often than humans did"} in frames(app)


def test_bias_shows_only_the_part_that_is_chosen(
    probed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, probed, "bias", dataset="small", judge="hasty", show="order"))
    assert chosen(app, "Judge") == "hasty"
    assert any(text.startswith("Shown first: it moves hasty most") for text in texts(app))
    assert {"other preference when the order is swapped"} in frames(app)
    assert {"chose it more often than humans did"} not in frames(app)
    [box] = [box for box in app.selectbox if box.label == "Show"]
    check(box.set_value("answers").run())
    assert asked(app, "show") == "answers"
    assert any("judge's own model" in text for text in texts(app))


def test_bias_shows_a_judge_that_only_probes_asked(
    probed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, probed, "bias", dataset="small", judge="first",
                         show="changes"))  # fmt: skip
    assert chosen(app, "Judge") == "first"
    assert any(text.startswith("Effect of a change (L3)") for text in texts(app))
    assert any("has labelled what probes made of this data set" in text for text in texts(app))
    assert any("takes something away: empty" in text for text in texts(app))
    assert commands(app)[-1].startswith("concord card first ")


def test_without_an_experiment_the_next_step_is_one(
    probed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, probed, "bias", dataset="small", judge="careful",
                         show="changes"))  # fmt: skip
    assert any("no experiment" in text for text in texts(app))
    assert commands(app)[-1].startswith("concord probe --judge my-judge.toml --dataset small")


def test_the_ties_rule_is_in_the_link(probed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, probed, "agreement", dataset="small", ties="half"))
    rows = compare(Store(probed), "small", rules=Rules(ties=TieRule.HALF), slices=None)
    plain = compare(Store(probed), "small", slices=None)
    assert section_title("agreement", rows) in texts(app)
    assert section_title("agreement", rows) != section_title("agreement", plain)


@pytest.mark.parametrize(
    ("show", "phrase", "statistic"),
    [
        ("slices", "hasty agrees most in", "gap to the human ceiling"),
        ("kinds", " with an interval, a judge is shown", "gap to the human ceiling"),
        ("rankings", "cannot be ranked", None),  # two models are no ranking
        ("replacement", "may replace humans", "humans whom the judge may replace"),
    ],
)
def test_agreement_in_parts(
    show: str, phrase: str, statistic: str | None, probed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, probed, "agreement", dataset="small", judge="hasty",
                         show=show))  # fmt: skip
    assert [text for text in texts(app) if phrase in text]
    assert statistic is None or any(statistic in found for found in frames(app))
    assert "Cohen's kappa" not in set().union(*frames(app))


def test_agreement_by_length(probed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, probed, "agreement", dataset="small", show="slices",
                         by="length"))  # fmt: skip
    assert any("quarter" in text for text in texts(app))
    assert commands(app)[-1].endswith("--slices --slice length")


def test_without_probabilities_there_is_no_curve(
    probed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, probed, "agreement", dataset="small", show="calibration"))
    assert any("No judge here states probabilities" in text for text in texts(app))


def test_the_judge_of_a_curve_states_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [x for i in range(60) for x in
              (mark(i, "h", "ab"[i % 2]), mark(i, "k", "ab"[i % 3 == 0]), mark(i, "s", "ab"[i % 2]),
               mark(i, "j", "ab"[i % 2], p_a=(0.9, 0.1)[i % 2]))]  # fmt: skip
    kinds = {"h": HUMAN, "k": HUMAN, "j": JUDGE, "s": JUDGE}
    store = store_of(tmp_path / "d.duckdb", labels, kinds, n_items=60)
    app = check(open_app(monkeypatch, store.path, "agreement", show="calibration", judge="s"))
    assert [box.options for box in app.selectbox if box.label == "Judge"] == [["j"]]
    assert any(text.startswith("j's stated probabilities are off by") for text in texts(app))
    assert any("calibration error" in found for found in frames(app))


def test_the_overview_says_the_largest_difference_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [
        x
        for i in range(40)
        for x in (mark(i, "h", "a"), mark(i, "k", "a" if i % 4 else "b"), *both(i, "j", "b", "a"))
    ]
    labels = [x for x in labels if x["annotator"] != "j" or x["item"] > 2]
    labels += [x for i in range(3) for x in both(i, "j", "b", "b")]
    kinds = {"h": HUMAN, "k": HUMAN, "j": JUDGE}
    store = store_of(tmp_path / "d.duckdb", labels, kinds, n_items=40)
    app = check(open_app(monkeypatch, store.path))
    said = texts(app)
    assert any(text.startswith("Largest clear difference: j: shown first -4") for text in said)
    first = (
        "Look first at 2 comparisons where all humans agree and a judge is confident of the other "
        "answer (j 2)."
    )
    assert any(text.startswith(first) for text in said)
