"""A reward model as a judge: what it was fitted on never scores itself; its file is not trusted."""

from __future__ import annotations

import io
import json
import os
import zipfile
from uuid import UUID

import numpy as np
import pytest

from data.errors import InputError, JudgeError
from data.records import AnnotatorKind, LabelStatus
from data.store import Store
from judges.config import read_judge
from judges.judge import Orders
from judges.response_features import Recipe, features_of, fit_idf, style_scale
from judges.reward_model import FOLDS, Scorer, Settings, packed, prompt_digest
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.reward_model import (
    fit_scorer,
    folds_of,
    lessons_of,
    read_lessons,
    read_texts,
    save_judge,
    settings_of,
)
from tests.estimating import HUMAN, JUDGE, label, store_of
from tests.judging import MIRRORED, TIE, A, ask, comparison, task

RECIPE = Recipe(buckets=512)
WORDS = ("good", "kind", "clear", "poor", "rude", "vague", "long", "short", "plain")


def worlds(n=80, per_prompt=2, seed=5):
    """Responses of random words, and who is preferred: whoever says more of the first three."""
    random = np.random.default_rng(seed)
    said = [[" ".join(random.choice(WORDS, size=8)) for _ in "ab"] for _ in range(n)]

    def quality(text):
        return sum(text.split().count(word) for word in WORDS[:3])

    marks = ["abt"[0 if d > 0 else 1 if d < 0 else 2] for a, b in said
             for d in [quality(a) - quality(b)]]  # fmt: skip
    return [tuple(each) for each in said], marks, [i // per_prompt for i in range(n)]


def store_with(folder, marks=None, name="s", swapped=()):
    said, own, prompts = worlds()
    marks = marks or own
    other = {"a": "b", "b": "a", "t": "t"}
    for item in swapped:
        said[item], marks = said[item][::-1], [*marks]
        marks[item] = other[marks[item]]
    labels = [label(i, "h1", mark) for i, mark in enumerate(marks)]
    labels += [label(i, "j", other[mark]) for i, mark in enumerate(marks) if i < 60]
    kinds = {"h1": HUMAN, "j": JUDGE}
    return store_of(folder / f"{name}.duckdb", labels, kinds, n_items=len(said), responses=said,
                    prompts=prompts)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return store_with(tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="module")
def lessons(store):
    return read_lessons(store, "d", "humans")


@pytest.fixture(scope="module")
def scorer(lessons):
    return fit_scorer(lessons, RECIPE)


@pytest.fixture
def file(tmp_path, lessons, scorer):
    save_judge(lessons, scorer, tmp_path / "rm.toml")
    return tmp_path / "rm.toml"


def scores_of(lessons, scorer, item, fold):
    return scorer.scores([lessons.first[item], lessons.second[item]], fold)


# ---- fitting


def test_each_fold_model_is_what_an_oracle_fits_to_the_other_prompts(lessons, scorer):
    from sklearn.linear_model import LogisticRegression

    for fold in (None, 0, 3):
        mine = [i for i in range(len(lessons.first)) if lessons.fold[i] != fold]
        seen = sorted({t for i in mine for t in (lessons.first[i], lessons.second[i])})
        idf, scale = fit_idf(RECIPE, seen), style_scale(seen)
        a, b = (
            features_of(RECIPE, [side[i] for i in mine], idf, scale).toarray()
            for side in (lessons.first, lessons.second)
        )
        # A soft target is a label of each side with that weight.
        y = np.repeat([1, 0], len(mine))
        weight = np.concatenate([lessons.targets[mine], 1 - lessons.targets[mine]])
        oracle = LogisticRegression(C=1 / RECIPE.ridge, fit_intercept=False, tol=1e-10,
                                    max_iter=5000)  # fmt: skip
        oracle.fit(np.concatenate([a - b] * 2), y, weight)
        row = 0 if fold is None else 1 + fold
        np.testing.assert_allclose(scorer.weights[row], oracle.coef_[0], atol=1e-5)
        np.testing.assert_allclose(scorer.idf[row], idf)
        np.testing.assert_allclose(scorer.scale[row], scale)


def test_labels_of_a_prompt_never_reach_its_own_scores(tmp_path, lessons, scorer):
    marks = worlds()[1]
    turned = [*marks]
    turned[0] = turned[1] = "b" if marks[0] != "b" else "a"
    prompt = lessons.prompts.index("prompt 0")
    fold = int(lessons.fold[prompt])
    other = fit_scorer(read_lessons(store_with(tmp_path, turned), "d", "humans"), RECIPE)
    assert scorer.fold_of("prompt 0") == fold
    same = [scores_of(lessons, each, prompt, fold) for each in (scorer, other)]
    assert same[0].tolist() == same[1].tolist()
    assert (
        scores_of(lessons, scorer, prompt, None) != scores_of(lessons, other, prompt, None)
    ).any()


def test_it_learns_what_the_labels_prefer_and_of_whom_it_is_told(store, lessons, scorer):
    decided = [i for i, target in enumerate(lessons.targets) if target != 0.5]

    def agreement(model):
        gaps = [np.subtract(*scores_of(lessons, model, i, lessons.fold[i])) for i in decided]
        return np.mean([(gap > 0) == (lessons.targets[i] > 0.5) for gap, i in
                        zip(gaps, decided, strict=True)])  # fmt: skip

    assert agreement(scorer) > 0.7
    judged = read_lessons(store, "d", "j")
    assert (len(judged.first), judged.left_out) == (60, 20)
    assert agreement(fit_scorer(judged, RECIPE)) < 0.3  # the judge prefers the opposite


def test_which_response_is_called_a_changes_nothing(tmp_path, lessons, scorer):
    other = read_lessons(store_with(tmp_path, swapped=range(0, 80, 3)), "d", "humans")
    turned = fit_scorer(other, RECIPE)
    np.testing.assert_allclose(turned.weights, scorer.weights, atol=1e-7)
    assert turned.known.tolist() == scorer.known.tolist()
    assert turned.fold.tolist() == scorer.fold.tolist()


def test_folds_follow_from_the_texts_and_keep_a_prompt_together():
    texts = ("one", "two", "two", "three")
    fold = folds_of(np.array([0, 0, 1, 2]), texts)
    first = min(map(prompt_digest, ("one", "two"))) % FOLDS
    assert fold.tolist() == [first, first, first, prompt_digest("three") % FOLDS]


def test_what_cannot_be_fitted_is_said(store, lessons, tmp_path):
    with pytest.raises(InputError, match="no annotator 'x'") as error:
        read_lessons(store, "d", "x")
    assert "humans, h1, j" in error.value.fix
    with pytest.raises(InputError, match="free to run"):
        fit_scorer(lessons, Recipe(embedding="an-embedding"))
    few = store_of(tmp_path / "few.duckdb", [label(i, "h", "a") for i in range(19)], {"h": HUMAN},
                   n_items=19)  # fmt: skip
    with pytest.raises(InputError, match="19 prompts") as error:
        read_lessons(few, "d", "humans")
    assert "at least 20" in error.value.fix
    bare = store_of(tmp_path / "bare.duckdb", [label(i, "h", "a") for i in range(30)],
                    {"h": HUMAN}, n_items=30, texts=False)  # fmt: skip
    with pytest.raises(InputError, match="0 prompts"):
        read_lessons(bare, "d", "humans")


# ---- the judge


def test_a_label_of_it_is_complete_free_and_the_same_in_either_slot(file, scorer):
    judge = read_judge(file)
    assert (judge.orders, judge.by_prompt, judge.reduced("m")) == (Orders.NONE, False, None)
    [annotator] = judge.annotators()
    assert (annotator.kind, annotator.name, annotator.model) == (AnnotatorKind.JUDGE, "rm", None)
    for prompt in ("prompt 0", "of nobody", None):
        for a, b in (("good kind", "rude"), ("vague", "clear good words"), ("same", "same")):
            one, other = (
                ask(judge, task(None, comparison(1, *each, prompt)))[0].label
                for each in ((a, b), (b, a))
            )
            assert (one.status, one.cost_usd, one.shown) == (LabelStatus.OK, 0.0, None)
            assert one.preference is MIRRORED[other.preference]
            assert one.p_a + other.p_a == pytest.approx(1)
            fold = scorer.fold_of(prompt)
            assert one.details["fold"] == fold
            scores = scorer.scores([a, b], fold)
            assert list(one.details["scores"].values()) == pytest.approx(scores.tolist())
            assert one.p_a == pytest.approx(1 / (1 + np.exp(scores[1] - scores[0])))
            assert (one.preference is A) == (one.p_a > 0.5)
            assert (one.preference is TIE) == (a == b)
    assert scorer.fold_of("of nobody") is scorer.fold_of(None) is None


def test_end_to_end_its_labels_on_training_prompts_are_those_of_the_fold_models(
    tmp_path, run, lessons, scorer, file
):
    store = store_with(tmp_path, name="mine")
    code, out, err = run("label", "--judge", file, "--store", store.path, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["status"], result["done"], result["spent_usd"]) == ("complete", 80, 0)
    sql = """SELECT prompt, response_a, response_b, p_a, preference, cost_usd, kind
             FROM labels JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
             WHERE name = 'rm'"""
    with Store(store.path).reading() as con:
        found = con.execute(sql).fetchall()
    assert len(found) == 80
    off = 0
    for prompt, a, b, p_a, preference, cost, kind in found:
        fold = int(lessons.fold[lessons.prompts.index(prompt)])
        gap = np.subtract(*scorer.scores([a, b], fold))
        assert p_a == pytest.approx(1 / (1 + np.exp(-gap)))
        assert preference == ("a" if gap > 0 else "b" if gap < 0 else "tie")
        assert (cost, kind) == (0, "judge")
        off += abs(np.subtract(*scorer.scores([a, b], None)) - gap) > 0.01
    assert off > 40  # the model of all prompts would have said something else
    code, _, err = run("label", "--judge", file, "--store", store.path)
    assert (code, "all 80 labels" in err) == (0, True)


def test_the_command_saves_a_judge_that_labels(tmp_path, run, store):
    learn = ("learn", "--store", store.path, "--save", "own.toml", "--recipe", "buckets=512")
    code, out, err = run(*learn, "--json")
    assert code == 0, err
    assert (json.loads(out)["comparisons"], json.loads(out)["left_out"]) == (80, 0)
    assert "fitted to the labels of humans on 80 comparisons of d; 40 prompts in 5 folds" in err
    other = store_with(tmp_path, name="mine")
    code, _, err = run("label", "--judge", "own.toml", "--store", other.path, "--limit", 3)
    assert code == 0, err
    code, _, err = run(*learn)
    assert (code, "own.toml exists already" in err) == (3, True)
    code, _, err = run(*learn, "--force", "--train-on", "j")
    assert code == 0, err
    assert "labels of j on 60 comparisons" in err
    assert "20 comparisons left out" in err
    code, _, err = run(*learn, "--force", "--judge", "j")
    assert (code, "--train-on" in err) == (3, True)


def test_other_numbers_are_another_annotator(tmp_path, store, lessons, scorer):
    ids = {}
    for name, taught in (("one", lessons), ("again", lessons),
                         ("other", read_lessons(store, "d", "j"))):  # fmt: skip
        (tmp_path / name).mkdir()
        path = tmp_path / name / "rm.toml"
        save_judge(taught, fit_scorer(taught, RECIPE), path)
        ids[name] = read_judge(path).annotator().annotator_id
        assert isinstance(ids[name], UUID)
    assert ids["one"] == ids["again"] != ids["other"]
    assert (tmp_path / "one" / "rm.npz").read_bytes() == (tmp_path / "again/rm.npz").read_bytes()


def test_its_definition_says_what_it_was_fitted_to_and_where_nothing_lies(file):
    said = json.dumps(read_judge(file).annotator().definition)
    assert str(file.parent) not in said
    for word in ('"source": "humans"', '"dataset": "d"', '"comparisons": 80', '"prompts": 40'):
        assert word in said


def test_a_name_that_exists_is_not_replaced_unless_told(file, lessons, scorer):
    before = file.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        save_judge(lessons, scorer, file)
    save_judge(lessons, scorer, file, force=True)
    assert file.read_bytes() == before
    assert sorted(each.name for each in file.parent.iterdir()) == ["rm.npz", "rm.toml"]
    for name in ("rm.json", "rm", "ä.toml", "a b.toml"):
        with pytest.raises(InputError, match="cannot save a judge as"):
            save_judge(lessons, scorer, file.parent / name)


def test_a_source_of_any_name_is_written_as_toml(tmp_path, lessons, scorer):
    from dataclasses import replace

    odd = 'a "judge"\\ \n \x7f \U0001f600'
    save_judge(replace(lessons, source=odd), scorer, tmp_path / "rm.toml")
    assert read_judge(tmp_path / "rm.toml").settings.source == odd


# ---- files of others


def error_of(path):
    with pytest.raises(JudgeError) as caught:
        read_judge(path)
    assert str(path.parent) in caught.value.what
    assert "\n" not in caught.value.what + caught.value.fix
    assert caught.value.fix
    return caught.value.what


def edited(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return file


@pytest.mark.parametrize(
    "name", ["../rm.npz", "/tmp/rm.npz", "sub/rm.npz", "..npz", "sub\\\\rm.npz", "rm.npz\\n", "rm"]
)
def test_numbers_lie_beside_the_judge_file_or_nowhere(file, name):
    assert "reward_model.weights" in error_of(edited(file, '"rm.npz"', f'"{name}"'))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ngrams = 2", "ngrams = 1", "do not belong together"),
        ("style_weight = 1.0", "style_weight = 0.4", "do not belong together"),
        ('style = "full"', 'style = "layout"', "do not belong together"),
        ('source = "humans"', 'source = "gpt"', "do not belong together"),
        ("buckets = 512", "buckets = 1024", "do not belong together"),
        ("buckets = 512", "buckets = 2097152", "reward_model.buckets"),
        ("prompts = 40", "prompts = 99999999999", "reward_model.prompts"),
        ("ridge = 1.0", "ridge = nan", "reward_model.ridge"),
        ("folds = 5", "folds = 5\nmore = 1", "reward_model.more"),
        ('kind = "reward_model"', 'kind = "reward_model"\norders = "both"', "orders"),
        ('kind = "reward_model"', 'kind = "reward_model"\nmodel = "m"', "model means nothing"),
    ],
)
def test_settings_that_are_not_those_of_the_numbers(file, old, new, words):
    assert words in error_of(edited(file, old, new))


