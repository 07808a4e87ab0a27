"""In which form a prompt asks for the verdict, read as a model would read it. Pure.

Only the text around the responses is read, so a response cannot forge the menu.

    [[A]] | [[B]] | [[C]]                       marks; also [[1]] | [[2]] | [[tie]], [[A>B]] ...
    Verdict: 1 | Verdict: 2 | Verdict: tie      a line; also with A and B, and other words
    {"preference": "A"}                         JSON, asked for in words or by `response_format`
    1 | 2 | tie                                 bare, after "Answer with only ..."

Whatever else is asked for is answered with a line `Verdict: 1` or `Verdict: 2`. A tie is on the
menu only where it is named as one of the answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from judges.simulated.deciding import Choice
from judges.simulated.writing import Slot, in_json, in_lines, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from judges.simulated.writing import Piece

Options = dict[Choice, Any]

CHOICES = {
    **dict.fromkeys(("1", "a", "first"), Choice.FIRST),
    **dict.fromkeys(("2", "b", "second"), Choice.SECOND),
    **dict.fromkeys(("tie", "draw", "equal", "both", "neither", "same"), Choice.TIE),
}
FAMILIES = (("1", "2", ("0", "3")), ("A", "B", ("C",)), ("first", "second", ()))
_MARKS = (
    ("[[A]]", "[[B]]", "[[C]]"),
    ("[[1]]", "[[2]]", "[[tie]]"),
    ("[[A>B]]", "[[B>A]]", "[[A=B]]"),
)
_WORDS = "verdict|preference|preferred|winner|better|choice|decision|judgment|judgement|answer"
_CASED = "|".join(f"{w}|{w.capitalize()}|{w.upper()}" for w in _WORDS.split("|"))
_LINE = re.compile(rf"({_CASED})\b[`*_ ]*:[ \t]*(?=(\S.{{0,120}}))")
_NOT_A_KEY = re.compile(r"[\"'\w]\Z")
_JSON_KEY = re.compile(rf"[\"'`](?:(\w+)[\"'`]\s*:|(\w*(?:{_WORDS})\w*)[\"'`])", re.I)
_JSON_VALUE = re.compile(r"\"([^\"\n]{1,40})\"|'([^'\n]{1,40})'|(?<![\w.])(\d)(?![\w.])")
_ANSWER_KEY = re.compile(rf"{_WORDS}|label|pick|best|select", re.I)
REASON_KEY = re.compile(r"^(?:reason\w*|rationale|explanation|analysis|thoughts?)$", re.I)
_VERB = r"\b(?:answer|reply|respond|output|return|write|print|say)\b"
_ONLY = r"\b(?:only|just|nothing but|nothing else|(?:a )?single|one word)\b"
_TERSE = re.compile(rf"{_VERB}[^.\n]{{0,60}}{_ONLY}|{_ONLY}[^.\n]{{0,30}}{_VERB}", re.I)
_NEGATED = re.compile(r"(?:\b(?:no|not|never|without|avoid)|n't)\W+(?:\w+\W+){0,3}\Z", re.I)
TIE_OPTION = re.compile(
    r"(?:\bor\s+(?:an?\s+)?|[,|/]\s*)[\"'`*<(\[]*tie[\"'`*>)\]]*(?=\s*(?:$|[.,;:)\n|/]|if\b|when\b))",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Menu:
    """What may be answered, and how. `terse` leaves no room for reasons.

    With `key` the answer is a JSON object; its `others` are filled, None with the reasons.
    """

    options: Mapping[Choice, Any]
    prefix: str = ""
    terse: bool = False
    key: str | None = None
    others: tuple[tuple[str, Any], ...] = ()

    @property
    def ties(self) -> bool:
        """Whether a tie may be answered."""
        return Choice.TIE in self.options

    def write(self, choice: Choice, rationale: str) -> str:
        """A reply with this choice."""
        return plain(self.pieces(choice, {choice: 1.0}, rationale))

    def pieces(
        self, choice: Choice, probabilities: Mapping[Choice, float], rationale: str
    ) -> list[Piece]:
        """A reply with this choice, which knows how likely the others were."""
        verdict = [slot_of(self.options, choice, probabilities, as_json=self.key is not None)]
        if self.key is not None:
            return in_json([(self.key, verdict)], self.others, rationale)
        return in_lines([(self.prefix, verdict, "")], "" if self.terse else rationale)


def slot_of(
    options: Mapping[Choice, Any],
    choice: Choice,
    probabilities: Mapping[Choice, float],
    *,
    as_json: bool,
) -> Slot:
    """A choice as it is spelled, with the probabilities of all."""
    spelled = {
        each: json.dumps(value, ensure_ascii=False) if as_json else str(value)
        for each, value in options.items()
    }
    return Slot(spelled[choice], {spelled[each]: share for each, share in probabilities.items()})


def read_menu(around: str, response_format: object = None) -> Menu:
    """The menu of a prompt without its responses, and of the request's `response_format`."""
    if isinstance(response_format, dict):
        demanded = _schema_menu(response_format)
        if demanded is not None:
            return demanded
        return _json_menu(around) or _default_json_menu(around)
    return _read_text_menu(around)


