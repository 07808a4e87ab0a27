"""`concord audit`: population figures from many AI labels and few human ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import out, print_json, print_table, say
from data.store import Store
from pipelines.audit import BY_BOTH, BY_HUMANS, BY_JUDGE, audit
from pipelines.estimates import as_row
from pipelines.sections.view import ONE_HUMAN
from pipelines.stats.audit import most_gain
from pipelines.wording import NOT_KNOWN, interval_of, money, points, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipelines.audit import Audit, Plan
    from pipelines.estimates import Estimate

DOUBLING = 0.71  # the correlation from which on human labels can be worth twice as many


def run_audit(
    path: Path, dataset: str | None, criterion: str | None, judges: Sequence[str],
    budget_usd: float | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Audit a data set by each judge: sentences, then the tables that they are from."""
    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    found = audit(store, name, criterion, judges, budget_usd)
    if as_json:
        print_json({"dataset": name, "simulated": found[0].simulated,
                    "audits": [_as_json(each) for each in found]})  # fmt: skip
        return
    mark = "   (simulated labels)" if found[0].simulated else ""
    for each in found:
        out().print(
            f"{name}{mark}: {each.n_human:,} comparisons of {each.n_prompts:,} prompts labelled by "
            f"humans and {each.judge}, {each.n_judge_only:,} more by {each.judge} alone",
            markup=False,
        )
        _print_audit(each)


def _print_audit(found: Audit) -> None:
    for sentence in sentences(found):
        out().print(sentence, markup=False)
    _print_means(found)
    _print_worth(found)
    for sentence in plan_sentences(found):
        out().print(sentence, markup=False)
    for note in found.notes:
        say(f"note: {note}")


def _as_json(found: Audit) -> dict[str, object]:
    return {
        "judge": found.judge,
        "sentences": [*sentences(found), *plan_sentences(found)],
        "agreement_foretold_by": found.foretold,
        "estimates": [as_row(row) for row in found.rows],
        "plan": found.plan,
        "notes": found.notes,
    }


def _picked(found: Audit, statistic: str, method: str = "") -> dict[str, Estimate]:
    """The rows of a statistic by what they are about, in their order."""
    return {row.reference: row for row in found.rows
            if row.statistic == statistic and row.method.startswith(method)}  # fmt: skip


def _name(reference: str) -> str:
    return f"agreement with {reference}" if reference == ONE_HUMAN else reference[len("model ") :]


def _cell(row: Estimate | None) -> str:
    return "" if row is None else f"{value_of(row)} {interval_of(row)}".strip()


def _print_means(found: Audit) -> None:
    """By humans, by the judge and by both; a row without a number says why below."""
    by = [
        {**_picked(found, "win_rate", method), **_picked(found, "single_human_agreement", method)}
        for method in (BY_HUMANS, BY_JUDGE, BY_BOTH)
    ]
    apart = _picked(found, "win_rate_difference")
    print_table(
        ["win rate of", "humans alone", f"{found.judge} alone", "less humans", "both (PPI++)",
         "by humans", "in all"],
        [
            [_name(about), *(_cell(rows.get(about)) for rows in by[:2]), _cell(apart.get(about)),
             _cell(by[2][about]), by[0][about].n_items, by[2][about].n_items]
            for about in by[0]
        ],
        numbers=range(1, 7),
    )  # fmt: skip


def _print_worth(found: Audit) -> None:
    """What the judge adds: nothing to show where nothing is known of it."""
    weight, correlation, worth = (
        _picked(found, name) for name in ("audit_weight", "audit_correlation", "effective_prompts")
    )
    lacking = [row for row in worth.values() if row.estimate is None and found.n_judge_only]
    for why in dict.fromkeys(row.note for row in lacking):
        names = ", ".join(_name(row.reference) for row in lacking if row.note == why)
        say(f"note: {names}: {why}")
    shown = [about for about, row in weight.items() if row.estimate is not None]
    if shown:
        print_table(
            ["", "weight", "correlation", "human labels count", "prompts"],
            [
                [_name(about), value_of(weight[about]), _cell(correlation[about]),
                 _times(worth[about]), _as_prompts(worth[about])]
                for about in shown
            ],
            numbers=range(1, 5),
        )  # fmt: skip
    if found.foretold is not None and ONE_HUMAN in shown:
        say(f"note: agreement of {found.judge} is foretold by {found.foretold}")


def _times(worth: Estimate) -> str:
    """How many times as much human labels are worth, with its interval."""
    if worth.estimate is None:
        return NOT_KNOWN
    n = worth.n_prompts
    text = f"{worth.estimate / n:.2f} times"
    if worth.low is None or worth.high is None:
        return text
    return f"{text} [{worth.low / n:.2f}, {worth.high / n:.2f}]"


