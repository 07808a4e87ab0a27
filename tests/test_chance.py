"""Agreement beyond chance: by hand, against other packages, what must not change, at the edges."""

from dataclasses import replace
from zlib import crc32

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels

from data.store import Store
from pipelines.ingest import ingest
from pipelines.panel import AB, BA, read_panel
from pipelines.sections.chance import SECTION, chance_rows
from pipelines.sections.view import CEILING, ONE_HUMAN, Rules, UnparsedRule, View
from pipelines.stats.agreement import (
    TIE,
    A,
    B,
    agreement_with_one,
    cohen_kappa,
    confusion,
    majority_by_sign,
    pair_agreement,
    pair_confusion,
    shares,
    total,
)
from pipelines.stats.chance import (
    cohen_kappas,
    coincidences,
    first_shown,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    longer_response,
    most_frequent_class,
    random_choice,
    raw_agreement,
    scott_pi,
    symmetrised,
    symmetrised_alpha,
    symmetrised_pi,
    ties_lead,
)
from pipelines.stats.intervals import cluster_sums, smooth_interval
from tests.estimating import AGGREGATE, HUMAN, JUDGE, Rows, both, label, store_of

DROP, AS_TIE, WRONG = (Rules(unparsed=rule) for rule in UnparsedRule)
TURN = [B, TIE, A]
NAMES = {"a": A, "t": TIE, "b": B}
TURNED = str.maketrans("ab", "ba")
OF_PAIRS = (raw_agreement, cohen_kappas, scott_pi, symmetrised_pi, gwet_ac1)
OF_MANY = (fleiss_kappa, krippendorff_alpha, symmetrised_alpha)
PAIRS = st.lists(st.tuples(st.sampled_from("atb"), st.sampled_from("atb")), min_size=1, max_size=60)
ROWS = st.lists(st.text("atb-", min_size=4, max_size=4), min_size=1, max_size=40)


def counts(*items):
    """Counts (n, 3) of items written as their labels; - is none."""
    return np.array([[item.count(name) for name in "atb"] for item in items], dtype=float)


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def at(digits):
    """Equal to a figure printed with this many decimals."""
    return {"abs": 0.5000001 * 10**-digits}


def cells_of(pairs):
    return confusion(*(shares(counts(*(pair[k] for pair in pairs))) for k in (0, 1)))


def of_pair(pairs):
    return cells_of(pairs).sum(axis=0)


def two_or_more(humans):
    return humans[total(humans) >= 2]


def alpha_of_package(rows):
    """Krippendorff's own package, on annotators x items with missing labels."""
    table = [[NAMES.get(mark, np.nan) for mark in item] for item in rows]
    return krippendorff.alpha(np.array(table, float).T, level_of_measurement="nominal")


def classes_of_two(rows):
    """The classes that occur on items with two labels or more."""
    items = [item.replace("-", "") for item in rows]
    return {mark for item in items if len(item) >= 2 for mark in item}


# two annotators, by hand


def test_coefficients_of_a_table_with_a_dominant_class_by_hand():
    # Gwet 2002: 118 aa, 5 ab, 2 ba. Observed .944. Rows 123/125 = .984, columns 120/125 = .96,
    # pooled .972. Cohen: chance .984 * .96 + .016 * .04 = .94528, kappa -.00128/.05472 = -.02339.
    # Scott: chance .972^2 + .028^2 = .945568, pi -.001568/.054432 = -.02881. Gwet, two classes:
    # chance 2 * .972 * .028 = .054432, AC1 .889568/.945568 = .94078. Three: chance .027216, AC1
    # .916784/.972784 = .94243. Symmetrised: chance 1/2, pi .444/.5 = .888.
    cells = np.zeros(9)
    cells[[0, 2, 6]] = 118, 5, 2
    found = [f(cells) for f in OF_PAIRS]
    assert found == pytest.approx([0.944, -0.02339, -0.02881, 0.888, 0.94243], **at(5))
    assert gwet_ac1(cells, classes=2) == pytest.approx(0.94078, **at(5))


def test_the_symmetrised_pi_with_ties_by_hand():
    # 4 aa, 2 bb, 2 tt, 1 ab, 1 at: observed .8. Labels: a 10, b 5, t 5 of 20; (p_a + p_b)/2 .375,
    # chance 2 * .375^2 + .25^2 = .34375, pi .45625/.65625 = .69524. Scott: chance .25 + .0625 +
    # .0625 = .375, pi .425/.625 = .68.
    totals = of_pair(["aa"] * 4 + ["bb"] * 2 + ["tt"] * 2 + ["ab", "at"])
    assert symmetrised_pi(totals) == pytest.approx(0.69524, **at(5))
    assert scott_pi(totals) == pytest.approx(0.68)


def test_the_symmetrised_cells_of_an_item_by_hand():
    # a with t: half the time it would be b with t
    assert symmetrised(cells_of(["at"])).reshape(3, 3).tolist() == [
        *[[0, 0.5, 0], [0, 0, 0], [0, 0.5, 0]]
    ]
    assert symmetrised(cells_of(["ab"])).reshape(3, 3).tolist() == [
        *[[0, 0, 0.5], [0, 0, 0], [0.5, 0, 0]]
    ]
    assert symmetrised(cells_of(["tt"])).tolist() == cells_of(["tt"]).tolist()


