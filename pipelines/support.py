"""What a data set supports and what it does not, what that rests on, and what to collect.

Counted from the panel's arrays. "A comparison has k human labels" counts humans, not their repeats.
Nothing here is a result: it says which results there can be, and how small a difference they find.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN, Rules, View
from pipelines.stats.agreement import (
    agreement_with_one,
    majority_by_mode,
    pair_agreement,
    share_of,
    total,
)
from pipelines.stats.intervals import CAUTION_PROMPTS, FEWEST_PROMPTS
from pipelines.stats.power import (
    difference_at,
    most_design_effect,
    smallest_difference,
    standard_error_of,
)
from pipelines.wording import NOT_KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.panel import Panel

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

HUMAN, AGGREGATE = AnnotatorKind.HUMAN, AnnotatorKind.AGGREGATE
JUDGE, BASELINE = AnnotatorKind.JUDGE, AnnotatorKind.BASELINE
NO_HUMANS = "no human labels"
ORDERS = {
    "both": "both orders",
    "random": "one order each, as if drawn at random",
    "fixed": "one order each, not as if drawn at random",
    "unknown": "order not known",
}
TEST_HUMANS, TEST_COMPARISONS = 3, 30  # of the alternative annotator test
RANKED_MODELS = 3
COIN_ERRORS = 3.0  # orders drawn by a fair coin are rarely further from half
DISCORDANCES = (0.1, 0.2, 0.3)
NAMED = 3  # names in a sentence before "and k more"


@dataclass(frozen=True, slots=True)
class Support:
    """Something one may want to know, and whether the data can say it.

    `basis`: the numbers it rests on. `collect`: what to collect to get it, None where available;
    `command` does that, where a command can.
    """

    what: str
    available: bool
    basis: str
    collect: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """The size of a data set. `human_labels`: humans a comparison to the comparisons with so many.

    `orders`: judges by how they were shown the responses: both, random, fixed, unknown.
    `repeated`: comparisons that some judge, some identified human was asked more than once, judges
    in the same order.
    """

    comparisons: int
    prompts: int
    with_texts: int
    models: int
    humans_identified: int
    humans_anonymous: int
    human_labels: dict[int, int]
    judges: int
    baselines: int
    aggregates: int
    orders: dict[str, int]
    repeated_by_judges: int
    repeated_by_humans: int


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest true difference (of shares) found with 80% power in a two-sided test at 5%.

    `basis`: the comparisons it rests on; `difference` is None where they are too few. From the
    data's own labels, `at_best` is None. A planned one assumes that the comparisons of a prompt are
    all alike, `at_best` that they are unrelated: the truth lies between.
    """

    what: str
    subject: str
    reference: str
    difference: float | None
    n_items: int
    n_prompts: int
    basis: str
    at_best: float | None = None


def supports(panel: Panel) -> list[Support]:
    """Everything that is worth asking of a data set, in the order in which one asks it."""
    facts = _Facts(panel)
    return [answer(facts) for answer in _ANSWERS]


def counts_of(panel: Panel) -> Counts:
    """The counts of a data set."""
    facts = _Facts(panel)
    number = Counter(who.kind for who in panel.annotators)
    anonymous = sum(who.anonymous for who in panel.annotators if who.kind is HUMAN)
    sizes, comparisons = np.unique(facts.humans, return_counts=True)
    return Counts(
        comparisons=panel.n_items,
        prompts=facts.n_prompts(np.ones(panel.n_items, bool)),
        with_texts=panel.n_with_texts,
        models=len(panel.models),
        humans_identified=number[HUMAN] - anonymous,
        humans_anonymous=anonymous,
        human_labels=dict(zip(sizes[::-1].tolist(), comparisons[::-1].tolist(), strict=True)),
        judges=number[JUDGE],
        baselines=number[BASELINE],
        aggregates=number[AGGREGATE],
        orders=dict(Counter(facts.orders.of(k) for k in panel.indices(JUDGE))),
        repeated_by_judges=int(facts.repeated(JUDGE).sum()),
        repeated_by_humans=int(facts.repeated(HUMAN).sum()),
    )


