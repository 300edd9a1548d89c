"""`ivm-nano` on ONNX Runtime: the backend that ships with the package and needs neither GPU nor PyTorch.

The graphs are data. ONNX Runtime runs foreign code only from a custom-op library that a program registers, and nothing
here registers one: a graph that asks for unknown operators does not load.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state  # type: ignore[import-untyped]

from ivm.core.errors import CheckpointError, DeviceError, ModelError
from ivm.core.instruction import token_batch
from ivm.core.machine import available_cores
from ivm.core.model import Prediction, RGBImage
from ivm.inference.checkpoint import ENCODER, PREDICTOR, NanoCheckpoint
from ivm.inference.grid import input_size, resize

MAX_ROWS = 32
"""Pictures or questions that go through a graph at once; more are taken in turns, so memory stays bounded."""

_SPINNING = (
    {
        "session.intra_op.allow_spinning": "1",
        "session.intra_op.spin_duration_us": "20",
        "session.force_spinning_stop": "1",  # at the end of a run
    }
    if tuple(map(int, ort.__version__.split(".")[:2])) >= (1, 26)  # before, how long threads spin was not to be chosen
    else {"session.intra_op.allow_spinning": "0"}
)
"""How a thread waits for the next operator: 20 microseconds awake are enough for most, and save a tenth of the time on
free cores; longer ones cost more than that where other programs want the cores."""

_ORT_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)


class NanoFeatures(NamedTuple):
    """One encoded picture."""

    size: tuple[int, int]
    """(h, w) at which the picture was read; only features of one size go through the predictor together."""
    tensors: tuple[NDArray[Any], ...]
    """One array per feature name, without the batch axis."""


class NanoOnnx:
    """The `MaskModel` behind `ivm-nano`. Safe to call from several threads."""

    def __init__(self, folder: str | Path, *, device: str = "auto", threads: int | None = None) -> None:
        """Load a checkpoint folder.

        Args:
            folder: holds `encoder.onnx`, `predictor.onnx` and `model.json`.
            device: "auto" takes CUDA if ONNX Runtime has it, "cpu" or "cuda" exactly that.
            threads: CPU threads for one operator; the default is the cores that this process may use.

        Raises:
            CheckpointError: the folder is incomplete, damaged or of another architecture.
            DeviceError: the device is unknown or not to be had here.
        """
        providers = _providers(device)
        options = _session_options(threads or available_cores())
        self.checkpoint = NanoCheckpoint.read(folder)
        self.name = self.checkpoint.name
        where = self.checkpoint.folder
        self._encoder = _session(self.checkpoint.encoder, options, providers, where / ENCODER)
        self._predictor = _session(self.checkpoint.predictor, options, providers, where / PREDICTOR)
        features = set(self.checkpoint.features)
        _check_names(self._encoder, {"image"}, features, where / ENCODER)
        _check_names(self._predictor, features | {"tokens"}, {"logits", "presence"}, where / PREDICTOR)
        self.device = "cuda" if self._encoder.get_providers()[0] == "CUDAExecutionProvider" else "cpu"
        if device == "cuda" and self.device != "cuda":
            raise DeviceError("ONNX Runtime could not start on CUDA: check the driver and cuDNN, or use device='cpu'")

    def encode(self, images: Sequence[RGBImage]) -> list[NanoFeatures]:
        """Read pictures of any size and aspect; see `MaskModel.encode`.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            ModelError: ONNX Runtime failed.
        """
        area, stride = self.checkpoint.input_area, self.checkpoint.stride
        sizes = [input_size(image.shape[0], image.shape[1], area, stride) for image in images]
        features: dict[int, NanoFeatures] = {}
        for size, places in _groups(sizes):
            batch = np.stack([resize(images[i], size) for i in places])
            outputs = _run(self._encoder, self.checkpoint.features, {"image": batch})
            for row, i in enumerate(places):
                features[i] = NanoFeatures(size, tuple(output[row] for output in outputs))
        return [features[i] for i in range(len(images))]

    def predict(self, features: Sequence[NanoFeatures], instructions: Sequence[str]) -> Prediction:
        """Answer one checked instruction per features; see `MaskModel.predict`.

        Returns:
            logits (h / 2, w / 2) float32 each, over the whole picture, and presence (N,) float32 in [0, 1].

        Raises:
            ModelError: ONNX Runtime failed.
        """
        logits: dict[int, NDArray[np.float32]] = {}
        presence = np.zeros(len(features), np.float32)
        for _, places in _groups([one.size for one in features]):
            inputs: dict[str, NDArray[Any]] = {
                name: np.stack([features[i].tensors[k] for i in places])
                for k, name in enumerate(self.checkpoint.features)
            }
            inputs["tokens"] = token_batch([instructions[i] for i in places])
            maps, presence[places] = _run(self._predictor, ("logits", "presence"), inputs)
            logits.update(zip(places, maps, strict=True))
        return Prediction([logits[i] for i in range(len(features))], presence)


def _groups(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Yield (size, at most MAX_ROWS places of that size) until every place was named once."""
    places = defaultdict(list)
    for place, size in enumerate(sizes):
        places[size].append(place)
    for size, same in places.items():
        for start in range(0, len(same), MAX_ROWS):
            yield size, same[start : start + MAX_ROWS]


def _providers(device: str) -> list[str]:
    cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"ivm-nano runs on 'auto', 'cpu' or 'cuda', not on {device!r}")
    if device == "cuda" and not cuda:
        raise DeviceError("This ONNX Runtime has no CUDA: pip install onnxruntime-gpu, or use device='cpu'")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if cuda and device != "cpu" else ["CPUExecutionProvider"]


def _session_options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is told by an error, once
    # Threads that spin all the time would take the cores from whatever encodes the last answer's pictures.
    for name, value in _SPINNING.items():
        options.add_session_config_entry(name, value)
    return options


def _session(graph: bytes, options: Any, providers: list[str], path: Path) -> Any:
    try:
        return ort.InferenceSession(graph, options, providers=providers)
    except _ORT_ERRORS as error:
        raise CheckpointError(f"{path} is not a graph that ONNX Runtime can load: {_first_line(error)}") from error


def _check_names(session: Any, inputs: set[str], outputs: set[str], path: Path) -> None:
    has_inputs = {tensor.name for tensor in session.get_inputs()}
    has_outputs = {tensor.name for tensor in session.get_outputs()}
    if has_inputs != inputs or not outputs <= has_outputs:
        raise CheckpointError(
            f"{path} is not a graph of ivm-nano: it maps {sorted(has_inputs)} to {sorted(has_outputs)}, "
            f"but {sorted(inputs)} to {sorted(outputs)} was expected"
        )


def _run(session: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    try:
        results: list[NDArray[Any]] = session.run(list(outputs), dict(inputs))
    except _ORT_ERRORS as error:
        raise ModelError(f"ONNX Runtime could not run ivm-nano: {_first_line(error)}") from error
    return results


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