def test_the_same_decisions_have_another_kappa_under_another_naming_but_one_symmetrised_pi():
    # Observed .85. Named: a .78 and .77, chance .78 * .77 + .22 * .23 = .6512, kappa .1988/.3488 =
    # .570. With every second one turned the classes are near a half each: (.85 - .5)/.5 = .70.
    named = ["aa"] * 70 + ["bb"] * 15 + ["ab"] * 8 + ["ba"] * 7
    turned = [pair.translate(TURNED) if k % 2 else pair for k, pair in enumerate(named)]
    found = [[f(of_pair(pairs)) for pairs in (named, turned)] for f in OF_PAIRS]
    assert found[0] == [0.85, 0.85]
    assert found[1] == pytest.approx([0.570, 0.70], abs=0.001)
    assert found[3] == pytest.approx([0.70, 0.70])  # (.85 - .5)/.5


# two annotators, against other packages


@settings(deadline=None)
@given(PAIRS)
def test_coefficients_of_two_are_those_of_other_packages(pairs):
    assume(len({mark for pair in pairs for mark in pair}) > 1)
    totals = of_pair(pairs)
    one, other = ([NAMES[pair[k]] for pair in pairs] for k in (0, 1))
    assert cohen_kappas(totals) == pytest.approx(cohen_kappa_score(one, other), abs=1e-8)
    items = counts(*("".join(pair) for pair in pairs))
    assert scott_pi(totals) == pytest.approx(fleiss_of_statsmodels(items), abs=1e-8)


@settings(deadline=None)
@given(PAIRS)
def test_the_symmetrised_pi_is_scotts_on_each_item_with_its_twin_of_exchanged_slots(pairs):
    assume({mark for pair in pairs for mark in pair} != {"t"})
    items = counts(*("".join(pair) for pair in pairs))
    expected = fleiss_of_statsmodels(np.concatenate([items, items[:, TURN]]))
    assert symmetrised_pi(of_pair(pairs)) == pytest.approx(expected, abs=1e-8)


@settings(deadline=None)
@given(PAIRS, st.sampled_from([2, 3]))
def test_ac1_is_what_a_loop_over_its_definition_gives(pairs, classes):
    observed = sum(x == y for x, y in pairs) / len(pairs)
    labels = [mark for pair in pairs for mark in pair]
    given_ = [labels.count(mark) / len(labels) for mark in "atb"]
    chance = sum(p * (1 - p) for p in given_) / (classes - 1)
    assume(chance < 0.99)  # two classes, but three occur: not a case
    expected = (observed - chance) / (1 - chance)
    assert gwet_ac1(of_pair(pairs), classes) == pytest.approx(expected, abs=1e-8)


def test_kappas_of_many_tables_are_those_of_one_after_the_other():
    tables = rng("many tables").multinomial(50, np.full(9, 1 / 9), (4, 5)).astype(float)
    assert cohen_kappas(tables) == pytest.approx(
        np.array([[cohen_kappa(table) for table in line] for line in tables]), abs=1e-12
    )


# many annotators, by hand


def test_coefficients_of_three_with_a_missing_label_by_hand():
    # Items aab, bb-, t--: the last has one label. Coincidences: aab has 6 ordered pairs of weight
    # 1/2: aa 1, ab 1, ba 1; bb has bb 2. n = 5, n_a 2, n_b 3. alpha = 1 - 4 * 2/12 = 1/3.
    # Symmetrised n_a = n_b = 2.5: 1 - 4 * 2/12.5 = .36.
    # Fleiss: observed (1/3 + 1)/2 = 2/3; shares a 1/3, b 2/3; chance 5/9; kappa (1/9)/(4/9) = 1/4.
    # AC1, two classes: chance 4/9, (2/9)/(5/9) = .4; three: chance 2/9, (4/9)/(7/9) = 4/7.
    humans = two_or_more(counts("aab", "bb-", "t--"))
    pairs, labels = (f(humans).sum(axis=0) for f in (pair_confusion, coincidences))
    assert labels.tolist() == pytest.approx([1, 0, 1, 0, 0, 0, 1, 0, 2])
    assert krippendorff_alpha(labels) == pytest.approx(1 / 3)
    assert symmetrised_alpha(labels) == pytest.approx(0.36)
    assert fleiss_kappa(pairs) == pytest.approx(1 / 4)
    assert gwet_ac1(pairs, classes=2) == pytest.approx(0.4)
    assert gwet_ac1(pairs) == pytest.approx(4 / 7)


def test_alpha_draws_two_labels_without_putting_one_back():
    # One item, a and b: they differ as any two of the two labels do. alpha = 1 - 1 * 2/2 = 0, while
    # pi, which puts back, is (0 - .5)/.5 = -1.
    humans = counts("ab")
    assert krippendorff_alpha(coincidences(humans).sum(axis=0)) == pytest.approx(0.0)
    assert fleiss_kappa(pair_confusion(humans).sum(axis=0)) == pytest.approx(-1.0)


# many annotators, against other packages


@settings(deadline=None)
@given(ROWS)
def test_alpha_is_that_of_krippendorffs_package_with_missing_labels(rows):
    assume(len(classes_of_two(rows)) > 1)
    totals = coincidences(two_or_more(counts(*rows))).sum(axis=0)
    assert krippendorff_alpha(totals) == pytest.approx(alpha_of_package(rows), abs=1e-8)