def test_numbers_that_are_missing_changed_or_too_many(file):
    numbers = file.with_suffix(".npz")
    content = numbers.read_bytes()
    numbers.write_bytes(content[:-1])
    assert "do not belong together" in error_of(file)
    numbers.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    assert "do not belong together" in error_of(file)
    numbers.write_bytes(content + b"\0" * 1_000_000)
    assert "larger than the settings say" in error_of(file)
    numbers.unlink()
    assert "cannot read" in error_of(file)
    file.write_text('name = "rm"\nkind = "reward_model"\n')
    assert "[reward_model] is missing" in error_of(file)


def forge(file, content):
    """Numbers of somebody else, with the digest that belongs to them."""
    settings = read_judge(file).settings
    file.with_suffix(".npz").write_bytes(content)
    edited(file, settings.digest, settings.digest_with(content))
    return error_of(file)


def archive(scorer, compression=zipfile.ZIP_STORED, **changed):
    """The .npz with some members replaced by these bytes, None leaves one out."""
    parts = zipfile.ZipFile(io.BytesIO(packed(scorer)))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as new:
        for name in parts.namelist():
            part = changed.get(name.removesuffix(".npy"), parts.read(name))
            if part is not None:
                new.writestr(name, part)
    return content.getvalue()


def npy(array, **more):
    content = io.BytesIO()
    np.lib.format.write_array(content, array, **more)
    return content.getvalue()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("it-ran",)


