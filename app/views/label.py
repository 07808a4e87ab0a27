"""The label view: a person says which response is better, blind and one comparison at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import controls, frame, identity, parts, words, words_label
from app.scrolling import to_begin
from app.seat import Seat
from data.browse import SHOWN_CHARACTERS
from data.errors import ConcordError
from data.guidelines import set_guideline
from data.people import Queue, first_queue
from data.store import Store
from pipelines.human_labels import Choice, UnconfirmedNameError, check_person
from pipelines.wording import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.frame import Context
    from data.people import Own
    from pipelines.human_labels import Item

QUESTION = "Which of the two responses is better?"
NAME, CONFIRMED, SEAT = "label-name", "label-confirmed", "label-seat"
NO_PROMPT = "This data set gives no prompt here."
OPENING = "Looking for comparisons"
PROMPT_CHARACTERS = 90  # of a row of one's own labels
REASON_CHARACTERS = 1_000  # of a row of the labels of others


def body(context: Context) -> None:
    """Who labels and from which queue, then one comparison after the other."""
    dataset = context.choice.dataset
    with st.container(key="filter", horizontal=True, vertical_alignment="bottom", gap="medium"):
        first = context.of_store(first_queue, dataset, context.choice.criterion)
        kind = controls.pick("label", "queue", "Queue", list(Queue), of=dataset, default=first,
                             shown=words_label.QUEUES, width=260)  # fmt: skip
        person = st.container(key="label-person", horizontal=True, vertical_alignment="center",
                              width="content")  # fmt: skip
    parts.muted(words_label.QUEUES_EXPLAINED[kind], "label-queue")
    seat = _seat(context, kind)
    if seat is not None:
        with person:
            _person(seat)
        st.fragment(_work)(seat)
    parts.next_step(*words_label.after(kind, context.seen.store, dataset))


# ---- Who


def _seat(context: Context, kind: Queue) -> Seat | None:
    """The seat of this browser at the queue, once its person is known; another one is left."""
    name = st.session_state.get(NAME) or identity.person()
    if name is None:
        _ask()
        return None
    choice = context.choice
    wanted = (context.seen.store, choice.dataset, choice.criterion, name, kind)
    taken, seat = _taken()
    if taken == wanted:
        return seat
    _leave()
    store = Store(Path(context.seen.store), upgrade=False)
    confirmed = (choice.dataset, name) in st.session_state.get(CONFIRMED, ())
    try:
        check_person(store, choice.dataset, name, same_person=confirmed)
    except UnconfirmedNameError:
        _confirm(choice.dataset, name)
        return None
    except ConcordError as error:
        _ask(f"{error.what}. {error.fix}")
        return None
    with st.spinner(OPENING):
        seat = Seat.take(store, choice.dataset, choice.criterion, name, kind, same_person=confirmed)
    st.session_state[SEAT] = (wanted, seat)
    return seat


def _taken() -> tuple[object, Seat | None]:
    found: tuple[object, Seat | None] = st.session_state.get(SEAT, (None, None))
    return found


def _leave() -> None:
    """Give up the seat of this browser."""
    _, seat = _taken()
    st.session_state.pop(SEAT, None)
    if seat is not None:
        seat.leave()


def _ask(why_not: str | None = None) -> None:
    """The name under which somebody labels: kept for this visit, and in no address."""
    parts.lead(words_label.WHO)
    with st.form("label-who", border=False, width=420):
        name = st.text_input("Your name", max_chars=60, key="label-asked")
        given = st.form_submit_button("Start labelling", type="primary")
    if given and not name.strip():
        parts.muted(words_label.NO_NAME, "label-name")
    elif why_not and not given:
        parts.muted(why_not, "label-name")
    elif given:
        st.session_state[NAME] = name.strip()
        st.rerun()


def _confirm(dataset: str, name: str) -> None:
    """Somebody of that name was imported."""

    def is_me() -> None:
        known = st.session_state.get(CONFIRMED, frozenset())
        st.session_state[CONFIRMED] = known | {(dataset, name)}

    parts.lead(words_label.is_imported(name))
    with st.container(key="label-confirm", horizontal=True):
        st.button("That is me", key="label-is-me", type="primary", on_click=is_me)
        st.button("Use another name", key="label-not-me", on_click=_forget)


def _forget() -> None:
    _leave()
    st.session_state.pop(NAME, None)


def _person(seat: Seat) -> None:
    st.text(f"labelling as {seat.session.person}")
    if identity.person() is None:
        st.button("Change", key="label-change", type="tertiary", on_click=_forget)
    with st.popover("How it is done", type="tertiary", key="how-label"):
        st.text(words_label.BLIND)


# ---- One comparison


def _work(seat: Seat) -> None:
    """What is left, the comparison, the choices, the guideline and the person's own labels."""
    try:
        item = seat.current()
    except ConcordError as error:
        parts.lead(f"{error.what}. {error.fix}")
        st.button("Try again", key="label-again")
        return
    now, sitting = seat.standing(), len(seat.given)
    with st.container(key="label-progress", gap="xsmall"):
        st.text(words_label.progress(now, sitting))
        st.progress(words_label.share_done(now, sitting))
    if seat.said:
        with st.container(key="label-said"):
            st.text(seat.said)
    told = seat.session.guideline is not None
    if told:
        _guideline(seat)
    if item is None:
        _done(seat)
    else:
        _item(seat, item)
    if not told:
        _guideline(seat)
    _own(seat, is_done=item is None)


