"""Calls through LiteLLM. The only module that imports it, and only when a judge is used.

LiteLLM's own retries are switched off: they skip without a dependency and sleep through any
Retry-After, so the run retries itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
import warnings
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from data.errors import ProviderError
from data.records import Reply
from judges.chat import storable, text_or_none, token_count
from judges.client import CallError, UnsupportedError
from judges.pricing import tariff_of
from judges.provider_errors import (
    CALL_SECONDS,
    NEVER_LEFT,
    OUT_OF_CREDIT,
    TRY_AGAIN,
    brief,
    call_error,
    hopeless_status,
    missing_key,
    named_key,
    names_unsupported,
    never_left,
    origins,
    system_words,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from types import ModuleType

    from judges.client import Request
    from judges.judge import Judge


# The names that LiteLLM puts before a message, once for each layer that it passed.
_NOISE = re.compile(r"^(?:(?:litellm\.)?[A-Za-z]+(?:Error|Exception)(?:: | - ))+")


_CALLBACKS = ("callbacks", "success_callback", "_async_success_callback")


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
    _skip_success_log(litellm)
    module: ModuleType = litellm
    return module


def _skip_success_log(litellm: Any) -> None:
    """Make no record of a reply for LiteLLM's callbacks while there are none.

    It costs a tenth of a call, and at many calls at once the queue of records holds every reply.
    """
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER as WORKER

    enqueue = getattr(WORKER, "ensure_initialized_and_enqueue", None)
    if enqueue is None or hasattr(enqueue, "skips"):
        return

    def enqueue_if_heard(async_coroutine: Coroutine[Any, Any, None]) -> None:
        heard = any(getattr(litellm, name, None) for name in _CALLBACKS)
        (enqueue if heard else _drop)(async_coroutine)

    enqueue_if_heard.skips = True  # type: ignore[attr-defined]
    WORKER.ensure_initialized_and_enqueue = enqueue_if_heard


def _drop(coroutine: Coroutine[Any, Any, None]) -> None:
    coroutine.close()


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
        self._price_version = tariff_of(judge).version

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
                    **deepcopy(dict(request.parameters)),  # LiteLLM writes into nested ones
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
            text=text_or_none(text),
            served_model=text_or_none(getattr(response, "model", None)),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            paid_usd=self._cost(response, prompt_tokens, completion_tokens),
            price_version=self._price_version,
            seconds=seconds,
            finish_reason=None if choice is None else choice.finish_reason,
            logprobs=None if choice is None else _logprobs(choice),
            fingerprint=text_or_none(getattr(response, "system_fingerprint", None)),
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
        key = named_key(judge)
        if key is not None:
            return key
        # Only API keys are asked for: a profile or a role may stand in for the others.
        named = self._litellm.validate_environment(judge.model).get("missing_keys") or []
        missing = [name for name in named if name.endswith("_API_KEY") and name not in os.environ]
        if missing:
            raise missing_key(judge, " or ".join(missing), missing[0])
        return None

    def _translate(self, error: Exception) -> Exception:
        """What LiteLLM raises, as something the run can act on.

        LiteLLM gives status 500 to what has none (a dropped connection, broken JSON), so what the
        provider answered is read from the error of the HTTP client behind it.
        """
        known = self._litellm.exceptions
        chain = tuple(origins(error))
        answer = _answer(chain)
        status = None if answer is None else int(answer.status_code)
        said = self._brief(error)
        reason = said if status is None else f"the provider answered {status}: {said}"
        if never_left(chain):
            where = self._judge.api_base or "the provider"
            reason = f"no connection to {where}: {system_words(_first(chain))}"
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
                maybe_paid=not never_left(chain),
            )
        return call_error(reason, status, answer.headers)

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
        if status != 402 and isinstance(error, known.AuthenticationError):
            status = 401  # LiteLLM knows more words for it than statuses
        return hopeless_status(judge, status or 0, out_of_credit=_is_out_of_credit(error, chain))

    def _brief(self, error: Exception) -> str:
        """The message without any key: some servers send back the one that they refuse."""
        text = str(error) or f"no reply within {self._call_seconds:g} seconds"
        told = text.partition("Traceback (most recent call last)")[0]  # LiteLLM's own, in some
        told = _NOISE.sub("", told) or told
        return brief(told, self._key)


def _is_unsupported(error: Exception, status: int | None, said: str) -> bool:
    """Whether structured output or log-probabilities are what the provider does not take."""
    refused = status in (400, 422) or type(error).__name__ == "UnsupportedParamsError"
    return refused and names_unsupported(said)


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
    prompt_tokens = token_count(getattr(usage, "prompt_tokens", None))
    if not prompt_tokens:
        return None, None
    return prompt_tokens, token_count(getattr(usage, "completion_tokens", None))


def _answer(chain: Sequence[BaseException]) -> Any:
    """The provider's reply behind an error, or None; LiteLLM makes up replies of its own."""
    for each in chain:
        reply = getattr(each, "response", None)
        if not type(each).__module__.startswith("litellm") and hasattr(reply, "status_code"):
            return reply
    return None


def _first(chain: Sequence[BaseException]) -> BaseException:
    """What the system said, of all that was made of it."""
    return next(each for each in chain if isinstance(each, NEVER_LEFT))


def _is_broken(chain: Sequence[BaseException]) -> bool:
    return any(isinstance(each, json.JSONDecodeError) for each in chain)


def _is_out_of_credit(error: Exception, chain: Sequence[BaseException]) -> bool:
    """OpenAI says it with the status of a rate limit, Anthropic with that of a bad request."""
    codes = {getattr(each, "code", None) for each in chain}
    return OUT_OF_CREDIT in codes or "credit balance is too low" in str(error)


@contextmanager
def _event_loop() -> Iterator[None]:
    """An event loop that is closed: LiteLLM would make one of its own and leave it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def embeddings(model: str, texts: Sequence[str]) -> tuple[list[list[float]], float | None]:
    """A vector for each text, and the US dollars of the call; None where the price is not known.

    One call, tried again twice where that can help. Raises ProviderError.
    """
    litellm = load_litellm()
    for pause in (1.0, 4.0, None):
        try:
            with _event_loop():
                response = litellm.embedding(
                    model=model, input=[storable(text) for text in texts], timeout=CALL_SECONDS,
                    max_retries=0, num_retries=0,
                )  # fmt: skip
            break
        except Exception as error:
            status = getattr(error, "status_code", None)
            again = status in TRY_AGAIN or (isinstance(status, int) and status >= 500)
            if pause is None or not again:
                said = brief(_NOISE.sub("", str(error)), None)
                raise ProviderError(
                    f"no embeddings from {model}: {said}",
                    "Give --embedding a LiteLLM embedding model and set its key: "
                    "openai/text-embedding-3-small needs OPENAI_API_KEY.",
                ) from error
            time.sleep(pause)
    vectors = [item["embedding"] for item in response.data]
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
        raise ProviderError(
            f"{model} gave {len(vectors)} vectors for {len(texts)} texts", "Choose another model."
        )
    cost = response._hidden_params.get("response_cost")
    return vectors, float(cost) if cost else None


def catalogue_version() -> str:
    """Which prices LiteLLM's bundled catalogue holds."""
    from importlib.metadata import version

    return f"litellm {version('litellm')}"