@settings(deadline=None)
@given(ROWS)
def test_the_symmetrised_alpha_is_that_of_the_items_with_their_twins_but_for_their_number(rows):
    # The twins double n, and alpha is 1 - (n - 1)/n (1 - what depends on shares only).
    assume(classes_of_two(rows) - {"t"})
    totals = coincidences(two_or_more(counts(*rows))).sum(axis=0)
    with_twins = alpha_of_package(rows + [item.translate(TURNED) for item in rows])
    n = totals.sum()
    shares_only = (1 - with_twins) / ((2 * n - 1) / (2 * n))
    assert symmetrised_alpha(totals) == pytest.approx(1 - (n - 1) / n * shares_only, abs=1e-8)


@settings(deadline=None)
@given(st.lists(st.text("atb", min_size=4, max_size=4), min_size=1, max_size=40))
def test_fleiss_kappa_is_that_of_statsmodels_where_all_have_the_same_number(rows):
    assume(len(set("".join(rows))) > 1)
    humans = counts(*rows)
    found = fleiss_kappa(pair_confusion(humans).sum(axis=0))
    assert found == pytest.approx(fleiss_of_statsmodels(humans), abs=1e-8)


@settings(deadline=None)
@given(ROWS)
def test_fleiss_kappa_and_ac1_with_missing_labels_are_what_loops_give(rows):
    items = [item.replace("-", "") for item in rows]
    items = [item for item in items if len(item) >= 2]
    assume(len(set("".join(items))) > 1)
    observed = np.mean(
        [
            np.mean([item[i] == item[j] for i in range(len(item)) for j in range(i)])
            for item in items
        ]
    )
    given_ = [np.mean([item.count(mark) / len(item) for item in items]) for mark in "atb"]
    totals = pair_confusion(counts(*items)).sum(axis=0)
    chance = sum(p * p for p in given_)
    assert fleiss_kappa(totals) == pytest.approx((observed - chance) / (1 - chance), abs=1e-8)
    chance = sum(p * (1 - p) for p in given_) / 2
    assert gwet_ac1(totals) == pytest.approx((observed - chance) / (1 - chance), abs=1e-8)
    assert raw_agreement(totals) == pytest.approx(observed, abs=1e-8)


# exchanging a and b


def figures(judge, humans, clusters, longer, ab, ba):
    """What must not change in any digit, intervals and all."""
    mine = shares(judge)
    both_ = np.isfinite(mine[:, 0]) & (total(humans) > 0)
    pairs = symmetrised(confusion(mine[both_], shares(humans[both_])))
    many = total(humans) >= 2
    labels = symmetrised(coincidences(humans[many]))
    known = total(humans) > 0
    judges = (longer_response(longer), first_shown(ab, ba), random_choice(len(humans)))
    return [
        smooth_interval(symmetrised_pi, cluster_sums(pairs, clusters[both_])),
        smooth_interval(symmetrised_alpha, cluster_sums(labels, clusters[many])),
        [agreement_with_one(judge, humans).tolist() for judge in judges],
        ties_lead(humans[known]),
    ]


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_exchanging_the_slots_of_any_items_changes_no_digit_of_the_headline(seed):
    r, n = np.random.default_rng(seed), 120
    humans, judge = (
        r.multinomial(1, [0.5, 0.2, 0.3], (m, n)).sum(axis=0) * (r.random((n, 1)) < 0.9)
        for m in (5, 3)
    )
    humans = np.minimum(humans, r.integers(1, 4, (n, 3))).astype(float)
    clusters, longer = r.integers(0, 30, n), r.integers(-1, 2, n).astype(np.int8)
    ab, ba = r.integers(1, 4, (2, n)).astype(float)
    turned = r.random(n) < 0.5
    other = [np.where(turned[:, None], x[:, TURN], x) for x in (judge.astype(float), humans)]
    found = figures(judge.astype(float), humans, clusters, longer, ab, ba)
    again = figures(
        *other, clusters, np.where(turned, -longer, longer).astype(np.int8),
        np.where(turned, ba, ab), np.where(turned, ab, ba),
    )  # fmt: skip
    assert found[0].low is not None
    assert repr(found) == repr(again)  # repr: NaN is itself, and every digit is in it


def test_symmetrised_cells_are_exact_and_stay_what_they_are():
    cells = rng("cells").random((1000, 9))
    turned = cells.reshape(-1, 3, 3)[:, TURN][:, :, TURN].reshape(-1, 9)
    once = symmetrised(cells)
    assert np.array_equal(once, symmetrised(turned))
    assert np.array_equal(once, symmetrised(once))
    assert not np.array_equal(cells, turned)


def test_the_plain_forms_do_move():
    rows = ["aaa", "aab", "aat", "bba", "aaa", "tta"]
    turned = [item.translate(TURNED) if k % 2 else item for k, item in enumerate(rows)]
    for f, cells in ((krippendorff_alpha, coincidences), (fleiss_kappa, pair_confusion)):
        found, other = (f(cells(counts(*items)).sum(axis=0)) for items in (rows, turned))
        assert abs(found - other) > 0.01