def sentences(counts: Counts) -> list[str]:
    """The counts in words, a line each."""
    return [_size(counts), _humans(counts), _judges(counts), _repeats(counts)]


def smallest_differences(panel: Panel) -> list[Smallest]:
    """For each judge against the human ceiling, and the highest judge against each other one.

    From the standard errors over prompts of the data's own labels; without a judge, or without
    anything to compare it with, from what is assumed of two judges.
    """
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, bool))
    subjects = panel.indices(JUDGE) or panel.indices(BASELINE)
    reference, terms = _terms(view, subjects)
    if reference is None:
        return list(_planned(panel))
    found = list(_gaps(view, terms)) if reference == ONE_HUMAN else []
    return [*found, *_between(view, terms, reference)]


# the data in sets


@dataclass(frozen=True, slots=True)
class _Orders:
    """Usable labels (k,) of each annotator by order: what tells a place from a response.

    `net` is ab less ba, `spread` the root of the summed squares of that over comparisons: what net
    would be by a fair coin. `swapped`: comparisons labelled in both orders.
    """

    ab: Integers
    ba: Integers
    net: Floats
    spread: Floats
    swapped: Integers

    def of(self, k: int) -> str:
        if self.swapped[k]:
            return "both"
        if self.ab[k] + self.ba[k] == 0:
            return "unknown"
        return "random" if self._by_coin(k) else "fixed"

    def _by_coin(self, k: int) -> bool:
        one_only = self.ab[k] == 0 or self.ba[k] == 0
        return not one_only and bool(abs(self.net[k]) <= COIN_ERRORS * self.spread[k])


