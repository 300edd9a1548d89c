"""From a folder or a hub id to an expert."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ivm.core.errors import CheckpointError, OptionError
from ivm.core.hub import CONFIG, PROCESSOR, TOKENIZER, WEIGHTS
from ivm.core.model import MaskModel
from ivm.models.experts.boxed import BoxChoice, BoxedExpert
from ivm.models.experts.checkpoint import folder_of, read_model, read_model_type, read_processor
from ivm.models.experts.clipseg import ClipSeg
from ivm.models.experts.grounding_dino import GroundingDino
from ivm.models.experts.owlv2 import Owlv2
from ivm.models.experts.runtime import Runtime
from ivm.models.experts.sam import SamBoxes

DEFAULT_SAM = "facebook/sam-vit-base"
"""The SAM that cuts out a detector's boxes where none is named; facebook/sam-vit-huge is finer and slower."""

NEEDS = (CONFIG, PROCESSOR, TOKENIZER, WEIGHTS)
SAM_NEEDS = (CONFIG, PROCESSOR, WEIGHTS)


class _Family(NamedTuple):
    """What transformers calls the two halves of an expert."""

    network: str
    processor: str
    detector: type[Owlv2] | type[GroundingDino] | None


_FAMILIES: dict[str, _Family] = {
    "clipseg": _Family("CLIPSegForImageSegmentation", "CLIPSegProcessor", None),
    "owlv2": _Family("Owlv2ForObjectDetection", "Owlv2Processor", Owlv2),
    "grounding-dino": _Family("GroundingDinoForObjectDetection", "GroundingDinoProcessor", GroundingDino),
}
"""By the `model_type` of `config.json`."""


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
        kind: the architecture, "clipseg", "owlv2" or "grounding-dino"; None takes what the folder's `config.json` says.
        sam: folder or hub id of the SAM that makes masks of a detector's boxes; None is `DEFAULT_SAM`.
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
        MissingExtraError: transformers is not installed.
        OptionError: `kind` is unknown, or CLIPSeg was given what only a detector needs.
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
    if family.detector is None and (sam is not None or boxes is not None):
        raise OptionError(f"{found} makes masks without SAM and boxes: leave `sam` and `boxes` away")
    cutter = load_sam(sam or DEFAULT_SAM, runtime) if family.detector else None
    model, processor = read_model(folder, family.network, runtime), read_processor(folder, family.processor)
    name = name or Path(source).name
    if family.detector is None or cutter is None:
        return ClipSeg(model, processor, runtime, name=name)
    return BoxedExpert(family.detector(model, processor, runtime, name=name), cutter, boxes)


def load_sam(source: str | os.PathLike[str], runtime: Runtime) -> SamBoxes:
    """Load SAM from a folder that transformers wrote, or from a hub id.

    Raises:
        UnknownModelError: the source is neither.
        CheckpointError: the folder is incomplete, damaged or of another architecture.
        FetchError: the hub id's files are not here, and cannot be fetched.
    """
    folder = folder_of(os.fspath(source), SAM_NEEDS)
    if (found := read_model_type(folder)) != "sam":
        raise CheckpointError(
            f'{os.fspath(source)} is of the architecture "{found}", not "sam": give a folder such as {DEFAULT_SAM}'
        )
    model, processor = read_model(folder, "SamModel", runtime), read_processor(folder, "SamProcessor")
    return SamBoxes(model, processor, runtime, name=Path(source).name)
