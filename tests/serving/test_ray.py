"""The app under Ray Serve on this machine: one replica, asked over HTTP, in a process of its own.

A Ray cluster takes a while to start, so this runs on request only: IVM_RAY=1 make test ARGS=tests/serving/test_ray.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from serving_tools import TABLE

SCRIPT = """
import sys
import ray
from ray import serve
from ivm.serving.client import Client
from ivm.serving.ray_app import build

model, picture, port, folder = sys.argv[1:]
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, _temp_dir=folder)
serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": int(port)})
serve.run(build({"model": model, "max_requests": 4}))
client = Client(f"http://127.0.0.1:{port}")
assert client.ready()
(answer,) = client.mask(picture, "red", outputs=["rle"])
with client.open(picture) as kept:
    (again,) = kept("red", outputs=["rle"])
assert answer.record == again.record
try:
    client.mask(b"this is no picture", "red")
except ValueError as error:
    assert "not a picture" in str(error)
print("answer", __import__("json").dumps(answer.record))
serve.shutdown()
ray.shutdown()
"""


def test_one_replica_answers_like_the_server(toy_nano, server, tmp_path_factory):
    if not os.environ.get("IVM_RAY"):
        pytest.skip("starts a Ray cluster: set IVM_RAY=1 to try it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("r")
    line = [sys.executable, "-c", SCRIPT, str(toy_nano), str(TABLE), str(port), str(folder)]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=280, env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = next(line for line in done.stdout.splitlines() if line.startswith("answer "))
    from ivm.serving.client import Client

    (expected,) = Client(server.address).mask(TABLE, "red", outputs=["rle"])
    assert json.loads(told.removeprefix("answer ")) == expected.record
