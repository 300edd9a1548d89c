"""`ivm-nano` in whole numbers of 8 bits: about half the time on a CPU, which buys larger pictures."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ivm.core.extras import optional

Inputs = Mapping[str, NDArray[Any]]
"""What goes into a graph, by name."""


class Plan(NamedTuple):
    """What of a graph is put into 8 bits."""

    operators: tuple[str, ...]
    in_float: tuple[str, ...]
    """How the names of the weights begin whose convolutions stay in float."""


ENCODER_PLAN = Plan(
    ("Conv", "Add", "Concat", "Resize", "Clip", "Relu"),
    ("encoder.trunk.stem.", "encoder.trunk.stages.0.", "encoder.raw.", "encoder.kinds.", "encoder.colors."),
)
"""In float stay the first convolutions, whose errors all others inherit (eight bits there double the error of the
features), and the last, which cost next to nothing."""

PREDICTOR_PLAN = Plan(
    ("Conv", "Relu"), ("predictor.place.", "predictor.matched.", "predictor.down.", "predictor.logits.")
)
"""Only the three that look around are worth it."""


def quantized(graph: Any, plan: Plan, examples: Iterable[Inputs]) -> Any:
    """Return a graph with 8-bit convolutions (Jacob et al., arXiv 1712.05877).

    Weights have a scale for each channel, and 7 bits: products of 8 bits overflow on processors that add them in pairs
    into 16 bits, those before AVX-512 VNNI, and the answers would differ from machine to machine.

    Args:
        graph: an `onnx.ModelProto` in float32.
        plan: of this graph.
        examples: to measure the range of each map on.

    Returns:
        An `onnx.ModelProto`.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx, tools = optional("onnx"), optional("onnxruntime.quantization")
    float_nodes = [
        node.name for node in graph.graph.node if node.op_type == "Conv" and node.input[1].startswith(plan.in_float)
    ]
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)  # the tool advises to run another tool first, which this graph does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.onnx"
            tools.quantize_static(
                graph,
                path,
                _reader(tools, examples),
                op_types_to_quantize=list(plan.operators),
                nodes_to_exclude=float_nodes,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
            )
            return onnx.load(path)
    finally:
        logger.setLevel(before)


def _reader(tools: Any, examples: Iterable[Inputs]) -> Any:
    """Hand the examples out one by one, as the tool wants them."""

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.examples = iter(examples)

        def get_next(self) -> Inputs | None:
            return next(self.examples, None)

    return Reader()
