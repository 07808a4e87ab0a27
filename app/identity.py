"""Who sits before the browser, where the user of this program has set up signing in.

Off unless `.streamlit/secrets.toml` has a section [auth]; see docs/dashboard.md.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import streamlit as st

from data.errors import InputError

CLAIMS = ("email", "name", "sub")


def is_set_up() -> bool:
    """Whether there is a section [auth] to sign in by."""
    return bool(st.secrets.load_if_toml_exists() and "auth" in st.secrets)


def person() -> str | None:
    """Who has signed in, by e-mail address where it is known; None where nobody has.

    Text from the provider of identities: to be shown as any other stored text.
    """
    user: dict[str, Any] = st.user.to_dict() if is_set_up() else {}
    if not user.get("is_logged_in"):
        return None
    claims = [
        claim for claim in CLAIMS if claim != "email" or user.get("email_verified") is not False
    ]
    return next((str(user[claim]).strip() for claim in claims if user.get(claim)), None)


def ask() -> None:
    """A button to sign in, or to sign out. Raises InputError where Authlib is not installed."""
    if not is_set_up():
        return
    if importlib.util.find_spec("authlib") is None:
        raise InputError(
            "signing in is set up, but the package that does it is not installed",
            'Install it: pip install "Authlib>=1.3.2"',
        )
    if person() is None:
        st.button("Sign in", key="sign-in", on_click=st.login)
    else:
        st.button("Sign out", key="sign-out", type="tertiary", on_click=st.logout)
