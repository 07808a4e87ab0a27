from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from data.errors import InputError
from data.formats import llmbar
from data.records import AnnotatorKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.formats.material import Material

SIZES = {
    "Natural": 100,
    "Neighbor": 134,
    "GPTInst": 92,
    "GPTOut": 47,
    "Manual": 46,
    "FairEval": 66,
    "MT-Bench": 200,
    "LLMEval^2": 200,
}
# Preferences of one judge on one set, by position in the set: (ab, ba), or (one, None)
Votes = dict[int, dict[str | None, str | None]]


# The published data


@pytest.fixture(scope="module")
def published(real_data: Path) -> Material:
    (material,) = llmbar.read(real_data / "llmbar")
    return material


@pytest.fixture(scope="module")
def votes(published: Material) -> dict[tuple[str, str], Votes]:
    """Of each set and annotator: item -> shown -> preference."""
    sets = published.comparisons["category"].to_pylist()
    found: dict[tuple[str, str], Votes] = defaultdict(lambda: defaultdict(dict))
    for label in published.labels.to_pylist():
        key = (sets[label["item"]], label["annotator"])
        found[key][label["item"]][label["shown"]] = label["preference"]
    return found


def accuracy(votes: dict[tuple[str, str], Votes], part: str, judge: str, shown: str) -> float:
    """Share of the set on which one order has the gold label; no preference is wrong."""
    gold, mine = votes[part, "gold"], votes[part, judge]
    return sum(mine[item][shown] == gold[item][None] for item in gold) / len(gold)


def same_in_both_orders(votes: dict[tuple[str, str], Votes], part: str, judge: str) -> float:
    """Positional agreement as published: two nulls agree."""
    mine = votes[part, judge].values()
    return sum(orders["ab"] == orders["ba"] for orders in mine) / len(mine)


@pytest.mark.real_data
def test_counts_of_the_published_data(published: Material) -> None:
    comparisons = published.comparisons.to_pylist()
    assert published.dataset == "llmbar"
    assert Counter(row["category"] for row in comparisons) == SIZES
    assert len({row["source_id"] for row in comparisons}) == 885
    assert comparisons[0]["source_id"] == "Natural:0"
    metadata = Counter(row["metadata"] for row in comparisons)
    assert {tuple(json.loads(content).values()): n for content, n in metadata.items()} == {
        (False, "LLMBar"): 100,
        (True, "LLMBar"): 319,
        (False, "Processed"): 466,
    }
    labels = Counter(published.labels["annotator"].to_pylist())
    assert labels["gold"] == 885
    assert labels["gpt-4/Vanilla_NoRules"] == 2 * 885
    assert labels["falcon-180b-chat/CoT"] == 2 * 419
    assert labels["chatgpt/Rating"] == 419
    assert len(labels) == len(published.annotators) == 27
    assert sum(labels.values()) == 29291


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("part", "judge", "mean", "agreement", "first"),
    [
        ("Natural", "gpt-4", 93.5, 97.0, 0.505),
        ("Natural", "chatgpt", 79.0, 68.0, 0.640),
        ("Natural", "llama2-70b-chat", 77.0, 74.0, 0.560),
        ("Natural", "palm2", 82.0, 84.0, 0.515),
        ("Natural", "falcon-180b-chat", 76.0, 60.0, 0.700),
        ("Neighbor", "gpt-4", 64.2, 89.6, 0.500),
        ("Neighbor", "chatgpt", 17.9, 73.1, 0.627),
        ("Neighbor", "llama2-70b-chat", 19.0, 87.3, 0.534),
        ("Neighbor", "palm2", 51.1, 70.9, 0.575),
        ("Neighbor", "falcon-180b-chat", 44.4, 41.0, 0.787),
        ("MT-Bench", "gpt-4", 81.0, 87.0, None),
        ("MT-Bench", "chatgpt", 71.25, 57.5, None),
        ("MT-Bench", "llama2-70b-chat", 72.0, 67.0, None),
        ("MT-Bench", "palm2", 70.25, 73.5, None),
        ("LLMEval^2", "gpt-4", 75.5, 87.5, None),
        ("LLMEval^2", "chatgpt", 70.25, 72.0, None),
        ("LLMEval^2", "llama2-70b-chat", 69.0, 75.0, None),
        ("LLMEval^2", "palm2", 66.0, 81.0, None),
        ("FairEval", "gpt-4", 72.73, 69.70, None),
        ("FairEval", "chatgpt", 57.58, 18.18, None),
        ("FairEval", "llama2-70b-chat", 56.06, 33.33, None),
        ("FairEval", "palm2", 59.85, 31.82, None),
    ],
)
def test_published_table(
    votes: dict[tuple[str, str], Votes],
    part: str,
    judge: str,
    mean: float,
    agreement: float,
    first: float | None,
) -> None:
    name = f"{judge}/Vanilla_NoRules"
    orders = [accuracy(votes, part, name, shown) for shown in ("ab", "ba")]
    assert 50 * sum(orders) == pytest.approx(mean, abs=0.051)
    assert 100 * same_in_both_orders(votes, part, name) == pytest.approx(agreement, abs=0.051)
    if first is not None:
        mine = votes[part, name].values()
        of_first = sum((orders["ab"] == "a") + (orders["ba"] == "b") for orders in mine)
        assert of_first / (2 * len(mine)) == pytest.approx(first, abs=6e-4)


