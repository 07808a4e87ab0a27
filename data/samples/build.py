"""The bundled sample: texts written for this project, with labels of SIMULATED humans.

`python -m data.samples.build` writes labels.csv from texts/*.jsonl. Nobody labelled these texts:
the five annotators "simulated-1" to "simulated-5" are the arithmetic below. Every draw is a hash
of the word "sample" and of what it is for, so every machine writes the same file, and mending a
text changes no draw of another.

Each prompt has three responses, hence three comparisons; each comparison has three annotators.
The planted truth, in units of the noise (standard normal, new for each label):

    utility(a) - utility(b) = quality difference x sharpness of the kind x that of the person
                            + taste of the kind x (length taste x log of the ratio of the words
                                                   + Markdown taste x Markdown difference)
                            + .15 for the response shown first + noise

    kind        sharpness  taste      person       sharpness  length  Markdown  tie band  USD
    objective   4.50       0.40       simulated-1  1.00       0.50    0.80      0.40      0.40
    subjective  3.20       1.00       simulated-2  0.85       -0.60   -0.50     0.25      0.40
                                      simulated-3  0.90       0.30    -0.70     0.55      0.40
                                      simulated-4  1.20       -0.20   0.60      0.35      0.65
                                      simulated-5  1.25       0.10    -0.20     0.45      0.65

Inside the tie band the label is a tie. Measured in labels.csv, as the share of pairs of labels of
one comparison that are equal (a, b and tie are three classes), and the share of ties:

    category              agreement  ties
    advice and sensitive  0.60       0.17
    code and extraction   0.73       0.12
    creative and tone     0.55       0.15
    facts and arithmetic  0.73       0.09
    all four              0.65       0.13
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any

SEED = "sample"
FOLDER = Path(__file__).parent
LABELS = FOLDER / "labels.csv"

SHARPNESS = {"objective": 4.5, "subjective": 3.2}
TASTE = {"objective": 0.4, "subjective": 1.0}
SHOWN_FIRST = 0.15
STRENGTHS = (1.0, 2.2)  # a difference above the first is strength 2, above the second 3
FULL_MARKDOWN = 6  # as many marks make a text entirely Markdown
WORDS_PER_SECOND = 5.0
LOG_SECONDS = 0.35  # the spread of the logarithm of the seconds
SECONDS = (15.0, 240.0)
N_ANNOTATORS = 3  # of a comparison

_MARKDOWN = re.compile(r"^(?:#+ |[-*>] |\||\d+\. )|\*\*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated human: the terms of the table above; `pace` multiplies the seconds."""

    name: str
    sharpness: float
    length: float
    markdown: float
    tie_band: float
    pace: float
    cost_usd: float


