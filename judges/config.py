"""Judge files: TOML to Judge. Errors name the file and the key."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator

from data.errors import JudgeError
from data.records import OVERALL
from judges.baselines import BASELINES
from judges.judge import Judge, Orders, Price
from judges.parsing import DEFAULT_PATTERN, Menu
from judges.prompts import read_template

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = Path(__file__).with_name("library")
Name = Annotated[str, Field(pattern=r"^[\w.@/:+ -]{1,80}$")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
ADDRESS = re.compile(r"https?://[^\s/?#@]+([/?#]\S*)?")
# Set elsewhere, or LiteLLM would answer from somewhere else, several times or not as asked.
NOT_PARAMETERS = frozenset(
    {"model", "messages", "api_base", "base_url", "timeout", "max_retries", "num_retries"}
    | {"n", "stream", "mock_response", "fallbacks", "model_list", "drop_params", "shared_session"}
)
_SECRET = re.compile(
    r"(^|_)((api_?|access_|subscription_)key|token|secret|password|credentials?|authorization)$"
)


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
    ties: StrictBool = True
    pattern: str = DEFAULT_PATTERN


class JudgeFile(_Strict):
    """A judge file, key by key."""

    name: Name
    model: Annotated[str, Field(min_length=1)]
    template: str = "pairwise"
    criterion: Name = OVERALL
    orders: Orders = Orders.BOTH
    api_base: str | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    api_key_file: Annotated[str, Field(min_length=1)] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    verdict: VerdictSection = VerdictSection()
    price: PriceSection | None = None

    @field_validator("api_base")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not ADDRESS.fullmatch(value):
            raise ValueError("not an address such as http://127.0.0.1:8000/v1, without a password")
        return value

    @field_validator("parameters")
    @classmethod
    def _can_be_sent(cls, values: dict[str, Any]) -> dict[str, Any]:
        """They are part of the judge's identity and are stored with it: no secret may be here."""
        for name in values:
            if name in NOT_PARAMETERS:
                raise ValueError(f"{name} cannot be set here")
        for name in _names(values):
            if _SECRET.search(name.lower().replace("-", "_")):
                raise ValueError(f"{name} looks like a key: use api_key_env or api_key_file")
        try:
            json.dumps(values, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"cannot be sent as JSON ({error})") from error
        return values


def _names(value: Any) -> Iterator[str]:
    """All keys of nested tables."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


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
    if path.suffix == ".toml":
        raise JudgeError(f"no judge file {name}", "Check the path.")
    raise JudgeError(
        f"no judge {name!r}",
        f"Give the path of a .toml file, or one of: {', '.join([*library(), *BASELINES])}.",
    )


def read_judge(path: Path) -> Judge:
    """The judge that a file describes. Raises JudgeError with the file and the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
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
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        for item in found[:3]
    )


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


@contextmanager
def _at(path: Path, key: str) -> Iterator[None]:
    """A JudgeError of the block names the judge file and the key as well."""
    try:
        yield
    except JudgeError as error:
        raise JudgeError(f"{path}: {key}: {error.what}", error.fix) from error


def _judge(file: JudgeFile, path: Path) -> Judge:
    verdict = file.verdict
    with _at(path, "template"):
        template = read_template(file.template, path.parent)
    with _at(path, "verdict"):
        tie = verdict.tie if verdict.ties else None
        menu = Menu(verdict.first, verdict.second, tie, verdict.pattern)
    return Judge(
        name=file.name,
        model=file.model,
        template=template,
        menu=menu,
        parameters=file.parameters,
        criterion=file.criterion,
        orders=file.orders,
        api_base=file.api_base,
        api_key_env=file.api_key_env,
        api_key_file=file.api_key_file and str(path.parent / file.api_key_file),
        price=None if file.price is None else Price(**file.price.model_dump()),
    )
