"""Settings as dataclass fields with what they mean and may be; checked by name, read by key."""

from __future__ import annotations

from dataclasses import field, fields
from math import isfinite
from typing import TYPE_CHECKING, Any

from data.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

HOW = "concord simulate --template prints a file with every setting."


def wrong(where: str, value: object, wanted: str) -> InputError:
    """A setting that cannot be used: where, what it is, and what it must be."""
    return InputError(f"{where} is {str(value)[:60]}: it must be {wanted}", HOW)


def whole(default: Any, words: str, least: int, most: int | None = None) -> Any:
    """A whole number; None too where that is the default."""
    return _field(default, words, _whole, least, most)


def number(default: Any, words: str, least: float, most: float | None = None) -> Any:
    """A number; None too where that is the default."""
    return _field(default, words, _number, least, most)


def truth(default: bool, words: str) -> Any:
    """True or false."""
    return _field(default, words, _truth)


def word(default: str, words: str) -> Any:
    """One line of text that can be seen."""
    return _field(default, words, _word)


def word_list(default: tuple[str, ...], words: str) -> Any:
    """Several of those."""
    return _field(default, words, _listed(_word))


def number_list(default: tuple[float, ...], words: str) -> Any:
    """Several numbers."""
    return _field(default, words, _listed(_number))


def choice(default: StrEnum, words: str) -> Any:
    """One member of the default's enumeration."""
    kind = type(default)

    def check(value: Any, where: str) -> StrEnum:
        if value not in list(kind):
            raise wrong(where, value, f"one of {', '.join(kind)}")
        return kind(value)

    return _field(default, words, check)


def check_settings(settings: Any, where: str) -> None:
    """Types and ranges of a frozen dataclass; a list becomes a tuple, a word its member.

    Raises InputError that begins with `where` and the field's name.
    """
    for each in fields(settings):
        value, rules = getattr(settings, each.name), each.metadata
        if not rules or (value is None and each.default is None):
            continue
        checked = rules["check"](value, f"{where}{each.name}")
        object.__setattr__(settings, each.name, checked)
        least, most = rules["least"], rules["most"]
        if (least is not None and checked < least) or (most is not None and checked > most):
            ends = f"{least:g} or more" if most is None else f"between {least:g} and {most:g}"
            raise wrong(f"{where}{each.name}", value, ends)


def check_keys(given: Mapping[str, Any], kind: type[Any], where: str) -> None:
    """Only names of the fields of `kind`."""
    known = [each.name for each in fields(kind)]
    for key in given:
        if key not in known:
            raise InputError(f"{where}no setting {key!r}", HOW)


def toml_lines(settings: Any, hidden: tuple[str, ...] = ()) -> list[str]:
    """A line a field, with its value and what it means; None is a comment."""
    lines = []
    for each in fields(settings):
        if each.metadata and each.name not in hidden:
            value = getattr(settings, each.name)
            line = f"# {each.name} =" if value is None else f"{each.name} = {_toml(value)}"
            lines.append(f"{line:<44}# {each.metadata['words']}")
    return lines


def _field(
    default: Any,
    words: str,
    check: Callable[[Any, str], Any],
    least: float | None = None,
    most: float | None = None,
) -> Any:
    rules = {"words": words, "check": check, "least": least, "most": most}
    return field(default=default, metadata=rules)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(where, value, "a whole number")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise wrong(where, value, "a number")
    return float(value)


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(where, value, "true or false")
    return value


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or value.strip() != value or not value or len(value) > 100:
        raise wrong(where, value, "a short text in quotes, no space at its ends")
    if not value.isprintable():
        raise wrong(where, value, "one line that can be seen")
    return value


def _listed(check: Callable[[Any, str], Any]) -> Callable[[Any, str], tuple[Any, ...]]:
    def check_all(values: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise wrong(where, values, "a list")
        return tuple(check(value, where) for value in values)

    return check_all


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
