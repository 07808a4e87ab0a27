"""Text from outside as text of a page."""

from __future__ import annotations

import re
from html import escape

from app.terminal import clean

_PART = re.compile(r"(?<=[/_])(?=\w)")
# More than HTML asks for: no text can spell an attribute or an address, wherever it ends up.
_MORE = str.maketrans({"=": "&#61;", ":": "&#58;", "`": "&#96;"})


def text(value: object) -> str:
    """Text without control or direction characters (those would reorder what stands beside)."""
    return escape(clean(str(value)), quote=True).translate(_MORE)


def name(value: object) -> str:
    """A name: its writing direction stays its own, and a long one breaks where its parts end."""
    return f"<bdi>{_PART.sub('<wbr>', text(value))}</bdi>"