def percent(statistics: dict[str, str], key: str) -> float:
    """The share in "92 / 100 = 92.0%" or "92.0%"."""
    return float(statistics[key].rpartition("= ")[2].rstrip("%")) / 100


@pytest.mark.real_data
def test_every_published_figure_of_every_run(
    votes: dict[tuple[str, str], Votes], real_data: Path
) -> None:
    files = sorted(real_data.glob("llmbar/Dataset/*/**/statistics.json"))
    checked = Counter[str]()
    for file in files:
        strategy, judge, part = file.parts[-2], file.parts[-3], file.parts[-5]
        name = f"{llmbar.MODELS[judge]}/{strategy}"
        statistics = json.loads(file.read_text(encoding="utf-8"))
        if strategy == "Rating":
            # upstream's two winners are one of each where the scores do not decide: half a point
            gold, mine = votes[part, "gold"], votes[part, name]
            points = {item: mine[item][None] for item in gold}
            right = sum(points[item] == gold[item][None] for item in gold)
            undecided = sum(vote in ("tie", None) for vote in points.values())
            found = (right + undecided / 2) / len(gold)
            assert found == pytest.approx(percent(statistics, "correct_average")), file
            decided = 1 - undecided / len(gold)
            assert decided == pytest.approx(percent(statistics, "equal")), file
        else:
            for key, shown in (("correct_False", "ab"), ("correct_True", "ba")):
                found = accuracy(votes, part, name, shown)
                assert found == pytest.approx(percent(statistics, key)), file
            found = same_in_both_orders(votes, part, name)
            assert found == pytest.approx(percent(statistics, "equal")), file
        checked[strategy] += 1
    assert checked == {
        "Vanilla_NoRules": 42,
        "Metrics_Reference": 42,
        "CoT": 30,
        "Vanilla": 30,
        "Rating": 10,
    }


@pytest.mark.real_data
def test_unparsed_replies_of_the_published_data(published: Material) -> None:
    sets = published.comparisons["category"].to_pylist()
    unparsed = Counter(
        (sets[label["item"]], label["annotator"].partition("/")[0])
        for label in published.labels.to_pylist()
        if label["status"] == "parse_error" and label["annotator"].endswith("/Vanilla_NoRules")
    )
    assert unparsed["LLMEval^2", "gpt-4"] == 11
    assert unparsed["LLMEval^2", "chatgpt"] == 11
    assert unparsed["LLMEval^2", "llama2-70b-chat"] == 10
    assert unparsed["LLMEval^2", "palm2"] == 36


@pytest.mark.real_data
def test_two_ratings_of_the_published_data_have_no_score(published: Material) -> None:
    ids = published.comparisons["source_id"].to_pylist()
    rated = [row for row in published.labels.to_pylist() if row["annotator"].endswith("/Rating")]
    unparsed = [row for row in rated if row["status"] == "parse_error"]
    assert [(ids[row["item"]], row["annotator"]) for row in unparsed] == [
        ("Neighbor:92", "gpt-4/Rating"),
        ("GPTInst:61", "gpt-4/Rating"),
    ]
    assert {row["shown"] for row in rated} == {None}
    assert sum(row["preference"] == "tie" for row in rated) == 280


# Small folders: every set has one comparison, Natural two and two judges

Json = Any
Files = dict[str, Json]
NATURAL = "LLMBar/Natural/dataset.json"
VANILLA = "LLMBar/Natural/evaluators/GPT-4/Vanilla/result.json"
RATING = "LLMBar/Natural/evaluators/LLaMA2/Rating/result.json"


def order(winner: str | None, text: str = "Output (a)", why: str = "stop") -> dict[str, Any]:
    return {"completion": [text, why], "winner": winner}


