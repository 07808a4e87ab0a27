"""What the dashboard says: words for the values of the store, and sentences composed by rule.

Pure: no Streamlit, so every sentence can be tested. Wording of statistics is pipelines.wording's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.browse import Show
from data.records import AnnotatorKind, LabelStatus, Preference, RunStatus, Shown
from pipelines.estimates import ALL
from pipelines.findings import BASELINES, SAME_POINTS, find, main_reference
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN, MajorityRule, UnparsedRule
from pipelines.stats.agreement import TieRule
from pipelines.wording import NOT_KNOWN, duration, interval_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipelines.estimates import Estimate

KINDS = {
    AnnotatorKind.HUMAN: "human",
    AnnotatorKind.JUDGE: "AI judge",
    AnnotatorKind.BASELINE: "baseline",
    AnnotatorKind.AGGREGATE: "gold or majority",
}
PREFERENCES = {Preference.A: "A", Preference.B: "B", Preference.TIE: "tie"}
ORDERS = {Shown.AB: "A first", Shown.BA: "B first"}
STATUSES = {
    LabelStatus.OK: "usable",
    LabelStatus.REFUSED: "refused",
    LabelStatus.SKIPPED: "skipped",
    LabelStatus.PARSE_ERROR: "reply without a verdict",
    LabelStatus.FAILED: "failed",
}
RUN_STATUSES = {
    RunStatus.RUNNING: "running",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.COMPLETE: "complete",
    RunStatus.STOPPED: "stopped",
    RunStatus.BUDGET_SPENT: "budget spent",
}
MAJORITIES = {
    MajorityRule.MODE: "the most frequent label; a split is a tie",
    MajorityRule.SIGN: "the sign of the mean label",
}
TIES = {
    TieRule.CLASS: "a label of its own, like A and B",
    TieRule.HALF: "half an agreement with A or B",
    TieRule.DROP: "left out, of either annotator",
}
UNPARSED = {
    UnparsedRule.DROP: "left out",
    UnparsedRule.TIE: "a tie",
    UnparsedRule.WRONG: "a disagreement",
}
SHOWS = {
    Show.CONFIDENT: "The humans agree, a judge is confident of the other",
    Show.ALL: "All comparisons",
    Show.AGAINST: "A judge disagrees with the humans or gold",
    Show.SPLIT: "The judges disagree among each other",
    Show.SWAPPED: "A judge's preference changes with the order",
}
ENOUGH_IN_COMMON = 30  # comparisons of two annotators that a title may name
_RULES = {
    "ties=class": "a tie is an answer of its own",
    "ties=counted": "ties counted in the total",
    "unparsed=drop": "replies without a verdict left out",
    "unparsed=tie": "replies without a verdict count as a tie",
    "unparsed=wrong": "replies without a verdict count as a disagreement",
    "majority=mode": "majority: the most frequent label, a split is a tie",
    "majority=sign": "majority: the sign of the mean label",
    "stated orientation": "responses A and B as stored",
    "swap-symmetrised": "whichever response is called A",
    "ties=drop": "ties left out",
    "ties=half": "a tie counts half",
    "simultaneous": "the interval holds for all slices together",
    "decided labels": "labels that are no tie",
}


def word(words: Mapping[Any, str], value: str | None) -> str:
    """The word for a stored value; `not known` where there is none."""
    return NOT_KNOWN if value is None else words.get(value, value.replace("_", " "))


def rule(method: str) -> str:
    """The rules in force for a row, in words."""
    rest, _, judge = method.partition("items of ")
    parts = [text for key, text in _RULES.items() if key in rest]
    if judge:
        parts.append(f"on the comparisons of {judge}")
    return "; ".join(parts)


def slice_name(name: str) -> str:
    """The comparisons a row rests on."""
    return "all comparisons" if name == ALL else name.partition("=")[2]


def count(n: int, noun: str) -> str:
    """A number with its noun: 1 judge, 2,560 comparisons."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def age(seconds: float, *, newer: bool = False) -> str:
    """How old the data is; `newer`: what has come since is being read."""
    said = f"{seconds / 3600:.0f} h"
    if seconds < 100:
        said = f"{max(0, seconds):.0f} s"
    elif seconds < 5400:
        said = f"{seconds / 60:.0f} min"
    return f"data {said} old, reading newer" if newer else f"data {said} old"


def more_characters(shown: int, total: int) -> str:
    """How much of a text is left out on screen."""
    return f"{count(total - shown, 'more character')} of {total:,}"


def facts(dataset: Mapping[str, int]) -> str:
    """How much there is: one line."""
    nouns = ("comparison", "prompt", "label", "human", "judge")
    return "   ·   ".join(count(int(dataset[f"{noun}s"]), noun) for noun in nouns)


