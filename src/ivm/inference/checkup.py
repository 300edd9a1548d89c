"""What `ivm doctor` finds by running the embedded model: ONNX Runtime, the weights as they were shipped, an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from ivm.core.checkup import REINSTALL, Check
from ivm.core.errors import CheckpointError
from ivm.inference.catalogue import EMBEDDED
from ivm.inference.checkpoint import NanoCheckpoint

MODEL = "ivm-nano"


def check_model(folder: Path = EMBEDDED / MODEL) -> Iterator[Check]:
    """Look at ONNX Runtime, check the shipped weights against their checksums, and mask a small picture.

    Yields each check as it is done, so that what was found before a crash is known.

    Args:
        folder: of the weights.
    """
    import onnxruntime  # type: ignore[import-untyped]

    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    yield Check(
        name="ONNX Runtime",
        state="works",
        told=f"{onnxruntime.__version__}, on {', '.join(providers)}",
        details={"version": onnxruntime.__version__, "providers": providers},
    )
    weights = _check_weights(folder)
    yield weights
    if weights.state == "works":
        yield _check_answer(folder)


def _check_weights(folder: Path) -> Check:
    name = f"weights of {MODEL}"
    try:
        checkpoint = NanoCheckpoint.read(folder)
    except CheckpointError as error:
        return Check(name=name, state="broken", told=str(error), remedy=REINSTALL)
    checksums = dict(checkpoint.about["sha256"])
    size = (len(checkpoint.encoder) + len(checkpoint.predictor)) / 1e6
    told = f"{len(checksums)} files, {size:.1f} MB, as they were shipped (SHA-256)"
    return Check(name=name, state="works", told=told, details={"sha256": checksums})


def _check_answer(folder: Path) -> Check:
    import numpy as np

    from ivm.inference.zoo import load

    picture = np.full((96, 128, 3), 200, np.uint8)
    block = slice(30, 70), slice(40, 80)
    picture[block] = (220, 30, 30)
    started = time.perf_counter()
    masker = load(folder)
    loaded = time.perf_counter()
    soft = masker(picture, "the red block").soft
    seconds = time.perf_counter() - loaded
    right = soft.shape == picture.shape[:2] and bool(soft[block].mean() > 0.5 > soft[:20].mean())
    details = {"load_seconds": round(loaded - started, 3), "mask_seconds": round(seconds, 3)}
    told = f"masked a small picture in {seconds:.2f} s on the {getattr(masker.model, 'device', 'cpu').upper()}"
    if not right:
        told = "loads, but does not find a red block on a grey picture"
    return Check(
        name=MODEL,
        state="works" if right else "broken",
        told=f"{told}, {loaded - started:.2f} s to load" if right else told,
        remedy=None if right else REINSTALL,
        details=details,
    )
