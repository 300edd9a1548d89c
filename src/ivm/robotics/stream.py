"""Masks for a robot's camera: one question to the model now and then, motion in between, and never a late action."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.instruction import check_instruction
from ivm.core.model import Heatmap, MaskModel, RGBImage
from ivm.masking.heatmap import check_threshold
from ivm.robotics.tracking import Tracker
from ivm.robotics.worker import Worker


@dataclass
class Counts:
    """What happened to the frames of an episode."""

    frames: int = 0
    asked: int = 0
    """Frames that were given to the model."""
    late: int = 0
    """Of these, answers that were not there at the deadline: the last mask went on being used."""
    whole: int = 0
    """Frames that were kept whole, because nothing was found or nothing was known yet."""
    tracked: int = 0
    """Frames whose mask was moved from an earlier one."""


@dataclass(frozen=True)
class StreamMask:
    """What to keep of a frame."""

    soft: Heatmap
    """(H, W) float32 in [0, 1]; 1 everywhere where the frame is kept whole."""
    kept_whole: bool
    fresh: bool
    """Whether the model answered about this very frame."""

    @property
    def mask(self) -> Heatmap | None:
        """What `fills.filled` takes: `soft`, or None where the frame is kept whole."""
        return None if self.kept_whole else self.soft


class MaskStream:
    """Masks the frames of one camera; call `reset` at the beginning of an episode, then the stream with each frame.

    The model works in a thread of its own. A frame that asks it waits for the answer until the deadline; where it
    comes later, it is moved to the frame of that time. A frame is encoded once, however much is asked about it.

    Args:
        model: any mask model.
        every: a frame asks when this many have passed since the last one that did; 1 asks about each.
        deadline: seconds that a call may wait for the model; None waits as long as it takes, so that the same frames
            give the same masks.
        threshold: in [0, 1]; what the heatmap gives less is not kept.
        patience: answers in a row that find nothing after which the whole picture is kept; until then the last mask
            is, for a gripper may hide for a moment what it grasps.
        robot: what shows the robot, which is always kept: an instruction, for example "the robot arm", or a fixed
            (H, W) bool region; each call may give its own.

    Raises:
        OptionError: an argument is out of range.
        ThresholdError: the threshold is not a number in [0, 1].
        InstructionError: `robot` is text without a word.
    """

    def __init__(
        self,
        model: MaskModel,
        *,
        every: int = 5,
        deadline: float | None = 0.04,
        threshold: float = 0.5,
        patience: int = 2,
        robot: str | NDArray[np.bool_] | None = None,
    ) -> None:
        if every < 1 or patience < 1 or (deadline is not None and deadline < 0):
            raise OptionError(
                f"every and patience must be at least 1 and the deadline 0 or more, not {every}, {patience}, {deadline}"
            )
        self.model, self.every, self.deadline, self.patience = model, every, deadline, patience
        self.threshold, self.counts = check_threshold(threshold), Counts()
        self._robot_question = check_instruction(robot) if isinstance(robot, str) else None
        self._robot_region = None if robot is None or isinstance(robot, str) else np.asarray(robot, np.bool_)
        self._tracker = Tracker()
        self._instruction: str | None = None
        self._worker: Worker | None = None
        self._episode = 0
        self._own = self._waited = 0.0
        self._forget()

    def _forget(self) -> None:
        self._soft: Heatmap | None = None
        self._robot: Heatmap | None = None
        self._view: NDArray[np.uint8] | None = None
        self._since = self._misses = 0
        self._shape: tuple[int, ...] | None = None

    def reset(self, instruction: str) -> None:
        """Begin an episode: forget masks and counts.

        Raises:
            InstructionError: the instruction is empty or too long.
        """
        self._instruction = check_instruction(instruction)
        self.counts, self._episode = Counts(), self._episode + 1
        self._forget()

    def close(self) -> None:
        """End the thread; a call that is under way in it is not waited for."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> MaskStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, frame: RGBImage, *, robot: NDArray[np.bool_] | None = None) -> StreamMask:
        """Say what to keep of the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB, of the same size throughout an episode.
            robot: (H, W) bool, where the robot is in this frame.

        Raises:
            OptionError: no episode has begun, or the frame is of another size than those before.
            ModelError: the model failed.
        """
        self._check(frame, robot)
        started = time.monotonic()
        # What this call does itself comes after the waiting: as much time as the last one needed is set aside.
        due = None if self.deadline is None else started + self.deadline - self._own
        self._waited = 0.0
        view, number = self._tracker.view(frame), self.counts.frames
        self.counts.frames += 1
        fresh = self._hear(number, view, self._ask(frame, view, number), due)
        if not fresh and self._view is not None and self._view is not view:
            self._soft = self._moved(self._soft, self._view, view)
            self._robot = self._moved(self._robot, self._view, view)
            self.counts.tracked += self._soft is not None
        self._view = view
        kept = self._keep(frame, robot, fresh)
        self._own = time.monotonic() - started - self._waited
        return kept

    def _check(self, frame: RGBImage, robot: NDArray[np.bool_] | None) -> None:
        if self._instruction is None:
            raise OptionError("The stream has no instruction: call reset(instruction) at the beginning of an episode")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise OptionError(f"A frame is (H, W, 3) uint8 RGB, not {frame.shape} {frame.dtype}")
        if self._shape is not None and frame.shape != self._shape:
            raise OptionError(
                f"The frame is {frame.shape}, those before were {self._shape}: call reset for another size"
            )
        region = self._robot_region if robot is None else robot
        if region is not None and region.shape != frame.shape[:2]:
            raise OptionError(f"The robot's region is {region.shape}, the frame {frame.shape[:2]} (height x width)")
        self._shape = frame.shape

    def _ask(self, frame: RGBImage, view: NDArray[np.uint8], number: int) -> bool:
        """Give the frame to the model if it is time to, and the model is free; say whether it was given."""
        self._since += 1
        if number and self._since < self.every:
            return False
        if self._worker is None:
            self._worker = Worker(self.model, self.threshold)
        assert self._instruction is not None, "checked above"
        questions = [self._instruction, *([self._robot_question] if self._robot_question else [])]
        # The caller may use its buffer again while the model still reads.
        if not self._worker.give((self._episode, number, frame.copy(), view, questions)):
            return False
        self._since = 0
        self.counts.asked += 1
        return True

    def _hear(self, number: int, view: NDArray[np.uint8], waits: bool, due: float | None) -> bool:
        """Take the model's answer, if there is one; wait for it where this frame has asked. True where it is of now."""
        if self._worker is None:
            return False
        left = None if due is None else max(due - time.monotonic(), 0)
        before = time.monotonic()
        told = self._worker.take(self._episode, left if waits else 0)
        self._waited = time.monotonic() - before
        if told is None:
            self.counts.late += waits
            return False
        self._misses = 0 if told.soft is not None else self._misses + 1
        if told.soft is not None or self._misses >= self.patience:
            self._soft = self._moved(told.soft, told.view, view)
            self._robot = self._moved(told.robot, told.view, view)
            self._view = view
        return told.frame == number and told.soft is not None

    def _moved(self, soft: Heatmap | None, before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Heatmap | None:
        return soft if soft is None or before is now else self._tracker.move(soft, before, now)

    def _keep(self, frame: RGBImage, robot: NDArray[np.bool_] | None, fresh: bool) -> StreamMask:
        if self._soft is None or not (self._soft > self.threshold).any():
            self.counts.whole += 1
            return StreamMask(np.ones(frame.shape[:2], np.float32), True, fresh)
        soft = self._soft
        if self._robot is not None:
            soft = np.maximum(soft, self._robot)
        region = self._robot_region if robot is None else robot
        if region is not None:
            soft = np.maximum(soft, region.astype(np.float32))
        return StreamMask(soft, False, fresh)