class _Facts:
    """What the answers count from: who gave a usable label to which comparison."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.dataset = shlex.quote(panel.dataset)
        usable = panel.labels["preference"] >= 0
        self.usable = {name: column[usable] for name, column in panel.labels.items()}
        self.code = self.usable["annotator"].astype(np.int64) * panel.n_items + self.usable["item"]
        once = _tally(self.code, self._n_codes(len(panel.annotators)))[0]
        self.who, self.item = np.divmod(once, max(1, panel.n_items))
        self.human = self.of_kind(HUMAN)
        self.identified = self.human & ~np.array([a.anonymous for a in panel.annotators], bool)
        self.noun = "judge" if panel.indices(JUDGE) or not panel.indices(BASELINE) else "baseline"
        self.subject = self.of_kind(AnnotatorKind(self.noun))
        self.humans = self.labelled_by(self.human)
        self.judged = self.labelled_by(self.subject) > 0
        self.gold = self.labelled_by(self.of_kind(AGGREGATE)) > 0
        self.orders = self._orders(self.usable["annotator"], len(panel.annotators))

    def of_kind(self, *kinds: AnnotatorKind) -> Mask:
        """Which annotators (k,) are of these kinds."""
        return np.array([who.kind in kinds for who in self.panel.annotators], bool)

    def labelled_by(self, annotators: Mask) -> Integers:
        """How many of these annotators gave each comparison (n,) a usable label."""
        mine = self.item[annotators[self.who]]
        return np.bincount(mine, minlength=self.panel.n_items).astype(np.int64)

    def n_prompts(self, items: Mask) -> int:
        """Prompts of these comparisons."""
        return int((np.bincount(self.panel.prompt[items]) > 0).sum())

    def on(self, words: str, items: Mask) -> str:
        """`WORDS on 480 of 800 comparisons (60 prompts)`, with what few prompts mean."""
        n, of, prompts = int(items.sum()), self.panel.n_items, self.n_prompts(items)
        if not n:
            return f"no comparison with {words}"
        some = f"all {_number(of, 'comparison')}" if n == of else f"{n:,} of {of:,} comparisons"
        return f"{words} on {some} ({_number(prompts, 'prompt')}{_few(prompts)})"

    def repeated(self, kind: AnnotatorKind) -> Mask:
        """Comparisons (n,) with several usable labels of a judge in one order, or of a human."""
        chosen = self.of_kind(JUDGE) if kind is JUDGE else self.identified
        rows = chosen[self.usable["annotator"]]
        code, size = self.code[rows], self._n_codes(len(chosen))
        if kind is JUDGE:
            shown = self.usable["shown"][rows].astype(np.int64) + 1
            found, times = _tally(code * 3 + shown, 3 * size)
            found = found // 3
        else:
            found, times = _tally(code, size)
        item = found[times > 1] % max(1, self.panel.n_items)
        return np.bincount(item, minlength=self.panel.n_items) > 0

    def _n_codes(self, n_annotators: int) -> int:
        return n_annotators * self.panel.n_items

    def orders_of_humans(self) -> _Orders:
        """Of all humans as one annotator, number 0: they may have seen a comparison alike."""
        nobody = np.where(self.human[self.usable["annotator"]], 0, 1)
        return self._orders(nobody, 2)

    def _orders(self, annotator: NDArray[Any], n: int) -> _Orders:
        known = self.usable["shown"] >= 0
        who, shown = annotator[known].astype(np.int64), self.usable["shown"][known]
        code = who * self.panel.n_items + self.usable["item"][known]
        found, times = _tally(code * 2 + shown, 2 * self._n_codes(n))
        first = np.diff(found // 2, prepend=-1) > 0
        place = np.cumsum(first) - 1  # one number for both orders of a comparison
        net = np.bincount(place, weights=times * (1 - 2 * (found % 2)))
        owner = found[first] // 2 // max(1, self.panel.n_items)
        return _Orders(
            ab=np.bincount(who[shown == 0], minlength=n),
            ba=np.bincount(who[shown == 1], minlength=n),
            net=np.bincount(owner, weights=net, minlength=n).astype(np.float64),
            spread=np.sqrt(np.bincount(owner, weights=net * net, minlength=n)),
            swapped=np.bincount(owner[np.bincount(place) > 1], minlength=n),
        )

    def names(self, annotators: Mask) -> str:
        """Up to three names, then how many more."""
        return _listed([w.name for w, chosen in zip(self.panel.annotators, annotators, strict=True)
                        if chosen])  # fmt: skip

    @property
    def label(self) -> str:
        """The command that adds a judge; the shipped one shows both orders."""
        return f"concord label --judge gpt-5.4-mini --dataset {self.dataset}"

    @property
    def add_labels(self) -> str:
        """The command that adds labels to comparisons that are there."""
        return f"concord import csv labels.csv --dataset {self.dataset}"


def _tally(codes: Integers, size: int) -> tuple[Integers, Integers]:
    """The different codes in order, and how often each: counted where that is faster than sorting.

    `codes` are below `size`, which may be far more than there are: many humans, few labels each.
    """
    if size > 4 * len(codes):
        found, times = np.unique(codes, return_counts=True)
        return found, times
    times = np.bincount(codes, minlength=size)
    found = np.flatnonzero(times)
    return found, times[found]


# the answers


def _judging(facts: _Facts) -> Support:
    n, of = facts.panel.n_with_texts, facts.panel.n_items
    some = f"{n:,} of {_number(of, 'comparison')}" if n < of else f"all {_number(of, 'comparison')}"
    basis = f"the texts of both responses of {some}" if n else "no comparison with its texts"
    need = "the comparisons with prompt, response_a and response_b, imported as a new data set"
    return _support("labels of a further judge", n > 0, basis, (need, None))


def _human_ceiling(facts: _Facts) -> Support:
    two = facts.humans >= 2
    basis = facts.on("labels of two or more humans", two)
    return _support("human ceiling", two.any(), basis, _more_humans(facts))


def _one_human(facts: _Facts) -> Support:
    two = (facts.humans >= 2) & facts.judged
    basis = facts.on(f"labels of two or more humans and of a {facts.noun}", two)
    need = _a_judge(facts) if (facts.humans >= 2).any() else _more_humans(facts)
    return _support("agreement with one human", two.any(), basis, need)


def _majority(facts: _Facts) -> Support:
    known = (facts.humans > 0) | facts.gold
    items = known & facts.judged
    parts = [facts.on(f"a reference and a label of a {facts.noun}", items)]
    if known.any():
        parts.append(f"references: {', '.join(_references(facts))}")
    need = (
        _a_judge(facts)
        if known.any()
        else ("labels of humans, or of kind aggregate (a gold or majority)", facts.add_labels)
    )
    what = "agreement with the majority or gold"
    return _support(what, items.any(), "; ".join(parts), need)


def _references(facts: _Facts) -> Iterator[str]:
    several, one = int((facts.humans > 1).sum()), int((facts.humans == 1).sum())
    if several:
        yield f"the majority of two or more humans on {several:,}"
    if one:
        yield f"the only human's label on {one:,}"
    if facts.gold.any():
        yield f"{facts.names(facts.of_kind(AGGREGATE))} on {int(facts.gold.sum()):,}"


def _alternative_test(facts: _Facts) -> Support:
    what, n_named = "alternative annotator test", int(facts.identified.sum())
    people = (
        f"labels of {TEST_HUMANS} or more humans under their own names, on the same comparisons, "
        f"{TEST_COMPARISONS} or more each"
    )
    if not n_named:
        n = int(facts.human.sum())
        why = "all humans are anonymous: their names are places, not people" if n else NO_HUMANS
        return _support(what, False, why, (people, facts.add_labels))
    shared = facts.labelled_by(facts.identified)[facts.item] >= 2
    each = np.bincount(facts.who[shared], minlength=len(facts.identified))[facts.identified]
    enough = int((each >= TEST_COMPARISONS).sum())
    basis = (
        f"{_some(enough)} of {n_named:,} identified humans with {TEST_COMPARISONS} or more "
        f"comparisons that another one labelled too (each has {_range(each)})"
    )
    if enough < TEST_HUMANS:
        return _support(what, False, basis, (people, facts.add_labels))
    able, n = _tested(facts, shared), int(facts.subject.sum())
    of = f"{_some(able)} of {_number(n, facts.noun)} with labels on enough of them"
    basis += f"; {of if n else 'no judge'}"
    return _support(what, able > 0, basis, _a_judge(facts))


def _tested(facts: _Facts, shared: Mask) -> int:
    """How many judges labelled enough comparisons of enough humans."""
    able, theirs = 0, shared & facts.identified[facts.who]
    who, item = facts.who[theirs], facts.item[theirs]
    for k in np.flatnonzero(facts.subject):
        mine = np.zeros(facts.panel.n_items, bool)
        start, end = np.searchsorted(facts.who, [k, k + 1])
        mine[facts.item[start:end]] = True
        able += int((np.bincount(who[mine[item]]) >= TEST_COMPARISONS).sum()) >= TEST_HUMANS
    return able


def _intervals(facts: _Facts) -> Support:
    any_label = np.zeros(facts.panel.n_items, bool)
    any_label[facts.item] = True
    prompts = facts.n_prompts(any_label)
    basis = f"{_number(prompts, 'prompt')} with labels{_few(prompts)}"
    missing = FEWEST_PROMPTS - prompts
    need = f"labels on {_number(missing, 'more prompt')}; {CAUTION_PROMPTS} in all are better"
    return _support("intervals", missing <= 0, basis, (need, None))


def _position_of_judges(facts: _Facts) -> Support:
    what, judges = "position bias of judges", facts.panel.indices(JUDGE)
    need = ("labels of a judge in both orders", facts.label) if _texts(facts) else _NO_TEXT
    if not judges:
        return _support(what, False, "no judges", need)
    kinds = [facts.orders.of(k) for k in judges]
    swapped = [int(facts.orders.swapped[k]) for k in judges if facts.orders.of(k) == "both"]
    parts = []
    for kind, words in ORDERS.items():
        if kind in kinds:
            more = f", {_range(np.array(swapped))} comparisons" if kind == "both" else ""
            parts.append(f"{words}{more}: {kinds.count(kind):,} of {_number(len(judges), 'judge')}")
    able = "both" in kinds or "random" in kinds
    return _support(what, able, "; ".join(parts), need)


def _position_of_humans(facts: _Facts) -> Support:
    what, orders = "position bias of humans", facts.orders_of_humans()
    ab, ba = int(orders.ab[0]), int(orders.ba[0])
    kind = orders.of(0)
    need = (
        "labels of humans with the column shown (ab or ba), the order drawn at random",
        facts.add_labels,
    )
    if kind == "unknown":
        why = "no human label says which response was shown first"
        return _support(what, False, why if facts.human.any() else NO_HUMANS, need)
    basis = f"{ab:,} human labels given with a shown first, {ba:,} with b shown first"
    basis += {
        "both": f"; {_number(int(orders.swapped[0]), 'comparison')} in both orders",
        "random": ", as if drawn at random",
        "fixed": ", not as if drawn at random",
    }[kind]
    return _support(what, kind != "fixed", basis, need)


def _self_consistency(facts: _Facts) -> Support:
    again = facts.repeated(JUDGE)
    basis = facts.on("repeated labels of a judge in the same order", again)
    need = ("repeated labels of a judge", f"{facts.label} --repeats 3")
    return _support("self-consistency of judges", again.any(), basis,
                    need if _texts(facts) else _NO_TEXT)  # fmt: skip


def _retest(facts: _Facts) -> Support:
    again = facts.repeated(HUMAN)
    basis = facts.on("repeated labels of an identified human", again)
    need = (
        f"second labels of the same named humans, on {CAUTION_PROMPTS} or more prompts",
        f"{facts.add_labels} --repeat",
    )
    return _support("test-retest of humans", again.any(), basis, need)


def _soft(facts: _Facts) -> Support:
    stated = np.isfinite(facts.usable["p_a"].astype(float))
    stated &= facts.subject[facts.usable["annotator"]]
    n = int(stated.sum())
    who = np.zeros(len(facts.subject), bool)
    who[facts.usable["annotator"][stated]] = True
    basis = "no label of a judge with a probability (p_a)"
    if n:
        reference = (facts.humans > 0) | facts.gold
        held = int(reference[facts.usable["item"][stated]].sum())
        basis = f"a probability (p_a) on {n:,} labels of {facts.names(who)}"
        basis += f", {_some(held)} of them on a comparison with a reference"
    command = f"concord label --judge gpt-4.1-mini-soft --dataset {facts.dataset}"
    need = ("labels of a judge that states a probability", command)
    return _support("soft labels", n > 0, basis, need if _texts(facts) else _NO_TEXT)


def _rankings(facts: _Facts) -> Support:
    panel, what = facts.panel, "ranking of models"
    known = (panel.model_a >= 0) & (panel.model_b >= 0)
    by = {"human labels": facts.humans > 0, f"labels of {facts.noun}s": facts.judged}
    linked = {whose: _linked(panel, known & items) for whose, items in by.items() if items.any()}
    parts = [f"{_number(n, 'model')} linked by {whose}" for whose, n in linked.items() if n]
    need = (
        f"comparisons with model_a and model_b that link {RANKED_MODELS} or more models, as a new "
        "data set"
    )
    basis = ", ".join(parts) or "no labelled comparison with both models known"
    return _support(what, max(linked.values(), default=0) >= RANKED_MODELS, basis, (need, None))


def _linked(panel: Panel, items: Mask) -> int:
    """The most models that these comparisons link: others cannot be placed among them."""
    a, b = panel.model_a[items], panel.model_b[items]
    if not len(a):
        return 0
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(panel.models),) * 2)
    group = connected_components(links, directed=False)[1]
    return int(np.bincount(group[np.union1d(a, b)]).max())


def _slices(facts: _Facts) -> Support:
    what, panel = "slices by category", facts.panel
    known = np.array([name is not None for name in panel.category], bool)
    names, place = np.unique(panel.category[known].astype(str), return_inverse=True)
    need = f"comparisons of at least two categories with {FEWEST_PROMPTS} or more prompts each"
    if len(names) < 2:
        why = "no comparison has a category" if not len(names) else f"one category only: {names[0]}"
        return _support(what, False, why, (f"{need}, as a new data set", None))
    n_codes = int(panel.prompt.max()) + 1
    found = np.unique(place.astype(np.int64) * n_codes + panel.prompt[known])
    prompts = np.bincount(found // n_codes, minlength=len(names))
    order = np.argsort(-prompts, kind="stable")
    enough = int((prompts >= FEWEST_PROMPTS).sum())
    sizes = _listed([f"{names[k]} {prompts[k]:,}" for k in order])
    many = int((prompts >= CAUTION_PROMPTS).sum())
    some = f"{_some(enough)} of {len(names)} categories"
    basis = f"{some} with {FEWEST_PROMPTS} or more prompts ({sizes})"
    if enough > many:
        basis += f"; {enough - many} of them under {CAUTION_PROMPTS}: read with caution"
    return _support(what, enough > 0, basis, (f"{need}, as a new data set", None))


def _cost_of_humans(facts: _Facts) -> Support:
    return _recorded(facts, "cost of humans", "cost_usd", "a price", HUMAN)


def _cost_of_judges(facts: _Facts) -> Support:
    return _recorded(facts, "cost of judges", "cost_usd", "a price", JUDGE)


def _time_of_humans(facts: _Facts) -> Support:
    return _recorded(facts, "time of humans", "seconds", "a time", HUMAN)


def _time_of_judges(facts: _Facts) -> Support:
    return _recorded(facts, "time of judges", "seconds", "a time", JUDGE)


def _recorded(facts: _Facts, what: str, column: str, words: str, kind: AnnotatorKind) -> Support:
    """Whether a column is known of some labels of this kind, failed ones included."""
    labels, annotators = facts.panel.labels, facts.of_kind(kind)
    mine = annotators[labels["annotator"]]
    known = mine & np.isfinite(labels[column].astype(float))
    n, of = int(known.sum()), int(mine.sum())
    need = _with_column(facts, column, kind, of)
    if not n:
        why = f"none of {of:,} labels of {kind}s with {words}" if of else f"no {kind}s"
        return _support(what, False, why, need)
    has = np.zeros_like(annotators)
    has[labels["annotator"][known]] = True
    lacks = annotators & ~has
    some = f"{n:,} of {of:,}" if n < of else f"all {of:,}"
    basis = f"{words} on {some} labels of {kind}s: {facts.names(has)}"
    basis += f"; none of {facts.names(lacks)}" if lacks.any() else ""
    return _support(what, True, basis, need)


def _with_column(facts: _Facts, column: str, kind: AnnotatorKind, n_labels: int) -> _Need:
    if kind is JUDGE:
        text = "labels of a judge asked by concord label, which records both cost and time"
        return (text, facts.label) if _texts(facts) else _NO_TEXT
    if n_labels:  # a label that is there is not changed by importing it again
        return (f"these labels with the column {column}, imported as a new data set", None)
    return (f"labels of humans with the column {column}", facts.add_labels)


def _length_bias(facts: _Facts) -> Support:
    """Adjusted by the labels of one half of the humans, instrumented by the other half."""
    humans = facts.humans >= 2
    two = humans & facts.judged & (facts.panel.longer != 0)
    words = f"labels of two or more humans and of a {facts.noun}, and responses of unequal length,"
    basis = facts.on(words, two) if two.any() else facts.on(words[:-1], two)
    if not humans.any():
        need = _more_humans(facts)
    elif not _texts(facts):
        need = _NO_TEXT
    else:
        need = _a_judge(facts)
    return _support("length bias at equal quality (level L2)", two.any(), basis, need)


_ANSWERS: tuple[Callable[[_Facts], Support], ...] = (
    _one_human,
    _human_ceiling,
    _majority,
    _alternative_test,
    _intervals,
    _slices,
    _position_of_judges,
    _position_of_humans,
    _length_bias,
    _self_consistency,
    _retest,
    _soft,
    _rankings,
    _cost_of_humans,
    _cost_of_judges,
    _time_of_humans,
    _time_of_judges,
    _judging,
)
_Need = tuple[str, str | None]
_NO_TEXT: _Need = (
    "such labels of a judge in a file; none can be asked, as the responses have no texts",
    None,
)


def _support(what: str, available: bool | np.bool_, basis: str, need: _Need) -> Support:
    if available:
        return Support(what, True, basis)
    return Support(what, False, basis, *need)


def _texts(facts: _Facts) -> bool:
    return facts.panel.n_with_texts > 0


def _more_humans(facts: _Facts) -> _Need:
    one = facts.humans.any()
    text = "labels of a second human on" if one else "labels of two or more humans on"
    return (f"{text} the same comparisons", facts.add_labels)


def _a_judge(facts: _Facts) -> _Need:
    text = "labels of a judge on these comparisons"
    return (text, facts.label) if _texts(facts) else _NO_TEXT


# the smallest difference


def _terms(view: View, subjects: Sequence[int]) -> tuple[str | None, dict[int, Floats]]:
    """The best reference there is, and each judge's agreement with it per comparison (n,)."""
    golds = view.panel.indices(AGGREGATE)
    choices: list[tuple[str, Callable[[int], Floats]]] = []
    if (total(view.humans) >= 2).any():
        choices.append((ONE_HUMAN, lambda k: _with_one(view, k)))
    if view.humans.any():
        choices.append((MAJORITY, lambda k: _with_label(view, k, view.majority)))
    for gold in golds:
        label = majority_by_mode(view.counts(gold))
        name = view.panel.annotators[gold].name
        choices.append((name, lambda k, label=label: _with_label(view, k, label)))  # type: ignore[misc]
    for reference, terms_of in choices:
        terms = {k: terms_of(k) for k in subjects}
        terms = {k: values for k, values in terms.items() if np.isfinite(values).any()}
        if terms:
            return reference, terms
    return None, {}


