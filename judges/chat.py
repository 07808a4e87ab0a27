"""Chat requests and replies in OpenAI's and Anthropic's own shapes. Pure.

What LiteLLM does for a live call is done here alike, so that a reply does not depend on how its
request was sent: the same text, tokens, finish reason and log-probabilities.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, Any

from data.errors import JudgeError
from data.records import Reply
from judges.client import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from judges.client import Message, Request

OPENAI_PREFIXES = ("openai/", "hosted_vllm/")
ANTHROPIC_PREFIX = "anthropic/"
MOST_TOKENS = 10**9  # of one call
NEVER_IN_A_BODY = ("extra_headers", "extra_query")  # LiteLLM takes them out of the parameters
# Parameters of OpenAI's chat completions without a counterpart in Anthropic's Messages, or with one
# that LiteLLM chooses by the model.
NOT_ANTHROPICS = frozenset(
    {"seed", "logprobs", "top_logprobs", "logit_bias", "response_format", "reasoning_effort"}
    | {"presence_penalty", "frequency_penalty", "n", "prediction", "modalities", "audio", "store"}
    | {"functions", "function_call", "tools", "tool_choice", "parallel_tool_calls", "verbosity"}
    | {"service_tier", "web_search_options", "extra_body", *NEVER_IN_A_BODY}
)
# How LiteLLM names the ends of a reply; whatever is not here it calls `stop`.
FINISH_REASONS = {
    "max_tokens": "length",
    "compaction": "length",
    "length": "length",
    "tool_use": "tool_calls",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "refusal": "content_filter",
    "sensitive": "content_filter",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_THOUGHTS = re.compile(
    r"<(?:think|thinking|budget:thinking)>.*?</(?:think|thinking|budget:thinking)>(.*)", re.DOTALL
)


class UnreadableError(ValueError):
    """An answer that is no reply; the words say why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said; null where it said nothing, or nothing that can be."""

    text: str | None
    served_model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str | None
    logprobs: tuple[dict[str, float], ...] | None = None
    fingerprint: str | None = None

    def reply(
        self,
        request_hash: UUID,
        *,
        paid_usd: float | None,
        price_version: str,
        seconds: float | None,
    ) -> Reply:
        """The reply to one request."""
        return Reply(
            request_hash=request_hash,
            text=self.text,
            served_model=self.served_model,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            paid_usd=paid_usd,
            price_version=price_version,
            seconds=seconds,
            finish_reason=self.finish_reason,
            logprobs=self.logprobs,
            fingerprint=self.fingerprint,
        )


# ---- OpenAI's chat completions


def openai_body(request: Request) -> dict[str, Any]:
    """The body of a chat completion: parameters as they are, `extra_body` merged into it.

    Raises JudgeError for what a body cannot carry.
    """
    parameters = dict(request.parameters)
    for name in NEVER_IN_A_BODY:
        if name in parameters:
            raise JudgeError(
                f"the parameter {name} can only be sent through LiteLLM",
                "Remove it from [parameters] in the judge file.",
            )
    more = parameters.pop("extra_body", None) or {}
    messages = [{"role": m.role, "content": storable(m.content)} for m in request.messages]
    return {"model": openai_model(request.model), "messages": messages, **parameters, **more}


def openai_model(model: str) -> str:
    """The name that the server knows."""
    for prefix in OPENAI_PREFIXES:
        if model.startswith(prefix):
            return model[len(prefix) :]
    return model


def read_completion(body: object) -> Answer:
    """A chat completion. Raises UnreadableError for everything else."""
    if not isinstance(body, dict):
        raise UnreadableError("no JSON object")
    error = body.get("error")
    if error and any(said_error(error)):
        raise UnreadableError(f"an error in place of a reply: {said_error(error)[0]}")
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise UnreadableError("no list of choices")
    choice = choices[0] if choices else {}
    message = choice.get("message") if isinstance(choice, dict) else None
    if choices and not isinstance(message, dict):
        raise UnreadableError("a choice without a message")
    prompt_tokens, completion_tokens = _usage(
        body.get("usage"), ("prompt_tokens",), "completion_tokens"
    )
    return Answer(
        text=_completion_text(message or {}),
        served_model=text_or_none(body.get("model")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        finish_reason=_completion_end(choice, message or {}) if choices else None,
        logprobs=_logprobs(choice.get("logprobs")),
        fingerprint=text_or_none(body.get("system_fingerprint")),
    )


def said_error(error: object) -> tuple[str, str]:
    """Message and code of the `error` of an answer, each empty where it has none."""
    if not isinstance(error, dict):
        return (str(error) if error else "", "")
    message, code = error.get("message"), error.get("code") or error.get("type")
    return (str(message) if message else "", "" if code is None else str(code))


def _completion_text(message: Mapping[str, Any]) -> str | None:
    """Without the thoughts before it, which some servers leave in the text."""
    content = message.get("content")
    if isinstance(content, list):
        return _joined(content)
    if not isinstance(content, str):
        return None
    apart = "reasoning_content" in message or "reasoning" in message
    found = None if apart else _THOUGHTS.match(content)
    return storable(content if found is None else found[1])


def _completion_end(choice: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    end = _end(choice.get("finish_reason"))
    return "tool_calls" if end == "stop" and message.get("tool_calls") else end


def _logprobs(given: object) -> tuple[dict[str, float], ...] | None:
    """For each token its likeliest alternatives; None where a provider returns none."""
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(content, list):
        return None
    found = tuple(dict(_tops(token)) for token in content)
    return found if any(found) else None


def _tops(token: object) -> Iterator[tuple[str, float]]:
    tops = token.get("top_logprobs") if isinstance(token, dict) else None
    for top in tops if isinstance(tops, list) else ():
        if isinstance(top, dict) and isinstance(top.get("token"), str):
            logprob = _finite(top.get("logprob"))
            if logprob is not None:
                yield storable(top["token"]), logprob


def _finite(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None
    return number if number is not None and isfinite(number) else None


# ---- Anthropic's Messages


def anthropic_body(request: Request) -> dict[str, Any]:
    """The parameters of a message, in the shape in which LiteLLM sends them live.

    Raises UnsupportedError for a parameter that Anthropic does not have, and JudgeError where
    nothing bounds the length of the reply.
    """
    given = {name: value for name, value in request.parameters.items() if value is not None}
    for name in given:
        if name in NOT_ANTHROPICS:
            raise UnsupportedError(f"Anthropic's Messages have no parameter {name}")
    body: dict[str, Any] = {
        "model": request.model.removeprefix(ANTHROPIC_PREFIX),
        "max_tokens": _most_tokens(given),
        "messages": _turns(request.messages),
    }
    system = _blocks(message for message in request.messages if message.role == "system")
    if system:
        body["system"] = system
    stop = given.pop("stop", None)
    if stop is not None:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    user = given.pop("user", None)
    if user is not None:
        body["metadata"] = {"user_id": user}
    return body | given


def _most_tokens(given: dict[str, Any]) -> int:
    """Taken out of the parameters; Anthropic asks for it, OpenAI knows it by two names."""
    plain, newer = given.pop("max_tokens", None), given.pop("max_completion_tokens", None)
    most = plain if newer is None else newer
    if not isinstance(most, int | float) or most <= 0:
        raise JudgeError(
            "Anthropic needs the parameter max_tokens, a number above 0",
            "Add max_tokens to [parameters] in the judge file.",
        )
    return max(1, round(most))


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """What is not the system's; neighbours of one role are one turn."""
    said = (message for message in messages if message.role != "system")
    turns = groupby(said, key=lambda message: message.role)
    return [{"role": role, "content": _blocks(group)} for role, group in turns]


