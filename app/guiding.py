"""`concord guideline` and `concord tags`: what people are told, and what they say of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import clean, out, print_json, print_table, say
from data import queries
from data.errors import InputError
from data.guidelines import history, set_guideline
from data.store import Store
from data.tags import counts, tagged

if TYPE_CHECKING:
    from pathlib import Path

    from data.guidelines import Guideline

FEW = 20  # tags in a table
ID = 8  # characters of an id


def run_guideline_set(
    path: Path, file: Path, dataset: str | None, criterion: str, *, as_json: bool
) -> None:
    """Put the text of a file in force."""
    store = Store(path)
    take_up_if_possible(store)
    made = set_guideline(store, chosen_dataset(store, dataset), criterion, _text(file))
    if as_json:
        print_json(made)
        return
    say(f"{_version(made)} is in force for {made.criterion} in {made.dataset}")
    say("people who label are shown it from their next comparison on, and their labels carry it")


def run_guideline_show(
    path: Path, dataset: str | None, criterion: str | None, *, as_json: bool
) -> None:
    """The guidelines in force with their texts, and since when earlier ones were."""
    store = Store(path)
    name = chosen_dataset(store, dataset)
    with store.reading() as con:
        queries.check_dataset(con, name)
        found = history(con, name, criterion)
    if as_json:
        print_json({"dataset": name, "guidelines": found})
        return
    if not found:
        say(f"no guideline for {criterion or 'any criterion'} in {name}")
    said: set[str] = set()
    for each in found:
        now = each.criterion not in said
        said.add(each.criterion)
        _show(f"{_version(each)}: {each.criterion}, {'in force' if now else 'earlier'}, "
            f"set {each.created_at:%Y-%m-%d %H:%M} UTC")  # fmt: skip
        _show(f"\n{each.text}\n" if now else "")


def run_tags(path: Path, dataset: str | None, *, as_json: bool) -> None:
    """How often each tag is in force, and the newest ones."""
    store = Store(path)
    name = chosen_dataset(store, dataset)
    with store.reading() as con:
        counted, found = counts(con, name), tagged(con, name)
    if as_json:
        print_json({"dataset": name, "counts": counted, "tags": found})
        return
    print_table(("tag", "comparisons", "people"),
                [(each.tag, each.comparisons, each.people) for each in counted],
                numbers=(1, 2))  # fmt: skip
    if found:
        print_table(("comparison", "tag", "note", "by", "set (UTC)"),
                    [(t.comparison_id[:ID], t.tag, t.note, t.by, t.set_at)
                     for t in found[:FEW]])  # fmt: skip
    if len(found) > FEW:
        say(f"and {len(found) - FEW:,} earlier ones: --json lists all")


def _show(text: str) -> None:
    out().print(escape(clean(text)), soft_wrap=True)


def _version(guideline: Guideline) -> str:
    return f"guideline {str(guideline.guideline_id)[:ID]}"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8", "Save it as UTF-8 text.") from error
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror or error}", "Name a text file."
        ) from error
