"""The MCP server in a process of its own, tried with the SDK's own client."""

from __future__ import annotations

import base64
import io
import os
import sys
from contextlib import asynccontextmanager

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mcp", reason="agents need the extra [serve]")

from mcp import Client, StdioServerParameters

from fake_models import RedModel, red_at
from ivm.core.errors import ImageNotFoundError, ImageTooLargeError, OptionError
from ivm.inference.masker import Masker
from ivm.serving.engine import Engine
from ivm.serving.fetching import PictureFetcher
from ivm.serving.mcp_files import Folders, read_file
from ivm.serving.mcp_looking import Looker
from ivm.serving.mcp_server import create_mcp
from ivm.serving.sessions import SessionStore

SCENE = red_at(20, 64)


@pytest.fixture
def folder(tmp_path):
    """Two folders, one of them open to agents."""
    (tmp_path / "open" / "below").mkdir(parents=True)
    (tmp_path / "shut").mkdir()
    for name in ("open/a.png", "open/below/b.png", "shut/c.png"):
        Image.fromarray(SCENE).save(tmp_path / name)
    return tmp_path


def pixels(answer):
    (picture,) = (part for part in answer.content if part.type == "image")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.data))))


def words(answer):
    return " ".join(part.text for part in answer.content if part.type == "text")


# The tools, in this process


@asynccontextmanager
async def agent(model, *folders, **options):
    looker = Looker(Engine(Masker(model)), Folders(folders), PictureFetcher(), SessionStore(), **options)
    async with Client(create_mcp(looker)) as client:
        yield client


def right():
    return Masker(RedModel())(SCENE, "the red cup")


@pytest.mark.anyio
async def test_each_tool_gives_its_picture(folder):
    async with agent(RedModel(), folder / "open") as client:
        result, asked = right(), {"image": "a.png", "instruction": "the red cup"}
        x0, y0, x1, y1 = result.bbox
        for tool, more, wanted in [
            ("mask", {}, result.highlight_image),
            ("mask", {"style": "blur"}, result.blur_image),
            ("mask", {"style": "gray"}, result.grayscale_image),
            ("mask", {"style": "inpaint"}, result.inpaint_image),
            ("mask", {"style": "heatmap"}, result.heatmap_image),
            ("crop", {"margin": 0}, SCENE[y0:y1, x0:x1]),
            ("crop", {"margin": 0, "masked": True}, result.cropped_highlight_img),
            ("crop", {"margin": 4}, SCENE),
            ("cut_out", {}, result.alpha_image[y0:y1, x0:x1]),
        ]:
            answer = await client.call_tool(tool, asked | more)
            assert not answer.is_error
            np.testing.assert_array_equal(pixels(answer), wanted)
            assert words(answer) == "Found with probability 0.90 at [20, 0, 21, 64] of 64 x 64 pixels."


@pytest.mark.anyio
async def test_find_gives_numbers(folder):
    async with agent(RedModel(), folder / "open") as client:
        answer = await client.call_tool("find", {"image": "a.png", "instruction": "the red cup"})
        found = answer.structured_content
        assert found["target_bbox"] == [20, 0, 21, 64]
        assert found["bbox"] == list(right().bbox)
        assert (found["width"], found["height"], found["kept_whole"]) == (64, 64, False)
        assert found["found"] == pytest.approx(0.9)
        assert found["coverage"] == pytest.approx(1 / 64)


@pytest.mark.anyio
async def test_where_nothing_is_found_it_says_so(folder):
    async with agent(RedModel(), folder / "open") as client:
        answer = await client.call_tool("crop", {"image": "a.png", "instruction": "nothing"})
        assert words(answer) == "Nothing found (probability 0.10): this is the whole picture."
        np.testing.assert_array_equal(pixels(answer), SCENE)


@pytest.mark.anyio
async def test_a_picture_is_read_once_and_again_when_it_has_changed(folder):
    model = RedModel()
    async with agent(model, folder / "open") as client:
        started = len(model.encoded)
        for instruction in ("the red cup", "the pan", "the red cup"):
            for name in ("a.png", str(folder / "open" / "a.png")):
                await client.call_tool("mask", {"image": name, "instruction": instruction})
        assert len(model.encoded) == started + 1
        Image.fromarray(red_at(40, 80)).save(folder / "open" / "a.png")
        answer = await client.call_tool("find", {"image": "a.png", "instruction": "the red cup"})
        assert answer.structured_content["target_bbox"] == [40, 0, 41, 80]
        assert len(model.encoded) == started + 2


