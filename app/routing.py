"""`concord strategy --save` and `concord route`: a policy as a file, and applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from app import commands
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import out, print_json, print_table, say
from data.errors import InputError
from data.store import Store
from judges.baselines import BASELINES
from judges.config import library
from pipelines.export import check_target, write_table
from pipelines.policy import (
    audit_in_words,
    beyond,
    check_new,
    in_words,
    place_of,
    policy_of,
    read_policy,
    write_policy,
)
from pipelines.route import assign, before, route
from pipelines.wording import money, percent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from data.assignments import Before
    from pipelines.policy import PolicyFile
    from pipelines.route import Routes
    from pipelines.sections.view import View
    from pipelines.strategy import Choice, Goal


QUEUED = {"routed": "routed", "audit": "to audit"}


@dataclass(frozen=True, slots=True)
class Save:
    """Where a policy goes, and of which strategy: None is the recommended one."""

    path: Path
    name: str | None
    force: bool


def save_of(path: Path | None, name: str | None, *, force: bool) -> Save | None:
    """What is to be saved. Raises InputError at once where it could not be."""
    if path is None:
        if name is not None or force:
            raise InputError("--choose and --force are about --save", "Add --save policy.toml.")
        return None
    check_new(path, force=force)
    return Save(path, name, force)


def save_policy(save: Save, choice: Choice, goal: Goal, view: View) -> None:
    """Write the policy file, and say of what, and what it costs beyond what was asked for."""
    panel, place = view.panel, place_of(choice, save.name)
    policy = policy_of(
        choice, place, goal, dataset=panel.dataset,
        criterion=panel.criterion, simulated=panel.simulated, unparsed=view.rules.unparsed,
    )  # fmt: skip
    write_policy(policy, save.path, force=save.force)
    say(f"wrote {save.path}: {policy.name}")
    if missed := beyond(choice, place, goal):
        say(f"note: {missed}")
    if audit := audit_in_words(policy, goal.n):
        say(f"note: {audit}; concord route --audit 0 leaves it out")


def run_route(
    path: Path, dataset: str | None, policy_path: Path, audit: float | None, target: Path | None,
    *, dry_run: bool, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Apply a policy file, say what goes where, and store who is to be asked."""
    policy = read_policy(policy_path)
    if target is not None:
        check_target(target, force=force)
    store = Store(path)
    take_up_if_possible(store)
    routes = route(store, policy, chosen_dataset(store, dataset), audit)
    found = before(store, routes)
    if target is not None:  # first: where it cannot be written, nothing is stored
        write_table(routes.table, target)
    if not dry_run:
        assign(store, routes)
    told = _commands(policy, routes, path)
    if as_json:
        print_json({**_counts(routes), "policy": routes.policy, "commands": told,
                    "before": asdict(found), "stored": not dry_run})  # fmt: skip
    else:
        _print(policy, routes)
    for note in (*routes.notes, *_about_before(found)):
        say(f"note: {note}")
    for command in told:
        say(f"missing labels: {command}")
    say(_next(policy, routes, path, target, dry_run=dry_run))


def _counts(routes: Routes) -> dict[str, object]:
    """All but the rows."""
    return {each.name: getattr(routes, each.name) for each in fields(routes)
            if each.name != "table"}  # fmt: skip


def _print(policy: PolicyFile, routes: Routes) -> None:
    mark = "   (chosen on simulated labels)" if policy.simulated else ""
    out().print(f"{routes.dataset}: {policy.name}{mark}", markup=False)
    out().print(in_words(policy), markup=False)
    print_table(["", "comparisons", ""], [row for row in _lines(policy, routes) if row[1]],
                numbers=[1])  # fmt: skip
    price = policy.cost.usd_per_human_label
    usd = "their price is not known" if routes.usd is None else money(routes.usd)
    at = "" if price is None or routes.usd is None else f", at {money(price)} a label"
    out().print(f"Human labels still to be bought, the audit included: {usd}{at}.", markup=False)


def _lines(policy: PolicyFile, routes: Routes) -> Iterator[tuple[str, int, str]]:
    expected = "" if routes.share is None else f"expected {percent(routes.share)}"
    chosen = f", {percent(policy.human_share)} where it was chosen" if policy.routes else ""
    yield "go to a human", routes.to_humans, expected + chosen
    yield "keep the AI label", routes.kept, ""
    yield "of these, to a human for the audit", routes.audit, ""
    for name, missing in routes.missing.items():
        yield "without a destination", missing, f"no label: {name}"
    yield f"of what goes to a human, labelled by {_so_many(policy)} already", routes.labelled, ""
    yield "in all", len(routes.table), ""


def _about_before(found: Before) -> Iterator[str]:
    """What becomes of assignments of the same policy, and which of others wait."""
    counts = {"withdrawn": found.withdrawn, "with another queue or probability": found.replaced,
              "kept with their probability, as a human has labelled them": found.kept}  # fmt: skip
    if any(counts.values()):
        said = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
        yield f"of what this policy had assigned before: {said}"
    if found.withdrawn and found.kept:
        yield (
            "those kept are fewer than their probability says: before concord audit, route by the "
            "policy and --audit of before, which brings back the others"
        )
    for name, queues in found.elsewhere.items():
        said = " and ".join(f"{n:,} {QUEUED[queue]}" for queue, n in queues.items())
        yield f"{said} of the policy {name!r} still wait for a human in this data set"


def _commands(policy: PolicyFile, routes: Routes, path: Path) -> list[str]:
    """What buys the labels that are missing; a judge that does not ship has a file of its own."""
    ships = {*library(), *BASELINES}
    return [
        commands.line("concord", "label", "--judge", judge if judge in ships else f"{judge}.toml",
                      "--dataset", routes.dataset, "--store", str(path))
        for judge in policy.judges if judge in routes.missing
    ]  # fmt: skip


def _so_many(policy: PolicyFile) -> str:
    return "one" if policy.humans < 2 else f"{policy.humans}"


def _next(
    policy: PolicyFile, routes: Routes, path: Path, target: Path | None, *, dry_run: bool
) -> str:
    asked = routes.to_humans + routes.audit
    if dry_run:
        return "nothing was stored: without --dry-run it is"
    if not asked:
        return "nothing goes to a human by this policy"
    if routes.labelled == asked:
        by = _so_many(policy)
        return f"next: nothing, as all that goes to a human is labelled by {by} already"
    file = f"label those with a queue in {target} and import them" if target else ""
    app = f"label them in {commands.line('concord', 'app', '--store', str(path))}, view Label"
    return f"next: {app}{f'; or {file}' if file else '; --out FILE writes them'}"
