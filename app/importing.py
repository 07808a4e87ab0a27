"""`concord import` and `concord fetch`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from app.stores import take_up_if_possible
from app.terminal import print_imported, print_json, say
from data.errors import InputError
from data.formats.tabular import TabularOptions, template
from data.records import AnnotatorKind
from data.store import existing_or_new
from pipelines import fetch
from pipelines.ingest import FORMATS, ingest

if TYPE_CHECKING:
    from pathlib import Path


def print_template(name: str) -> None:
    """A file to start from, on stdout."""
    if name != "csv":
        raise InputError(f"no template {name!r}", "There is: csv.")
    sys.stdout.write(template())


def options(
    dataset: str | None,
    wide: str,
    rename: list[str],
    values: str,
    ignore: list[str],
    kind: str,
    anonymous: bool,
    simulated: bool,
    unlabelled: bool,
) -> TabularOptions:
    """The command line's options as those of the reader."""
    if unlabelled and (wide or values):
        raise InputError(
            f"--unlabelled beside --{'wide' if wide else 'values'}, which is about labels",
            "Give one of them.",
        )
    if kind not in list(AnnotatorKind):
        raise InputError(f"--kind {kind}: no such kind", f"One of: {', '.join(AnnotatorKind)}.")
    return TabularOptions(
        dataset=dataset,
        wide=tuple(dict.fromkeys(name.strip() for name in wide.split(",") if name.strip())),
        rename=_pairs("--rename", rename),
        values=_pairs("--values", [pair for pair in values.split(",") if pair.strip()]),
        ignore=tuple(ignore),
        kind=AnnotatorKind(kind),
        anonymous=anonymous,
        simulated=simulated,
        unlabelled=unlabelled,
    )


def _pairs(option: str, pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        theirs, sign, ours = pair.partition("=")
        if not sign or not theirs.strip() or not ours.strip():
            raise InputError(f"{option} {pair}: not THEIRS=OURS", f"Such as {option} 1=a.")
        if found.setdefault(theirs.strip(), ours.strip()) != ours.strip():
            raise InputError(f"{option} {pair}: {theirs.strip()} twice", "Name it once.")
    return found


def run(
    store: Path,
    source_format: str | None,
    path: Path | None,
    options: TabularOptions,
    *,
    repeat: bool,
    as_json: bool,
) -> None:
    """Import, and say what came in."""
    if source_format is None:
        raise InputError(
            "concord import: no format", f"Name one of {', '.join(FORMATS)} and a path."
        )
    _check(source_format, path)
    with existing_or_new(store) as target:
        take_up_if_possible(target)
        results = ingest(target, source_format, path, options, repeat=repeat)
    for result in results:
        print_imported(result)
    if as_json:
        print_json({"imported": [asdict(result) for result in results]})
    name = shlex.quote(results[0].dataset)
    if options.unlabelled:
        say(f"next: concord plan --store {store} --dataset {name} --judge JUDGE.toml")
    else:
        say(f"next: concord report --store {store} --dataset {name}")


def _check(source_format: str, path: Path | None) -> None:
    """What is mistyped is told before a store is opened or made."""
    if source_format not in FORMATS:
        raise InputError(f"no format {source_format!r}", f"There are: {', '.join(FORMATS)}.")
    if path is not None and not path.exists():
        raise InputError(f"{path} does not exist", "Check the path.")


def run_fetch(name: str, target: Path, mirror: str | None, *, as_json: bool) -> None:
    """Download a public data set."""
    known = fetch.sources()
    if name not in known:
        raise InputError(f"no public data set {name!r}", f"There are: {', '.join(sorted(known))}.")
    source = known[name] if mirror is None else known[name].mirrored(mirror)
    result = fetch.fetch(source, target, say)
    if as_json:
        print_json(result)
    say(f"next: concord import {name} {target}")
