"""Learns a calibration: the experts of a run answer about pictures whose masks are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError
from ivm.data.parts import Progress, silent
from ivm.data.record import Record
from ivm.data.sources.base import Source
from ivm.labeling.calibration import Calibration
from ivm.labeling.expert import Expert, ExpertSpec, Opinion
from ivm.labeling.fitting import Calibrator
from ivm.labeling.plan import Plan, Role
from ivm.labeling.rules import RulePlanner
from ivm.labeling.task import task_of


def learn(
    source: Source,
    specs: Sequence[ExpertSpec],
    roles: tuple[Role, ...],
    records: int,
    *,
    progress: Progress = silent,
) -> Calibration:
    """Ask experts about labelled records, one expert after the other, and fit.

    Only records whose instruction names a single thing tell something: of a joined mask nobody knows which part is
    whose. The others are passed over.

    Args:
        source: of records whose masks are trusted.
        specs: the experts.
        roles: whose masks are joined in the run.
        records: at most so many are learnt from.
        progress: told after each record of each expert.

    Raises:
        OptionError: too few records can be used.
        ModelError: an expert cannot be loaded.
    """
    known = _single(source, roles, records)
    said: list[dict[str, Opinion]] = [{} for _ in known]
    for number, spec in enumerate(specs):
        expert = Expert.load(spec)
        for index, (record, phrase, _) in enumerate(known):
            opinions = expert.opinions([(record.image, [phrase])])[0]
            if not isinstance(opinions, IvmError):
                said[index][spec.name] = opinions[0]
            progress(number * len(known) + index + 1, len(specs) * len(known))
    calibrator = Calibrator([spec.name for spec in specs])
    for (_, _, truth), opinions_of in zip(known, said, strict=True):
        if len(opinions_of) == len(specs):
            calibrator.add(opinions_of, truth)
    return calibrator.fit()


def _single(source: Source, roles: tuple[Role, ...], records: int) -> list[tuple[Record, str, NDArray[np.bool_]]]:
    """Records that name one thing, with its phrase and its mask."""
    planner, known = RulePlanner(), []
    for item in _records(source):
        plan = planner.plan([task_of(item)])[0]
        targets = plan.of_roles(roles) if isinstance(plan, Plan) else ()
        if len(targets) == 1:
            try:
                known.append((item, targets[0].phrase, item.pixels()[1] > 127))
            except IvmError:
                continue  # ivm data validate tells about broken records
        if len(known) == records:
            break
    return known


def _records(source: Source) -> Iterator[Record]:
    for number in range(len(source)):
        yield from (item for item in source.read(number, number + 1) if isinstance(item, Record))