def _with_one(view: View, k: int) -> Floats:
    values = agreement_with_one(view.shares(k), view.humans)
    return np.where(total(view.humans) >= 2, values, np.nan)


def _with_label(view: View, k: int, label: NDArray[np.int8]) -> Floats:
    return np.where(label >= 0, share_of(view.shares(k), label), np.nan)


def _gaps(view: View, terms: dict[int, Floats]) -> Iterator[Smallest]:
    ceiling = pair_agreement(view.humans)
    for k, mine in terms.items():
        yield _found(view, "gap to the human ceiling", k, CEILING, mine - ceiling)


def _between(view: View, terms: dict[int, Floats], reference: str) -> Iterator[Smallest]:
    if len(terms) < 2:
        return
    best = max(terms, key=lambda k: float(np.nanmean(terms[k])))
    what = f"difference in agreement with {reference}"
    for k, values in terms.items():
        if k != best:
            other = view.panel.annotators[k].name
            yield _found(view, what, best, other, terms[best] - values)


def _found(view: View, what: str, k: int, reference: str, values: Floats) -> Smallest:
    items = np.isfinite(values)
    columns = np.stack([values[items], np.ones(items.sum())], axis=1)
    interval = view.of_ratio(columns, items)
    difference = smallest_difference(standard_error_of(interval), interval.n_prompts)
    n_items, name = int(items.sum()), view.panel.annotators[k].name
    basis = f"{_number(n_items, 'comparison')} of {_number(interval.n_prompts, 'prompt')}"
    if difference is None:
        basis += f": {interval.note if n_items else 'none in common'}"
    return Smallest(what, name, reference, difference, n_items, interval.n_prompts, basis)


