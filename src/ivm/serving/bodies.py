"""Reads a request's body, JSON or multipart, into what was asked; whatever is wrong with it becomes a 4xx."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ivm.core.errors import InstructionError
from ivm.serving.engine import Engine
from ivm.serving.pictures import decode_text, too_many_bytes
from ivm.serving.problems import Refusal
from ivm.serving.schema import MaskRequest, Question, SessionRequest

Model = TypeVar("Model", bound=BaseModel)
Asking = TypeVar("Asking", bound=Question)

_MAX_FIELDS = 64
_MAX_FIELD = 64 << 10
"""Bytes of a form's field that is no file."""

_LISTS = ("instructions", "outputs")


class Asked(NamedTuple):
    """A picture's file and what is asked about it."""

    data: bytes
    question: Question


async def read_mask_request(request: Request, engine: Engine, max_instructions: int) -> Asked:
    """Read `POST /v1/mask`; a large JSON body is parsed in one of the engine's threads.

    Raises:
        Refusal: the body is of another type, or not what its type says.
        ImageError: the picture has too many bytes, or is not base64.
        InstructionError: too many instructions.
    """
    max_bytes = engine.settings.max_bytes
    if _kind(request) == "json":
        content = await request.body()

        def parsed() -> Asked:
            body = _limited(_checked(MaskRequest, _json(content)), max_instructions)
            return Asked(decode_text(body.image, max_bytes), body)

        return await engine.work(parsed)
    data, fields = await _form(request, max_bytes)
    return Asked(data, _limited(_checked(Question, fields), max_instructions))


async def read_session_request(request: Request, engine: Engine) -> bytes:
    """Read `POST /v1/sessions`: the picture's file; raises as `read_mask_request` does."""
    max_bytes = engine.settings.max_bytes
    if _kind(request) == "json":
        content = await request.body()
        return await engine.work(lambda: decode_text(_checked(SessionRequest, _json(content)).image, max_bytes))
    data, fields = await _form(request, max_bytes)
    if fields:
        raise _unprocessable(
            f"The form has a field {next(iter(fields))!r} that a session does not take: send only image"
        )
    return data


async def read_question(request: Request, max_instructions: int) -> Question:
    """Read `POST /v1/sessions/{id}/mask`; raises as `read_mask_request` does."""
    if _kind(request) != "json":
        raise _wrong_type("application/json")
    return _limited(_checked(Question, _json(await request.body())), max_instructions)


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return "json"
    if kind == "multipart/form-data":
        return "form"
    raise _wrong_type("application/json or multipart/form-data")


def _wrong_type(wanted: str) -> Refusal:
    return Refusal(415, "wrong_content_type", f"The body must be {wanted}: set the header Content-Type to what it is")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise Refusal(400, "bad_json", f"The body is not JSON ({reason}): send one object") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


async def _form(request: Request, max_bytes: int) -> tuple[bytes, dict[str, Any]]:
    """Return the file in the field `image`, and the other fields."""
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD)
    except (ClientDisconnect, Refusal):
        raise
    except HTTPException as error:
        raise Refusal(400, "bad_form", f"The body is not multipart/form-data: {error.detail}") from None
    except Exception as error:  # whatever a parser of strangers' bytes may meet is the sender's mistake
        raise Refusal(
            400, "bad_form", f"The body is not multipart/form-data: {error or type(error).__name__}"
        ) from None
    try:
        return await _file(form, max_bytes), _fields(form)
    finally:
        await form.close()


async def _file(form: FormData, max_bytes: int) -> bytes:
    image = form.get("image")
    if not isinstance(image, UploadFile):
        raise _unprocessable("The form has no file in its field image: curl -F image=@table.jpg sends one")
    if (image.size or 0) > max_bytes:
        raise too_many_bytes(max_bytes)
    return await image.read()


def _fields(form: FormData) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name == "image":
            continue
        if isinstance(value, UploadFile):
            raise _unprocessable(f"The field {name!r} is a file: only image is one")
        if name in _LISTS:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise _unprocessable(f"The field {name!r} came twice: send it once")
        else:
            fields[name] = value
    return fields


def _checked(model: type[Model], body: Any) -> Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise _unprocessable(f"{where}: {first['msg']}") from None


def _limited(question: Asking, max_instructions: int) -> Asking:
    if len(question.instructions) > max_instructions:
        raise InstructionError(
            f"{len(question.instructions)} instructions in one request, {max_instructions} at most: send several "
            "requests, or open a session"
        )
    return question


def _unprocessable(message: str) -> Refusal:
    return Refusal(422, "bad_request", message)
