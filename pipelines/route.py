"""A policy applied to a data set: which comparisons go to humans, and which keep the AI label.

Who is asked is drawn by a number in [0, 1) that hangs on the comparison alone, so the same
comparison is drawn alike whenever it is asked about. The probability written down is that of being
asked at all, by the rule or for the audit: what `stats.ppi.routed_mean` weighs by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from data import queries
from data.assignments import Queue, before_assigning, comparisons_to_assign, set_assignments
from data.errors import InputError
from data.records import AnnotatorKind, make_id
from pipelines.estimates import ALL
from pipelines.features import fill_features, read_features
from pipelines.panel import read_panel
from pipelines.routing_scores import (
    CERTAINTY,
    FLIP,
    LEARNED,
    RANDOM,
    router_features,
    rule_score,
    score_of,
)
from pipelines.sections.view import Rules, View
from pipelines.stats.agreement import TIE, A, B
from pipelines.stats.routing import chance_of_a_human, inclusion, learned_score, new_score
from pipelines.strategy import Tried
from pipelines.strategy_reward import Learner
from pipelines.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from data.assignments import Before
    from data.store import Store
    from pipelines.policy import PolicyFile

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

FAR = 1.5  # times the share that was chosen
HUMAN, AI, MISSING = "human", "AI label", "missing"
_NO_VERDICT = "a verdict of "
_LACKS = {FLIP: "labels in both orders", CERTAINTY: "a stated probability"}
NAMES = {A: "a", TIE: "tie", B: "b"}
COLUMNS = (
    "comparison_id", "source_id", "score", "destination", "preference", "queue",
    "sampling_probability", "reason", "policy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Routes:
    """`table`: a row a comparison, with `COLUMNS`; preference is that of the AI label kept.

    `share` goes to humans by the rule among those that have the labels it needs; `missing` are the
    comparisons that lack some, by whose; `labelled` are asked of humans and have as many humans'
    labels as the policy buys; `usd` is what the lacking human labels cost, None where the price is
    not known.
    """

    table: pa.Table
    dataset: str
    policy: str
    to_humans: int
    audit: int
    kept: int
    missing: dict[str, int]
    labelled: int
    share: float | None
    usd: float | None
    notes: tuple[str, ...]

    @property
    def n_missing(self) -> int:
        """Comparisons without a destination."""
        return sum(self.missing.values())


@dataclass(frozen=True, slots=True)
class _Scored:
    """Of all comparisons (n,): score, chance to go to a human, the AI label kept, what is missing.

    Score and chance are NaN, the label is -1 and `reason` says whose where labels are missing.
    """

    score: Floats
    chance: Floats
    label: NDArray[np.int64]
    reason: NDArray[np.object_]
    notes: tuple[str, ...] = ()


def route(store: Store, policy: PolicyFile, dataset: str, audit: float | None = None) -> Routes:
    """Apply a policy to a data set of the store; nothing is written but features of responses.

    `audit` None: the policy's. Raises InputError for an unknown data set, where no label of a judge
    of the policy is there, and where the learned rule has lost what it learns from.
    """
    audit = policy.audit if audit is None else audit
    if not 0 <= audit <= 1:
        raise InputError(f"an audit of {audit}", "A share from 0 to 1, such as 0.05.")
    with store.reading() as con:
        queries.check_dataset(con, dataset)
        items = comparisons_to_assign(con, dataset, policy.criterion)
    ids = items["comparison_id"].to_pylist()
    scored = _scored(store, policy, dataset, ids)
    probability = inclusion(scored.chance, audit)
    drawn = numbers_of("human", ids)
    routed = drawn < scored.chance
    audited = ~routed & (drawn < probability)
    known = np.isfinite(scored.chance)
    asked = routed | audited
    lacking = np.maximum(0, max(policy.humans, 1) - items["n_humans"].to_numpy())
    usd = policy.cost.usd_per_human_label
    n_new = int(lacking[asked].sum())
    share = float(scored.chance[known].mean()) if known.any() else None
    return Routes(
        _table(items, scored, routed, audited, probability, policy),
        dataset,
        policy.name,
        to_humans=int(routed.sum()),
        audit=int(audited.sum()),
        kept=int((known & ~routed).sum()),
        missing=_tally(scored.reason),
        labelled=int((asked & (lacking == 0)).sum()),
        share=share,
        usd=None if usd is None and n_new else n_new * (usd or 0.0),
        notes=(*scored.notes, *_notes(policy, share, audit)),
    )


def assign(store: Store, routes: Routes) -> None:
    """Put the comparisons that humans are asked about into the store, instead of those before.

    Those before that humans have labelled stay, with their probability.
    """
    set_assignments(store, routes.dataset, routes.policy, _assigned(routes))


def before(store: Store, routes: Routes) -> Before:
    """What `assign` would do to the assignments there are; nothing is changed."""
    with store.reading() as con:
        return before_assigning(con, routes.dataset, routes.policy, _assigned(routes))


def _assigned(routes: Routes) -> pa.Table:
    import pyarrow.compute as pc

    rows = routes.table.filter(pc.is_valid(routes.table["queue"]))
    return rows.select(["comparison_id", "queue", "score", "sampling_probability"])


def numbers_of(purpose: str, ids: Iterable[str]) -> Floats:
    """A number in [0, 1) for each comparison's id (n,): as good as drawn, and always the same."""
    found = [make_id(purpose, UUID(each)).int >> 75 for each in ids]  # 53 bits, as floats hold
    return np.array(found, dtype=float) / 2.0**53


