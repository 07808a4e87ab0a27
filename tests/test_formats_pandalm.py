from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from data.errors import InputError
from data.formats import pandalm
from data.records import AnnotatorKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.formats.material import Material

HUMANS = ("annotator1", "annotator2", "annotator3")
JUDGE_FILES = {"gpt": "gpt-3.5-turbo-testset-v1.json", "pandalm": "pandalm-7b-testset-v1.json"}
Files = dict[str, list[dict[str, Any]]]


def by_annotator(material: Material) -> dict[str, dict[int, str | None]]:
    found: dict[str, dict[int, str | None]] = {}
    for label in material.labels.to_pylist():
        found.setdefault(label["annotator"], {})[label["item"]] = label["preference"]
    return found


def cohen_kappa(x: list[str | None], y: list[str | None]) -> float:
    n = len(x)
    observed = sum(a == b for a, b in zip(x, y, strict=True)) / n
    counts_x, counts_y = Counter(x), Counter(y)
    expected = sum(counts_x[value] * counts_y[value] for value in counts_x) / n**2
    return (observed - expected) / (1 - expected)


def mode(votes: list[str | None]) -> str | None:
    (first, _), *_ = Counter(votes).most_common()
    return first


# The published test set


@pytest.fixture(scope="module")
def published(real_data: Path) -> Material:
    (material,) = pandalm.read(real_data / "pandalm")
    return material


@pytest.mark.real_data
def test_counts_of_the_published_test_set(published: Material) -> None:
    comparisons = published.comparisons.to_pylist()
    assert published.dataset == "pandalm"
    assert len(comparisons) == 999
    assert len({row["prompt"] for row in comparisons}) == 170
    assert [row["source_id"] for row in comparisons] == [str(i) for i in range(999)]
    assert len({frozenset((row["model_a"], row["model_b"])) for row in comparisons}) == 10
    assert Counter(published.labels["annotator"].to_pylist()) == dict.fromkeys(
        (*HUMANS, "gpt-3.5-turbo", "pandalm-7b"), 999
    )
    assert set(published.labels["shown"].to_pylist()) == {None}
    assert set(published.comparisons["category"].to_pylist()) == {None}


@pytest.mark.real_data
def test_dirty_values_of_the_published_test_set(published: Material) -> None:
    comparisons = published.comparisons.to_pylist()
    logical = {157: "a", 158: "a", 159: "a", 161: "b", 162: "b", 164: "a"}
    assert {i: comparisons[i][f"response_{side}"] for i, side in logical.items()} == dict.fromkeys(
        logical, "true"
    )
    assert sum("" in (row["response_a"], row["response_b"]) for row in comparisons) == 54
    unparsed = [row for row in published.labels.to_pylist() if row["status"] == "parse_error"]
    assert len(unparsed) == 25
    assert {row["annotator"] for row in unparsed} == {"gpt-3.5-turbo"}
    apps = {json.loads(row["metadata"])["motivation_app"] for row in comparisons}
    assert {"Yelp", "yelp"} <= apps


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("x", "y", "kappa"),
    [(0, 1, 0.8520), (0, 2, 0.8789), (1, 2, 0.8617)],
)
def test_published_kappas_between_humans(published: Material, x: int, y: int, kappa: float) -> None:
    labels = by_annotator(published)
    first, second = (list(labels[HUMANS[i]].values()) for i in (x, y))
    assert cohen_kappa(first, second) == pytest.approx(kappa, abs=5e-5)


@pytest.mark.real_data
def test_published_majority_and_agreement_of_the_judges(published: Material) -> None:
    labels = by_annotator(published)
    majority = {item: mode([labels[name][item] for name in HUMANS]) for item in range(999)}
    assert Counter(majority.values()) == {"tie": 105, "a": 422, "b": 472}
    agreement, usable_items = {}, {}
    for judge in ("gpt-3.5-turbo", "pandalm-7b"):
        usable = {item: vote for item, vote in labels[judge].items() if vote is not None}
        right = sum(vote == majority[item] for item, vote in usable.items())
        agreement[judge], usable_items[judge] = right / len(usable), len(usable)
    assert usable_items == {"gpt-3.5-turbo": 974, "pandalm-7b": 999}
    assert agreement == pytest.approx({"gpt-3.5-turbo": 0.7156, "pandalm-7b": 0.6677}, abs=5e-5)