def _planned(panel: Panel) -> Iterator[Smallest]:
    """On the comparisons that have a reference, or else on all, at several discordances."""
    facts = _Facts(panel)
    several, one = facts.humans >= 2, (facts.humans > 0) | facts.gold
    items = next((m for m in (several, one) if m.any()), np.ones(panel.n_items, bool))
    effect = most_design_effect(panel.prompt[items]) or 1.0
    n, prompts = int(items.sum()), facts.n_prompts(items)
    basis = f"{_number(n, 'comparison')} of {_number(prompts, 'prompt')}{_few(prompts)}"
    if effect > 1 and prompts >= FEWEST_PROMPTS:
        basis += "; the more alike those of a prompt are, the larger"
    for discordance in DISCORDANCES:
        what = f"two judges, exactly one of whom agrees on {100 * discordance:.0f}% of comparisons"
        enough = prompts >= FEWEST_PROMPTS
        yield Smallest(
            what=what,
            subject="a judge",
            reference="another judge",
            difference=difference_at(n, discordance, effect) if enough else None,
            n_items=n,
            n_prompts=prompts,
            basis=basis,
            at_best=difference_at(n, discordance) if enough else None,
        )


# words


def smallest_in_words(found: Sequence[Smallest]) -> Iterator[tuple[str, str, str]]:
    """(what, how small, what it rests on): a line for each kind of difference."""
    for what in dict.fromkeys(row.what for row in found):
        mine = [row for row in found if row.what == what]
        known = [(row.difference, row) for row in mine if row.difference is not None]
        if not known:
            yield what, NOT_KNOWN, mine[0].basis
            continue
        least, most = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
        yield what, _size_in_words(least[1], most[1]), _rests_on([row for _, row in known])


