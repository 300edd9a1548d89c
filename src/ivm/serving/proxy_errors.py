"""The proxy's own errors, in the form in which OpenAI's clients read them."""

from __future__ import annotations

import json

from ivm.core.errors import EngineBusyError, ImageTooLargeError, InputError, IvmError
from ivm.serving.problems import Refusal, status_of
from ivm.serving.proxy_masking import PictureRefusedError

Raw = list[tuple[bytes, bytes]]


def openai_error(error: IvmError | Refusal) -> tuple[int, Raw, bytes]:
    """Return status, headers and body: {"error": {"message", "type", "param", "code"}}.

    `code` is the class of the error, and the header `X-IVM-Refused` repeats it: only the proxy's own errors have it.
    """
    param: str | None = None
    cause: Exception = error
    if isinstance(error, PictureRefusedError):
        param, cause = error.param, error.reason
    status = _status(cause)
    code = cause.type if isinstance(cause, Refusal) else type(cause).__name__
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    told = {"error": {"message": f"ivm proxy: {error}", "type": kind, "param": param, "code": code}}
    content = json.dumps(told).encode("ascii")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"x-ivm-refused", code.encode()),
    ]
    if isinstance(error, EngineBusyError):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return status, headers, content


def _status(error: Exception) -> int:
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, InputError) and not isinstance(error, ImageTooLargeError):
        return 400
    return status_of(error) if isinstance(error, IvmError) else 500
