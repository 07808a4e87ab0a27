"""The address that the disagreements view had before: it leads there, with all that it says."""

from __future__ import annotations

import streamlit as st

if __name__ == "__main__":
    st.switch_page("views/disagreements.py", query_params=st.query_params.to_dict())
