"""Texts with their differences marked: the only HTML that anything stored is put into.

Streamlit can colour no plain text. So every character that means something in HTML is escaped here,
which leaves text between tags of our own; Streamlit sanitises the whole once more. No attribute
holds anything stored.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.difference import Piece


def marked_html(pieces: Sequence[Piece]) -> str:
    """Pieces of a text as one block, those that differ in `mark`; their text as it stands."""
    return f'<div class="marked" dir="auto">{"".join(map(_piece, pieces))}</div>'


def _piece(piece: Piece) -> str:
    text = escape(piece.text.replace("\0", "\ufffd"))
    return f"<mark>{text}</mark>" if piece.differs else text
