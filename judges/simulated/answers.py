"""What a simulated model answers to each kind of question, with the planted probabilities. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from judges.simulated.deciding import (
    Choice,
    choose,
    probabilities,
    rank,
    ranking_score,
    rate,
    rating_probabilities,
    score,
)
from judges.simulated.finding import pair_in, several_in, single_in
from judges.simulated.menu import Menu, slot_of
from judges.simulated.questions import OVERALL, Ranking, Rating, Rubric, read_question
from judges.simulated.reasons import contrast, quoted, rationale
from judges.simulated.writing import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.finding import Shown, Sight
    from judges.simulated.questions import Question
    from judges.simulated.truth import Found, Typical
    from judges.simulated.writing import Piece


@dataclass(frozen=True, slots=True)
class Mind:
    """Who answers; `sample` tells apart what a temperature above 0 lets differ."""

    behaviour: Behaviour
    model: str
    typical: Typical
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply in pieces; the choice, in the order shown, where one is made between two."""

    pieces: Sequence[Piece]
    responses: tuple[Found, ...]
    choice: Choice | None = None


def answer(sight: Sight, response_format: object, mind: Mind) -> Answered | None:
    """The answer to what the prompt asks; None where its responses are not known."""
    pair = pair_in(sight)
    seen = pair or single_in(sight)
    if seen is None:
        return None
    question = read_question(seen.around, seen.tail, response_format)
    shown = _responses_to(question, sight, pair)
    if shown is None:
        return None
    if isinstance(question, Menu):
        return _judge(question, shown, mind)
    if isinstance(question, Rubric):
        return _judge_each(question, shown, mind)
    if isinstance(question, Rating):
        return _rate(question, shown, mind)
    return _rank(question, shown, mind)


def _responses_to(question: Question, sight: Sight, pair: Shown | None) -> Shown | None:
    if isinstance(question, Rating):
        return single_in(sight)
    return several_in(sight) if isinstance(question, Ranking) else pair


# ---- of two responses


def _judge(menu: Menu, shown: Shown, mind: Mind) -> Answered:
    choice, likely = _verdict(shown, mind, ties=menu.ties)
    said = _said(choice, shown)
    return Answered(menu.pieces(said, likely, _reasons(said, shown, mind)), shown.responses, choice)


def _judge_each(rubric: Rubric, shown: Shown, mind: Mind) -> Answered:
    """Every criterion has noise of its own; overall is the verdict that is given without any."""
    rows, overall = [], None
    for name, before, options in rubric.criteria:
        is_overall = name.casefold() == OVERALL
        ties, criterion = Choice.TIE in options, "" if is_overall else name
        choice, likely = _verdict(shown, mind, ties=ties, criterion=criterion)
        overall = choice if is_overall else overall
        said, as_json = _said(choice, shown), rubric.sheet.as_json
        slot = slot_of(options, said, likely, as_json=as_json)
        rows.append((before, [slot], ""))
    reasons = _reasons(_said(overall or Choice.TIE, shown), shown, mind)
    return Answered(rubric.sheet.fill(rows, reasons), shown.responses, overall)


def _verdict(
    shown: Shown, mind: Mind, *, ties: bool, criterion: str = ""
) -> tuple[Choice, dict[Choice, float]]:
    """The choice in the order shown, and the probability of every choice by its label."""
    pair = (shown.first, shown.second)
    choice = choose(
        mind.behaviour, mind.model, *pair, ties=ties, sample=mind.sample, criterion=criterion
    )
    likely = probabilities(mind.behaviour, *pair, ties=ties)
    return choice, {_said(each, shown): share for each, share in likely.items()}


def _said(choice: Choice, shown: Shown) -> Choice:
    """As the template calls it."""
    turns = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}
    return turns.get(choice, choice) if shown.labelled_backwards else choice


def _reasons(said: Choice, shown: Shown, mind: Mind) -> str:
    texts = (shown.first.text, shown.second.text)
    reasons = rationale(said, mind.behaviour.rationale_words, mind.model, *texts, mind.sample)
    return _after_quotes(reasons, texts, mind)


def _after_quotes(reasons: str, texts: Sequence[str], mind: Mind) -> str:
    quotes = quoted(texts) if mind.behaviour.quotes else ""
    return "\n\n".join(filter(None, (quotes, reasons)))


# ---- of one response, and of many


def _rate(question: Rating, shown: Shown, mind: Mind) -> Answered:
    worth = score(mind.behaviour, shown.first, mind.typical)
    scale, text = (question.low, question.high), shown.first.text
    number = rate(worth, mind.model, text, scale, mind.sample)
    likely = rating_probabilities(worth, scale) or {number: 1.0}
    slot = Slot(str(number), {str(each): share for each, share in likely.items()})
    words = mind.behaviour.rationale_words
    reasons = contrast("The response", "It", words, mind.model, text, mind.sample)
    reasons = _after_quotes(reasons, [text], mind)
    row = (question.before, [slot], question.after)
    return Answered(question.sheet.fill([row], reasons), shown.responses)


def _rank(question: Ranking, shown: Shown, mind: Mind) -> Answered:
    behaviour, responses = mind.behaviour, shown.responses
    ranked = rank(behaviour, mind.model, responses, mind.typical, sample=mind.sample)
    order = [number for number, _ in ranked]
    fixed = [ranking_score(behaviour, responses, n, mind.typical) for n in range(len(responses))]
    slots = list(_places(order, fixed, _names(shown, as_json=question.sheet.as_json)))
    if question.sheet.as_json:
        pieces = _joined(slots, [", "] * len(slots), "[", "]")
    else:
        near = [a - b < behaviour.tie_width for (_, a), (_, b) in pairwise(ranked)]
        signs = [" = " if question.ties and tied else " > " for tied in near]
        pieces = _joined(slots, signs, "", "")
    best, worst = (f"Response {shown.labels[n]}" for n in (order[0], order[-1]))
    texts = [each.text for each in responses]
    reasons = contrast(best, worst, behaviour.rationale_words, mind.model, *texts, mind.sample)
    reasons = _after_quotes(reasons, texts, mind)
    return Answered(question.sheet.fill([(question.before, pieces, "")], reasons), responses)


def _names(shown: Shown, *, as_json: bool) -> list[str]:
    """What the responses are called; in JSON by numbers."""
    numbered = all(label.isdecimal() for label in shown.labels)
    if as_json and not numbered:
        return [str(number) for number in range(1, len(shown.labels) + 1)]
    return list(shown.labels)


def _places(order: Sequence[int], fixed: Sequence[float], names: Sequence[str]) -> list[Slot]:
    """Each place of a ranking: the best of a rest has the logistic share of its score in it."""
    slots = []
    for place, number in enumerate(order):
        rest = order[place:]
        most = max(fixed[each] for each in rest)
        weights = {names[each]: math.exp(fixed[each] - most) for each in rest}
        total = math.fsum(weights.values())
        slots.append(Slot(names[number], {name: w / total for name, w in weights.items()}))
    return slots


def _joined(slots: Sequence[Slot], signs: Sequence[str], opening: str, end: str) -> list[Piece]:
    pieces: list[Piece] = [opening]
    for number, slot in enumerate(slots):
        pieces += [signs[number - 1] if number else "", slot]
    return [*pieces, end]