@pytest.mark.parametrize("function", [*OF_PAIRS, *OF_MANY])
def test_other_invariances(function):
    tables = rng("invariances").multinomial(60, np.full(9, 1 / 9), 50).astype(float)
    of_all = function(tables)
    assert of_all.shape == (50,)
    assert np.isfinite(of_all).all()
    # all slots exchanged, and the two annotators exchanged
    everything = tables.reshape(-1, 3, 3)[:, TURN][:, :, TURN].reshape(-1, 9)
    assert function(everything) == pytest.approx(of_all, abs=1e-12)
    people = tables.reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)
    assert function(people) == pytest.approx(of_all, abs=1e-12)
    assert (np.abs(of_all) <= 1).all()


# at the edges


@pytest.mark.parametrize("function", [*OF_PAIRS, *OF_MANY])
def test_without_labels_nothing_is_defined(function):
    found = function(np.zeros((2, 9)))
    assert np.isnan(found).all()
    assert np.isnan(function(np.zeros(9, complex)))


@pytest.mark.parametrize("mark", "ab")
def test_where_all_say_the_same_the_plain_forms_are_undefined_and_the_others_one(mark):
    totals = of_pair([mark * 2] * 7)
    for f in (cohen_kappas, scott_pi, fleiss_kappa, krippendorff_alpha):
        assert np.isnan(f(totals))
    for f in (raw_agreement, symmetrised_pi, gwet_ac1, symmetrised_alpha):
        assert f(totals) == pytest.approx(1.0)


def test_where_all_are_ties_only_what_has_no_marginal_of_one_is_defined():
    totals = of_pair(["tt"] * 7)
    for f in (cohen_kappas, scott_pi, symmetrised_pi, *OF_MANY):
        assert np.isnan(f(totals))
    assert [raw_agreement(totals), gwet_ac1(totals)] == [1.0, 1.0]


def test_what_differs_from_one_class_by_rounding_only_is_one_class():
    totals = of_pair(["tt"] * 7)
    totals[1] = 1e-13
    for f in (cohen_kappas, scott_pi, symmetrised_pi, *OF_MANY):
        assert np.isnan(f(totals))


def test_one_undefined_table_among_others_leaves_the_others_be():
    tables = np.stack([of_pair(["tt"]), of_pair(["aa", "bb"])])
    assert symmetrised_pi(tables).tolist() == pytest.approx([np.nan, 1.0], nan_ok=True)


def test_a_constant_or_a_random_annotator_has_no_agreement_beyond_chance():
    always_a = confusion(shares(counts(*"aaaaaa")), shares(counts(*"aabbtt"))).sum(axis=0)
    assert cohen_kappas(always_a) == pytest.approx(0.0)
    independent = np.outer([0.3, 0.4, 0.3], [0.3, 0.4, 0.3]).ravel()
    for f in (cohen_kappas, scott_pi, symmetrised_pi, fleiss_kappa):
        assert f(independent) == pytest.approx(0.0, abs=1e-12)


# intervals


@pytest.mark.parametrize("function", [*OF_PAIRS, *OF_MANY])
def test_the_gradient_with_a_complex_step_is_that_of_differences(function):
    totals = rng("gradient").random(9) + 0.5
    for k, step in enumerate(np.eye(9)):
        exact = np.imag(function(totals + 1e-30j * step)) / 1e-30
        plain = (function(totals + 1e-6 * step) - function(totals - 1e-6 * step)) / 2e-6
        assert exact == pytest.approx(plain, abs=1e-7), k


def test_intervals_of_the_symmetrised_alpha_cover():
    # Labels from Dirichlet(1, 1, 1) shares of the prompt: two agree with E sum q^2 = 1/2, classes
    # have a third each, so alpha is (1/2 - 1/3)/(2/3) = 1/4 whatever the number of labels.
    r, worlds, prompts = rng("coverage of alpha"), 1000, 60
    covered = by_item = 0
    for _ in range(worlds):
        clusters = np.repeat(np.arange(prompts), r.integers(2, 7, prompts))
        m = r.integers(2, 5, len(clusters))
        humans = r.multinomial(m, r.dirichlet([1, 1, 1], prompts)[clusters]).astype(float)
        cells = symmetrised(coincidences(humans))
        found = smooth_interval(symmetrised_alpha, cluster_sums(cells, clusters))
        covered += found.low <= 0.25 <= found.high
        plain = smooth_interval(symmetrised_alpha, cells)
        by_item += plain.low <= 0.25 <= plain.high
    assert covered / worlds == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / worlds))
    assert by_item / worlds < 0.90


# trivial judges


def test_trivial_judges_by_hand():
    humans = counts("aab", "tb", "b")
    longer = longer_response(np.array([1, -1, 0], np.int8))
    assert longer.tolist() == [[1, 0, 0], [0, 0, 1], [0.5, 0, 0.5]]
    assert agreement_with_one(longer, humans) == pytest.approx([2 / 3, 1 / 2, 1 / 2])
    first = first_shown(np.array([1.0, 1, 0]), np.array([0.0, 1, 0]))
    assert first[:2].tolist() == [[1, 0, 0], [0.5, 0, 0.5]]
    assert np.isnan(first[2, [A, B]]).all()
    assert agreement_with_one(first, humans)[:2] == pytest.approx([2 / 3, 1 / 4])
    assert agreement_with_one(random_choice(3), humans) == pytest.approx([1 / 2, 1 / 4, 1 / 2])


