"""The dashboard's entry, started by `concord app`: page config and navigation only."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.frame import VIEWS

st.set_page_config(
    page_title="Concord", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide"
)
pages = [
    st.Page(f"views/{name}.py", title=title, url_path=name, default=name == "overview")
    for name, title in VIEWS.items()
]
pages.append(st.Page("views/comparisons.py", url_path="comparisons"))  # an address of old
st.navigation(pages, position="hidden").run()
