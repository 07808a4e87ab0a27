"""Charts are made once for equal rows, and what is drawn is the chart."""

from __future__ import annotations

import copy

from streamlit.testing.v1 import AppTest

from app import figures
from app.drawing import kept, specification
from app.figures import Axis
from tests.test_figures import dot

PAGE = """
import streamlit as st
from app import figures
from app.drawing import specification
from app.figures import Axis
from tests.test_figures import dot
st.vega_lite_chart(specification(figures.dots([dot("a")], Axis("agreement"))))
"""


def test_equal_rows_are_one_chart() -> None:
    first = figures.dots([dot("a")], Axis("agreement"))
    assert figures.dots([dot("a")], Axis("agreement")) is first
    assert figures.dots([dot("b")], Axis("agreement")) is not first
    assert figures.dots([dot("a")], Axis("cost")) is not first
    assert specification(first) is specification(first)
    assert specification(first) == first.to_dict()


def test_what_cannot_be_told_apart_is_made_each_time() -> None:
    made: list[object] = []
    remember = kept(made.append)
    for _ in range(2):
        remember({"not": "hashable"})
        remember(["rows"])
    assert made == [{"not": "hashable"}, ("rows",), {"not": "hashable"}]


def test_drawing_leaves_the_remembered_chart_as_it_is() -> None:
    chart = figures.dots([dot("a")], Axis("agreement"))
    before = copy.deepcopy(specification(chart))
    app = AppTest.from_string(PAGE, default_timeout=60).run().run()
    assert not app.exception
    assert specification(chart) == before
