"""Anthropic's Messages: what is refused, and how replies and errors are written. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from judges.simulated.shape import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judges.simulated.behaviour import Behaviour
    from judges.simulated.shape import Replied

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
WORDS = {str: "string", list: "list", int: "integer"}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
# Parameters of OpenAI's that Anthropic does not know.
EXTRA = frozenset(
    {"frequency_penalty", "logprobs", "max_completion_tokens", "n", "presence_penalty",
     "response_format", "seed", "stop", "top_logprobs"}
)  # fmt: skip


class AnthropicShape:
    """Anthropic's way."""

    overloaded_status = 529
    broken = '{"id": "msg_broken", "type": "message", "role": "assistant", "content": [{"type": "te'

    def refuse(self, body: Mapping[str, Any], models: Mapping[str, Behaviour]) -> Refusal | None:
        """What the provider does not take."""
        for name, kind in (("model", str), ("messages", list), ("max_tokens", int)):
            if name not in body:
                return invalid(f"{name}: Field required", name)
            if not isinstance(body[name], kind) or isinstance(body[name], bool):
                return invalid(f"{name}: Input should be a valid {WORDS[kind]}", name)
        if body["max_tokens"] < 1:
            return invalid("max_tokens: must be greater than or equal to 1", "max_tokens")
        for name in sorted(body.keys() & EXTRA):
            return invalid(f"{name}: Extra inputs are not permitted", name)
        if body.get("stream"):
            return invalid("stream: streaming is not simulated")
        if body["model"] not in models:
            return Refusal(404, f"model: {body['model']}")
        refused = models[body["model"]].refuse_response_format
        if refused and _schema(body) is not None:
            return invalid("response_format: structured output is not supported with this model")
        return _refuse_messages(body)

    def refuse_headers(self, headers: Mapping[str, str]) -> Refusal | None:
        """The version of the API must be named."""
        if "anthropic-version" in headers:
            return None
        return invalid("anthropic-version: header is required")

    def key(self, headers: Mapping[str, str]) -> str:
        """The header of its own, or the bearer token."""
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        return headers.get("x-api-key", "") or bearer

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the system prompt as a message, and a demanded schema as `response_format`."""
        system = body.get("system")
        first = [{"role": "system", "content": system}] if system else []
        schema = _schema(body)
        demanded = {"type": "json_schema", "json_schema": {"schema": schema}}
        return {
            "model": body["model"],
            "messages": [*first, *body["messages"]],
            "max_tokens": body["max_tokens"],
            "temperature": body.get("temperature"),
            "response_format": None if schema is None else demanded,
        }

    def reply(
        self,
        replied: Replied,
        body: Mapping[str, Any],
        behaviour: Behaviour,  # noqa: ARG002
    ) -> dict[str, Any]:
        """A message."""
        written = replied.written
        tool = _tool(body)
        content: dict[str, Any] = {"type": "text", "text": written.text}
        stop_reason = STOP_REASONS[written.finish_reason]
        if tool is not None and (given := _object(written.text)) is not None:
            identity = f"toolu_sim{replied.number}"
            content = {"type": "tool_use", "id": identity, "name": tool["name"], "input": given}
            stop_reason = "tool_use"
        return {
            "id": f"msg_sim{replied.number}",
            "type": "message",
            "role": "assistant",
            "model": replied.model,
            "content": [] if stop_reason == "refusal" else [content],
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": replied.prompt_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": written.completion_tokens,
            },
        }

    def error(self, refusal: Refusal) -> dict[str, Any]:
        """An error object; its type follows from the status."""
        kind = KINDS.get(refusal.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": refusal.message}}


def _refuse_messages(body: Mapping[str, Any]) -> Refusal | None:
    if not body["messages"]:
        return invalid("messages: at least one message is required")
    for number, message in enumerate(body["messages"]):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            what = f"messages.{number}: 'role' must be user or assistant"
            return invalid(f"{what}; a system prompt goes into the parameter `system`")
        if not message.get("content"):
            return invalid(f"messages.{number}.content: content must not be empty")
    return None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema of the reply, of the reply's format or of the tool that must be used."""
    tool = _tool(body)
    if tool is not None:
        return tool.get("input_schema") or {}
    wanted = body.get("output_format") or (body.get("output_config") or {}).get("format")
    return wanted.get("schema") or {} if isinstance(wanted, dict) else None


def _tool(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choice = body.get("tool_choice") or {}
    named = choice.get("name") if choice.get("type") == "tool" else None
    return next((tool for tool in body.get("tools") or [] if tool.get("name") == named), None)


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