def _item(seat: Seat, item: Item) -> None:
    place = controls.short(f"{item.comparison_id} {item.repeat}")
    with st.container(key=f"label-item-{place}"):
        to_begin(place)
        _text(f"prompt-{place}", "Prompt", item.prompt or NO_PROMPT)
        left, right = st.columns(2, gap="medium")
        with left:
            _text(f"first-{place}", "Response 1", item.first)
        with right:
            _text(f"second-{place}", "Response 2", item.second)
    seat.drawn()  # before there is anything to press
    _choices(seat, item, place)
    _options(place)
    if item.reference:
        with st.expander("Reference answer", key=f"label-reference-{place}"):
            _long(f"reference-{place}", item.reference)


def _text(key: str, title: str, text: str) -> None:
    with st.container(key=f"name-label-{key}", gap="xsmall"):
        st.text(title)
        with st.container(key=f"text-label-{key}", border=True):
            _long(key, text)


def _long(key: str, text: str) -> None:
    """A text, of a long one its beginning until the person asks for all of it."""
    slot = f"whole-label-{key}"
    if len(text) <= SHOWN_CHARACTERS or st.session_state.get(slot):
        st.text(text)
        return
    st.text(text[:SHOWN_CHARACTERS])
    parts.muted(words.more_characters(SHOWN_CHARACTERS, len(text)), f"label-more-{key}")
    st.button("Show all", key=f"all-{slot}", type="tertiary",
              on_click=lambda: st.session_state.update({slot: True}))  # fmt: skip


def _choices(seat: Seat, item: Item, place: str) -> None:
    """A button and a key for each choice. Their keys name the comparison: a press that comes late
    is about the one that it was meant for.
    """
    with st.container(key="label-choices", horizontal=True, gap="small"):
        for choice, title in words_label.BUTTONS.items():
            main = choice in (Choice.FIRST, Choice.SECOND)
            st.button(
                title,
                key=f"label-{choice}-{place}",
                shortcut=words_label.KEYS[choice],
                type="primary" if main else "secondary",
                on_click=_choose,
                args=(seat, item.comparison_id, choice, place),
            )
        _undo(seat)


def _undo(seat: Seat) -> None:
    st.button("Undo", key=f"label-undo-{len(seat.given)}", shortcut=words_label.UNDO_KEY,
              type="tertiary", disabled=not seat.can_undo, on_click=seat.undo)  # fmt: skip


def _choose(seat: Seat, comparison_id: str, choice: Choice, place: str) -> None:
    strength = st.session_state.get(f"label-strength-{place}")
    rationale = st.session_state.get(f"label-reason-{place}")
    seat.choose(comparison_id, choice, strength, rationale)


def _options(place: str) -> None:
    """What may be said beside the choice."""
    with st.container(key="label-options", horizontal=True, vertical_alignment="top", gap="medium"):
        st.segmented_control(
            "How much better (optional)",
            list(words_label.STRENGTHS),
            format_func=words_label.STRENGTHS.__getitem__,
            key=f"label-strength-{place}",
        )
        st.text_area("Reason (optional)", key=f"label-reason-{place}", height=68, max_chars=4000)


# ---- After it


