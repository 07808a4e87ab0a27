"""Text to copy, such as a command, with a button that does it.

`st.code` would do the same, at the cost of 1.5 MB of script for colours that nobody sees:
a third of what a first visit loads. The text is `st.text`; the button only reads it.
"""

from __future__ import annotations

import streamlit as st

_BUTTON = '<button type="button" title="Copy">Copy</button>'
_CSS = """
button {
  font: 0.8125rem var(--st-font); color: var(--ink-2); background: none; border: 0; padding: 0;
  cursor: pointer; text-decoration: underline;
}
"""
_JS = """
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* no secure address */ }
  const box = document.createElement('textarea');
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  return done;
}
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector('button');
  button.onclick = async () => {
    button.textContent = await copy(data) ? 'Copied' : 'Not allowed: mark the text to copy it';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  };
}
"""
_copy = st.components.v2.component("concord.copy", html=_BUTTON, css=_CSS, js=_JS)


def to_copy(text: str, key: str) -> None:
    """Text as it stands, in fixed width, and the button."""
    with st.container(key=f"copy-{key}", horizontal=True, vertical_alignment="top"):
        with st.container(key=f"verbatim-{key}"):
            st.text(text)
        _copy(data=text, key=f"press-{key}", width="content")
