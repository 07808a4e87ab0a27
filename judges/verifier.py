"""Verifier: no model; each response is checked against the comparison's reference.

The source of labels for tasks with a right answer. The response that passes is preferred to one
that does not; both or none is a tie. Its labels have no order and cost nothing.

    exact        equal to the reference, apart from white space (and case, where told so)
    numeric      its last number is the reference's, within a tolerance
    regex        the reference is a regular expression that is found in the response
    json_schema  the response is JSON that fits the schema in the reference
    python       a function of the user: `check(prompt, response, reference) -> bool`
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import (
    OVERALL,
    Annotator,
    AnnotatorKind,
    LabelStatus,
    Preference,
    make_id,
)
from judges.judge import Orders
from judges.local import LocalAsking
from judges.task import Opinion, skipped, unparsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from uuid import UUID

    from judges.task import Task

# A minus behind a word or a number is a hyphen or an operator: `10-20` ends with 20.
_NUMBER = re.compile(
    r"(?:(?<![\w)])[-\u2212])?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)"
)


class Check(StrEnum):
    """How a response is checked."""

    EXACT = "exact"
    NUMERIC = "numeric"
    REGEX = "regex"
    JSON_SCHEMA = "json_schema"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A check, and what of a response is checked.

    `extract` is a regular expression: its last match (the first group, if it has one) is checked in
    place of the whole response. `tolerance` is relative and absolute. `reference` stands in where a
    comparison has none. `source` is the text of the user's function.
    """

    name: str
    check: Check
    tolerance: float = 1e-6
    ignore_case: bool = False
    extract: str | None = None
    reference: str | None = None
    function: str | None = None
    source: str | None = None
    criterion: str = OVERALL
    orders: Orders = Orders.NONE
    file: Mapping[str, Any] = field(default_factory=dict)
    by_prompt = False

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to: a judge without a model."""
        identity = {
            "check": self.check.value,
            "tolerance": self.tolerance,
            "ignore_case": self.ignore_case,
            "extract": self.extract,
            "reference": self.reference,
            "function": self.function,
            "source": self.source,
            "criterion": self.criterion,
        }
        digest = str(make_id(json.dumps(identity, sort_keys=True)))
        definition = {"judge": self.name, "identity": digest, **identity, "file": self.file}
        return Annotator(AnnotatorKind.JUDGE, name or self.name, definition=definition)

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own alone."""
        return (self.annotator(),)

    def reduced(self, model: str) -> None:
        """Nothing can be left out."""

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> LocalAsking:  # noqa: ARG002
        """Check both responses of a comparison, at once."""
        return LocalAsking(task, ids[self.name], self.criterion, self.opinion)

    def check_itself(self) -> None:
        """Raise JudgeError where its patterns or its function are broken, before anything runs."""
        if self.extract is not None:
            try:
                re.compile(self.extract)
            except re.error as error:
                raise JudgeError(
                    f"extract: not a regular expression ({error})", "Mend the pattern."
                ) from error
        test = self._test()
        if self.reference and self.check is not Check.PYTHON:
            try:
                test("", "", self.reference)
            except Exception as error:
                raise JudgeError(
                    f"reference: the check {self.check.value} cannot use it: {_brief(error)}",
                    "Mend it.",
                ) from error

    def opinion(self, task: Task) -> Opinion:
        """Skipped without a reference; a check that breaks is a parse error with its reason."""
        it = task.comparison
        reference = it.reference or self.reference
        if not reference and self.check is not Check.PYTHON:
            return skipped("the comparison has no reference")
        test = self._test()
        try:
            a, b = (
                bool(test(it.prompt or "", self._extracted(text), reference or ""))
                for text in (it.response_a or "", it.response_b or "")
            )
        except (Exception, SystemExit) as error:  # of the user's function, or a bad reference
            return unparsed(f"the check broke: {type(error).__name__}: {_brief(error)}")
        preference = Preference.TIE if a == b else Preference.A if a else Preference.B
        return Opinion(LabelStatus.OK, preference, details={"correct": {"a": a, "b": b}})

    def _extracted(self, text: str) -> str:
        if self.extract is None:
            return text
        found = list(re.finditer(self.extract, text))
        if not found:
            return ""
        return (found[-1][1] if found[-1].re.groups else found[-1][0]) or ""

    def _test(self) -> Callable[[str, str, str], bool]:
        checks: dict[Check, Callable[[str, str, str], bool]] = {
            Check.EXACT: lambda _, said, right: self._plain(said) == self._plain(right),
            Check.NUMERIC: lambda _, said, right: self._same_number(said, right),
            Check.REGEX: lambda _, said, right: re.search(right, said, self._flags()) is not None,
            Check.JSON_SCHEMA: lambda _, said, right: fits_schema(said, right),
        }
        if self.check is Check.PYTHON:
            return load_function(self.function or "", self.source or "")
        return checks[self.check]

    def _plain(self, text: str) -> str:
        plain = " ".join(text.split())
        return plain.casefold() if self.ignore_case else plain

    def _same_number(self, said: str, right: str) -> bool:
        found, wanted = last_number(said), last_number(right)
        if wanted is None:
            raise ValueError(f"the reference {right[:40]!r} holds no number")
        near = {"rel_tol": self.tolerance, "abs_tol": self.tolerance}
        return found is not None and math.isclose(found, wanted, **near)

    def _flags(self) -> re.RegexFlag:
        return re.IGNORECASE if self.ignore_case else re.NOFLAG


def last_number(text: str) -> float | None:
    """The last number of a text; commas between thousands are left out."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "").replace("\u2212", "-")) if found else None


def fits_schema(text: str, schema: str) -> bool:
    """Whether a text is JSON that fits a JSON schema. Raises ValueError for a broken schema."""
    from jsonschema.validators import validator_for
    from referencing import Registry

    wanted = json.loads(schema)
    kind = validator_for(wanted)
    kind.check_schema(wanted)
    try:
        value = json.loads(text.strip().removeprefix("```json").removeprefix("```").rstrip("`\n "))
    except (ValueError, RecursionError):
        return False
    # With a registry of its own, so that a `$ref` to an address is an error and is not fetched.
    return bool(kind(wanted, registry=Registry()).is_valid(value))


_functions: dict[tuple[str, str], Callable[[str, str, str], bool]] = {}


def load_function(name: str, source: str) -> Callable[[str, str, str], bool]:
    """The user's function from the text of its file. Raises JudgeError where there is none."""
    if (name, source) not in _functions:
        module = ModuleType(f"concord_check_{len(_functions)}")
        sys.modules[module.__name__] = module  # where a dataclass of the user's looks for itself
        try:
            exec(compile(source, "checks", "exec"), module.__dict__)  # noqa: S102 (the user's own)
        except (Exception, SystemExit) as error:
            raise JudgeError(
                f"the file of checks does not run: {_brief(error)}", "Mend it."
            ) from error
        function = getattr(module, name, None)
        if not callable(function):
            raise JudgeError(f"the file of checks has no function {name!r}", "Name one it has.")
        _functions[name, source] = function
    return _functions[name, source]


def _brief(error: BaseException) -> str:
    """What an error says, in a line of no great length."""
    return " ".join(str(error).split())[:200]


def split_function(given: str, folder: Path) -> tuple[str, str]:
    """`checks.py:is_right` as the function's name and the text of its file."""
    path, _, name = given.rpartition(":")
    try:
        return name, (folder / path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise JudgeError(
            f"cannot read {folder / path}: {error}",
            "Write FILE.py:FUNCTION, beside the judge file.",
        ) from error