def figures_of(row: Estimate) -> str:
    """An estimate with its interval: 64% [60, 68]."""
    return f"{value_of(row)} {interval_of(row)}".strip()


def short_figures(row: Estimate) -> str:
    """The same for a figure, where a value without an interval says why."""
    few = row.estimate is not None and row.low is None and "too few prompts" in (row.note or "")
    return f"{value_of(row)} too few prompts" if few else figures_of(row)


def reading(row: Estimate) -> str:
    """What a row rests on; empty where it rests on nothing."""
    if not row.n_items:
        return ""
    parts = [count(row.n_items, "comparison"), count(row.n_prompts, "prompt")]
    return ", ".join([*parts, count(row.n_labels, "label")])


def main_statistic(rows: Sequence[Estimate]) -> tuple[str, str]:
    """(statistic, reference) that judges are measured by: one human, else a majority or gold."""
    reference = main_reference(rows)
    statistic = "single_human_agreement" if reference == ONE_HUMAN else "majority_agreement"
    return statistic, reference


def named(reference: str) -> str:
    """A reference as a sentence names it: one human, the human majority, the label 'gold'."""
    if reference == ONE_HUMAN:
        return reference
    return f"the {reference}" if reference == MAJORITY else f"the label {reference!r}"


def reference_sentence(row: Estimate) -> str:
    """A judge against a majority or gold, where no ceiling can be known."""
    items = count(row.n_items, "comparison")
    return (
        f"{row.subject} agrees with {named(row.reference)} {figures_of(row)} of the time ({items})"
    )


def spread_title(rows: Sequence[Estimate], *, part: bool = False) -> str | None:
    """Which judge agrees most and least; `part` says that not all of them are there."""
    known = sorted(judged(rows), key=lambda row: row.estimate or 0.0)
    if not known:
        return None
    if len(known) == 1:
        return f"{known[0].subject} agrees {figures_of(known[0])}"
    return (
        f"{f'Of the {len(known)} shown, ' if part else ''}"
        f"{known[-1].subject} agrees most ({figures_of(known[-1])}), "
        f"{known[0].subject} least ({figures_of(known[0])})"
    )


def judged(rows: Iterable[Estimate]) -> list[Estimate]:
    """The rows of judges: without the humans, and without baselines where there are judges."""
    subjects = [row for row in rows if row.subject not in (ONE_HUMAN, CEILING)]
    return [row for row in subjects if row.subject not in BASELINES] or subjects


def agreement_title(rows: Sequence[Estimate], judges: Sequence[str], reference: str) -> str:
    """How many judges do as well as a human, by the interval of each gap."""
    gaps = judged(row for row in find(rows, "gap") if row.subject in judges)
    if not gaps:
        return f"How often each judge agrees with {named(reference)}"
    groups = dict.fromkeys(_GROUPS, 0)
    for row in gaps:
        groups[_group(row)] += 1
    said = [f"{n:,} {_GROUPS[group]}" for group, n in groups.items() if n]
    first, *others = said
    ceiling = [first.format("the human ceiling"), *(text.format("it") for text in others)]
    return f"Of {count(len(gaps), 'judge')}: {', '.join(ceiling)}"


_GROUPS = {
    "more": "above {}",
    "same": f"within {SAME_POINTS:.0f} points of {{}}",
    "open": "not told apart from {} yet",
    "less": "below {}",
}


def _group(gap: Estimate) -> str:
    if gap.low is None or gap.high is None:
        return "open"
    if gap.low > 0:
        return "more"
    if 100 * gap.low >= -SAME_POINTS and 100 * gap.high <= SAME_POINTS:
        return "same"
    return "less" if gap.high < 0 else "open"


def pairs_title(pairs: Sequence[Estimate]) -> str:
    """Which two annotators are most and least alike, of those with enough comparisons in common."""
    different = [row for row in pairs if row.estimate is not None and row.subject != row.reference]
    no_baseline = [r for r in different if not {r.subject, r.reference} & set(BASELINES)]
    known = no_baseline or different
    if not known:
        return _no_pairs(pairs)
    known = [row for row in known if row.n_items >= ENOUGH_IN_COMMON] or known
    most = max(known, key=lambda row: row.estimate or 0.0)
    if len(known) == 1:
        return f"{most.subject} and {most.reference}: kappa {_with_n(most)}"
    least = min(known, key=lambda row: row.estimate or 0.0)
    aside = ", baselines aside" if 0 < len(no_baseline) < len(different) else ""
    return (
        f"Most alike: {most.subject} and {most.reference} ({_with_n(most)}). "
        f"Least alike{aside}: {least.subject} and {least.reference} ({_with_n(least)})."
    )


