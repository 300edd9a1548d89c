"""The HTTP server under load, on loopback: batched throughput against the bare model, shedding, and SIGTERM.

First the same pictures and questions through `Masker.batch` and through the server, in turns. Then many clients at
once for a while, each over one connection, asking again as soon as it is answered, and after Retry-After where it is
refused; at the end SIGTERM comes while they ask. The clients run in processes of their own.

    python -m benchmarks.serving --clients 200 --seconds 60
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

import ivm

PICTURE = Path(__file__).parent.parent / "examples" / "tabletop.jpg"
INSTRUCTION = "pick up the red cup"
HEADERS = {"Content-Type": "multipart/form-data; boundary=b"}


def form() -> bytes:
    """The body of every request: one picture, one instruction, run lengths."""
    file = PICTURE.read_bytes()
    head = '--b\r\nContent-Disposition: form-data; name="image"; filename="p"\r\n\r\n'
    rest = "".join(
        f'\r\n--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
        for name, value in (("instructions", INSTRUCTION), ("outputs", "rle"))
    )
    return head.encode() + file + rest.encode() + b"\r\n--b--\r\n"


@contextmanager
def server(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `ivm serve` as a process; gives it and its port."""
    line = [sys.executable, "-m", "ivm", "serve", "--port", "0", *options]
    process = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline().split(b":")[-1])
    finally:
        process.kill()
        process.wait()


class Asking(threading.Thread):
    """One client: asks over one connection until a time, or until the server is gone."""

    def __init__(self, port: int, until: float, count: int | None = None) -> None:
        super().__init__()
        self._port, self._until, self._left = port, until, count
        self.seconds: list[float] = []
        self.refused: list[float] = []
        self.wrong: list[str] = []
        self.cut = 0
        self.first = self.last = 0.0

    def run(self) -> None:
        """Ask again and again."""
        body = form()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while time.monotonic() < self._until and self._left != 0:
            started = time.monotonic()
            try:
                connection.request("POST", "/v1/mask", body, HEADERS)
                answer = connection.getresponse()
                json.loads(answer.read())
            except http.client.IncompleteRead as error:
                self.wrong.append(f"half an answer: {error}")
                return
            except (OSError, http.client.HTTPException):
                self.cut += 1  # not taken: no byte of an answer came
                connection.close()
                if not reachable(self._port):
                    return
                continue
            self.last = time.monotonic()
            self.first = self.first or started
            if answer.status == 200:
                self.seconds.append(self.last - started)
                if self._left:
                    self._left -= 1
            elif answer.status == 429:
                self.refused.append(self.last - started)
                time.sleep(min(int(answer.headers["Retry-After"]), max(self._until - self.last, 0)))
            else:
                self.wrong.append(f"status {answer.status}")
        connection.close()


def reachable(port: int) -> bool:
    """Whether a server listens."""
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        probe.connect()
    except OSError:
        return False
    finally:
        probe.close()
    return True


def ask_many(port: int, clients: int, until: float, count: int | None, told: Any) -> None:
    """Run clients in this process, and tell what they saw."""
    asking = [Asking(port, until, count) for _ in range(clients)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    told.put(
        {
            "seconds": [x for one in asking for x in one.seconds],
            "refused": [x for one in asking for x in one.refused],
            "wrong": [x for one in asking for x in one.wrong],
            "cut": sum(one.cut for one in asking),
            "span": max(one.last for one in asking) - min(one.first or one.last for one in asking),
        }
    )


def rates(rounds: int) -> tuple[list[float], list[float]]:
    """Pictures a second: `Masker.batch` on the same files, and sixteen clients of the server, in turns."""
    pictures = 96
    masker = ivm.load()
    data = PICTURE.read_bytes()
    bare, served, seen = [], [], {}
    for _ in range(rounds):
        started = time.monotonic()
        # Each its own object: one that came twice would be encoded once.
        results = masker.batch([bytes(bytearray(data)) for _ in range(pictures)], INSTRUCTION)
        for result in results:
            result.summary(), result.to_rle()
        bare.append(pictures / (time.monotonic() - started))
        with server() as (_, port):
            told: Any = multiprocessing.get_context("fork").Queue()
            warm = Asking(port, time.monotonic() + 60, 4)
            warm.run()
            ask_many(port, 16, time.monotonic() + 300, pictures // 16, told)
            seen = told.get()
        assert len(seen["seconds"]) == pictures, seen
        served.append(pictures / seen["span"])
    return bare, served


def throughput(rounds: int, console: Console) -> None:
    """Print what the server keeps of the bare model's speed."""
    bare, served = rates(rounds)
    ratio = median(ours / plain for ours, plain in zip(served, bare, strict=True))
    console.print(
        f"batching: {median(served):.1f} pictures/s served, {median(bare):.1f} by Masker.batch with decoding and run "
        f"lengths; ratio {ratio:.2f} (median of {rounds} rounds)"
    )


def load(clients: int, seconds: float, console: Console) -> None:
    """Many clients for a while, then SIGTERM among them."""
    context = multiprocessing.get_context("spawn")
    with server() as (process, port):
        told = context.Queue()
        until = time.monotonic() + seconds + 30
        processes = [context.Process(target=ask_many, args=(port, clients // 2, until, None, told)) for _ in range(2)]
        for one in processes:
            one.start()
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=120)[0].decode()
        seen = [told.get(timeout=120) for _ in processes]
        for one in processes:
            one.join()
    answered = [x for one in seen for x in one["seconds"]]
    refused = [x for one in seen for x in one["refused"]]
    wrong = [x for one in seen for x in one["wrong"]]
    accepted, finished = map(int, re.findall(r"(\d+) requests accepted, (\d+) answered", output)[0])
    table = Table("load", "", box=None)
    table.add_row("clients, seconds until SIGTERM", f"{clients}, {seconds:g}")
    table.add_row("accepted, answered by the server", f"{accepted}, {finished}")
    table.add_row("whole answers that clients got", f"{len(answered)}")
    table.add_row("refused with 429", f"{len(refused)}")
    table.add_row("other answers", f"{len(wrong)} {wrong[:3]}")
    table.add_row("connections ended without an answer, at the end", f"{sum(one['cut'] for one in seen)}")
    table.add_row("answered a second", f"{len(answered) / seconds:.1f}")
    cuts = quantiles(answered, n=100)
    table.add_row("answer: median, 99th percentile", f"{median(answered):.2f} s, {cuts[98]:.2f} s")
    table.add_row("refusal: median, 99th percentile", f"{median(refused):.3f} s, {quantiles(refused, n=100)[98]:.3f} s")
    table.add_row("exit code", f"{process.returncode}")
    console.print(table)
    if not accepted == finished == len(answered) or wrong:
        sys.exit("something accepted was lost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison with the bare model")
    options = parser.parse_args()
    console = Console(width=120)
    throughput(options.rounds, console)
    load(options.clients, options.seconds, console)


if __name__ == "__main__":
    main()
