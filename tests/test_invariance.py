"""What no figure may depend on: which response is called a, the order of rows, and of names."""

from dataclasses import replace
from itertools import product
from zlib import crc32

import numpy as np
import pytest

from data.store import Store
from pipelines.compare import SECTIONS, estimates_of
from pipelines.estimates import as_row
from pipelines.ingest import ingest
from pipelines.panel import Panel, Who, read_panel
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.stats.agreement import TieRule
from tests.estimating import BASELINE, HUMAN, JUDGE, check

N_ITEMS, N_PROMPTS = 150, 60
AB, BA, UNKNOWN = 0, 1, -1
RULES = [Rules(*rules) for rules in product(MajorityRule, UnparsedRule, TieRule)]
PLAIN = ("cohen_kappa", "scott_pi", "fleiss_kappa", "gwet_ac1", "krippendorff_alpha")
FOLDERS = {"pandalm": "pandalm", "prd": "prd-vicuna80"}


def rng(name):
    return np.random.default_rng(crc32(name.encode()))


def is_stated(row):
    return "stated orientation" in row.method


def all_rows(panel, rules=None, sections=tuple(SECTIONS)):
    return estimates_of(panel, rules or Rules(), sections, slices="category")


def fresh(panel, **changed):
    """The panel with other arrays, and nothing remembered of the old ones."""
    return replace(panel, _cache={}, _humans=None, **changed)


# a panel with all that the sections know of


def made(name):
    """Three humans, two judges in both orders, a judge that states probabilities, a baseline."""
    r = rng(name)
    prompt = np.sort(r.integers(0, N_PROMPTS, N_ITEMS)).astype(np.int32)
    model_a = r.integers(0, 4, N_ITEMS).astype(np.int32)
    quality = np.array([0.9, 0.3, -0.3, -0.9])
    model_b = ((model_a + r.integers(1, 4, N_ITEMS)) % 4).astype(np.int32)
    worth = quality[model_a] - quality[model_b] + r.normal(size=N_ITEMS)
    rows = [
        *human(r, 0, worth),
        *human(r, 1, worth),
        *human(r, 2, worth),
        *judge(r, 3, worth, favour=0.6),
        *judge(r, 4, worth, favour=-0.2),
        *soft(r, 5, worth),
        *judge(r, 6, np.zeros(N_ITEMS), favour=3.0),
    ]
    names = ("item", "annotator", "preference", "repeat", "shown", "unparsed", "p_a")
    columns = dict(zip(names, np.array(rows).T, strict=True))
    labels = {key: columns[key].astype(np.int64) for key in names[:-1]}
    n = len(rows)
    labels |= {"unparsed": columns["unparsed"].astype(bool), "p_a": columns["p_a"]}
    labels |= {"cost_usd": r.random(n), "seconds": r.random(n), "at": 1e9 + labels["item"]}
    kinds = (HUMAN, HUMAN, HUMAN, JUDGE, JUDGE, JUDGE, BASELINE)
    people = ("h1", "h2", "h3", "j1", "j2", "soft", "first")
    return Panel(
        dataset="made",
        criterion="overall",
        simulated=True,
        prompt=prompt,
        category=r.choice(np.array(["x", "y", None], object), N_ITEMS),
        longer=r.choice(np.array([-1, 0, 1], np.int8), N_ITEMS),
        length=r.integers(10, 999, N_ITEMS).astype(float),
        models=("m1", "m2", "m3", "m4"),
        model_a=model_a,
        model_b=model_b,
        n_with_texts=N_ITEMS,
        annotators=tuple(
            Who(f"id {name}", name, kind, anonymous=False)
            for name, kind in zip(people, kinds, strict=True)
        ),
        labels=labels,
    )


def preferred(value):
    """Class 0 a, 1 tie, 2 b: close calls are ties."""
    return 1 if abs(value) < 0.3 else (0 if value > 0 else 2)


def human(r, k, worth):
    """A tenth of the labels is missing, a tenth unparsed; a tenth of the rest is given twice.

    Some are given in the other order too, with another answer and at the same time.
    """
    for i in range(N_ITEMS):
        if r.random() < 0.1:
            continue
        shown = r.choice([AB, BA, UNKNOWN])
        bad = r.random() < 0.1
        for repeat in range(1 + (r.random() < 0.1)):
            preference = -1 if bad else preferred(worth[i] + r.normal())
            yield i, k, preference, repeat, shown, bad, np.nan
        if i % 7 == k and shown != UNKNOWN:
            yield i, k, 1 if preference != 1 else 2, 0, 1 - shown, False, np.nan


def judge(r, k, worth, favour):
    """Both orders, some twice, a tenth of the replies unparsed; leans towards the first shown."""
    for i, (shown, sign) in product(range(N_ITEMS), ((AB, 1), (BA, -1))):
        for repeat in range(1 + (i % 5 == 0)):
            bad = r.random() < 0.1
            value = worth[i] + sign * favour + 0.7 * r.normal()
            yield i, k, -1 if bad else preferred(value), repeat, shown, bad, np.nan


def soft(r, k, worth):
    """Probabilities of 20 binary digits: 1 - p is then exact, and 1 - (1 - p) is p."""
    for i in range(N_ITEMS - 10):
        value = worth[i] + 0.5 * r.normal()
        p = np.round(2**20 / (1 + np.exp(-2 * value))) / 2**20
        yield i, k, preferred(value), 0, AB if i % 2 else BA, False, p


# slots