def test_the_most_frequent_class_weighs_items_not_labels():
    humans = counts("aaaaaa", "tt", "tb")
    assert most_frequent_class(humans) == TIE  # 1.5 of 3 items, a 1, b .5
    assert ties_lead(humans)  # 1.5 over (1 + .5)/2
    assert most_frequent_class(counts("aa", "at", "bb")) == A
    assert not ties_lead(counts("ab", "tt", "ab"))  # 1 and 1: a draw is not a lead


@settings(deadline=None)
@given(st.lists(st.text("atb", min_size=1, max_size=4), min_size=1, max_size=30))
def test_no_constant_judge_agrees_more_than_the_most_frequent_class(rows):
    humans = counts(*rows)
    constants = [
        agreement_with_one(np.tile(np.eye(3)[k], (len(rows), 1)), humans).mean() for k in range(3)
    ]
    assert max(constants) == pytest.approx(constants[most_frequent_class(humans)])
    coin = agreement_with_one(random_choice(len(rows)), humans).mean()
    assert max(coin, constants[TIE]) == pytest.approx(constants[TIE] if ties_lead(humans) else coin)


# rows


@pytest.fixture
def rows_of():
    """Rows of a view, checked as those of every section are."""

    def rows(store, rules=DROP, dataset="d", keep=None, name="all", panel=None):
        panel = panel or read_panel(store, dataset)
        keep = np.ones(panel.n_items, bool) if keep is None else keep
        return Rows(list(chance_rows(View(panel, rules, name, keep))))

    return rows


def store_with(path, judge, votes, **options):
    """Humans h1, h2, ... and a judge j with a label of each order: `ab` or ` b`, `x` unparsed."""
    m = max(map(len, votes))
    labels = [
        label(i, f"h{k + 1}", mark)
        for i, marks in enumerate(votes)
        for k, mark in enumerate(marks)
        if mark != " "
    ]
    labels += [cell for i, (ab, ba) in enumerate(judge) for cell in both(i, "j", ab, ba)]
    kinds = {**{f"h{k + 1}": HUMAN for k in range(m)}, "j": JUDGE}
    return store_of(path, labels, kinds, n_items=len(votes), **options)


FOUR = (["ab", "t ", "bb", "x "], ["aab", "tt ", "b  ", "abt"])
LENGTHS = [("longer text", "text"), ("one", "two"), ("x", "y"), ("short", "much longer")]


def test_rows_by_hand(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "s", *FOUR, responses=LENGTHS))
    # The judge with one human: comparisons 0 to 2. Cells: 0 a and b (half each) with a 2/3, b 1/3;
    # tt; bb. Observed (1/2 + 1 + 1)/3 = 5/6. Shares of the judge: a 1/6, t 1/3, b 1/2; of humans:
    # a 2/9, t 1/3, b 4/9; pooled a 7/36, t 12/36, b 17/36.
    # Chance 482/1296, pi (1080 - 482)/(1296 - 482) = 598/814; symmetrised: a = b = 1/3, chance 1/3,
    # pi 3/4; AC1: chance (1 - 482/1296)/2 = 407/1296, (1080 - 407)/(1296 - 407) = 673/889.
    row = found.one("symmetrised_pi", "j")
    assert (row.estimate, row.reference, row.unit) == (pytest.approx(3 / 4), ONE_HUMAN, "kappa")
    assert (row.n_items, row.n_prompts, row.n_labels) == (3, 3, 5)
    assert (row.section, row.method) == (SECTION, "swap-symmetrised unparsed=drop")
    assert row.note.startswith("left out: 1 without a usable label or human; too few prompts")
    assert found.one("scott_pi", "j").estimate == pytest.approx(598 / 814)
    # Two humans on 0 and 1: observed (1/3 + 1)/2 = 2/3; a 1/3, b 1/6, so 1/4 each, t 1/2: chance
    # 3/8, (2/3 - 3/8)/(5/8) = 7/15.
    row = found.one("symmetrised_pi", CEILING)
    assert (row.estimate, row.n_items, row.n_labels) == (pytest.approx(7 / 15), 2, 5)
    assert row.method == "swap-symmetrised items of j"
    row = found.one("gwet_ac1", "j")
    assert row.estimate == pytest.approx(673 / 889)
    assert row.method == "stated orientation classes=3 unparsed=drop"
    # Humans: aab, tt, abt. Coincidences: agreeing aa 1, tt 2 of n = 8; n_a 3, n_t 3, n_b 2.
    # alpha = 1 - 7 * 5/(64 - 22) = 1/6; symmetrised n_a = n_b = 2.5: 1 - 7 * 5/(64 - 21.5) = 3/17.
    # Fleiss: observed (1/3 + 1 + 0)/3 = 4/9; shares a 1/3, t 4/9, b 2/9, chance 29/81, 7/52.
    # AC1: chance (52/81)/2 = 26/81, (36 - 26)/(81 - 26) = 2/11.
    alpha, plain = found.all("krippendorff_alpha")
    assert (alpha.method, plain.method) == ("swap-symmetrised", "stated orientation")
    assert alpha.estimate == pytest.approx(3 / 17)
    assert plain.estimate == pytest.approx(1 / 6)
    assert (alpha.n_items, alpha.n_prompts, alpha.n_labels) == (3, 3, 8)
    assert alpha.note.startswith("left out: 1 with one human; ")
    assert found.one("fleiss_kappa", ONE_HUMAN).estimate == pytest.approx(7 / 52)
    assert found.one("gwet_ac1", ONE_HUMAN).estimate == pytest.approx(2 / 11)
    assert len(found.rows) == 8 + 5


