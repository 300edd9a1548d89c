"""The encoder of `ivm-nano` in whole numbers of 8 bits: about half the time on a CPU, which buys larger pictures."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivm.core.extras import optional

IN_FLOAT = ("trunk.stem.", "trunk.stages.0.", "raw.", "kinds.", "colors.")
"""Convolutions that stay in float: the first, whose errors all others inherit (eight bits there double the error of the
features), and the last, which cost next to nothing."""


def quantized(encoder: Any, pictures: NDArray[np.uint8]) -> Any:
    """Return the encoder's graph with 8-bit convolutions (Jacob et al., arXiv 1712.05877).

    Weights have a scale for each channel, and 7 bits: products of 8 bits overflow on processors that add them in pairs
    into 16 bits, those before AVX-512 VNNI, and the answers would differ from machine to machine.

    Args:
        encoder: an `onnx.ModelProto` in float32, from bytes `image` to features.
        pictures: (N, H, W, 3) uint8, to measure the range of each map on; H and W are multiples of 32.

    Returns:
        An `onnx.ModelProto`.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx, tools = optional("onnx"), optional("onnxruntime.quantization")
    float_nodes = [
        node.name
        for node in encoder.graph.node
        if node.op_type == "Conv" and node.input[1].startswith(tuple(f"encoder.{name}" for name in IN_FLOAT))
    ]
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)  # the tool advises to run another tool first, which this graph does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoder.onnx"
            tools.quantize_static(
                encoder,
                path,
                _reader(tools, pictures),
                op_types_to_quantize=["Conv", "Add", "Concat", "Resize", "Clip", "Relu"],
                nodes_to_exclude=float_nodes,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
            )
            return onnx.load(path)
    finally:
        logger.setLevel(before)


def _reader(tools: Any, pictures: NDArray[np.uint8]) -> Any:
    """Hand the pictures out one by one, as the tool wants them."""

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.pictures: Iterator[NDArray[np.uint8]] = iter(pictures)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            picture = next(self.pictures, None)
            return None if picture is None else {"image": picture[None]}

    return Reader()