PEOPLE = (
    Person("simulated-1", 1.00, 0.5, 0.8, 0.40, 1.00, 0.40),
    Person("simulated-2", 0.85, -0.6, -0.5, 0.25, 0.75, 0.40),
    Person("simulated-3", 0.90, 0.3, -0.7, 0.55, 1.10, 0.40),
    Person("simulated-4", 1.20, -0.2, 0.6, 0.35, 1.30, 0.65),
    Person("simulated-5", 1.25, 0.1, -0.2, 0.45, 1.15, 0.65),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison in stored orientation: a prompt of texts() and two of its responses."""

    prompt: dict[str, Any]
    a: dict[str, Any]
    b: dict[str, Any]

    @property
    def source_id(self) -> str:
        """`facts-01:aster:birch`: the prompt, then the models in stored orientation."""
        return f"{self.prompt['prompt_id']}:{self.a['model']}:{self.b['model']}"


def texts() -> list[dict[str, Any]]:
    """The prompts with their three responses each, in the order of the files."""
    return [
        json.loads(line)
        for path in sorted(FOLDER.glob("texts/*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def truth() -> list[tuple[str, float]]:
    """(text, quality) of every response: what the simulated humans and judges are built on."""
    return [
        (response["text"], response["quality"])
        for prompt in texts()
        for response in prompt["responses"]
    ]


def pairs() -> list[Pair]:
    """The three comparisons of every prompt; a draw says which response is a."""
    return [
        _oriented(prompt, first, second)
        for prompt in texts()
        for first, second in combinations(prompt["responses"], 2)
    ]


def labels() -> list[dict[str, str]]:
    """The rows of labels.csv: three labels of each comparison, its texts in every row."""
    compared = pairs()
    people = _assigned(compared)
    return [_row(pair, person) for pair in compared for person in people[pair.source_id]]


def content() -> str:
    """The text of labels.csv."""
    rows = labels()
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _uniform(*what: str) -> float:
    """A draw strictly between 0 and 1 that depends on what it is for, and on nothing else."""
    drawn = hashlib.sha256("/".join((SEED, *what)).encode()).digest()
    return (int.from_bytes(drawn[:6], "big") + 0.5) / 2**48


def _normal(*what: str) -> float:
    return NormalDist().inv_cdf(_uniform(*what))


def _oriented(prompt: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> Pair:
    what = ("slots", prompt["prompt_id"], first["model"], second["model"])
    return Pair(prompt, first, second) if _uniform(*what) < 0.5 else Pair(prompt, second, first)


def _assigned(compared: list[Pair]) -> dict[str, list[Person]]:
    """Three people for each comparison: all ten trios take turns, in drawn order by category."""
    turns = sorted(
        compared, key=lambda pair: (pair.prompt["category"], _uniform("turn", pair.source_id))
    )
    return {pair.source_id: _trio(turn) for turn, pair in enumerate(turns)}


def _trio(turn: int) -> list[Person]:
    """An arc of the circle 0 1 2 3 4 or of 0 2 4 1 3 that begins where the last one ended.

    So no two people's numbers of labels ever differ by more than one.
    """
    n = len(PEOPLE)
    circle = 1 + turn // n % 2
    return [PEOPLE[(turn * N_ANNOTATORS + seat) * circle % n] for seat in range(N_ANNOTATORS)]


def _row(pair: Pair, person: Person) -> dict[str, str]:
    shown = "ab" if _uniform("shown", pair.source_id, person.name) < 0.5 else "ba"
    difference = _difference(pair, person, shown)
    preference = _preference(difference, person)
    return {
        "source_id": pair.source_id,
        "prompt_id": pair.prompt["prompt_id"],
        "prompt": pair.prompt["prompt"],
        "response_a": pair.a["text"],
        "response_b": pair.b["text"],
        "model_a": pair.a["model"],
        "model_b": pair.b["model"],
        "category": pair.prompt["category"],
        "reference": pair.prompt["reference"] or "",
        "annotator": person.name,
        "annotator_kind": "human",
        "preference": preference,
        "shown": shown,
        "strength": "" if preference == "tie" else str(_strength(difference)),
        "seconds": f"{_seconds(pair, person):.1f}",
        "cost_usd": f"{person.cost_usd:.2f}",
    }


def _difference(pair: Pair, person: Person, shown: str) -> float:
    """How much more the person likes a than b, this time: the formula at the top."""
    kind = pair.prompt["kind"]
    a, b = pair.a, pair.b
    quality = SHARPNESS[kind] * person.sharpness * (a["quality"] - b["quality"])
    longer = person.length * math.log(_words(a["text"]) / _words(b["text"]))
    marked = person.markdown * (_markdown(a["text"]) - _markdown(b["text"]))
    first = SHOWN_FIRST if shown == "ab" else -SHOWN_FIRST
    noise = _normal("noise", pair.source_id, person.name)
    return float(quality + TASTE[kind] * (longer + marked) + first + noise)


def _preference(difference: float, person: Person) -> str:
    if abs(difference) < person.tie_band:
        return "tie"
    return "a" if difference > 0 else "b"


def _strength(difference: float) -> int:
    return 1 + sum(abs(difference) > threshold for threshold in STRENGTHS)


def _seconds(pair: Pair, person: Person) -> float:
    """Reading, then up to two thirds more for choosing between responses of like quality."""
    read = (pair.prompt["prompt"], pair.a["text"], pair.b["text"])
    reading = 5 + sum(map(_words, read)) / WORDS_PER_SECOND
    closeness: float = 1 - abs(pair.a["quality"] - pair.b["quality"])
    spread = math.exp(LOG_SECONDS * _normal("seconds", pair.source_id, person.name))
    seconds = person.pace * reading * (1 + closeness * 2 / 3) * spread
    return min(max(seconds, SECONDS[0]), SECONDS[1])


def _words(text: str) -> int:
    return len(text.split())


def _markdown(text: str) -> float:
    """How much of a text's look is Markdown, 0 to 1, by headings, list items, tables and bold."""
    return min(1.0, len(_MARKDOWN.findall(text)) / FULL_MARKDOWN)


if __name__ == "__main__":
    LABELS.write_text(content(), encoding="utf-8", newline="\n")
    sys.stdout.write(f"wrote {LABELS}\n")
