"""The sample of every data set here: a picture, what one may ask about it, and the mask of what that needs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import ImageError, OptionError, RecordError
from ivm.core.model import RGBImage
from ivm.data.coding import Mask, MaskCode, decode_picture, encode_mask, encode_picture
from ivm.data.faults import BadRecordError

SourceKind = Literal["human", "machine"]

_UUID = re.compile(r"[^\W_][\w.:-]{0,127}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a record is from; always all keys and always text, so that every shard has the same columns."""

    dataset: str = ""
    item: str = ""
    """File or number in the data set."""
    split: str = ""
    """"train", "val" or "test", as the data set says."""
    group: str = ""
    """What must not be parted between splits: a video, a scene. Empty where each picture stands for itself."""
    maker: str = ""
    """Who or what made the mask: people, a model, a renderer with its seed."""

    def __post_init__(self) -> None:
        """Check types.

        Raises:
            RecordError: a value is not text.
        """
        for field in fields(self):
            if not isinstance(value := getattr(self, field.name), str):
                raise RecordError(f'provenance "{field.name}" must be text, not {value!r}')

    @classmethod
    def from_json(cls, value: object) -> Provenance:
        """Read what `asdict` gave; keys of other writers are left out.

        Raises:
            RecordError: not an object of texts.
        """
        if not isinstance(value, dict):
            raise RecordError(f"provenance must be an object of texts, not {value!r}")
        return cls(**{key: value[key] for key in cls.__dataclass_fields__ if key in value})


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A picture, instructions, and the mask that any one of them means; checked at birth, pixels when looked at.

    Attributes:
        uuid: its name in the data set: letters, digits, "-", "_", "." or ":", 128 at most.
        picture: a whole picture file (JPEG, PNG and what else `load_image` reads).
        instructions: one or more texts of one meaning; training draws one of them.
        mask_code: the mask as it is kept.
        source: who drew the mask: "human" or "machine".
        weight: how much the record counts in training, 0 or more.
        license: under which the picture and its mask may be used, as an SPDX name where there is one.
        provenance: where it is from.
        present: False where the instructions ask for what is not in the picture; then the mask is empty.
    """

    uuid: str
    picture: bytes
    instructions: tuple[str, ...]
    mask_code: MaskCode
    source: SourceKind
    license: str
    weight: float = 1.0
    provenance: Provenance = Provenance()
    present: bool = True

    def __post_init__(self) -> None:
        """Check everything but the pixels.

        Raises:
            BadRecordError: a value is missing, or of the wrong type or range; the message names it.
        """
        if not isinstance(self.uuid, str) or not _UUID.fullmatch(self.uuid):
            raise BadRecordError(
                "uuid", f'the uuid {self.uuid!r} must be 1 to 128 letters, digits, "-", "_", "." or ":"'
            )
        if not isinstance(self.picture, bytes) or not self.picture:
            raise BadRecordError("missing-picture", "the picture must be the bytes of a file, and there are none")
        object.__setattr__(self, "instructions", _checked_instructions(self.instructions))
        if self.source not in get_args(SourceKind):
            raise BadRecordError("source", f'the source must be "human" or "machine", not {self.source!r}')
        if not isinstance(self.license, str) or not self.license.strip():
            raise BadRecordError("license", 'the license must be a text: write "unknown" where it is')
        if type(self.weight) not in (int, float) or not 0 <= self.weight < math.inf:
            raise BadRecordError("weight", f"the weight must be a number of 0 or more, not {self.weight!r}")

    @classmethod
    def of(
        cls,
        *,
        image: RGBImage | bytes,
        mask: Mask | NDArray[np.bool_],
        instructions: Sequence[str],
        uuid: str,
        source: SourceKind,
        license: str,
        weight: float = 1.0,
        provenance: Provenance | None = None,
        present: bool = True,
    ) -> Record:
        """Make a record of arrays.

        Args:
            image: (H, W, 3) uint8 RGB, kept as JPEG of quality 95; or a picture file's bytes, kept as they are.
            mask: (H, W) bool, or uint8 with 255 for fully needed; kept without loss.
            instructions: see `Record`, as are the others.
            uuid: see `Record`.
            source: see `Record`.
            license: see `Record`.
            weight: see `Record`.
            provenance: see `Record`.
            present: see `Record`.

        Raises:
            RecordError: a value is wrong, or the mask has another size than the picture's array.
        """
        mask = mask.view(np.uint8) * np.uint8(255) if mask.dtype == np.bool_ else mask.astype(np.uint8, copy=False)
        if not isinstance(image, bytes) and image.shape[:2] != mask.shape:
            raise BadRecordError("size", _sizes_differ(image.shape, mask.shape))
        return cls(
            uuid=uuid,
            picture=image if isinstance(image, bytes) else encode_picture(image),
            instructions=instructions if isinstance(instructions, str) else tuple(instructions),  # type: ignore[arg-type]
            mask_code=encode_mask(np.ascontiguousarray(mask)),
            source=source,
            license=license,
            weight=weight,
            provenance=provenance or Provenance(),
            present=present,
        )

    @property
    def image(self) -> RGBImage:
        """Decode the picture: (H, W, 3) uint8 RGB, a new array each time.

        Raises:
            ImageError: it is damaged.
        """
        return decode_picture(self.picture)

    @property
    def mask(self) -> Mask:
        """Decode the mask: (H, W) uint8, 255 for fully needed, a new array each time.

        Raises:
            RecordError: it is damaged.
        """
        return self.mask_code.decode()

    def pixels(self) -> tuple[RGBImage, Mask]:
        """Decode both: (H, W, 3) uint8 RGB and (H, W) uint8.

        Raises:
            BadRecordError: one is damaged, or their sizes differ.
        """
        try:
            image = self.image
        except ImageError as error:
            raise BadRecordError("unreadable-picture", str(error)) from error
        try:
            mask = self.mask
        except (RecordError, OptionError) as error:
            raise BadRecordError("unreadable-mask", str(error)) from error
        if image.shape[:2] != mask.shape:
            raise BadRecordError("size", _sizes_differ(image.shape, mask.shape))
        return image, mask

    def to_json(self) -> dict[str, Any]:
        """All but the picture's and the mask's bytes; run lengths are among it."""
        told: dict[str, Any] = {
            "uuid": self.uuid,
            "instruction": list(self.instructions),
            "source": self.source,
            "weight": float(self.weight),
            "license": self.license,
            "present": self.present,
            "provenance": asdict(self.provenance),
        }
        if self.mask_code.kind == "rle":
            told["mask"] = self.mask_code.data
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any], *, picture: bytes, mask_code: MaskCode | None) -> Record:
        """Put together what `to_json` told and the bytes beside it.

        Args:
            told: what `to_json` gave; a key that has a default may lack.
            picture: the picture file's bytes.
            mask_code: None where the run lengths are in `told`.

        Raises:
            RecordError: something is missing or wrong.
        """
        if mask_code is None:
            mask_code = _run_lengths(told.get("mask"))
        instructions = told.get("instruction")
        return cls(
            uuid=told.get("uuid", ""),
            picture=picture,
            instructions=tuple(instructions) if isinstance(instructions, list) else instructions,  # type: ignore[arg-type]
            mask_code=mask_code,
            source=told.get("source", "machine"),
            license=told.get("license", "unknown"),
            weight=told.get("weight", 1.0),
            provenance=Provenance.from_json(told.get("provenance", {})),
            present=told.get("present", True),
        )


def plain_name(text: str) -> str:
    """Letters and digits with - for all else, as names of records and of their files; "" where nothing is left."""
    return "".join(letter if letter.isalnum() else "-" for letter in text).strip("-")


def _checked_instructions(texts: object) -> tuple[str, ...]:
    if not isinstance(texts, tuple | list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadRecordError("instruction", f'the instructions must be texts such as ["the red cup"], not {texts!r}')
    if not all(text.strip() for text in texts):
        raise BadRecordError("instruction", f"an instruction of {list(texts)!r} is empty: write what to keep")
    return tuple(texts)


def _run_lengths(value: object) -> MaskCode:
    match value:
        case {"size": [int(height), int(width)], "counts": str(counts)}:
            return MaskCode("rle", {"size": [height, width], "counts": counts})
    raise BadRecordError("missing-mask", "there is no mask, neither a picture nor run lengths")


def _sizes_differ(picture: Sequence[int], mask: Sequence[int]) -> str:
    return (
        f"the mask has {mask[1]}x{mask[0]} pixels and the picture {picture[1]}x{picture[0]}: "
        "label it at the picture's size"
    )
