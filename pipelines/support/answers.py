"""What a data set supports and what it does not, what that rests on, and what to collect.

Nothing here is a result: it says which results there can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.stats.intervals import CAUTION_PROMPTS, FEWEST_PROMPTS
from pipelines.support.facts import AGGREGATE, HUMAN, JUDGE, ORDERS, Facts
from pipelines.support.words import few, listed, number, some, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from data.records import AnnotatorKind
    from pipelines.panel import Panel

    Mask = NDArray[np.bool_]

NO_HUMANS = "no human labels"
TEST_HUMANS, TEST_COMPARISONS = 3, 30  # of the alternative annotator test
RANKED_MODELS = 3


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


def supports(panel: Panel) -> list[Support]:
    """Everything that is worth asking of a data set, in the order in which one asks it."""
    facts = Facts(panel)
    return [answer(facts) for answer in _ANSWERS]


def _judging(facts: Facts) -> Support:
    n, of = facts.panel.n_with_texts, facts.panel.n_items
    some = f"{n:,} of {number(of, 'comparison')}" if n < of else f"all {number(of, 'comparison')}"
    basis = f"the texts of both responses of {some}" if n else "no comparison with its texts"
    need = "the comparisons with prompt, response_a and response_b, imported as a new data set"
    return _support("labels of a further judge", n > 0, basis, (need, None))


def _human_ceiling(facts: Facts) -> Support:
    two = facts.humans >= 2
    basis = facts.on("labels of two or more humans", two)
    return _support("human ceiling", two.any(), basis, _more_humans(facts))


def _one_human(facts: Facts) -> Support:
    two = (facts.humans >= 2) & facts.judged
    basis = facts.on(f"labels of two or more humans and of a {facts.noun}", two)
    need = _a_judge(facts) if (facts.humans >= 2).any() else _more_humans(facts)
    return _support("agreement with one human", two.any(), basis, need)


def _majority(facts: Facts) -> Support:
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


def _references(facts: Facts) -> Iterator[str]:
    several, one = int((facts.humans > 1).sum()), int((facts.humans == 1).sum())
    if several:
        yield f"the majority of two or more humans on {several:,}"
    if one:
        yield f"the only human's label on {one:,}"
    if facts.gold.any():
        yield f"{facts.names(facts.of_kind(AGGREGATE))} on {int(facts.gold.sum()):,}"


def _alternative_test(facts: Facts) -> Support:
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
        f"{some(enough)} of {n_named:,} identified humans with {TEST_COMPARISONS} or more "
        f"comparisons that another one labelled too (each has {span(each)})"
    )
    if enough < TEST_HUMANS:
        return _support(what, False, basis, (people, facts.add_labels))
    able, n = _tested(facts, shared), int(facts.subject.sum())
    of = f"{some(able)} of {number(n, facts.noun)} with labels on enough of them"
    basis += f"; {of if n else 'no judge'}"
    return _support(what, able > 0, basis, _a_judge(facts))


def _tested(facts: Facts, shared: Mask) -> int:
    """How many judges labelled enough comparisons of enough humans."""
    able, theirs = 0, shared & facts.identified[facts.who]
    who, item = facts.who[theirs], facts.item[theirs]
    for k in np.flatnonzero(facts.subject):
        mine = np.zeros(facts.panel.n_items, bool)
        start, end = np.searchsorted(facts.who, [k, k + 1])
        mine[facts.item[start:end]] = True
        able += int((np.bincount(who[mine[item]]) >= TEST_COMPARISONS).sum()) >= TEST_HUMANS
    return able


def _intervals(facts: Facts) -> Support:
    any_label = np.zeros(facts.panel.n_items, bool)
    any_label[facts.item] = True
    prompts = facts.n_prompts(any_label)
    basis = f"{number(prompts, 'prompt')} with labels{few(prompts)}"
    missing = FEWEST_PROMPTS - prompts
    need = f"labels on {number(missing, 'more prompt')}; {CAUTION_PROMPTS} in all are better"
    return _support("intervals", missing <= 0, basis, (need, None))


def _position_of_judges(facts: Facts) -> Support:
    what, judges = "position bias of judges", facts.panel.indices(JUDGE)
    need = ("labels of a judge in both orders", facts.label) if _texts(facts) else _NO_TEXT
    if not judges:
        return _support(what, False, "no judges", need)
    kinds = [facts.orders.of(k) for k in judges]
    swapped = [int(facts.orders.swapped[k]) for k in judges if facts.orders.of(k) == "both"]
    parts = []
    for kind, words in ORDERS.items():
        if kind in kinds:
            more = f", {span(np.array(swapped))} comparisons" if kind == "both" else ""
            parts.append(f"{words}{more}: {kinds.count(kind):,} of {number(len(judges), 'judge')}")
    able = "both" in kinds or "random" in kinds
    return _support(what, able, "; ".join(parts), need)


def _position_of_humans(facts: Facts) -> Support:
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
        "both": f"; {number(int(orders.swapped[0]), 'comparison')} in both orders",
        "random": ", as if drawn at random",
        "fixed": ", not as if drawn at random",
    }[kind]
    return _support(what, kind != "fixed", basis, need)


def _self_consistency(facts: Facts) -> Support:
    again = facts.repeated(JUDGE)
    basis = facts.on("repeated labels of a judge in the same order", again)
    need = ("repeated labels of a judge", f"{facts.label} --repeats 3")
    return _support("self-consistency of judges", again.any(), basis,
                    need if _texts(facts) else _NO_TEXT)  # fmt: skip


def _retest(facts: Facts) -> Support:
    again = facts.repeated(HUMAN)
    basis = facts.on("repeated labels of an identified human", again)
    need = (
        f"second labels of the same named humans, on {CAUTION_PROMPTS} or more prompts",
        f"{facts.add_labels} --repeat",
    )
    return _support("test-retest of humans", again.any(), basis, need)


def _soft(facts: Facts) -> Support:
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
        basis += f", {some(held)} of them on a comparison with a reference"
    command = f"concord label --judge gpt-4.1-mini-soft --dataset {facts.dataset}"
    need = ("labels of a judge that states a probability", command)
    return _support("soft labels", n > 0, basis, need if _texts(facts) else _NO_TEXT)


def _rankings(facts: Facts) -> Support:
    panel, what = facts.panel, "ranking of models"
    known = (panel.model_a >= 0) & (panel.model_b >= 0)
    by = {"human labels": facts.humans > 0, f"labels of {facts.noun}s": facts.judged}
    linked = {whose: _linked(panel, known & items) for whose, items in by.items() if items.any()}
    parts = [f"{number(n, 'model')} linked by {whose}" for whose, n in linked.items() if n]
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


def _slices(facts: Facts) -> Support:
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
    sizes = listed([f"{names[k]} {prompts[k]:,}" for k in order])
    many = int((prompts >= CAUTION_PROMPTS).sum())
    those = f"{some(enough)} of {len(names)} categories"
    basis = f"{those} with {FEWEST_PROMPTS} or more prompts ({sizes})"
    if enough > many:
        basis += f"; {enough - many} of them under {CAUTION_PROMPTS}: read with caution"
    return _support(what, enough > 0, basis, (f"{need}, as a new data set", None))


def _cost_of_humans(facts: Facts) -> Support:
    return _recorded(facts, "cost of humans", "cost_usd", "a price", HUMAN)


def _cost_of_judges(facts: Facts) -> Support:
    return _recorded(facts, "cost of judges", "cost_usd", "a price", JUDGE)


def _time_of_humans(facts: Facts) -> Support:
    return _recorded(facts, "time of humans", "seconds", "a time", HUMAN)


def _time_of_judges(facts: Facts) -> Support:
    return _recorded(facts, "time of judges", "seconds", "a time", JUDGE)


def _recorded(facts: Facts, what: str, column: str, words: str, kind: AnnotatorKind) -> Support:
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


def _with_column(facts: Facts, column: str, kind: AnnotatorKind, n_labels: int) -> _Need:
    if column == "cost_usd" and n_labels:
        return ("a price, with --per-label or --per-hour", facts.price)
    if kind is JUDGE:
        text = "labels of a judge asked by concord label, which records both cost and time"
        return (text, facts.label) if _texts(facts) else _NO_TEXT
    if n_labels:  # a label that is there is not changed by importing it again
        return (f"these labels with the column {column}, imported as a new data set", None)
    return (f"labels of humans with the column {column}", facts.add_labels)


def _length_bias(facts: Facts) -> Support:
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


_ANSWERS: tuple[Callable[[Facts], Support], ...] = (
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


def _texts(facts: Facts) -> bool:
    return facts.panel.n_with_texts > 0


def _more_humans(facts: Facts) -> _Need:
    one = facts.humans.any()
    text = "labels of a second human on" if one else "labels of two or more humans on"
    return (f"{text} the same comparisons", facts.add_labels)


def _a_judge(facts: Facts) -> _Need:
    text = "labels of a judge on these comparisons"
    return (text, facts.label) if _texts(facts) else _NO_TEXT
