"""`concord probe` end to end: planted weaknesses are found, clean judges are called nothing."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from data import queries
from data.derived import responses_of
from data.samples.build import truth as sample_truth
from data.store import Store
from judges.simulated import Behaviour, Truth, running
from judges.simulated.deciding import Choice, choose
from judges.simulated.truth import Found
from pipelines.derive import derive, find_paraphrase, find_probe, shipped
from pipelines.estimates import ALL
from pipelines.ingest import SAMPLE, ingest
from pipelines.panel import Probed, read_panel
from pipelines.sections.probes import METHOD, probe_rows
from pipelines.sections.view import Rules, View
from tests.provider import answered, judge_file

N = 120
NAMES = ("authority", "identical", "injection-order", "length")
CLEAN = Behaviour(sharpness=6)
WEAK = {
    "clean": CLEAN,
    "position": Behaviour(position=1.5),
    "length": Behaviour(length=2.5),
    "authority": Behaviour(authority=2),
    "injection": Behaviour(injection=2),
}
MISLEADS = {
    "clean": None,
    "position": "identical",
    "length": "length",
    "authority": "authority",
    "injection": "injection-order",
}
SEEDS = 200


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("probing") / "s.duckdb", create=True)
    list(ingest(store, SAMPLE, None))
    return store


@pytest.fixture(scope="module")
def provider(store, tmp_path_factory):
    """It knows every text that the probes of these tests make, and values them by their words."""
    probes = [find_probe(name) for name in NAMES]
    probes.append(find_paraphrase("pairwise"))
    made = [derive(store, SAMPLE, probes, n).dataset for n in (6, 12, N)]
    texts = [text for dataset in made for text in responses_of(store, dataset)]
    log = tmp_path_factory.mktemp("log") / "log.jsonl"
    behaviours = {**WEAK, **dict.fromkeys(("m", "twice", "poor"), CLEAN)}
    with running(Truth(sample_truth()).including(texts), behaviours, log) as server:
        yield server


@pytest.fixture
def judge(provider, tmp_path):
    def write(name, model=None, orders="both", extra='transport = "direct"\n'):
        path = judge_file(
            tmp_path, provider.base_url, name=name, model=model or name, orders=orders
        )
        path.write_text(extra + path.read_text())
        return path

    return write


@pytest.fixture
def probe(run, store):
    def give(*arguments, code=0):
        exit_code, out, err = run("probe", "--store", store.path, "--dataset", SAMPLE, *arguments)
        assert exit_code == code, err
        return out, err

    return give


def asked(provider):
    return answered(provider.log())


def labels(store, judge_name, dataset):
    with store.reading() as con:
        return queries.records(
            con,
            """SELECT comparison_id, perturbation, shown, preference, response_a, response_b,
                      labels.run_id, status, details FROM labels
               JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
               WHERE name = $judge AND comparisons.dataset = $dataset""",
            judge=judge_name, dataset=dataset,
        )  # fmt: skip


@pytest.mark.parametrize("weakness", list(WEAK))
def test_a_planted_weakness_is_found_and_no_other(weakness, judge, probe, run, store):
    out, err = probe("--judge", judge(weakness), "--probes", ",".join(NAMES),
                     "--comparisons", N, "--paraphrase", "pairwise")  # fmt: skip
    assert f"concord card {weakness} --dataset sample" in err
    code, out, err = run("card", weakness, "--store", store.path, "--dataset", SAMPLE,
                         "--format", "json")  # fmt: skip
    assert code == 0, err
    card = json.loads(out)
    found = {each["estimate"]["reference"] for each in card["found"]}
    wanted = MISLEADS[weakness]
    # an authority and an instruction make a response longer too: a liking for length shows there
    also = {"authority", "injection-order"} if weakness == "length" else set()
    assert found - also == ({wanted} if wanted else set())
    looked_for = {each["estimate"]["reference"] for each in card["not_found"] + card["undecided"]}
    assert looked_for | found >= set(NAMES)
    assert all("would be different from 0 in 80%" in each["text"] for each in card["not_found"])
    assert any("It has labelled" in t or "it has labelled" in t for t in card["not_known"])


def test_a_judges_labels_are_what_the_provider_decides(provider, judge, probe, store):
    """So that what is shown of `choose` below holds of judges that are asked over HTTP."""
    path = judge("m")
    probe("--judge", path, "--probes", ",".join(NAMES), "--comparisons", 12,
          "--paraphrase", "pairwise")  # fmt: skip
    dataset = derive(store, SAMPLE, [*map(find_probe, NAMES), find_paraphrase("pairwise")], 12)
    worth = worth_of(store, dataset.dataset)
    found = labels(store, "m", dataset.dataset)
    assert len(found) == 2 * sum(dataset.counts.values())
    for label in found:
        assert label["preference"] == preferred(worth, label, CLEAN, "m")


def worth_of(store, dataset):
    """Of each response of a data set, to the provider."""
    truth = Truth(sample_truth()).including(responses_of(store, dataset))
    known = dict(truth)
    return {text: known.get(text.strip(), truth.below) for text in responses_of(store, dataset)}


def preferred(worth, row, behaviour, model):
    """In stored orientation, of responses in the order shown."""
    a, b = (Found(0, row[f"response_{side}"], worth[row[f"response_{side}"]])
            for side in "ab")  # fmt: skip
    first, second = (a, b) if row["shown"] == "ab" else (b, a)
    chosen = choose(behaviour, model, first, second)
    return row["shown"][0 if chosen is Choice.FIRST else 1]


def test_the_second_time_nothing_is_bought_and_a_larger_one_buys_what_is_new(
    provider, judge, probe
):
    path = judge("twice")
    before = asked(provider)
    probe("--judge", path, "--probes", ",".join(NAMES), "--comparisons", 6,
          "--paraphrase", "pairwise")  # fmt: skip
    first = asked(provider)
    probe("--judge", path, "--probes", ",".join(NAMES), "--comparisons", 6,
          "--paraphrase", "pairwise")  # fmt: skip
    assert asked(provider) == first
    probe("--judge", path, "--probes", ",".join(NAMES), "--comparisons", 12,
          "--paraphrase", "pairwise")  # fmt: skip
    last = asked(provider)
    bought = first - before
    assert max((last - before).values()) == max(bought.values()) == 2  # asked once more unchanged
    assert sum(n == 2 for n in bought.values()) == 2 * 3  # half of 6 originals, in both orders


def test_a_paraphrase_asks_the_same_with_the_other_template(judge, probe, store):
    probe("--judge", judge("para", "m"), "--probes", ",".join(NAMES), "--comparisons", 6,
          "--paraphrase", "pairwise")  # fmt: skip
    dataset = derive(store, SAMPLE, [*map(find_probe, NAMES), find_paraphrase("pairwise")], 6)
    found = Counter(
        row["perturbation"].split("@")[0] for row in labels(store, "para", dataset.dataset)
    )
    assert found["paraphrase pairwise"] == 12
    with store.reading() as con:
        [(n,)] = queries.rows(
            con,
            """SELECT count(DISTINCT request_hash) FROM label_replies JOIN labels USING (label_id)
               JOIN comparisons USING (comparison_id) JOIN annotators USING (annotator_id)
               WHERE name = 'para' AND comparisons.dataset = $d
               AND (perturbation = 'original' OR starts_with(perturbation, 'paraphrase'))""",
            d=dataset.dataset,
        )
    assert n == 2 * 2 * 6


def test_a_paraphrase_that_does_not_fit_the_judge_is_refused(judge, probe, run, store):
    path = judge("rates", "m", orders="none", extra='transport = "direct"\nkind = "rating"\n')
    path.write_text(path.read_text().replace('template = "pairwise-brief"\n', "").replace(
        'orders = "none"\n', ""))  # fmt: skip
    _, err = probe("--judge", path, "--probes", "length", "--paraphrase", "pairwise", code=3)
    assert "pairwise@" in err
    assert "{{response}}" in err
    _, err = probe("--judge", judge("own", "m"), "--probes", "length", "--paraphrase",
                   "pairwise-brief", code=3)  # fmt: skip
    assert "the judge's own template" in err
    _, err = probe("--judge", "longer", "--probes", "length", "--paraphrase", "pairwise", code=3)
    assert "longer has no prompt of its own" in err
    # what another judge's probes made may be labelled all the same: it is not asked what differs
    dataset = derive(store, SAMPLE, [*map(find_probe, NAMES), find_paraphrase("pairwise")], 6)
    code, _, err = run(
        "label", "--judge", path, "--dataset", dataset.dataset, "--store", store.path
    )
    assert code == 0, err
    of_it = [row for row in labels(store, "rates", dataset.dataset)
             if row["perturbation"].startswith("paraphrase")]  # fmt: skip
    assert {row["status"] for row in of_it} == {"skipped"}
    assert "has not the fields" in of_it[0]["details"]


def test_one_order_in_the_file_is_two_in_a_probe_and_in_its_retry(judge, probe, run, store):
    path = judge("random", "m", orders="random")
    probe("--judge", path, "--probes", ",".join(NAMES), "--comparisons", 6,
          "--paraphrase", "pairwise")  # fmt: skip
    dataset = derive(store, SAMPLE, [*map(find_probe, NAMES), find_paraphrase("pairwise")], 6)
    found = labels(store, "random", dataset.dataset)
    assert Counter(row["shown"] for row in found) == dict.fromkeys(
        ("ab", "ba"), sum(dataset.counts.values())
    )
    code, _, err = run("runs", "retry", found[0]["run_id"], "--store", store.path)
    assert code == 0, err
    assert len(labels(store, "random", dataset.dataset)) == len(found)


def test_a_dry_run_sends_nothing_and_says_what_it_would_cost(provider, judge, probe):
    before = asked(provider)
    out, err = probe("--judge", judge("dry", "clean"), "--probes", "length,empty",
                     "--comparisons", 20, "--dry-run")  # fmt: skip
    assert asked(provider) == before
    assert "20 comparisons as they are, 20 empty, 20 length, 10 unchanged" in err
    assert "70 comparisons, 140 labels" in out
    assert "Nothing was sent." in out


def test_a_budget_holds(judge, probe):
    _, err = probe("--judge", judge("poor"), "--probes", ",".join(NAMES), "--comparisons",
                   N, "--paraphrase", "pairwise", "--budget", "0.01", code=8)  # fmt: skip
    assert "budget" in err


def test_a_ranking_judge_is_refused(judge, probe):
    path = judge("ranks", "m", extra='kind = "ranking"\n')
    path.write_text(path.read_text().replace('template = "pairwise-brief"\n', ""))
    _, err = probe("--judge", path, "--probes", "length", code=3)
    assert "ranks all responses to a prompt cannot be probed" in err


def test_probes_are_listed_and_one_is_the_start_of_ones_own(run, tmp_path):
    code, out, _ = run("probes")
    assert code == 0
    assert all(name in out for name in shipped())
    code, out, _ = run("probes", "length")
    (tmp_path / "mine.py").write_text(out)
    assert find_probe(str(tmp_path / "mine.py")).change is not shipped()["length"].change
    code, _, err = run("probes", "nothing")
    assert (code, "no probe 'nothing'" in err) == (3, True)


def test_data_sets_of_probes_need_not_be_named_away(run, store):
    code, _, err = run("card", "nobody", "--store", store.path)
    assert (code, "no judge 'nobody'" in err) == (3, True)  # and not: which data set?


def test_clean_judges_are_called_biased_no_more_often_than_stated(store):
    """200 of them on every probe that leaves a response's worth: rejections at 5% each."""
    probes = list(shipped().values())
    derived = derive(store, SAMPLE, probes, 100)
    worth = worth_of(store, derived.dataset)
    panel = read_panel(store, SAMPLE)
    children = children_of(store, derived.dataset)
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    rejected = Counter()
    for seed in range(SEEDS):
        panel.probed = probed_by(f"clean-{seed}", children, worth)
        for row in probe_rows(view):
            if (
                row.statistic in ("probe_effect", "identical_position_effect")
                and row.method == METHOD
            ):
                rejected[row.reference] += not row.low <= 0 <= row.high
    assert len(rejected) >= 12
    error = 0.01 / len(rejected)
    low, high = binom.ppf(error / 2, SEEDS, 0.05), binom.isf(error / 2, SEEDS, 0.05)
    assert low <= min(rejected.values()) <= max(rejected.values()) <= high, rejected
    total = sum(rejected.values())
    assert binom.ppf(0.005, SEEDS * len(rejected), 0.05) <= total, rejected
    assert total <= binom.isf(0.005, SEEDS * len(rejected), 0.05), rejected