def _with_n(row: Estimate) -> str:
    return f"{figures_of(row)}, n {row.n_items:,}"


def _no_pairs(pairs: Sequence[Estimate]) -> str:
    """Why no two annotators can be compared."""
    if not pairs:
        return "There are no two annotators to compare"
    both = [row for row in pairs if row.n_items and row.note]
    if not both:
        return "No two annotators labelled the same comparisons"
    return f"Cohen's kappa is not defined here: {str(both[0].note).removeprefix('undefined: ')}"


def nothing_to_agree_with(kinds: Iterable[str], has_anonymous: bool) -> str:
    """Why no judge can be compared with humans or gold."""
    found = set(kinds)
    if not found & {AnnotatorKind.JUDGE, AnnotatorKind.BASELINE}:
        return "No judge has labelled this data set yet."
    if not has_anonymous and not found & {AnnotatorKind.HUMAN, AnnotatorKind.AGGREGATE}:
        return "There is no human or gold label to agree with."
    return "No comparison has a usable label of a judge and of a human or gold."


def categories_title(judge: str, rows: Sequence[Estimate]) -> str:
    """The highest and the lowest category of a judge; not a test of their difference."""
    known = [row for row in rows if row.low is not None]
    if not known:
        return f"{judge}: every category has too few prompts for an interval"
    if len(known) == 1:
        return f"{judge}: only {slice_name(known[0].slice)} has enough prompts for an interval"
    known.sort(key=lambda row: row.estimate or 0.0)
    low, high = known[0], known[-1]
    return (
        f"{judge} agrees most in {slice_name(high.slice)} ({figures_of(high)}) "
        f"and least in {slice_name(low.slice)} ({figures_of(low)})"
    )


def length_title(rows: Sequence[Estimate]) -> str:
    """The judge that differs most from humans in choosing the longer response."""
    shares = find(rows, "longer_chosen_share")
    human = [row for row in shares if row.subject == ONE_HUMAN]
    judges = judged(shares)
    if not judges:
        return "Which response is longer is not known here"
    if not human:
        most = max(judges, key=lambda row: row.estimate or 0.0)
        return f"{most.subject} chooses the longer response most often: {figures_of(most)}"
    base = human[0].estimate or 0.0
    most = max(judges, key=lambda row: abs((row.estimate or 0.0) - base))
    return (
        f"Longer responses: {most.subject} chooses them {figures_of(most)} of the time, "
        f"humans {figures_of(human[0])}"
    )


def first_title(rows: Sequence[Estimate]) -> str:
    """The judge whose share of first-shown choices is farthest from humans, else from half."""
    shares = [row for row in find(rows, "first_shown_share") if not _one_order(row)]
    judges = judged(shares)
    if not judges:
        return "Position: not identified here, as no judge was shown both orders"
    human = [row for row in shares if row.subject == ONE_HUMAN]
    base = (human[0].estimate or 0.0) if human else 0.5
    most = max(judges, key=lambda row: abs((row.estimate or 0.0) - base))
    beside = f", humans {figures_of(human[0])}" if human else ""
    return f"Shown first: {most.subject} chooses it {figures_of(most)} of the time{beside}"


def _one_order(row: Estimate) -> bool:
    return "one fixed order" in (row.note or "")


def swapped_title(rows: Sequence[Estimate]) -> str:
    """How far the judges keep their preference when the order is swapped."""
    found = judged(find(rows, "position_consistency"))
    kept = sorted(found, key=lambda row: row.estimate or 0.0)
    if not kept:
        return "Swapped order: not known, as no judge labelled both orders"
    if len(kept) == 1:
        return f"Swapped order: {kept[0].subject} keeps its preference {figures_of(kept[0])}"
    return (
        f"Swapped order: {kept[0].subject} keeps its preference least ({figures_of(kept[0])}), "
        f"{kept[-1].subject} most ({figures_of(kept[-1])})"
    )


def _priced(rows: Sequence[Estimate]) -> list[Estimate]:
    """Humans and judges: what a baseline costs is no news."""
    return [row for row in rows if row.subject not in BASELINES]


def time_title(rows: Sequence[Estimate]) -> str:
    """The span of times per 1,000 labels."""
    every = sorted(_priced(find(rows, "seconds_per_1000")), key=lambda row: row.estimate or 0.0)
    known = [row for row in every if row.low is not None] or every  # not who labelled once or twice
    if not known:
        return "How long these labels took is not known: the source gives no times"
    if len(known) == 1:
        return f"1,000 labels of {known[0].subject} take {figures_of(known[0])}"
    return (
        f"1,000 labels take {value_of(known[0])} ({known[0].subject}) "
        f"to {value_of(known[-1])} ({known[-1].subject})"
    )


