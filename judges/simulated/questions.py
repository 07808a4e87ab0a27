"""What a prompt asks for besides a single verdict, read as a model would read it. Pure.

    Rating: N                                   one response, on a scale such as "from 1 to 10"
    NAME: 1 | NAME: 2 | NAME: tie               a line for each criterion of a rubric, then overall
    Ranking: 3 > 1 = 2                          any number of responses, the best first

Each also as JSON that a schema of the request demands. Only the text around the responses is read.
What is asked after the responses counts before what is asked elsewhere in the prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from judges.simulated.deciding import Choice
from judges.simulated.menu import (
    CHOICES,
    FAMILIES,
    REASON_KEY,
    TIE_OPTION,
    Menu,
    bare_options,
    explicit_menu,
    filler,
    is_complete,
    is_terse,
    names_verdict,
    offered,
    read_menu,
    schema_properties,
)
from judges.simulated.writing import Answer, Piece, in_json, in_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from judges.simulated.menu import Options

DEFAULT_SCALE = (1, 10)
OVERALL = "overall"

_RATING = re.compile(
    r"\b(?P<key>rating|score|grade)[`*_\"']*[ \t]*:[`*_\" \t]*"
    r"(?P<open>\[\[|[\[<({])?(?:-?\d+|[nx]\b|\w*(?:rating|score|number|grade)|\.\.\.|_)",
    re.I,
)
_SCALE = re.compile(
    r"\b(?:from|between|range|scale)\b\D{0,20}?(-?\d+)\D{0,40}?"
    r"(?:\b(?:to|and|through)\b|[-–—]|\.\.+)\D{0,20}?(-?\d+)",
    re.I,
)
_SPAN = re.compile(r"(?<![\w.])(-?\d+)\s*(?:to|[-–—]|\.\.+)\s*(-?\d+)(?![\w.])")
_RANKING = re.compile(
    r"\b(?P<key>rank(?:ing)?)[`*_\"']*[ \t]*:[`*_\" \t]*"
    r"(?P<order>[\[<]?[\w.]+\s*[>=]\s*[\w.]+.*|<[^\n]+|\.\.\.)",
    re.I,
)
_NAME = r"[A-Za-z][\w/-]*(?: [\w/-]+){0,3}"
_CRITERION = re.compile(
    rf"(?:^[ \t>*•-]*[\"'`*]*|[`\"])[<{{\[]?(?P<key>{_NAME})[>}}\]]?[`\"*]*[ \t]*:[ \t*]*"
    r"(?P<answer>[^\n`\"]+)",
    re.M,
)
_ITEM = re.compile(
    rf"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+[`*\"]*(?P<key>{_NAME})[`*\"]*[ \t]*(?:[:(–—]|- |$)[^\n]*",
    re.M,
)
_ANY_NAME = re.compile(r"(?:criterion|name|aspect|dimension|principle)s?(?: name)?", re.I)
_LEFT_OPEN = frozenset({"x", "n", "answer", "verdict", "choice", "or", "_"})
_ABOUT_CRITERIA = re.compile(r"criteri|rubric|aspect|dimension|principle", re.I)
_UNSURE = re.compile(r"confidence|certainty|rating|score|rank", re.I)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where the answers go: lines, after reasons unless terse, or the fields of a JSON object."""

    terse: bool = False
    as_json: bool = False
    others: tuple[tuple[str, Any], ...] = ()

    def fill(self, answers: Sequence[Answer], rationale: str) -> list[Piece]:
        """A reply with these answers."""
        if self.as_json:
            return in_json([(key, pieces) for key, pieces, _ in answers], self.others, rationale)
        return in_lines(answers, "" if self.terse else rationale)


@dataclass(frozen=True, slots=True)
class Rating:
    """A whole number from `low` to `high`, with what stands before and after it."""

    low: int
    high: int
    sheet: Sheet
    before: str = "Rating: "
    after: str = ""


@dataclass(frozen=True, slots=True)
class Rubric:
    """A verdict for each criterion: its name, what stands before its verdict, and the options."""

    criteria: tuple[tuple[str, str, Options], ...]
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Ranking:
    """All responses by their labels, the best first; a list of numbers in JSON."""

    ties: bool
    sheet: Sheet
    before: str = "Ranking: "


Question = Menu | Rating | Rubric | Ranking


def read_question(around: str, tail: str, response_format: object = None) -> Question:
    """What a prompt without its responses asks for; `tail` is what stands after the last one."""
    if not isinstance(response_format, dict):
        return _read(around, tail) or read_menu(around)
    asked = _demanded(response_format, around, tail)
    if asked is None and not schema_properties(response_format):
        asked = _read(around, tail)
        asked = None if asked is None else _in_json(asked)
    return asked or read_menu(around, response_format)


def _read(around: str, tail: str) -> Rating | Rubric | Ranking | None:
    """None if a single verdict is asked for."""
    found = _read_ranking(tail) or _read_rubric(tail, around)
    if found is not None or explicit_menu(tail) is not None:
        return found
    rating = _read_rating(tail, around)
    if rating is not None or names_verdict(tail) or explicit_menu(around) is not None:
        return rating
    return _read_ranking(around) or _read_rubric(around, around) or _read_rating(around, around)


# ---- a rating


def _read_rating(region: str, around: str) -> Rating | None:
    match = _RATING.search(region)
    if match is None:
        return None
    low, high = _scale(region) or _scale(around) or DEFAULT_SCALE
    marks = ("[[", "]]") if match["open"] == "[[" else ("", "")
    sheet = Sheet(terse=is_terse(around))
    return Rating(low, high, sheet, f"{match['key']}: {marks[0]}", marks[1])


