"""Where two texts differ, and how that is drawn without any of it becoming HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.difference import MOST_CHARACTERS, Piece, difference
from app.marked import marked_html

WORDS = st.lists(
    st.sampled_from(["a", "b", "the", "cat", ",", "\n", "  ", "猫", "x1"]), max_size=30
)
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#60;i&#62; &nbsp",
    "</mark></div><iframe src='//x'>",
    "<div class='marked",
    "<!-- <b> --> <![CDATA[ <b> ]]>",
    "\"'><svg/onload=alert(1)>",
    "\0<b\0>",
    "\u202e<b>gnirts\u202c \u2066x",
    "<style>*{}</style><math><mi><mglyph>",
)


def marks(a: str, b: str) -> tuple[list[str], list[str]]:
    """What is marked in each text."""
    found = difference(a, b)
    assert found
    return ([p.text for p in found.a if p.differs], [p.text for p in found.b if p.differs])


@pytest.mark.parametrize(
    ("a", "b", "in_a", "in_b"),
    [
        ("the cat sat", "the dog sat", ["cat"], ["dog"]),
        ("the cat sat", "the cat sat", [], []),
        ("one two", "one big red two", [], ["big red"]),  # with the blank between them
        ("It is 7.", "It is 8!", ["7."], ["8!"]),
        ("a,b", "a, b", [], []),  # blanks alone are no difference
        ("Cat", "cat", ["Cat"], ["cat"]),
        ("猫が好き", "犬が好き", ["猫"], ["犬"]),
        ("", "new", [], ["new"]),
        ("x  y", "", ["x  y"], []),
        ("same start a b same end", "same start c same end", ["a b"], ["c"]),
    ],
)
def test_words_that_differ_are_marked(a: str, b: str, in_a: list[str], in_b: list[str]) -> None:
    assert marks(a, b) == (in_a, in_b)


def test_words_are_counted() -> None:
    found = difference("the cat sat down", "the dog sat")
    assert found
    assert (found.n_a, found.n_b, found.n_common) == (4, 3, 2)


@given(st.one_of(st.text(max_size=80), WORDS.map("".join)), WORDS.map(" ".join))
def test_pieces_are_the_whole_texts_and_take_turns(a: str, b: str) -> None:
    found = difference(a, b)
    assert found
    for text, pieces in ((a, found.a), (b, found.b)):
        assert "".join(piece.text for piece in pieces) == text
        assert all(piece.text for piece in pieces)
        assert all(x.differs is not y.differs for x, y in pairwise(pieces))


@given(WORDS.map(" ".join), WORDS.map(" ".join))
def test_what_is_not_marked_is_the_same_in_both(a: str, b: str) -> None:
    found = difference(a, b)
    assert found
    left, right = (
        "".join("" if p.differs else p.text for p in pieces).split()
        for pieces in (found.a, found.b)
    )
    assert "".join(left) == "".join(right)


def test_a_long_text_with_one_change_has_one_mark() -> None:
    words = [f"word{k % 50}" for k in range(1_500)]
    assert marks(" ".join(words), " ".join([*words[:700], "new", *words[701:]])) == (
        [words[700]],
        ["new"],
    )


def test_texts_that_would_take_too_long_are_not_compared() -> None:
    assert difference("a" * (MOST_CHARACTERS + 1), "b") is None
    # every word in common with 28 others, none of them next to another: difflib's worst case
    groups = [f"x{g} u{g}n{k}" for g in range(50) for k in range(28)]
    a, b = " ".join(groups), " ".join(groups).replace("u", "v")
    assert len(a) < MOST_CHARACTERS
    assert difference(a, b) is None


class Reader(HTMLParser):
    """Tags with their attributes, and all text, as a browser would read them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.other: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)


def read(pieces: list[Piece]) -> Reader:
    reader = Reader()
    reader.feed(marked_html(pieces))
    reader.close()
    return reader


OUR_DIV = ("div", [("class", "marked"), ("dir", "auto")])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cut", [0, 1, 5, 9])
def test_hostile_text_is_text_wherever_it_is_cut(text: str, cut: int) -> None:
    found = read([Piece(text[:cut], differs=False), Piece(text[cut:], differs=True)])
    assert found.tags == [OUR_DIV, ("mark", [])]
    assert found.text == text.replace("\0", "\ufffd")
    assert found.other == []


@given(st.lists(st.tuples(st.text("<>&\"'/=!-a b\0;#x", max_size=12), st.booleans()), max_size=6))
def test_any_text_is_text(parts: list[tuple[str, bool]]) -> None:
    pieces = [Piece(text, differs=differs) for text, differs in parts]
    found = read(pieces)
    assert found.tags == [OUR_DIV, *[("mark", [])] * sum(piece.differs for piece in pieces)]
    assert found.text == "".join(piece.text for piece in pieces).replace("\0", "\ufffd")
    assert found.other == []


def test_lines_stay_lines() -> None:
    assert "one\n\n  two" in marked_html([Piece("one\n\n  two", differs=False)])
