"""Keys, and what an error of a provider means: shared by all ways of calling one.

ProviderError     no other call of this judge would succeed: the key, the credit, the model
UnsupportedError  the provider does not take structured output or log-probabilities
CallError         this call brought nothing; it says whether another may
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import ProviderError
from judges.chat import said_error, storable
from judges.client import CallError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from judges.judge import Judge

CALL_SECONDS = 120.0
NO_KEY = "no-key"
TRY_AGAIN = frozenset({408, 409, 425, 429})  # and all from 500 on
OVERLOADED = frozenset({429, 503, 529})
GAVE_UP_WAITING = frozenset({408, 502, 504, 524})  # a gateway did; the model may have worked on
NEVER_LEFT = (ConnectionRefusedError, socket.gaierror)
SHORTEST_SECRET = 8  # a shorter value of a variable is more likely a word
LONGEST_MESSAGE = 200
OUT_OF_CREDIT = "insufficient_quota"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET)$")
_POLICY_CODES = frozenset({"content_policy_violation", "content_filter"})
_POLICY_WORDS = (
    "violating our usage policy",
    "rejected as a result of our safety system",
    "rejected as a result of the safety system",
    "content filtering policy",
    "content management policy",
)


# ---- keys


def named_key(judge: Judge) -> str | None:
    """The key of the judge file, or what stands for none at an address of the user's.

    None: the provider's own, from wherever it is looked for. Raises ProviderError.
    """
    if judge.api_key_file:
        return _key_from_file(judge.name, Path(judge.api_key_file))
    if judge.api_key_env:
        return _key_from_environment(judge.name, judge.api_key_env)
    # A key meant for somebody else is not sent to an address of the user's.
    return NO_KEY if judge.api_base else None


def missing_key(judge: Judge, variables: str, first: str) -> ProviderError:
    """The provider's own variable is not set."""
    return ProviderError(
        f"judge {judge.name}: no key for {judge.model}: {variables} is not set",
        f"export {first}=..., or set api_key_env or api_key_file in the judge file.",
    )


def provider_key(judge: Judge, variable: str) -> str:
    """The key of the judge file, else the one in the provider's own variable, or ProviderError."""
    key = named_key(judge) or os.environ.get(variable, "").strip()
    if not key:
        raise missing_key(judge, variable, variable)
    return key


def _key_from_environment(judge: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ProviderError(
            f"judge {judge}: the environment variable {variable} is not set",
            f"export {variable}=..., or change api_key_env in the judge file.",
        )
    return key


def _key_from_file(judge: str, path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"judge {judge}: cannot read the key file {path}", "Check api_key_file."
        ) from error
    if len(key.split()) != 1:  # without a key a library would look for another one
        raise ProviderError(
            f"judge {judge}: the key file {path} does not hold one key", "Write the key alone."
        )
    return key


def brief(text: str, key: str | None) -> str:
    """The start of a message without any key: some servers send back the one they refuse."""
    secrets = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    for secret in sorted({*secrets, key or ""} - {NO_KEY}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[key]")
    return storable(" ".join(text.split())[:LONGEST_MESSAGE])


def is_loopback(host: str | None) -> bool:
    """Whether this is an address of this machine."""
    host = host or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ---- what an answer means


@dataclass(frozen=True, slots=True)
class Refused:
    """An error that a provider answered with. `message` holds no key."""

    status: int
    message: str
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, status: int, body: object, headers: Mapping[str, str], key: str | None
    ) -> Refused:
        """From the parsed body of an answer, whose error servers write in several ways."""
        message, code = _said(body)
        return cls(status, brief(message, key), code, headers)

    @property
    def content(self) -> bool:
        """Whether the content is what was refused."""
        said = self.message.lower()
        if self.status == 403 and "flagged" in said:  # a moderation, of OpenRouter's
            return True
        known = self.code in _POLICY_CODES or any(words in said for words in _POLICY_WORDS)
        return known and 400 <= self.status < 500

    @property
    def out_of_credit(self) -> bool:
        """OpenAI says it with the status of a rate limit, Anthropic with that of a bad request."""
        return self.code == OUT_OF_CREDIT or "credit balance is too low" in self.message


def translate(judge: Judge, refused: Refused, reason: str) -> ProviderError | CallError:
    """What a run can act on; `reason` is what a label that fails for it says."""
    if refused.content:
        return CallError(reason, retryable=False, refused=True)
    hopeless = hopeless_status(judge, refused.status, out_of_credit=refused.out_of_credit)
    if hopeless is not None:
        return ProviderError(f"judge {judge.name}: {hopeless[0]} ({refused.message})", hopeless[1])
    if refused.status in (400, 422) and names_unsupported(refused.message):
        return UnsupportedError(reason)
    return call_error(reason, refused.status, refused.headers)


def hopeless_status(judge: Judge, status: int, *, out_of_credit: bool) -> tuple[str, str] | None:
    """What is wrong and how to mend it, where no other call of this judge would succeed."""
    if status == 402 or out_of_credit:
        return "the provider's account has no credit left", "Add credit, then run it again."
    if status in (401, 403):
        return "the provider refused the key", "Check the key and what it may be used for."
    if status == 404:
        wrong = "`model`" if judge.api_base is None else "`model` or `api_base`"
        return (
            f"the provider does not know the model {judge.model!r}",
            f"Correct {wrong} in the judge file.",
        )
    return None


def names_unsupported(said: str) -> bool:
    """Whether structured output or log-probabilities are what the provider does not take."""
    return any(name in said for name in ("response_format", "logprobs", "json_schema"))


def call_error(reason: str, status: int, headers: Mapping[str, str]) -> CallError:
    """An answer that is no reply, by its status."""
    return CallError(
        reason,
        retryable=status in TRY_AGAIN or status >= 500,
        retry_after_seconds=retry_after(headers),
        maybe_paid=status in GAVE_UP_WAITING,
        overloaded=status in OVERLOADED,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header holds those or a date."""
    given: Any = headers.get("retry-after")
    try:
        return max(0.0, float(given))
    except (TypeError, ValueError):
        pass
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def origins(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def never_left(chain: Iterable[BaseException]) -> bool:
    """Whether there was nobody to send a request to."""
    return any(isinstance(each, NEVER_LEFT) for each in chain)


def system_words(error: BaseException) -> str:
    """Why there is no connection, in the words of the operating system."""
    if isinstance(error, socket.gaierror):
        return "nobody knows this host"
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return str(error) or type(error).__name__


def _said(body: object) -> tuple[str, str]:
    """Message and code: OpenAI and Anthropic nest them, vLLM and others do not."""
    if not isinstance(body, dict):
        return str(body or ""), ""
    nested = said_error(body.get("error"))
    if nested[0]:
        return nested
    plain = said_error(body)
    return (plain[0] or str(body.get("detail") or ""), nested[1] or plain[1])
