"""The form in which a person says what is behind a disagreement; what it writes all can see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import identity, loading, parts
from app import words_disagreements as said
from data.errors import ConcordError
from data.store import Store, StoreLockedError
from data.tags import MOST_CHARACTERS, TAGS, Tag, remove_tag, set_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from data.tags import Tagged

NAME = "label-name"  # what this visitor is called, as the label view keeps it: in no address
SAID = "tagging-said"
WAIT_SECONDS = 5.0


def by_comparison(tags: Iterable[Tagged]) -> dict[str, list[Tagged]]:
    """The tags in force on each comparison, newest first."""
    found: dict[str, list[Tagged]] = {}
    for each in tags:
        found.setdefault(each.comparison_id, []).append(each)
    return found


def form(store: str, comparison_id: str, tags: Sequence[Tagged]) -> None:
    """The tags in force on a comparison, and the fields for one's own."""
    me = identity.person() or st.session_state.get(NAME, "")
    own = next((each for each in tags if each.by == me), None)
    with st.container(key="tags-in-force", gap="xsmall"):
        for each in tags:
            st.text(said.tag_line(each))
    with st.form(f"tag-{comparison_id}", border=False):
        tag = st.radio("Tag", list(TAGS), format_func=str, horizontal=True,
                       index=TAGS.index(own.tag) if own else None,
                       key=f"tag-of-{comparison_id}")  # fmt: skip
        with st.container(key="tag-words", horizontal=True, vertical_alignment="bottom"):
            note = st.text_input("Note (needed for other)", value=(own and own.note) or "",
                                 max_chars=MOST_CHARACTERS, width=520,
                                 key=f"tag-note-{comparison_id}")  # fmt: skip
            if identity.person() is None:
                me = st.text_input("Your name", value=me, max_chars=100, width=220,
                                   key=f"tag-by-{comparison_id}").strip()  # fmt: skip
        with st.container(key="tag-buttons", horizontal=True, vertical_alignment="center"):
            save = st.form_submit_button("Save tag", type="primary")
            remove = own is not None and st.form_submit_button("Remove my tag", type="tertiary")
    parts.muted(said.TAG_EXPLAINED, "tag")
    if save:
        _act(store, comparison_id, me, tag, note)
    elif remove:
        _act(store, comparison_id, me, None, None)


def _act(store: str, comparison_id: str, me: str, tag: Tag | None, note: str | None) -> None:
    """Write, and draw the page with what is in force then; else say what is missing."""
    try:
        writer = Store(Path(store), upgrade=False, wait_seconds=WAIT_SECONDS)
        if tag is not None:
            set_tag(writer, comparison_id, tag, me, note)
        elif note is None:
            remove_tag(writer, comparison_id, me)
        else:
            parts.muted("Choose a tag.", "tag-said")
            return
    except StoreLockedError:
        parts.muted(said.NOT_SAVED, "tag-said")
    except ConcordError as error:
        parts.muted(f"{error.what}. {error.fix}", "tag-said")
    else:
        if identity.person() is None:
            st.session_state[NAME] = me
        loading.refresh(store)
        st.rerun()
