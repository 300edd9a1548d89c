"""What becomes of the pictures of a chat request, as the upstream receives them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

pytest.importorskip("httpcore2", reason="the proxy needs the extra [serve]")

from fake_models import FailsOn, RedModel, red_at
from fake_upstream import chat, data_url, decoded
from ivm.inference.masker import Masker
from ivm.serving.fetching import FetchLimits
from ivm.serving.fetching_address import Allowed
from ivm.serving.proxy_options import MODES, STYLES
from ivm.serving.settings import EngineSettings, HttpSettings
from running_proxy import running_proxy

SCENE = red_at(20, 64)
URL = data_url(SCENE)


def masked(image=SCENE, threshold=0.5):
    return Masker(RedModel())(image, "the red cup", threshold)


@pytest.fixture(scope="module")
def small(behind):
    with running_proxy(
        behind.url,
        model=FailsOn(),
        engine=EngineSettings(max_pixels=1_000_000),
        http=HttpSettings(max_body=2_000_000),
    ) as running:
        yield running


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mode", MODES)
def test_modes_and_styles(proxy, behind, mode, style):
    answer = proxy.chat(chat("the red cup", URL), X_IVM_Mode=mode, X_IVM_Style=style)
    if (mode, style) == ("replace", "original"):
        assert answer.status == 400
        assert "masks nothing" in answer.error["message"]
        return
    result = masked()
    x0, y0, x1, y1 = result.bbox
    whole = {
        "highlight": result.highlight_image, "blur": result.blur_image, "alpha": result.alpha_image,
        "gray": result.grayscale_image, "inpaint": result.inpaint_image, "heatmap": result.heatmap_image,
        "soft": np.rint(result.soft * 255), "hard": np.rint(result.hard * 255), "original": SCENE,
    }  # fmt: skip
    cut = {
        "crop": result.cropped_highlight_img, "crop-blur": result.cropped_blur_img,
        "cutout": result.alpha_image[y0:y1, x0:x1],
    }  # fmt: skip
    one = cut.get(style)
    if one is None:
        one = whole[style] if mode == "replace" else whole[style][y0:y1, x0:x1]
    wanted = [SCENE, one] if mode == "original+crop" else [one]
    received = behind.last.pictures()
    assert len(received) == len(wanted)
    for got, right in zip(received, wanted, strict=True):
        np.testing.assert_array_equal(got, right)
    if mode == "original+crop":
        assert json.loads(behind.last.body)["messages"][0]["content"][1]["image_url"]["url"] == URL


def test_webp_is_smaller_and_near(proxy, behind):
    proxy.chat(chat("the red cup", URL), X_IVM_Format="webp")
    (got,) = behind.last.pictures()
    assert np.abs(got.astype(int) - masked().highlight_image).mean() < 12
    assert b"data:image/webp;base64," in behind.last.body


def test_the_threshold_can_be_sent(proxy, behind):
    assert proxy.chat(chat("the red cup", URL), X_IVM_Threshold="1").header("X-IVM-Pictures") == "kept-whole;found=0.90"


def test_where_nothing_is_found_the_picture_passes_whole(proxy, behind):
    body = json.dumps(chat("nothing here", URL)).encode()
    answer = proxy.chat(body, X_IVM_Mode="original+crop")
    assert answer.header("X-IVM-Pictures") == "kept-whole;found=0.10"
    assert behind.last.body == body


def test_a_header_can_say_what_to_keep(proxy, behind):
    assert (
        proxy.chat(chat("nothing", URL), X_IVM_Instruction="the red cup").header("X-IVM-Pictures")
        == "masked;found=0.90"
    )
    proxy.chat(chat("nothing", URL), X_IVM_Instruction="UTF-8''caf%C3%A9")
    assert proxy.model.asked[-1] == ["café"]


def test_a_long_text_is_cut_and_a_header_says_so(proxy, behind):
    answer = proxy.chat(chat("word " * 100, URL))
    assert answer.header("X-IVM-Instruction-Cut") == "64"
    assert proxy.model.asked[-1] == [" ".join(["word"] * 64)]


def test_the_opt_out_header_leaves_all_as_it_is(proxy, behind):
    body = json.dumps(chat("the red cup", URL, "file:///etc/passwd")).encode()
    answer = proxy.chat(body, X_IVM_Mask="off")
    assert answer.status == 200
    assert answer.header("X-IVM-Pictures") is None
    assert behind.last.body == body
    assert behind.last.header("X-IVM-Mask") is None


def test_a_picture_that_comes_twice_is_masked_once(proxy, behind):
    before = len(proxy.model.encoded)
    proxy.chat(chat("the red cup", URL, URL))
    assert sum(proxy.model.encoded[before:]) == 1
    first, second = behind.last.pictures()
    np.testing.assert_array_equal(first, second)


def test_pictures_of_every_message_are_masked(proxy, behind):
    part = {"type": "image_url", "image_url": {"url": URL}}
    roles = ["system", "user", "tool", "assistant"]
    messages = [{"role": role, "content": [part]} for role in roles] + [{"role": "user", "content": "the red cup"}]
    proxy.chat({"messages": messages[:3] + messages[4:]})
    received = [
        decoded(part["image_url"]["url"]) for m in json.loads(behind.last.body)["messages"][:3] for part in m["content"]
    ]
    assert len(received) == 3
    for got in received:
        np.testing.assert_array_equal(got, masked().highlight_image)


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("data:image/png;base64,aGVsbG8gd29ybGQ=", 400, "ImageFormatError"),
        ("data:image/png;base64,####", 400, "ImageFormatError"),
        ("data:text/plain;base64,AAAA", 400, "ImageFormatError"),
        ("data:image/png;base64,", 400, "ImageEmptyError"),
        (URL[:-40], 400, "ImageTruncatedError"),
        ("file:///etc/passwd", 400, "ImageAddressError"),
        ("http://127.0.0.1:1/a.png", 400, "ImageAddressError"),
        ("http://169.254.169.254/latest/meta-data/", 400, "ImageAddressError"),
        ("", 400, "ImageAddressError"),
        (data_url(np.zeros((1100, 1000, 3), np.uint8)), 413, "ImageTooLargeError"),
    ],
)
def test_a_picture_that_cannot_be_masked_is_an_error_that_names_it(behind, small, url, status, code):
    behind.asked.clear()
    answer = small.chat(chat("the red cup", URL, url))
    assert answer.status == status
    assert answer.header("X-IVM-Refused") == code
    assert answer.error["code"] == code
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == "messages[0].content[2].image_url"
    assert answer.error["message"].startswith(
        "ivm proxy: The picture messages[0].content[2].image_url cannot be masked"
    )
    assert behind.asked == []


def test_it_can_pass_instead(small, behind):
    body = chat("the red cup", "file:///etc/passwd", URL)
    answer = small.chat(body, X_IVM_On_Error="pass")
    assert answer.header("X-IVM-Pictures") == "passed;error=ImageAddressError, masked;found=0.90"
    first, second = (part["image_url"]["url"] for part in json.loads(behind.last.body)["messages"][0]["content"][1:])
    assert first == "file:///etc/passwd"
    np.testing.assert_array_equal(decoded(second), masked().highlight_image)


def test_a_model_that_fails_is_an_error_and_no_silence(small, behind):
    behind.asked.clear()
    answer = small.chat(chat("poison", URL))
    assert (answer.status, answer.error["code"], answer.error["type"]) == (500, "ModelError", "server_error")
    assert behind.asked == []


def test_without_a_word_of_a_user_there_is_nothing_to_mask_by(proxy, behind):
    request = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}]}]}
    answer = proxy.chat(request)
    assert (answer.status, answer.error["code"]) == (400, "InstructionError")
    assert "X-IVM-Instruction" in answer.error["message"]
    assert proxy.chat(request, X_IVM_On_Error="pass").header("X-IVM-Pictures") == "passed;error=InstructionError"


def test_too_many_pictures_are_refused(proxy, behind):
    answer = proxy.chat(chat("the red cup", *[URL] * 5))
    assert (answer.status, answer.error["code"]) == (400, "OptionError")
    assert "5 pictures, 4 at most" in answer.error["message"]


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"X_IVM_Mode": "zoom"}, "replace or original+crop or crop"),
        ({"X_IVM_Style": "sheet"}, "highlight or blur"),
        ({"X_IVM_Threshold": "much"}, "threshold"),
        ({"X_IVM_Threshold": "2"}, "threshold"),
        ({"X_IVM_Mask": "maybe"}, "on or off"),
        ({"X_IVM_Format": "gif"}, "png or webp"),
        ({"X_IVM_On_Error": "hope"}, "refuse or pass"),
        ({"X_IVM_Stile": "blur"}, "x-ivm-style"),
    ],
)
def test_a_wrong_header_is_named(proxy, behind, headers, what):
    answer = proxy.chat(chat("the red cup", URL), **headers)
    assert answer.status == 400
    assert what in answer.error["message"]
    assert behind.asked == []


def test_remote_pictures_are_fetched_where_allowed(behind):
    content = base64.b64decode(URL.partition(",")[2])
    behind.replies["/a.png"] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    behind.replies["/in"] = b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n"
    there = f"http://127.0.0.1:{behind.server_port}"
    with running_proxy(behind.url, fetch=FetchLimits(allowed=Allowed.parse(["127.0.0.1"]))) as proxy:
        answer = proxy.chat(chat("the red cup", f"{there}/a.png"))
        assert answer.status == 200
        np.testing.assert_array_equal(behind.last.pictures()[0], masked().highlight_image)
        proxy.chat(chat("nothing", f"{there}/a.png"))
        assert f"{there}/a.png".encode() in behind.last.body
        assert proxy.chat(chat("the red cup", f"{there}/in")).error["code"] == "ImageAddressError"
    behind.replies.clear()