def exchanged(panel, turned):
    """The same judgments, but the comparisons `turned` (n,) call their responses b and a."""
    labels = dict(panel.labels)
    mine = turned[labels["item"]]
    preference, shown = labels["preference"], labels["shown"]
    labels["preference"] = np.where(mine & (preference >= 0), 2 - preference, preference)
    labels["shown"] = np.where(mine & (shown >= 0), 1 - shown, shown)
    labels["p_a"] = np.where(mine, 1 - labels["p_a"], labels["p_a"])
    return fresh(
        panel,
        labels=labels,
        longer=np.where(turned, -panel.longer, panel.longer).astype(np.int8),
        model_a=np.where(turned, panel.model_b, panel.model_a),
        model_b=np.where(turned, panel.model_a, panel.model_b),
    )


def unequal(first, second):
    """Rows that differ in any digit or word."""
    assert len(first) == len(second)
    return [(one, other) for one, other in zip(first, second, strict=True) if one != other]


def headline_of(rows):
    return [row for row in rows if not is_stated(row)]


@pytest.mark.parametrize("rules", RULES, ids=lambda r: f"{r.majority}-{r.unparsed}-{r.ties}")
def test_no_headline_figure_depends_on_which_response_is_called_a(rules):
    panel = made("slots")
    turned = rng(f"turned {rules}").random(panel.n_items) < 0.5
    first, second = all_rows(panel, rules), all_rows(exchanged(panel, turned), rules)
    assert unequal(headline_of(first), headline_of(second)) == []


def test_all_sections_have_headline_figures_in_the_made_panel():
    rows = all_rows(made("slots"))
    check(rows)
    with_interval = {row.section for row in headline_of(rows) if row.low is not None}
    assert with_interval == set(SECTIONS)


def test_plain_forms_do_depend_on_it():
    panel = made("slots")
    turned = rng("plain").random(panel.n_items) < 0.5
    first, second = all_rows(panel), all_rows(exchanged(panel, turned))
    moved = {one.statistic for one, _ in unequal(first, second)}
    assert set(PLAIN) <= moved


@pytest.mark.parametrize("column", ["preference", "shown", "p_a", "longer", "model_a"])
def test_who_forgets_to_exchange_one_column_is_found(column):
    """Each column is behind some headline figure: without it the test above would see nothing."""
    panel = made("slots")
    wrong = exchanged(panel, rng(column).random(panel.n_items) < 0.5)
    if column in panel.labels:
        wrong.labels[column] = panel.labels[column]
    else:
        wrong = fresh(wrong, **{column: getattr(panel, column)})
    sections = ("agreement", "calibration", "ranking", "bias")
    first, second = (headline_of(all_rows(p, sections=sections)) for p in (panel, wrong))
    assert len(first) != len(second) or unequal(first, second)


@pytest.fixture(scope="module")
def real(real_data, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("invariance") / "real.duckdb", create=True)
    for source, folder in FOLDERS.items():
        ingest(store, source, real_data / folder)
    return {folder: read_panel(store, folder) for folder in FOLDERS.values()}


@pytest.mark.real_data
@pytest.mark.parametrize("ties", TieRule)
@pytest.mark.parametrize("folder", FOLDERS.values())
def test_nor_does_one_of_the_real_data_sets(real, folder, ties):
    panel, rules = real[folder], Rules(ties=ties)
    turned = rng(folder).random(panel.n_items) < 0.5
    first, second = all_rows(panel, rules), all_rows(exchanged(panel, turned), rules)
    assert len(headline_of(first)) > 50
    assert unequal(headline_of(first), headline_of(second)) == []


# rows and names


def shuffled(panel, r):
    """The labels of each annotator in another order."""
    order = r.permutation(len(panel.labels["item"]))
    order = order[np.argsort(panel.labels["annotator"][order], kind="stable")]
    return fresh(panel, labels={key: column[order] for key, column in panel.labels.items()})


def renumbered(panel, order):
    """The annotators in another order."""
    labels = dict(panel.labels)
    labels["annotator"] = np.argsort(order)[labels["annotator"]]
    rows = np.argsort(labels["annotator"], kind="stable")
    return fresh(
        panel,
        annotators=tuple(panel.annotators[k] for k in order),
        labels={key: column[rows] for key, column in labels.items()},
    )


def keyed(rows):
    """Rows by what they are; kappa has no subject and reference, but two annotators."""
    found = {}
    for row in rows:
        values = as_row(row)
        if row.statistic == "cohen_kappa":
            values["subject"], values["reference"] = sorted((row.subject, row.reference))
        key = ("statistic", "subject", "reference", "method", "slice")
        found[tuple(values[name] for name in key)] = values
    return found


def same_to_rounding(first, second):
    first, second = keyed(first), keyed(second)
    assert first.keys() == second.keys()
    for key, one in first.items():
        other = second[key]
        for name in ("estimate", "low", "high"):
            value, expected = one.pop(name), other.pop(name)
            assert (value is None) == (expected is None), key
            assert value is None or value == pytest.approx(expected, abs=1e-12, rel=1e-12), key
        assert one == other


@pytest.mark.parametrize("rules", [Rules(), Rules(MajorityRule.SIGN, "wrong", TieRule.DROP)])
def test_the_order_of_labels_is_no_matter(rules):
    panel = made("rows")
    same_to_rounding(all_rows(panel, rules), all_rows(shuffled(panel, rng("order")), rules))


@pytest.mark.parametrize("rules", [Rules(), Rules(MajorityRule.SIGN, "wrong", TieRule.DROP)])
def test_the_order_of_annotators_is_no_matter(rules):
    panel = made("rows")
    order = [3, 0, 5, 1, 6, 2, 4]
    same_to_rounding(all_rows(panel, rules), all_rows(renumbered(panel, order), rules))
