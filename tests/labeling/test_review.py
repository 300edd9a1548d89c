"""What people see on the page, and what becomes of their decisions."""

from __future__ import annotations

import base64
import http.client
import json
import sys

import numpy as np
import pytest

from ivm.core.errors import OptionError, ShardError
from ivm.core.images import load_image
from ivm.data.coding import encode_picture
from ivm.data.convert import ToShards
from ivm.data.shards import Shard
from ivm.labeling.review.app import serve_review
from ivm.labeling.review.points import mask_from_points
from ivm.labeling.review.queue import DECISIONS, Queue
from ivm.labeling.review.reviewed import ReviewedSource
from labeling_review import review_folder, reviewing
from labeling_tasks import square


@pytest.fixture
def folder(tmp_path):
    """Four records, one of them rejected by the run."""
    return review_folder(tmp_path / "out")


def names(queue: Queue) -> list[str]:
    return [queue.entries[place].uuid for place in queue.waiting()]


def test_the_least_sure_come_first(folder):
    queue = Queue(folder)
    assert names(queue) == ["odd", "doubtful", "middle", "sure"]
    assert queue.entries[0].rejected == "experts disagree"


def test_decisions_outlive_the_page_and_can_be_taken_back(folder):
    queue = Queue(folder)
    drawn = np.zeros((48, 48), bool)
    drawn[:4] = True
    queue.decide(0, "redraw", drawn, "Ann")
    queue.decide(1, "reject", None, "Ann")
    assert names(queue) == names(Queue(folder)) == ["middle", "sure"]
    again = Queue(folder)
    assert again.undo() == 1
    assert names(Queue(folder)) == ["doubtful", "middle", "sure"]
    assert (Queue(folder).decisions["odd"].drawn() == drawn).all()


def test_a_line_that_a_kill_cut_short_is_not_there(folder):
    queue = Queue(folder)
    queue.decide(0, "keep", None, "Ann")
    with (folder / DECISIONS).open("a") as file:
        file.write('{"uuid": "doubt')
    queue = Queue(folder)
    assert names(queue) == ["doubtful", "middle", "sure"]
    queue.decide(1, "keep", None, "Ann")
    assert names(Queue(folder)) == ["middle", "sure"]


def test_a_damaged_line_is_named(folder):
    (folder / DECISIONS).write_text('{"uuid": 3}\n')
    with pytest.raises(OptionError, match=r"review.jsonl', line 1 is no decision"):
        Queue(folder)


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(ShardError, match="holds no shard"):
        Queue(tmp_path)


@pytest.mark.parametrize(
    ("place", "decision", "mask"),
    [(0, "perhaps", None), (9, "keep", None), (0, "redraw", None), (0, "keep", np.ones((48, 48), bool)),
     (0, "redraw", np.ones((4, 4), bool))],
)  # fmt: skip
def test_a_decision_that_is_none_changes_nothing(folder, place, decision, mask):
    queue = Queue(folder)
    with pytest.raises(OptionError):
        queue.decide(place, decision, mask, "Ann")
    assert not (folder / DECISIONS).exists()


def test_decisions_become_human_records(folder, tmp_path):
    queue = Queue(folder)
    drawn = np.zeros((48, 48), bool)
    drawn[:4] = True
    queue.decide(0, "redraw", drawn, "Ann")
    queue.decide(1, "reject", None, "Ann")
    queue.decide(3, "keep", None, "Ann")
    ToShards(source=ReviewedSource(folder), folder=tmp_path / "set", name="reviewed").run()
    records = {}
    for path in (tmp_path / "set").glob("*.tar"):
        with Shard(path) as shard:
            records |= {shard[index].uuid: shard[index] for index in range(len(shard))}
    assert {name: (one.source, one.weight) for name, one in records.items()} == {
        "odd": ("human", 1.0),
        "sure": ("human", 1.0),
        "middle": ("machine", 0.7),
    }
    assert ((records["odd"].mask > 127) == drawn).all()
    assert records["odd"].provenance.maker.startswith("Ann, ")


def test_clicks_find_the_square_and_leave_it():
    image = square("red")
    truth = image[..., 0] > 200
    found = mask_from_points(image, np.zeros((48, 48), bool), [(12.0, 12.0, True), (40.0, 40.0, False)])
    assert (found & truth).sum() / (found | truth).sum() > 0.8
    with pytest.raises(OptionError, match="in the picture"):
        mask_from_points(image, truth, [(99.0, 1.0, True)])
    with pytest.raises(OptionError, match="at least one"):
        mask_from_points(image, truth, [])


