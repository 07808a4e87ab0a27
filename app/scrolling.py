"""Back to the beginning of something new: a page stays where it was scrolled to otherwise."""

from __future__ import annotations

import streamlit as st

_JS = """
const seen = new WeakSet();
export default function ({ parentElement }) {
  const place = parentElement.getRootNode().host ?? parentElement;
  if (seen.has(place)) return;
  seen.add(place);
  if (place.getBoundingClientRect().top < 0) place.scrollIntoView();
}
"""
_begin = st.components.v2.component("concord.begin", js=_JS)


def to_begin(key: str) -> None:
    """Once for each key: where this place is above what is seen of the page, scroll up to it."""
    with st.container(key="begins-here"):
        _begin(key=f"begins-{key}")