# Small folders


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        (folder / name).write_text(json.dumps(rows), encoding="utf-8")
    return folder


def small() -> Files:
    def item(idx: int, **changes: Any) -> dict[str, Any]:
        return {
            "idx": idx,
            "motivation_app": "Yelp",
            "cmp_key": "bloom-7b_llama-7b",
            "instruction": "Sum up.",
            "input": "Long text",
            "response1": "One",
            "response2": "Two",
            "annotator1": 1,
            "annotator2": 2,
            "annotator3": 0,
        } | changes

    def judged(prefix: str, idx: int, result: object) -> dict[str, Any]:
        return {
            "idx": idx,
            f"{prefix}_result": result,
            f"{prefix}_reason": "Shorter.",
            f"{prefix}_reference": "Three",
        }

    return {
        "testset-v1.json": [item(7), item(9, input="", response1=True, response2="")],
        JUDGE_FILES["gpt"]: [judged("gpt", 7, "Tie"), judged("gpt", 9, "garbage")],
        JUDGE_FILES["pandalm"]: [judged("pandalm", 9, 2), judged("pandalm", 7, 0)],
    }


def test_reads_every_label_value_in_stored_orientation(tmp_path: Path) -> None:
    (material,) = pandalm.read(write(tmp_path, small()))
    assert by_annotator(material) == {
        "annotator1": {0: "a", 1: "a"},
        "annotator2": {0: "b", 1: "b"},
        "annotator3": {0: "tie", 1: "tie"},
        "gpt-3.5-turbo": {0: "tie", 1: None},
        "pandalm-7b": {1: "b", 0: "tie"},  # joined by idx, not by position
    }


def test_reads_prompts_models_and_odd_responses(tmp_path: Path) -> None:
    (material,) = pandalm.read(write(tmp_path, small()))
    first, second = material.comparisons.to_pylist()
    assert (first["source_id"], second["source_id"]) == ("7", "9")
    assert (first["prompt"], second["prompt"]) == ("Sum up.\n\nLong text", "Sum up.")
    assert (first["model_a"], first["model_b"]) == ("bloom-7b", "llama-7b")
    assert (second["response_a"], second["response_b"]) == ("true", "")
    assert json.loads(first["metadata"]) == {"motivation_app": "Yelp"}
    assert any("(idx 9)" in note for note in material.notes)
    assert any(note.startswith("1 comparisons have an empty response") for note in material.notes)


def test_a_reply_that_could_not_be_parsed_keeps_what_it_was(tmp_path: Path) -> None:
    (material,) = pandalm.read(write(tmp_path, small()))
    labels = [row for row in material.labels.to_pylist() if row["annotator"] == "gpt-3.5-turbo"]
    assert [row["status"] for row in labels] == ["ok", "parse_error"]
    assert json.loads(labels[0]["details"]) == {"reference": "Three"}
    assert json.loads(labels[1]["details"]) == {"reference": "Three", "raw": "garbage"}
    assert labels[0]["rationale"] == "Shorter."


def test_annotators_belong_to_the_data_set(tmp_path: Path) -> None:
    (material,) = pandalm.read(write(tmp_path, small()))
    humans, judges = material.annotators[:3], material.annotators[3:]
    assert {a.dataset for a in material.annotators} == {"pandalm"}
    assert [(a.kind, a.anonymous, a.model) for a in humans] == [
        (AnnotatorKind.HUMAN, False, None)
    ] * 3
    assert [(a.kind, a.model) for a in judges] == [
        (AnnotatorKind.JUDGE, "gpt-3.5-turbo"),
        (AnnotatorKind.JUDGE, "pandalm-7b"),
    ]


def test_reads_an_upstream_clone(tmp_path: Path) -> None:
    write(tmp_path / "clone" / "data", small())
    direct, clone = (pandalm.read(tmp_path / path)[0] for path in ("clone/data", "clone"))
    assert clone.comparisons.equals(direct.comparisons)
    assert clone.digest == direct.digest


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    before = pandalm.read(write(tmp_path / "before", small()))[0].digest
    files = small()
    files[JUDGE_FILES["pandalm"]][0]["pandalm_result"] = 1
    assert pandalm.read(write(tmp_path / "after", files))[0].digest != before


