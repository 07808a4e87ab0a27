from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from data.errors import InputError
from data.formats import prd
from data.records import AnnotatorKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.formats.material import Material

FLIPPED = {"a": "b", "b": "a", "tie": "tie"}
VALUE = {"a": 1.0, "tie": 0.5, "b": 0.0}  # of response_a


def is_human(label: dict[str, Any]) -> bool:
    return str(label["annotator"]).startswith("human")


def as_shown(label: dict[str, Any]) -> str:
    """The preference with "a" for the response that was shown first."""
    preference = str(label["preference"])
    return preference if label["shown"] == "ab" else FLIPPED[preference]


# The published data


@pytest.fixture(scope="module")
def published(real_data: Path) -> Material:
    (material,) = prd.read(real_data / "prd-vicuna80")
    return material


@pytest.fixture(scope="module")
def labels(published: Material) -> list[dict[str, Any]]:
    return list(published.labels.to_pylist())


@pytest.fixture(scope="module")
def majority(labels: list[dict[str, Any]]) -> dict[int, str]:
    """The sign of an item's summed votes, as the published figures have it."""
    votes: dict[int, float] = defaultdict(float)
    for label in filter(is_human, labels):
        votes[label["item"]] += VALUE[label["preference"]] - 0.5
    return {
        item: "a" if total > 0 else "b" if total < 0 else "tie" for item, total in votes.items()
    }


def of_judge(labels: list[dict[str, Any]], judge: str) -> list[dict[str, Any]]:
    return [label for label in labels if label["annotator"] == judge]


@pytest.mark.real_data
def test_counts_of_the_published_data(published: Material, labels: list[dict[str, Any]]) -> None:
    comparisons = published.comparisons.to_pylist()
    judged = {label["item"] for label in labels if not is_human(label)}
    assert published.dataset == "prd-vicuna80"
    assert len(comparisons) == len({row["source_id"] for row in comparisons}) == 2560
    assert len(judged) == 800
    assert judged == {row["item"] for row in comparisons if row["response_a"] is not None}
    assert {label["item"] for label in labels if is_human(label)} == set(range(2560))
    assert sum(is_human(label) for label in labels) == 7040
    prompts = {row["prompt_key"]: row["prompt"] for row in comparisons}
    assert set(prompts) == {f"q{i}" for i in range(1, 81)}
    assert all(prompts[row["prompt_key"]] == row["prompt"] for row in comparisons)
    assert prompts["q1"] == "How can I improve my time management skills?"
    assert Counter(label["status"] for label in labels) == {"ok": 15040}


@pytest.mark.real_data
def test_three_anonymous_labels_but_one_on_claude(
    published: Material, labels: list[dict[str, Any]]
) -> None:
    comparisons = published.comparisons.to_pylist()
    numbers: dict[int, list[str]] = defaultdict(list)
    for label in filter(is_human, labels):
        numbers[label["item"]].append(label["annotator"])
    for row in comparisons:
        claude = "claude-1" in (row["model_a"], row["model_b"])
        expected = ["human-1"] if claude else ["human-1", "human-2", "human-3"]
        assert numbers[row["item"]] == expected
    guanaco = [row for row in comparisons if "guanaco" in row["source_id"]]
    assert len(guanaco) == 1760
    assert {(row["response_a"], row["response_b"]) for row in guanaco} == {(None, None)}


@pytest.mark.real_data
def test_every_judge_has_both_orders_of_every_pair(labels: list[dict[str, Any]]) -> None:
    for judge in ("gpt-4", "gpt-3.5-turbo", "claude-1", "bard", "vicuna-13b"):
        orders = Counter((label["item"], label["shown"]) for label in of_judge(labels, judge))
        assert len(orders) == 1600
        assert set(orders.values()) == {1}