def explicit_menu(around: str) -> Menu | None:
    """A menu whose answers are spelled out: marks, lines, or values of a JSON key."""
    menu = _mark_menu(around) or _line_menu(around)
    if menu is None and "json" in around.casefold():
        menu = _json_menu(around)
    return menu


def names_verdict(around: str) -> bool:
    """Whether a verdict is asked for in words that leave its form half open."""
    return _LINE.search(around) is not None or _bare_menu(around) is not None


def _read_text_menu(around: str) -> Menu:
    return explicit_menu(around) or _bare_menu(around) or _default(around)


def _mark_menu(around: str) -> Menu | None:
    for first, second, tie in _MARKS:
        if first in around and second in around:
            options = _options([first, second, *([tie] if tie in around else [])])
            return Menu(options, terse=is_terse(around))
    return None


def _options(answers: list[Any]) -> Options:
    return dict(zip(Choice, answers, strict=False))


def is_terse(around: str) -> bool:
    """Whether nothing but the answer is wanted."""
    return _TERSE.search(around) is not None


# ---- a line such as `Verdict: 1`


def _line_menu(around: str) -> Menu | None:
    """Every `key: option` of the prompt; the first key that offers both responses counts."""
    found: dict[str, Options] = {}
    for match in _LINE.finditer(around):
        before = around[max(0, match.start() - 80) : match.start()]
        if not _NOT_A_KEY.search(before) and not _NEGATED.search(before):
            options = found.setdefault(match[1], {})
            for option in _listed(match[2]):
                options.setdefault(CHOICES[option.casefold()], option)
    for key, options in found.items():
        if is_complete(options):
            if TIE_OPTION.search(around):
                options.setdefault(Choice.TIE, "tie")
            return Menu(options, prefix=f"{key}: ", terse=is_terse(around))
    return None


def _listed(line: str) -> Iterator[str]:
    """The options with which a line begins: `1, 2 or tie`, `1 | Verdict: 2`, `1 if it is ...`."""
    words = re.findall(r"\w+", line)
    for word, following in zip_longest(words, words[1:], fillvalue="or"):
        is_article = word == "a" and not _goes_on(following)
        if is_article or not _goes_on(word):
            return
        if word.casefold() in CHOICES:
            yield word


def _goes_on(word: str) -> bool:
    return word.casefold() in CHOICES or re.fullmatch(rf"or|{_WORDS}", word, re.I) is not None


def is_complete(options: Options) -> bool:
    """Whether either response can be named."""
    return Choice.FIRST in options and Choice.SECOND in options


def _default(around: str) -> Menu:
    ties = ["tie"] if TIE_OPTION.search(around) else []
    return Menu(_options(["1", "2", *ties]), prefix="Verdict: ", terse=is_terse(around))


# ---- bare options


