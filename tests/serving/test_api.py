"""`ivm serve` as people's programs meet it: a real process, real sockets, the toy model."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from ivm.cli.options import PICTURES
from ivm.inference.zoo import load
from ivm.masking.rle import decode_rle
from ivm.masking.saving import encoded
from ivm.serving.outputs import KEYS
from serving_tools import multipart


@pytest.fixture(scope="module")
def file() -> bytes:
    """A grey picture with a red and a blue square, as PNG."""
    image = np.full((96, 128, 3), 128, np.uint8)
    image[16:48, 32:64], image[16:48, 80:112] = (255, 0, 0), (0, 0, 255)
    return encoded(image, ".png")


@pytest.fixture
def body(file) -> dict[str, object]:
    return {"image": base64.b64encode(file).decode(), "instructions": ["the red thing"]}


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def test_names_are_those_of_the_command_line():
    assert KEYS.items() == PICTURES.items()


def test_json_brings_every_output_of_every_instruction(server, body, file, toy_nano):
    outputs = [*KEYS, "cutout", "sheet", "rle"]
    reply = server.post("/v1/mask", body | {"instructions": ["the red thing", "blue"], "outputs": outputs})
    assert reply.status == 200
    answer = reply.json()
    assert answer["model"] == load(toy_nano).model.name
    for told, text in zip(answer["results"], ["the red thing", "blue"], strict=True):
        expected = load(toy_nano)(file, text)
        assert told["instruction"] == text
        assert told | expected.summary() == told
        assert set(told["pictures"]) == set(outputs) - {"rle"}
        assert np.array_equal(decode_rle(told["rle"]), expected.binary)
        for name, key in KEYS.items():
            head, _, data = told["pictures"][name].partition(",")
            assert head == "data:image/png;base64"
            pixels = getattr(expected, key)
            pixels = np.rint(pixels * 255).astype(np.uint8) if pixels.ndim == 2 else pixels
            assert np.array_equal(opened(base64.b64decode(data)), pixels), name


def test_a_form_does_the_same(server, file, body):
    form = [
        ("image", file),
        ("instructions", "red"),
        ("instructions", "blue"),
        ("threshold", "0.4"),
        ("outputs", "rle"),
    ]
    kind, data = multipart(form)
    by_form = server.ask("/v1/mask", data, content_type=kind)
    question = {"instructions": ["red", "blue"], "threshold": 0.4, "outputs": "rle"}
    assert by_form.status == 200
    assert by_form.json() == server.post("/v1/mask", body | question).json()


@pytest.mark.parametrize(("kind", "start"), [("image/png", b"\x89PNG"), ("image/webp", b"RIFF")])
def test_one_picture_as_it_is(server, body, kind, start):
    reply = server.post("/v1/mask", body | {"outputs": "crop"}, accept=kind)
    assert (reply.status, reply.headers["Content-Type"]) == (200, kind)
    assert reply.body.startswith(start)
    assert reply.headers["X-IVM-Kept-Whole"] == "false"


def test_a_zip_file_of_all(server, body):
    question = {"instructions": ["red", "../../etc"], "outputs": ["highlight", "soft", "rle"], "format": "webp"}
    reply = server.post("/v1/mask", body | question, accept="application/zip")
    with zipfile.ZipFile(io.BytesIO(reply.body)) as file:
        assert file.testzip() is None
        names = ["highlight.webp", "soft.webp", "summary.json"]
        assert file.namelist() == [f"{folder}/{name}" for folder in ("01-red", "02-etc") for name in names]
        assert json.loads(file.read("01-red/summary.json"))["rle"]["size"] == [96, 128]


def test_a_style(server, body):
    question = {"outputs": "highlight", "fill_color": "#102030", "dilate": 1, "blur": 3}
    pixels = opened(server.post("/v1/mask", body | question, accept="image/png").body)
    assert tuple(pixels[0, 0]) == (16, 32, 48)
    pixels = opened(server.post("/v1/mask", body | {"preset": "v1", "fill_color": "black"}, accept="image/png").body)
    assert tuple(pixels[0, 0]) == (0, 0, 0)


def test_a_session_is_encoded_once_and_remembers(server, file):
    kind, data = multipart([("image", file)])
    reply = server.ask("/v1/sessions", data, content_type=kind)
    session = reply.json()
    path = f"/v1/sessions/{session['id']}"
    assert (reply.status, reply.headers["Location"], session["width"], session["height"]) == (201, path, 128, 96)
    assert server.ask(path).json() == session

    first = server.post(f"{path}/mask", {"instructions": ["red", "blue"], "outputs": "rle"}).json()["results"]
    asked = server.metric("ivm_questions_total")
    again = server.post(f"{path}/mask", {"instructions": "red", "threshold": 0.9, "outputs": "blur"}).json()["results"]
    assert server.metric("ivm_questions_total") == asked
    assert first[0]["target_bbox"] == [32, 16, 64, 48]
    assert again[0]["threshold"] == 0.9

    assert server.ask(path, method="DELETE").status == 204
    gone = server.post(f"{path}/mask", {"instructions": "red"})
    assert (gone.status, gone.type) == (404, "SessionGoneError")


def test_health_and_metrics(server, body):
    server.post("/v1/mask", body)
    assert server.ask("/healthz").json()["status"] == server.ask("/readyz").json()["status"] == "ok"
    assert server.metric("ivm_accepted_total") == server.metric("ivm_finished_total") >= 1
    text = server.ask("/metrics").body.decode()
    assert 'ivm_requests_total{method="POST",route="/v1/mask",status="200"}' in text
    assert "ivm_batch_seconds_bucket" in text


MISTAKES = {
    "not a picture": ({"image": base64.b64encode(b"this is no picture").decode()}, 422, "ImageFormatError"),
    "no byte": ({"image": ""}, 422, "ImageEmptyError"),
    "not base64": ({"image": "%%%"}, 422, "ImageFormatError"),
    "an address": ({"image": "http://127.0.0.1/x.png"}, 422, "ImageFormatError"),
    "a path": ({"image": "file:///etc/passwd"}, 422, "ImageFormatError"),
    "no instruction": ({"instructions": []}, 422, "bad_request"),
    "an empty one": ({"instructions": [" "]}, 422, "InstructionError"),
    "too many": ({"instructions": ["red"] * 17}, 422, "InstructionError"),
    "half a letter": ({"instructions": "red \ud800"}, 422, "bad_request"),
    "a threshold": ({"threshold": 2}, 422, "bad_request"),
    "an output": ({"outputs": ["all"]}, 422, "bad_request"),
    "a colour": ({"fill_color": "no colour"}, 422, "OptionError"),
    "an even kernel": ({"blur": 4}, 422, "OptionError"),
    "another preset's option": ({"preset": "v1", "dilate": 5}, 422, "OptionError"),
    "an unknown field": ({"image_url": "x"}, 422, "bad_request"),
}


@pytest.mark.parametrize(("change", "status", "kind"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_told(server, body, change, status, kind):
    reply = server.post("/v1/mask", body | change)
    assert (reply.status, reply.type) == (status, kind)
    assert len(reply.reason) > 20


@pytest.mark.parametrize(
    ("path", "data", "headers", "status"),
    [
        ("/v1/mask", b"{", {"content_type": "application/json"}, 400),
        ("/v1/mask", b"[" * 100_000, {"content_type": "application/json"}, 400),
        ("/v1/mask", b'{"image": NaN}', {"content_type": "application/json"}, 400),
        ("/v1/mask", b"\xff\xfe", {"content_type": "application/json"}, 400),
        ("/v1/mask", b"x", {"content_type": "text/plain"}, 415),
        ("/v1/mask", b"x", {"content_type": "multipart/form-data"}, 400),
        ("/v1/mask", b"x", {"content_type": "multipart/form-data; boundary=b"}, 400),
        ("/v1/sessions/x/mask", b"x", {"content_type": "multipart/form-data; boundary=b"}, 415),
        ("/v1/mask", None, {}, 405),
        ("/v1/sessions/unknown", None, {}, 404),
        ("/nothing/here", None, {}, 404),
    ],
)
def test_a_wrong_request_is_told(server, path, data, headers, status):
    reply = server.ask(path, data, **headers)
    assert reply.status == status
    assert len(reply.reason) > 20


def test_a_picture_alone_answers_one_question(server, body):
    reply = server.post("/v1/mask", body | {"instructions": ["red", "blue"]}, accept="image/png")
    assert (reply.status, reply.type) == (422, "OptionError")


def test_the_description_names_every_route(server):
    paths = server.ask("/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/mask", "/v1/sessions", "/v1/sessions/{id}", "/v1/sessions/{id}/mask"} | {
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert set(paths["/v1/mask"]["post"]["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
