"""The columns of Concord's own tables (CSV, JSON lines, Parquet), and finding them in a file."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING

from data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

COLUMNS: Mapping[str, str] = {
    "source_id": "The comparison's own id, unique within the data set (also: item). "
    "Needed, unless prompt, response_a and response_b are given.",
    "prompt_id": "The prompt's own id; empty: equal prompts are one prompt.",
    "prompt": "The prompt's text.",
    "response_a": "The text of response a; an empty cell is an empty response.",
    "response_b": "The text of response b; an empty cell is an empty response.",
    "model_a": "Who wrote response a.",
    "model_b": "Who wrote response b.",
    "category": "The kind of prompt, as a slice of the results.",
    "reference": "A right or a model answer, for judges that are shown one.",
    "metadata": "A JSON object with anything else about the comparison.",
    "annotator": "The name of whoever gave the label. Needed, unless the file is wide.",
    "annotator_kind": "human, judge, baseline or aggregate; empty: the kind given for the file.",
    "preference": "a, b or tie, in the order of the file's responses. Needed, unless wide.",
    "shown": "ab or ba: which response was displayed first; empty: not known.",
    "p_a": "The annotator's probability that a is better, from 0 to 1.",
    "strength": "How strong the preference is, on the source's own scale.",
    "status": "ok, refused, skipped, parse_error or failed; only ok has a preference. Empty: ok.",
    "criterion": "What was asked about, such as helpfulness. Empty: overall.",
    "repeat": "0 for the first label of an annotator on a comparison, then 1, 2. Empty: 0.",
    "rationale": "Why, in the annotator's words.",
    "seconds": "How long the label took.",
    "cost_usd": "What buying the label costs, in US dollars.",
    "sampling_probability": "With which probability the comparison was to get a human's label, "
    "above 0 up to 1, as `concord route` gives it. Empty: not drawn by a known probability.",
    "created_at": "When the label was given, ISO 8601; UTC where no zone is named.",
}
ALIASES = {"item": "source_id"}
OF_COMPARISON = tuple(COLUMNS)[: tuple(COLUMNS).index("annotator")]
TEXTS = ("prompt", "response_a", "response_b")
IN_EVERY_FORM = ("shown", "criterion", "repeat", "created_at")  # may stand beside wide annotators

_OTHER_WORDS = {
    "answer_1": "response_a", "answer_2": "response_b", "answer_a": "response_a",
    "answer_b": "response_b", "annotator_id": "annotator", "comparison_id": "source_id",
    "cost": "cost_usd", "date": "created_at", "generator_1": "model_a", "generator_2": "model_b",
    "id": "source_id", "idx": "source_id", "instruction": "prompt", "judge": "annotator",
    "label": "preference", "order": "shown", "output_1": "response_a", "output_2": "response_b",
    "price": "cost_usd", "question": "prompt", "question_id": "prompt_id", "rater": "annotator",
    "reason": "rationale", "response1": "response_a", "response2": "response_b",
    "response_1": "response_a", "response_2": "response_b", "time": "seconds",
    "timestamp": "created_at", "verdict": "preference", "vote": "preference",
    "winner": "preference", "worker": "annotator",
}  # fmt: skip
_MANY = 8


def choose(
    names: Sequence[str],
    where: str,
    *,
    wide: Collection[str] = (),
    rename: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    unlabelled: bool = False,
) -> dict[str, str]:
    """The columns of a file that are read, each with our name for it.

    `unlabelled`: those of comparisons alone.

    `wide`, `rename` and `ignore` name the file's columns. The columns of `wide` keep their name,
    or the one they are renamed to: it is the annotator's. Raises InputError for any column that
    is not known, not there, there twice or not possible in this form.
    """
    rename = rename or {}
    _need_unique(names, where)
    for said, option in ((wide, "wide"), (rename, "rename"), (ignore, "ignore")):
        _need_there(said, names, where, option)
    chosen = {name: rename.get(name, ALIASES.get(name, name)) for name in names}
    for name in ignore:
        del chosen[name]
    annotators = _annotators(wide, chosen, where)
    unknown = [name for name, ours in chosen.items() if ours not in (*COLUMNS, *annotators)]
    if unknown:
        raise _unknown(unknown, rename, where)
    _need_once(chosen, where)
    if unlabelled:
        _need_no_labels(chosen, where)
    _need_one_form(chosen, annotators, where)
    _need_columns(set(chosen.values()), bool(wide) or unlabelled, where)
    return chosen


def nearest(name: str, known: Iterable[str] = (*COLUMNS, *ALIASES)) -> str | None:
    """The known name that a wrong one most likely means."""
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
    return _OTHER_WORDS.get(key) or (close[0] if close else None)


def _need_unique(names: Sequence[str], where: str) -> None:
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise InputError(
            f"{where}: the column {_listed(twice)} is there more than once",
            "Rename or remove one of them in the file.",
        )


def _need_there(said: Iterable[str], names: Sequence[str], where: str, option: str) -> None:
    for name in said:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise InputError(
                f"{where}: no column {name!r}, which --{option} names",
                f"The columns are {_listed(names)}.{hint}",
            )


def _annotators(wide: Collection[str], chosen: Mapping[str, str], where: str) -> list[str]:
    annotators = []
    for name in wide:
        if name not in chosen or chosen[name] in COLUMNS:
            raise InputError(
                f"{where}: {name!r} cannot be both an annotator (--wide) and "
                + (f"the column {chosen[name]}" if name in chosen else "left out (--ignore)"),
                "Name it in one of the options only, or --rename it to the annotator's name.",
            )
        annotators.append(chosen[name])
    return annotators


def _unknown(unknown: Sequence[str], rename: Mapping[str, str], where: str) -> InputError:
    for name in unknown:
        if name in rename:
            return InputError(
                f"{where}: --rename {name}={rename[name]} names no column of Concord's",
                f"The columns are {', '.join(COLUMNS)}.",
            )
    first, close = unknown[0], nearest(unknown[0])
    meant = f"--rename {first}={close}" if close else "--rename theirs=ours"
    word = "column" if len(unknown) == 1 else "columns"
    return InputError(
        f"{where}: unknown {word} {_listed(unknown)}"
        + (f" (nearest to {first!r}: {close})" if close else ""),
        f"Say what it is ({meant}), or leave it out (--ignore {first}). "
        f"The columns are {', '.join(COLUMNS)}.",
    )


def _need_once(chosen: Mapping[str, str], where: str) -> None:
    for ours, n in Counter(chosen.values()).items():
        if n > 1:
            theirs = [name for name, target in chosen.items() if target == ours]
            raise InputError(
                f"{where}: the columns {_listed(theirs)} would all be {ours}",
                f"Leave one of them out (--ignore {theirs[-1]}), or rename it.",
            )


def _need_one_form(chosen: Mapping[str, str], annotators: Sequence[str], where: str) -> None:
    """In the wide form a row has many labels, so nothing in it can belong to one of them."""
    fitting = (*OF_COMPARISON, *IN_EVERY_FORM, *annotators)
    misfits = [name for name, ours in chosen.items() if annotators and ours not in fitting]
    if misfits:
        raise InputError(
            f"{where}: {_listed(misfits)} cannot stand beside a column for each annotator (--wide)",
            f"Leave it out (--ignore {misfits[0]}), or write one row for each label.",
        )


def _need_no_labels(chosen: Mapping[str, str], where: str) -> None:
    misfits = [name for name, ours in chosen.items() if ours not in OF_COMPARISON]
    if misfits:
        raise InputError(
            f"{where}: {_listed(misfits)} belongs to labels, and --unlabelled says there are none",
            f"Leave it out (--ignore {misfits[0]}), or import without --unlabelled.",
        )


def _need_columns(ours: Collection[str], wide: bool, where: str) -> None:
    missing = [] if wide else [name for name in ("annotator", "preference") if name not in ours]
    if "source_id" not in ours and not set(TEXTS) <= set(ours):
        missing.append("source_id (or all of prompt, response_a and response_b)")
    if missing:
        raise InputError(
            f"{where}: no column {', no column '.join(missing)}",
            "Add it, or say which column it is (--rename theirs=ours); columns that are one "
            "annotator each are named by --wide; comparisons without any label are --unlabelled.",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MANY
    shown = ", ".join(repr(name) for name in names[:_MANY])
    return f"{shown} and {more} more" if more > 0 else shown