def _bare_menu(around: str) -> Menu | None:
    """What is listed in the paragraph of "Answer with only ..."."""
    for match in _TERSE.finditer(around):
        start = around.rfind("\n\n", 0, match.start()) + 1
        options = bare_options(around[max(start, match.start() - 80) : match.end() + 200])
        if options is not None:
            return Menu(options, terse=True)
    return None


def bare_options(text: str) -> Options | None:
    """1 and 2, A and B or first and second, whichever is named first."""
    words = re.findall(r"\w+", text)
    families = [family for family in FAMILIES if {family[0], family[1]} <= set(words)]
    if not families:
        return None
    first, second, ties = min(families, key=lambda family: words.index(family[0]))
    named = [word for word in words if word.casefold() in {"tie", "draw", "equal"}]
    signs = [word for word in words if word in ties] if named else []
    return _options([first, second, *(signs or named)[:1]])


# ---- JSON


def _json_menu(around: str) -> Menu | None:
    """The key for which both responses are offered as values."""
    found: dict[str, Options] = {}
    keys = list(_JSON_KEY.finditer(around))
    for key, following in zip_longest(keys, keys[1:]):
        end = key.end() + 240 if following is None else min(following.start(), key.end() + 240)
        values = found.setdefault(key[1] or key[2], {})
        for value in _json_values(around[key.end() : end]):
            _add(values, value)
    others = tuple((name, None) for name in found if REASON_KEY.match(name))
    for name, options in found.items():
        if is_complete(options) and _ANSWER_KEY.search(name):
            return Menu(options, key=name, others=others)
    return _json_menu_of_bare_options(around, found, others)


def _json_menu_of_bare_options(
    around: str, keys: Iterable[str], others: tuple[tuple[str, None], ...]
) -> Menu | None:
    """A known key with the options named somewhere without quotes: "winner is A, B or tie"."""
    key = next((key for key in keys if _ANSWER_KEY.search(key)), None)
    options = bare_options(around[around.find(key) :]) if key else None
    return None if options is None else Menu(options, key=key, others=others)


def _json_values(segment: str) -> Iterator[Any]:
    """Quoted values, each or several in one string, and digits."""
    for match in _JSON_VALUE.finditer(segment):
        if match[3]:
            yield int(match[3])
        else:
            yield from re.split(r"\s*(?:[|/,]|\bor\b)\s*", (match[1] or match[2]).strip("<>[]() "))


def _add(options: Options, value: Any) -> None:
    """A value, unless it means nothing here or its meaning is taken."""
    choice = _meaning(value)
    if choice is not None:
        options.setdefault(choice, value)


def _meaning(value: object) -> Choice | None:
    """Of "A", "response_1", "Assistant B", "tie", 2."""
    words = re.findall(r"[a-z]+|\d+", str(value).casefold())
    return next((CHOICES[word] for word in (*words[-1:], *words[:1]) if word in CHOICES), None)


def _default_json_menu(around: str) -> Menu:
    return Menu(_default(around).options, key="verdict")


def _schema_menu(response_format: Mapping[str, Any]) -> Menu | None:
    """The menu that a JSON schema leaves open: the property whose values name both responses."""
    properties = schema_properties(response_format)
    for name, rule in properties.items():
        options = offered(rule)
        if is_complete(options):
            rest = ((k, filler(r)) for k, r in properties.items() if k != name)
            return Menu(options, key=name, others=tuple(rest))
    return None


def schema_properties(response_format: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The fields that a JSON schema asks for; none if there is no schema."""
    schema = (response_format.get("json_schema") or {}).get("schema") or {}
    return schema.get("properties") or {}


def offered(rule: Mapping[str, Any]) -> Options:
    """The options among the values that a schema allows for a field."""
    options: Options = {}
    for value in rule.get("enum") or []:
        _add(options, value)
    return options


def filler(rule: Mapping[str, Any]) -> Any:
    """A value for a field that is no verdict; None stands for the reasons."""
    if rule.get("enum"):
        return rule["enum"][0]
    return {"number": 1, "integer": 1, "boolean": True, "array": []}.get(str(rule.get("type")))