def cost_title(rows: Sequence[Estimate]) -> str:
    """Which annotator's labels cost most and least."""
    known = sorted(_priced(find(rows, "cost_usd_per_1000")), key=lambda row: row.estimate or 0.0)
    if not known:
        return "What these labels cost is not known"
    if len(known) == 1:
        return f"1,000 labels of {known[0].subject} cost {figures_of(known[0])}"
    return (
        f"1,000 labels cost {value_of(known[0])} ({known[0].subject}) "
        f"to {value_of(known[-1])} ({known[-1].subject})"
    )


def value_title(
    costs: Mapping[str, Estimate], agreements: Mapping[str, Estimate], names: Sequence[str]
) -> str:
    """What the cheapest and the most agreeing annotator give for their price."""
    best = max(names, key=lambda name: agreements[name].estimate or 0.0)
    cheapest = min(names, key=lambda name: costs[name].estimate or 0.0)
    said = [
        f"{name} agrees {figures_of(agreements[name])} at {value_of(costs[name])} per 1,000 labels"
        for name in dict.fromkeys((best, cheapest))
    ]
    return "; ".join(said)


def match(show: Show, total: int, judge: str | None) -> str:
    """How many comparisons a filter leaves."""
    n = count(total, "comparison")
    who = judge or "a judge"
    return {
        Show.ALL: f"{n}{f' that {judge} labelled' if judge else ''}.",
        Show.CONFIDENT: f"{n} where all humans agree and {who} is confident of the other response.",
        Show.AGAINST: f"{n} where {who} disagrees with the human majority or gold; "
        "those where the humans are most of one mind come first.",
        Show.SPLIT: f"{n} where the judges disagree; the most even splits come first.",
        Show.SWAPPED: f"{n} where {who} changes its preference when the order is swapped.",
    }[show]


def no_match(show: Show) -> str:
    """What an empty filter means."""
    if show is Show.SWAPPED:
        return (
            "No comparison matches: none that is left was labelled in both orders with different "
            "results. Show all, or choose another filter."
        )
    if show is Show.CONFIDENT:
        return (
            "No comparison matches: none that is left has two or more humans who all agree and a "
            "judge that is confident of the other response. Show all, or choose another filter."
        )
    return "No comparison matches. Choose another filter."


def tally(row: Mapping[str, int], who: str) -> str | None:
    """Annotators for A, a tie and B: 2 · 0 · 1; None where there are none."""
    counts = [row[f"{who}_{side}"] for side in ("a", "tie", "b")]
    return " · ".join(map(str, counts)) if any(counts) else None


def prompt_title(comparison: Mapping[str, str | None]) -> str:
    """What stands above a prompt."""
    parts = ["Prompt", comparison["category"], comparison["source_id"]]
    return ", ".join(part for part in parts if part)


def response_title(side: str, model: str | None) -> str:
    """What stands above a response."""
    return f"Response {side}" + (f", by {model}" if model else "")


def reason_title(label: Mapping[str, str | None]) -> str:
    """Whose reason it is, and for which preference."""
    order = f", {word(ORDERS, label['shown'])}" if label["shown"] else ""
    return f"{label['annotator']}: {preferred(label['preference'])}{order}"


def preferred(preference: str | None) -> str:
    """A label's preference; none where its status is not usable."""
    return word(PREFERENCES, preference) if preference else "none"


def free_note(names: Sequence[str]) -> str | None:
    """Who cannot stand on a log scale."""
    if not names:
        return None
    return (
        f"Left out, as their labels cost nothing and a log scale has no zero: {', '.join(names)}."
    )


def run_line(run: Mapping[str, object], money: str | None) -> str:
    """A run's progress in one line; what it spent, but for a person."""
    done, planned, failed = (int(str(run[name] or 0)) for name in ("done", "planned", "failed"))
    lost = f", {failed:,} failed" if failed else ""
    spent = f", {money} spent" if money is not None else ""
    return (
        f"{run['judge']} is labelling {run['dataset']}: {done:,} of {planned:,} done{lost}{spent}"
    )


def silence(run: Mapping[str, object], after: float) -> str | None:
    """What to say of a run that counts as running and has not stored a label for long."""
    newest = run["last_label_at"] or run["started_at"]
    if not isinstance(newest, datetime):
        return None
    seconds = (datetime.now(UTC).replace(tzinfo=None) - newest).total_seconds()
    if seconds < after:
        return None
    return (
        f"No new label for {duration(seconds)}. If its process is gone, the same command "
        "continues it."
    )
