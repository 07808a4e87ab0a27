"""Few-shot examples: comparisons with the team's own human verdicts, shown before each question.

A file of JSON lines with `prompt, response_a, response_b, preference`; `concord examples` draws one
from a data set. A comparison whose prompt is among them is never judged with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import Preference

if TYPE_CHECKING:
    from judges.parsing import Menu
    from judges.prompts import Blocks

KEYS = ("prompt", "response_a", "response_b", "preference")


@dataclass(frozen=True, slots=True)
class Example:
    """A comparison with its verdict; response a is shown first."""

    prompt: str
    response_a: str
    response_b: str
    preference: Preference


@dataclass(frozen=True, slots=True)
class Examples:
    """What is shown before the question."""

    shots: tuple[Example, ...]

    def covers(self, prompt: str | None) -> bool:
        """Whether the prompt is one of the examples'."""
        return any(shot.prompt.strip() == (prompt or "").strip() for shot in self.shots)

    def blocks(self, menu: Menu) -> Blocks:
        """The texts with titles, each example's verdict in the words of the menu."""
        words = dict(zip(Preference, menu.options, strict=False))
        found = []
        for k, shot in enumerate(self.shots, start=1):
            texts = (shot.prompt, shot.response_a, shot.response_b, words[shot.preference])
            titles = ("prompt", "response 1", "response 2", "verdict")
            pairs = zip(titles, texts, strict=True)
            found += [(f"example {k}, {title}", text) for title, text in pairs]
        return tuple(found)


def read_examples(text: str, where: str, *, ties: bool) -> Examples:
    """The examples of a file. Raises JudgeError with the line and the key."""
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise JudgeError(f"{where}: no examples", "Write one JSON object a line.")
    return Examples(tuple(_example(line, f"{where}, line {n}", ties=ties) for n, line in lines))


def _example(line: str, where: str, *, ties: bool) -> Example:
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JudgeError(f"{where}: not JSON: {error}", "Mend that line.") from error
    if not isinstance(given, dict) or not all(isinstance(given.get(key), str) for key in KEYS):
        raise JudgeError(f"{where}: not an example", f"It needs the texts {', '.join(KEYS)}.")
    allowed = [p.value for p in Preference if ties or p is not Preference.TIE]
    if given["preference"] not in allowed:
        raise JudgeError(
            f"{where}: preference is {given['preference']!r}", f"One of: {', '.join(allowed)}."
        )
    prompt, response_a, response_b, preference = (given[key] for key in KEYS)
    return Example(prompt, response_a, response_b, Preference(preference))
