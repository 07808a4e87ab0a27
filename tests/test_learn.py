"""The data-fitting experiment: planted worlds, pandalm's figures, and what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

from app.learning import compared, recipe_of, sentences, sizes_of
from data.errors import InputError, ProviderError
from data.store import Store
from judges.response_features import (
    LENGTH,
    RECIPE,
    STYLES,
    Embedder,
    Recipe,
    features_of,
    fit_idf,
    style_columns,
    style_scale,
)
from pipelines.estimates import ALL, Estimate
from pipelines.fits import drawn, matched_votes, splits_of
from pipelines.ingest import ingest
from pipelines.learn import learn
from pipelines.lessons import (
    CEILING,
    GROUPS,
    HUMAN,
    IMITATION,
    LONGER,
    PROMPTS,
    Plan,
    Pool,
    hybrid,
    read_pool,
)
from pipelines.panel import read_panel
from pipelines.sections.view import Rules, UnparsedRule, View
from tests.estimating import AGGREGATE, JUDGE, check, label, store_of
from tests.estimating import HUMAN as A_HUMAN

SMALL = Plan(sizes=(25, 60), repeats=1)


def view_of(store, dataset="d", unparsed=UnparsedRule.DROP):
    panel = read_panel(store, dataset)
    return View(panel, Rules(unparsed=unparsed), ALL, np.ones(panel.n_items, dtype=bool))


def planted(path, *, swapped=None, n=120, humans=3, categories=4, judge="contrary", texts=True):
    """Two humans of three like the response that says "blue", one likes "red".

    Every response says both something of its own and one of the words; the judge likes red.
    """
    random = np.random.default_rng(8)
    responses, labels = [], []
    for k in range(n):
        filler = [" ".join(random.choice(list("abcdefghijk"), 6)) for _ in range(2)]
        blue_first = bool(random.integers(2))
        pair = [f"{filler[0]} blue", f"{filler[1]} red"]
        turn = swapped is not None and swapped[k]
        first = blue_first != turn
        responses.append(tuple(pair if first else pair[::-1]))
        good, bad = ("a", "b") if first else ("b", "a")
        labels += [label(k, f"h{j}", bad if j == 2 else good) for j in range(humans)]
        labels += [label(k, judge, bad)] if judge else []
    kinds = {f"h{j}": A_HUMAN for j in range(humans)} | ({judge: JUDGE} if judge else {})
    return store_of(
        path, labels, kinds, n_items=n, prompts=[k // 2 for k in range(n)], texts=texts,
        responses=responses, categories=[f"c{k // 2 % categories}" for k in range(n)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def blue(tmp_path_factory):
    store = planted(tmp_path_factory.mktemp("blue") / "s.duckdb")
    return learn(store, view_of(store), SMALL)


def figure(learned, arm, size=0, way=PROMPTS, statistic="held_out_agreement", reference=None):
    name = f"labels={size}" if size else ALL
    [row] = [
        row for row in learned.rows
        if (row.statistic, row.subject, row.method, row.slice) == (statistic, arm, way, name)
        and reference in (None, row.reference)
    ]  # fmt: skip
    return row


# ---- a world where the answer is known


@pytest.mark.parametrize("way", [PROMPTS, GROUPS])
def test_a_word_that_people_like_is_learned_and_one_that_a_judge_likes_too(blue, way):
    """Two of three votes can be matched: by whoever learned blue all of these, else a third."""
    assert figure(blue, HUMAN, 60, way).estimate > 0.6
    assert figure(blue, "contrary", 60, way).estimate == pytest.approx(1 / 3, abs=0.02)
    assert figure(blue, CEILING, way=way).estimate == pytest.approx(1 / 3)  # of pairs of three
    gap = figure(blue, "contrary", 60, way, "held_out_difference", HUMAN)
    assert gap.estimate < -0.2
    assert gap.high is None or gap.high < 0  # None where it is the same in every prompt
    check(blue.rows)


def test_every_comparison_is_held_out_once_a_repeat_with_its_prompt(tmp_path):
    store = planted(tmp_path / "s.duckdb")
    view = view_of(store)
    pool, _ = read_pool(store, view, SMALL, None)
    for way, codes in ((PROMPTS, pool.prompt), (GROUPS, pool.group)):
        splits = splits_of(pool, codes, replace(SMALL, repeats=2), way)
        tested = np.sort(np.concatenate([split.test for split in splits]))
        assert (tested == np.repeat(np.arange(120), 2)).all()
        for split in splits:
            assert not set(pool.prompt[split.train]) & set(pool.prompt[split.test])
            assert not set(codes[split.train]) & set(codes[split.test])


def test_which_response_is_called_a_changes_nothing(tmp_path, blue):
    swapped = np.random.default_rng(3).integers(0, 2, 120).astype(bool)
    store = planted(tmp_path / "s.duckdb", swapped=swapped)
    other = learn(store, view_of(store), SMALL)
    assert [row.estimate for row in other.rows] == pytest.approx(
        [row.estimate for row in blue.rows], nan_ok=True
    )
    assert [row.low for row in other.rows] == pytest.approx([row.low for row in blue.rows])


def test_the_same_seed_gives_the_same_and_another_one_other_draws(tmp_path, blue):
    store = planted(tmp_path / "s.duckdb")
    assert learn(store, view_of(store), SMALL).rows == blue.rows
    assert learn(store, view_of(store), replace(SMALL, seed=1)).rows != blue.rows


def test_the_best_imitation_is_the_best_of_the_four(blue):
    four = [r.estimate for r in blue.rows
            if r.subject.startswith("imitation: ") and r.statistic == "held_out_agreement"
            and (r.method, r.slice) == (PROMPTS, "labels=60")]  # fmt: skip
    assert len(four) == 4
    assert figure(blue, IMITATION, 60).estimate == max(four)


def test_votes_matched_and_labels_drawn_by_hand():
    votes = np.array([1.0, 0.0, 2 / 3, 2 / 3, 2 / 3])
    margins = np.array([0.5, 2.0, -1.0, 0.0, 1e-14])
    assert matched_votes(margins, votes) == pytest.approx([1, 0, 1 / 3, 0.5, 0.5])
    counts = np.array([[2.0, 1.0, 1.0]] * 4 + [[0.0, 0.0, 0.0]])
    found = drawn(counts, np.array([0.49, 0.5, 0.74, 0.75, 0.1]))
    assert found[:4].tolist() == [1, 0.5, 0.5, 0]
    assert np.isnan(found[4])


def test_prices_by_hand(tmp_path):
    store = planted(tmp_path / "s.duckdb")
    view = view_of(store)
    names = [who.name for who in view.panel.annotators]
    prices = np.array([0.01 if name == "contrary" else 0.5 for name in names])
    view.panel.labels["cost_usd"] = prices[view.panel.labels["annotator"]]
    found = learn(store, view, SMALL)
    mixed = hybrid("contrary", 0.3)
    for arm, usd in ((HUMAN, 0.5), ("contrary", 0.01), (mixed, 0.157), (IMITATION, 0.5)):
        assert figure(found, arm, 60, statistic="labels_usd").estimate == pytest.approx(60 * usd)
    human = figure(found, HUMAN, 60)
    each = figure(found, HUMAN, 60, statistic="usd_per_point")
    assert each.estimate == pytest.approx(30 / (100 * (human.estimate - 0.5)))
    # a judge that does worse than a coin has no price of a point
    assert figure(found, "contrary", 60, statistic="usd_per_point").estimate is None


# ---- published figures


@pytest.fixture(scope="module")
def pandalm(real_data, tmp_path_factory):
    """Its categories are the sites in the metadata; sizes as few as the ranges need."""
    store = Store(tmp_path_factory.mktemp("learn") / "s.duckdb", create=True)
    list(ingest(store, "pandalm", real_data / "pandalm"))
    plan = Plan(sizes=(25, 700))
    return learn(store, view_of(store, "pandalm"), plan, group="motivation_app"), plan


def test_the_figures_of_pandalm(pandalm):
    """What no recipe touches, exactly; the curves in the published ranges, with .02 around them."""
    found, _ = pandalm
    for way, sizes in found.sizes.items():
        longer = figure(found, LONGER, way=way)
        assert (longer.n_items, longer.n_prompts) == (914, 162)
        assert longer.estimate == pytest.approx(0.668, abs=0.0006)
        imitation = figure(found, IMITATION, sizes[-1], way)
        assert 0.61 <= imitation.estimate <= 0.66
        # published: .61 to .62 at 25 labels, .67 to .70 at 700, or .66 to .68 over recipes
        assert 0.64 <= figure(found, HUMAN, sizes[-1], way).estimate <= 0.72
        assert 0.59 <= figure(found, HUMAN, sizes[0], way).estimate <= 0.64
        rise = figure(found, HUMAN, sizes[-1], way, "held_out_difference", f"{HUMAN}, 25 labels")
        assert rise.low > 0
        beyond = figure(found, HUMAN, sizes[-1], way, "held_out_difference", IMITATION)
        assert 0.02 <= beyond.estimate <= 0.07  # published: .04 to .05
        for judge in ("pandalm-7b", "gpt-3.5-turbo"):
            gap = figure(found, judge, sizes[-1], way, "held_out_difference", HUMAN)
            assert -0.05 <= gap.estimate <= 0.04
    check(found.rows)


def test_the_sentences_of_pandalm_say_no_more_than_the_intervals(pandalm):
    found, plan = pandalm
    text = "\n".join(sentences(found, plan))
    last = found.sizes[PROMPTS][-1]
    for way in found.sizes:
        row = figure(found, HUMAN, found.sizes[way][-1], way, "held_out_difference", LONGER)
        assert compared(row, "choosing the longer response") in text
        assert row.low <= row.estimate <= row.high
    assert f"With {last:,} labels, on prompts not seen" in text
    assert "better" not in text


# ---- words


def difference(estimate, low, high, note=None):
    return Estimate("learning", HUMAN, IMITATION, "overall", "held_out_difference", PROMPTS,
                    "labels=50", estimate, low, high, 100, 50, 50, "share difference",
                    note)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (difference(0.04, 0.01, 0.07), "match more held-out votes than it (+4 points [+1, +7])"),
        (difference(-0.04, -0.07, -0.01), "match fewer held-out votes than it (-4 points"),
        (difference(0.04, -0.01, 0.09), "cannot be told from it (+4 points [-1, +9])"),
        (difference(0.04, 0.0, 0.09), "cannot be told from it"),
        (difference(0.04, None, None, "too few prompts"), "cannot be told from it"),
        (difference(None, None, None, "why"), "cannot be compared with it (why)"),
    ],
)
def test_a_difference_in_words(row, said):
    assert compared(row, "it").startswith(said)


def test_recipes_and_sizes_are_read():
    assert recipe_of(["ridge=3", "buckets=1024"], None) == replace(RECIPE, ridge=3.0, buckets=1024)
    assert sizes_of("5, 10") == (5, 10)
    assert recipe_of(["style=layout"], None) == replace(RECIPE, style="layout")
    for wrong in ("rigde=3", "ridge=much", "ridge=0", "buckets=1000", "style=no"):
        with pytest.raises(InputError):
            recipe_of([wrong], None)
    for sizes in ("", "5,x"):
        with pytest.raises(InputError):
            sizes_of(sizes)
    with pytest.raises(InputError):
        Plan(sizes=(1,))


# ---- features


def test_features_of_a_response_by_hand():
    recipe = Recipe(ngrams=1, style_weight=2.0, style="layout")
    responses = ["blue blue sky", "blue sea", "- one\n- two!"]
    found = features_of(
        recipe, responses, fit_idf(recipe, responses), style_scale(responses, "layout")
    )
    text, style = found[:, : recipe.buckets].toarray(), found[:, recipe.buckets :].toarray()
    assert np.sqrt((text**2).sum(axis=1)) == pytest.approx(1)
    blue, sky = (1 + np.log(2)) * (np.log(4 / 3) + 1), np.log(4 / 2) + 1
    length = np.hypot(blue, sky)
    assert sorted(text[0][text[0] > 0]) == pytest.approx(sorted([blue / length, sky / length]))
    length = np.log1p([13, 8, 12])
    place = STYLES["layout"].index("characters")
    assert style[:, place] == pytest.approx(2 * (length - length.mean()) / length.std())
    items = np.log1p([0, 0, 2])
    place = STYLES["layout"].index("list items")
    assert style[:, place] == pytest.approx(2 * (items - items.mean()) / items.std())
    assert (style[:, STYLES["layout"].index("code")] == 0).all()


def test_the_full_style_by_hand():
    found = np.expm1(style_columns(["So so good!\n- a b? Yes...", "", "  "], "full"))
    assert found == pytest.approx(
        np.array(
            [[25, 7, 6, 6 / 7, 25 / 7, 6, 3, 1, 1, 1, 1, 0], [0] * 12, [2] + [0] * 11], dtype=float
        )
    )
    assert STYLES["full"][LENGTH] == STYLES["layout"][LENGTH] == "characters"


class _Embeddings(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: a text's vector says how long it is and how many b's it has."""

    asked: list[str] = []  # noqa: RUF012

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.extend(body["input"])
        status = 404 if body["model"] == "missing" else 200
        data = [
            {"object": "embedding", "index": k, "embedding": [float(len(t)), float(t.count("b"))]}
            for k, t in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1000, "total_tokens": 1000}
        answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        answer = answer if status == 200 else {"error": {"message": "no such model"}}
        said = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def embeddings(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Embeddings)
    Thread(target=server.serve_forever, daemon=True).start()
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-nobody")
    _Embeddings.asked.clear()
    yield _Embeddings.asked
    server.shutdown()
    server.server_close()


