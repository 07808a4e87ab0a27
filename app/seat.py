"""One person at one queue in one browser: what they are shown, for how long, and what they said.

No Streamlit. The labels are pipelines.human_labels'; here is only what one sitting remembers.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data.errors import ConcordError
from data.people import Own
from pipelines.human_labels import (
    AlreadyLabelledError,
    Choice,
    LabellingSession,
    history,
    labels_of_others,
    progress,
)

if TYPE_CHECKING:
    from typing import Any

    from data.people import Standing
    from data.records import Label
    from data.store import Store
    from pipelines.human_labels import Item, Queue

QUICKEST = 0.25  # seconds; sooner nobody has read anything: a key held down, or pressed twice
ENOUGH = 3  # measured labels of a sitting that its own median needs
MOST_OWN = 50
TOO_QUICK = "That came before the two responses could be read, so it was not kept."
DONE_ELSEWHERE = "You have labelled that one meanwhile, in another window. Here is the next."


@dataclass(slots=True)
class Seat:
    """Begins with `take`. `given`: labels and skips of this sitting; `said`: what is to be told.

    `looked`: the labels of others were shown, so what is given again would not be blind.
    """

    session: LabellingSession
    store: Store
    before: Standing
    given: list[Label] = field(default_factory=list)
    item: Item | None = None
    said: str | None = None
    looked: bool = False
    _shown_at: float | None = None
    _own: list[Own] | None = None

    @classmethod
    def take(
        cls, store: Store, dataset: str, criterion: str, person: str, kind: Queue, *,
        same_person: bool = False,
    ) -> Seat:  # fmt: skip
        """Open a session. Raises as LabellingSession does."""
        session = LabellingSession(store, dataset, criterion, person, kind, same_person=same_person)
        before = progress(store, dataset, session.criterion, session.person, kind)
        return cls(session, store, before)

    def current(self) -> Item | None:
        """The comparison to label now; its clock begins with `drawn`."""
        found = self.session.current()
        if found != self.item:
            self.item, self._shown_at = found, None
        return found

    def drawn(self) -> None:
        """The comparison is on its way to the screen; drawing it again changes nothing."""
        if self._shown_at is None:
            self._shown_at = time.monotonic()

    def choose(
        self, comparison_id: str, choice: Choice, strength: int | None, rationale: str | None
    ) -> None:
        """Keep a choice on the comparison that is shown; one on another came late: it is dropped.

        `said` holds why where it was not kept. A tie or a skip has no strength.
        """
        item, self.said = self.item, None
        if item is None or item.comparison_id != comparison_id or self._shown_at is None:
            return
        seconds = time.monotonic() - self._shown_at
        if seconds < QUICKEST:
            self.said = TOO_QUICK
            return
        strength = strength if choice in (Choice.FIRST, Choice.SECOND) else None
        try:
            label = self.session.record(
                comparison_id, choice, strength=strength, rationale=rationale, seconds=seconds
            )
        except AlreadyLabelledError:
            self.said = DONE_ELSEWHERE
        except ConcordError as error:
            self.said = f"It was not kept: {error.what}. {error.fix}"
        else:
            self.given.append(label)
            if self._own is not None:
                self._own.insert(0, _own(item, label, strength))

    @property
    def can_undo(self) -> bool:
        """Whether there is a label of this sitting, and it would be given blind again."""
        return bool(self.given) and not self.looked

    def undo(self) -> None:
        """Take back the last label of this sitting, and show its comparison again."""
        self.said = None
        if not self.can_undo:
            return
        try:
            self.session.undo()
        except ConcordError as error:
            self.said = f"It was not taken back: {error.what}. {error.fix}"
            return
        self.given.pop()
        self.item = self._shown_at = self._own = None

    def own(self) -> list[Own]:
        """The labels of this person, newest first."""
        if self._own is None:
            self._own = list(history(self.store, *self._desk(), limit=MOST_OWN))
        return self._own[:MOST_OWN]

    def others(self, comparison_id: str) -> list[dict[str, Any]]:
        """What others said of a comparison that this person has labelled; ends taking back."""
        found = labels_of_others(self.store, *self._desk(), comparison_id)
        self.looked = True
        return found

    def standing(self) -> Standing:
        """How far this person is, with this sitting's labels."""
        usable = [label for label in self.given if label.preference is not None]
        measured = [label.seconds for label in usable if label.seconds is not None]
        before = self.before
        return replace(
            before,
            today=before.today + len(usable),
            labelled=before.labelled + len(usable),
            skipped=before.skipped + len(self.given) - len(usable),
            left=self.session.left,
            median_seconds=(
                statistics.median(measured) if len(measured) >= ENOUGH else before.median_seconds
            ),
        )

    def left_in(self, kind: Queue) -> int:
        """How many comparisons another queue holds for this person."""
        return progress(self.store, *self._desk(), kind).left

    def leave(self) -> None:
        """End the session; what is not committed yet will be."""
        self.session.close()

    def _desk(self) -> tuple[str, str, str]:
        return self.session.dataset, self.session.criterion, self.session.person


def _own(item: Item, label: Label, strength: int | None) -> Own:
    return Own(
        comparison_id=item.comparison_id,
        prompt=item.prompt,
        status=label.status.value,
        preference=None if label.preference is None else label.preference.value,
        shown=item.shown.value,
        repeat=label.repeat,
        strength=strength,
        rationale=label.rationale,
        seconds=label.seconds,
        created_at=datetime.now(UTC).replace(tzinfo=None),
        saved=False,
    )
