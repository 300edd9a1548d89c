"""Labels a video: key frames by a model, the frames between by flow, and by the model again where the flow lost it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import IvmError, OptionError
from ivm.core.images import load_image
from ivm.core.instruction import check_instruction
from ivm.core.model import RGBImage
from ivm.data.parts import Progress, silent
from ivm.data.record import Provenance, Record, plain_name
from ivm.data.shards import write_shard
from ivm.labeling.calibration import Calibration
from ivm.labeling.expert import Expert
from ivm.labeling.flow import FlowTracker
from ivm.labeling.fusion import Fused, fuse, union
from ivm.labeling.plan import KEPT_ROLES
from ivm.labeling.rules import RulePlanner, parse
from ivm.masking.heatmap import sigmoid, upsample_logits

LEAST_TRUST = 0.5
"""Share of the mask that must surely be followed in every frame since the key frame; below it the mask is lost."""
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class FrameLabel:
    """The mask of one frame."""

    mask: NDArray[np.bool_]
    """(H, W) bool."""
    weight: float
    """Expected overlap with the truth, in [0, 1]."""
    by: str
    """"key", "lost" (the model was asked because the flow had lost it) or "flow"."""


@dataclass(frozen=True, slots=True)
class Film:
    """What became of a video."""

    frames: int
    records: int
    keys: int
    """Frames that the model was asked about."""
    lost: int
    """Those of them that it was asked about because the mask was lost."""


class FilmLabeler:
    """Labels frames one by one, in bounded memory."""

    def __init__(self, instruction: str, experts: Sequence[Expert], *, every: int = 15,
                 calibration: Calibration | None = None) -> None:  # fmt: skip
        """Make ready.

        Args:
            instruction: what to keep in all frames.
            experts: one or more.
            every: frames from one key frame to the next, at most.
            calibration: of the experts.

        Raises:
            InstructionError: the instruction is none.
            OptionError: `every` is below 1, or there is no expert.
        """
        if every < 1 or not experts:
            raise OptionError("A video is labelled by at least one expert, with a key frame every 1 or more frames")
        targets, _ = parse(check_instruction(instruction))
        wanted = [target.phrase for target in targets if target.role in KEPT_ROLES]
        self._phrases = wanted or [target.phrase for target in targets]
        self._experts, self._every, self._calibration = experts, every, calibration or Calibration()
        self._tracker: FlowTracker | None = None
        self._since, self._trust, self._quality, self._found = every, 1.0, 0.0, False

    def label(self, frames: Iterable[RGBImage]) -> Iterator[FrameLabel | IvmError]:
        """Label frames in order; where the model fails the error stands in the frame's place."""
        for image in frames:
            if self._tracker is None or self._since >= self._every:
                yield self._ask(image, "key")
                continue
            carried = self._tracker.carry(image)
            self._since += 1
            if not self._found:
                yield FrameLabel(carried.mask, self._quality, "flow")
                continue
            self._trust = min(self._trust, carried.trust)
            if self._trust < LEAST_TRUST:
                yield self._ask(image, "lost")
            else:
                yield FrameLabel(carried.mask, self._quality * self._trust, "flow")

    def _ask(self, image: RGBImage, by: str) -> FrameLabel | IvmError:
        height, width = image.shape[:2]
        said = [(one.spec.name, one.opinions([(image, self._phrases)])[0]) for one in self._experts]
        good = {name: opinions for name, opinions in said if not isinstance(opinions, IvmError)}
        if not good:
            self._since = self._every
            return next(error for _, error in said if isinstance(error, IvmError))
        parts = [
            fuse({name: one[index] for name, one in good.items()}, self._calibration, height, width)
            for index in range(len(self._phrases))
        ]
        found = [part for part in parts if part.presence >= 0.5 and part.mask.any()]
        logits, self._quality = union(found) if found else (np.full_like(parts[0].logits, -10.0), _absent(parts))
        soft = sigmoid(upsample_logits(logits, height, width))
        if self._tracker is None:
            self._tracker = FlowTracker(image, soft)
        self._tracker.start(image, soft)
        self._trust, self._found = 1.0, bool(found)
        # What is not there cannot be followed: it is looked for again soon, but not in every frame.
        self._since = 1 if found else max(1, self._every - 2)
        return FrameLabel(soft > 0.5, self._quality, by)


def label_film(
    folder: Path,
    instruction: str,
    expert: Expert,
    output: Path,
    *,
    every: int = 15,
    license: str = "unknown",
    progress: Progress = silent,
) -> Film:
    """Label the frames of a folder and write them as one shard.

    Args:
        folder: with picture files; their names are their order.
        instruction: what to keep.
        expert: a loaded one.
        output: folder for the shard; made.
        every: frames from one key frame to the next, at most.
        license: of the video.
        progress: told after each frame.

    Raises:
        OptionError: the folder holds no picture.
        OutputError: the shard cannot be written.
        IvmError: a frame cannot be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise OptionError(f"'{folder}' holds no frames: give a folder with {', '.join(_PICTURES)} files")
    labeler = FilmLabeler(instruction, [expert], every=every)
    counts = {"records": 0, "key": 0, "lost": 0, "flow": 0}

    def records() -> Iterator[Record]:
        images = (load_image(path) for path in paths)
        for number, (path, label) in enumerate(zip(paths, labeler.label(images), strict=True), start=1):
            progress(number, len(paths))
            if isinstance(label, IvmError):
                raise label
            counts[label.by] += 1
            if not label.mask.any():
                continue
            counts["records"] += 1
            maker = f"ivm label video, {RulePlanner.name}, {expert.spec.name}, {label.by}"
            yield Record.of(
                uuid=f"{_name(folder)}-{_name(path)}",
                image=path.read_bytes(),
                mask=label.mask,
                instructions=[instruction],
                source="machine",
                license=license,
                weight=round(label.weight, 4),
                provenance=Provenance(dataset=folder.name, item=path.name, group=folder.name, maker=maker),
            )

    output.mkdir(parents=True, exist_ok=True)
    write_shard(output / f"{_name(folder)}.tar", records())
    return Film(len(paths), counts["records"], counts["key"] + counts["lost"], counts["lost"])


def _absent(parts: Sequence[Fused]) -> float:
    return float(1 - max(part.presence for part in parts))


def _name(path: Path) -> str:
    return plain_name(path.resolve().stem) or "frames"
