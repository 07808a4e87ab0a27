"""`concord label`, `plan`, `judges`, `examples` and `labels reparse`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import ProgressLine, out, print_json, print_labelled, print_table, say
from data.errors import InputError, RunError
from data.records import RunStatus
from data.store import Store
from judges.baselines import BASELINES
from judges.config import find_judge, library, read_judge
from judges.judge import Judge, Orders, Price
from judges.jury import Jury
from judges.verifier import Verifier
from pipelines.label import Batching, LabelOptions, label
from pipelines.plan import Plan, Range, plan
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from judges.client import Client
    from judges.task import AnyJudge


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says about a run."""

    store: Path
    judge: str
    dataset: str | None
    limit: int | None = None
    concurrency: int = 64
    repeats: int = 1
    budget: float | None = None
    max_failures: int = 25
    workers: str = "1"
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    batch: bool = False
    poll_seconds: float = 30.0
    both_orders: bool = False
    """Whether a judge that shows one order shows both here."""

    def options(self, store: Store) -> LabelOptions:
        """As the pipeline takes them."""
        return LabelOptions(
            chosen_dataset(store, self.dataset),
            self.limit,
            self.concurrency,
            repeats=self.repeats,
            budget_usd=self.budget,
            max_failures=self.max_failures,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )

    def chosen_judge(self) -> AnyJudge:
        """The judge, at the price given here where one is."""
        judge = BASELINES.get(self.judge) or read_judge(find_judge(self.judge))
        if self.both_orders and isinstance(judge, Judge) and judge.orders is not Orders.NONE:
            judge = replace(judge, orders=Orders.BOTH)
        return at_price(judge, self.price_in, self.price_out)

    def processes(self) -> int:
        """How many make the calls."""
        if self.workers == "auto":
            from pipelines.engines.workers import auto_workers

            return auto_workers()
        if not (self.workers.isdecimal() and int(self.workers)):
            raise InputError(f"--workers {self.workers}", "A number from 1 on, or auto.")
        return int(self.workers)


def at_price(judge: AnyJudge, price_in: float | None, price_out: float | None) -> AnyJudge:
    """The judge at another price (US dollars per million tokens); at its own without one."""
    if price_in is None and price_out is None:
        return judge
    if price_in is None or price_out is None:
        raise InputError("one price alone", "Give --price-in and --price-out together.")
    if not isinstance(judge, Judge):
        raise InputError(
            f"{judge.name} has no price of its own", "Write [price] into its members' files."
        )
    return replace(judge, price=Price(price_in, price_out))


def list_judges(*, as_json: bool) -> None:
    """The shipped judges and the baselines."""
    shipped = {name: read_judge(path) for name, path in library().items()}
    rows = [[name, *_about(judge)] for name, judge in shipped.items()]
    rows += [[name, None, baseline.about] for name, baseline in BASELINES.items()]
    if as_json:
        print_json([{"name": n, "model": model, "about": about} for n, model, about in rows])
        return
    print_table(
        ["judge", "model", ""], [[n, model or "no model", about] for n, model, about in rows]
    )
    say("a judge of your own: concord judges local-server > my-judge.toml")


def _about(judge: AnyJudge) -> tuple[str | None, str]:
    """Model and kind in a few words."""
    if isinstance(judge, Jury):
        return "several", f"jury of {', '.join(member.name for member in judge.members)}"
    if not isinstance(judge, Judge):
        return None, f"verifier: {judge.check}" if isinstance(judge, Verifier) else ""
    kind = str(judge.kind.describe()["kind"])
    if judge.constitution is not None:
        kind += f" by {len(judge.constitution.principles)} principles"
    return judge.model, kind if judge.orders is Orders.NONE else f"{kind}, orders: {judge.orders}"


def print_judge(name: str) -> None:
    """A judge file on stdout."""
    sys.stdout.write(find_judge(name).read_text(encoding="utf-8"))


