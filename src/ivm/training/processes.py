"""The other processes of a training run on this machine: started, listened to and ended by the first one.

Each is `python -m ivm.training.processes` with the run on its standard input, so that a script, a notebook or a test
can train with several processes without being run several times. A cluster that starts all processes itself sets
LOCAL_RANK, and none is started here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import IO, Any

from ivm.core.errors import IvmError, TrainingError

_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")

PATIENCE = 20.0
"""Seconds after which a process that waits for one that has failed is ended."""


def started_by_a_cluster() -> bool:
    """Whether torchrun, Slurm or the like has started this process as one of several."""
    return "LOCAL_RANK" in os.environ


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0")))) == 0


class Others:
    """The processes beside this one.

    Args:
        run: what each is told, values that JSON holds.
        count: how many there are, this one among them.
    """

    def __init__(self, run: dict[str, Any], count: int) -> None:
        self._said: list[IO[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._run, self._count = run, count
        self._over = threading.Event()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Start them; end those that are left at the end, which hold nothing that is not in a checkpoint."""
        if self._count == 1 or started_by_a_cluster():
            yield
            return
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = str(found.getsockname()[1])
        ours = dict(zip(_VARIABLES, ("127.0.0.1", port, "0", "0", str(self._count)), strict=True))
        os.environ.update(ours)
        watcher = threading.Thread(target=self._watch, daemon=True)
        try:
            self._start()
            watcher.start()
            yield
        finally:
            self.end()
            if watcher.is_alive():
                watcher.join()
            for said in self._said:
                said.close()
            self._processes, self._said = [], []
            for name in _VARIABLES:
                os.environ.pop(name, None)

    def _start(self) -> None:
        # Ctrl-C of a terminal reaches all processes. Only the first one decides: the others are born with it blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for rank in range(1, self._count):
                paths = os.pathsep.join(filter(None, sys.path))
                environment = os.environ | {"LOCAL_RANK": str(rank), "PYTHONPATH": paths}
                said = tempfile.TemporaryFile()  # noqa: SIM115 (closed when all have ended)
                line = [sys.executable, "-m", "ivm.training.processes"]
                process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment)
                self._said.append(said)
                self._processes.append(process)
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError), process.stdin as told:
                    told.write(json.dumps(self._run).encode())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self) -> None:
        """End this process too when another has failed and this one waits for it in vain."""
        while not self._over.wait(1):
            if (failed := self.failed()) and not self._over.wait(PATIENCE):
                self.end()
                os.write(2, f"error: {failed}\n".encode())
                os._exit(failed.exit_code)

    def end(self) -> None:
        """End them at once."""
        self._over.set()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def failed(self, patience: float = 0.0) -> TrainingError | None:
        """Return why one of them ended by itself, or None if none did, nor does in so many seconds."""
        limit = time.monotonic() + patience
        while True:
            for rank, (process, said) in enumerate(zip(self._processes, self._said, strict=True), start=1):
                if process.poll():
                    lines = os.pread(said.fileno(), 1 << 20, 0).decode(errors="replace").strip().splitlines()
                    why = lines[-1] if lines else f"status {process.returncode}"
                    return TrainingError(f"Training process {rank} has failed: {why}")
            if not self._processes or time.monotonic() > limit:
                return None
            time.sleep(0.05)


def main() -> None:
    """Take part in the run that is told on standard input; what goes wrong is said in one line."""
    from ivm.training.recipe import MODELS
    from ivm.training.run import train

    run = json.load(sys.stdin)
    try:
        train(MODELS[run["model"]](**run["recipe"]), run["output"], progress=False)
    except IvmError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