def test_nothing_is_unpickled(file, scorer, monkeypatch):
    monkeypatch.chdir(file.parent)
    evil = npy(np.array([Evil()], dtype=object), allow_pickle=True)
    assert "weights is not" in forge(file, archive(scorer, weights=evil))
    assert not (file.parent / "it-ran").exists()


def test_a_header_cannot_ask_for_more_than_the_settings_say(file, scorer):
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        huge, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10**6)}
    )
    assert "idf is not" in forge(file, archive(scorer, idf=huge.getvalue()))


def test_what_unpacks_to_more_than_it_should_is_not_read_on(file, scorer):
    bomb = packed_member(scorer, "idf") + b"\0" * 50_000_000
    assert "idf has another length" in forge(file, archive(scorer, zipfile.ZIP_DEFLATED, idf=bomb))


def packed_member(scorer, name):
    return zipfile.ZipFile(io.BytesIO(packed(scorer))).read(f"{name}.npy")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("weights", lambda a: a * np.nan, "no number"),
        ("weights", lambda a: np.full_like(a, 1e308), "a value above 1e+30"),
        ("idf", lambda a: np.full_like(a, -1e308), "a value above 1e+30"),
        ("scale", lambda a: np.full_like(a, 5e-324), "spread of 0"),
        ("scale", lambda a: a * 0, "spread of 0"),
        ("fold", lambda a: a + np.uint8(200), "in no fold"),
        ("known", lambda a: a[::-1].copy(), "not in order"),
        ("idf", lambda a: a.astype("<f4"), "idf is not"),
        ("weights", np.asfortranarray, "weights is not"),
        ("scale", None, "no item named"),
    ],
)
def test_numbers_that_make_no_model(file, scorer, name, change, words):
    part = None if change is None else npy(change(getattr(scorer, name)))
    assert words in forge(file, archive(scorer, **{name: part}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04\x95", b"x" * 1000])
def test_a_file_that_is_no_archive(file, content):
    assert "does not hold what it should" in forge(file, content)


# ---- real data


@pytest.mark.real_data
def test_on_prd_it_agrees_with_humans_on_prompts_it_did_not_see(real_data, tmp_path):
    store = Store(tmp_path / "s.duckdb", create=True)
    list(ingest(store, "prd", real_data / "prd-vicuna80"))
    panel = read_panel(store, "prd-vicuna80")
    lessons = lessons_of(panel, read_texts(store, "prd-vicuna80"), "humans")
    assert (len(lessons.first), lessons.left_out, len(set(lessons.prompts))) == (800, 1760, 80)
    scorer = fit_scorer(lessons, Recipe(buckets=2048))
    assert isinstance(scorer, Scorer)
    assert isinstance(settings_of(lessons, scorer, "a.npz", b""), Settings)
    shares = {}
    decided = lessons.targets != 0.5
    for which, folds in (("unseen", range(FOLDS)), ("seen", [None])):
        gaps = np.full(len(lessons.targets), np.nan)
        for fold in folds:
            mine = np.flatnonzero((lessons.fold == fold) | (fold is None))
            a, b = (
                scorer.scores([side[i] for i in mine], fold)
                for side in (lessons.first, lessons.second)
            )
            gaps[mine] = a - b
        shares[which] = ((gaps > 0) == (lessons.targets > 0.5))[decided].mean()
    assert 0.75 < shares["unseen"] < 0.85
    assert shares["seen"] < 0.9