@pytest.mark.real_data
def test_the_second_gpt35_files_are_skipped_and_counted(published: Material) -> None:
    (skipped,) = published.skipped
    assert skipped.n == 160
    assert "answer-gpt35-vs-answer-gpt4" in skipped.example


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("judge", "accuracy", "fleiss"),
    [
        ("gpt-4", 0.6425, 0.4062941),
        ("gpt-3.5-turbo", 0.620625, 0.3873769),
        ("claude-1", 0.606875, 0.319436),
        ("bard", 0.553125, 0.1462868),
        ("vicuna-13b", 0.50875, 0.1261779),
    ],
)
def test_published_agreement_with_the_human_majority(
    labels: list[dict[str, Any]],
    majority: dict[int, str],
    judge: str,
    accuracy: float,
    fleiss: float,
) -> None:
    mine = of_judge(labels, judge)
    agreement = sum(label["preference"] == majority[label["item"]] for label in mine) / len(mine)
    assert agreement == pytest.approx(accuracy, abs=1e-9)
    shares: Counter[str] = Counter(as_shown(label) for label in mine)
    shares += Counter(as_shown(label | {"preference": majority[label["item"]]}) for label in mine)
    expected = sum((n / (2 * len(mine))) ** 2 for n in shares.values())
    assert (agreement - expected) / (1 - expected) == pytest.approx(fleiss, abs=5e-8)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("judge", "consistent", "shares"),
    [
        ("gpt-4", 0.689, (0.530, 0.320, 0.150)),
        ("claude-1", 0.549, (0.332, 0.586, 0.082)),
        ("gpt-3.5-turbo", 0.691, (0.396, 0.412, 0.191)),
        ("bard", 0.369, (0.783, 0.181, 0.036)),
        ("vicuna-13b", 0.374, (0.394, 0.576, 0.029)),
    ],
)
def test_published_position_figures(
    labels: list[dict[str, Any]], judge: str, consistent: float, shares: tuple[float, ...]
) -> None:
    mine = of_judge(labels, judge)
    by_order = {(label["item"], label["shown"]): label["preference"] for label in mine}
    items = {label["item"] for label in mine}
    same = sum(by_order[item, "ab"] == by_order[item, "ba"] for item in items)
    assert same / len(items) == pytest.approx(consistent, abs=6e-4)
    shown = Counter(as_shown(label) for label in mine)
    found = [shown[value] / len(mine) for value in ("a", "b", "tie")]
    assert found == pytest.approx(shares, abs=6e-4)


def win_rates(comparisons: list[dict[str, Any]], votes: list[tuple[int, str]]) -> dict[str, float]:
    points: dict[str, list[float]] = defaultdict(list)
    for item, preference in votes:
        points[comparisons[item]["model_a"]].append(VALUE[preference])
        points[comparisons[item]["model_b"]].append(1 - VALUE[preference])
    return {model: sum(found) / len(found) for model, found in points.items()}


@pytest.mark.real_data
def test_published_win_rates(
    published: Material, labels: list[dict[str, Any]], majority: dict[int, str]
) -> None:
    comparisons = published.comparisons.to_pylist()
    judged = {label["item"] for label in labels if not is_human(label)}
    human = win_rates(comparisons, [(item, majority[item]) for item in judged])
    assert human == pytest.approx(
        {
            "gpt-4": 0.821875,
            "claude-1": 0.6890625,
            "vicuna-13b": 0.3890625,
            "gpt-3.5-turbo": 0.3140625,
            "bard": 0.2859375,
        }
    )
    votes = [(label["item"], label["preference"]) for label in of_judge(labels, "gpt-3.5-turbo")]
    judge = win_rates(comparisons, votes)
    assert judge["gpt-4"] == pytest.approx(0.821875)  # .81875 with the other two files
    assert judge["claude-1"] == pytest.approx(0.70390625)


@pytest.mark.real_data
def test_published_disagreement_among_humans(
    published: Material, labels: list[dict[str, Any]]
) -> None:
    comparisons = published.comparisons.to_pylist()
    votes: dict[int, set[str]] = defaultdict(set)
    for label in filter(is_human, labels):
        row = comparisons[label["item"]]
        if row["response_a"] is not None and "claude" not in row["source_id"]:
            votes[label["item"]].add(label["preference"])
    assert len(votes) == 480
    assert sum(len(found) == 1 for found in votes.values()) / 480 == pytest.approx(0.344, abs=5e-4)
    assert sum(len(found) == 3 for found in votes.values()) == 56


@pytest.mark.real_data
def test_both_folders_read_the_same(real_data: Path, published: Material) -> None:
    inner = prd.read(real_data / "prd-vicuna80" / "data" / "vicuna80")[0]
    assert inner.digest == published.digest
    assert inner.comparisons.equals(published.comparisons)


