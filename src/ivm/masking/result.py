"""`MaskResult`: a picture, a heatmap, and everything that follows from them, made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ivm.core.errors import OptionError
from ivm.core.images import load_image
from ivm.core.model import Heatmap, RGBImage
from ivm.masking import blending
from ivm.masking.blurring import blurred
from ivm.masking.boxes import Box, bounding_box, crop
from ivm.masking.clearing import cleared
from ivm.masking.detections import as_detections
from ivm.masking.edges import soft_edge_box, soft_edged
from ivm.masking.heatmap import check_heatmap, check_probability, check_threshold, logit, sigmoid, upsample_logits
from ivm.masking.overview import contact_sheet
from ivm.masking.rle import Rle, encode_rle
from ivm.masking.saving import encoded, save_pictures
from ivm.masking.style import Style, make_style

PAPER_KEYS = (
    "soft",
    "hard",
    "blur_image",
    "highlight_image",
    "cropped_blur_img",
    "cropped_highlight_img",
    "alpha_image",
)
"""The keys of the paper's README, in its order."""

MORE_PICTURES = ("grayscale_image", "inpaint_image", "heatmap_image")
"""Further pictures that `MaskResult.save` writes when they are named."""

_Array = TypeVar("_Array", bound=NDArray[Any])


def _locked(array: _Array) -> _Array:
    """Make an array read-only, because it is handed out again."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, repr=False)
class MaskResult(Mapping[str, NDArray[Any]]):
    """What an instruction needs of a picture, in every form; make one with `from_heatmap` or `from_logits`.

    A value: nothing in it changes, all arrays are read-only, each is computed at its first use and kept. As a mapping
    it has exactly the paper's seven keys, `PAPER_KEYS`; everything is an attribute as well.

    Where nothing is above the threshold, or `found` is below 0.5, nothing is masked: `kept_whole` is true, all pictures
    show the whole picture, `area` is 0. To mask even so, build another result with `found=None`.
    """

    image: RGBImage
    """The picture, (H, W, 3) uint8."""

    threshold: float
    """In [0, 1]; what is above belongs to the target."""

    style: Style
    """The preset and its options."""

    found: float | None
    """Calibrated probability that the target is in the picture; None where the model has none."""

    _heat: NDArray[np.float32]
    _is_logits: bool

    @classmethod
    def from_heatmap(
        cls,
        image: Any,
        soft: NDArray[Any],
        threshold: float = 0.5,
        preset: str = "paper",
        found: float | None = None,
        **style: Any,
    ) -> MaskResult:
        """Build a result from any heatmap.

        Args:
            image: whatever `load_image` reads. An array (H, W, 3) uint8 that is read-only is taken as it is, any other
                is copied.
            soft: (H, W) or (H, W, 1), float or bool in [0, 1].
            threshold: in [0, 1].
            preset: "paper" (options `blur_kernel_size=201`, `dilate_kernel_size=21`, `fill_color=(255, 255, 255)`) or
                "v1" (options `overlay_color=(255, 255, 255)`, `blur_kernel_size=201`).
            found: probability in [0, 1] that the target is in the picture at all, or None.
            **style: options of the preset.

        Raises:
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a wrong preset, option, `found`, or a heatmap of another shape, dtype or range.
            ImageError: `load_image` cannot read the picture.
        """
        pixels = _picture(image)
        heat = check_heatmap(soft, *pixels.shape[:2])
        heat = heat.copy() if np.may_share_memory(heat, soft) and heat.flags.writeable else heat
        return cls._checked(pixels, threshold, preset, found, style, heat, is_logits=False)

    @classmethod
    def from_logits(
        cls,
        image: Any,
        logits: NDArray[Any],
        threshold: float = 0.5,
        preset: str = "paper",
        found: float | None = None,
        **style: Any,
    ) -> MaskResult:
        """Build a result from a mask model's logits.

        Args:
            image: as in `from_heatmap`.
            logits: (h, w) float, the whole picture on any grid; resized bilinearly to the picture (as PyTorch does with
                `align_corners=False`), then put through a sigmoid.
            threshold: as in `from_heatmap`; so are `preset`, `found` and `style`.
            preset: see `threshold`.
            found: see `threshold`.
            **style: see `threshold`.

        Raises:
            ThresholdError: the threshold is not a number in [0, 1].
            OptionError: a wrong preset, option, `found`, or logits of another shape, or not finite.
            ImageError: `load_image` cannot read the picture.
        """
        pixels = _picture(image)
        heat = upsample_logits(logits, *pixels.shape[:2])
        return cls._checked(pixels, threshold, preset, found, style, heat, is_logits=True)

    @classmethod
    def _checked(
        cls,
        pixels: RGBImage,
        threshold: float,
        preset: str,
        found: float | None,
        style: dict[str, Any],
        heat: NDArray[np.float32],
        is_logits: bool,
    ) -> MaskResult:
        level, chosen = check_threshold(threshold), make_style(preset, **style)
        return cls(_locked(pixels), level, chosen, check_probability(found), _locked(heat), is_logits)

    def __getitem__(self, key: str) -> NDArray[Any]:
        if key not in PAPER_KEYS:
            raise KeyError(key)
        value: NDArray[Any] = getattr(self, key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(PAPER_KEYS)

    def __len__(self) -> int:
        return len(PAPER_KEYS)

    def __contains__(self, key: object) -> bool:
        return key in PAPER_KEYS

    def __eq__(self, other: object) -> bool:
        """Equal where the picture, the heatmap and every setting are."""
        if not isinstance(other, MaskResult):
            return NotImplemented
        settings = (self.threshold, self.style, self.found) == (other.threshold, other.style, other.found)
        return settings and np.array_equal(self.image, other.image) and np.array_equal(self.soft, other.soft)

    def __hash__(self) -> int:
        return hash((self.image.shape, self.threshold, self.style, self.found))

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        state = "kept whole" if self.kept_whole else f"bbox {self.bbox}, {self.coverage:.1%} of the picture"
        found = "" if self.found is None else f", found {self.found:.2f}"
        return f"<MaskResult {width} x {height}, {state}, threshold {self.threshold:g}{found}>"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be rendered again."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    @cached_property
    def soft(self) -> Heatmap:
        """The heatmap, (H, W) float32 in [0, 1]."""
        return _locked(sigmoid(self._heat)) if self._is_logits else self._heat

    @cached_property
    def binary(self) -> NDArray[np.bool_]:
        """The target, (H, W) bool: where `soft` is above the threshold; nowhere if `found` is below 0.5."""
        if self.found is not None and self.found < 0.5:
            return _locked(np.zeros(self._heat.shape, np.bool_))
        level = logit(self.threshold) if self._is_logits else self.threshold
        return _locked(self._heat > np.float32(level))

    @property
    def kept_whole(self) -> bool:
        """Whether there is nothing to mask by, so that all pictures show the whole picture."""
        return self._box is None

    @cached_property
    def _box(self) -> Box | None:
        return soft_edge_box(self.binary, self._edge_kernel)

    @property
    def _edge_kernel(self) -> int:
        return self.style.edge_kernel(self.image.shape[0])

    @property
    def bbox(self) -> Box:
        """The crop: (x0, y0, x1, y1), half-open, all pixels where `hard` is above 0.

        `image[y0:y1, x0:x1]` is the cropped picture, pixel for pixel the original's crop, whose own box names the last
        row and column instead of the one after.
        """
        height, width = self.image.shape[:2]
        return self._box or (0, 0, width, height)

    @cached_property
    def target_bbox(self) -> Box | None:
        """The box of the target alone, without the soft edge: half-open (x0, y0, x1, y1), None where `area` is 0."""
        return bounding_box(self.binary)

    @cached_property
    def area(self) -> int:
        """Number of pixels of the target; 0 when the picture is kept whole."""
        return int(np.count_nonzero(self.binary))

    @property
    def coverage(self) -> float:
        """Share of the picture that is the target, in [0, 1]."""
        return self.area / self.binary.size

    @cached_property
    def hard(self) -> Heatmap:
        """The mask that the pictures are made with, (H, W) float32 in [0, 1]: the target, grown, with a soft edge."""
        if self.kept_whole:
            return _locked(np.ones(self.binary.shape, np.float32))
        return _locked(soft_edged(self.binary, self._edge_kernel))

    def _on(self, ground: RGBImage) -> RGBImage:
        """Put what the mask holds onto a new ground."""
        return _locked(blending.blend_onto(ground, self.image, self.hard, self.bbox))

    @cached_property
    def blur_image(self) -> RGBImage:
        """The picture with everything else blurred, (H, W, 3) uint8."""
        if self.kept_whole:
            return self.image
        return self._on(blurred(self.image, self.style.blur_kernel_size))

    @cached_property
    def highlight_image(self) -> RGBImage:
        """The picture with everything else in the style's colour, (H, W, 3) uint8."""
        if self.kept_whole:
            return self.image
        return self._on(blending.plain(self.style.background_color, *self.binary.shape))

    @property
    def cropped_blur_img(self) -> RGBImage:
        """`blur_image` inside `bbox`, (h, w, 3) uint8."""
        return crop(self.blur_image, self.bbox)

    @property
    def cropped_highlight_img(self) -> RGBImage:
        """`highlight_image` inside `bbox`, (h, w, 3) uint8."""
        return crop(self.highlight_image, self.bbox)

    @cached_property
    def alpha_image(self) -> NDArray[np.uint8]:
        """The picture with `hard` as its alpha channel, (H, W, 4) uint8 RGBA."""
        return _locked(blending.with_alpha(self.image, self.hard))

    @cached_property
    def grayscale_image(self) -> RGBImage:
        """The picture with everything else without colour, (H, W, 3) uint8."""
        if self.kept_whole:
            return self.image
        return self._on(blending.grey(self.image))

    @cached_property
    def inpaint_image(self) -> RGBImage:
        """The picture with other things taken away, the table under them filled in, (H, W, 3) uint8.

        The target stays, and so does the surface that most of the picture shows; what stands out from it is replaced by
        the surface around it, the robot too unless the heatmap holds it. A wide blur replaces everything but the target
        where the picture has no such surface: see `ivm.masking.clearing`.
        """
        if self.kept_whole:
            return self.image
        return self._on(cleared(self.image, self.hard))

    @cached_property
    def heatmap_image(self) -> RGBImage:
        """The heatmap in colour over the grey picture, blue for 0 and red for 1, (H, W, 3) uint8."""
        return _locked(blending.heat_overlay(self.image, self.soft))

    def contact_sheet(self, title: str = "", width: int = 1440) -> RGBImage:
        """Draw one labelled picture with the input, the heatmap, highlight, blur, crop and cut-out.

        Args:
            title: a line at the top, for example the instruction.
            width: of the sheet in pixels, 240 or more.

        Returns:
            (height, width, 3) uint8; the height follows from the picture's.

        Raises:
            OptionError: the width is below 240.
        """
        return contact_sheet(self, title, width)

    def save(
        self,
        folder: str | os.PathLike[str],
        names: Iterable[str] | None = None,
        stem: str | None = None,
        format: str = "png",
    ) -> dict[str, Path]:
        """Write pictures as `folder/[stem_]name.png`, all of them or none; masks are written as 8-bit grey.

        Args:
            folder: made where it is missing.
            names: any of `PAPER_KEYS`, `MORE_PICTURES` and "contact_sheet"; by default the paper's seven.
            stem: put before each name, for example the picture's own name.
            format: "png", without loss, or "jpg" for the RGB pictures; masks and alpha stay PNG.

        Returns:
            The path of each name.

        Raises:
            OptionError: an unknown name or format, or a stem that is not a plain file name.
            DiskFullError: no space is left.
            OutputError: the folder or a file cannot be written.
        """
        wanted = list(PAPER_KEYS if names is None else names)
        known = (*PAPER_KEYS, *MORE_PICTURES, "contact_sheet")
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise OptionError(f"There is no picture {unknown[0]!r} to save: use {', '.join(known)}")

        def render(name: str) -> NDArray[Any]:
            return self.contact_sheet(stem or "") if name == "contact_sheet" else getattr(self, name)

        return save_pictures(render, wanted, Path(folder), stem or "", format)

    def summary(self) -> dict[str, Any]:
        """Return the numbers of the result, ready for JSON."""
        height, width = self.image.shape[:2]
        return {
            "width": width,
            "height": height,
            "preset": self.style.preset,
            "threshold": self.threshold,
            "found": self.found,
            "kept_whole": self.kept_whole,
            "bbox": list(self.bbox),
            "target_bbox": None if self.target_bbox is None else list(self.target_bbox),
            "area": self.area,
            "coverage": self.coverage,
        }

    def to_rle(self, compressed: bool = True) -> Rle:
        """Return the target's mask in COCO's run-length encoding, `{"size": [H, W], "counts": ...}`.

        Args:
            compressed: counts as COCO's string, ready for JSON; else as a list of run lengths.
        """
        return encode_rle(self.binary, compressed=compressed)

    def to_detections(self) -> Any:
        """Return supervision's `Detections`: the target as one detection, or none where the picture is kept whole.

        `xyxy` is `target_bbox`, `mask` is `binary`, `confidence` is `found` or else the mean heat on the target.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        return as_detections(self)

    def _repr_png_(self) -> bytes:
        """The contact sheet, for notebooks."""
        return encoded(self.contact_sheet(width=960), ".png")


def _picture(image: Any) -> RGBImage:
    """Return a picture that nobody else can change."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and not image.flags.writeable:
        usable = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        return np.ascontiguousarray(image) if usable else load_image(image)
    return load_image(image)