def _done(seat: Seat) -> None:
    """An empty queue: what it means, and where there is more to do."""
    kind = seat.session.kind
    parts.lead(words_label.done(kind, len(seat.given)))
    found = {other: seat.left_in(other) for other in Queue if other is not kind}
    with st.container(key="label-choices", horizontal=True, gap="small"):
        for other, left in found.items():
            if left:
                gone = st.button(words_label.go_on(other, left), key=f"label-to-{other}",
                                 on_click=_go_to, args=(seat, other))  # fmt: skip
                if gone:
                    st.rerun()  # the whole page
        if seat.given:
            _undo(seat)


def _go_to(seat: Seat, kind: Queue) -> None:
    controls.set_pick("label", "queue", kind, of=seat.session.dataset)


def _guideline(seat: Seat) -> None:
    """What is in force, and how to put another one in force."""
    found = seat.session.guideline
    with st.expander("Guideline", expanded=found is not None, key="more-label-guide"):
        with st.container(key="text-label-guideline"):
            st.text(words_label.NO_GUIDELINE if found is None else found.text)
        if found is not None:
            parts.muted(words_label.version(found), "label-version")
        with st.popover("Write a new version", type="tertiary", key="label-write"):
            _write(seat, "" if found is None else found.text)


def _write(seat: Seat, text: str) -> None:
    key = f"label-text-{controls.short(text)}"
    with st.form("label-guideline", border=False, enter_to_submit=False):
        st.text_area("What people are to look at", text, height=220, max_chars=50_000, key=key)
        st.form_submit_button("Put in force", type="primary", on_click=_put_in_force,
                              args=(seat, key))  # fmt: skip


def _put_in_force(seat: Seat, key: str) -> None:
    session = seat.session
    try:
        set_guideline(seat.store, session.dataset, session.criterion, st.session_state[key])
        session.refresh()
    except ConcordError as error:
        seat.said = f"The guideline was not kept: {error.what}. {error.fix}"
    else:
        seat.said = words_label.NEW_GUIDELINE


def _own(seat: Seat, *, is_done: bool) -> None:
    """The person's own labels; those of others only once nothing is left to label blind."""
    shown = st.expander("Your labels", key="more-label-own", on_change="rerun")
    if not shown.open:
        return
    with shown:
        try:
            own = seat.own()
        except ConcordError as error:
            st.text(f"{error.what}. {error.fix}")
            return
        if not own:
            st.text("None yet.")
            return
        if not is_done:
            parts.table(_rows(own), key="label-own", most=8)
            return
        _beside_others(seat, own)


def _beside_others(seat: Seat, own: Sequence[Own]) -> None:
    """A label to choose, and what others said of its comparison."""
    parts.muted(words_label.LOOK, "label-look")
    event = parts.table(_rows(own), key="label-own-done", most=8,
                        on_select="rerun", selection_mode="single-row")  # fmt: skip
    rows = [row for row in event["selection"]["rows"] if row < len(own)]
    if not rows:
        return
    found = seat.others(own[rows[0]].comparison_id)
    if found:
        parts.table([_other(each) for each in found], key="label-others", most=8)
    else:
        st.text("Nobody else has labelled it.")


def _rows(own: Sequence[Own]) -> list[dict[str, object]]:
    """Labels as rows, without columns that say nothing."""
    rows = [_row(each) for each in own]
    kept = [title for title in rows[0] if any(row[title] is not None for row in rows)]
    return [{title: row[title] for title in kept} for row in rows]


def _row(own: Own) -> dict[str, object]:
    return {
        "You said": words_label.own_choice(own),
        "Prompt": " ".join((own.prompt or "").split())[:PROMPT_CHARACTERS],
        "How much better": words_label.STRENGTHS.get(int(own.strength or 0)),
        "Reason": own.rationale,
        "Time": None if own.seconds is None else duration(own.seconds),
        "Given (UTC)": f"{own.created_at:%Y-%m-%d %H:%M}",
    }


def _other(label: dict[str, object]) -> dict[str, object]:
    def said(name: str) -> str | None:
        value = label[name]
        return None if value is None else str(value)

    return {
        "Annotator": label["annotator"],
        "Kind": words.word(words.KINDS, said("kind")),
        "Preference": words.preferred(said("preference")),
        "Shown": words.word(words.ORDERS, said("shown")),
        "Reason": (said("rationale") or "")[:REASON_CHARACTERS] or None,
    }


if __name__ == "__main__":
    frame.draw("label", QUESTION, body)
