"""People label: blind, one comparison at a time, through a journal of their own into the store.

A session is one person at one queue of a data set; its labels are a run, as a judge's are. Each
label is on the disk before `record` returns. A process of its own commits them, so labelling goes
on while a judge's run writes or another program holds the store. Nothing here knows a screen.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from data.errors import ConcordError, InputError
from data.ledger import human_label_event, undo_event
from data.names import person_name
from data.people import RULES, Desk, Queue, QueueRules, people, person_id, texts_of
from data.records import (
    OVERALL,
    Annotator,
    AnnotatorKind,
    Label,
    LabelStatus,
    Preference,
    Run,
    RunStatus,
    Shown,
    make_id,
)
from data.store import Store, StoreLockedError
from pipelines.human_room import AlreadyLabelledError, Writer, finish, room_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from data.guidelines import Guideline
    from data.people import Own, Standing, Waiting

__all__ = [
    "AlreadyLabelledError",
    "Choice",
    "Item",
    "LabellingSession",
    "Queue",
    "QueueRules",
    "UnconfirmedNameError",
    "check_person",
    "finish",
    "history",
    "item",
    "labels_of_others",
    "progress",
    "queue",
]

PAGE = 50  # comparisons with texts that a session has at hand, should the store be held
REFRESH_SECONDS = 10.0
STALE_SECONDS = 60.0  # until then a queue that is read again holds nobody up
WAIT_SECONDS = 2.0  # for the store, while there are comparisons at hand
LONGEST_SECONDS = 600.0  # beyond it somebody was away
MOST_CHARACTERS = 4_000  # of a rationale
STRENGTHS = (1, 2, 3)
BY_HUMAN = "human"  # in the settings of a run
IDLE = f"idle: more than {LONGEST_SECONDS:.0f} s"
NOT_MEASURED = "not measured"


class Choice(StrEnum):
    """What a person says of the two responses as they are shown."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    SKIP = "skip"


class UnconfirmedNameError(InputError):
    """An imported human has this name: whoever gives it says first that they are that person."""


@dataclass(frozen=True, slots=True)
class Item:
    """A comparison as one person sees it: no models, no labels. `shown`: which one is first."""

    comparison_id: str
    prompt: str | None
    first: str
    second: str
    reference: str | None
    shown: Shown
    repeat: int


def check_person(store: Store, dataset: str, name: str, *, same_person: bool = False) -> str:
    """The name under which a person labels a data set, in its one spelling.

    Who has labelled here before goes on under the same name. The name of an imported human is
    that human's: UnconfirmedNameError unless `same_person`. Raises InputError for a name that
    cannot be used, that is one of anonymous people, or that differs from another in case only.
    """
    name = person_name(name)
    for person in people(store, dataset):
        if person.name != name and person.name.casefold() == name.casefold():
            raise InputError(
                f"{dataset!r} has labels of {person.name!r}",
                f"Write {person.name!r} if that is you, or a name that differs in more than case.",
            )
        if person.name == name and person.anonymous:
            raise InputError(
                f"{name!r} stands for anonymous people in {dataset!r}", "Choose another name."
            )
        if person.name == name and not (person.labelled_here or same_person):
            raise UnconfirmedNameError(
                f"{dataset!r} has imported labels of a human {name!r}",
                "Confirm that you are that person, or choose another name.",
            )
    return name


