"""The bundled sample: what was promised of the texts and of the simulated labels."""

import csv
import io
import re
from collections import Counter, defaultdict
from itertools import combinations, permutations
from statistics import mean

import pytest

from data.samples import build

OBJECTIVE = {"facts and arithmetic", "code and extraction"}
SUBJECTIVE = {"creative and tone", "advice and sensitive"}
COLUMNS = [
    *["source_id", "prompt_id", "prompt", "response_a", "response_b", "model_a", "model_b"],
    *["category", "reference", "annotator", "annotator_kind", "preference", "shown", "strength"],
    *["seconds", "cost_usd"],
]
EMOJI = re.compile("[\u200d\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff]")
URL = re.compile(r"://|www\.", re.IGNORECASE)


@pytest.fixture(scope="module")
def prompts():
    return build.texts()


@pytest.fixture(scope="module")
def rows():
    return list(csv.DictReader(io.StringIO(build.LABELS.read_text(encoding="utf-8"))))


def responses(prompts):
    return [response for prompt in prompts for response in prompt["responses"]]


def agreement(rows):
    """Share of pairs of labels of one comparison that are equal."""
    preferences = defaultdict(list)
    for row in rows:
        preferences[row["source_id"]].append(row["preference"])
    pairs = [pair for of_one in preferences.values() for pair in combinations(of_one, 2)]
    return mean(x == y for x, y in pairs)


def tie_share(rows):
    return mean(row["preference"] == "tie" for row in rows)


def of(rows, category):
    return [row for row in rows if row["category"] == category]


# the texts


def test_two_objective_and_two_subjective_categories(prompts):
    kinds = {prompt["category"]: prompt["kind"] for prompt in prompts}
    assert {category for category, kind in kinds.items() if kind == "objective"} == OBJECTIVE
    assert {category for category, kind in kinds.items() if kind == "subjective"} == SUBJECTIVE
    assert len({(prompt["category"], prompt["kind"]) for prompt in prompts}) == 4


def test_every_category_has_at_least_20_prompts_with_ids_of_their_own(prompts):
    assert min(Counter(prompt["category"] for prompt in prompts).values()) >= 20
    assert len({prompt["prompt_id"] for prompt in prompts}) == len(prompts) == 88


def test_every_prompt_has_one_response_of_each_of_three_models(prompts):
    for prompt in prompts:
        models = [response["model"] for response in prompt["responses"]]
        assert models == ["aster", "birch", "cedar"], prompt["prompt_id"]


def test_only_objective_prompts_have_a_reference(prompts):
    for prompt in prompts:
        assert bool(prompt["reference"]) == (prompt["kind"] == "objective"), prompt["prompt_id"]


def test_objective_responses_are_clearly_right_or_clearly_wrong(prompts):
    for prompt in prompts:
        if prompt["kind"] == "objective":
            qualities = [response["quality"] for response in prompt["responses"]]
            assert all(q <= 0.35 or q >= 0.55 for q in qualities), prompt["prompt_id"]
            assert max(qualities) >= 0.55, prompt["prompt_id"]


def test_qualities_lie_between_0_and_1_and_differ_within_a_prompt(prompts):
    for prompt in prompts:
        qualities = {response["quality"] for response in prompt["responses"]}
        assert len(qualities) == 3, prompt["prompt_id"]
        assert 0 < min(qualities) < max(qualities) < 1, prompt["prompt_id"]


def test_no_text_is_empty_or_padded(prompts):
    for prompt in prompts:
        for text in [prompt["prompt"], *(response["text"] for response in prompt["responses"])]:
            assert text, prompt["prompt_id"]
            assert text == text.strip(), prompt["prompt_id"]


def test_no_text_is_contained_in_another(prompts):
    texts = [prompt["prompt"] for prompt in prompts]
    texts += [response["text"] for response in responses(prompts)]
    assert [(x, y) for x, y in permutations(texts, 2) if x in y] == []


@pytest.mark.parametrize("pattern", [EMOJI, URL])
def test_no_emoji_and_no_url(prompts, pattern):
    found = [
        prompt["prompt_id"]
        for prompt in prompts
        for text in (prompt["prompt"], prompt["reference"] or "")
        if pattern.search(text)
    ]
    found += [r["text"] for r in responses(prompts) if pattern.search(r["text"])]
    assert found == []


def test_truth_is_the_quality_of_every_response(prompts):
    assert build.truth() == [(r["text"], r["quality"]) for r in responses(prompts)]
    assert len(dict(build.truth())) == 264


# the labels


def test_committed_labels_are_what_build_makes():
    assert build.LABELS.read_bytes() == build.content().encode()


def test_columns(rows):
    assert list(rows[0]) == COLUMNS


