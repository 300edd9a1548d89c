"""The parts of the OpenAPI description that the routes' signatures do not tell: bodies of two kinds, and errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ivm.serving.schema import MaskAnswer, MaskRequest, Problem, Question, SessionRequest

_REASONS = {
    400: "The body is not what its type says",
    401: "No API key, or a wrong one",
    403: "Sent by a page of another site",
    404: "There is no such session, or not any more",
    408: "The body came too slowly",
    413: "Too many bytes or pixels",
    415: "The body is of another type",
    421: "The server is called by another name",
    422: "The picture or what is asked cannot be used",
    429: "As much is waiting as may wait; Retry-After tells when to ask again",
    503: "The server is stopping or out of memory",
    504: "The answer took longer than it may",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the answers with these statuses, each with the reason in its body."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        described[status] = {"model": Problem, "description": _REASONS[status]}
        if status in (429, 503):
            described[status]["headers"] = {
                "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}
            }
    return described


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    assert "$defs" not in schema, "bodies are flat, so that no reference has to be resolved"
    return schema


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The picture's file."}
    properties = {**schema.get("properties", {}), "image": file}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": ["image", *schema.get("required", [])],
    }


def _body(**kinds: dict[str, Any]) -> dict[str, Any]:
    names = {"json": "application/json", "form": "multipart/form-data"}
    content = {names[kind]: {"schema": schema} for kind, schema in kinds.items()}
    return {"requestBody": {"required": True, "content": content}}


FORM_OF_MASK = _body(form=_form(_schema(Question)), json=_schema(MaskRequest))
FORM_OF_SESSION = _body(form=_form({}), json=_schema(SessionRequest))
JSON_OF_QUESTION = _body(json=_schema(Question))
_BINARY = {"schema": {"type": "string", "format": "binary"}}
MASK_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answers in order",
        "model": MaskAnswer,
        "content": {"image/png": _BINARY, "image/webp": _BINARY, "application/zip": _BINARY},
    },
    **answers(400, 401, 403, 404, 408, 413, 415, 422, 429, 503, 504),
}