def _scale(text: str) -> tuple[int, int] | None:
    """The last scale that is named; else the last span of numbers."""
    for pattern in (_SCALE, _SPAN):
        spans = [(int(low), int(high)) for low, high in pattern.findall(text)]
        rising = [(low, high) for low, high in spans if low < high]
        if rising:
            return rising[-1]
    return None


# ---- a ranking


def _read_ranking(region: str) -> Ranking | None:
    match = _RANKING.search(region)
    if match is None:
        return None
    ties = "=" in match["order"] or re.search(r"\bties?\b|=", region) is not None
    return Ranking(ties, Sheet(terse=is_terse(region)), f"{match['key']}: ")


# ---- a rubric


def _read_rubric(region: str, around: str) -> Rubric | None:
    """Two names at least that a verdict is asked for, or "each criterion" and a list of them."""
    asked = list(_asked(region))
    if not asked:
        return None
    names = dict.fromkeys(name for name, _ in asked if not _ANY_NAME.fullmatch(name))
    if len(names) < len(dict(asked)):  # one of them stands for all criteria
        names = dict.fromkeys([*_listed_criteria(around), *names])
    if len(names) < 2:
        return None
    options = _options([answer for _, answer in asked], region)
    criteria = tuple((name, f"{name}: ", options) for name in names)
    return Rubric(criteria, Sheet(terse=is_terse(around)))


def _options(answers: Sequence[str], region: str) -> Options:
    """What the lines offer together, completed from what the prompt says about them."""
    options: Options = {}
    for word in re.findall(r"\w+", "\n".join(answers)):
        if word.casefold() in CHOICES:
            options.setdefault(CHOICES[word.casefold()], word)
    if not is_complete(options):
        given = {str(word) for choice, word in options.items() if choice is not Choice.TIE}
        family = next((each for each in FAMILIES if given & {each[0], each[1]}), None)
        stated = bare_options(region) or {Choice.FIRST: "1", Choice.SECOND: "2"}
        pair = {Choice.FIRST: family[0], Choice.SECOND: family[1]} if family else stated
        options = {**pair, **options}
    if TIE_OPTION.search(region):
        options.setdefault(Choice.TIE, "tie")
    return options


def _asked(region: str) -> Iterator[tuple[str, str]]:
    """Each `name: answer` whose answer is nothing but options or a place for one."""
    for match in _CRITERION.finditer(region):
        name, answer = match["key"], match["answer"]
        words = re.findall(r"\w+", answer)
        fits = all(word.casefold() in CHOICES or word.casefold() in _LEFT_OPEN for word in words)
        if words and fits and not REASON_KEY.match(name) and not _UNSURE.search(name):
            yield name, answer


def _listed_criteria(around: str) -> list[str]:
    """The names of the list that is introduced as one of criteria; else of the last list."""
    lists: list[list[re.Match[str]]] = []
    items = list(_ITEM.finditer(around))
    for before, item in zip([None, *items], items, strict=False):
        follows = before is not None and not around[before.end() : item.start()].strip()
        lists[-1].append(item) if follows else lists.append([item])
    lists = [each for each in lists if len(each) > 1]
    about = [
        each for each in lists if _ABOUT_CRITERIA.search(_lines_before(around, each[0].start()))
    ]
    chosen = (about or lists)[-1:]
    return [item["key"] for each in chosen for item in each]


def _lines_before(text: str, at: int) -> str:
    """The last two lines that are not blank."""
    return "\n".join([line for line in text[:at].split("\n") if line.strip()][-2:])


# ---- a schema


def _demanded(response_format: Mapping[str, Any], around: str, tail: str) -> Question | None:
    """What a JSON schema asks for by its properties; None if it has none that say it."""
    rules = schema_properties(response_format)
    rated = [name for name, rule in rules.items() if _is_rating(name, rule)]
    ranked = [name for name, rule in rules.items() if rule.get("type") == "array"]
    verdicts = {name: offered(rule) for name, rule in rules.items() if name not in rated}
    verdicts = {name: options for name, options in verdicts.items() if is_complete(options)}

    def sheet(*names: str) -> Sheet:
        others = tuple((name, filler(rule)) for name, rule in rules.items() if name not in names)
        return Sheet(as_json=True, others=others)

    if len(verdicts) > 1:
        criteria = tuple((name, name, options) for name, options in verdicts.items())
        return Rubric(criteria, sheet(*verdicts))
    if ranked and not verdicts:
        return Ranking(False, sheet(ranked[0]), ranked[0])
    if rated and not verdicts:
        scale = _scale_of(rules[rated[0]]) or _scale(tail) or _scale(around) or DEFAULT_SCALE
        return Rating(*scale, sheet(rated[0]), rated[0])
    return None


def _is_rating(name: str, rule: Mapping[str, Any]) -> bool:
    numbers = rule.get("enum") or []
    is_number = rule.get("type") in {"integer", "number"} or all(type(n) is int for n in numbers)
    return is_number and re.search(r"rating|score|grade", name, re.I) is not None


def _scale_of(rule: Mapping[str, Any]) -> tuple[int, int] | None:
    numbers = rule.get("enum") or [rule.get("minimum"), rule.get("maximum")]
    return (min(numbers), max(numbers)) if all(type(n) is int for n in numbers) else None


def _in_json(question: Rating | Rubric | Ranking) -> Question:
    """The same, answered with a JSON object, as the request demands one without a schema."""
    sheet = replace(question.sheet, as_json=True)
    if isinstance(question, Rubric):
        criteria = tuple((name, name, options) for name, _, options in question.criteria)
        return replace(question, criteria=criteria, sheet=sheet)
    key = question.before.partition(":")[0].casefold()
    if isinstance(question, Rating):
        return replace(question, before=key, after="", sheet=sheet)
    return replace(question, before=key, sheet=sheet)
