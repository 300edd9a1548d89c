"""A thin client of `ivm serve`; needs nothing but the base install.

from ivm.serving.client import Client

client = Client("http://localhost:8000")
(cup,) = client.mask("table.jpg", "the red cup", outputs=["highlight", "rle"])
cup.pictures["highlight"], cup.found, cup.bbox, cup.mask
with client.open("table.jpg") as picture:
    cup, pan = picture(["the red cup", "the pan"])
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import EngineBusyError, ImageNotFoundError, InputError, ServingError, SessionGoneError
from ivm.core.images import load_image
from ivm.masking.rle import decode_rle

_RETRIED = (429, 503)


class Answer:
    """What the server says of one instruction."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = dict(record)
        """As the API describes it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.record[name]
        except KeyError:
            raise AttributeError(f"The answer has no {name!r}: it has {', '.join(self.record)}") from None

    def __repr__(self) -> str:
        return f"<Answer to {self.record['instruction']!r}, bbox {self.record['bbox']}, found {self.record['found']}>"

    @functools.cached_property
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Each picture that was asked for: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA uint8."""
        return {name: _pixels(self.file(name)) for name in self.record["pictures"]}

    def file(self, name: str) -> bytes:
        """The PNG or WebP file of a picture that was asked for."""
        url: str = self.record["pictures"][name]
        return base64.b64decode(url.partition(",")[2])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The target, (H, W) bool; needs "rle" among the outputs."""
        return decode_rle(self.record["rle"])


class Client:
    """Asks one server; safe to use from several threads."""

    def __init__(self, address: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 3) -> None:
        """Prepare; nothing is sent yet.

        Args:
            address: such as "http://localhost:8000".
            key: the API key, if the server asks for one.
            timeout: seconds for one request.
            retries: how often a busy server is asked again, each time after as long as it says.
        """
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout
        self._retries = retries

    def mask(self, image: Any, instructions: str | Sequence[str], **question: Any) -> list[Answer]:
        """Mask one picture.

        Args:
            image: a path, the bytes of a picture's file, or whatever else `ivm.load_image` takes.
            instructions: one or several.
            **question: threshold, preset, fill_color, blur, dilate, outputs, format, as the API describes them.

        Returns:
            One answer per instruction, in order.

        Raises:
            InputError: the server cannot use the picture or the question; its sentence tells why.
            EngineBusyError: the server stayed busy.
            ServingError: it cannot be reached, or made a mistake.
        """
        picture = base64.b64encode(_file(image)).decode("ascii")
        body = {"image": picture, "instructions": _listed(instructions), **question}
        return [Answer(one) for one in self._send("POST", "/v1/mask", body)["results"]]

    def open(self, image: Any) -> RemotePicture:
        """Send a picture once, to ask about it often; raises as `mask` does."""
        body = {"image": base64.b64encode(_file(image)).decode("ascii")}
        return RemotePicture(self, self._send("POST", "/v1/sessions", body))

    def ready(self) -> bool:
        """Whether the server would work on a request now."""
        try:
            return bool(self._once("GET", "/readyz", None)["status"] == "ok")
        except ServingError:
            return False

    def _send(self, method: str, path: str, body: Any) -> Any:
        for left in range(self._retries, -1, -1):
            try:
                return self._once(method, path, body)
            except EngineBusyError as error:
                if not left:
                    raise
                time.sleep(error.retry_after)
        raise AssertionError("the last round returns or raises")

    def _once(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ServingError(f"{self._address} does not answer ({reason}): is the server running?") from None
        return json.loads(content) if content else None


class RemotePicture:
    """A picture that a server keeps, made by `Client.open`; ask it until it is closed."""

    def __init__(self, client: Client, told: Mapping[str, Any]) -> None:
        self._client = client
        self._path = f"/v1/sessions/{told['id']}"
        self.width: int = told["width"]
        self.height: int = told["height"]

    def __call__(self, instructions: str | Sequence[str], **question: Any) -> list[Answer]:
        """Ask about the picture; SessionGoneError where the server has let go of it, else as `Client.mask`."""
        body = {"instructions": _listed(instructions), **question}
        return [Answer(one) for one in self._client._send("POST", f"{self._path}/mask", body)["results"]]

    def __enter__(self) -> RemotePicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the server forget the picture; nothing is wrong where it has already."""
        with contextlib.suppress(SessionGoneError):
            self._client._send("DELETE", self._path, None)


def _error(answer: urllib.error.HTTPError) -> Exception:
    """The error of this package that a server's answer stands for."""
    try:
        message = str(json.loads(answer.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The server answered {answer.code} without a reason"
    if answer.code in _RETRIED:
        wait = answer.headers.get("Retry-After", "1")
        return EngineBusyError(message, retry_after=int(wait) if wait.isdecimal() else 1, stopping=answer.code == 503)
    if answer.code == 404 and "/v1/sessions/" in answer.url:
        return SessionGoneError(message)
    return (InputError if answer.code in (400, 413, 415, 422) else ServingError)(message)


def _file(image: Any) -> bytes:
    """The bytes of a picture's file; an array or a Pillow picture becomes PNG."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str | os.PathLike):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageNotFoundError(
                f"'{os.fspath(image)}' cannot be read ({error.strerror}): check the path"
            ) from None
    from ivm.masking.saving import encoded

    return encoded(load_image(image), ".png")


def _pixels(file: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture)


def _listed(instructions: str | Sequence[str]) -> list[str]:
    return [instructions] if isinstance(instructions, str) else list(instructions)
