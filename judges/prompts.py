"""Templates: Markdown files with `## system` and `## user` parts, filled in one pass.

The fields `{{prompt}}`, `{{response_1}}`, `{{response_2}}` (in the order shown) and so on are the
texts; `{{mark}}` is a word that their authors cannot guess, to delimit them with. A text is pasted
as it is and never filled itself, so braces in it mean nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from data.errors import JudgeError
from judges.client import Message

TEMPLATES = Path(__file__).with_name("templates")
FIELDS: Mapping[str, str] = {
    "prompt": "what was asked",
    "response_1": "the response shown first",
    "response_2": "the response shown second",
    "response": "the one response to be rated",
    "responses": "all responses to be ranked, numbered and delimited",
    "reference": "the reference answer of the comparison",
    "principle": "the principle drawn for the comparison",
    "examples": "the examples with their verdicts, delimited",
    "criteria": "the criteria of a rubric, a line each",
    "answer": "how to answer: lines, or JSON",
    "mark": "a word that no author of a text can guess",
}
PAIR = ("response_1", "response_2")
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PART = re.compile(r"^##[ \t]*(system|user)[ \t]*$\n?", re.MULTILINE)

Blocks = tuple[tuple[str, str], ...]
"""Titles and texts of a field that holds several texts."""
Values = Mapping[str, str | Blocks]


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template: (role, text with fields) parts, and the text they came from."""

    parts: tuple[tuple[str, str], ...]
    text: str

    @property
    def fields(self) -> frozenset[str]:
        """The names of all fields in it."""
        return _fields_of(self.parts)

    def names(self, field: str) -> bool:
        """Whether the template has this field."""
        return field in self.fields

    def fill(self, values: Values, secret: str) -> tuple[Message, ...]:
        """The messages for these texts; the same texts and secret always give the same ones."""
        word = mark(secret, *_texts(values))
        filled = {"mark": word} | {name: _pasted(value, word) for name, value in values.items()}
        return tuple(
            Message(role, _FIELD.sub(lambda match: filled.get(match[1], ""), text))
            for role, text in self.parts
        )


@cache
def _fields_of(parts: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(match[1] for _, part in parts for match in _FIELD.finditer(part))


def _texts(values: Values) -> list[str]:
    """Every text, in an order that follows from the names of the fields."""
    found: list[str] = []
    for name in sorted(values):
        value = values[name]
        found += [value] if isinstance(value, str) else [text for _, text in value]
    return found


def _pasted(value: str | Blocks, word: str) -> str:
    if isinstance(value, str):
        return value
    return "\n\n".join(f"<<{title} {word}>>\n{text}\n<<end {word}>>" for title, text in value)


def mark(secret: str, *texts: str) -> str:
    """Twelve hexadecimal digits that follow from the store's secret and the texts alone."""
    lengths = ",".join(str(len(text)) for text in texts)
    message = (lengths + "".join(texts)).encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), message, sha256).hexdigest()[:12]


def read_template(name: str, folder: Path) -> str:
    """The text of a shipped template by name, or of a `.md` file named relative to `folder`."""
    path = folder / name if name.endswith(".md") else TEMPLATES / f"{name}.md"
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        shipped = ", ".join(sorted(file.stem for file in TEMPLATES.glob("*.md")))
        raise JudgeError(
            f"cannot read the template {path}: {error}",
            f"Name a .md file, or a shipped template: {shipped}.",
        ) from error


@cache
def other_template(text: str) -> Template:
    """The template that a probe puts in the place of a judge's own."""
    return parse_template(text, "the probe's template", ())


def parse_template(text: str, where: str, needed: tuple[str, ...] = PAIR) -> Template:
    """Split a template into its parts and check its fields; errors name `where` and the field."""
    pieces = _PART.split(text)
    parts = tuple(
        (role, content.strip()) for role, content in zip(pieces[1::2], pieces[2::2], strict=True)
    )
    if not any(role == "user" and content for role, content in parts):
        raise JudgeError(
            f"{where}: no `## user` part", "Put the text that is sent below a line `## user`."
        )
    found = _fields_of(parts)
    for name in sorted(found - FIELDS.keys()):
        raise JudgeError(
            f"{where}: unknown field {{{{{name}}}}}",
            f"Known fields: {', '.join(sorted(FIELDS))}.",
        )
    for name in needed:
        if name not in found:
            raise JudgeError(
                f"{where}: the field {{{{{name}}}}} is missing: {FIELDS[name]}",
                "A judge of this kind must see it: write it into the template.",
            )
    return Template(parts, text)
