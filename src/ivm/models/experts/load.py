"""From a folder or a hub id to an expert."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ivm.core.errors import CheckpointError, OptionError
from ivm.core.extras import optional
from ivm.core.hub import CONFIG, PROCESSOR, TOKENIZER, WEIGHTS
from ivm.core.model import MaskModel
from ivm.models.experts.boxed import BoxChoice, BoxedExpert
from ivm.models.experts.checkpoint import folder_of, read_model, read_model_type, read_processor
from ivm.models.experts.clipseg import ClipSeg
from ivm.models.experts.florence2 import Florence2, Florence2Outlines
from ivm.models.experts.grounding_dino import GroundingDino
from ivm.models.experts.owlv2 import Owlv2
from ivm.models.experts.pointed import PointedExpert
from ivm.models.experts.qwen_vl import QwenVl
from ivm.models.experts.runtime import Runtime
from ivm.models.experts.sam import Sam
from ivm.models.experts.sam2 import Sam2
from ivm.models.experts.sam3 import Sam3

DEFAULT_SAM = "facebook/sam-vit-base"
"""The SAM that cuts out a detector's boxes where none is named; facebook/sam-vit-huge is finer and slower."""

NEEDS = (CONFIG, PROCESSOR, TOKENIZER, WEIGHTS)
SAM_NEEDS = (CONFIG, PROCESSOR, WEIGHTS)


class _Family(NamedTuple):
    """What transformers calls the two halves of an expert, and what the expert makes."""

    network: str
    processor: str
    detector: type[Any] | None = None
    """Makes boxes, which go into SAM."""
    alone: Callable[..., MaskModel] | None = None
    """Makes masks without SAM."""
    torchvision: bool = False
    """Whether its processor needs torchvision."""


def _outlines(*parts: Any, name: str) -> MaskModel:
    return Florence2Outlines(Florence2(*parts, name=name))


_FAMILIES: dict[str, _Family] = {
    "clipseg": _Family("CLIPSegForImageSegmentation", "CLIPSegProcessor", alone=ClipSeg),
    "owlv2": _Family("Owlv2ForObjectDetection", "Owlv2Processor", Owlv2),
    "grounding-dino": _Family("GroundingDinoForObjectDetection", "GroundingDinoProcessor", GroundingDino),
    "florence2": _Family("Florence2ForConditionalGeneration", "Florence2Processor", Florence2, _outlines),
    "sam3": _Family("Sam3Model", "Sam3Processor", alone=Sam3, torchvision=True),
    "qwen2_5_vl": _Family("Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLProcessor", QwenVl, torchvision=True),
    "qwen3_vl": _Family("Qwen3VLForConditionalGeneration", "Qwen3VLProcessor", QwenVl, torchvision=True),
}
"""By the `model_type` of `config.json`."""

_SAMS: dict[str, tuple[str, str, type[Sam]]] = {
    "sam": ("SamModel", "SamProcessor", Sam),
    "sam2": ("Sam2Model", "Sam2Processor", Sam2),
    "sam2_video": ("Sam2Model", "Sam2Processor", Sam2),
}


def load_expert(
    source: str | os.PathLike[str],
    *,
    kind: str | None = None,
    sam: str | os.PathLike[str] | None = None,
    boxes: BoxChoice | None = None,
    device: str = "auto",
    dtype: str = "auto",
    name: str | None = None,
) -> MaskModel:
    """Load an open-vocabulary expert.

    Args:
        source: a folder that transformers wrote, model and processor, or a hub id, which is downloaded once.
        kind: the architecture, "clipseg", "owlv2", "grounding-dino" or "florence2"; None takes what the folder's
            `config.json` says, and then SAM 3, Qwen2.5-VL and Qwen3-VL are taken too.
        sam: folder or hub id of the SAM or SAM 2 that makes masks of a detector's boxes, `DEFAULT_SAM` without. CLIPSeg
            and Florence-2 make masks by themselves; with a SAM, the peaks of CLIPSeg's heatmap are points for it, and
            Florence-2 gives it boxes.
        boxes: which of a detector's boxes are taken.
        device: "auto" takes CUDA where there is some, else exactly the one named.
        dtype: "auto" is float32; else "float32", "bfloat16", "float16".
        name: what the model is called in results; None is the source's last part. A detector's name has SAM's after it.

    Returns:
        A `MaskModel`; its presence ranks answers, but is not a calibrated probability.

    Raises:
        UnknownModelError: a source is neither a folder nor of a hub id's form.
        CheckpointError: a folder is incomplete, damaged or of another architecture.
        FetchError: a hub id's files are not here, and cannot be fetched.
        DeviceError: the device or dtype is not to be had here.
        MissingExtraError: transformers is not installed, or torchvision, which SAM 2, SAM 3 and Qwen-VL need.
        OptionError: `kind` is unknown, or `boxes` or `sam` is given where there are no boxes or prompts.
    """
    if kind is not None and kind not in _FAMILIES:
        raise OptionError(f"The kind of an expert is {' or '.join(_FAMILIES)}, not {kind!r}")
    runtime = Runtime.choose(device, dtype)
    folder = folder_of(os.fspath(source), (CONFIG,) if Path(source).is_dir() else NEEDS)
    found = read_model_type(folder)
    if found not in _FAMILIES or (kind is not None and found != kind):
        raise CheckpointError(
            f'{os.fspath(source)} is of the architecture "{found}", not {kind or " or ".join(_FAMILIES)}: '
            "give the folder of such a model"
        )
    folder_of(str(folder), NEEDS)
    family = _FAMILIES[found]
    if boxes is not None and family.detector is None:
        raise OptionError(f"{found} makes no boxes: leave `boxes` away")
    if boxes is not None and family.alone and sam is None:
        raise OptionError(f"{found} makes masks without boxes: leave `boxes` away, or give it a `sam`")
    if sam is not None and found == "sam3":
        raise OptionError("sam3 needs no other SAM: leave `sam` away")
    if family.torchvision:
        optional("torchvision")
    cutter = None if family.alone and sam is None else load_sam(sam or DEFAULT_SAM, runtime)
    model, processor = read_model(folder, family.network, runtime), read_processor(folder, family.processor)
    name = name or Path(source).name
    if cutter and family.detector:
        return BoxedExpert(family.detector(model, processor, runtime, name=name), cutter, boxes)
    assert family.alone, "without boxes it makes masks"
    expert = family.alone(model, processor, runtime, name=name)
    return PointedExpert(expert, cutter) if cutter else expert


def load_sam(source: str | os.PathLike[str], runtime: Runtime) -> Sam:
    """Load SAM or SAM 2 from a folder that transformers wrote, or from a hub id.

    Raises:
        UnknownModelError: the source is neither.
        CheckpointError: the folder is incomplete, damaged or of another architecture.
        FetchError: the hub id's files are not here, and cannot be fetched.
        MissingExtraError: torchvision is not installed, which SAM 2 needs.
    """
    folder = folder_of(os.fspath(source), SAM_NEEDS)
    if (found := read_model_type(folder)) not in _SAMS:
        raise CheckpointError(
            f'{os.fspath(source)} is of the architecture "{found}", not "sam" or "sam2": give a folder such as '
            f"{DEFAULT_SAM}"
        )
    if found != "sam":
        optional("torchvision")
    network, processor, make = _SAMS[found]
    return make(
        read_model(folder, network, runtime), read_processor(folder, processor), runtime, name=Path(source).name
    )