@pytest.mark.anyio
async def test_large_pictures_are_made_smaller_for_the_agent(folder):
    Image.fromarray(red_at(200, 400)).save(folder / "open" / "large.png")
    async with agent(RedModel(), folder / "open", max_side=100) as client:
        answer = await client.call_tool("mask", {"image": "large.png", "instruction": "the red cup"})
        assert pixels(answer).shape == (100, 100, 3)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"image": "shut/c.png"}, "no picture 'shut/c.png' in the folders"),
        ({"image": "../shut/c.png"}, "no picture"),
        ({"image": "/etc/passwd"}, "no picture"),
        ({"image": "none.png"}, "no picture"),
        ({"image": "a\0.png"}, "no picture"),
        ({"image": "below"}, "no picture"),
        ({"image": "link.png"}, "no picture"),
        ({"image": "text.png"}, "not a picture"),
        ({"image": "http://127.0.0.1/a.png"}, "not on the public internet"),
        ({"image": "http://169.254.169.254/"}, "not on the public internet"),
        ({"image": "file:///etc/passwd"}, "no picture"),
        ({"image": "data:image/png;base64,####"}, "base64"),
        ({"instruction": " "}, "holds no word"),
        ({"style": "sketch"}, "highlight or blur"),
        ({"threshold": 2}, "threshold"),
    ],
)
async def test_a_mistake_comes_back_as_a_sentence(folder, arguments, what):
    (folder / "open" / "link.png").symlink_to(folder / "shut" / "c.png")
    (folder / "open" / "text.png").write_text("hello, I am a text")
    async with agent(RedModel(), folder / "open") as client:
        answer = await client.call_tool("mask", {"image": "a.png", "instruction": "the red cup"} | arguments)
        assert answer.is_error
        assert what in words(answer)


@pytest.mark.anyio
async def test_a_data_url_is_a_picture_too(folder):
    data = base64.b64encode((folder / "shut" / "c.png").read_bytes()).decode()
    async with agent(RedModel()) as client:
        answer = await client.call_tool(
            "mask", {"image": f"data:image/png;base64,{data}", "instruction": "the red cup"}
        )
        np.testing.assert_array_equal(pixels(answer), right().highlight_image)


def test_folders_are_left_by_no_path(folder):
    (folder / "open" / "circle").symlink_to(folder / "open" / "circle")
    (folder / "open" / "way").symlink_to(folder / "shut")
    os.mkfifo(folder / "open" / "pipe")
    folders = Folders([folder / "open"])
    assert folders.locate("below/../a.png") == (folder / "open" / "a.png").resolve()
    for name in ("circle", "way/c.png", "pipe", "", ".", "..", "below/../../shut/c.png", "x" * 5000):
        with pytest.raises(ImageNotFoundError):
            folders.locate(name)
    with pytest.raises(ImageNotFoundError, match="no folder is open"):
        Folders([]).locate("a.png")
    with pytest.raises(OptionError, match="no folder"):
        Folders([folder / "none"])


def test_files_are_read_within_limits(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(ImageNotFoundError):
        read_file(folder / "pipe", 1000)
    with pytest.raises(ImageTooLargeError):
        read_file(folder / "open" / "a.png", 10)
    (folder / "link").symlink_to(folder / "open" / "a.png")
    with pytest.raises(ImageNotFoundError):
        read_file(folder / "link", 1000)


# The command, as a process


def started(toy_nano, folder, *more):
    line = ["-m", "ivm", "mcp", "--model", str(toy_nano), "--folder", str(folder / "open"), *more]
    return StdioServerParameters(command=sys.executable, args=line, env={"OMP_NUM_THREADS": "1"})


@pytest.mark.anyio
async def test_an_agent_starts_it_and_looks_closer(toy_nano, folder, scene):
    Image.fromarray(scene).save(folder / "open" / "scene.png")
    async with Client(started(toy_nano, folder), read_timeout_seconds=120) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"find", "mask", "crop", "cut_out"}
        asked = {"image": "scene.png", "instruction": "the red square"}
        found = (await client.call_tool("find", asked)).structured_content
        x0, y0, x1, y1 = found["bbox"]
        assert not found["kept_whole"]
        crop = pixels(await client.call_tool("crop", asked | {"margin": 0}))
        np.testing.assert_array_equal(crop, scene[y0:y1, x0:x1])
        assert pixels(await client.call_tool("cut_out", asked)).shape[2] == 4
        assert (await client.call_tool("mask", {"image": "../shut/c.png", "instruction": "red"})).is_error


@pytest.mark.anyio
async def test_over_http_it_asks_for_a_key_and_serves_many(start, folder, tmp_path):
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    (tmp_path / "keys.txt").write_text("a-key-of-many-letters\n")
    server = start("--http", "--folder", str(folder / "open"), "--api-keys", str(tmp_path / "keys.txt"), command="mcp")
    assert server.ask("/mcp", b"{}").status == 401
    headers = {"Authorization": "Bearer a-key-of-many-letters"}
    assert server.ask("/mcp", b"{}", **headers, origin="https://evil.example").status == 403
    async with httpx2.AsyncClient(headers=headers, timeout=120) as web:
        for _ in range(2):
            async with Client(streamable_http_client(f"{server.address}/mcp", http_client=web)) as client:
                answer = await client.call_tool("find", {"image": "a.png", "instruction": "the red square"})
                assert answer.structured_content["width"] == 64
    assert server.stop() == 0
