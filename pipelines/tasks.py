"""What a run has to do: the tasks of a judge on a data set, page by page, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from data import queries
from data.errors import InputError
from data.records import HIGHEST_REPEAT, Shown, make_id
from judges.judge import Judge, Orders, orders_of
from judges.jury import Jury
from judges.task import Task
from pipelines.engines.calls import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from data.records import Annotator
    from data.store import Store
    from judges.task import AnyJudge

PAGE = 500
PROMPTS = 200  # a page of a judge that sees all comparisons of a prompt
NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What one run does.

    `limit` takes the first comparisons by id that have both texts, `repeats` asks for every label
    so many times, `budget_usd` is the most that the run may cost with all its resumes. A run ends
    early after `max_failures` failures in a row.
    """

    dataset: str
    limit: int | None = None
    concurrency: int = 64
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    repeats: int = 1
    budget_usd: float | None = None
    max_failures: int = 25
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "repeats", "max_failures"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}", "At least 1.")
        if self.repeats > HIGHEST_REPEAT + 1:
            raise InputError(f"repeats is {self.repeats}", f"At most {HIGHEST_REPEAT + 1:,}.")
        if self.budget_usd is not None and not 0 < self.budget_usd < float("inf"):
            raise InputError(f"the budget is {self.budget_usd} dollars", "More than 0.")


@dataclass(frozen=True, slots=True)
class Todo:
    """How many labels there are to ask for, before anything is sent."""

    annotator: str
    dataset: str
    comparisons: int
    without_texts: int
    planned: int
    done: int


def count_labels(store: Store, judge: AnyJudge, options: LabelOptions) -> Todo:
    """How many labels a run would ask for. Raises InputError for an unknown data set."""
    with store.reading() as con:
        queries.check_dataset(con, options.dataset)
        own = annotators_of(con, judge)[0]
        limit = NO_LIMIT if options.limit is None else options.limit
        [(labelled, without)] = queries.rows(
            con, queries.COUNT_TO_LABEL, dataset=options.dataset, limit=limit
        )
        [(done,)] = queries.rows(
            con,
            queries.COUNT_DONE,
            annotator_id=str(own.annotator_id),
            criterion=judge.criterion,
            orders="both" if judge.by_prompt else judge.orders.value,
            dataset=options.dataset,
            limit=limit,
            repeats=options.repeats,
        )
    orders = len(orders_of(judge.orders, UUID(int=0)))
    planned = labelled * orders * options.repeats
    return Todo(own.name, options.dataset, labelled, without, planned, int(done))


def annotators_of(con: Any, judge: AnyJudge) -> tuple[Annotator, ...]:
    """The judge's annotators; a changed judge under a used name becomes `name (2)` and so on."""
    return tuple(_named(con, annotator) for annotator in judge.annotators())


def _named(con: Any, annotator: Annotator) -> Annotator:
    definition = annotator.definition
    if definition is None:
        return annotator
    names = queries.rows(con, queries.JUDGE_NAMES, judge=definition["judge"])
    for name, identity in names:
        if identity == definition["identity"]:
            return replace(annotator, name=name)
    return replace(annotator, name=f"{annotator.name} ({len(names) + 1})") if names else annotator


def ids_of(judge: AnyJudge, annotators: Sequence[Annotator]) -> dict[str, UUID]:
    """The annotators' ids by the names in the judge files."""
    files = [annotator.name for annotator in judge.annotators()]
    return {name: each.annotator_id for name, each in zip(files, annotators, strict=True)}


def variants(judge: AnyJudge) -> list[AnyJudge]:
    """The judge, and what it asks where some of its models do not take a parameter."""
    found = [judge]
    members = judge.members if isinstance(judge, Jury) else (judge,)
    for model in dict.fromkeys(each.model for each in members if isinstance(each, Judge)):
        found += [less for each in found if (less := each.reduced(model)) is not None]
    return found


class Pages:
    """The tasks that are left, a page at a time; a read that fails is repeated by calling again."""

    def __init__(self, judge: AnyJudge, annotator_id: UUID, options: LabelOptions) -> None:
        self.judge, self.annotator_id, self.options = judge, annotator_id, options
        self._after = UUID(int=0)
        self._left = NO_LIMIT if options.limit is None else options.limit

    def read(self, store: Store) -> list[Task] | None:
        """The tasks of the next page, which may be none; None behind the last page."""
        if self._left <= 0:
            return None
        with store.reading() as con:
            page = self._page(con)
        if not page:
            return None
        if self.judge.by_prompt:
            self._after = page[-1].prompt_id
            return [task for group in by_prompt(page) for task in self._of_prompt(group)]
        self._after = page[-1].comparison.comparison_id
        self._left -= len(page)
        return [task for item in page for task in self._of_comparison(item)]

    def _page(self, con: Any) -> list[queries.ToLabel]:
        options = self.options
        return queries.page_to_label(
            con,
            dataset=options.dataset,
            annotator_id=self.annotator_id,
            criterion=self.judge.criterion,
            after=self._after,
            size=PROMPTS if self.judge.by_prompt else min(PAGE, self._left),
            limit=self._left,
            by_prompt=self.judge.by_prompt,
        )

    def _of_comparison(self, item: queries.ToLabel) -> Iterator[Task]:
        for repeat in range(self.options.repeats):
            for shown in orders_of(self.judge.orders, item.comparison.comparison_id):
                if (shown, repeat) not in item.done:
                    yield Task((item.comparison,), shown, repeat)

    def _of_prompt(self, group: Sequence[queries.ToLabel]) -> Iterator[Task]:
        """Both directions of a list, where any of their labels is missing."""
        comparisons = tuple(item.comparison for item in group)
        done = {item.comparison.comparison_id: item.done for item in group}
        for repeat in range(self.options.repeats):
            for shown in self._directions(group[0].prompt_id):
                task = Task(comparisons, shown, repeat)
                if isinstance(self.judge, Judge) and not _all_done(self.judge, task, done):
                    yield task

    def _directions(self, prompt_id: UUID) -> tuple[Shown | None, ...]:
        if self.judge.orders is Orders.RANDOM:
            return orders_of(Orders.RANDOM, make_id("list", prompt_id))
        return orders_of(self.judge.orders, prompt_id)


def _all_done(
    judge: Judge, task: Task, done: Mapping[UUID, frozenset[tuple[Shown | None, int]]]
) -> bool:
    places = judge.kind.places(task, judge.criterion)
    return all((place.shown, task.repeat) in done[place.comparison_id] for place in places)


def by_prompt(page: Sequence[queries.ToLabel]) -> list[list[queries.ToLabel]]:
    """The comparisons of each prompt together."""
    groups: dict[UUID, list[queries.ToLabel]] = {}
    for item in page:
        groups.setdefault(item.prompt_id, []).append(item)
    return list(groups.values())
