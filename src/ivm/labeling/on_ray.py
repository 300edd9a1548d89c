"""The stages on Ray Data: pools of workers on one machine or many, with back-pressure, and lost ones replaced.

A row of the data set is a part of the run, packed into one value; so a stage sees whole parts, and its worker asks its
model in batches of its own. Ray streams the rows from pool to pool and holds early stages back when later ones or the
memory are full; a worker or a machine that dies takes with it only parts that are then done again.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivm.core.errors import IvmError, OptionError
from ivm.core.extras import optional
from ivm.labeling.asking import Asker
from ivm.labeling.desk import Desk, DeskActor, LmmSettings, RemoteDesk
from ivm.labeling.draft import Batch
from ivm.labeling.run import WRITER_CPUS, StageMaker, StageSpec, Work
from ivm.labeling.stages import ReadStage
from ivm.lmm.answers import Usage

_AT_ONCE = 1000
"""Calls that the desk takes at the same time; how many requests go out is the client's own limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaySettings:
    """Where Ray runs.

    Attributes:
        address: of a cluster, "auto" for the one that this machine belongs to; None starts one here, for this run.
        object_store_mb: memory for what is on its way between workers, where it is started here.
        temporary: folder for Ray's own files, where it is started here; None for Ray's choice.
    """

    address: str | None = None
    object_store_mb: int = 512
    temporary: str | None = None


class RayEngine:
    """Does the work of runs on Ray, which is started or joined when there is work."""

    def __init__(self, settings: RaySettings, lmm: LmmSettings | None, *, cpus: float) -> None:
        """Take down what is needed.

        Args:
            settings: where.
            lmm: of the run.
            cpus: cores that all workers take together; a Ray that is started here has at least as many, so that all
                of them begin, and shares them as the operating system does.

        Raises:
            MissingExtraError: Ray is not installed.
        """
        self._ray = optional("ray")
        optional("ray.data", extra="label")
        self._settings, self._lmm, self._cpus = settings, lmm, cpus
        self._started = False
        self._desk: Any = None

    def run(self, work: Work) -> Iterator[tuple[int, dict[str, Any]]]:
        """Stream the parts through pools of workers.

        Raises:
            OptionError: Ray does not start, the cluster is not to be reached, or has too few cores.
            IvmError: as stages do.
        """
        asker = self._open()
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = self._ray.data.from_items(
            [{"part": number, "start": start, "stop": stop} for number, (start, stop) in work.todo],
            override_num_blocks=len(work.todo),
        )
        for index, spec in enumerate(work.stages):
            first = work.read if index == 0 else None
            rows = rows.map(
                Worker,
                fn_constructor_args=(spec.make, asker, first),
                compute=self._ray.data.ActorPoolStrategy(size=spec.workers, max_tasks_in_flight_per_actor=2),
                num_cpus=spec.cpus,
                num_gpus=spec.gpus,
            )
        for table in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                yield int(row["part"]), _entry(row)

    def usage(self) -> Usage | None:
        """What the LMM took so far."""
        if self._desk is None:
            return None
        usage: Usage = self._ray.get(self._desk.report.remote())
        return usage

    def close(self) -> None:
        """End what was started here."""
        if self._started:
            self._ray.shutdown()
        elif self._desk is not None:
            self._ray.kill(self._desk)

    def _open(self) -> Asker | None:
        """Start Ray here or join a cluster, and open the desk."""
        if not self._ray.is_initialized():
            self._start()
            self._started = True
        have = float(self._ray.cluster_resources().get("CPU", 0))
        if have < self._cpus:
            raise OptionError(
                f"The workers need {self._cpus:g} cores, the cluster has {have:g}: lower the recipe's workers or cpus"
            )
        if self._lmm is None:
            return None
        if self._desk is None:
            self._desk = self._open_desk(self._lmm)
        return RemoteDesk(self._desk, self._lmm.model)

    def _start(self) -> None:
        settings, here = self._settings, self._settings.address is None
        options: dict[str, Any] = {"address": "local" if here else settings.address}
        # Nobody is told that it runs here, and its complaints about itself do not stand between ours.
        for name, value in (
            ("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_BACKEND_LOG_LEVEL", "fatal"),
            ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
        ):  # fmt: skip
            os.environ.setdefault(name, value)
        if here:
            options |= {
                "num_cpus": max(os.cpu_count() or 1, math.ceil(self._cpus)),
                "object_store_memory": settings.object_store_mb * 2**20,
                "include_dashboard": False,
            }
            if settings.temporary is not None:
                options["_temp_dir"] = str(Path(settings.temporary).resolve())
        try:
            self._ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except Exception as error:  # a node that does not start in time makes Ray raise Exception itself
            reason = " ".join(str(error).split())
            if here:
                told = f"Ray does not start here ({reason}): where it was only slow, run the same command again"
            else:
                told = f"Ray cannot be reached at {settings.address}: {reason}"
            raise OptionError(told) from error

    def _open_desk(self, lmm: LmmSettings) -> Any:
        Desk(lmm).close()  # a mistake in the settings is told here, not by an actor that does not start
        here = self._ray.get_runtime_context().get_node_id()
        strategy = optional("ray.util.scheduling_strategies", extra="label").NodeAffinitySchedulingStrategy
        remote = self._ray.remote(
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=_AT_ONCE,
            scheduling_strategy=strategy(node_id=here, soft=False),
        )
        return remote(DeskActor).remote(lmm)


class Worker:
    """What runs in a pool: one stage; the first one also reads its part.

    An error of this package, such as weights that are not here, travels as a value, so that the user gets its sentence
    and not a stack of Ray's.
    """

    def __init__(self, make: StageMaker, asker: Asker | None, read: ReadStage | None) -> None:
        self._read, self._error = read, None
        try:
            self._stage = make(asker)
        except IvmError as error:
            self._error = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Work on one row."""
        if row.get("error"):
            return row
        part = int(row["part"])
        if self._error is not None:
            return _row(part, error=self._error)
        try:
            if self._read is not None:
                batch = self._read.begin(part, (int(row["start"]), int(row["stop"])))
            else:
                batch = Batch.unpack(row["batch"])
            done = self._stage(batch)
        except IvmError as error:
            return _row(part, error=error)
        return _row(part, batch=done)


def workers_cpus(stages: Sequence[StageSpec]) -> float:
    """Cores that the workers of stages take together, with the one that writes."""
    return sum(spec.workers * spec.cpus for spec in stages) + WRITER_CPUS


def _row(part: int, *, batch: Batch | None = None, error: IvmError | None = None) -> dict[str, Any]:
    return {
        "part": part,
        "batch": b"" if batch is None else batch.pack(),
        "error": b"" if error is None else _packed(error),
    }


def _packed(error: IvmError) -> bytes:
    """An error as bytes; one that cannot be made again from its message alone becomes a plain one."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # whatever the classes of Ray that may be among its bases raise
        return pickle.dumps(IvmError(str(error)))
    return data


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    if row["error"]:
        raise pickle.loads(row["error"])
    batch = Batch.unpack(row["batch"])
    assert batch.entry is not None, "the last stage writes"
    return batch.entry