def test_baselines_by_hand(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "s", *FOUR, responses=LENGTHS))
    # On comparisons 0 and 1, as the judge's own agreement: humans a 2/3, b 1/3; t 1.
    # Longer: a there 2/3, equal 0: 1/3. First shown: both orders (2/3 + 1/3)/2; only ab: a, 0.
    expected = {"longer response": 1 / 3, "first shown": 1 / 4, "random choice": 1 / 4}
    for name, value in expected.items():
        row = found.one("baseline_agreement", name)
        assert row.estimate == pytest.approx(value)
        assert (row.reference, row.unit, row.method) == (
            *(ONE_HUMAN, "share", "ties=class unparsed=drop items of j"),
        )
        assert (row.n_items, row.n_prompts, row.n_labels) == (2, 2, 5)
    turned, stated = found.all("baseline_agreement", subject="always the most frequent class")
    for row, method in ((turned, "swap-symmetrised"), (stated, "stated orientation")):
        assert row.estimate == pytest.approx(1 / 2)
        assert row.method == f"{method} ties=class unparsed=drop items of j"
        assert row.note.startswith("the class is tie; ")


def test_the_most_frequent_class_of_decided_labels(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "s", ["aa"] * 4, ["aa", "aa", "ab", "bb"]))
    turned, stated = found.all("baseline_agreement", subject="always the most frequent class")
    assert (stated.estimate, stated.note[:14]) == (pytest.approx(2.5 / 4), "the class is a")
    assert turned.estimate == pytest.approx(1 / 2)
    assert turned.note.startswith("the class is a or b, either half of the time")
    # without any tie in the data set there were two classes: observed 2.5/4, pooled a 6.5/8,
    # chance 2 * 13/16 * 3/16 = 78/256, AC1 (160 - 78)/(256 - 78)
    row = found.one("gwet_ac1", "j")
    assert row.estimate == pytest.approx(82 / 178)
    assert "classes=2" in row.method


def test_the_unparsed_rule(tmp_path, rows_of):
    store = store_with(tmp_path / "s", *FOUR, responses=LENGTHS)
    found = {rules: rows_of(store, rules) for rules in (DROP, AS_TIE, WRONG)}
    for rules, n, method in ((DROP, 3, "drop"), (AS_TIE, 4, "tie"), (WRONG, 3, "drop")):
        row = found[rules].one("symmetrised_pi", "j")
        assert (row.n_items, row.method) == (n, f"swap-symmetrised unparsed={method}")
    # a wrong label is a label: comparison 3 counts, as in the judge's own agreement
    for name in ("random choice", "first shown", "longer response"):
        n_items = [f.one("baseline_agreement", name).n_items for f in found.values()]
        assert n_items == [2, 3, 3]
    alphas = [f.all("krippendorff_alpha")[0].estimate for f in found.values()]
    assert len(set(alphas)) == 1


def test_an_unparsed_reply_as_a_tie_makes_a_third_class(tmp_path, rows_of):
    store = store_with(tmp_path / "s", ["a ", "x ", "b "], ["aa", "ab", "bb"])
    methods = [rows_of(store, rules).one("gwet_ac1", "j").method for rules in (DROP, AS_TIE)]
    assert methods == [f"stated orientation classes={x}" for x in ("2 unparsed=drop",
                                                                   "3 unparsed=tie")]  # fmt: skip


def test_a_slice_has_only_what_no_naming_moves(tmp_path, rows_of):
    store = store_with(tmp_path / "s", *FOUR, responses=LENGTHS)
    panel = read_panel(store, "d")
    keep = total(panel.human_counts()) == 3
    found = rows_of(store, keep=keep, name="category=x", panel=panel)
    assert [(row.statistic, row.subject) for row in found.rows] == [
        ("krippendorff_alpha", ONE_HUMAN),
        ("symmetrised_pi", "j"),
        ("baseline_agreement", "always the most frequent class"),
        ("baseline_agreement", "longer response"),
        ("baseline_agreement", "first shown"),
        ("baseline_agreement", "random choice"),
    ]
    assert not [row for row in found.rows if "stated orientation" in row.method]
    assert {row.slice for row in found.rows} == {"category=x"}
    nothing = rows_of(store, keep=np.zeros(4, bool), name="category=y", panel=panel)
    assert not nothing.rows


def test_without_humans_it_says_so_once(tmp_path, rows_of):
    labels = [label(i, who, "a") for i in range(3) for who in ("j", "gold")]
    store = store_of(tmp_path / "s", labels, {"j": JUDGE, "gold": AGGREGATE}, n_items=3)
    [row] = rows_of(store).rows
    assert (row.estimate, row.note) == (None, "the data set has no human labels")
    assert not rows_of(store, name="category=x").rows


def test_one_human_has_no_alpha_but_a_judge_has_its_pi(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "s", ["aa", "bb", "ab"], ["a", "b", "b"]))
    for statistic in ("krippendorff_alpha", "fleiss_kappa", "gwet_ac1"):
        row = found.all(statistic, subject=ONE_HUMAN)[0]
        assert (row.estimate, row.n_items) == (None, 0)
        assert "undefined: no comparison has labels of two humans" in row.note
    # (1 + 1 + 1/2)/3 = 5/6, chance 1/2
    assert found.one("symmetrised_pi", "j").estimate == pytest.approx(2 / 3)
    [row] = found.all("baseline_agreement")
    assert row.note == "no comparison has labels of two humans and a usable label of this one"


