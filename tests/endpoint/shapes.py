"""The bodies of the two protocols: chat completions and Messages. Pure."""

from __future__ import annotations

from typing import Any

from .verdicts import Shares, top_logprobs

REFUSAL = "I'm sorry, but I can't help with that."
Body = dict[str, Any]


def openai_text(body: Body) -> str:
    return _last_user(body["messages"])


def anthropic_text(body: Body) -> str:
    return _last_user(body["messages"])


def _last_user(messages: list[Body]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            return _content(message["content"])
    return ""


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")


def tokens_of(body: Body) -> int:
    """Tokens of everything asked: four characters each, and four for the frame of a message."""
    messages = body["messages"]
    size = len(_content(body.get("system", ""))) // 4
    return size + sum(len(_content(m["content"])) // 4 + 4 for m in messages)


def chat_completion(
    number: int,
    body: Body,
    text: str,
    shares: Shares | None,
    usage: tuple[int, int],
    *,
    refused: bool,
) -> Body:
    """A reply of /v1/chat/completions; log-probabilities where `shares` are known."""
    logprobs = None
    if shares is not None and body.get("logprobs"):
        top = top_logprobs(shares)[: body.get("top_logprobs", 0)]
        first = {"token": text[:1], "logprob": top[0]["logprob"] if top else 0.0, "bytes": None}
        logprobs = {"content": [first | {"top_logprobs": top}], "refusal": None}
    message = {"role": "assistant", "content": text, "refusal": None}
    if refused:
        message |= {"content": None, "refusal": REFUSAL}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body.get("model", ""),
        "choices": [
            {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        },
    }


def message(number: int, body: Body, text: str, usage: tuple[int, int], *, refused: bool) -> Body:
    """A reply of /v1/messages."""
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": [{"type": "text", "text": text}] if text and not refused else [],
        "stop_reason": "refusal" if refused else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
    }


# (type of OpenAI, code of OpenAI, type of Anthropic, what it says)
PROBLEMS = {
    "400": ("invalid_request_error", None, "invalid_request_error", "This request is not valid."),
    "401": (
        "invalid_request_error",
        "invalid_api_key",
        "authentication_error",
        "Incorrect API key provided.",
    ),
    "403": ("permission_error", None, "permission_error", "This key may not use the model."),
    "404": (
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "The model does not exist.",
    ),
    "408": ("timeout", None, "timeout_error", "The request took too long to arrive."),
    "413": ("invalid_request_error", None, "request_too_large", "The request is too large."),
    "429": ("requests", "rate_limit_exceeded", "rate_limit_error", "Rate limit reached."),
    "500": ("server_error", None, "api_error", "The server had an error."),
    "503": ("server_error", None, "api_error", "The engine is overloaded."),
    "529": ("server_error", None, "overloaded_error", "Overloaded."),
    "context": (
        "invalid_request_error",
        "context_length_exceeded",
        "invalid_request_error",
        "This model's maximum context length is {limit} tokens; prompt is too long: {used} tokens.",
    ),
}


def problem(kind: str, *, anthropic: bool, limit: int = 0, used: int = 0) -> Body:
    """The body of an error response."""
    openai_type, code, anthropic_type, text = PROBLEMS[kind]
    text = text.format(limit=limit, used=used)
    if anthropic:
        return {"type": "error", "error": {"type": anthropic_type, "message": text}}
    return {"error": {"message": text, "type": openai_type, "param": None, "code": code}}
