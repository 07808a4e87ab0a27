"""OpenAI's chat completions: what is refused, and how replies and errors are written. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from judges.simulated.shape import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.shape import Replied

MOST_TOP_LOGPROBS = 20


class OpenAIShape:
    """OpenAI's way, which most other servers follow."""

    overloaded_status = 503
    broken = '{"id": "chatcmpl-broken", "object": "chat.completion", "choices": [{"index": 0, "mess'

    def refuse(self, body: Mapping[str, Any], models: Mapping[str, Behaviour]) -> Refusal | None:
        """What the provider does not take."""
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str):
            return invalid("the body must be a JSON object that names a model")
        if model not in models:
            what = f"The model `{model}` does not exist or you do not have access to it."
            return Refusal(404, what, code="model_not_found")
        if not isinstance(messages, list) or not messages:
            return invalid("'messages' must be a list of at least one message")
        if not all(isinstance(message, dict) for message in messages):
            return invalid("each of 'messages' must be an object")
        if body.get("stream"):
            return invalid("streaming is not simulated")
        if body.get("n", 1) not in (1, None):
            return invalid("only n = 1 is simulated")
        return _refuse_parameter(body, models[model])

    def refuse_headers(self, headers: Mapping[str, str]) -> Refusal | None:  # noqa: ARG002
        """Nothing is missing."""
        return None

    def key(self, headers: Mapping[str, str]) -> str:
        """The bearer token."""
        return headers.get("Authorization", "").removeprefix("Bearer ")

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body itself."""
        return body

    def reply(
        self, replied: Replied, body: Mapping[str, Any], behaviour: Behaviour
    ) -> dict[str, Any]:
        """A chat completion."""
        written = replied.written
        declined = written.finish_reason == "content_filter"
        logprobs = None
        if body.get("logprobs") and behaviour.logprobs:
            found = written.logprobs(body.get("top_logprobs") or 0)
            logprobs = {"content": None, "refusal": found} if declined else {"content": found}
        choice = {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None if declined else written.text,
                "refusal": written.text if declined else None,
            },
            "logprobs": logprobs,
            "finish_reason": written.finish_reason,
        }
        usage = {
            "prompt_tokens": replied.prompt_tokens,
            "completion_tokens": written.completion_tokens,
            "total_tokens": replied.prompt_tokens + written.completion_tokens,
        }
        return {
            "id": f"chatcmpl-sim{replied.number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": replied.model,
            "choices": [choice],
            "usage": usage,
            "system_fingerprint": replied.fingerprint,
        }

    def error(self, refusal: Refusal) -> dict[str, Any]:
        """An error object."""
        error = {
            "message": refusal.message,
            "type": refusal.kind,
            "param": refusal.param,
            "code": refusal.code,
        }
        return {"error": error}


def _refuse_parameter(body: Mapping[str, Any], behaviour: Behaviour) -> Refusal | None:
    if behaviour.refuse_logprobs and (body.get("logprobs") or body.get("top_logprobs")):
        return _unsupported("logprobs")
    if behaviour.refuse_response_format and body.get("response_format"):
        return _unsupported("response_format")
    top = body.get("top_logprobs")
    if top is None:
        return None
    if not body.get("logprobs"):
        return invalid("'top_logprobs' is only allowed when 'logprobs' is true.", "top_logprobs")
    if not isinstance(top, int) or not 0 <= top <= MOST_TOP_LOGPROBS:
        what = f"'top_logprobs' must be a whole number from 0 to {MOST_TOP_LOGPROBS}."
        return invalid(what, "top_logprobs")
    return None


def _unsupported(parameter: str) -> Refusal:
    what = f"Unsupported parameter: {parameter} is not supported with this model."
    return Refusal(400, what, code="unsupported_parameter", param=parameter)