def _size_in_words(least: Smallest, most: Smallest) -> str:
    if least.at_best is not None and least.difference is not None:
        alike, unrelated = in_points(least.difference), in_points(least.at_best)
        return alike if alike == unrelated else f"{unrelated.split()[0]} to {alike}"
    names = [
        row.subject if row.reference == CEILING else f"{row.subject} and {row.reference}"
        for row in (least, most)
    ]
    text = f"{in_points(least.difference)} ({names[0]})"
    return text if least is most else f"{text} to {in_points(most.difference)} ({names[1]})"


def _rests_on(rows: Sequence[Smallest]) -> str:
    items, prompts = np.array([[row.n_items, row.n_prompts] for row in rows]).T
    if items.min() == items.max() and prompts.min() == prompts.max():
        return rows[0].basis
    return f"{_range(items)} comparisons of {_range(prompts)} prompts"


def in_points(difference: float | None) -> str:
    """A size of a difference of shares in points."""
    if difference is None:
        return NOT_KNOWN
    return f"{100 * difference:.1f} points"


def _size(counts: Counts) -> str:
    text = f"{_number(counts.comparisons, 'comparison')} of {_number(counts.prompts, 'prompt')}"
    with_texts = _some(counts.with_texts)
    if 0 < counts.comparisons == counts.with_texts:
        with_texts = "all"
    models = _number(counts.models, "model") if counts.models else "models not known"
    return f"{text}, {with_texts} with texts; {models}."