def change(name: str, position: int, **values: Any) -> Callable[[Files], None]:
    return lambda files: files[name][position].update(values)


TEST_SET, GPT, PANDALM = "testset-v1.json", JUDGE_FILES["gpt"], JUDGE_FILES["pandalm"]
WRONG: dict[str, tuple[Callable[[Files], object], str]] = {
    "unknown human label": (
        change(TEST_SET, 0, annotator2=3),
        "testset-v1.json, idx 7: annotator2 is 3, not one of 1, 2, 0",
    ),
    "label as text": (change(TEST_SET, 1, annotator1="1"), 'idx 9: annotator1 is "1", not one of'),
    "label true": (change(TEST_SET, 1, annotator1=True), "idx 9: annotator1 is true, not one of"),
    "unknown judge label": (
        change(GPT, 0, gpt_result="tie"),
        'gpt-3.5-turbo-testset-v1.json, idx 7: gpt_result is "tie", not one of "1", "2", "Tie"',
    ),
    "judge label of the other file's type": (
        change(PANDALM, 0, pandalm_result="2"),
        'idx 9: pandalm_result is "2", not one of 1, 2, 0',
    ),
    "response of a wrong type": (
        change(TEST_SET, 0, response2=5),
        "idx 7: response2 is 5, not a text",
    ),
    "half a character": (
        change(TEST_SET, 0, response2="\ud83d"),
        "idx 7: response2 holds half a character",
    ),
    "idx of a wrong type": (
        change(TEST_SET, 1, idx="9"),
        'testset-v1.json, position 1: idx is "9", not a whole number',
    ),
    "idx twice": (
        change(TEST_SET, 1, idx=7),
        "testset-v1.json, position 1: idx 7 stands there a second time",
    ),
    "idx twice in a judge file": (change(GPT, 1, idx=7), "idx 7 stands there a second time"),
    "judge file without an idx": (
        lambda files: files[GPT].pop(),
        "gpt-3.5-turbo-testset-v1.json: idx 9 is missing",
    ),
    "judge file with another idx": (
        lambda files: files[PANDALM].append(files[PANDALM][0] | {"idx": 11}),
        "pandalm-7b-testset-v1.json: idx 11 is not in the data set",
    ),
    "models not understood": (
        change(TEST_SET, 0, cmp_key="bloom-7b"),
        "idx 7: cmp_key is 'bloom-7b', not two model names",
    ),
    "three models": (change(TEST_SET, 0, cmp_key="a_b_c"), "cmp_key is 'a_b_c', not two"),
    "field missing": (
        lambda files: files[TEST_SET][0].pop("annotator3"),
        "idx 7: no field 'annotator3'",
    ),
    "no rows": (lambda files: files[TEST_SET].clear(), "testset-v1.json: not a list of objects"),
    "row not an object": (
        lambda files: files[TEST_SET].append([]),  # type: ignore[arg-type]
        "testset-v1.json, position 2: not an object",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_an_error_that_names_the_place(tmp_path: Path, case: str) -> None:
    spoil, message = WRONG[case]
    files = small()
    spoil(files)
    with pytest.raises(InputError) as error:
        pandalm.read(write(tmp_path, files))
    assert message in error.value.what
    assert error.value.fix


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, small())
    (tmp_path / GPT).write_text('[\n{"idx": 7,\n]', encoding="utf-8")
    with pytest.raises(InputError, match=r"gpt-3\.5-turbo-testset-v1\.json, line 3"):
        pandalm.read(tmp_path)


@pytest.mark.parametrize("name", [TEST_SET, GPT, PANDALM])
def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    write(tmp_path, small())
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"holds no {name}") as error:
        pandalm.read(tmp_path)
    assert "Name the folder" in error.value.fix


def test_a_missing_folder_and_a_file_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        pandalm.read(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: not a folder"):
        pandalm.read(tmp_path / "file")