def verdict(forward: dict[str, Any], turned: dict[str, Any]) -> dict[str, Any]:
    return {"swap = False": forward, "swap = True": turned}


def scores(first: str, second: str) -> dict[str, Any]:
    return {
        "score_1": [first, "stop"],
        "score_2": [second, "stop"],
        "swap = False": {"winner": "2"},
        "swap = True": {"winner": "1"},
    }


def small() -> Files:
    def item(name: str, label: int) -> dict[str, Any]:
        return {"input": f"{name}?", "output_1": "One", "output_2": "Two", "label": label}

    files: Files = {f"{part.folder}/dataset.json": [item(part.name, 1)] for part in llmbar.SETS}
    natural = [item("Natural", 1), item("Other", 2)]
    files[NATURAL] = natural
    step = ["What makes a good answer?", "stop"]
    replies = (
        [step, verdict(order("1"), order("2", "Output (b)"))],
        [step, verdict(order("2", why=""), order(None, "", "content management policy"))],
    )
    files[VANILLA] = [row | {"results": found} for row, found in zip(natural, replies, strict=True)]
    rated = ([scores("6", "9")], [scores("7", "7")])
    files[RATING] = [row | {"results": found} for row, found in zip(natural, rated, strict=True)]
    return files


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def labels_of(material: Material, annotator: str) -> list[dict[str, Any]]:
    return [row for row in material.labels.to_pylist() if row["annotator"] == annotator]


def test_winners_are_already_in_stored_orientation(tmp_path: Path) -> None:
    (material,) = llmbar.read(write(tmp_path, small()))
    found = labels_of(material, "gpt-4/Vanilla")
    assert [(row["item"], row["shown"], row["preference"], row["status"]) for row in found] == [
        (0, "ab", "a", "ok"),
        (0, "ba", "b", "ok"),
        (1, "ab", "b", "ok"),
        (1, "ba", None, "parse_error"),
    ]
    assert [row["rationale"] for row in found] == ["Output (a)", "Output (b)", "Output (a)", None]
    assert json.loads(found[3]["details"]) == {"finish_reason": "content management policy"}


def test_ratings_are_one_label_whose_stored_winners_are_not_read(tmp_path: Path) -> None:
    (material,) = llmbar.read(write(tmp_path, small()))
    found = labels_of(material, "llama2-70b-chat/Rating")
    assert [(row["item"], row["shown"], row["preference"]) for row in found] == [
        (0, None, "b"),
        (1, None, "tie"),
    ]
    assert json.loads(found[0]["details"]) == {"ratings": {"a": 6.0, "b": 9.0}}


@pytest.mark.parametrize(
    ("first", "second", "preference"),
    [
        ("10", "9", "a"),  # as numbers, not as texts
        ("8", "8.5", "b"),
        (" 3\n", "2", "a"),
        ("", "0", None),
        ("0", "", None),
        ("N/A", "2", None),
        ("nan", "2", None),
    ],
)
def test_scores_are_compared_as_numbers_or_not_at_all(
    tmp_path: Path, first: str, second: str, preference: str | None
) -> None:
    files = small()
    files[RATING][0]["results"] = [scores(first, second)]
    label, _ = labels_of(llmbar.read(write(tmp_path, files))[0], "llama2-70b-chat/Rating")
    assert label["preference"] == preference
    assert label["status"] == ("ok" if preference else "parse_error")
    if preference is None:
        assert json.loads(label["details"])["raw"] == [first, second]


def test_gold_is_an_aggregate_and_comparisons_say_where_they_are_from(tmp_path: Path) -> None:
    (material,) = llmbar.read(write(tmp_path, small()))
    gold = labels_of(material, "gold")
    assert [row["preference"] for row in gold[:3]] == ["a", "b", "a"]
    assert {row["shown"] for row in gold} == {None}
    kinds = {a.name: (a.kind, a.dataset, a.model) for a in material.annotators}
    assert kinds["gold"] == (AnnotatorKind.AGGREGATE, "llmbar", None)
    assert kinds["gpt-4/Vanilla"] == (AnnotatorKind.JUDGE, "llmbar", "gpt-4")
    rows = {row["source_id"]: row for row in material.comparisons.to_pylist()}
    assert len(rows) == 9
    assert json.loads(rows["Manual:0"]["metadata"]) == {"adversarial": True, "collection": "LLMBar"}
    assert rows["LLMEval^2:0"]["category"] == "LLMEval^2"
    assert (rows["Natural:1"]["prompt"], rows["Natural:1"]["response_b"]) == ("Other?", "Two")
    assert {row["model_a"] for row in rows.values()} == {None}