def _humans(counts: Counts) -> str:
    known, anonymous = counts.humans_identified, counts.humans_anonymous
    if not known + anonymous:
        return "No human labels."
    kinds = [f"{known:,} identified"] if known else []
    kinds += [f"{anonymous:,} anonymous"] if anonymous else []
    people = "human" if known + anonymous == 1 else "humans"
    labels = ", ".join(f"{k or 'none'} on {n:,}" for k, n in counts.human_labels.items())
    return f"{' and '.join(kinds)} {people}; human labels for each comparison: {labels}."


def _judges(counts: Counts) -> str:
    parts = [_number(counts.judges, "judge") if counts.judges else "No judges"]
    orders = [f"{words}: {counts.orders[k]:,}" for k, words in ORDERS.items() if k in counts.orders]
    parts[0] += f" ({'; '.join(orders)})" if orders else ""
    parts += [_number(counts.baselines, "baseline")] if counts.baselines else []
    parts += [_number(counts.aggregates, "gold or majority")] if counts.aggregates else []
    return f"{', '.join(parts)}."


def _repeats(counts: Counts) -> str:
    judges, humans = counts.repeated_by_judges, counts.repeated_by_humans
    if not judges + humans:
        return "No repeats."
    return f"Repeats: of judges on {judges:,} comparisons, of identified humans on {humans:,}."


def _few(prompts: int) -> str:
    if prompts < FEWEST_PROMPTS:
        return f", too few for an interval, which takes {FEWEST_PROMPTS}"
    return ", few: read with caution" if prompts < CAUTION_PROMPTS else ""


def _number(n: int, noun: str) -> str:
    ending = "" if n == 1 or noun.endswith("majority") else "s"
    return f"{n:,} {noun}{ending}"


def _some(n: int) -> str:
    return f"{n:,}" if n else "none"


def _range(values: Integers) -> str:
    least, most = int(values.min()), int(values.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _listed(names: Sequence[str]) -> str:
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} more"