def queue(
    store: Store, dataset: str, criterion: str, person: str, kind: Queue, *,
    rules: QueueRules = RULES, limit: int | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """Ids of the comparisons that this person is to label, in this person's order.

    The order follows from person and queue: it stays when the session is taken up again, and
    two people begin at different places. Raises InputError for an unknown data set.
    """
    desk = _desk(dataset, criterion, person)
    return tuple(desk.ids(store, kind, rules, limit))


def item(store: Store, dataset: str, comparison_id: str, person: str, repeat: int = 0) -> Item:
    """A comparison as this person is shown it. Raises InputError where it has no texts."""
    found = texts_of(store, dataset, str(comparison_id))._replace(repeat=repeat)
    return _item(found, person_id(dataset, person_name(person)))


def progress(
    store: Store, dataset: str, criterion: str, person: str,
    kind: Queue = Queue.UNLABELLED, *, rules: QueueRules = RULES,
) -> Standing:  # fmt: skip
    """Labels today (this machine's day) and in all, skipped, left in the queue, median seconds."""
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight.astimezone(UTC).replace(tzinfo=None)
    return _desk(dataset, criterion, person).standing(store, kind, rules, since)


def history(
    store: Store, dataset: str, criterion: str, person: str, limit: int = 50
) -> tuple[Own, ...]:
    """A person's own labels, newest first, with those that are not committed yet."""
    return tuple(_desk(dataset, criterion, person).own(store, limit))


def labels_of_others(
    store: Store, dataset: str, criterion: str, person: str, comparison_id: str
) -> list[dict[str, Any]]:
    """What judges and other people say of a comparison, once this person has done it.

    Raises InputError before: a label is given blind.
    """
    found = _desk(dataset, criterion, person).others(store, str(comparison_id))
    if found is None:
        raise InputError(
            "the labels of others are hidden until this comparison is labelled", "Label it first."
        )
    return found


class LabellingSession:
    """One person at one queue of a data set; any thread may call it, one call at a time goes on.

    Opening it writes nothing: its run begins with the first label. `guideline` is the one to show:
    labels carry it. `left` counts the queue when it was last read.
    """

    def __init__(
        self, store: Store, dataset: str, criterion: str, person: str,
        kind: Queue = Queue.UNLABELLED, *, rules: QueueRules = RULES, same_person: bool = False,
    ) -> None:  # fmt: skip
        self.person = check_person(store, dataset, person, same_person=same_person)
        self.dataset, self.kind, self.rules = dataset, Queue(kind), rules
        self.criterion = criterion.strip() or OVERALL
        self.guideline: Guideline | None = None
        self._in_force: Guideline | None = None
        self.left = 0
        self._store = store
        self._patient = Store(store.path, upgrade=False, wait_seconds=WAIT_SECONDS)
        self._desk = Desk(dataset, self.criterion, person_id(dataset, self.person))
        self._room = room_of(store)
        self._lock = threading.RLock()
        self._page: list[Waiting] = []
        self._read_at = -1.0
        self._reading: threading.Thread | None = None
        self._handed: dict[str, Waiting] = {}
        self._at: str | None = None
        self._given: list[tuple[Waiting, UUID]] = []
        self._taken_back: Counter[str] = Counter()
        self.refresh()
        who = Annotator(AnnotatorKind.HUMAN, self.person, dataset)
        settings = {"by": BY_HUMAN, "criterion": self.criterion, "queue": self.kind.value}
        run = Run(uuid4(), who.annotator_id, who.name, dataset, settings, self.left,
                  datetime.now(UTC))  # fmt: skip
        self._writer = Writer(store, run, who)
        self._finalizer = weakref.finalize(self, self._writer.close, RunStatus.STOPPED)

    @property
    def run_id(self) -> UUID:
        """The run that this session's labels belong to."""
        return self._writer.run.run_id

    @property
    def store_locked(self) -> bool:
        """Whether labels wait in the journal because somebody else holds the store."""
        return self._room.store_locked

    def refresh(self) -> None:
        """Read the queue and the guideline again; `current` does it every few seconds.

        Raises StoreLockedError where somebody else holds the store and nothing is at hand.
        """
        with self._lock:
            store = self._patient if self._page else self._store
            read_at, n_given = time.monotonic(), len(self._given)
        page = self._desk.page(store, self.kind, self.rules, PAGE)
        with self._lock:
            if read_at < self._read_at:
                return  # a newer reading was done first
            self._page, self._read_at = page.waiting, read_at
            if len(self._given) == n_given:  # else what was counted since is newer
                self.left = page.left
            self._in_force = page.guideline
            if self._at is None:  # else it is not the one that was shown
                self.guideline = page.guideline
            self._room.forget(self._desk, page.waiting, read_at)

    def current(self) -> Item | None:
        """The comparison to label now, the same until it is labelled; None: the queue is done."""
        with self._lock:
            if self._at is not None:
                return self._item(self._at)
            self._read_again()
            found = next(self._open(), None)
            if found is None and self._page:
                self.refresh()  # all at hand are labelled
                found = next(self._open(), None)
            if found is None:
                self.left = 0
                self._writer.close(RunStatus.COMPLETE)  # others may have labelled the rest
                return None
            self.guideline = self._in_force
            return self._hand_out(found)

    def show(self, comparison_id: str) -> Item:
        """Go to a comparison of this queue. Raises InputError where the queue does not hold it."""
        with self._lock:
            found = self._desk.page(self._store, self.kind, self.rules, 1, str(comparison_id))
            if not found.waiting:
                raise InputError(
                    f"comparison {comparison_id} is not in the queue {self.kind} of {self.person}",
                    "Choose another queue, or another comparison.",
                )
            return self._hand_out(found.waiting[0])

    def record(
        self, comparison_id: str, choice: Choice | str, *, strength: int | None = None,
        rationale: str | None = None, seconds: float | None = None,
    ) -> Label:  # fmt: skip
        """Keep what the person says; when this returns, it is on the disk.

        `seconds` is measured by the caller; above ten minutes, or without sense, it is stored as
        null with the reason in `details`. Raises AlreadyLabelledError for a second label,
        InputError for a comparison that was not shown or for values that cannot be, RunError where
        the journal cannot be written: then nothing was kept.
        """
        choice, comparison_id = _choice(choice), str(comparison_id)
        checked, why = _checked_strength(strength, choice), _checked_rationale(rationale)
        with self._lock:
            handed = self._handed.get(comparison_id)
            if handed is None:
                raise InputError(
                    f"comparison {comparison_id} has not been shown to {self.person}",
                    "Label what `current` or `show` gave.",
                )
            label = self._label(handed, choice, why, seconds)
            try:
                self._write(handed, label, checked)
            except AlreadyLabelledError:
                self._put_away(comparison_id)
                raise
            self._put_away(comparison_id)
            self._given.append((handed, label.label_id))
            self.left = max(0, self.left - 1)
            if not self.left:  # the browser may be closed now; a later label opens the run again
                self._writer.close(RunStatus.COMPLETE)
        self._room.commit_soon()
        return label

    def undo(self) -> Item:
        """Take back this session's last label, and those before it if called again.

        The journal keeps both the label and that it was taken back; the store loses the label,
        also where it was committed. Returns the comparison, to be labelled again.
        """
        with self._lock:
            if not self._given:
                raise InputError("there is no label of this session", "Nothing to take back.")
            handed, label_id = self._given[-1]
            self._writer.write(undo_event(label_id))
            self._given.pop()
            self._taken_back[handed.comparison_id] += 1
            self._room.give_back(self._desk, handed)
            self.left += 1
            shown = self._hand_out(handed)
        self._room.commit_soon()
        return shown

    def close(self) -> None:
        """End the run. A label that comes later opens it again."""
        with self._lock:
            done = self.left == 0
            self._writer.close(RunStatus.COMPLETE if done else RunStatus.STOPPED)

    def _read_again(self) -> None:
        """Where it is time to, and the store is free; else what is at hand goes on."""
        age = time.monotonic() - self._read_at
        if self._page and age < REFRESH_SECONDS:
            return
        at_hand = next(self._open(), None) is not None
        if at_hand and age < STALE_SECONDS:
            self._read_behind()
            return
        try:
            self.refresh()
        except StoreLockedError:
            if not at_hand:
                raise

    def _read_behind(self) -> None:
        """Read the queue again while the person goes on with what is at hand."""
        if self._reading is None or not self._reading.is_alive():
            self._reading = threading.Thread(target=self._try_to_refresh)
            self._reading.start()

    def _try_to_refresh(self) -> None:
        with suppress(ConcordError):  # whoever needs it reads it themselves and is told
            self.refresh()

    def _open(self) -> Iterator[Waiting]:
        """Of what is at hand: what nobody has labelled since, as far as the queue asks for that."""
        for each in self._page:
            anybody = self.kind is Queue.UNLABELLED
            if not self._room.is_done(self._desk, each, self._read_at, by_anybody=anybody):
                yield each

    def _hand_out(self, found: Waiting) -> Item:
        self._handed[found.comparison_id] = found
        self._at = found.comparison_id
        return self._item(found.comparison_id)

    def _put_away(self, comparison_id: str) -> None:
        del self._handed[comparison_id]
        self._at = None if self._at == comparison_id else self._at

    def _item(self, comparison_id: str) -> Item:
        return _item(self._handed[comparison_id], self._desk.person)

    def _write(self, handed: Waiting, label: Label, strength: int | None) -> None:
        event = human_label_event(
            label,
            strength=strength,
            sampling_probability=handed.probability,
            guideline_id=None if self.guideline is None else self.guideline.guideline_id,
        )
        self._room.claim(self._desk, handed)
        try:
            self._writer.write(event)
        except BaseException:
            self._room.give_back(self._desk, handed)
            raise
        self._room.confirm(self._desk, handed, usable=label.status is LabelStatus.OK)

    def _label(
        self, handed: Waiting, choice: Choice, rationale: str | None, seconds: float | None
    ) -> Label:
        measured, reason = _checked_seconds(seconds)
        details: dict[str, Any] = {"queue": self.kind.value}
        details |= {"policy": handed.policy} if handed.policy else {}
        details |= {"seconds": reason} if reason else {}
        if again := self._taken_back[handed.comparison_id]:
            details["taken_back"] = again
        shown = shown_to(self._desk.person, handed.comparison_id, handed.repeat)
        preference = preference_of(choice, shown)
        return Label(
            UUID(handed.comparison_id),
            self._desk.person,
            shown,
            LabelStatus.SKIPPED if preference is None else LabelStatus.OK,
            preference,
            criterion=self.criterion,
            repeat=handed.repeat,
            rationale=rationale,
            seconds=measured,
            details=details,
        )


def shown_to(person: UUID, comparison_id: str | UUID, repeat: int) -> Shown:
    """Which response a person sees first: drawn by hash, so it is the same when asked again."""
    drawn = make_id("shown", person, str(comparison_id), repeat)
    return Shown.AB if drawn.int & 1 else Shown.BA


def preference_of(choice: Choice, shown: Shown) -> Preference | None:
    """A choice in stored orientation; None for a skip."""
    if choice is Choice.TIE:
        return Preference.TIE
    if choice is Choice.SKIP:
        return None
    first = choice is Choice.FIRST
    return Preference.A if first == (shown is Shown.AB) else Preference.B


def is_by_human(settings: dict[str, Any]) -> bool:
    """Whether a run is a person's session: nobody can be asked again for what it lacks."""
    return settings.get("by") == BY_HUMAN


def _desk(dataset: str, criterion: str, person: str) -> Desk:
    return Desk(dataset, criterion, person_id(dataset, person_name(person)))


def _item(found: Waiting, person: UUID) -> Item:
    shown = shown_to(person, found.comparison_id, found.repeat)
    texts = (found.response_a, found.response_b)
    first, second = texts if shown is Shown.AB else texts[::-1]
    return Item(
        found.comparison_id, found.prompt, first, second, found.reference, shown, found.repeat
    )


def _choice(choice: Choice | str) -> Choice:
    try:
        return Choice(choice)
    except ValueError:
        raise InputError(f"no choice {choice!r}", f"There are: {', '.join(Choice)}.") from None


def _checked_strength(strength: int | None, choice: Choice) -> int | None:
    if strength is None:
        return None
    if strength not in STRENGTHS or choice in (Choice.TIE, Choice.SKIP):
        raise InputError(
            f"a strength of {strength!r} of the choice {choice}",
            "Of first or second, say 1, 2 or 3; of a tie or a skip, nothing.",
        )
    return int(strength)


def _checked_rationale(rationale: str | None) -> str | None:
    rationale = (rationale or "").strip()
    if len(rationale) > MOST_CHARACTERS:
        raise InputError(
            f"the rationale has {len(rationale):,} characters", f"At most {MOST_CHARACTERS:,}."
        )
    return rationale or None


def _checked_seconds(seconds: float | None) -> tuple[float | None, str | None]:
    """Seconds that can be somebody's time, and why there are none."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return None, NOT_MEASURED
    return (None, IDLE) if seconds > LONGEST_SECONDS else (float(seconds), None)