def test_embeddings_are_bought_once_and_their_price_is_kept(embeddings):
    embed = Embedder("openai/text-embedding-3-small")
    found = embed(["abc", "b", "abc"])
    assert found.tolist() == [[3, 1], [1, 1], [3, 1]]
    embed(["b", "bb"])
    assert embeddings == ["abc", "b", "bb"]
    assert embed.usd == pytest.approx(2 * 1000 * 0.02e-6)
    recipe = Recipe(embedding=embed.model, style_weight=0)
    rows = features_of(recipe, ["abc"], fit_idf(recipe, ["abc"]), style_scale(["abc"]), embed)
    assert rows[0, :2].toarray().ravel() == pytest.approx(np.array([3, 1]) / np.sqrt(10))


def test_a_model_that_is_not_there_is_a_clear_error(embeddings):
    with pytest.raises(ProviderError, match="no embeddings from openai/missing"):
        Embedder("openai/missing")(["a"])


def test_the_experiment_with_embeddings(embeddings, tmp_path):
    """The vectors count b's, and blue has one more than red has."""
    store = planted(tmp_path / "s.duckdb")
    recipe = replace(RECIPE, embedding="openai/text-embedding-3-small")
    embed = Embedder(recipe.embedding)
    plan = replace(SMALL, recipe=recipe)
    found = learn(store, view_of(store), plan, embed=embed)
    assert figure(found, HUMAN, 60).estimate > 0.55
    assert len(embeddings) == len(set(embeddings)) == embed.n_texts


