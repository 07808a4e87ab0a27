"""Preference pairs to train with: of each comparison the chosen and the rejected response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data import queries
from data.assignments import Queue, assignments
from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.panel import read_panel
from pipelines.route import route
from pipelines.routing_scores import CERTAINTY, FLIP, rule_score
from pipelines.same_prompt import same_prompt
from pipelines.sections.view import MAJORITY, Rules, UnparsedRule, View
from pipelines.stats.agreement import A, B, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from data.store import Store
    from pipelines.policy import PolicyFile

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MAJORITY_WORD = "majority"
JURY = "jury:"  # before the members' names
PARTS = 10_000  # what a prompt's digest is taken modulo, to split by it


@dataclass(frozen=True, slots=True)
class Pairs:
    """`table`: prompt, chosen, rejected, margin (0 to 1), source, comparison_id, split; and how
    many comparisons were left out.

    `waiting` of those in it or left out go to a human by the policy who has not labelled them: the
    AI label stands in.
    """

    table: pa.Table
    source: str
    ties: int
    without_label: int
    without_verdict: int
    without_texts: int
    waiting: int = 0
    dataset: str = ""
    simulated: bool = False
    unparsed: UnparsedRule = UnparsedRule.DROP


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A mean label from -1 (b) to 1 (a), whose it is, and whether a reply had no verdict, (n,)."""

    mean: Floats
    source: NDArray[np.object_]
    asked: Mask
    waiting: int = 0


def preference_pairs(
    store: Store, dataset: str, source: str | PolicyFile, test_share: float,
    criterion: str | None = None, unparsed: UnparsedRule | None = None,
) -> Pairs:  # fmt: skip
    """Pairs by the sign of the mean label of the humans (`majority`), of an annotator, of a jury
    (`jury:one,other`: the mean of the members' means), or as a policy chooses for each comparison.

    The margin is how far the labels are from a tie: 1 where all choose the same. Whether a prompt
    is for training or for testing follows from its text, so it is the same for every source, for
    another id of that text, and in another data set.
    `unparsed` None: the policy's rule, else drop. Raises InputError for an unknown data set or
    annotator, and for a policy that has not assigned yet what it sends to humans.
    """
    if not isinstance(source, str):
        criterion, unparsed = source.criterion, unparsed or source.unparsed
    unparsed = unparsed or UnparsedRule.DROP
    panel = read_panel(store, dataset, criterion)
    rules = Rules(unparsed=unparsed)
    view = View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))
    with store.reading() as con:
        texts = queries.table(con, queries.TEXTS, dataset=dataset)
    if isinstance(source, str):
        found = _by_name(view, source)
    else:
        found = _by_policy(store, view, source, texts)
    mean = found.mean
    known = ~np.asarray(texts["lacks"].to_numpy(zero_copy_only=False), dtype=bool)
    taken = known & np.isfinite(mean) & (mean != 0)
    in_test = _in_test(panel.prompt, texts, test_share)
    return Pairs(
        _table(texts.filter(taken), mean[taken], found.source[taken], in_test[taken]),
        _called(source),
        ties=int((known & (mean == 0)).sum()),
        without_label=int((known & ~np.isfinite(mean) & ~found.asked).sum()),
        without_verdict=int((known & ~np.isfinite(mean) & found.asked).sum()),
        without_texts=int((~known).sum()),
        waiting=found.waiting,
        dataset=dataset,
        simulated=panel.simulated,
        unparsed=unparsed,
    )


def _called(source: str | PolicyFile) -> str:
    if not isinstance(source, str):
        return source.name
    return MAJORITY if source == MAJORITY_WORD else source


def _by_name(view: View, source: str) -> _Labelled:
    if source == MAJORITY_WORD:
        return _labelled(_mean(view.humans), MAJORITY, np.zeros(view.panel.n_items, dtype=bool))
    jury = source.startswith(JURY) and source not in {w.name for w in view.panel.annotators}
    return _by_judges(view, source.removeprefix(JURY).split(",") if jury else [source])


