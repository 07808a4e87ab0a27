"""What the learning view says and draws of an experiment's result. Pure: no Streamlit.

A result is what `concord learn --json` or `concord best-of --json` prints.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from app.figures_learning import Curve, Knot, Shade
from app.words import count, figures_of
from pipelines.best_of import CHANCE
from pipelines.estimates import Estimate
from pipelines.lessons import (
    CEILING,
    GROUPS,
    HUMAN,
    IMITATION,
    LENGTH_ONLY,
    LONGER,
    PROMPTS,
)
from pipelines.sections.view import ONE_HUMAN
from pipelines.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NUMBER, MONEY = "number", "money"
BY = {NUMBER: "By number of labels", MONEY: "By what the labels cost"}
REPEATS = {"1": "Quick: every fold once", "4": "Full: folds drawn four times"}
WHERE = {PROMPTS: "on prompts not seen", GROUPS: "on categories not seen"}
ABOUT = (
    "Imitation of chosen answers and reward models on labels of one human, of each judge, and of "
    "both are fitted to more and more labels; human votes that none of them has seen say what each "
    "is worth. It takes a minute or a few."
)
NOT_RUN = "This experiment has not been run on the labels as they are now."
AGAIN = "Run it anew on the labels as they are now"
ABOUT_BEST = (
    "What each source would select among several responses to a prompt, and what held-out humans "
    "say of it: from where on does following a score stop helping?"
)
NO_MONEY = "No price of a label is known, so there is no curve by cost."
_ROW = {f.name for f in fields(Estimate)}


def earlier(seconds: float) -> str:
    """That a result is not of the labels as they are now, and how old it is."""
    ago = duration(seconds) if seconds >= 60 else "less than a minute"
    return (
        f"This result is {ago} old: labels, texts, prices or tags have come or changed since, and "
        "it does not know of them."
    )


def estimates(result: Mapping[str, Any]) -> list[Estimate]:
    """The rows of a result; those that are none are left out."""
    found = result.get("estimates")
    rows = found if isinstance(found, list) else []
    return [Estimate(**row) for row in rows if isinstance(row, dict) and row.keys() == _ROW]


def conclusions(result: Mapping[str, Any]) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """Findings under their headings, and what may not be concluded.

    A line that is set in belongs to the heading before it.
    """
    groups: list[tuple[str, list[str]]] = []
    not_shown = []
    for line in result.get("conclusions", []):
        if line.startswith("  ") and groups:
            groups[-1][1].append(_sentence(line))
        elif line.endswith(":"):
            groups.append((line, []))
        else:
            not_shown.append(line)
    return groups, not_shown


def _sentence(line: str) -> str:
    text = line.strip().rstrip(";.")
    return f"{text[:1].upper()}{text[1:]}."


def lead(groups: Sequence[tuple[str, list[str]]]) -> str:
    """The first finding with where it holds."""
    heading, lines = groups[0]
    first = lines[0]
    return f"{heading.rstrip(':')}, {first[:1].lower()}{first[1:]}" if lines else heading


def ways(result: Mapping[str, Any]) -> list[str]:
    """The ways of holding out that there are figures of."""
    return [way for way in (PROMPTS, GROUPS) if way in result.get("sizes", {})]


def judges(rows: Sequence[Estimate]) -> list[str]:
    """The judges whose labels something was fitted to, best first."""
    found = [
        row for row in rows
        if row.statistic == "held_out_difference" and row.reference == HUMAN
        and ", " not in row.subject and row.method == PROMPTS
        and row.subject not in (HUMAN, IMITATION)
    ]  # fmt: skip
    found.sort(key=lambda row: -(row.estimate or -1.0))
    return list(dict.fromkeys(row.subject for row in found))


def curves(rows: Sequence[Estimate], way: str, judge: str | None, by: str) -> list[Curve]:
    """The arms that a reader compares: humans, imitation, one judge, both, and length alone."""
    arms = {HUMAN: ("human", False), IMITATION: ("human", True), LENGTH_ONLY: ("baseline", False)}
    if judge is not None:
        arms[judge] = ("AI", False)
        arms |= dict.fromkeys(_hybrids(rows, judge), ("AI", True))
    found = []
    for arm, (role, dashed) in arms.items():
        knots = list(_knots(rows, way, arm, by))
        if knots:
            found.append(Curve(arm, _label(arm, judge), role, dashed, tuple(knots)))
    return found


def _label(arm: str, judge: str | None) -> str:
    """Beside a line there is room for few letters: a mixture by its share of a human's labels."""
    mixed = judge is not None and arm != judge and arm.startswith(f"{judge}, ")
    return arm.removeprefix(f"{judge}, ") if mixed else arm


