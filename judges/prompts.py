"""Templates: Markdown files with `## system` and `## user` parts, filled in one pass.

`{{prompt}}`, `{{response_1}}` and `{{response_2}}` (in the order shown) are the texts; `{{mark}}`
is a word that their authors cannot guess, to delimit them with. A text is pasted as it is and never
filled itself, so braces in it mean nothing.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from data.errors import JudgeError
from judges.client import Message

TEMPLATES = Path(__file__).with_name("templates")
FIELDS = frozenset({"prompt", "response_1", "response_2", "mark"})
NEEDED = ("response_1", "response_2")
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PART = re.compile(r"^##[ \t]*(system|user)[ \t]*$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template: (role, text with fields) parts, and the text they came from."""

    parts: tuple[tuple[str, str], ...]
    text: str

    def fill(self, prompt: str, first: str, second: str, secret: str) -> tuple[Message, ...]:
        """The messages for one comparison; the same texts and secret always give the same ones."""
        values = {
            "prompt": prompt,
            "response_1": first,
            "response_2": second,
            "mark": mark(secret, prompt, first, second),
        }
        return tuple(
            Message(role, _FIELD.sub(lambda match: values[match[1]], text))
            for role, text in self.parts
        )


def mark(secret: str, *texts: str) -> str:
    """Twelve hexadecimal digits that follow from the store's secret and the texts alone."""
    lengths = ",".join(str(len(text)) for text in texts)
    message = (lengths + "".join(texts)).encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), message, sha256).hexdigest()[:12]


def read_template(name: str, folder: Path) -> Template:
    """A shipped template by name, or a `.md` file named relative to `folder`."""
    path = folder / name if name.endswith(".md") else TEMPLATES / f"{name}.md"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        shipped = ", ".join(sorted(file.stem for file in TEMPLATES.glob("*.md")))
        raise JudgeError(
            f"cannot read the template {path}: {error}",
            f"Name a .md file, or a shipped template: {shipped}.",
        ) from error
    return parse_template(text, str(path))


def parse_template(text: str, where: str) -> Template:
    """Split a template into its parts and check its fields; errors name `where` and the field."""
    pieces = _PART.split(text)
    parts = tuple(
        (role, content.strip()) for role, content in zip(pieces[1::2], pieces[2::2], strict=True)
    )
    if not any(role == "user" and content for role, content in parts):
        raise JudgeError(
            f"{where}: no `## user` part", "Put the text that is sent below a line `## user`."
        )
    found = {match[1] for _, content in parts for match in _FIELD.finditer(content)}
    for name in sorted(found - FIELDS):
        raise JudgeError(
            f"{where}: unknown field {{{{{name}}}}}",
            f"Known fields: {', '.join(sorted(FIELDS))}.",
        )
    for name in NEEDED:
        if name not in found:
            raise JudgeError(
                f"{where}: the field {{{{{name}}}}} is missing", "A judge must see both responses."
            )
    return Template(parts, text)
