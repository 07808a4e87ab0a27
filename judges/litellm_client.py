"""Calls through LiteLLM. The only module that imports it, and only when a judge is used.

LiteLLM's own retries are switched off: they skip without a dependency and sleep through any
Retry-After, so the run retries itself.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import PriceError, ProviderError
from data.records import Reply
from judges.client import CallError

if TYPE_CHECKING:
    from types import ModuleType

    from judges.client import Request
    from judges.judge import Judge

CALL_SECONDS = 120.0
NO_KEY = "no-key"


def load_litellm() -> ModuleType:
    """LiteLLM without its downloads, its search for .env files and its advertisements."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    litellm.telemetry = False
    return litellm


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
        served_model = getattr(response, "model", None)
        prompt_tokens, completion_tokens = _tokens(response)
        return Reply(
            request_hash=request.request_hash,
            text=None if text is None else storable(text),
            served_model=None if served_model is None else storable(served_model),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            paid_usd=self._cost(response, prompt_tokens, completion_tokens),
            price_version=self._catalogue_version,
            seconds=seconds,
            finish_reason=None if choice is None else choice.finish_reason,
        )

    def _cost(self, response: Any, prompt_tokens: int | None, output: int | None) -> float | None:
        if prompt_tokens is None or output is None:
            return None
        price = self._judge.price
        if price is None:
            cost: float | None = response._hidden_params.get("response_cost")
            return cost
        return price.cost_usd(prompt_tokens, output)

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
        named = self._litellm.validate_environment(judge.model).get("missing_keys") or []
        # What is not called a key may come from elsewhere: a profile, a role, a default address.
        missing = [name for name in named if name.endswith("_KEY") and not os.environ.get(name)]
        if any(name.endswith("_API_KEY") for name in missing):
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
        if info.get("input_cost_per_token") is None or judge.api_base:
            raise PriceError(
                f"judge {judge.name}: the price of {judge.model} is not known",
                "Add to the judge file: [price] input_usd_per_million_tokens = ... and "
                "output_usd_per_million_tokens = ... (0 for your own machine).",
            )
        return f"litellm {_litellm_version()}"

    def _translate(self, error: Exception) -> Exception:
        """What LiteLLM raises, as something the run can act on."""
        name = type(error).__name__
        reason = f"{name}: {_brief(error)}"
        if name in ("AuthenticationError", "PermissionDeniedError"):
            return ProviderError(
                f"judge {self._judge.name}: the provider refused the key ({_brief(error)})",
                "Check the key and what it may be used for.",
            )
        if name == "NotFoundError":
            return ProviderError(
                f"judge {self._judge.name}: the provider does not know the model "
                f"{self._judge.model!r} ({_brief(error)})",
                "Correct `model` in the judge file.",
            )
        if name == "UnsupportedParamsError":
            return ProviderError(
                f"judge {self._judge.name}: {_brief(error)}",
                "Remove that parameter from [parameters] in the judge file.",
            )
        if name == "ContentPolicyViolationError":
            return CallError(reason, retryable=False, refused=True)
        if name in ("BadRequestError", "ContextWindowExceededError", "UnprocessableEntityError"):
            return CallError(reason, retryable=False)
        answered = name in ("RateLimitError", "InternalServerError", "ServiceUnavailableError")
        return CallError(
            reason,
            retryable=True,
            retry_after_seconds=_retry_after(error),
            maybe_paid=not answered or "json" in reason.lower(),
        )


def _key_from_file(judge: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderError(
            f"judge {judge}: cannot read the key file {path}", "Check api_key_file."
        ) from error


def _key_from_environment(judge: str, variable: str) -> str:
    key = os.environ.get(variable)
    if not key:
        raise ProviderError(
            f"judge {judge}: the environment variable {variable} is not set",
            f"export {variable}=..., or change api_key_env in the judge file.",
        )
    return key


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    headers = getattr(error, "litellm_response_headers", None) or headers
    try:
        return max(0.0, float(headers.get("retry-after")))
    except (TypeError, ValueError):
        return None


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _litellm_version() -> str:
    from importlib.metadata import version

    return version("litellm")