def _hybrids(rows: Sequence[Estimate], judge: str) -> list[str]:
    named = {row.subject for row in rows if row.statistic == "held_out_agreement"}
    return sorted(n for n in named if n.startswith(f"{judge}, ") and n.endswith(f" {HUMAN}"))


def _knots(rows: Sequence[Estimate], way: str, arm: str, by: str) -> Iterator[Knot]:
    usd = {
        row.slice: row.estimate for row in rows
        if (row.method, row.subject, row.statistic) == (way, arm, "labels_usd")
    }  # fmt: skip
    for row in rows:
        if (row.method, row.subject, row.statistic) != (way, arm, "held_out_agreement"):
            continue
        x = usd.get(row.slice) if by == MONEY else float(row.n_labels)
        if row.estimate is not None and x is not None and x > 0:
            labels = count(row.n_labels, "label")
            rests = f"{count(row.n_items, 'comparison')}, {count(row.n_prompts, 'prompt')}"
            yield Knot(x, row.estimate, row.low, row.high, figures_of(row), labels, rests)


def shades(rows: Sequence[Estimate], way: str) -> list[Shade]:
    """What the curves are held against: one human, and the longer response."""
    found = []
    for name, role in ((CEILING, "human"), (LONGER, "baseline")):
        for row in rows:
            key = (row.method, row.subject, row.statistic)
            if key == (way, name, "held_out_agreement") and row.estimate is not None:
                found.append(Shade(name, role, row.estimate, row.low, row.high, figures_of(row)))
    return found


def title(rows: Sequence[Estimate], way: str) -> str:
    """What a figure shows, with what it rests on."""
    found = [r for r in rows if r.method == way and r.statistic == "held_out_agreement"]
    if not found:
        return f"Held-out votes matched, {WHERE[way]}"
    n = f"{count(found[0].n_items, 'comparison')}, {count(found[0].n_prompts, 'prompt')}"
    return f"Held-out human votes matched, {WHERE[way]} ({n})"


def has_prices(rows: Sequence[Estimate]) -> bool:
    """Whether a cost of labels is known."""
    return any(row.estimate for row in rows if row.statistic == "labels_usd")


def recipe(result: Mapping[str, Any]) -> str:
    """What every scorer sees and how it is fitted, in words."""
    found = result.get("recipe", {})
    seen = found.get("embedding") or f"n-grams of up to {found.get('ngrams')} words"
    style = found.get("style", "layout")
    return (
        f"Recipe, fixed before looking: {seen}, with {style} style of weight "
        f"{found.get('style_weight'):g}; ridge {found.get('ridge'):g}."
    )


def sources(rows: Sequence[Estimate], most: int) -> list[Estimate]:
    """How often humans prefer what each source selects among the most responses, best first."""
    first = rows[0].method if rows else ""
    found = [
        row for row in rows
        if (row.statistic, row.slice, row.method) == ("selection_win_rate", f"n={most}", first)
    ]  # fmt: skip
    return sorted(found, key=lambda row: -(row.estimate or 0.0))


def source_role(name: str, kinds: Mapping[str, str]) -> str:
    """The colour of a source: a reward model has that of whose labels it was fitted to."""
    if name == ONE_HUMAN or name.endswith(" humans"):
        return "human"
    if name in (LONGER, CHANCE):
        return "baseline"
    return "human" if kinds.get(name) == "human" else "AI"


def best_title(sources: Sequence[Estimate], most: int) -> str:
    """What the figure of selections shows, with what it rests on."""
    n = f" ({count(sources[0].n_prompts, 'prompt')})" if sources else ""
    return f"How often humans prefer what is selected among {most:,} responses; chance is half{n}"


def failure(said: str) -> list[str]:
    """What a command said before it ended: the error and what to do, a line each."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    starts = [k for k, line in enumerate(lines) if line.startswith("error: ")]
    if not starts:
        return ["The experiment ended without a result.", *lines[-2:]]
    first, *rest = lines[starts[-1] :]
    return [noted(first.removeprefix("error: ")), *rest]


def noted(text: str) -> str:
    """A note as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


TERMS = {
    "one human, the judge": "Reward models (Bradley-Terry) fitted to those labels: each response "
    "has a score, and of two the preference follows from the difference.",
    "best imitation": "Scorers that see chosen answers alone and none that was rejected: the best "
    "of four, taken afterwards, which favours imitation.",
    "ridge": "How strongly the weights of a reward model are held near zero, so that few labels "
    "cannot carry them away.",
}
KEY = (
    "Lines: one human's labels and imitation of chosen answers (dashed) in blue, the judge's and "
    "those mixed with a human's (dashed) in orange, length alone in grey. The band is how often "
    "one human matches another."
)
