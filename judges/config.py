"""Judge files: TOML to Judge. Errors name the file and the key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import JudgeError
from data.records import OVERALL
from judges.judge import Judge, Orders, Price
from judges.parsing import DEFAULT_PATTERN, Menu
from judges.prompts import read_template

LIBRARY = Path(__file__).with_name("library")
Name = Annotated[str, Field(pattern=r"^[\w.@/:+ -]{1,80}$")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceSection(_Strict):
    """`[price]`: US dollars per million tokens."""

    input_usd_per_million_tokens: NotNegative
    output_usd_per_million_tokens: NotNegative


class VerdictSection(_Strict):
    """`[verdict]`: what the template asks the model to answer."""

    first: str = "1"
    second: str = "2"
    tie: str = "tie"
    ties: bool = True
    pattern: str = DEFAULT_PATTERN


class JudgeFile(_Strict):
    """A judge file, key by key."""

    name: Name
    model: Annotated[str, Field(min_length=1)]
    template: str = "pairwise"
    criterion: Name = OVERALL
    orders: Orders = Orders.BOTH
    api_base: Annotated[str, Field(pattern=r"^https?://")] | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    verdict: VerdictSection = VerdictSection()
    price: PriceSection | None = None


def library() -> dict[str, Path]:
    """The judge files that ship with the project, by name."""
    return {path.stem: path for path in sorted(LIBRARY.glob("*.toml"))}


def find_judge(name: str) -> Path:
    """A judge file by its path, or a shipped one by its name."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    if name in library():
        return library()[name]
    raise JudgeError(
        f"no judge {name!r}",
        f"Give the path of a .toml file, or one of: {', '.join(library())} (concord judges).",
    )


def read_judge(path: Path) -> Judge:
    """The judge that a file describes. Raises JudgeError with the file and the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"cannot read {path}: {error}", "Check path and encoding.") from error
    except tomllib.TOMLDecodeError as error:
        raise JudgeError(f"{path}: not TOML: {error}", "Mend that line.") from error
    try:
        file = JudgeFile.model_validate(raw)
    except ValidationError as error:
        raise JudgeError(f"{path}: {_problems(error)}", _KEYS) from error
    _check_pattern(path, file.verdict.pattern)
    return _judge(file, path)


_KEYS = "Known keys: " + ", ".join(JudgeFile.model_fields) + "."


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found[:3])


def _check_pattern(path: Path, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise JudgeError(
            f"{path}: verdict.pattern: not a regular expression ({error})", "Mend the pattern."
        ) from error
    if groups == 0:
        raise JudgeError(
            f"{path}: verdict.pattern has no group",
            "Put the part that names the choice into parentheses.",
        )


def _judge(file: JudgeFile, path: Path) -> Judge:
    verdict = file.verdict
    return Judge(
        name=file.name,
        model=file.model,
        template=read_template(file.template, path.parent),
        menu=Menu(
            verdict.first, verdict.second, verdict.tie if verdict.ties else None, verdict.pattern
        ),
        parameters=file.parameters,
        criterion=file.criterion,
        orders=file.orders,
        api_base=file.api_base,
        api_key_env=file.api_key_env,
        api_key_file=file.api_key_file and str(path.parent / file.api_key_file),
        price=file.price
        and Price(
            file.price.input_usd_per_million_tokens, file.price.output_usd_per_million_tokens
        ),
    )