def test_264_comparisons_with_three_different_annotators_each(rows):
    annotators = defaultdict(list)
    for row in rows:
        annotators[row["source_id"]].append(row["annotator"])
    assert len(annotators) == 264
    assert len(rows) == 792
    assert all(len(of_one) == len(set(of_one)) == 3 for of_one in annotators.values())
    assert len({frozenset(of_one) for of_one in annotators.values()}) == 10


def test_annotators_are_balanced_and_named_simulated(rows):
    counts = Counter(row["annotator"] for row in rows)
    assert sorted(counts) == [f"simulated-{n}" for n in range(1, 6)]
    assert max(counts.values()) - min(counts.values()) <= 1
    by_category = Counter((row["category"], row["annotator"]) for row in rows)
    assert max(by_category.values()) - min(by_category.values()) <= 1
    assert {row["annotator_kind"] for row in rows} == {"human"}


def test_every_comparison_is_one_pair_of_a_prompts_responses(prompts, rows):
    text = {
        (prompt["prompt_id"], response["model"]): response["text"]
        for prompt in prompts
        for response in prompt["responses"]
    }
    for row in rows:
        prompt, a, b = row["prompt_id"], row["model_a"], row["model_b"]
        assert row["source_id"] == f"{prompt}:{a}:{b}"
        assert (row["response_a"], row["response_b"]) == (text[prompt, a], text[prompt, b])
    models = {(row["prompt_id"], *sorted([row["model_a"], row["model_b"]])) for row in rows}
    assert len(models) == 264


def test_slots_and_order_are_not_tied_to_a_model(rows):
    comparisons = {row["source_id"]: (row["model_a"], row["model_b"]) for row in rows}
    pairs = Counter(comparisons.values())
    assert len(pairs) == 6
    assert min(pairs.values()) >= 30  # of 88 / 2 expected
    assert 0.45 < mean(row["shown"] == "ab" for row in rows) < 0.55
    assert 0.45 < mean(row["preference"] == "a" for row in rows if row["strength"]) < 0.55


@pytest.mark.parametrize("category", sorted(OBJECTIVE))
def test_humans_agree_more_on_objective_prompts(rows, category):
    assert 0.70 <= agreement(of(rows, category)) <= 0.80


@pytest.mark.parametrize("category", sorted(SUBJECTIVE))
def test_humans_agree_less_on_subjective_prompts(rows, category):
    assert 0.52 <= agreement(of(rows, category)) <= 0.66


def test_tie_share(rows):
    assert 0.08 <= tie_share(rows) <= 0.20
    assert all(0.08 <= tie_share(of(rows, c)) <= 0.20 for c in OBJECTIVE | SUBJECTIVE)


def test_strength_is_1_to_3_and_a_tie_has_none(rows):
    for row in rows:
        assert row["strength"] in ([""] if row["preference"] == "tie" else ["1", "2", "3"])
    assert {row["preference"] for row in rows} == {"a", "b", "tie"}


def test_seconds_and_costs(rows):
    assert all(15 <= float(row["seconds"]) <= 240 for row in rows)
    prices = {(row["annotator"], row["cost_usd"]) for row in rows}
    assert prices == {(f"simulated-{n}", "0.40" if n <= 3 else "0.65") for n in range(1, 6)}


def test_longer_texts_take_longer(rows):
    words = [len((row["response_a"] + " " + row["response_b"]).split()) for row in rows]
    half = sorted(words)[len(words) // 2]
    seconds = [float(row["seconds"]) for row in rows]
    longer = mean(s for s, w in zip(seconds, words, strict=True) if w > half)
    shorter = mean(s for s, w in zip(seconds, words, strict=True) if w <= half)
    assert longer > 1.4 * shorter


# what is said about them


def test_docstring_states_the_constants_in_force():
    stated = re.sub(r" +", " ", build.__doc__)
    for kind, sharpness in build.SHARPNESS.items():
        assert f"{kind} {sharpness:.2f} {build.TASTE[kind]:.2f} " in stated
    for p in build.PEOPLE:
        terms = (p.sharpness, p.length, p.markdown, p.tie_band, p.cost_usd)
        assert f"{p.name} {' '.join(f'{term:.2f}' for term in terms)}\n" in stated


def test_docstring_states_the_measured_figures(rows):
    stated = re.sub(r" +", " ", build.__doc__)
    for category in sorted(OBJECTIVE | SUBJECTIVE):
        some = of(rows, category)
        assert f"{category} {agreement(some):.2f} {tie_share(some):.2f}\n" in stated
    assert f"all four {agreement(rows):.2f} {tie_share(rows):.2f}\n" in stated


@pytest.mark.parametrize("name", ["README.md", "build.py"])
def test_simulated_is_said_where_it_is_read(name):
    assert "simulated" in (build.FOLDER / name).read_text(encoding="utf-8").lower()[:300]