# ---- what is missing


def refusal(store, plan=SMALL, group=None):
    with pytest.raises(InputError) as error:
        learn(store, view_of(store), plan, group=group)
    return f"{error.value.what} {error.value.fix}"


def test_what_is_missing_is_said(tmp_path):
    assert "no responses" in refusal(planted(tmp_path / "1.duckdb", texts=False))
    assert "no human" in refusal(planted(tmp_path / "2.duckdb", humans=0))
    assert "20 prompts are needed" in refusal(planted(tmp_path / "3.duckdb", n=20))
    assert "metadata" in refusal(planted(tmp_path / "4.duckdb"), group="site")


def test_one_human_no_judge_and_one_category_are_enough(tmp_path):
    store = planted(tmp_path / "s.duckdb", humans=1, judge=None, categories=1)
    found = learn(store, view_of(store), SMALL)
    assert list(found.sizes) == [PROMPTS]
    assert any("in distribution only" in note for note in found.notes)
    assert any("no judge" in note for note in found.notes)
    ceiling = figure(found, CEILING)
    assert ceiling.estimate is None
    assert "undefined" in ceiling.note
    assert figure(found, HUMAN, 60).estimate > 0.8


def test_gold_labels_are_no_judge_and_half_a_judge_takes_no_part(tmp_path):
    kinds = {"h": A_HUMAN, "gold": AGGREGATE, "rare": JUDGE}
    labels = [label(k, who, "ab"[k % 2]) for k in range(60) for who in ("h", "gold")]
    labels += [label(k, "rare", "a") for k in range(20)]
    store = store_of(tmp_path / "s.duckdb", labels, kinds, n_items=60)
    found = learn(store, view_of(store), replace(SMALL, sizes=(25,)))
    assert found.judges == ()
    assert any("rare" in note for note in found.notes)
    assert not any("gold" in row.subject for row in found.rows)


def test_many_comparisons_are_cut_by_prompt(tmp_path):
    store = planted(tmp_path / "s.duckdb")
    pool, notes = read_pool(store, view_of(store), replace(SMALL, most_comparisons=51), None)
    assert isinstance(pool, Pool)
    assert len(pool.prompt) == 50
    assert "70 more are left out" in notes[0]


# ---- the command


def test_the_command(tmp_path, run):
    path = tmp_path / "s.duckdb"
    planted(path)
    command = ("learn", "--store", path, "--sizes", "25,60", "--repeats", "1")
    code, printed, said = run(*command)
    assert code == 0, said
    for words in ("in distribution", "unseen categories", "best imitation", "recipe: TF-IDF",
                  "by recipe", "fine-tuning", "contrary"):  # fmt: skip
        assert words in printed, words
    assert "price" in said
    code, printed, said = run(*command, "--json")
    result = json.loads(printed)
    assert result["recipe"]["ridge"] == RECIPE.ridge
    assert {row["section"] for row in result["estimates"]} == {"learning"}
    code, _, said = run(*command, "--recipe", "rigde=3")
    assert code == 3
    assert "rigde" in said
