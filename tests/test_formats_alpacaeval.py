from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from data.errors import InputError
from data.formats import alpacaeval
from data.records import AnnotatorKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.formats.material import Material

TURBO, ALPACA = "alpacaeval-gpt-3.5-turbo-0301", "alpacaeval-alpaca-7b"
GPT4 = "alpaca_eval_gpt4"
COT_FN = "alpaca_eval_cot_gpt4_turbo_fn"
FN = "alpaca_eval_gpt4_turbo_fn"
WEIGHTED = "weighted_alpaca_eval_gpt4_turbo"
VALUE = {"a": 0.0, "tie": 0.5, "b": 1.0}  # of response_b, the evaluated model


def labels_of(material: Material, annotator: str) -> list[dict[str, Any]]:
    return [row for row in material.labels.to_pylist() if row["annotator"] == annotator]


# The published results


@pytest.fixture(scope="module")
def published(real_data: Path) -> dict[str, Material]:
    return {
        material.dataset: material for material in alpacaeval.read(real_data / "alpacaeval-cost")
    }


@pytest.mark.real_data
def test_counts_of_the_published_results(published: dict[str, Material]) -> None:
    sizes = {name: (len(found.comparisons), len(found.labels)) for name, found in published.items()}
    assert sizes == {ALPACA: (805, 805), TURBO: (1610, 3220)}
    turbo = published[TURBO].comparisons.to_pylist()
    assert len({row["source_id"] for row in turbo}) == 1610
    assert Counter((row["model_a"], row["model_b"]) for row in turbo) == {
        ("text_davinci_003", "gpt-3.5-turbo-0301"): 805,
        ("gpt4_1106_preview", "gpt-3.5-turbo-0301"): 805,
    }
    categories = Counter(published[ALPACA].comparisons["category"].to_pylist())
    assert categories == {
        "selfinstruct": 252,
        "oasst": 188,
        "koala": 156,
        "helpful_base": 129,
        "vicuna": 80,
    }
    for material in published.values():
        assert set(material.labels["shown"].to_pylist()) == {None}


@pytest.mark.real_data
def test_one_label_failed_and_draws_have_no_price(published: dict[str, Material]) -> None:
    (failed,) = [row for row in published[TURBO].labels.to_pylist() if row["status"] != "ok"]
    ids = published[TURBO].comparisons["source_id"].to_pylist()
    assert (failed["annotator"], failed["status"]) == (GPT4, "failed")
    assert ids[failed["item"]] == "text_davinci_003:131"
    for dataset, n in ((ALPACA, 16), (TURBO, 8)):
        ties = [r for r in published[dataset].labels.to_pylist() if r["preference"] == "tie"]
        assert len(ties) == n
        assert {(row["cost_usd"], row["seconds"]) for row in ties} == {(None, None)}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("dataset", "judge", "win_rate", "usd", "seconds"),
    [
        (TURBO, GPT4, 89.36567, 18.55, 1218),
        (TURBO, COT_FN, 6.646, 11.24, 2420),
        (TURBO, FN, 8.012, 10.42, 1455),
        (TURBO, WEIGHTED, 9.62245, 9.21, 1134),
        (ALPACA, GPT4, 26.45963, 15.77, 1128),
    ],
)
def test_published_win_rate_price_and_time(
    published: dict[str, Material],
    dataset: str,
    judge: str,
    win_rate: float,
    usd: float,
    seconds: float,
) -> None:
    labels = labels_of(published[dataset], judge)
    assert len(labels) == 805
    wins = [
        1 - row["p_a"] if row["p_a"] is not None else VALUE[row["preference"]]
        for row in labels
        if row["status"] == "ok"
    ]
    assert 100 * sum(wins) / len(wins) == pytest.approx(win_rate, abs=5e-4)
    costs = [row["cost_usd"] for row in labels if row["cost_usd"] is not None]
    times = [row["seconds"] for row in labels if row["seconds"] is not None]
    assert 1000 * sum(costs) / len(costs) == pytest.approx(usd, abs=0.006)
    assert 1000 * sum(times) / len(times) == pytest.approx(seconds, abs=0.6)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("x", "y", "agreement"),
    [(COT_FN, FN, 0.9516), (COT_FN, WEIGHTED, 0.9230), (FN, WEIGHTED, 0.9093)],
)
def test_published_agreement_between_judges(
    published: dict[str, Material], x: str, y: str, agreement: float
) -> None:
    first, second = (
        {row["item"]: row["preference"] for row in labels_of(published[TURBO], judge)}
        for judge in (x, y)
    )
    assert first.keys() == second.keys()
    same = sum(first[item] == second[item] for item in first) / len(first)
    assert same == pytest.approx(agreement, abs=6e-5)


