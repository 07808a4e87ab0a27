"""What a reader may choose. Each choice is a query parameter, so every view is a deep link."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from app import loading, words
from data.records import OVERALL
from pipelines.sections.view import MajorityRule, Rules, UnparsedRule
from pipelines.stats.agreement import TieRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.loading import Snapshot

T = TypeVar("T", bound=str)
MOST = 1e9  # of a number in an address
CARRIED = ("dataset", "criterion", "majority", "ties", "unparsed", "judge")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at, and by which rules."""

    dataset: str
    criterion: str
    rules: Rules


def choose(view: str, seen: Snapshot, simulated: Mapping[str, bool]) -> Choice:
    """The controls that all views share, in one row; `simulated` holds every data set's name."""
    with st.container(key="controls", horizontal=True, vertical_alignment="bottom", gap="medium"):
        dataset = pick(view, "dataset", "Data set", list(simulated), width=320)
        criteria = loading.criteria(seen, dataset) or [OVERALL]
        criterion = loading.first_criterion(criteria)
        if len(criteria) > 1:
            criterion = pick(
                view, "criterion", "Criterion", criteria, of=dataset, default=criterion, width=200
            )
        with st.popover("Rules", type="tertiary", key="rules"):
            rules = _rules(view)
        with st.container(
            key="tags", horizontal=True, vertical_alignment="center", width="content"
        ):
            if simulated[dataset]:
                st.badge("simulated: no person gave the imported human labels", color="violet")
            if rules != Rules():
                st.badge("rules changed", color="gray")
    return Choice(dataset, criterion, rules)


def _rules(view: str) -> Rules:
    majority = pick(view, "majority", "The majority of the humans is", list(MajorityRule),
                    shown=words.MAJORITIES)  # fmt: skip
    unparsed = pick(view, "unparsed", "A judge's reply without a verdict is", list(UnparsedRule),
                    shown=words.UNPARSED)  # fmt: skip
    ties = pick(view, "ties", "For agreement, a tie is", list(TieRule), shown=words.TIES)
    return Rules(majority, unparsed, ties)


def pick(
    view: str,
    name: str,
    label: str,
    options: Sequence[T],
    *,
    of: str = "",
    default: T | None = None,
    shown: Mapping[T, str] | None = None,
    width: int | None = None,
) -> T:
    """A selectbox that starts at its query parameter and writes it.

    `of` is what the options depend on: with another one the choice starts anew. `label` is markdown
    to Streamlit, so it is always ours; options are plain text.
    """
    key = f"{view}-{name}-{short(of)}"
    first = options[0] if default is None else default
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(name)
        st.session_state[key] = next((o for o in options if str(o) == asked), first)
    chosen = st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda option: (shown or {}).get(option, str(option)),
        width=width or "stretch",
    )
    remember(name, None if chosen == first and name != "dataset" else str(chosen))
    return chosen


def set_pick(view: str, name: str, value: str, *, of: str = "") -> None:
    """Choose for the reader what `pick` asks; in a callback only."""
    st.session_state[f"{view}-{name}-{short(of)}"] = value


def write(view: str, name: str, label: str, *, width: int) -> str:
    """A line of text that starts at its query parameter and writes it."""
    key = f"{view}-{name}"
    if key not in st.session_state:
        st.session_state[key] = st.query_params.get(name, "")
    text = st.text_input(label, key=key, width=width).strip()
    remember(name, text or None)
    return text


def number(
    view: str, name: str, label: str, *, default: float | None, of: str = "", width: int = 180,
    hidden: bool = False, whole: bool = False, most: float | None = None,
) -> float | None:  # fmt: skip
    """A number, 0 or more, that starts at its query parameter and writes it; None where empty.

    `whole`: from 1 on. `hidden`: its label is for screen readers, as words stand beside it.
    """
    key = f"{view}-{name}-{short(of)}"
    least, step = (1.0, 100.0) if whole else (0.0, None)
    if key not in st.session_state:
        st.session_state[key] = _asked(name, default, least, most)
    value: float | None = st.number_input(
        label, value=None, min_value=least, max_value=most, step=step, key=key, width=width,
        format="%.0f" if whole else "%.6g", placeholder="not known",
        label_visibility="collapsed" if hidden else "visible",
    )  # fmt: skip
    remember(name, None if value == default else "" if value is None else f"{value:.10g}")
    return value


def _asked(name: str, default: float | None, least: float, most: float | None) -> float | None:
    """The number of a query parameter; `default` for what is none."""
    text = st.query_params.get(name)
    if text is None:
        return default
    try:
        value = float(text) if text else None
    except ValueError:
        return default
    return value if value is None or least <= value <= (most or MOST) else default


def remember(name: str, value: str | None) -> None:
    """Write a query parameter, or take it away."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def carried() -> dict[str, str]:
    """The parameters that a link to another view takes along."""
    return {name: st.query_params[name] for name in CARRIED if name in st.query_params}


def short(text: str) -> str:
    """A key part for any text: keys become class names."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