def _as_prompts(worth: Estimate) -> str:
    if worth.estimate is None:
        return f"{worth.n_prompts:,}"
    return f"{worth.n_prompts:,} as {worth.estimate:,.0f}"


def sentences(found: Audit) -> Iterator[str]:
    """What the judge adds to the humans' labels, and what it would have said without them."""
    worth = [row for about, row in _picked(found, "effective_prompts").items()
             if about != ONE_HUMAN]  # fmt: skip
    yield _added(found, worth or list(_picked(found, "effective_prompts").values()))
    apart = list(_picked(found, "win_rate_difference").values())
    if apart:
        yield _apart(found.judge, apart)


def _added(found: Audit, worth: Sequence[Estimate]) -> str:
    judge, known = found.judge, [row for row in worth if row.estimate is not None]
    if not found.n_judge_only:
        return (
            f"Humans have labelled every comparison that {judge} has: its labels add nothing to "
            "theirs, and the figures by humans alone are the answer."
        )
    if not known:
        return f"What {judge}'s labels add to the humans' cannot be said: {worth[0].note}."
    known.sort(key=lambda row: -(row.estimate or 0.0) / row.n_prompts)
    certain = [row for row in known if row.low is not None and row.low > row.n_prompts]
    if (known[0].estimate or 0.0) / known[0].n_prompts < 1.005:
        return f"{judge}'s labels add nothing to the humans'."
    chosen = known if len(known) == 1 else [known[0], known[-1]]
    figures = " and ".join(
        f"{_times(row)}{_for(row)} ({_as_prompts(row)} prompts)" for row in chosen
    )
    if not certain:
        unsure = f"It cannot be told yet whether {judge}'s labels add anything"
        return f"{unsure}: human labels count {figures}."
    between = "" if len(chosen) == 1 else "between "
    return f"Beside {judge}'s labels, human labels count {between}{figures}."


def _for(row: Estimate) -> str:
    return "" if row.reference == ONE_HUMAN else f" for {_name(row.reference)}"


def _apart(judge: str, rows: Sequence[Estimate]) -> str:
    """How many win rates by the judge alone differ from the humans', and by how much at most."""
    differ = [row for row in rows if row.low is not None and row.high is not None
              and not row.low <= 0 <= row.high]  # fmt: skip
    if not differ:
        return f"No win rate by {judge} alone can be told from that by humans."
    most = max(differ, key=lambda row: abs(row.estimate or 0.0))
    models = "model's win rate" if len(rows) == 1 else "models' win rates"
    return (
        f"By {judge} alone {len(differ)} of {len(rows)} {models} would differ from the humans', "
        f"most that of {_name(most.reference)}: {points(most.estimate)} points {interval_of(most)}."
    )


def plan_sentences(found: Audit) -> Iterator[str]:
    """What a budget buys, how sure that is, and the most that such a judge can add."""
    plan = found.plan
    if plan is None:
        return
    yield _purchase(found.judge, plan)
    r = plan.correlation
    if r.estimate is None:
        yield f"The correlation is not known: {r.note}."
        return
    limits = "" if r.low is None or r.high is None else f" [{r.low:.2f}, {r.high:.2f}]"
    most = most_gain(r.estimate)
    least = f"at most {most:.2f} times" if most < 100 else "many times"
    yield (
        f"Scores of humans and {found.judge} correlate by {r.estimate:.2f}{limits} over prompts: "
        f"with any number of its labels human ones count {least}; twice takes a correlation of "
        f"{DOUBLING}."
    )


def _purchase(judge: str, plan: Plan) -> str:
    best, alone = plan.allocation, f"{plan.n_humans_only:,} prompts"
    price = f"{money(plan.human_usd)} a prompt by humans, {money(plan.judge_usd)} by {judge}"
    if plan.human_only:
        return (
            f"For {money(plan.budget_usd)} ({price}): humans only, {alone}, to "
            f"{_within(plan.human_half_width)}; {judge} does not pay."
        )
    gains = "" if plan.gains is None else f" [{plan.gains[0]:.2f}, {plan.gains[1]:.2f}]"
    return (
        f"For {money(plan.budget_usd)} ({price}): both on {best.n_human:,} prompts and {judge} "
        f"alone on {best.n_judge_only:,} more, to {_within(plan.half_width)}; humans only, "
        f"{alone}: {_within(plan.human_half_width)}. The money goes {best.gain:.2f} times as far"
        f"{gains}."
    )


def _within(half: float) -> str:
    return f"±{100 * half:.1f} points a figure"
