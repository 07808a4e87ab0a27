"""Calls through LiteLLM. The only module that imports it, and only when a judge is used.

LiteLLM's own retries are switched off: they skip without a dependency and sleep through any
Retry-After, so the run retries itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
import warnings
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import PriceError, ProviderError
from data.records import Reply
from judges.client import CallError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from judges.client import Request
    from judges.judge import Judge

CALL_SECONDS = 120.0
NO_KEY = "no-key"
TRY_AGAIN = frozenset({408, 409, 425, 429})  # and all from 500 on
OVERLOADED = frozenset({429, 503, 529})
GAVE_UP_WAITING = frozenset({408, 502, 504, 524})  # a gateway did; the model may have worked on
MOST_TOKENS = 10**9  # of one call
SHORTEST_SECRET = 8  # a shorter value of a variable is more likely a word
NEVER_LEFT = (ConnectionRefusedError, socket.gaierror)
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET)$")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def load_litellm() -> ModuleType:
    """LiteLLM without its downloads, its search for .env files and its advertisements."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    import litellm

    # Set by LiteLLM as well, but once: who resets the warnings (pytest) meets it at the first call.
    warnings.filterwarnings("ignore", message=".*`ReadOnly` qualifier")
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    litellm.telemetry = False
    module: ModuleType = litellm
    return module