def _blocks(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Texts as blocks; Anthropic refuses an empty one."""
    return [{"type": "text", "text": storable(m.content)} for m in messages if m.content]


def read_message(body: object) -> Answer:
    """A message of Anthropic's. Raises UnreadableError for everything else."""
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        raise UnreadableError("no message")
    prompt_tokens, completion_tokens = _usage(
        body.get("usage"),
        ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        "output_tokens",
    )
    return Answer(
        text=_joined(body["content"]) or None,
        served_model=text_or_none(body.get("model")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        finish_reason=_end(body.get("stop_reason")),
    )


# ---- both


def storable(text: str) -> str:
    """Half of a character that was cut in two cannot be stored or sent: it is replaced."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def text_or_none(value: object) -> str | None:
    """A text that can be stored."""
    return storable(value) if isinstance(value, str) else None


def token_count(tokens: object) -> int | None:
    """A number of tokens that can be one; a server that says -5 or 10**30 has said nothing."""
    return tokens if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS else None


def _usage(usage: object, prompt: Sequence[str], completion: str) -> tuple[int | None, int | None]:
    """Tokens of prompt and completion; no prompt has 0, so such a server has not counted.

    The parts of a prompt after the first need not be there.
    """
    if not isinstance(usage, dict) or token_count(usage.get(prompt[0])) is None:
        return None, None
    prompt_tokens = sum(token_count(usage.get(part)) or 0 for part in prompt)
    return (prompt_tokens, token_count(usage.get(completion))) if prompt_tokens else (None, None)


def _joined(blocks: Iterable[object]) -> str:
    """The text of a content in parts; thoughts and calls of tools are no text."""
    texts = (block.get("text") for block in blocks if isinstance(block, dict)
             and block.get("type") == "text")  # fmt: skip
    return storable("".join(text for text in texts if isinstance(text, str)))


def _end(reason: object) -> str:
    return FINISH_REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"
