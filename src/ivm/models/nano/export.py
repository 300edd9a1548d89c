"""`ivm-nano` as two ONNX graphs with a description: the form that ships, loads without PyTorch, and is checked here."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ivm.core.errors import CheckpointError
from ivm.core.extras import optional
from ivm.core.files import write_files
from ivm.core.instruction import token_batch
from ivm.models.nano.network import Features, NanoNetwork
from ivm.models.nano.quantize import ENCODER_PLAN, PREDICTOR_PLAN, Inputs, quantized
from ivm.models.nano.weights import WEIGHTS, weights_file

ENCODER, PREDICTOR = FILES = "encoder.onnx", "predictor.onnx"
STRIDE = 32
INPUT_AREA = 150 * STRIDE**2
"""Pixels at which a picture is read, 480 x 352 of a picture of 4:3. Training shows crops, enlarged, so that things are
larger there than in a whole picture of the same size; reading larger pictures than those of training makes up for it
(Touvron et al., "Fixing the train-test resolution discrepancy", arXiv 1906.06423). Chosen on rendered scenes, `ivm eval
scenes`, as the largest that a network in 8 bits reads in the time that was wanted."""
TOLERANCE = 2e-2
"""Greatest difference in probability that storing weights in 16 bits may make."""
MEAN_TOLERANCE = 5e-3
"""Greatest mean difference in probability that 8 bits may make."""


class Calibration(NamedTuple):
    """What makes answers mean what they say; see `training.calibrate`."""

    scale: float = 1.0
    """Of the presence logit."""
    bias: float = 0.0
    """Added to it."""
    shift: float = 0.0
    """Added to the logits of a heatmap, so that what is above 0 makes the best mask."""


AS_TRAINED = Calibration()


class _EncoderGraph(nn.Module):
    """Bytes in, features out."""

    def __init__(self, network: NanoNetwork) -> None:
        super().__init__()
        self.encoder = network.encoder

    def forward(self, image: Tensor) -> Features:
        features: Features = self.encoder(image.permute(0, 3, 1, 2).float())
        return features


class _PredictorGraph(nn.Module):
    """Features and tokens in, calibrated logits and a calibrated probability out."""

    def __init__(self, network: NanoNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.predictor, self.calibration = network.predictor, calibration

    def forward(
        self, f4: Tensor, f8: Tensor, f16: Tensor, kinds: Tensor, colors: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits, presence = self.predictor(f4, f8, f16, kinds, colors, tokens)
        scale, bias, shift = self.calibration
        return logits + shift, torch.sigmoid(scale * presence + bias)


def export(
    network: NanoNetwork,
    output: str | Path,
    *,
    calibration: Calibration = AS_TRAINED,
    sample: tuple[NDArray[np.uint8], NDArray[np.int64]] | None = None,
) -> Path:
    """Write `encoder.onnx`, `predictor.onnx` and `model.json` once they were seen to answer as the network does.

    Beside them goes `network.safetensors`, from which a later run of training may start.

    Args:
        network: in evaluation mode.
        output: folder, made if need be; what was there stays as it was when anything goes wrong.
        calibration: from `training.calibrate`.
        sample: pictures (N, H, W, 3) uint8, and the tokens (N, L, P) int64 of a question about each; N is at least 2.
            If it is given, convolutions work in 8 bits: on one half of the pictures their maps are measured, on the
            other the answers are compared.

    Raises:
        CheckpointError: the graphs differ from the network, or those in 8 bits too much from those in float.
        OutputError: the folder cannot be written; DiskFullError where no space is left.
        MissingExtraError: onnx is not installed.
    """
    output = Path(output)
    image = torch.randint(0, 256, (2, 192, 256, 3), dtype=torch.uint8)
    tokens = torch.from_numpy(token_batch(["pick up the red cup", "the blue plate on the left"]))
    encoder, predictor = _EncoderGraph(network).eval(), _PredictorGraph(network, calibration).eval()
    with torch.no_grad():
        features = encoder(image)
        wanted = predictor(*features, tokens)
    rows, words = torch.export.Dim("rows", min=1, max=4096), torch.export.Dim("words", min=1, max=64)
    auto = torch.export.Dim.AUTO
    written = (
        _graph(encoder, (image,), ["image"], list(Features._fields), ({0: auto, 1: auto, 2: auto},)),
        _graph(
            predictor,
            (*features, tokens),
            [*Features._fields, "tokens"],
            ["logits", "presence"],
            (*({0: rows, 2: auto, 3: auto} for _ in Features._fields), {0: rows, 1: words}),
        ),
    )
    graphs = dict(zip(FILES, map(_halve, written), strict=True))
    _check(graphs, image, tokens, wanted)
    about = {}
    if sample is not None:
        pictures, questions = sample
        exact, graphs = graphs, _in_8_bits(written, graphs, pictures[::2], questions[::2])
        about["eight_bits"] = {"mean_difference": _difference(graphs, exact, pictures[1::2], questions[1::2])}
    card = {
        "format": "ivm-nano",
        "version": 1,
        "name": "ivm-nano",
        "input_area": INPUT_AREA,
        "stride": STRIDE,
        "features": list(Features._fields),
        "parameters": sum(p.numel() for part in (network.encoder, network.predictor) for p in part.parameters()),
        "sha256": {name: hashlib.sha256(graph).hexdigest() for name, graph in graphs.items()},
        "calibration": calibration._asdict(),
        **about,
    }
    text = json.dumps(card, indent=2) + "\n"
    others = ((WEIGHTS, weights_file(network)), ("model.json", text.encode()))
    write_files((output / name, content) for name, content in (*graphs.items(), *others))
    return output


def _graph(
    module: nn.Module, inputs: tuple[Tensor, ...], input_names: list[str], output_names: list[str], shapes: Any
) -> Any:
    """Return a module as an `onnx.ModelProto`, without what PyTorch tells its own developers meanwhile."""
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "# The axis name: "):
            warnings.filterwarnings("ignore", message=message)
        program = torch.onnx.export(
            module,
            inputs,
            input_names=input_names,
            output_names=output_names,
            dynamo=True,
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None, "an export without a file returns its program"
    return program.model_proto


def _halve(model: Any) -> bytes:
    """Serialise a graph with large float weights in 16 bits; the runtime widens them once, when it loads the graph."""
    onnx = optional("onnx")
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        # Vectors stay: some are the scales of numbers in 8 bits, which the runtime must see as they are.
        if array.dtype == np.float32 and array.ndim > 1 and array.size >= 256:
            kept.append(onnx.numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}_16"))
            casts.append(onnx.helper.make_node("Cast", [f"{tensor.name}_16"], [tensor.name], to=onnx.TensorProto.FLOAT))
        else:
            kept.append(tensor)
    nodes = [*casts, *halved.graph.node]
    del halved.graph.initializer[:], halved.graph.node[:]
    halved.graph.initializer.extend(kept)
    halved.graph.node.extend(nodes)
    for node in halved.graph.node:  # PyTorch notes there which line of which file on this machine made it
        del node.metadata_props[:]
    del halved.graph.value_info[:], halved.graph.metadata_props[:], halved.metadata_props[:]
    content: bytes = halved.SerializeToString()
    return content


def _check(graphs: dict[str, bytes], image: Tensor, tokens: Tensor, wanted: tuple[Tensor, Tensor]) -> None:
    """Run the graphs, at the size of export and at another, and compare."""
    sessions = _sessions(graphs)
    logits, presence = _answer(sessions, image.numpy(), tokens.numpy())
    answers = ((torch.from_numpy(logits).sigmoid(), wanted[0].sigmoid()), (torch.from_numpy(presence), wanted[1]))
    difference = max(float((told - meant).abs().max()) for told, meant in answers)
    if not difference < TOLERANCE:
        raise CheckpointError(
            f"The exported graphs differ from the network by {difference:.4f}, above {TOLERANCE}: nothing was written"
        )
    other = np.zeros((1, 224, 160, 3), np.uint8)
    if _answer(sessions, other, token_batch(["a much longer question about it"]))[0].shape != (1, 112, 80):
        raise CheckpointError("The exported graphs do not take pictures of every size: nothing was written")


def _in_8_bits(
    written: Sequence[Any], exact: dict[str, bytes], pictures: NDArray[np.uint8], questions: NDArray[np.int64]
) -> dict[str, bytes]:
    """Return both graphs with convolutions in 8 bits, their ranges measured on what the exact ones see."""
    encoder = _session(exact[ENCODER])
    images = [{"image": pictures[i : i + 1]} for i in range(len(pictures))]
    asked = (_features(encoder, one) | {"tokens": questions[i : i + 1]} for i, one in enumerate(images))
    whole = quantized(written[0], ENCODER_PLAN, images), quantized(written[1], PREDICTOR_PLAN, asked)
    return dict(zip(FILES, map(_halve, whole), strict=True))


def _difference(
    graphs: dict[str, bytes], exact: dict[str, bytes], pictures: NDArray[np.uint8], questions: NDArray[np.int64]
) -> float:
    """Return the mean difference in probability between these graphs and the exact ones."""
    ours, reference = _sessions(graphs), _sessions(exact)
    apart = []
    for i in range(len(pictures)):
        one = pictures[i : i + 1], questions[i : i + 1]
        told, meant = (torch.from_numpy(_answer(both, *one)[0]).sigmoid() for both in (ours, reference))
        apart.append(float((told - meant).abs().mean()))
    difference = float(np.mean(apart))
    if not difference < MEAN_TOLERANCE:
        raise CheckpointError(
            f"In 8 bits the answers of this network change by {difference:.4f} in the mean, above {MEAN_TOLERANCE}: "
            "nothing was written; export it without --int8, or train it longer"
        )
    return difference


def _session(graph: bytes) -> Any:
    return optional("onnxruntime").InferenceSession(graph, providers=["CPUExecutionProvider"])


def _sessions(graphs: dict[str, bytes]) -> tuple[Any, Any]:
    return _session(graphs[ENCODER]), _session(graphs[PREDICTOR])


def _answer(
    sessions: tuple[Any, Any], image: NDArray[np.uint8], tokens: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits and presence, of graphs that give them in this order."""
    encoder, predictor = sessions
    logits, presence = predictor.run(None, _features(encoder, {"image": image}) | {"tokens": tokens})
    return logits, presence


def _features(encoder: Any, inputs: Inputs) -> dict[str, NDArray[np.float32]]:
    return dict(zip(Features._fields, encoder.run(None, inputs), strict=True))