# Small folders: one question, judged on bard and gpt4 in both orders

RATINGS = "ratings-{0}/answer_{1}-vs-answer_{2}-{0}-reviewer{3}.jsonl"
HUMAN_FILE = RATINGS.format("human", "gpt4", "bard", "_threeclass")
GUANACO_FILE = RATINGS.format("human", "guanaco-7b", "bard", "_threeclass")
BARD_FILE = RATINGS.format("bard", "bard", "gpt4", "_threeclass")
GPT35_FILE = RATINGS.format("gpt35", "bard", "gpt4", "_threeclass")
QUESTIONS = "prompts/vicuna_questions.jsonl"
SUFFIXES = {"gpt4": "-threeclass", "vicuna-13b": ""}
Files = dict[str, list[dict[str, Any]]]


def rating(score: object, first: str, second: str, question: int = 1) -> dict[str, Any]:
    return {
        "question_id": question,
        "answer1_id": f"{first}-{question}",
        "answer2_id": f"{second}-{question}",
        "text": "Because.",
        "score": score,
    }


def small() -> Files:
    files: Files = {
        QUESTIONS: [{"question_id": 1, "text": "How?", "category": "generic"}],
        HUMAN_FILE: [{"question_id": 1, "text": "How?", "score": score} for score in (1, 2, 3)],
        GUANACO_FILE: [{"question_id": 1, "text": "How?", "score": 1}],
    }
    for model in ("bard", "gpt4"):
        answer = {"question_id": 1, "text": f"{model}'s answer", "answer_id": f"{model}-1"}
        files[f"generations/answer_{model}.jsonl"] = [answer]
    for judge in prd.JUDGES:
        for first, second in (("bard", "gpt4"), ("gpt4", "bard")):
            name = RATINGS.format(judge, first, second, SUFFIXES.get(judge, "_threeclass"))
            files[name] = [rating(1, first, second)]
    return files


def write(folder: Path, files: Files) -> Path:
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_reads_both_orders_in_stored_orientation(tmp_path: Path) -> None:
    (material,) = prd.read(write(tmp_path, small()))
    found = material.labels.to_pylist()
    for judge in ("bard", "claude-1", "gpt-3.5-turbo", "gpt-4", "vicuna-13b"):
        by_order = {row["shown"]: row["preference"] for row in of_judge(found, judge)}
        assert by_order == {"ab": "a", "ba": "b"}  # the first shown won twice
    assert {row["rationale"] for row in of_judge(found, "bard")} == {"Because."}


def test_humans_are_numbered_per_comparison_and_turned_round(tmp_path: Path) -> None:
    (material,) = prd.read(write(tmp_path, small()))
    ids = {row["item"]: row["source_id"] for row in material.comparisons.to_pylist()}
    found = [
        (ids[row["item"]], row["annotator"], row["shown"], row["preference"], row["line"])
        for row in material.labels.to_pylist()
        if is_human(row)
    ]
    assert found == [
        ("q1:bard:gpt4", "human-1", "ba", "b", 1),  # gpt4 was shown first and won
        ("q1:bard:gpt4", "human-2", "ba", "a", 2),
        ("q1:bard:gpt4", "human-3", "ba", "tie", 3),
        ("q1:bard:guanaco-7b", "human-1", "ba", "b", 1),
    ]
    assert {row["rationale"] for row in material.labels.to_pylist() if is_human(row)} == {None}


def test_texts_models_and_guanaco_without_answers(tmp_path: Path) -> None:
    (material,) = prd.read(write(tmp_path, small()))
    first, guanaco = material.comparisons.to_pylist()
    assert (first["model_a"], first["model_b"]) == ("bard", "gpt-4")
    assert (first["response_a"], first["response_b"]) == ("bard's answer", "gpt4's answer")
    assert (first["prompt_key"], first["prompt"], first["category"]) == ("q1", "How?", "generic")
    assert (guanaco["model_a"], guanaco["model_b"]) == ("bard", "guanaco-7b")
    assert (guanaco["response_a"], guanaco["response_b"]) == (None, None)
    assert guanaco["prompt"] == "How?"


