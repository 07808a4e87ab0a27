"""How likely a comparison was to get human labels: what an estimate for all of them must know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data import queries
from data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from data.store import Store
    from pipelines.panel import Panel

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ALL_LABELLED = "humans have labelled every comparison"
AT_RANDOM = (
    "no sampling probabilities are stored: the comparisons that humans labelled are taken as a "
    "random part of all"
)
BY_PROBABILITY = (
    "comparisons were sent to humans with known probabilities: each human label weighs one over its"
)
QUEUES = ("routed", "audit")
FAR = 4  # standard errors


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Probabilities (n,) of being labelled by humans; None: the labelled are a random part.

    NaN of a comparison that humans have not labelled: how good its chance was is not known, and not
    needed if it had one. `notes` say what was taken for granted.
    """

    probability: Floats | None
    notes: tuple[str, ...] = ()


def read_inclusion(store: Store, panel: Panel) -> Inclusion:
    """From the labels' sampling probabilities, and the comparisons' assignments to humans.

    Of a label's own and its comparison's assignment the larger one counts: an audit that was made
    larger asks all whom the smaller one asked, as both draw by the same number. Where neither is
    stored anywhere, labels are taken as a random part. Raises InputError where some have a
    probability and others none.
    """
    asked = {"dataset": panel.dataset}
    with store.reading() as con:
        found = queries.table(con, queries.INCLUSION, criterion=panel.criterion, **asked)
        policies = [str(name) for (name,) in queries.rows(con, queries.POLICIES, **asked)]
    columns = {name: found[name].to_numpy(zero_copy_only=False) for name in found.column_names}
    return inclusion_of(columns, policies)


def inclusion_of(columns: Mapping[str, NDArray[Any]], policies: list[str]) -> Inclusion:
    """The rule, from the columns of `queries.INCLUSION`, (n,) each."""
    labelled, known = columns["n"] > 0, columns["n_known"] > 0
    assigned = np.asarray(columns["assigned"], dtype=float)
    sent = np.isfinite(assigned)
    if not labelled.any():
        return Inclusion(None)
    if labelled.all():
        return Inclusion(None, (ALL_LABELLED,))
    if not known.any() and not sent.any():
        return Inclusion(None, (AT_RANDOM,))
    _check_one_policy(policies)
    own = np.asarray(columns["least"], dtype=float)
    probability = np.where(known, np.fmax(own, assigned), assigned)
    differs = known & (own != np.asarray(columns["most"], dtype=float))
    part = known & (columns["n_known"] < columns["n"]) & ~sent
    _check_known(labelled, labelled & (~np.isfinite(probability) | differs | part))
    notes = [BY_PROBABILITY]
    if sent.any():
        rates, said = _answered(columns["queue"], labelled)
        probability = probability * rates
        notes += said
    return Inclusion(probability, tuple(notes))


def check_everyone_had_a_chance(probability: Floats, asked: Mask) -> None:
    """The sum of 1/p over the n' asked of n estimates how many had a chance (Horvitz & Thompson).

    Its variance is about the sum of (1 - p)/p^2. Raises InputError where that is not n, four
    standard errors and a rounding aside: a router without an audit never sends the rest.
    """
    p, n = probability[asked], len(asked)
    had, error = float((1 / p).sum()), float(np.sqrt(((1 - p) / p**2).sum()))
    if abs(had - n) > FAR * error + 1:
        raise InputError(
            f"the sampling probabilities speak of {had:,.0f} comparisons or so, there are {n:,}",
            "The others had no chance to reach a human, or the probabilities are wrong: assign "
            "with concord route --audit, and have that audit labelled.",
        )


def _answered(queue: NDArray[Any], labelled: Mask) -> tuple[Floats, list[str]]:
    """Share (n,) of each comparison's queue that humans have labelled so far; 1 outside of any."""
    rates, said = np.ones(len(queue)), []
    for name in QUEUES:
        mine = queue == name
        if not mine.any():
            continue
        done, n = int(labelled[mine].sum()), int(mine.sum())
        if not done:
            raise InputError(
                f"humans have labelled none of the {n:,} comparisons of the queue {name!r}",
                "Without them a part of the data set is not seen at all: have some labelled first.",
            )
        rates[mine] = done / n
        if done < n:
            said.append(f"{n - done:,} of {n:,} comparisons of the queue {name!r} are not labelled "
                        "yet: those that are count as a random part of the queue")  # fmt: skip
    return rates, said


def _check_one_policy(policies: list[str]) -> None:
    if len(policies) > 1:
        raise InputError(
            f"comparisons were assigned under {len(policies)} policies: {', '.join(policies)}",
            "How likely a comparison was under both is not known: route the data set by one.",
        )


def _check_known(labelled: Mask, lacking: Mask) -> None:
    n = int(lacking.sum())
    if n:
        raise InputError(
            f"{n:,} of {int(labelled.sum()):,} comparisons that humans labelled have no sampling "
            "probability (or two), while others were sent with one",
            "Import these labels with theirs (1 where every such comparison was sent to humans).",
        )