class LiteLLMClient:
    """A provider reached through LiteLLM for one judge.

    Raises ProviderError for a missing key or an unknown provider, and PriceError where neither the
    judge file nor LiteLLM's bundled price map knows what a token costs.
    """

    def __init__(self, judge: Judge, *, call_seconds: float = CALL_SECONDS) -> None:
        self._litellm = load_litellm()
        self._judge = judge
        self._call_seconds = call_seconds
        self._check_model()
        self._key = self._find_key()
        self._catalogue_version = self._check_price()

    async def complete(self, request: Request) -> Reply:
        """One call, without retries."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._call_seconds):  # LiteLLM's bounds each read only
                response = await self._litellm.acompletion(
                    model=request.model,
                    messages=[
                        {"role": m.role, "content": storable(m.content)} for m in request.messages
                    ],
                    api_base=request.api_base,
                    api_key=self._key,
                    max_retries=0,
                    num_retries=0,
                    timeout=self._call_seconds,
                    **request.parameters,
                )
        except Exception as error:
            raise self._translate(error) from error
        return self._reply(request, response, time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections of this event loop. LiteLLM keeps them for all clients together."""
        await self._litellm.close_litellm_async_clients()
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    def _reply(self, request: Request, response: Any, seconds: float) -> Reply:
        choice = response.choices[0] if response.choices else None
        text = None if choice is None else choice.message.content
        prompt_tokens, completion_tokens = _tokens(response)
        return Reply(
            request_hash=request.request_hash,
            text=_text(text),
            served_model=_text(getattr(response, "model", None)),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            paid_usd=self._cost(response, prompt_tokens, completion_tokens),
            price_version=self._catalogue_version,
            seconds=seconds,
            finish_reason=None if choice is None else choice.finish_reason,
            logprobs=None if choice is None else _logprobs(choice),
            fingerprint=_text(getattr(response, "system_fingerprint", None)),
        )

    def _cost(self, response: Any, prompt_tokens: int | None, output: int | None) -> float | None:
        if prompt_tokens is None or output is None:
            return None
        price = self._judge.price
        if price is not None:
            return price.cost_usd(prompt_tokens, output)
        cost: float | None = response._hidden_params.get("response_cost")
        return cost or self._cost_as_asked(response.usage)

    def _cost_as_asked(self, usage: Any) -> float | None:
        """By the price of the judge's model: LiteLLM says 0 for a served name it half knows."""
        try:
            costs = self._litellm.cost_per_token(model=self._judge.model, usage_object=usage)
        except Exception:  # the reply was paid for: it is kept, at a cost that is not known
            return None
        return float(sum(costs))

    def _check_model(self) -> None:
        judge = self._judge
        try:
            self._litellm.get_llm_provider(judge.model, api_base=judge.api_base)
        except Exception as error:
            raise ProviderError(
                f"judge {judge.name}: the model {judge.model!r} names no provider LiteLLM knows",
                "Write provider/model, such as openai/gpt-5-mini; with api_base: openai/NAME.",
            ) from error

    def _find_key(self) -> str | None:
        judge = self._judge
        if judge.api_key_file:
            return _key_from_file(judge.name, Path(judge.api_key_file))
        if judge.api_key_env:
            return _key_from_environment(judge.name, judge.api_key_env)
        if judge.api_base:
            return NO_KEY  # a key meant for somebody else is not sent to an address of the user's
        # Only API keys are asked for: a profile or a role may stand in for the others.
        named = self._litellm.validate_environment(judge.model).get("missing_keys") or []
        missing = [name for name in named if name.endswith("_API_KEY") and name not in os.environ]
        if missing:
            raise ProviderError(
                f"judge {judge.name}: no key for {judge.model}: {' or '.join(missing)} is not set",
                f"export {missing[0]}=..., or set api_key_env or api_key_file in the judge file.",
            )
        return None

    def _check_price(self) -> str:
        judge = self._judge
        if judge.price is not None:
            return "judge file"
        try:
            info = self._litellm.get_model_info(judge.model)
        except Exception:
            info = {}
        prices = (info.get("input_cost_per_token"), info.get("output_cost_per_token"))
        if None in prices or judge.api_base:
            raise PriceError(
                f"judge {judge.name}: the price of {judge.model} is not known",
                "Add to the judge file: [price] input_usd_per_million_tokens = ... and "
                "output_usd_per_million_tokens = ... (0 for your own machine).",
            )
        return f"litellm {_litellm_version()}"

    def _translate(self, error: Exception) -> Exception:
        """What LiteLLM raises, as something the run can act on.

        LiteLLM gives status 500 to what has none (a dropped connection, broken JSON), so what the
        provider answered is read from the error of the HTTP client behind it.
        """
        known = self._litellm.exceptions
        chain = tuple(_chain(error))
        answer = _answer(chain)
        status = None if answer is None else int(answer.status_code)
        said = self._brief(error)
        reason = f"{type(error).__name__}: {said}"
        flagged = status == 403 and "flagged" in said.lower()  # a moderation, of OpenRouter's
        if flagged or isinstance(error, known.ContentPolicyViolationError):
            return CallError(reason, retryable=False, refused=True)
        hopeless = self._hopeless(error, chain, status)
        if hopeless is None and _is_unsupported(error, status, said):
            return UnsupportedError(reason)
        if hopeless is not None:
            return ProviderError(f"judge {self._judge.name}: {hopeless[0]} ({said})", hopeless[1])
        if status is None:
            return CallError(
                reason,
                retryable=not isinstance(error, known.BadRequestError) or _is_broken(chain),
                maybe_paid=not any(isinstance(each, NEVER_LEFT) for each in chain),
            )
        return CallError(
            reason,
            retryable=status in TRY_AGAIN or status >= 500,
            retry_after_seconds=_retry_after(answer.headers),
            maybe_paid=status in GAVE_UP_WAITING,
            overloaded=status in OVERLOADED,
        )

    def _hopeless(
        self, error: Exception, chain: Sequence[BaseException], status: int | None
    ) -> tuple[str, str] | None:
        """What is wrong and how to mend it, where no other call of this judge would succeed."""
        judge, known = self._judge, self._litellm.exceptions
        if isinstance(error, known.UnsupportedParamsError) and not _is_unsupported(
            error, status, str(error)
        ):
            return "a parameter is not supported", "Remove it from [parameters] in the judge file."
        if any(isinstance(each, ImportError) for each in chain):
            return f"{judge.model} needs a package that is missing", "Install it beside Concord."
        if status == 402 or _is_out_of_credit(error, chain):
            return "the provider's account has no credit left", "Add credit, then run it again."
        if status in (401, 403) or isinstance(error, known.AuthenticationError):
            return "the provider refused the key", "Check the key and what it may be used for."
        if status == 404:
            wrong = "`model`" if judge.api_base is None else "`model` or `api_base`"
            return (
                f"the provider does not know the model {judge.model!r}",
                f"Correct {wrong} in the judge file.",
            )
        return None

    def _brief(self, error: Exception) -> str:
        """The message without any key: some servers send back the one that they refuse."""
        text = str(error) or f"no reply within {self._call_seconds:g} seconds"
        secrets = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
        for secret in sorted({*secrets, self._key or ""} - {NO_KEY}, key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "[key]")
        told = text.partition("Traceback (most recent call last)")[0]  # LiteLLM's own, in some
        return storable(" ".join(told.split())[:200])


