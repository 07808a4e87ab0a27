"""What the Label page says: its queues, how far a person is, and their own labels. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import commands
from app.words import count
from data.people import Queue
from data.records import LabelStatus, Preference, Shown
from pipelines.human_labels import LONGEST_SECONDS, Choice
from pipelines.wording import duration

if TYPE_CHECKING:
    from data.guidelines import Guideline
    from data.people import Own, Standing

QUEUES = {
    Queue.UNLABELLED: "Not labelled by a person",
    Queue.ROUTED: "Routed to people",
    Queue.AUDIT: "Audit sample",
    Queue.SECOND: "Second opinion",
    Queue.RETEST: "My own again",
}
QUEUES_EXPLAINED = {
    Queue.UNLABELLED: "No person has said which response is better.",
    Queue.ROUTED: "A policy sends these to people rather than to an AI judge.",
    Queue.AUDIT: "Drawn at random, to check the AI labels that are kept.",
    Queue.SECOND: "One other person has labelled these: two together show how far people agree.",
    Queue.RETEST: "You labelled these a day or 200 labels ago: how far do you agree with yourself?",
}
KEYS = {Choice.FIRST: "1", Choice.SECOND: "2", Choice.TIE: "T", Choice.SKIP: "S"}
UNDO_KEY = "U"
BUTTONS = {
    Choice.FIRST: "Response 1 is better",
    Choice.TIE: "Tie",
    Choice.SECOND: "Response 2 is better",
    Choice.SKIP: "Skip",
}
STRENGTHS = {1: "slightly", 2: "clearly", 3: "much"}
NO_NAME = "Write a name first: it stands with your labels."
WHO = (
    "Your labels are kept under a name. You are shown prompts and responses only: not the models, "
    "and not what others said. They count as human labels of this data set from now on, and enter "
    "every result."
)
BLIND = (
    "Which response comes first is drawn at random for each of you, and stored with the label. "
    "The names of the models and the labels of other people and of judges are not shown. "
    "The time is counted from when a comparison is shown until the choice arrives; above "
    f"{LONGEST_SECONDS / 60:.0f} minutes it is stored as not known. A strength goes with 1 or 2, "
    "a reason with any choice; both are optional, and given before the choice."
)
NO_GUIDELINE = "No guideline is in force: everybody decides as they see fit."
NEW_GUIDELINE = "The guideline is in force from your next comparison on."
LOOK = (
    "Choose one of your labels to see what others said of it. From then on the labels of this "
    "sitting can no longer be taken back."
)


def is_imported(name: str) -> str:
    """What is asked of whoever gives the name of somebody who is there already."""
    return f"There are imported labels of {name} in this data set. Is that you?"


def progress(now: Standing, sitting: int) -> str:
    """What is done in this sitting, what is left, the day's, and the usual time."""
    said = [f"{sitting:,} done now", f"{now.left:,} left", f"{count(now.today, 'label')} today"]
    if now.skipped:
        said.append(f"{now.skipped:,} skipped")
    if now.median_seconds is not None:
        said.append(f"{duration(now.median_seconds)} each (median)")
    return "   ·   ".join(said)


def share_done(now: Standing, sitting: int) -> float:
    """How much of what this sitting began with is done."""
    return sitting / max(1, sitting + now.left)


def done(kind: Queue, sitting: int) -> str:
    """What an empty queue means."""
    if sitting:
        return f"Done: nothing is left in this queue. You gave {count(sitting, 'answer')}."
    return {
        Queue.UNLABELLED: "Every comparison with both texts has been labelled by a person, "
        "or skipped by you.",
        Queue.ROUTED: "Nothing is waiting here: no policy has routed comparisons to people, "
        "or they are labelled.",
        Queue.AUDIT: "Nothing is waiting here: no audit sample was drawn, or it is labelled.",
        Queue.SECOND: "Nothing is waiting here: no comparison has the label of exactly one "
        "other person.",
        Queue.RETEST: "Nothing is waiting here: a label of yours can be asked for again after "
        "a day, or after 200 others.",
    }[kind]


def go_on(kind: Queue, left: int) -> str:
    """A way to another queue."""
    return f"{QUEUES[kind]}: {left:,} left"


def version(guideline: Guideline) -> str:
    """Which guideline it is."""
    at = f"{guideline.created_at:%Y-%m-%d %H:%M} UTC"
    return f"Version {str(guideline.guideline_id)[:8]}, since {at}. Your labels carry it."


def own_choice(own: Own) -> str:
    """A label as its person saw it."""
    if own.status != LabelStatus.OK or own.preference is None:
        return "skipped" if own.status == LabelStatus.SKIPPED else "no choice"
    if own.preference == Preference.TIE:
        return "tie"
    if own.shown is None:
        return f"response {own.preference.upper()}, order not known"
    first = (own.preference == Preference.A) == (own.shown == Shown.AB)
    return f"response {1 if first else 2}"


def after(kind: Queue, store: str, dataset: str) -> tuple[str, str]:
    """(why, command): what to do once people have labelled."""
    if kind in (Queue.ROUTED, Queue.AUDIT):
        return (
            "A policy chooses whom to ask, with an audit sample. Save one, then apply it with "
            "concord route:",
            commands.line("concord", "strategy", "--dataset", dataset, "--save", "policy.toml",
                          "--store", store),
        )  # fmt: skip
    return (
        "Labels are in the store within seconds. How far people and judges agree:",
        commands.report(store, dataset),
    )
