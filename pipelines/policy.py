"""A policy file: which feedback to buy, as `concord strategy` chose it, to be applied elsewhere.

TOML that a person can read and change; errors name the file and the key.
"""

from __future__ import annotations

import json
import tomllib
from math import isfinite
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from data.errors import InputError
from pipelines.export import write_bytes
from pipelines.routing_scores import CERTAINTY, DISAGREEMENT, FLIP, LEARNED, RANDOM, RULES
from pipelines.sections.view import UnparsedRule
from pipelines.strategy import Match, Policy
from pipelines.wording import money, percent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelines.estimates import Estimate
    from pipelines.strategy import Choice, Goal

AUDIT = 0.05  # of the comparisons that keep the AI label, to a human all the same
MOST_CHARACTERS = 20_000  # of a policy file
BY_NAME = "chosen by name"
HOW = "Write a policy with: concord strategy --save policy.toml."
_MEANINGS = {
    RANDOM: "a share drawn at random, whatever the comparison is like",
    FLIP: "those where the judge's preference turns with the order",
    CERTAINTY: "those where the judge states a probability near one half",
    DISAGREEMENT: "those where the second judge prefers otherwise",
    LEARNED: "those where trees, fitted where it was chosen, expect most of a human",
}
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QualitySection(_Strict):
    """`[quality]`: the share of matches, its interval, and what it rests on."""

    estimate: Share
    low: Share | None = None
    high: Share | None = None
    n_comparisons: Annotated[int, Field(ge=1, strict=True)]
    n_prompts: Annotated[int, Field(ge=1, strict=True)]
    method: Text


class CostSection(_Strict):
    """`[cost]`: US dollars; what is not known is left out."""

    usd_per_1000: NotNegative | None = None
    usd_per_human_label: NotNegative | None = None


class PolicyFile(_Strict):
    """A policy file, key by key. `judges` none: humans alone; `humans` 0: AI alone."""

    name: Text
    dataset: Text
    criterion: Text
    simulated: StrictBool = False
    judges: tuple[Text, ...] = ()
    jury: StrictBool = False
    orders: Annotated[int, Field(ge=1, le=2, strict=True)] = 1
    rule: str | None = None
    human_share: Share = 0.0
    threshold: NotNegative | None = None
    at_threshold: Share = 1.0
    humans: Annotated[StrictInt, Field(ge=0, le=100)] = 0
    unparsed: UnparsedRule = UnparsedRule.DROP
    match: Match = Match.HUMAN
    audit: Share = AUDIT
    goal: Text | None = None
    quality: QualitySection | None = None
    cost: CostSection = CostSection()

    @model_validator(mode="after")
    def _can_be_applied(self) -> Self:
        for wrong, why in _contradictions(self):
            if wrong:
                raise ValueError(why)
        return self

    @property
    def routes(self) -> bool:
        """Whether some go to humans and the others keep the AI label."""
        return self.rule is not None

    @property
    def audits(self) -> float:
        """The expected share of all comparisons that goes to a human for the audit alone."""
        return self.audit * (1 - self.human_share) if self.judges else 0.0


def _contradictions(file: PolicyFile) -> Iterator[tuple[bool, str]]:
    rule, n = file.rule, len(file.judges)
    yield rule is not None and rule not in RULES, f"rule: not one of {', '.join(RULES)}"
    yield n == 0 and not file.humans, "judges: neither judges nor humans label"
    yield len(set(file.judges)) < n, "judges: one is named twice"
    yield rule is not None and n == 0, "judges: a rule needs a judge whose label is kept"
    yield rule is not None and not file.humans, "humans: a rule needs one human or more"
    yield rule is not None and not file.human_share, "human_share: a rule needs a share above 0"
    yield rule is None and n > 0 and file.humans > 0, "rule: which comparisons go to humans?"
    yield rule == DISAGREEMENT and n < 2, "judges: that rule compares two judges"
    yield file.jury and (n < 2 or rule is not None), "jury: of two judges or more, without a rule"
    yield rule not in (None, RANDOM) and not file.threshold, "threshold: above 0 for this rule"


