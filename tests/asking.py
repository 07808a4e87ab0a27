"""What a judge asks, for tests that look at requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from judges.judge import Judge
from judges.prompts import Template, parse_template, read_template
from judges.task import Task

if TYPE_CHECKING:
    from data.records import Comparison, Shown
    from judges.client import Message, Request


def shipped(name: str) -> Template:
    """A shipped template that shows two responses."""
    return parse_template(read_template(name, Path()), name)


def request_of(
    judge: Judge, comparison: Comparison, shown: Shown | None, secret: str = "secret"
) -> Request:
    """The first request for one comparison in one order."""
    asking = judge.asking(Task((comparison,), shown), secret, {judge.name: UUID(int=0)})
    return asking.needed({})[0]


def filled(
    template: Template, prompt: str, first: str, second: str, secret: str = "secret"
) -> tuple[Message, ...]:
    """The messages of a pairwise judge with this template."""
    answer = Judge("j", "openai/m", template).kind.answer(as_json=False)
    texts = {"prompt": prompt, "response_1": first, "response_2": second}
    return template.fill({**texts, "answer": answer}, secret)