def test_all_ties_and_no_overlap_and_nothing_usable(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "ties", ["tt"] * 30, ["tt"] * 30))
    for statistic, subject in (("symmetrised_pi", "j"), ("scott_pi", "j")):
        row = found.one(statistic, subject)
        assert (row.estimate, row.n_items) == (None, 30)
        assert row.note == "undefined: chance agreement is 1: all labels are of the same class"
    assert found.one("gwet_ac1", "j").estimate == 1.0
    assert found.one("baseline_agreement", "random choice").estimate == 0.0
    for judge in (["  ", "  ", "a "], ["x ", "x ", "x "]):
        votes = ["aa", "ab", "  "]
        store = store_with(tmp_path / "".join(judge).strip(), judge, votes)
        found = rows_of(store)
        row = found.one("symmetrised_pi", "j")
        assert (row.estimate, row.n_items) == (None, 0)
        assert "undefined: no comparison labelled by both" in row.note
        [row] = found.all("baseline_agreement")
        assert row.note.endswith("a usable label of this one")


def test_one_prompt_has_no_interval(tmp_path, rows_of):
    found = rows_of(store_with(tmp_path / "s", *FOUR, responses=LENGTHS, prompts=[0] * 4))
    for row in found.rows:
        assert (row.low, row.n_prompts) == (None, 1)
        assert row.estimate is not None


def test_what_is_not_known_of_texts_and_orders(tmp_path, rows_of):
    labels = [label(i, who, "a") for i in range(3) for who in ("h1", "h2", "j")]
    kinds = {"h1": HUMAN, "h2": HUMAN, "j": JUDGE}
    found = rows_of(store_of(tmp_path / "s", labels, kinds, n_items=3, texts=False))
    row = found.one("baseline_agreement", "longer response")
    assert (row.estimate, row.note) == (None, "the texts of the responses are not known")
    row = found.one("baseline_agreement", "first shown")
    assert row.estimate is None
    assert row.note == "the order in which the responses were shown is not known"


def test_where_some_texts_are_not_known_equal_and_unknown_are_left_out(tmp_path, rows_of):
    store = store_with(tmp_path / "s", ["aa"] * 4, ["aa"] * 4, responses=LENGTHS)
    whole = rows_of(store).one("baseline_agreement", "longer response")
    assert (whole.estimate, whole.n_items) == (pytest.approx((1 + 0.5 + 0.5 + 0) / 4), 4)
    panel = replace(read_panel(store, "d"), n_with_texts=3)
    some = rows_of(store, panel=panel).one("baseline_agreement", "longer response")
    assert (some.estimate, some.n_items) == (pytest.approx(0.5), 2)
    assert some.note.startswith("left out: 2 of equal or unknown length; ")
    panel = replace(panel, longer=np.zeros(4, np.int8))
    none = rows_of(store, panel=panel).one("baseline_agreement", "longer response")
    assert none.note == "no response is known to be longer than the other"


def test_renaming_the_slots_in_the_data_set_changes_no_digit_of_the_headline(tmp_path, rows_of):
    r, n = rng("renaming"), 60
    # four humans: thirds do not add up exactly, halves would
    marks = ["".join(r.choice(list("atb "), 4, p=[0.4, 0.2, 0.3, 0.1])) for _ in range(n)]
    judge = ["".join(r.choice(list("atbx "), 2, p=[0.4, 0.1, 0.3, 0.1, 0.1])) for _ in range(n)]
    lengths = r.integers(1, 4, (n, 2))
    texts = [(f"{i:02}" + "x" * int(a), "yy" + "y" * int(b)) for i, (a, b) in enumerate(lengths)]
    store = store_with(tmp_path / "s", judge, marks, responses=texts,
                       prompts=(np.arange(n) % 30).tolist())  # fmt: skip
    panel = read_panel(store, "d")
    assert panel.n_items == n
    turned = r.random(n) < 0.5
    labels = dict(panel.labels)
    mine = turned[labels["item"]]
    for name, top in (("preference", 2), ("shown", 1)):
        known = mine & (labels[name] >= 0)
        labels[name] = np.where(known, top - labels[name], labels[name])
    longer = np.where(turned, -panel.longer, panel.longer).astype(np.int8)
    other = replace(panel, labels=labels, longer=longer, _cache={}, _humans=None)
    for rules in (DROP, AS_TIE, WRONG):
        one, two = (rows_of(store, rules, panel=p).rows for p in (panel, other))
        kept = [("stated orientation" not in row.method, row) for row in one]
        assert sum(headline for headline, _ in kept) == 7
        for (headline, row), again in zip(kept, two, strict=True):
            assert row.low is not None
            if headline or row.unit == "kappa":
                assert (row == again) is headline, row


# public data


@pytest.fixture(scope="module")
def store(real_data, tmp_path_factory):
    found = Store(tmp_path_factory.mktemp("chance") / "real.duckdb", create=True)
    ingest(found, "pandalm", real_data / "pandalm")
    ingest(found, "prd", real_data / "prd-vicuna80")
    return found


@pytest.fixture
def prd(store):
    """The view of all comparisons, and the numbers of the annotators by name."""
    panel = read_panel(store, "prd-vicuna80")
    index = {who.name: k for k, who in enumerate(panel.annotators)}
    return View(panel, DROP, "all", np.ones(panel.n_items, bool)), index


