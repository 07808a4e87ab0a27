"""Slices, and intervals that cover for all slices of a judge together; two judges compared."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit
from scipy.stats import binom

from data.errors import InputError
from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator
from data.store import Store
from pipelines.compare import compare, compare_judges
from pipelines.findings import difference_sentence
from pipelines.panel import Panel, read_panel
from pipelines.sections.agreement import agreement_rows
from pipelines.sections.view import CEILING, ONE_HUMAN, Rules, View
from pipelines.slices import COLUMNS, _criticals, simultaneous, slice_codes
from pipelines.stats.agreement import TieRule
from pipelines.stats.resampling import bootstrap, simultaneous_intervals
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, compared, label, store_of

NAN = np.nan
WIDENED = ("single_human_agreement", "gap", "majority_agreement")


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def panel_of(**columns):
    """A panel with nothing but what slices are made of."""
    n = len(next(iter(columns.values())))
    given = {
        "category": [None] * n, "length": [NAN] * n, "models": ("x", "y", "z"),
        "model_a": [-1] * n, "model_b": [-1] * n, **columns,
    }  # fmt: skip
    return Panel(
        dataset="d", criterion="overall", simulated=False, prompt=np.arange(n, dtype=np.int32),
        category=np.array(given["category"], dtype=object), longer=np.zeros(n, np.int8),
        length=np.array(given["length"], dtype=float), models=tuple(given["models"]),
        model_a=np.array(given["model_a"], np.int32), model_b=np.array(given["model_b"], np.int32),
        n_with_texts=0, annotators=(), labels={},
    )  # fmt: skip


def named(panel, column):
    """The slice of each comparison by name."""
    names, codes = slice_codes(panel, column)
    return [names[code] if code >= 0 else None for code in codes]


# which comparison is in which slice


def test_categories_by_hand():
    panel = panel_of(category=["b", None, "a", "b"])
    names, codes = slice_codes(panel, "category")
    assert (names, codes.tolist()) == (["a", "b"], [1, -1, 0, 1])


@pytest.mark.parametrize(
    ("column", "columns"),
    [
        ("category", {"category": ["a", "a", None]}),
        ("category", {"category": [None, None]}),
        ("length", {"length": [7, 7, 7, NAN]}),
        ("length", {"length": [NAN, NAN]}),
        ("length", {"length": [7]}),
        ("models", {"model_a": [0, 1, -1], "model_b": [1, 0, 1]}),
        ("models", {"model_a": [-1, 0], "model_b": [1, -1]}),
    ],
)
def test_fewer_than_two_slices_are_none(column, columns):
    names, codes = slice_codes(panel_of(**columns), column)
    assert names == []
    assert (codes == -1).all()


def test_quarters_of_length_by_hand():
    # Of 1 ... 8 the quartiles are 2.75, 4.5 and 6.25: two comparisons in each quarter.
    found = named(panel_of(length=[8, 1, 2, NAN, 3, 4, 5, 6, 7]), "length")
    assert found == [
        "4th quarter", "1st quarter", "1st quarter", None, "2nd quarter", "2nd quarter",
        "3rd quarter", "3rd quarter", "4th quarter",
    ]  # fmt: skip


def test_equal_lengths_are_in_one_quarter():
    # Sorted 1 1 1 1 1 9: the quartiles are 1, 1 and 1; what equals one is not above it.
    assert named(panel_of(length=[1, 1, 9, 1, 1, 1]), "length") == [
        "1st quarter", "1st quarter", "4th quarter", "1st quarter", "1st quarter", "1st quarter",
    ]  # fmt: skip
    lengths = rng("lengths").integers(1, 12, 500).astype(float)
    found = named(panel_of(length=lengths), "length")
    assert len(set(zip(lengths, found, strict=True))) == len(set(lengths))
    order = np.argsort(lengths, kind="stable")
    assert [found[k] for k in order] == sorted(found)  # the longer, the later


def test_quarters_hold_a_quarter_each_where_lengths_differ():
    lengths = rng("quarters").permutation(400).astype(float)
    _, counts = np.unique(named(panel_of(length=lengths), "length"), return_counts=True)
    assert counts.tolist() == [100] * 4


def test_models_by_hand_whichever_is_a():
    panel = panel_of(model_a=[0, 1, 2, -1, 0], model_b=[1, 0, 0, 1, -1])
    assert named(panel, "models") == ["x v y", "x v y", "x v z", None, None]


def test_another_column_says_which_there_are():
    with pytest.raises(InputError, match="no slices by 'language'") as error:
        slice_codes(panel_of(category=["a", "b"]), "language")
    assert error.value.fix == "There are: category, length, models."


# through a store


def world(path, *, n=240, per_prompt=2, turned=(), seed="world", sizes=None):
    """Three humans and two judges, three models; comparisons `turned` have a and b exchanged."""
    r = rng(seed)
    models = ["x", "y", "z"]
    couples = [(0, 1), (0, 2), (1, 2)]
    comparisons, labels = [], []
    for i in range(n):
        first, second = couples[int(r.integers(3))] if sizes is None else couples[sizes[i]]
        sides = [(models[first], "w" * int(r.integers(1, 60))), (models[second], "v" * 9 + str(i))]
        chance = r.dirichlet([1.5, 0.6, 1.2])
        marks = [str(r.choice(["a", "t", "b"], p=chance)) for _ in range(5)]
        if i in turned:
            sides = sides[::-1]
            marks = [{"a": "b", "b": "a", "t": "t"}[mark] for mark in marks]
        comparisons.append(
            {"item": i, "source_id": f"c{i}", "prompt_key": f"p{i // per_prompt}",
             "prompt": f"q {i // per_prompt}", "category": ("code", "maths")[i % 2],
             "model_a": sides[0][0], "model_b": sides[1][0],
             "response_a": sides[0][1], "response_b": sides[1][1]}
        )  # fmt: skip
        labels += [label(i, f"h{k}", mark) for k, mark in enumerate(marks[:3])]
        labels += [label(i, who, m, "ab") for who, m in zip("jk", marks[3:], strict=True)]
    who = {"h0": HUMAN, "h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    store = Store(path, create=True)
    material = Material(
        dataset="d", source="test", digest="0",
        comparisons=table(comparisons, COMPARISONS), labels=table(labels, LABELS),
        annotators=tuple(Annotator(kind, name, "d") for name, kind in who.items()),
    )  # fmt: skip
    import_material(store, material)
    return store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return world(tmp_path_factory.mktemp("slices") / "s.duckdb")


@pytest.mark.parametrize("column", ["length", "models"])
def test_an_exchange_of_a_and_b_leaves_slices_and_their_figures(whole, tmp_path, column):
    turned = set(rng("turned").permutation(240)[:120].tolist())
    other = world(tmp_path / "t.duckdb", turned=turned)
    found = [compared(s, slices=column, sections=("agreement",)).rows for s in (whole, other)]
    rows = [[r for r in rows if r.statistic in WIDENED] for rows in found]
    assert len({row.slice for row in rows[0]}) == {"length": 5, "models": 4}[column]
    assert rows[0] == rows[1]  # exactly


def pointwise(rows_of, rules, column):
    """The rows of each slice as if it were the only one."""
    panel = read_panel(rows_of, "d")
    names, codes = slice_codes(panel, column)
    rows = []
    for place, name in enumerate(names):
        rows += agreement_rows(View(panel, rules, f"{column}={name}", codes == place))
    return panel, names, codes, rows


@pytest.mark.parametrize("ties", TieRule)
@pytest.mark.parametrize("column", COLUMNS)
def test_together_is_wider_by_the_critical_value_over_the_normal_one(whole, column, ties):
    rules = Rules(ties=ties)
    panel, names, codes, rows = pointwise(whole, rules, column)
    criticals = _criticals(View(panel, rules, "all", np.ones(panel.n_items, bool)), names, codes)
    widened = simultaneous(panel, rules, column, rows)
    n = 0
    for before, after in zip(rows, widened, strict=True):
        if before.statistic not in WIDENED or before.subject == CEILING:
            assert after == before
            continue
        factor = criticals[before.statistic, (before.subject, before.reference)] / ndtri(0.975)
        assert 1.02 < factor < 1.5, factor
        assert after.method == f"{before.method} simultaneous"
        assert after.estimate - after.low == pytest.approx(factor * (before.estimate - before.low))
        assert after.high - after.estimate == pytest.approx(
            factor * (before.high - before.estimate)
        )
        assert replace(after, low=0, high=0, method="") == replace(before, low=0, high=0, method="")
        n += 1
    assert n == len(names) * 2 * 3  # judges, statistics


def test_what_compare_gives_is_widened_in_slices_only(whole):
    rows = compare(whole, "d", sections=("agreement", "bias"), slices="models")
    for row in Rows(rows).rows:
        wide = row.statistic in WIDENED and row.subject != CEILING and row.slice != "all"
        assert row.method.endswith(" simultaneous") is wide, row
    plain = compare(whole, "d", sections=("agreement",), slices=None)
    overall = [r for r in rows if r.slice == "all" and r.section == "agreement"]
    assert overall == plain


def test_the_critical_value_is_that_of_one_joint_bootstrap(whole):
    # Again with a loop over comparisons: sums by prompt, slice and column, then max-t.
    panel = read_panel(whole, "d")
    view = View(panel, Rules(), "all", np.ones(panel.n_items, bool))
    names, codes = slice_codes(panel, "models")
    [j] = [k for k, who in enumerate(panel.annotators) if who.name == "j"]
    judge, humans = view.counts(j), view.humans
    sums = np.zeros((panel.prompt.max() + 1, len(names), 2))
    for i, prompt in enumerate(panel.prompt):
        match = sum(judge[i, c] * humans[i, c] / humans[i].sum() for c in range(3))
        sums[prompt, codes[i]] += match, 1

    def shares(totals):
        parts = totals.reshape(len(totals), len(names), 2)
        return parts[..., 0] / parts[..., 1]

    flat = sums.reshape(len(sums), -1)
    found = simultaneous_intervals(shares(flat.sum(axis=0)[None])[0], bootstrap(shares, flat))
    critical = _criticals(view, names, codes)["single_human_agreement", ("j", ONE_HUMAN)]
    assert critical == pytest.approx(found.critical, rel=1e-12)


def test_a_slice_under_20_prompts_says_so_and_takes_no_part(tmp_path):
    sizes = [0] * 100 + [1] * 100 + [2] * 19
    store = world(tmp_path / "s.duckdb", n=219, per_prompt=1, sizes=sizes, seed="small")
    rows = compared(store, slices="models", sections=("agreement",))
    small = rows.one("single_human_agreement", "j", slice="models=y v z")
    assert small.estimate is not None
    assert small.low is None
    assert "too few prompts" in small.note
    assert "simultaneous" not in small.method
    large = rows.one("single_human_agreement", "j", slice="models=x v y")
    assert large.method.endswith("simultaneous")
    without = world(tmp_path / "t.duckdb", n=200, per_prompt=1, sizes=sizes, seed="small")
    other = compared(without, slices="models", sections=("agreement",))
    same = other.one("single_human_agreement", "j", slice="models=x v y")
    # Two slices take part in both; the draws are of 219 and of 200 prompts.
    assert large.high - large.estimate == pytest.approx(same.high - same.estimate, rel=0.06)


def test_one_slice_with_enough_prompts_is_not_widened(tmp_path):
    sizes = [0] * 100 + [1] * 10
    store = world(tmp_path / "s.duckdb", n=110, per_prompt=1, sizes=sizes, seed="alone")
    rows = compared(store, slices="models", sections=("agreement",))
    assert not [row for row in rows.rows if "simultaneous" in row.method]
    assert rows.one("gap", "j", slice="models=x v y").low is not None


def test_prompts_that_decide_nothing_still_count_as_a_rows_prompts(tmp_path):
    # Two slices of 30 prompts. Where ties are left out only 15 of each have a weight: their rows
    # have an interval over 30 prompts, so they take part.
    cells = []
    r = rng("decided")
    for i in range(60):
        tie = i % 4 < 2
        cells += [label(i, h, "t" if tie else str(r.choice(["a", "b"]))) for h in ("h0", "h1")]
        cells.append(label(i, "j", str(r.choice(["a", "b"])), "ab"))
    store = store_of(
        tmp_path / "s.duckdb", cells, {"h0": HUMAN, "h1": HUMAN, "j": JUDGE},
        n_items=60, categories=["c", "d"] * 30,
    )  # fmt: skip
    rows = compared(store, Rules(ties=TieRule.DROP), sections=("agreement",))
    for name in ("category=c", "category=d"):
        row = rows.one("single_human_agreement", "j", slice=name)
        assert (row.n_prompts, row.low is None) == (30, False)
        assert row.method.endswith("simultaneous")


def test_all_slices_are_covered_together_and_single_intervals_do_not_do_it():
    # 8 slices of 100 prompts with one comparison each; the truth of each is known. With 12 slices
    # of 40 they cover 90%, as single intervals of so few yes and no are short of 95% as well.
    slices, each, worlds = 8, 100, 150
    truth = np.linspace(0.35, 0.75, slices)
    together = alone = 0
    for k in range(worlds):
        right = rng(f"cover {k}").random((slices, each)) < truth[:, None]
        values = right.mean(axis=1)
        spread = right.std(axis=1, ddof=1) / np.sqrt(each)
        sums = np.zeros((slices * each, slices, 2))
        for s in range(slices):
            sums[s * each : (s + 1) * each, s] = np.stack([right[s], np.ones(each)], axis=1)

        def shares(totals):
            parts = totals.reshape(len(totals), slices, 2)
            return parts[..., 0] / parts[..., 1]

        flat = sums.reshape(slices * each, -1)
        critical = simultaneous_intervals(values, bootstrap(shares, flat, replicates=300)).critical
        student = stdtrit(each - 1, 0.975)
        wide = critical / ndtri(0.975) * student * spread
        together += bool((np.abs(values - truth) <= wide).all())
        alone += bool((np.abs(values - truth) <= student * spread).all())
    low, high = binom.ppf([0.0005, 0.9995], worlds, 0.95)
    assert low <= together <= high
    assert alone < 0.8 * worlds


def test_no_slices_leave_the_rows(tmp_path):
    store = store_of(
        tmp_path / "s.duckdb", [label(0, "h", "a"), label(0, "j", "a", "ab")],
        {"h": HUMAN, "j": JUDGE}, n_items=1, categories=["only"],
    )  # fmt: skip
    for column in COLUMNS:
        rows = compared(store, slices=column)
        assert {row.slice for row in rows.rows} == {"all"}
    with pytest.raises(InputError, match="no slices by 'nope'"):
        compare(store, "d", slices="nope")


# two judges


def two(store, first="j", second="k", **options):
    rows = compare_judges(store, "d", first, second, **options)
    return rows, {(row.statistic, row.subject): row for row in rows}


@pytest.mark.parametrize("ties", TieRule)
def test_the_difference_is_that_of_the_agreements_on_what_both_labelled(tmp_path, ties):
    r = rng(f"two {ties}")
    cells = []
    for i in range(120):
        chance = r.dirichlet([1.5, 0.6, 1.2])
        marks = [str(r.choice(["a", "t", "b"], p=chance)) for _ in range(5)]
        cells += [label(i, f"h{k}", m) for k, m in enumerate(marks[:3])]
        cells += [label(i, "j", marks[3], "ab")] if i < 100 else []
        cells += [label(i, "k", marks[4] if i % 10 else "x", "ab")] if i >= 20 else []
    kinds = {"h0": HUMAN, "h1": HUMAN, "h2": HUMAN, "j": JUDGE, "k": JUDGE}
    store = store_of(tmp_path / "s.duckdb", cells, kinds, n_items=120)
    rules = Rules(ties=ties)
    rows, of = two(store, rules=rules)
    Rows(rows)
    # Both labelled 20 to 99, k without a verdict on every tenth.
    assert {row.n_items for row in rows} == {72}
    agreement = [of["single_human_agreement", who].estimate for who in "jk"]
    difference = of["agreement_difference", "j"]
    assert difference.estimate == pytest.approx(agreement[0] - agreement[1], abs=1e-12)
    assert difference.reference == "k"
    # On these alone the report of each judge has the same agreement.
    shared = [c for c in cells if 20 <= c["item"] < 100 and c["item"] % 10]
    kept = [{**c, "item": sorted({d["item"] for d in shared}).index(c["item"])} for c in shared]
    alone = compared(store_of(tmp_path / "t.duckdb", kept, kinds, n_items=72), rules, slices=None)
    for who in "jk":
        row = alone.one("single_human_agreement", who)
        mine = of["single_human_agreement", who]
        assert (row.estimate, row.low) == pytest.approx((mine.estimate, mine.low), abs=1e-12)
    # The other way round it is the same difference with the other sign.
    back = two(store, "k", "j", rules=rules)[1]["agreement_difference", "k"]
    assert back.estimate == pytest.approx(-difference.estimate, abs=1e-12)
    assert back.low == pytest.approx(-difference.high, abs=1e-9)


def judged_store(path, right_j, right_k, n=100):
    """Two humans who say a; judges that do in these numbers of comparisons, from other ends."""
    cells = []
    for i in range(n):
        cells += [label(i, h, "a") for h in ("h0", "h1")]
        cells.append(label(i, "j", "a" if i < right_j else "b", "ab"))
        cells.append(label(i, "k", "a" if i >= n - right_k else "b", "ab"))
    return store_of(path, cells, {"h0": HUMAN, "h1": HUMAN, "j": JUDGE, "k": JUDGE}, n_items=n)


def test_what_could_have_been_found_by_hand(tmp_path):
    # 60 and 55 right, 15 by both: differences +1 in 45, -1 in 40, 0 in 15. Mean .05, variance
    # (.85 - .0025) 100/99; SE = sqrt(.8475 / 99).
    rows, of = two(judged_store(tmp_path / "s.duckdb", 60, 55))
    error = np.sqrt(0.8475 / 99)
    difference = of["agreement_difference", "j"]
    assert difference.estimate == pytest.approx(0.05)
    assert difference.high == pytest.approx(0.05 + stdtrit(99, 0.975) * error)
    least = of["detectable_difference", "j"]
    expected = (stdtrit(99, 0.975) + stdtrit(99, 0.8)) * error
    assert least.estimate == pytest.approx(expected, abs=1e-9)
    assert (least.low, least.high, least.unit) == (None, None, "share difference")
    assert difference_sentence(rows) == (
        "j and k cannot be told apart: +5 [-13, +23] points, on the 100 comparisons that both "
        "labelled and two humans too; a difference of 26 points would have been found in 80% of "
        "such data sets."
    )


def test_where_a_difference_is_found_nothing_is_said_of_what_could_be(tmp_path):
    store = judged_store(tmp_path / "s.duckdb", 90, 30)
    rows, of = two(store)
    assert ("detectable_difference", "j") not in of
    assert difference_sentence(rows).startswith("j agrees more than k: +60 [")
    assert difference_sentence(two(store, "k", "j")[0]).startswith("k agrees less than j: -60 [")


@pytest.mark.parametrize("n", [1, 19, 30])
def test_judges_that_cannot_be_told_apart_without_an_interval(tmp_path, n):
    # Below 20 prompts, or with the same answers everywhere, there is none.
    rows, of = two(judged_store(tmp_path / "s.duckdb", n, n, n))
    assert of["agreement_difference", "j"].estimate == 0
    assert of["agreement_difference", "j"].low is None
    assert ("detectable_difference", "j") not in of
    things = "1 comparison" if n == 1 else f"{n} comparisons"
    assert difference_sentence(rows) == (
        f"j and k cannot be told apart: 0 points, on the {things} that both labelled and two "
        f"humans too; {of['agreement_difference', 'j'].note}."
    )


def test_without_comparisons_of_both_the_sentence_says_so(tmp_path):
    cells = [label(i, h, "a") for i in range(4) for h in ("h0", "h1")]
    cells += [label(i, "j" if i < 2 else "k", "a", "ab") for i in range(4)]
    kinds = {"h0": HUMAN, "h1": HUMAN, "j": JUDGE, "k": JUDGE}
    rows, of = two(store_of(tmp_path / "s.duckdb", cells, kinds, n_items=4))
    assert of["agreement_difference", "j"].note == "undefined: no comparison labelled by both"
    assert difference_sentence(rows) == (
        "j and k cannot be compared: no comparison labelled by both."
    )


def test_judges_are_compared_by_what_their_common_comparisons_have(tmp_path):
    # Two humans on the first comparison, which k did not label; one on those that both did.
    cells = [label(0, "h0", "a"), label(0, "h1", "a"), label(0, "j", "a", "ab")]
    for i in range(1, 5):
        cells += [label(i, "h0", "a"), label(i, "j", "a", "ab"), label(i, "k", "ab"[i % 2], "ab")]
    kinds = {"h0": HUMAN, "h1": HUMAN, "j": JUDGE, "k": JUDGE}
    _, of = two(store_of(tmp_path / "s.duckdb", cells, kinds, n_items=5))
    assert of["majority_agreement", "j"].estimate == 1.0
    assert of["agreement_difference", "j"].estimate == pytest.approx(0.5)
    assert of["agreement_difference", "j"].n_items == 4


def test_both_labelled_but_nobody_else_did(tmp_path):
    cells = [label(0, "h", "a"), label(1, "j", "a", "ab"), label(1, "k", "a", "ab")]
    store = store_of(tmp_path / "s.duckdb", cells, {"h": HUMAN, "j": JUDGE, "k": JUDGE}, n_items=2)
    assert difference_sentence(two(store)[0]) == (
        "j and k cannot be compared: no comparison that both labelled has a label to compare with."
    )


def test_judges_are_compared_with_gold_where_there_are_no_humans(tmp_path):
    cells = [label(i, "gold", "a") for i in range(4)]
    cells += [
        label(i, who, "a" if who == "j" or i else "b", "ab") for i in range(4) for who in "jk"
    ]
    kinds = {"gold": AGGREGATE, "j": JUDGE, "k": JUDGE}
    _, of = two(store_of(tmp_path / "s.duckdb", cells, kinds, n_items=4))
    assert of["majority_agreement", "k"].reference == "gold"
    assert of["agreement_difference", "j"].estimate == pytest.approx(0.25)


def test_errors_say_what_to_do(tmp_path, whole):
    for names, what, fix in (
        (("j", "j"), "'j' is compared with itself", "Name two judges."),
        (("j", "nobody"), "no labels of a judge 'nobody'", "There are: j, k."),
        (("h0", "j"), "no labels of a judge 'h0'", "There are: j, k."),
    ):
        with pytest.raises(InputError, match=what) as error:
            compare_judges(whole, "d", *names)
        assert error.value.fix == fix
    cells = [label(0, who, "a", "ab") for who in "jk"]
    store = store_of(tmp_path / "s.duckdb", cells, {"j": JUDGE, "k": JUDGE}, n_items=1)
    with pytest.raises(InputError, match="has no human or gold labels") as error:
        compare_judges(store, "d", "j", "k")
    assert "concord import" in error.value.fix


def test_a_judge_with_the_name_of_a_human_is_no_fault_of_the_program(tmp_path):
    cells = [label(0, who, "a", "ab") for who in "hjk"]
    kinds = {"h": HUMAN, "j": JUDGE, "k": JUDGE}
    store = store_of(tmp_path / "s.duckdb", cells, kinds, n_items=1)
    with store.writing() as con:
        con.execute("UPDATE annotators SET name = 'j' WHERE name = 'h'")
    with pytest.raises(InputError, match="no labels of a judge 'j'") as error:
        compare_judges(store, "d", "j", "k")
    assert error.value.fix == "There are: j (2), k."
