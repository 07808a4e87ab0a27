"""Who has signed in, told by Streamlit from what the provider of identities said."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from app import identity
user = st.session_state.get("said")
if user is not None:
    known = get_script_run_ctx().user_info
    known.clear()
    known.update(user)
st.text(repr(identity.person()))
try:
    identity.ask()
except Exception as error:
    st.text(str(error))
"""
AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "s",
    "client_id": "c",
    "client_secret": "x",
    "server_metadata_url": "https://a.invalid",
}
SIGNED = {"is_logged_in": True, "email": "ann@example.org", "name": "Ann", "sub": "1"}


def shown(user: dict[str, Any] | None, auth: dict[str, str] | None) -> tuple[str, AppTest]:
    app = AppTest.from_string(PAGE, default_timeout=60)
    if auth is not None:
        app.secrets["auth"] = auth
    if user is not None:
        app.session_state["said"] = user
    app.run()
    assert not app.exception
    return app.text[0].value, app


@pytest.mark.parametrize(
    ("user", "person"),
    [
        (SIGNED, "ann@example.org"),
        (SIGNED | {"email_verified": True}, "ann@example.org"),
        (SIGNED | {"email_verified": False}, "Ann"),
        ({"is_logged_in": True, "sub": " 1 "}, "1"),
        (SIGNED | {"is_logged_in": False}, None),
        ({"is_logged_in": True}, None),
        ({}, None),
    ],
)
def test_who_has_signed_in(user: dict[str, Any], person: str | None) -> None:
    assert shown(user, AUTH)[0] == repr(person)


def test_without_a_section_nobody_is_asked() -> None:
    said, app = shown(SIGNED, None)
    assert said == "None"
    assert not app.button
    assert len(app.text) == 1


def test_asking_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", {"authlib": None}.get)
    _, app = shown({}, AUTH)
    assert "not installed" in app.text[1].value


def test_a_button_signs_in_and_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", bool)
    assert [button.label for button in shown({}, AUTH)[1].button] == ["Sign in"]
    assert [button.label for button in shown(SIGNED, AUTH)[1].button] == ["Sign out"]