def _by_judges(view: View, judges: Sequence[str]) -> _Labelled:
    """The mean of the judges' means, where all of them labelled. Raises InputError for others."""
    names = [who.name for who in view.panel.annotators]
    places = []
    for name in (judge.strip() for judge in judges):
        if name not in names:
            raise InputError(
                f"no annotator {name!r} in this data set",
                f"There are: {', '.join([MAJORITY_WORD, *names])}.",
            )
        places.append(names.index(name))
    mean: Floats = np.stack([_mean(view.counts(k)) for k in places]).mean(axis=0)
    asked = np.any([view.stored(k).sum(axis=(0, 2)) > 0 for k in places], axis=0)
    called = (
        f"jury of {', '.join(names[k] for k in places)}" if len(places) > 1 else names[places[0]]
    )
    return _labelled(np.round(mean, 12), called, asked)


def _by_policy(store: Store, view: View, policy: PolicyFile, texts: pa.Table) -> _Labelled:
    """A human's label where the policy sends the comparison to one who has labelled it, else AI's.

    What is drawn for the audit keeps the AI label: it is there to check those. A comparison that
    lacks a label of the rule's judges has no destination, so no label.
    """
    if not policy.judges:
        return _by_name(view, MAJORITY_WORD)
    found = _by_judges(view, policy.judges if policy.jury else policy.judges[:1])
    if not policy.routes:
        return found
    with store.reading() as con:
        assigned = assignments(con, view.panel.dataset, policy.name)
    if not len(assigned) and route(store, policy, view.panel.dataset, audit=0).to_humans:
        raise InputError(
            f"the policy has assigned nothing in {view.panel.dataset!r}",
            "First: concord route --policy FILE --dataset NAME, and have the routed ones labelled.",
        )
    rows = zip(assigned["comparison_id"].to_pylist(), assigned["queue"].to_pylist(), strict=True)
    routed = {comparison for comparison, queue in rows if queue == Queue.ROUTED}
    to_human = np.array([each in routed for each in texts["comparison_id"].to_pylist()], dtype=bool)
    humans = _mean(view.humans)
    by_human = to_human & np.isfinite(humans)
    sent = to_human | _can_be_sent(view, policy)
    return _Labelled(
        np.where(by_human, humans, np.where(sent, found.mean, np.nan)),
        np.where(by_human, MAJORITY, found.source),
        found.asked & sent,
        waiting=int((to_human & ~by_human).sum()),
    )


def _can_be_sent(view: View, policy: PolicyFile) -> Mask:
    """Whether all is there that the policy's rule looks at (n,)."""
    names = [who.name for who in view.panel.annotators]
    places = [names.index(name) for name in policy.judges if name in names]
    everything = np.ones(view.panel.n_items, dtype=bool)
    if len(places) < len(policy.judges):
        return ~everything
    there: Mask = np.all([np.isfinite(_mean(view.counts(k))) for k in places], axis=0)
    if policy.rule in (FLIP, CERTAINTY):
        there &= np.isfinite(rule_score(policy.rule, view, places, everything))
    return there


def _labelled(mean: Floats, source: str, asked: Mask) -> _Labelled:
    return _Labelled(mean, np.full(len(mean), source, dtype=object), asked)


def _mean(counts: Floats) -> Floats:
    """1 where all of the usable labels (n, 3) are a, -1 where all are b; NaN without any."""
    with np.errstate(invalid="ignore"):
        found: Floats = (counts[:, A] - counts[:, B]) / total(counts)
    return found


def _in_test(prompt: NDArray[np.int32], texts: pa.Table, share: float) -> Mask:
    """Whether a comparison (n,) is for testing; without a prompt's text by its id."""
    ids, said = texts["prompt_id"].to_pylist(), texts["prompt"].to_pylist()
    known = [text or f"id {each}" for text, each in zip(said, ids, strict=True)]
    part = same_prompt(prompt, known)[1] % np.uint64(PARTS)
    found: Mask = part.astype(float) < share * PARTS
    return found


def _table(rows: pa.Table, mean: Floats, source: NDArray[np.object_], in_test: Mask) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pa.array(mean > 0)
    return pa.table(
        {
            "prompt": rows["prompt"],
            "chosen": pc.if_else(first, rows["response_a"], rows["response_b"]),
            "rejected": pc.if_else(first, rows["response_b"], rows["response_a"]),
            "margin": np.abs(mean),
            "source": pa.array(source.tolist(), pa.string()),
            "comparison_id": rows["comparison_id"],
            "split": pa.array(["test" if test else "train" for test in in_test], pa.string()),
        }
    )