def _scored(store: Store, policy: PolicyFile, dataset: str, ids: Sequence[str]) -> _Scored:
    n = len(ids)
    if not policy.judges:
        return _Scored(np.ones(n), np.ones(n), np.full(n, -1), np.full(n, "", dtype=object))
    view = _view(store, policy, dataset)
    asked, reason = _lacking(view, policy)
    there = reason == ""
    if not there.any():
        return _Scored(np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1), reason)
    score = np.zeros(int(there.sum()))
    notes: tuple[str, ...] = ()
    if policy.rule == LEARNED:
        score, notes = _learned(store, policy, view, asked, there)
    elif policy.rule is not None:
        score = rule_score(policy.rule, view, asked, there)
    reason[np.flatnonzero(there)[~np.isfinite(score)]] = _LACKS.get(policy.rule or "")
    chance = np.where(np.isfinite(score), _chance(policy, score), np.nan)
    label = np.where(np.isfinite(score), _kept(view, policy, asked, there, ids), -1)
    return _Scored(
        _spread(score, there), _spread(chance, there),
        _spread(label, there, -1).astype(np.int64), reason, notes,
    )  # fmt: skip


def _spread(values: NDArray[Any], items: Mask, empty: float = np.nan) -> Floats:
    found = np.full(len(items), empty)
    found[items] = values
    return found


def _chance(policy: PolicyFile, score: Floats) -> Floats:
    if policy.rule is None:
        return np.zeros(len(score))
    if policy.rule == RANDOM or policy.threshold is None:
        return np.full(len(score), policy.human_share)
    return chance_of_a_human(score, policy.threshold, policy.at_threshold)


def _view(store: Store, policy: PolicyFile, dataset: str) -> View:
    """A data set as the policy looks at it. Raises InputError without a label of its criterion."""
    with store.reading() as con:
        criteria = [row[0] for row in queries.rows(con, queries.CRITERIA, dataset=dataset)]
    if policy.criterion not in criteria and criteria:
        raise InputError(
            f"no label of {dataset!r} has the criterion {policy.criterion!r} of the policy",
            f"There are: {', '.join(criteria)}. Let the policy's judges label by it first.",
        )
    panel = read_panel(store, dataset, policy.criterion)
    rules = Rules(unparsed=policy.unparsed)
    return View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))


def _lacking(view: View, policy: PolicyFile) -> tuple[list[int], NDArray[np.object_]]:
    """The places of the policy's judges who are there, and whose label (n,) is missing first.

    Raises InputError for one who is no judge.
    """
    names = [who.name for who in view.panel.annotators]
    for k in view.panel.indices(AnnotatorKind.HUMAN, AnnotatorKind.AGGREGATE):
        if names[k] in policy.judges:
            human = view.panel.annotators[k].kind is AnnotatorKind.HUMAN
            raise InputError(
                f"{names[k]!r} is {'a human' if human else 'an aggregate of labels'}, no judge",
                "Name judges alone under judges in the policy file; its key humans buys humans' "
                "labels.",
            )
    reason = np.full(view.panel.n_items, "", dtype=object)
    for name in reversed(policy.judges):
        if name not in names:
            reason[:] = name
            continue
        k = names.index(name)
        usable = np.nan_to_num(view.shares(k)).sum(axis=1) > 0
        reason[~usable] = name
        reason[~usable & (view.ballots(k).counts.sum(axis=(0, 2)) > 0)] = _NO_VERDICT + name
    return [names.index(name) for name in policy.judges if name in names], reason


def _kept(
    view: View, policy: PolicyFile, asked: Sequence[int], items: Mask, ids: Sequence[str]
) -> NDArray[np.int64]:
    """The class (m,) of the AI label: a jury's by the sign of the mean.

    A judge's labels that differ, as in two orders: one of them, drawn. Its quality was that of one.
    """
    shares = np.stack([view.shares(k)[items] for k in asked])
    if policy.jury:
        score = np.round(np.mean([score_of(each) for each in shares], axis=0), 12)
        return np.where(score > 0.5, A, np.where(score < 0.5, B, TIE))
    parts = np.cumsum(shares[0], axis=1)
    drawn = numbers_of("label", ids)[items] * parts[:, -1]
    found: NDArray[np.int64] = (drawn[:, None] >= parts).sum(axis=1)
    return found