@pytest.mark.real_data
def test_only_the_weighted_judge_has_probabilities_and_details_stay_small(
    published: dict[str, Material],
) -> None:
    labels = published[TURBO].labels.to_pylist()
    assert {row["annotator"] for row in labels if row["p_a"] is not None} == {WEIGHTED}
    assert all(0 <= row["p_a"] <= 1 for row in labels_of(published[TURBO], WEIGHTED))
    assert max(len(row["details"] or "") for row in labels) < 1000
    assert not any("logprob" in (row["details"] or "") for row in labels)


# Small folders

FILE = f"results/m/{GPT4}/annotations.json"
WEIGHTED_FILE = f"results/m/{WEIGHTED}/annotations.json"
OTHER_FILE = f"results/m/{FN}/annotations.json"
OLD_FILE = f"results/old/{GPT4}/annotations.json"
Files = dict[str, list[dict[str, Any]]]


def row(annotator: str, position: int, preference: object, **changes: Any) -> dict[str, Any]:
    return {
        "instruction": f"Question {position}",
        "output_1": "One",
        "generator_1": "reference",
        "dataset": "koala",
        "output_2": "Two",
        "generator_2": "m",
        "annotator": annotator,
        "preference": preference,
        "price_per_example": 0.01,
        "time_per_example": 1.5,
        "raw_completion": None,
    } | changes


def small() -> Files:
    nothing: dict[str, Any] = {"price_per_example": None, "time_per_example": None}
    logprobs = {"content": [{"token": "M", "logprob": -0.1}]}
    return {
        FILE: [
            row(GPT4, 0, 1.0, raw_completion="Because."),
            row(GPT4, 1, 2.0),
            row(GPT4, 2, 1.5, output_2="One", **nothing),
            row(GPT4, 3, None, **nothing),
        ],
        WEIGHTED_FILE: [
            row(WEIGHTED, 0, 1.25, raw_completion={"text": "M", "logprobs": logprobs}),
            row(WEIGHTED, 1, 1.75, raw_completion=[{"logprobs": logprobs, "index": 0}]),
            row(WEIGHTED, 2, 1.5, output_2="One"),
            row(WEIGHTED, 3, 2),
        ],
        OTHER_FILE: [row(FN, 0, 2, generator_1="stronger", referenced_models={"M": "output_1"})],
        OLD_FILE: [row(GPT4, 0, 0, generator_2="old"), row(GPT4, 1, 2, generator_2="old")],
    }


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_one_data_set_per_model_and_one_comparison_per_reference(tmp_path: Path) -> None:
    first, old = alpacaeval.read(write(tmp_path, small()))
    assert (first.dataset, old.dataset) == ("alpacaeval-m", "alpacaeval-old")
    assert set(first.comparisons["source_id"].to_pylist()) == {
        "reference:0",
        "reference:1",
        "reference:2",
        "reference:3",
        "stronger:0",
    }
    comparison = old.comparisons.to_pylist()[1]
    assert comparison | {"item": None} == {
        "item": None,
        "source_id": "reference:1",
        "prompt_key": None,
        "prompt": "Question 1",
        "response_a": "One",
        "response_b": "Two",
        "model_a": "reference",
        "model_b": "old",
        "category": "koala",
        "reference": None,
        "metadata": None,
    }
    assert {(a.kind, a.dataset) for a in old.annotators} == {(AnnotatorKind.JUDGE, old.dataset)}
    assert [a.name for a in first.annotators] == sorted([GPT4, WEIGHTED, FN])
    assert first.digest != old.digest


def test_preferences_draws_and_failures(tmp_path: Path) -> None:
    first, old = alpacaeval.read(write(tmp_path, small()))
    found = labels_of(first, GPT4)
    assert [(r["preference"], r["status"]) for r in found] == [
        ("a", "ok"),
        ("b", "ok"),
        ("tie", "ok"),
        (None, "failed"),
    ]
    assert [r["p_a"] for r in found] == [None] * 4
    assert [r["preference"] for r in labels_of(old, GPT4)] == ["tie", "b"]
    assert any("written as 0" in note for note in old.notes)
    assert not any("written as 0" in note for note in first.notes)
    assert "Labels that failed and carry no preference: 1." in first.notes
    assert any("no judge was asked: 1;" in note for note in first.notes)


def test_labels_of_one_reference_share_their_comparisons(tmp_path: Path) -> None:
    first, _ = alpacaeval.read(write(tmp_path, small()))
    ids = {r["item"]: r["source_id"] for r in first.comparisons.to_pylist()}
    for judge, expected in (
        (GPT4, [f"reference:{i}" for i in range(4)]),
        (WEIGHTED, [f"reference:{i}" for i in range(4)]),
        (FN, ["stronger:0"]),
    ):
        assert [ids[r["item"]] for r in labels_of(first, judge)] == expected


def test_the_weighted_judge_gives_probabilities(tmp_path: Path) -> None:
    first, _ = alpacaeval.read(write(tmp_path, small()))
    found = [(r["preference"], r["p_a"]) for r in labels_of(first, WEIGHTED)]
    assert found == [("a", 0.75), ("b", 0.25), ("tie", 0.5), ("b", 0.0)]