class Page:
    """Asks as the page does."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://").rstrip("/")

    def ask(self, path: str, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            kind = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(
                "GET" if body is None else "POST",
                path,
                None if body is None else json.dumps(body),
                {**kind, **(headers or {})},
            )
            answer = connection.getresponse()
            data = answer.read()
            told = json.loads(data) if "json" in answer.headers["Content-Type"] else data
            return answer.status, told
        finally:
            connection.close()


@pytest.fixture
def page(folder):
    """The real server in a thread."""
    pytest.importorskip("starlette", reason="the extra [label] is not installed")
    pytest.importorskip("uvicorn", reason="the extra [label] is not installed")
    with reviewing(folder) as address:
        yield Page(address)


def png(mask: np.ndarray) -> str:
    data = encode_picture(np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2), "png")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_the_page_goes_through_the_queue(page, folder):
    status, html = page.ask("/")
    assert status == 200
    assert b"page.js" in html
    assert page.ask("/page.js")[0] == 200
    first = page.ask("/api/next")[1]
    assert (first["left"], first["all"], first["record"]["uuid"]) == (4, 4, "odd")
    assert first["record"]["rejected"] == "experts disagree"
    assert (load_image(page.ask("/api/records/0/picture")[1]) == square("red")).all()
    mask = load_image(page.ask("/api/records/0/mask")[1])[..., 0] > 127
    assert mask.sum() == 256
    status, second = page.ask("/api/records/0/decision", {"decision": "redraw", "mask": png(~mask)})
    assert (status, second["record"]["uuid"], second["left"]) == (200, "doubtful", 3)
    assert (Queue(folder).decisions["odd"].drawn() == ~mask).all()
    later = page.ask("/api/records/1/decision", {"decision": "keep"})[1]
    assert (later["record"]["uuid"], page.ask("/api/undo", {})[0]) == ("middle", 200)
    back = page.ask("/api/undo", {})[1]
    assert (back["record"]["uuid"], back["left"]) == ("odd", 4)
    clicked = page.ask("/api/records/0/points", {"points": [[12, 12, True]], "mask": png(mask)})[1]
    assert load_image(clicked).shape == (48, 48, 3)
    for place in range(4):
        assert page.ask(f"/api/records/{place}/decision", {"decision": "keep"})[0] == 200
    assert page.ask("/api/next")[1] == {"left": 0, "all": 4, "record": None}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/api/records/77", None, "no record 77"),
        ("/api/records/0/decision", {"decision": "burn"}, "keep, reject, or redraw"),
        ("/api/records/0/decision", {"decision": "redraw", "mask": "data:image/png;base64,!"}, "not base64"),
        ("/api/records/0/decision", {"decision": "redraw", "mask": "file:///etc/passwd"}, "PNG as a data URL"),
        ("/api/records/0/points", {"points": [["a"]], "mask": png(np.zeros((48, 48), bool))}, "list of"),
        ("/api/records/0/decision", {"decision": "redraw", "mask": "data:image/png;base64,AAAA"}, "damaged"),
        ("/api/records/0/decision", {"decision": "redraw"}, "PNG as a data URL"),
        ("/api/records/0/decision", [1], "JSON object"),
    ],
)
def test_what_is_asked_wrongly_is_told(page, path, body, told):
    status, answer = page.ask(path, body)
    assert status == 400
    assert told in answer["error"]


def test_pages_of_other_sites_get_nothing(page, folder):
    assert page.ask("/api/next", headers={"Host": "evil.example"})[0] == 400
    status, answer = page.ask("/api/records/0/decision", {"decision": "keep"}, {"Content-Type": "text/plain"})
    assert (status, "application/json" in answer["error"]) == (400, True)
    assert not (folder / DECISIONS).exists()


@pytest.mark.parametrize(
    "path",
    ["/../app.py", "/%2e%2e/app.py", "/page.js/../app.py", "/..%2fqueue.py", "/api/records/-1", "/api/records/x",
     "/api/records/0/../../../etc/passwd"],
)  # fmt: skip
def test_no_path_leads_elsewhere(page, path):
    assert page.ask(path)[0] == 404


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one address of loopback by itself")
def test_the_page_is_for_this_machine_alone(page):
    """Every address of loopback leads here on a server that listens on all; only 127.0.0.1 does on this one."""
    with pytest.raises(ConnectionRefusedError):
        Page(page.host.replace("127.0.0.1", "127.0.0.2")).ask("/")


def test_a_taken_port_is_named(page, folder):
    port = int(page.host.rpartition(":")[2])
    with pytest.raises(OptionError, match=f"Port {port} cannot be used"):
        serve_review(Queue(folder), "Ann", port, opened=lambda url, stop: None)