def test_annotators_belong_to_the_data_set(tmp_path: Path) -> None:
    (material,) = prd.read(write(tmp_path, small()))
    assert {a.dataset for a in material.annotators} == {"prd-vicuna80"}
    kinds = {a.name: (a.kind, a.anonymous) for a in material.annotators}
    assert kinds["human-3"] == (AnnotatorKind.HUMAN, True)
    assert kinds["gpt-3.5-turbo"] == (AnnotatorKind.JUDGE, False)
    assert len(kinds) == 8
    assert any("lfqa" in note for note in material.notes)


def test_a_score_of_minus_one_is_not_a_preference(tmp_path: Path) -> None:
    files = small()
    files[BARD_FILE][0]["score"] = -1
    (material,) = prd.read(write(tmp_path, files))
    unparsed = [row for row in material.labels.to_pylist() if row["status"] != "ok"]
    assert [(row["annotator"], row["status"], row["preference"]) for row in unparsed] == [
        ("bard", "parse_error", None)
    ]
    assert json.loads(unparsed[0]["details"]) == {"raw": -1}


def test_the_file_with_hyphens_gives_way_to_the_one_with_underscores(tmp_path: Path) -> None:
    files = small()
    twin = "ratings-gpt35/answer-bard-vs-answer-gpt4-gpt35-reviewer-threeclass.jsonl"
    files[twin] = [rating(2, "bard", "gpt4")]
    (material,) = prd.read(write(tmp_path, files))
    gpt35 = of_judge(material.labels.to_pylist(), "gpt-3.5-turbo")
    assert {(row["shown"], row["preference"]) for row in gpt35} == {("ab", "a"), ("ba", "b")}
    (skipped,) = material.skipped
    assert (skipped.n, skipped.example) == (1, str(tmp_path / twin))


def test_a_file_with_hyphens_alone_is_read(tmp_path: Path) -> None:
    files = small()
    only = "ratings-gpt35/answer-bard-vs-answer-gpt4-gpt35-reviewer-threeclass.jsonl"
    del files[GPT35_FILE]
    files[only] = [rating(2, "bard", "gpt4")]
    (material,) = prd.read(write(tmp_path, files))
    gpt35 = of_judge(material.labels.to_pylist(), "gpt-3.5-turbo")
    assert {(row["shown"], row["preference"]) for row in gpt35} == {("ab", "b"), ("ba", "b")}
    assert material.skipped == ()


def test_folders_programs_and_hidden_files_are_not_labels(tmp_path: Path) -> None:
    write(tmp_path, small())
    plain = prd.read(tmp_path)[0]
    (tmp_path / "ratings-bard" / "pairwise_no_fix").mkdir()
    for name in ("pairwise_no_fix/annotate.py", "annotate.py", ".DS_Store"):
        (tmp_path / "ratings-bard" / name).write_text("print()", encoding="utf-8")
    assert prd.read(tmp_path)[0].labels.equals(plain.labels)


@pytest.mark.parametrize("prefix", ["", "vicuna80", "data/vicuna80"])
def test_reads_an_upstream_clone(tmp_path: Path, prefix: str) -> None:
    write(tmp_path / prefix, small())
    assert len(prd.read(tmp_path)[0].labels) == 14


@pytest.mark.parametrize(
    "name",
    [
        "answer_bard-vs-answer_palm-bard-reviewer_threeclass.jsonl",  # unknown model
        "answer_bard-vs-answer_gpt4-claude-reviewer_threeclass.jsonl",  # another judge's
        "answer_bard-vs-answer_bard-bard-reviewer_threeclass.jsonl",
        "answer_bard-vs-answer-gpt4-bard-reviewer_threeclass.jsonl",  # mixed separators
        "answer_bard-vs-answer_gpt4-bard-reviewer_twoclass.jsonl",
        "answer_bard-vs-answer_gpt4-bard-reviewer_threeclass.jsonl.bak",
        "notes.txt",
    ],
)
def test_a_file_name_that_is_not_understood_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, small())
    (tmp_path / "ratings-bard" / name).touch()
    with pytest.raises(InputError, match="the file name is not answer_X-vs-answer_Y") as error:
        prd.read(tmp_path)
    assert str(tmp_path / "ratings-bard" / name) in error.value.what


def change(name: str, **values: Any) -> Callable[[Files], object]:
    return lambda files: files[name][0].update(values)


