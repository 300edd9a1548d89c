"""A tiny `ivm-nano`: real ONNX graphs that find the colours red, green and blue when the instruction names them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import onnx.parser

from ivm.core.instruction import token_ids

RED, GREEN, BLUE = (int(token_ids(word)[0, 0]) for word in ("red", "green", "blue"))

ENCODER = """
<ir_version: 8, opset_import: ["": 17]>
encoder (uint8[N, h, w, 3] image) => (float[N, 3, h2, w2] colors, float[N, 1] brightness) {
    numbers = Cast<to = 1>(image)
    full = Constant<value = float {255.0}>()
    unit = Div(numbers, full)
    planes = Transpose<perm = [0, 3, 1, 2]>(unit)
    colors = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(planes)
    brightness = ReduceMean<axes = [1, 2, 3], keepdims = 0>(planes)
    shape = Constant<value = int64[2] {-1, 1}>()
    brightness = Reshape(mean, shape)
}
""".replace("brightness = ReduceMean", "mean = ReduceMean")

PREDICTOR = f"""
<ir_version: 8, opset_import: ["": 17]>
predictor (float[M, 3, h2, w2] colors, float[M, 1] brightness, int64[M, words, 8] tokens)
    => (float[M, h2, w2] logits, float[M] presence) {{
    contrast = Constant<value = float[3, 3, 1, 1] {{20, -20, -20, -20, 20, -20, -20, -20, 20}}>()
    scores = Conv(colors, contrast)
    ids = Constant<value = int64[3, 1, 1, 1] {{{RED}, {GREEN}, {BLUE}}}>()
    same = Equal(tokens, ids)
    ones = Cast<to = 1>(same)
    named = ReduceMax<axes = [2, 3], keepdims = 0>(ones)
    by_question = Transpose<perm = [1, 0]>(named)
    spatial = Constant<value = int64[2] {{2, 3}}>()
    weights = Unsqueeze(by_question, spatial)
    chosen = Mul(scores, weights)
    channel = Constant<value = int64[1] {{1}}>()
    summed = ReduceSum<keepdims = 0>(chosen, channel)
    ten = Constant<value = float {{10.0}}>()
    logits = Sub(summed, ten)
    best = ReduceMax<axes = [1, 2], keepdims = 0>(logits)
    presence = Sigmoid(best)
}}
"""


def write_toy_nano(folder: Path, **changes: Any) -> Path:
    """Write the checkpoint; `changes` replace entries of its model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("encoder.onnx", ENCODER), ("predictor.onnx", PREDICTOR)):
        model = onnx.parser.parse_model(text)
        onnx.checker.check_model(model)
        (folder / name).write_bytes(model.SerializeToString())
    about = {
        "format": "ivm-nano",
        "version": 1,
        "name": "toy-nano",
        "input_area": 49152,
        "stride": 32,
        "features": ["colors", "brightness"],
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("encoder.onnx", "predictor.onnx")
        },
    }
    (folder / "model.json").write_text(json.dumps(about | changes))
    return folder