def test_price_time_and_replies(tmp_path: Path) -> None:
    first, _ = alpacaeval.read(write(tmp_path, small()))
    spoken, plain, draw, _failed = labels_of(first, GPT4)
    assert (spoken["cost_usd"], spoken["seconds"]) == (0.01, 1.5)
    assert (draw["cost_usd"], draw["seconds"]) == (None, None)
    assert (spoken["rationale"], spoken["details"]) == ("Because.", None)
    assert (plain["rationale"], plain["details"]) == (None, None)
    as_object, as_list, *_ = labels_of(first, WEIGHTED)
    assert json.loads(as_object["details"]) == {"raw": {"text": "M"}}
    assert json.loads(as_list["details"]) == {"raw": [{"index": 0}]}
    (other,) = labels_of(first, FN)
    assert json.loads(other["details"]) == {"referenced_models": {"M": "output_1"}}


def change(name: str, position: int, **values: Any) -> Callable[[Files], object]:
    return lambda files: files[name][position].update(values)


PLACE = "alpaca_eval_gpt4/annotations.json, position"
WRONG: dict[str, tuple[Callable[[Files], object], str]] = {
    "preference 3": (
        change(FILE, 1, preference=3),
        f"{PLACE} 1: preference is 3, not one of 1, 2, 1.5 and 0",
    ),
    "probability of a judge that is not weighted": (
        change(FILE, 0, preference=1.25),
        f"{PLACE} 0: preference is 1.25, not one of",
    ),
    "preference true": (change(FILE, 0, preference=True), "preference is True, not one of"),
    "preference a text": (change(FILE, 0, preference="1"), "preference is '1', not one of"),
    "preference not a number": (
        change(FILE, 0, preference=float("nan")),
        "preference is nan, not one of",
    ),
    "weighted preference out of range": (
        change(WEIGHTED_FILE, 0, preference=2.01),
        "position 0: preference is 2.01, not a number from 1 to 2",
    ),
    "weighted preference in the old way": (
        change(WEIGHTED_FILE, 0, preference=0),
        "position 0: preference is 0, not a number from 1 to 2",
    ),
    "no preference": (lambda files: files[FILE][0].pop("preference"), "no field 'preference'"),
    "price a text": (
        change(FILE, 1, price_per_example="0.01"),
        f'{PLACE} 1: price_per_example is "0.01", not an amount',
    ),
    "price beyond reason": (change(FILE, 1, price_per_example=1e307), "not an amount from 0 to"),
    "price below nothing": (change(FILE, 1, price_per_example=-1), "is -1, not an amount"),
    "time without end": (
        change(FILE, 1, time_per_example=float("inf")),
        "time_per_example is Infinity, not an amount",
    ),
    "no price field": (
        lambda files: files[FILE][0].pop("price_per_example"),
        "no field 'price_per_example'",
    ),
    "output not a text": (change(FILE, 1, output_1=None), "output_1 is null, not a text"),
    "no annotator": (change(FILE, 1, annotator=None), "annotator is null, not a text"),
    "other texts at the same position": (
        change(WEIGHTED_FILE, 1, output_2="Else"),
        "position 1: output_2 is not that of the same position in",
    ),
    "a row too few": (
        lambda files: files[WEIGHTED_FILE].pop(),
        "comparison 'reference:3' is missing",
    ),
    "a row too many": (
        lambda files: files[WEIGHTED_FILE].append(row(WEIGHTED, 4, 1)),
        "comparison 'reference:4' is not in the data set",
    ),
    "the same annotator twice": (
        lambda files: files.update({"results/m/again/annotations.json": files[FILE]}),
        "the label of 'alpaca_eval_gpt4 on reference:0' stands there a second time",
    ),
    "a reply that is no JSON": (
        change(FILE, 0, raw_completion={"score": float("nan")}),
        "position 0: raw cannot be stored as JSON",
    ),
    "no rows": (lambda files: files[FILE].clear(), "annotations.json: not a list of objects"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_an_error_that_names_the_place(tmp_path: Path, case: str) -> None:
    spoil, message = WRONG[case]
    files = small()
    spoil(files)
    with pytest.raises(InputError) as error:
        alpacaeval.read(write(tmp_path, files))
    assert message in error.value.what
    assert error.value.fix


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, small())
    (tmp_path / FILE).write_text("[\n{}\n{}]", encoding="utf-8")
    with pytest.raises(InputError, match=r"alpaca_eval_gpt4/annotations\.json, line 3"):
        alpacaeval.read(tmp_path)


def test_missing_folders_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        alpacaeval.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no results"):
        alpacaeval.read(tmp_path)
    (tmp_path / "results" / "m").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no <model>/<annotator>/annotations") as error:
        alpacaeval.read(tmp_path)
    assert "tatsu-lab/alpaca_eval" in error.value.fix