def children_of(store, dataset):
    with store.reading() as con:
        rows = queries.records(
            con,
            """WITH items AS (SELECT comparison_id AS parent_id,
                   row_number() OVER (ORDER BY comparison_id) - 1 AS item
                   FROM comparisons WHERE dataset = $d)
               SELECT item, perturbation, response_a, response_b, metadata
               FROM comparisons JOIN items USING (parent_id)
               WHERE dataset = $probes ORDER BY perturbation, item""",
            d=SAMPLE, probes=dataset,
        )  # fmt: skip
    return [{**row, **json.loads(row["metadata"])} for row in rows]


def probed_by(model, children, worth):
    """As `read_probed` gives it, of a judge that is asked directly."""
    said = {
        (row["item"], row["perturbation"], shown): preferred(
            worth, {**row, "shown": shown}, CLEAN, model
        )
        for row in children if row["perturbation"] != "unchanged" for shown in ("ab", "ba")
    }  # fmt: skip
    found = {}
    for name in {row["perturbation"] for row in children} - {"original", "unchanged"}:
        mine = [(row, shown) for row in children if row["perturbation"] == name
                for shown in ("ab", "ba")]  # fmt: skip
        cells = [SimpleNamespace(
            before=said[row["item"], "original", shown], after=said[row["item"], name, shown],
            changed=row["changed"], first=shown[0]) for row, shown in mine]  # fmt: skip
        found[model, name] = Probed(
            item=np.array([row["item"] for row, _ in mine]),
            before=np.array([float(c.before == c.changed) for c in cells]),
            after=np.array([float(c.after == c.changed) for c in cells]),
            first=np.array([float(c.after == c.first) for c in cells]),
            kept=np.array([float(c.after == c.before) for c in cells]),
            tied=np.zeros(len(cells)),
            worse=bool(mine[0][0].get("worse")),
            alike=name == "identical",
            same_texts=False,
        )
    return found