def test_pandalm_kappas(store, rows_of):
    found = rows_of(store, dataset="pandalm")
    assert found.one("fleiss_kappa", ONE_HUMAN).estimate == pytest.approx(0.8642, **at(4))
    panel = read_panel(store, "pandalm")
    view = View(panel, DROP, "all", np.ones(panel.n_items, bool))
    index = {who.name: k for k, who in enumerate(panel.annotators)}
    one, two, three = (shares(view.counts(index[f"annotator{k}"])) for k in (1, 2, 3))
    tables = [confusion(*pair).sum(axis=0) for pair in ((one, two), (one, three), (two, three))]
    assert cohen_kappas(np.stack(tables)) == pytest.approx([0.8520, 0.8789, 0.8617], **at(4))


def test_pandalm_rows_are_on_the_comparisons_of_the_judge(store, rows_of):
    found = rows_of(store, dataset="pandalm")
    for judge, n in (("pandalm-7b", 999), ("gpt-3.5-turbo", 974)):
        method = f"ties=class unparsed=drop items of {judge}"
        rows = found.all("baseline_agreement", method=method)
        assert {row.subject for row in rows} == {"longer response", "first shown", "random choice"}
        assert {row.n_items for row in rows if row.estimate is not None} == {n}
        assert found.one("symmetrised_pi", judge).n_items == n


@pytest.mark.parametrize(
    ("judge", "published"),
    [("gpt-4", 0.40629411), ("claude-1", 0.31943601), ("gpt-3.5-turbo", 0.38737689)],
)
def test_prd_published_kappas_of_judges_and_the_human_majority(prd, judge, published):
    # Fleiss's kappa of two annotators on the 1,600 labels as shown, the first shown as the first
    # class, with the sign of the mean human label turned likewise.
    view, index = prd
    labels = view.counts_by_order(index[judge])
    majority = np.eye(3)[majority_by_sign(view.humans)]
    cells = np.concatenate(
        [
            confusion(labels[AB], majority),
            confusion(labels[BA][:, TURN], majority[:, TURN]),
        ]
    )
    totals = cells.sum(axis=0)
    assert totals.sum() == 1600
    assert scott_pi(totals) == pytest.approx(published, **at(8))
    # the orientation does not matter to the symmetrised one
    stored = confusion(labels[AB] + labels[BA], majority).sum(axis=0)
    assert symmetrised_pi(stored) == pytest.approx(symmetrised_pi(totals), abs=1e-12)
    assert abs(scott_pi(stored) - scott_pi(totals)) > 1e-5


def test_prd_fleiss_kappa_of_the_humans_in_both_orientations(prd, store, rows_of):
    found = rows_of(store, dataset="prd-vicuna80")
    row = found.one("fleiss_kappa", ONE_HUMAN)
    assert row.estimate == pytest.approx(0.1836, **at(4))
    assert (row.n_items, row.n_prompts, row.n_labels) == (2240, 80, 6720)
    assert row.note == "left out: 320 with one human"
    triples = two_or_more(as_shown(*prd))
    assert fleiss_kappa(pair_confusion(triples).sum(axis=0)) == pytest.approx(0.1848, **at(4))


def as_shown(view, index):
    """Human counts (n, 3) with the response that was shown first as the first class."""
    labels = sum(view.counts_by_order(index[f"human-{k}"]) for k in (1, 2, 3))
    return labels[AB] + labels[BA][:, TURN]


def test_prd_alpha_moves_with_the_naming_and_the_symmetrised_one_does_not(prd):
    # on the 480 that judges labelled too: .1774 as stored, .1996 as shown, symmetrised .1998
    view, index = prd
    judged = (view.ballots(index["gpt-4"]).rows > 0) & (total(view.humans) == 3)
    stored, shown = (
        coincidences(humans[judged]).sum(axis=0) for humans in (view.humans, as_shown(*prd))
    )
    assert judged.sum() == 480
    assert krippendorff_alpha(stored) == pytest.approx(0.1774, **at(4))
    assert krippendorff_alpha(shown) == pytest.approx(0.1996, **at(4))
    assert symmetrised_alpha(stored) == pytest.approx(0.1998, **at(4))
    assert symmetrised_alpha(shown) == pytest.approx(0.1998, **at(4))


def test_prd_baselines_are_beside_the_ceiling(prd, store, rows_of):
    view, index = prd
    found = rows_of(store, dataset="prd-vicuna80")
    method = "ties=class unparsed=drop items of gpt-4"
    rows = {row.subject: row for row in found.all("baseline_agreement", method=method)}
    assert {row.n_items for row in rows.values()} == {480}
    # all judges saw both orders of all: first shown is a coin
    assert rows["first shown"].estimate == pytest.approx(rows["random choice"].estimate)
    judged = (view.ballots(index["gpt-4"]).rows > 0) & (total(view.humans) == 3)
    humans = view.humans[judged] / 3
    chosen = np.where(view.longer[judged] > 0, humans[:, A], humans[:, B])
    assert rows["longer response"].estimate == pytest.approx(chosen.mean(), abs=1e-12)
    assert rows["random choice"].estimate < 0.45 < rows["longer response"].estimate
    assert pair_agreement(view.humans[judged]).mean() == pytest.approx(0.5236, **at(4))