def _learned(
    store: Store, policy: PolicyFile, view: View, asked: Sequence[int], items: Mask
) -> tuple[Floats, tuple[str, ...]]:
    """The learned score (m,), by a router fitted to the data set that the policy was chosen on.

    There, what it is fitted to is scored by trees that did not see the prompt.
    """
    tried = _tried(store, policy)
    places = {tried.name(k): k for k in tried.judges}
    first, *others = [places[name] for name in policy.judges]
    same = policy.dataset == view.panel.dataset
    if not same:
        fill_features(store, view.panel.dataset)
        read_features(store, view.panel)
    seen = router_features(tried.view, first, others, tried.items)
    new = (
        router_features(tried.view, first, others, items)
        if same
        else router_features(view, asked[0], asked[1:], items)
    )
    both = [name for name in seen if name in new and np.isfinite(new[name]).any()]
    known, found = (np.stack([of[name] for name in both], axis=1) for of in (seen, new))
    gain = tried.human - tried.quality[first]
    fitted_to = tried.items[items] if same else np.zeros(len(found), dtype=bool)
    score = np.zeros(len(found))
    if not fitted_to.all():
        score = new_score(known, gain, found)
    if fitted_to.any():
        score[fitted_to] = learned_score(known, gain, tried.prompt)[items[tried.items]]
    return score, tuple(_about(policy, len(gain), [name for name in seen if name not in both]))


def _tried(store: Store, policy: PolicyFile) -> Tried:
    """What the router learns from. Raises InputError where that is not there any more."""
    try:
        panel = read_panel(store, policy.dataset, policy.criterion, policy.judges)
        fill_features(store, policy.dataset)
        read_features(store, panel)
        rules = Rules(unparsed=policy.unparsed)
        view = View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))
        tried = Tried(view, policy.match, Learner(store), every_judge=True)
        lost = set(policy.judges) - {tried.name(k) for k in tried.judges}
        if lost:
            raise InputError(f"no verdict of {', '.join(sorted(lost))}", "")
    except InputError as error:
        raise InputError(
            f"the policy's router learns from {policy.dataset!r} in the same store: {error.what}",
            "Import and label that, or choose a strategy that learns nothing: "
            "concord strategy --save FILE --choose NAME.",
        ) from error
    return tried


def _about(policy: PolicyFile, n: int, without: Sequence[str]) -> Iterator[str]:
    yield f"the router was fitted anew to {n:,} comparisons of {policy.dataset}"
    before = policy.quality.n_comparisons if policy.quality else n
    if n != before:
        yield f"it was chosen on {before:,} of them: choose again (concord strategy --save)"
    if without:
        yield f"it goes without what is not known of every comparison here: {', '.join(without)}"


def _notes(policy: PolicyFile, share: float | None, audit: float) -> Iterator[str]:
    """What is unlike the data set that the policy was chosen on, and what will not be known."""
    wanted = policy.human_share
    if policy.routes and share is not None and not wanted / FAR <= share <= wanted * FAR:
        yield (
            f"{percent(share)} go to a human, {percent(wanted)} where the policy was chosen: "
            "these comparisons are not like those, and its quality may not hold"
        )
    if not audit and policy.judges:
        yield (
            "without an audit, nothing will be known of the AI labels that are kept, and no mean "
            "of all comparisons follows from the human labels"
        )


def _tally(reason: NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(reason[reason != ""].astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _table(
    items: pa.Table, scored: _Scored, routed: Mask, audited: Mask, probability: Floats,
    policy: PolicyFile,
) -> pa.Table:  # fmt: skip
    import pyarrow as pa

    known = np.isfinite(scored.chance)
    destination = np.where(routed, HUMAN, np.where(known, AI, MISSING))
    queue = np.select([routed, audited], [Queue.ROUTED.value, Queue.AUDIT.value], "")
    label = np.where(routed, -1, scored.label)

    def texts(values: Iterable[Any]) -> pa.Array:
        return pa.array([str(each) or None for each in values], pa.string())

    columns = (
        items["comparison_id"], items["source_id"], pa.array(scored.score, from_pandas=True),
        texts(destination), texts(NAMES.get(k, "") for k in label.tolist()), texts(queue),
        pa.array(probability, from_pandas=True), texts(scored.reason),
        texts([policy.name] * len(items)),
    )  # fmt: skip
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))
