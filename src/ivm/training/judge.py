"""The discriminator of a finished run, for others to ask: how likely is it that a person drew this mask?

The data engine's verifier takes one (`ivm.labeling.verify.MaskJudge`); so can any Python that has masks to sort.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivm.core.errors import CheckpointError
from ivm.core.instruction import check_instruction, token_batch
from ivm.core.model import RGBImage
from ivm.data.augment import resized
from ivm.models.pickled import unpacked
from ivm.training.discriminator import Claim, MaskDiscriminator

SHOWN = "judged"
"""Key of a checkpoint under which stands what its discriminator was shown; see `shown`."""

_WIDEST = 1024
"""Channels of the first stage; the paper's whole network is narrower."""
_LARGEST = 4096
"""Pixels of a side at which a picture is judged."""


def shown(sizes: Sequence[tuple[int, int]], *, agreement: bool) -> dict[str, Any]:
    """What a checkpoint must tell of its discriminator beside its weights.

    Args:
        sizes: widths and heights of the pictures that it was trained on.
        agreement: whether it was shown how far the model agrees with each label.
    """
    return {"sizes": [[int(width), int(height)] for width, height in sizes], "agreement": agreement}


class DiscriminatorJudge:
    """Judges masks with the averaged weights of a discriminator; open one with `open_judge`.

    Args:
        discriminator: that of `ivm-nano`, trained without the model's agreement.
        sizes: widths and heights, in multiples of 32, of the pictures that it was trained on.
        name: as provenance cites it.
    """

    def __init__(self, discriminator: MaskDiscriminator, sizes: Sequence[tuple[int, int]], name: str) -> None:
        self._discriminator, self._sizes, self.name = discriminator.eval(), tuple(sizes), name

    def judge(
        self, images: Sequence[RGBImage], masks: Sequence[NDArray[np.bool_]], instructions: Sequence[str]
    ) -> NDArray[np.float32]:
        """Judge masks one by one, so that none depends on its neighbours.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes.
            masks: (H, W) bool, of the same.
            instructions: what each mask is for.

        Returns:
            (N,) float32 in [0, 1], the probability that a person drew the mask, as far as both kinds were alike in
            number: the loss of training balances them.

        Raises:
            InstructionError: an instruction holds no word, or too many.
        """
        rows = zip(images, masks, instructions, strict=True)
        return np.array([self._one(*row) for row in rows], np.float32)

    def _one(self, image: RGBImage, mask: NDArray[np.bool_], instruction: str) -> float:
        width, height = self._size(image.shape[1] / image.shape[0])
        pixels, whole = resized(image, (width, height)), resized(mask.astype(np.float32), (width, height))
        label = cv2.resize(whole, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        half = torch.full((1, height // 2, width // 2), 0.5)
        with torch.inference_mode():
            claim = Claim(
                torch.from_numpy(pixels).permute(2, 0, 1)[None].float(),
                torch.from_numpy(token_batch([check_instruction(instruction)])),
                torch.from_numpy(label)[None],
                half,
            )
            return float(self._discriminator(claim).sigmoid())

    def _size(self, ratio: float) -> tuple[int, int]:
        """The size of training whose ratio of width to height is nearest."""
        return min(self._sizes, key=lambda size: abs(math.log(size[0] / size[1] / ratio)))


def open_judge(path: Path) -> DiscriminatorJudge:
    """Open the discriminator of a checkpoint of `ivm train`; nothing in the file is executed.

    Args:
        path: of a `last.ckpt` of `ivm-nano`.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged; it is of another model, or of a run without a
            discriminator; or its discriminator must be shown the model's agreement, which a mask of others has not.
    """
    content = unpacked(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no checkpoint of `ivm train`: give the last.ckpt of a run")
    if "ivm-7b" in content:
        raise CheckpointError(f"{path} is of ivm-7b, whose discriminator needs all of the model: give one of ivm-nano")
    if "discriminator" not in content:
        raise CheckpointError(
            f"{path} holds no discriminator: train with weighting: {{kind: dwsl}} and discriminator: "
            "{agreement: false}"
        )
    if SHOWN not in content:
        raise CheckpointError(
            f"{path} does not say what its discriminator was shown: run the same `ivm train` once more, which writes it"
        )
    try:
        if content[SHOWN]["agreement"] is not False:
            raise CheckpointError(
                f"The discriminator of {path} must be shown how far its model agrees with a label, which a verifier "
                "cannot: train with discriminator: {agreement: false}"
            )
        sizes, discriminator = _sizes(content[SHOWN]["sizes"]), _filled(content["discriminator"]["state_dict"])
    except (KeyError, TypeError, AttributeError, IndexError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"The discriminator of {path} is of another architecture: {reason}") from None
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return DiscriminatorJudge(discriminator, sizes, f"judge {path.absolute().parent.name}/{path.name}@{checksum[:12]}")


def _sizes(told: Any) -> list[tuple[int, int]]:
    sizes = [(width, height) for width, height in told]
    if not sizes or any(type(side) is not int or not 32 <= side <= _LARGEST for size in sizes for side in size):
        raise ValueError(f"its pictures are of sizes {told!r}"[:200])
    return sizes


def _filled(state: dict[str, Tensor]) -> MaskDiscriminator:
    own = {name.removeprefix("discriminator."): value for name, value in state.items()}
    width = len(own["stages.0.0.weight"])
    if not 1 <= width <= _WIDEST:
        raise ValueError(f"its first stage has {width:,} channels")
    discriminator = MaskDiscriminator(width)
    discriminator.load_state_dict(own)
    if not all(value.isfinite().all() for value in discriminator.state_dict().values()):
        raise ValueError("a weight is not a finite number")
    return discriminator