def policy_of(
    choice: Choice, place: int, goal: Goal, *, dataset: str, criterion: str, simulated: bool,
    unparsed: UnparsedRule,
) -> PolicyFile:  # fmt: skip
    """The strategy at a place of a choice, as a policy with its figures."""
    strategy, policy = choice.strategies[place], choice.strategies[place].policy
    figure = _figure(choice, place)
    cost = float(choice.cost_usd[place])
    human = choice.human_usd
    quality = None
    if figure is not None and figure.estimate is not None:
        quality = QualitySection(
            estimate=round(figure.estimate, 6), low=_rounded(figure.low),
            high=_rounded(figure.high),
            n_comparisons=figure.n_items, n_prompts=max(figure.n_prompts, 1),
            method=figure.method,
        )  # fmt: skip
    return PolicyFile(
        name=strategy.name, dataset=dataset, criterion=criterion, simulated=simulated,
        judges=policy.judges, jury=policy.jury, orders=policy.orders, rule=policy.rule,
        human_share=policy.human_share, threshold=policy.threshold,
        at_threshold=policy.at_threshold, humans=policy.humans, unparsed=unparsed,
        match=choice.match,
        goal=_goal_in_words(goal) if place == choice.recommended else BY_NAME, quality=quality,
        cost=CostSection(usd_per_1000=_rounded(1000 * cost),
                         usd_per_human_label=_rounded(human)),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    """Six digits are enough for people; None where it is not known."""
    return None if value is None or not isfinite(value) else round(value, 6)


def place_of(choice: Choice, name: str | None) -> int:
    """The place of the strategy of a name, or of the recommended one. Raises InputError."""
    names = [each.name for each in choice.strategies]
    if name is not None and name not in names:
        near = "; ".join(names[k] for k in choice.on_frontier.nonzero()[0])
        raise InputError(
            f"no strategy {name!r}",
            "--all lists all" + (f"; on the frontier are: {near}." if near else " by their names."),
        )
    if name is not None:
        return names.index(name)
    if choice.recommended is None:
        raise InputError(
            "no strategy meets the goal, so there is no policy to save",
            'Another goal, or name one: --choose "NAME" (--all lists them).',
        )
    return choice.recommended


def _figure(choice: Choice, place: int) -> Estimate | None:
    """The recommended one's figure is that of prompts that had no part in choosing it."""
    wanted = ("recommended_quality", "strategy_quality")[place != choice.recommended :]
    name = choice.strategies[place].name
    found = [
        row for statistic in wanted for row in choice.rows
        if (row.statistic, row.subject) == (statistic, name) and row.estimate is not None
    ]  # fmt: skip
    return found[0] if found else None


def _goal_in_words(goal: Goal) -> str:
    if goal.budget_usd is not None:
        return f"most quality within ${goal.budget_usd:,.15g} for {goal.n:,} comparisons"
    if goal.quality is not None:
        return f"least cost for a quality of {goal.quality:.15g} or more"
    if goal.usd_per_point is not None:
        return f"a point of quality on 1,000 comparisons is worth ${goal.usd_per_point:,.15g}"
    return "most quality at any price"


def read_policy(path: Path) -> PolicyFile:
    """The policy that a file describes. Raises InputError with the file and the key."""
    try:
        raw = tomllib.loads(_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", HOW) from error
    except (ValueError, RecursionError) as error:  # ValueError: an integer without end too
        raise InputError(f"{path}: not TOML: {error}", "Mend that line.") from error
    try:
        return PolicyFile.model_validate(raw)
    except ValidationError as error:
        known = ", ".join(PolicyFile.model_fields)
        raise InputError(f"{path}: {_problems(error)}", f"Known keys: {known}.") from error


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():  # a device or a pipe may never end
        raise InputError(f"cannot read {path}: it is no file", HOW)
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(MOST_CHARACTERS + 1)
    if len(text) > MOST_CHARACTERS:  # dotted keys without end take minutes to read
        raise InputError(
            f"{path} has more than {MOST_CHARACTERS:,} characters: no policy is as long", HOW
        )
    return text


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    texts = (
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
        for each in found[:3]
    )
    return "; ".join(text.removeprefix(": ") for text in texts)


def check_new(path: Path, *, force: bool) -> None:
    """Raise InputError where a policy file cannot be written, before anything is tried."""
    if path.suffix != ".toml":
        raise InputError(f"{path} is no name of a policy file", "Name a .toml file.")
    if path.exists() and not force:
        raise InputError(f"{path} exists already", "Name another file, or add --force.")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no such folder", "Make the folder first.")


def write_policy(file: PolicyFile, path: Path, *, force: bool = False) -> None:
    """Write a policy file whole or not at all. Raises InputError as `check_new` does."""
    check_new(path, force=force)
    write_bytes(policy_text(file).encode(), path)


def policy_text(file: PolicyFile) -> str:
    """The TOML of a policy, with comments that say what it means."""
    values = file.model_dump(mode="json", exclude_none=True)
    said = (line for sentence in _explained(file) for line in wrap(sentence, 98))
    lines = [f"# {line}" for line in said]
    sections = {name: values.pop(name) for name in ("quality", "cost") if name in values}
    lines += ["", *_lines(values)]
    for name, section in sections.items():
        comment = audit_in_words(file, 1000) if name == "cost" else None
        about = [f"# {line}" for line in wrap(f"{comment}.", 98)] if comment else []
        if section or about:
            lines += ["", f"[{name}]", *about, *_lines(section)]
    return "\n".join(lines) + "\n"


def _explained(file: PolicyFile) -> Iterator[str]:
    yield f"Which feedback to buy, saved by `concord strategy`. {in_words(file)}"
    yield "Apply it to other comparisons: concord route --policy THIS_FILE --dataset NEW"


def in_words(file: PolicyFile) -> str:
    """What the policy does, in a sentence without names."""
    whose = "a jury's label is" if file.jury else "one judge's label is"
    if not file.judges:
        n = file.humans
        return f"Every comparison gets {'one human label' if n == 1 else f'{n} human labels'}."
    if file.rule is None:
        return f"On every comparison {whose} kept."
    return (
        f"About {percent(file.human_share)} go to a human: {_MEANINGS[file.rule]}; "
        f"on the rest {whose} kept."
    )


def audit_in_words(file: PolicyFile, n: int) -> str | None:
    """What the audit adds to the policy's cost for n comparisons; None where it adds nothing."""
    if not file.audits:
        return None
    usd = file.cost.usd_per_human_label
    more = "how much more is not known, as the price of a human label is not known"
    if usd is not None:
        each = usd * max(file.humans, 1)
        label = "a human label" if file.humans < 2 else f"{file.humans} human labels"
        more = f"about {money(n * file.audits * each)} more for {n:,}, at {money(each)} for {label}"
    return (
        f"the audit of {percent(file.audit)} of what keeps the AI label is not in this cost: {more}"
    )


def beyond(choice: Choice, place: int, goal: Goal) -> str | None:
    """What a strategy misses of the budget or the quality; None where it misses nothing."""
    quality, usd = float(choice.quality[place]), float(choice.cost_usd[place]) * goal.n
    if goal.allows(choice.quality, choice.cost_usd)[place]:
        return None
    if goal.budget_usd is not None:
        limit = f"the budget of ${goal.budget_usd:,.15g}"
        if not isfinite(usd):
            return f"what it costs is not known, nor whether that is within {limit}"
        cost = money(usd) if money(usd) != money(goal.budget_usd) else f"${usd:,.10g}"
        return f"it costs {cost} for {goal.n:,}, more than {limit}"
    if goal.quality is not None and isfinite(quality):
        shown = f"{quality:.3f}" if round(quality, 3) < goal.quality else f"{quality:.10g}"
        return f"its quality is {shown}, below the {goal.quality:.15g} that was asked for"
    return "its quality or its cost is not known"


def _lines(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON escapes all that TOML does but for one character; half a character is none
        text = value.encode("utf-8", "replace").decode()
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def as_policy(file: PolicyFile) -> Policy:
    """What is bought, without what it was chosen by."""
    return Policy(
        file.judges, file.jury, file.orders, file.rule, file.human_share, file.threshold,
        file.humans, file.at_threshold,
    )  # fmt: skip