def _is_unsupported(error: Exception, status: int | None, said: str) -> bool:
    """Whether structured output or log-probabilities are what the provider does not take."""
    named = any(name in said for name in ("response_format", "logprobs", "json_schema"))
    return named and (status in (400, 422) or type(error).__name__ == "UnsupportedParamsError")


def storable(text: str) -> str:
    """Half of a character that was cut in two cannot be stored or sent: it is replaced."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _text(value: object) -> str | None:
    return storable(value) if isinstance(value, str) else None


def _logprobs(choice: Any) -> tuple[dict[str, float], ...] | None:
    """For each token its likeliest alternatives; None where a provider returns none."""
    content = getattr(getattr(choice, "logprobs", None), "content", None) or ()
    found = tuple(
        {storable(top.token): float(top.logprob) for top in token.top_logprobs or ()}
        for token in content
    )
    return found if any(found) else None


def _tokens(response: Any) -> tuple[int | None, int | None]:
    """Of prompt and completion; LiteLLM says 0 where the provider says nothing."""
    usage = getattr(response, "usage", None)
    prompt_tokens = _count(getattr(usage, "prompt_tokens", None))
    if not prompt_tokens:
        return None, None
    return prompt_tokens, _count(getattr(usage, "completion_tokens", None))


def _count(tokens: object) -> int | None:
    """A number of tokens that can be one; a server that says -5 or 10**30 has said nothing."""
    return tokens if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS else None


def _key_from_file(judge: str, path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"judge {judge}: cannot read the key file {path}", "Check api_key_file."
        ) from error
    if len(key.split()) != 1:  # without a key LiteLLM would look for another one
        raise ProviderError(
            f"judge {judge}: the key file {path} does not hold one key", "Write the key alone."
        )
    return key


def _key_from_environment(judge: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ProviderError(
            f"judge {judge}: the environment variable {variable} is not set",
            f"export {variable}=..., or change api_key_env in the judge file.",
        )
    return key


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _answer(chain: Sequence[BaseException]) -> Any:
    """The provider's reply behind an error, or None; LiteLLM makes up replies of its own."""
    for each in chain:
        reply = getattr(each, "response", None)
        if not type(each).__module__.startswith("litellm") and hasattr(reply, "status_code"):
            return reply
    return None


def _is_broken(chain: Sequence[BaseException]) -> bool:
    return any(isinstance(each, json.JSONDecodeError) for each in chain)


def _is_out_of_credit(error: Exception, chain: Sequence[BaseException]) -> bool:
    """OpenAI says it with the status of a rate limit, Anthropic with that of a bad request."""
    codes = {getattr(each, "code", None) for each in chain}
    return "insufficient_quota" in codes or "credit balance is too low" in str(error)


def _retry_after(headers: Any) -> float | None:
    """Seconds; the header holds those or a date."""
    given = headers.get("retry-after")
    try:
        return max(0.0, float(given))
    except (TypeError, ValueError):
        pass
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _litellm_version() -> str:
    from importlib.metadata import version

    return version("litellm")