def run_label(given: Given, *, as_json: bool, then: str | None = None) -> None:
    """Run a judge over a data set; RunError where labels are missing at the end.

    `then` is the command that comes next, if not the report.
    """
    store = Store(given.store)
    take_up_if_possible(store)
    judge, options = given.chosen_judge(), given.options(store)
    batching = _batching(judge, given) if given.batch else None
    client = None if given.batch else _client(judge, given.processes())
    with ProgressLine(quiet=as_json) as progress:
        result = label(store, judge, client, options, progress, batching)
    print_labelled(result)
    if as_json:
        print_json(result)
    if result.status is RunStatus.BUDGET_SPENT:
        raise RunError(
            f"the budget of {money(result.budget_usd)} leaves no room for another call: "
            f"{result.planned - result.before - result.done:,} labels are missing",
            "The same command with a larger --budget continues the run.",
        )
    if result.status is RunStatus.STOPPED:
        raise RunError("the run was stopped", "The same command continues it.")
    if result.failed:
        raise RunError(
            f"{result.failed:,} labels failed, the last one because: {result.last_failure}",
            f"The same command asks for them again; all reasons: concord runs --store {store.path}",
        )
    after = ["concord", "report", "--store", str(store.path), "--dataset", options.dataset]
    say(f"next: {then or shlex.join(after)}")


def _batching(judge: AnyJudge, given: Given) -> Batching:
    from judges.providers import batch_clients_for

    return Batching(batch_clients_for(judge), given.poll_seconds)


def _client(judge: AnyJudge, processes: int) -> Client | None:
    """The judge's client, in this process or in several."""
    from judges.providers import asking_client
    from pipelines.engines.workers import WorkersClient

    if not isinstance(judge, Judge | Jury):
        return None
    if processes == 1:
        return asking_client(judge)
    return WorkersClient(partial(asking_client, judge), processes)


def show_plans(givens: Sequence[Given], *, as_json: bool) -> None:
    """What one or several judges would ask and cost; nothing is sent."""
    store = Store(givens[0].store)
    take_up_if_possible(store)
    for given in givens:
        given.processes()  # what would end the run ends its plan
    plans = [
        plan(store, given.chosen_judge(), given.options(store), batch=given.batch)
        for given in givens
    ]
    if as_json:
        print_json(plans if len(plans) > 1 else plans[0])
        return
    for each in plans:
        _say_plan(each)
    if len(plans) > 1:
        out().print(f"together: {_dollars(_together(plans))}", markup=False)
    out().print("Nothing was sent.")


def _say_plan(planned: Plan) -> None:
    known = f", {planned.known:,} replies known" if planned.known else ""
    out().print(
        f"{planned.annotator} on {planned.dataset}: {planned.comparisons:,} comparisons, "
        f"{planned.planned:,} labels, {planned.done:,} there already\n"
        f"  {planned.calls:,} calls{known}; {_tokens(planned.prompt_tokens)} tokens of prompts, "
        f"{_tokens(planned.completion_tokens)} of replies\n"
        f"  {_dollars(planned.cost_usd)}{f' ({planned.note})' if planned.note else ''}",
        markup=False,
    )


def _tokens(tokens: Range) -> str:
    if tokens.high is None:
        return f"from {tokens.low:,.0f} on"
    return f"{tokens.low:,.0f} to {tokens.high:,.0f}"


def _dollars(cost: Range | None) -> str:
    if cost is None:
        return "costs nothing: no model is asked"
    if cost.high is None:
        return f"from {money(cost.low)} on: replies have no limit (set max_tokens)"
    return f"{money(cost.low)} to {money(cost.high)}, retries aside"


def _together(plans: Sequence[Plan]) -> Range:
    costs = [each.cost_usd for each in plans if each.cost_usd is not None]
    highs = [cost.high for cost in costs if cost.high is not None]
    return Range(sum(cost.low for cost in costs), sum(highs) if len(highs) == len(costs) else None)


def run_reparse(path: Path, run: str, *, as_json: bool) -> None:
    """Read a run's replies again."""
    from pipelines.reparse import reparse

    store = Store(path)
    take_up_if_possible(store)
    result = reparse(store, run)
    if as_json:
        print_json(result)
    say(f"{result.read:,} labels read again, {result.changed:,} changed")
    if result.without_reply:
        say(f"  {result.without_reply:,} left as they are: their replies are not in the store")


def print_examples(path: Path, dataset: str | None, n: int, seed: int) -> None:
    """Few-shot examples from a data set's human labels, on stdout."""
    from pipelines.examples import draw_examples

    store = Store(path)
    take_up_if_possible(store)
    name = chosen_dataset(store, dataset)
    sys.stdout.write(draw_examples(store, name, n, seed))
    say(f"{n} examples of {name}; a judge that shows them never judges these prompts")