def test_reads_an_upstream_clone_and_counts_the_other_sets(tmp_path: Path) -> None:
    write(tmp_path / "Dataset", small())
    plain = llmbar.read(tmp_path / "Dataset")[0]
    assert plain.skipped == ()
    write(tmp_path / "Dataset", {"CaseStudy/Constraint/dataset.json": [{}, {}]})
    clone = llmbar.read(tmp_path)[0]
    assert clone.labels.equals(plain.labels)
    (skipped,) = clone.skipped
    assert skipped.n == 2
    assert "CaseStudy" in skipped.example


def change(name: str, position: int, **values: Any) -> Callable[[Files], object]:
    return lambda files: files[name][position].update(values)


def result(*results: Any) -> Callable[[Files], object]:
    return change(VANILLA, 1, results=list(results))


RESULT = "GPT-4/Vanilla/result.json"
WRONG: dict[str, tuple[Callable[[Files], object], str]] = {
    "gold of 3": (
        change(NATURAL, 1, label=3),
        "Natural/dataset.json, position 1: label is 3, not one of 1, 2",
    ),
    "gold as text": (change(NATURAL, 0, label="1"), 'position 0: label is "1", not one of 1, 2'),
    "winner as number": (
        result(verdict(order("1") | {"winner": 1}, order("1"))),
        f'{RESULT}, position 1, swap = False: winner is 1, not one of "1", "2", null',
    ),
    "unknown winner": (
        result(verdict(order("1"), order("tie"))),
        f'{RESULT}, position 1, swap = True: winner is "tie", not one of',
    ),
    "one order only": (
        result({"swap = False": order("1")}),
        f"{RESULT}, position 1, swap = True: no field 'swap = True'",
    ),
    "order not an object": (
        result({"swap = False": order("1"), "swap = True": "2"}),
        "swap = True: not an object",
    ),
    "verdict not last": (
        result(verdict(order("1"), order("1")), ["step", "stop"]),
        "position 1: results does not end with an object",
    ),
    "no results": (result(), "position 1: results does not end with an object"),
    "completion a text": (
        result(verdict(order("1") | {"completion": "Output (a)"}, order("1"))),
        "swap = False: completion is not [text, reason it ended]",
    ),
    "completion without text": (
        result(verdict(order("1") | {"completion": [None, "stop"]}, order("1"))),
        "swap = False: completion is null, not a text",
    ),
    "one score only": (
        lambda files: files[RATING][0]["results"][-1].pop("score_2"),
        "LLaMA2/Rating/result.json, position 0: no field 'score_2'",
    ),
    "other input": (
        change(VANILLA, 1, input="Natural?"),
        f"{RESULT}, position 1: input is not that of the same position in dataset.json",
    ),
    "outputs exchanged": (
        change(VANILLA, 0, output_1="Two", output_2="One"),
        f"{RESULT}, position 0: output_1 is not that",
    ),
    "other gold": (change(VANILLA, 0, label=2), "position 0: label is not that"),
    "a row too few": (
        lambda files: files[VANILLA].pop(),
        f"{RESULT} holds 1 rows, dataset.json holds 2",
    ),
    "output not a text": (
        change("Processed/FairEval/dataset.json", 0, output_1=None),
        "FairEval/dataset.json, position 0: output_1 is null, not a text",
    ),
    "unknown judge": (
        lambda files: files.update({"LLMBar/Natural/evaluators/Claude/CoT/result.json": []}),
        "evaluators/Claude: a judge that this format does not know (known: GPT-4, ChatGPT,",
    ),
    "a strategy without results": (
        lambda files: files.update({VANILLA.replace("result", "statistics"): files.pop(VANILLA)}),
        f"{RESULT} is missing",
    ),
    "a set without data": (
        lambda files: files.pop("Processed/MT-Bench/dataset.json"),
        "MT-Bench/dataset.json is missing",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_an_error_that_names_the_place(tmp_path: Path, case: str) -> None:
    spoil, message = WRONG[case]
    files = small()
    spoil(files)
    with pytest.raises(InputError) as error:
        llmbar.read(write(tmp_path, files))
    assert message in error.value.what
    assert error.value.fix


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, small())
    (tmp_path / VANILLA).write_text('[\n{"input": 1 2}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"GPT-4/Vanilla/result\.json, line 2"):
        llmbar.read(tmp_path)


def test_a_missing_folder_and_one_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        llmbar.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no LLMBar") as error:
        llmbar.read(tmp_path)
    assert "princeton-nlp/LLMBar" in error.value.fix
