"""Prices that a user sets: which one is in force, what a report makes of it, and the command."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
from scipy.stats import t

from data import queries
from data.errors import InputError
from data.prices import history, labellers, prices_in_force, remove_price, set_price
from data.schema import MIGRATIONS, migrate
from data.store import Store
from data.upkeep import remove_dataset
from pipelines.compare import compare
from pipelines.ingest import ingest
from pipelines.panel import read_panel
from pipelines.sections.view import ONE_HUMAN, Rules, UnparsedRule
from pipelines.stats.agreement import TieRule
from tests.estimating import AGGREGATE, BASELINE, HUMAN, JUDGE, Rows, compared, label, store_of

KINDS = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE, "b": BASELINE, "gold": AGGREGATE}
SECONDS = (36, 72, None, 36)
NUMBERS = dict.fromkeys(("estimate", "low", "high"))


@pytest.fixture
def store(tmp_path):
    """Four comparisons: h1 aaba (three timed), h2 abb ($.25), j aaax ($.002), b, gold."""
    labels = [label(i, "h1", m, seconds=SECONDS[i]) for i, m in enumerate("aaba")]
    labels += [label(i, "h2", m, cost_usd=0.25) for i, m in enumerate("abb")]
    labels += [label(i, "j", m, cost_usd=0.002) for i, m in enumerate("aaax")]
    labels += [label(0, "b", "b"), label(0, "gold", "a")]
    return store_of(tmp_path / "s.duckdb", labels, KINDS, n_items=4)


def cost_of(store, subject, statistic="cost_usd_per_1000", rules=None):
    return compared(store, rules, sections=("cost",)).one(statistic, subject)


def figures(row):
    return pytest.approx(row.estimate), row.n_items, row.n_prompts, row.n_labels


def in_force(store):
    with store.reading() as con:
        return [(p.annotator, p.usd_per_label, p.usd_per_hour) for p in prices_in_force(con, "d")]


# which price is in force


def test_without_a_price_costs_are_those_imported(store):
    assert in_force(store) == []
    assert cost_of(store, "j").estimate == pytest.approx(2)
    assert cost_of(store, "h2").estimate == pytest.approx(250)
    assert cost_of(store, "h1").note == "the price of these labels is not known"


def test_an_annotators_own_price_goes_before_the_pools_and_that_before_imported_ones(store):
    set_price(store, "d", None, usd_per_label=0.5)
    assert cost_of(store, "h2").estimate == pytest.approx(500)
    assert cost_of(store, "j").estimate == pytest.approx(2)  # no human
    assert cost_of(store, "b").estimate is None
    set_price(store, "d", "h2", usd_per_label=0.8)
    assert cost_of(store, "h2").estimate == pytest.approx(800)
    assert cost_of(store, "h1").estimate == pytest.approx(500)
    # four labels of h1 and three of h2
    assert figures(cost_of(store, ONE_HUMAN)) == ((4 * 500 + 3 * 800) / 7, 4, 4, 7)


@pytest.mark.parametrize(("name", "n_labels"), [("j", 4), ("b", 1)])
def test_judges_and_baselines_have_prices_too(store, name, n_labels):
    assert [who.name for who in set_price(store, "d", name, usd_per_label=0.004)] == [name]
    row = cost_of(store, name)
    assert figures(row) == (4.0, n_labels, n_labels, n_labels)
    assert row.note.startswith("the same on every prompt") or "too few prompts" in row.note


def test_the_newest_price_is_in_force_and_the_older_ones_are_kept(store):
    for price in (0.5, 0.4, 0.6):
        set_price(store, "d", None, usd_per_label=price, note=f"{price}")
    set_price(store, "d", None, usd_per_hour=36)
    assert in_force(store) == [(None, None, 36)]
    with store.reading() as con:
        rows = history(con, "d")
    assert [(row.usd_per_label, row.note) for row in rows] == [
        (None, None), (0.6, "0.6"), (0.4, "0.4"), (0.5, "0.5"),
    ]  # fmt: skip
    assert abs(rows[0].set_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_a_price_that_is_removed_brings_back_the_one_behind_it(store):
    set_price(store, "d", None, usd_per_label=0.5)
    set_price(store, "d", "h2", usd_per_label=0.8)
    remove_price(store, "d", "h2", note="left")
    assert cost_of(store, "h2").estimate == pytest.approx(500)
    remove_price(store, "d", None)
    assert cost_of(store, "h2").estimate == pytest.approx(250)
    assert in_force(store) == []
    with store.reading() as con:
        assert [row.note for row in history(con, "d")] == [None, "left", None, None]
    with pytest.raises(InputError, match="no price of every human is in force") as error:
        remove_price(store, "d", None)
    assert error.value.fix == "There are prices of: none."


def test_a_price_of_nothing_is_a_price(store):
    set_price(store, "d", "j", usd_per_label=0)
    assert cost_of(store, "j").estimate == 0.0
    assert cost_of(store, "j", "cost_usd_per_match").estimate == 0.0


def test_prices_of_one_data_set_are_not_those_of_another(store, tmp_path):
    other = store_of(tmp_path / "o.duckdb", [label(0, "h1", "a")], {"h1": HUMAN}, n_items=1)
    set_price(other, "d", "h1", usd_per_label=1)
    with other.writing() as con:
        con.execute("UPDATE prices SET dataset = 'e'")
    assert in_force(other) == []


def test_removing_a_data_set_removes_its_prices_alone(store):
    set_price(store, "d", None, usd_per_label=0.5)
    with store.writing() as con:
        con.execute("INSERT INTO prices (dataset, usd_per_label) VALUES ('e', 1)")
    remove_dataset(store, "d")
    with store.reading() as con:
        assert queries.rows(con, "SELECT dataset FROM prices") == [("e",)]


def test_the_dashboard_reads_again_when_a_price_is_set_or_removed(store):
    seen = []
    for change in (lambda: None, lambda: set_price(store, "d", None, usd_per_label=1),
                   lambda: remove_price(store, "d", None)):  # fmt: skip
        change()
        with store.reading() as con:
            seen.append(queries.rows(con, queries.VERSION)[0][0])
    assert len(set(seen)) == 3


def test_a_store_of_the_version_before_gets_the_table(tmp_path):
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as con:
        migrate(con, MIGRATIONS[:3])
        con.execute("INSERT INTO datasets (dataset) VALUES ('d')")
    with Store(path).reading() as con:
        assert history(con, "d") == prices_in_force(con, "d") == []


# what it takes


@pytest.mark.parametrize("usd", [-0.01, 1_000_001, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("unit", ["usd_per_label", "usd_per_hour"])
def test_a_price_out_of_bounds_is_refused(store, unit, usd):
    with pytest.raises(InputError, match="US dollars") as error:
        set_price(store, "d", None, **{unit: usd})
    assert error.value.fix == "Give a number from 0 to 1,000,000."
    assert in_force(store) == []


@pytest.mark.parametrize("amounts", [{}, {"usd_per_label": 1.0, "usd_per_hour": 1.0}])
def test_a_price_is_one_amount(store, amounts):
    with pytest.raises(InputError, match="either per label or per hour"):
        set_price(store, "d", None, **amounts)


def test_who_is_unknown_is_told_who_there_is(store):
    with pytest.raises(InputError, match="no data set 'x'") as error:
        set_price(store, "x", None, usd_per_label=1)
    assert "d" in error.value.fix
    for name in ("x", "gold", ONE_HUMAN):  # nobody pays for a gold label
        with pytest.raises(InputError, match=f"no annotator '{name}' in 'd'") as error:
            set_price(store, "d", name, usd_per_label=1)
        assert error.value.fix == "There are: h1, h2, j, b."


def test_a_data_set_of_judges_has_no_humans_to_price(tmp_path):
    store = store_of(tmp_path / "s", [label(0, "j", "a")], {"j": JUDGE}, n_items=1)
    with pytest.raises(InputError, match="no human labels") as error:
        set_price(store, "d", None, usd_per_label=1)
    assert error.value.fix == "Choose an annotator with --annotator: j."


def test_names_are_those_of_reports(tmp_path):
    labels = [label(i, name, "a") for i in range(2) for name in ("humans", "ann")]
    labels += [label(0, "ann", "a", criterion="clear"), label(0, "h", "a", criterion="clear")]
    kinds = dict.fromkeys(("humans", "ann", "h"), HUMAN)
    store = store_of(tmp_path / "s", labels, kinds, n_items=2)
    with store.reading() as con:
        assert sorted(who.name for who in labellers(con, "d")) == ["ann", "h", "humans (2)"]
    set_price(store, "d", "humans (2)", usd_per_label=0.5)
    assert cost_of(store, "humans (2)").estimate == pytest.approx(500)
    [ann] = [who for who in set_price(store, "d", "ann", usd_per_label=1) if who.name == "ann"]
    assert ann.labels == 3  # of both criteria


def test_what_has_no_price_takes_no_room(tmp_path):
    labels = [label(i, name, "a") for i in range(9) for name in ("h1", "j")]
    store = store_of(tmp_path / "s", labels, {"h1": HUMAN, "j": JUDGE}, n_items=9)
    assert read_panel(store, "d").labels["cost_usd"].strides == (0,)
    set_price(store, "d", "h1", usd_per_label=0.5)
    panel = read_panel(store, "d")
    cost = panel.labels["cost_usd"]
    of = np.array([panel.annotators[k].name for k in panel.labels["annotator"]])
    assert (cost[of == "h1"] == 0.5).all()
    assert np.isnan(cost[of == "j"]).all()
    set_price(store, "d", "h1", usd_per_hour=18)  # no label has seconds
    assert np.isnan(read_panel(store, "d").labels["cost_usd"]).all()


# by the hour


def test_an_hourly_price_by_hand(store):
    found = set_price(store, "d", "h1", usd_per_hour=18)  # half a cent a second
    assert [(who.labels, who.timed) for who in found] == [(4, 3)]
    row = cost_of(store, "h1")
    # 36 s at $.18, 72 s at $.36, one not known, 36 s at $.18: .72/3
    assert figures(row) == (240.0, 3, 3, 3)
    assert row.note.startswith("not known for 1 of 4 labels")
    match = cost_of(store, "h1", "cost_usd_per_match")
    # comparisons 0 and 1 have a price and h2: mean .27, h2 says the same on one of them
    assert figures(match) == (540.0, 2, 2, 2)
    assert match.note.startswith("left out: 2 without a price, a usable label or a human to match")


def test_an_hourly_price_goes_before_an_imported_one_even_where_no_time_is_known(store):
    set_price(store, "d", "h2", usd_per_hour=18)
    assert cost_of(store, "h2").note == "the price of these labels is not known"


# what a match costs


def test_the_cost_of_a_match_by_hand(store):
    set_price(store, "d", None, usd_per_label=0.5)
    # h1 and h2 on comparisons 0, 1, 2: the same on two of three, so 500/(2/3)
    for name, n_labels in ((ONE_HUMAN, 6), ("h1", 3), ("h2", 3)):
        assert figures(cost_of(store, name, "cost_usd_per_match")) == (750.0, 3, 3, n_labels), name
    # j says a, a, a against aa, ab, bb: (1 + 1/2 + 0)/3; the fourth has one human and no verdict
    row = cost_of(store, "j", "cost_usd_per_match")
    assert figures(row) == (4.0, 3, 3, 3)
    assert row.note.startswith("left out: 1 without")
    assert (row.reference, row.unit, row.method) == (ONE_HUMAN, "usd", "ties=class unparsed=drop")
    assert "left out" not in cost_of(store, "h2", "cost_usd_per_match").note


def test_a_reply_without_a_verdict_is_paid_for_and_matches_nobody(tmp_path):
    labels = [label(i, name, "a") for i in range(4) for name in ("h1", "h2")]
    labels += [label(i, "j", m, cost_usd=0.01) for i, m in enumerate("aaxx")]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    store = store_of(tmp_path / "s", labels, kinds, n_items=4)
    assert cost_of(store, "j", "cost_usd_per_match").estimate == pytest.approx(10)
    wrong = Rules(unparsed=UnparsedRule.WRONG)
    assert cost_of(store, "j", "cost_usd_per_match", wrong).estimate == pytest.approx(20)


def test_ties_left_out_cost_but_are_no_match(tmp_path):
    labels = [label(i, "h1", m) for i, m in enumerate("ata")]
    labels += [label(i, "h2", m) for i, m in enumerate("aab")]
    labels += [label(i, "t", "t", cost_usd=1.0) for i in range(3)]
    kinds = {"h1": HUMAN, "h2": HUMAN, "t": JUDGE}
    store = store_of(tmp_path / "s", labels, kinds, n_items=3)
    set_price(store, "d", None, usd_per_label=0.5)
    drop = Rules(ties=TieRule.DROP)
    # both decided on comparisons 0 and 2, the same on one of them
    assert cost_of(store, ONE_HUMAN, "cost_usd_per_match", drop).estimate == pytest.approx(1000)
    never = cost_of(store, "t", "cost_usd_per_match", drop)
    assert never.note == "undefined: no comparison where both labels are decided"


def test_what_cannot_be_said_is_undefined_with_the_reason(store):
    set_price(store, "d", "b", usd_per_label=0)
    set_price(store, "d", None, usd_per_label=1)
    assert cost_of(store, "b", "cost_usd_per_match").note == (
        "undefined: no label matches that of one human"
    )
    remove_price(store, "d", None)
    row = cost_of(store, "h1", "cost_usd_per_match")
    assert (row.estimate, row.note) == (None, "the price of these labels is not known")


def test_without_humans_there_is_nothing_to_match(tmp_path):
    labels = [label(0, "j", "a", cost_usd=1.0), label(0, "h", "a", cost_usd=1.0)]
    store = store_of(tmp_path / "s", labels, {"j": JUDGE, "h": HUMAN}, n_items=1)
    for name in ("j", "h", ONE_HUMAN):  # one human has nobody beside
        row = cost_of(store, name, "cost_usd_per_match")
        assert row.note == "no comparison of a known price has the label of a human to match", name


@pytest.fixture
def drawn(tmp_path):
    """A store of 150 comparisons of 50 prompts, and the same with a and b exchanged."""
    r = np.random.default_rng(11)
    kinds = {"h1": HUMAN, "h2": HUMAN, "h3": HUMAN, "j": JUDGE}
    marks = {name: r.choice(list("aab t"), 150) for name in kinds}
    prompts = r.integers(0, 50, 150).tolist()
    cost = r.random(150).tolist()
    texts = [(f"answer {i}", f"reply {i}!") for i in range(150)]

    def make(name, turn, responses):
        labels = [
            label(i, who, turn.get(m, m), cost_usd=cost[i] if who == "j" else None)
            for who, drawn in marks.items() for i, m in enumerate(drawn) if m != " "
        ]  # fmt: skip
        store = store_of(tmp_path / name, labels, kinds, n_items=150, prompts=prompts,
                         responses=responses)  # fmt: skip
        set_price(store, "d", None, usd_per_label=0.5)
        return store

    plain = make("plain", {}, texts)
    return plain, make("turned", {"a": "b", "b": "a"}, [(b, a) for a, b in texts]), marks, cost


def test_the_interval_is_that_of_a_ratio_over_prompts(drawn):
    store, _, marks, cost = drawn
    row = cost_of(store, "j", "cost_usd_per_match")
    with store.reading() as con:
        found = queries.rows(con, "SELECT source_id, prompt FROM comparisons")
    prompt = {int(source[1:]): text for source, text in found}
    sums = {}
    for i, mark in enumerate(marks["j"]):
        humans = [marks[f"h{k}"][i] for k in (1, 2, 3) if marks[f"h{k}"][i] != " "]
        if mark != " " and len(humans) >= 2:
            paid, match = sums.get(prompt[i], (0.0, 0.0))
            share = sum(mark == human for human in humans) / len(humans)
            sums[prompt[i]] = (paid + 1000 * cost[i], match + share)
    paid, match = np.array(list(sums.values())).T
    estimate, n = paid.sum() / match.sum(), len(paid)
    u = (paid - estimate * match) / match.sum()  # its sum is 0
    half = t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * (u @ u))
    assert row.n_prompts == n
    assert (row.estimate, row.low, row.high) == pytest.approx(
        (estimate, estimate - half, estimate + half)
    )


def test_which_response_is_called_a_is_no_matter(drawn):
    first, second, *_ = drawn
    rows, turned = (compare(store, "d", sections=("cost",)) for store in (first, second))
    assert len(rows) == len(turned)
    for one, other in zip(rows, turned, strict=True):  # another order of rows: the last digits
        assert replace(one, **NUMBERS) == replace(other, **NUMBERS)
        for name in NUMBERS:
            value = getattr(other, name)
            assert getattr(one, name) == (value if value is None else pytest.approx(value))
    assert any(row.statistic == "cost_usd_per_match" and row.low for row in rows)


@pytest.mark.real_data
def test_pandalm_at_the_prices_of_the_study(real_data, tmp_path):
    """Agreement: pandalm-7b .660, gpt-3.5-turbo .702 (without a verdict: a tie), a human .920."""
    store = Store(tmp_path / "s.duckdb", create=True)
    list(ingest(store, "pandalm", real_data / "pandalm"))
    prices = {None: 0.5, "gpt-3.5-turbo": 0.004, "pandalm-7b": 0.001}
    for name, usd in prices.items():
        set_price(store, "pandalm", name, usd_per_label=usd)
    rules = Rules(unparsed=UnparsedRule.TIE)
    rows = Rows(compare(store, "pandalm", rules=rules, sections=("agreement", "cost")))
    for name, usd in prices.items():
        row = rows.one("cost_usd_per_match", name or ONE_HUMAN)
        known = rows.one("cost_usd_per_1000", name or ONE_HUMAN)
        assert known.estimate == pytest.approx(1000 * usd)
        assert (row.n_items, row.n_labels) == (999, 999 if name else 2997)
        same = rows.one("single_human_agreement", name) if name else rows.ceiling("pandalm-7b")
        assert row.estimate == pytest.approx(1000 * usd / same.estimate)
        assert row.low < row.estimate < row.high
    by_hand = {"pandalm-7b": 1 / 0.660, "gpt-3.5-turbo": 4 / 0.702, ONE_HUMAN: 500 / 0.920}
    for name, value in by_hand.items():
        assert rows.one("cost_usd_per_match", name).estimate == pytest.approx(value, rel=1e-3)


# the command


def failed(result, *words):
    """One message that says what and what to do, and nothing on stdout."""
    code, out, err = result
    assert (code, out) == (3, ""), err
    first, second = err.strip().splitlines()[-2:]
    assert first.startswith("error: ")
    assert second.startswith("  ")
    for word in words:
        assert word in err, err
    return True


def test_a_price_is_set_listed_and_removed(run, store):
    where = ("--store", store.path)
    code, out, err = run("price", *where, "--per-label", 0.5, "--note", "pool of June")
    assert code == 0
    assert "every human without a price of their own: $0.5 per label, on 7 labels" in err
    assert err.splitlines()[-1] == (
        f"next: concord report --section cost --dataset d --store {store.path}"
    )
    lines = [line.split() for line in out.splitlines()]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert lines[1][:6] == ["every", "human", "$0.5", "per", "label", today]
    assert lines[1][-3:] == ["pool", "of", "June"]
    assert lines[2] == ["j", "none:", "as", "imported,", "all", "labels"]
    assert lines[3] == ["b", "none:", "not", "known"]
    _, out, _ = run("price", *where, "--annotator", "h1", "--per-hour", 18)
    assert "every other human" in out
    assert "$18 per hour" in out
    code, out, err = run("price", *where, "--annotator", "h1", "--remove")
    assert (code, "removed the price of 'h1'" in err, "h1" in out) == (0, True, False)


def test_a_price_changes_the_report(run, store):
    where = ("--dataset", "d", "--store", store.path)
    run("price", *where, "--per-label", 0.5)
    _, out, _ = run("report", *where, "--section", "cost")
    assert "1,000 human labels cost $500" in out
    assert "per 1,000 that match" in " ".join(out.split())
    assert "$750" in out


def test_json_has_what_is_in_force_who_has_none_and_all_before(run, store):
    where = ("--store", store.path, "--json")
    for price in (1, 0.00001):
        run("price", *where, "--annotator", "j", "--per-label", price)
    code, out, _ = run("price", *where)
    found = json.loads(out)
    assert code == 0
    assert [row["usd_per_label"] for row in found["in_force"]] == [0.00001]
    assert [row["usd_per_label"] for row in found["history"]] == [0.00001, 1]
    assert [row["name"] for row in found["without"]] == ["h1", "h2", "b"]
    assert [(row["labels"], row["imported"]) for row in found["without"]] == [
        (4, 0), (3, 3), (1, 0),
    ]  # fmt: skip
    assert "$0.00001 per label" in run("price", "--store", store.path)[1]


def test_an_hourly_price_says_where_no_time_is_known(run, store):
    where = ("price", "--store", store.path, "--per-hour", 18)
    _, _, err = run(*where)
    assert "note: 3 of 7 labels have measured seconds; the cost of the others is not known" in err
    _, _, err = run(*where, "--annotator", "j")
    assert "note: none of 4 labels has measured seconds: their cost is not known" in err


def test_many_without_a_price_are_counted(run, tmp_path):
    kinds = {f"h{k:02}": HUMAN for k in range(25)}
    store = store_of(tmp_path / "m", [label(0, name, "a") for name in kinds], kinds, n_items=1)
    _, out, _ = run("price", "--store", store.path)
    assert ("h19" in out, "h20" in out, "and 5 more without" in out) == (True, False, True)
    assert failed(
        run("price", "--store", store.path, "--annotator", "x", "--per-label", 1),
        "h19 and 5 more.",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--per-label", "nan"), ("a price of nan US dollars", "from 0 to 1,000,000")),
        (("--per-label", "-1"), ("a price of -1.0 US dollars",)),
        (("--per-label", "1", "--per-hour", "1"), ("either per label or per hour",)),
        (("--per-label", "1", "--remove"), ("--remove and a price",)),
        (("--note", "x"), ("no price is given", "--per-label or --per-hour")),
        (("--annotator", "h1"), ("no price is given",)),
        (("--annotator", "x", "--per-label", "1"), ("'x' in 'd'", "There are: h1, h2, j, b.")),
        (("--annotator", "h1", "--remove"), ("no price of 'h1' is in force", "prices of: none")),
        (("--dataset", "x", "--per-label", "1"), ("no data set 'x'", "It holds: d")),
        (("--dataset", "x"), ("no data set 'x'", "It holds: d")),
    ],
)
def test_what_cannot_be_set_is_said(run, store, words, said):
    assert failed(run("price", "--store", store.path, *words), *said)
    assert in_force(store) == []