def remove(name: str) -> Callable[[Files], object]:
    return lambda files: files.pop(name)


def again(name: str, **values: Any) -> Callable[[Files], object]:
    return lambda files: files[name].append(files[name][0] | values)


SECOND_SEPARATOR = RATINGS.format("bard", "bard", "gpt4", "-threeclass")
WRONG: dict[str, tuple[Callable[[Files], object], str]] = {
    "score 4": (
        change(BARD_FILE, score=4),
        "bard-reviewer_threeclass.jsonl, line 1: score is 4, not one of 1, 2, 3, -1",
    ),
    "score as text": (change(HUMAN_FILE, score="1"), 'line 1: score is "1", not one of'),
    "score true": (change(HUMAN_FILE, score=True), "line 1: score is true, not one of"),
    "score null": (change(HUMAN_FILE, score=None), "line 1: score is null, not one of"),
    "question twice for a judge": (
        again(BARD_FILE),
        "line 2: question_id 1 stands there a second time",
    ),
    "question unknown to a judge": (again(BARD_FILE, question_id=2), "question_id 2 is not in the"),
    "question missing for a judge": (
        again(QUESTIONS, question_id=2),
        "answer_bard.jsonl: question_id 2 is missing",
    ),
    "judge file empty": (
        lambda files: files[BARD_FILE].clear(),
        "bard-reviewer_threeclass.jsonl: question_id 1 is missing",
    ),
    "question unknown to humans": (again(HUMAN_FILE, question_id=2), "question_id 2 is not in"),
    "human text of another question": (
        change(HUMAN_FILE, text="Why?"),
        "line 1: the text is not that of question_id 1",
    ),
    "answers the other way round": (
        change(BARD_FILE, answer1_id="gpt4-1", answer2_id="bard-1"),
        "line 1: answer1_id is not bard's answer to question_id 1",
    ),
    "question id as text": (
        change(BARD_FILE, question_id="1"),
        'line 1: question_id is "1", not a whole number',
    ),
    "question twice": (again(QUESTIONS), "line 2: question_id 1 stands there a second time"),
    "no score": (lambda files: files[BARD_FILE][0].pop("score"), "line 1: no field 'score'"),
    "no questions file": (remove(QUESTIONS), "vicuna_questions.jsonl is missing"),
    "no answers": (remove("generations/answer_gpt4.jsonl"), "answer_gpt4.jsonl is missing"),
    "answer not a text": (
        change("generations/answer_gpt4.jsonl", text=None),
        "the answer to question_id 1",
    ),
    "no file for one order": (
        remove(BARD_FILE),
        "ratings-bard: the file for the two models ('bard', 'gpt4') is missing",
    ),
    "same pair and order under two names": (
        lambda files: files.update({SECOND_SEPARATOR: files[BARD_FILE]}),
        "hold the same pair in the same order",
    ),
    "unknown reviewer": (
        lambda files: files.update({"ratings-palm/x.jsonl": []}),
        "ratings-palm: ratings by a reviewer that this format does not know",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_an_error_that_names_the_place(tmp_path: Path, case: str) -> None:
    spoil, message = WRONG[case]
    files = small()
    spoil(files)
    with pytest.raises(InputError) as error:
        prd.read(write(tmp_path, files))
    assert message in error.value.what
    assert error.value.fix


def test_a_judge_without_folder_or_labels_is_an_error(tmp_path: Path) -> None:
    files = small()
    kept = {name: rows for name, rows in files.items() if "ratings-claude" not in name}
    write(tmp_path, kept)
    with pytest.raises(InputError, match="holds no ratings-claude") as error:
        prd.read(tmp_path)
    assert "bcdnlp/PRD" in error.value.fix
    (tmp_path / "ratings-claude").mkdir()
    with pytest.raises(InputError, match="ratings-claude holds no labels"):
        prd.read(tmp_path)


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, small())
    with (tmp_path / BARD_FILE).open("a", encoding="utf-8") as file:
        file.write('{"question_id": 2,\n')
    with pytest.raises(InputError, match=r"bard-reviewer_threeclass\.jsonl, line 2: not JSON"):
        prd.read(tmp_path)


def test_a_missing_folder_and_one_without_ratings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        prd.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no ratings-human"):
        prd.read(tmp_path)
