"""Take the weights of the trunk of `ivm-nano` out of the detector that Google published, into `recipes/`.

The detector is MediaPipe's `object_detection_ssd_mobilenetv2_oidv4_fp16.tflite`: an SSD on MobileNetV2, trained on
Open Images V4 (pictures CC BY 2.0, labels CC BY 4.0), under Apache-2.0. Version 0.4.1675468480 of the npm package
`@mediapipe/objectron` holds it, in `objectron_solution_packed_assets.data`, after the list of its 24 classes.

    npm pack @mediapipe/objectron@0.4.1675468480 && tar xzf mediapipe-objectron-*.tgz
    pip install tflite safetensors
    python scripts/trunk_weights.py package/objectron_solution_packed_assets.data recipes/mobilenet-v2.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

STEM, EXPANSION = 32, 6
WIDTHS = (16, 24, 32, 64, 96, 160, 320)
BLOCKS = (1, 2, 3, 4, 3, 3, 1)
"""The trunk's sizes, as in `models.nano.config`."""

ABOUT = {
    "source": "MediaPipe, object_detection_ssd_mobilenetv2_oidv4_fp16.tflite, from @mediapipe/objectron",
    "license": "Apache-2.0",
    "trained_on": "Open Images V4",
}
_HEADER = b"TFL3"
"""At byte 4 of a file of TensorFlow Lite."""


def kernels() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the trunk's convolutions in the order of the graph, each with the shape of its kernel."""
    yield "stem", (STEM, 3, 3, 3)
    width = STEM
    for stage, (width_out, count) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
        for block in range(count):
            place, inner = f"stages.{stage}.{block}", width * (EXPANSION if stage else 1)
            if stage:
                yield f"{place}.expand", (inner, width, 1, 1)
            yield f"{place}.depth", (inner, 1, 3, 3)
            yield f"{place}.project", (width_out, inner, 1, 1)
            width = width_out


def convolutions(content: bytes) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield kernel (out, in, height, width) and bias of each convolution, in the order of the graph."""
    import tflite  # type: ignore[import-not-found]

    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    stored: dict[int, int] = {}

    def array(tensor: int) -> NDArray[Any]:
        found = graph.Tensors(stored.get(tensor, tensor))
        dtype = {0: np.float32, 1: np.float16}[found.Type()]
        values = np.frombuffer(model.Buffers(found.Buffer()).DataAsNumpy().tobytes(), dtype)
        return values.reshape(found.ShapeAsNumpy())

    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            stored[operator.Outputs(0)] = operator.Inputs(0)
        elif kind in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            order = (0, 3, 1, 2) if kind == tflite.BuiltinOperator.CONV_2D else (3, 0, 1, 2)
            yield array(operator.Inputs(1)).transpose(order), array(operator.Inputs(2))


def main() -> None:
    """Convert the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    content = options.source.read_bytes()
    content = content[content.index(_HEADER) - 4 :]
    found = convolutions(content)
    weights = {}
    for name, shape in kernels():
        # Those that predict boxes and classes stand between, and have other shapes.
        kernel, bias = next(pair for pair in found if pair[0].shape == shape)
        weights[f"{name}.weight"] = np.ascontiguousarray(kernel.astype(np.float16))
        weights[f"{name}.bias"] = np.ascontiguousarray(bias.astype(np.float16))
    save_file(weights, options.output, metadata=ABOUT)


if __name__ == "__main__":
    main()
