"""Makes experts that are wrong on purpose: `ivm-nano` with one fault built into its graph.

    python -m scripts.story.experts -o runs/story/experts

A label recipe names its experts, and a folder with `model.json` is one. So each fault becomes such a folder: the same
weights, and a few more operators around them. The rest of the program takes them for models like any other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import ivm.inference.zoo
from ivm.core.files import write_files
from ivm.core.instruction import BUCKETS, token_ids
from ivm.data.tabletop.colors import COLORS

OWN = ivm.inference.zoo.EMBEDDED / "ivm-nano"
"""The expert without a fault."""

REACH = 17
"""Cells across, of two of the pixels that the model reads, of the square over which `generous` spreads its finds."""


def colorblind(graph: Any) -> None:
    """Hears no word for a colour, so that it takes any cup for the red one."""
    words = {word for color in COLORS.values() for name in (color.name, *color.also) for word in name.split()}
    heard = np.ones(2 * BUCKETS + 1, np.int64)
    heard[[int(token_ids(word)[0, 0]) for word in words]] = 0
    numbers = {"heard": heard, "start": [0], "stop": [1], "axis": [2]}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), f"fault.{name}") for name, value in numbers.items()
    )
    for node in graph.node:
        node.input[:] = ["fault.tokens" if name == "tokens" else name for name in node.input]
    first = [
        helper.make_node("Slice", ["tokens", "fault.start", "fault.stop", "fault.axis"], ["fault.words"]),
        helper.make_node("Gather", ["fault.heard", "fault.words"], ["fault.kept"]),
        helper.make_node("Mul", ["tokens", "fault.kept"], ["fault.tokens"]),
    ]
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def generous(graph: Any) -> None:
    """Draws far beyond the edge of what it finds."""
    half = REACH // 2
    for node in graph.node:
        node.output[:] = ["fault.logits" if name == "logits" else name for name in node.output]
        node.input[:] = ["fault.logits" if name == "logits" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "fault.axis"))
    grown = helper.make_node("MaxPool", ["fault.one"], ["fault.grown"], kernel_shape=[REACH, REACH], pads=[half] * 4)
    graph.node.extend(
        [
            helper.make_node("Unsqueeze", ["fault.logits", "fault.axis"], ["fault.one"]),
            grown,
            helper.make_node("Squeeze", ["fault.grown", "fault.axis"], ["logits"]),
        ]
    )


FAULTS: dict[str, Callable[[Any], None]] = {"colorblind": colorblind, "generous": generous}
"""What is done to the predictor's graph, by the expert's name."""


def make(name: str, folder: Path) -> Path:
    """Write one expert; returns its folder."""
    model = onnx.load_from_string((OWN / "predictor.onnx").read_bytes())
    FAULTS[name](model.graph)
    onnx.checker.check_model(model)
    graphs = {"encoder.onnx": (OWN / "encoder.onnx").read_bytes(), "predictor.onnx": model.SerializeToString()}
    card = json.loads((OWN / "model.json").read_bytes()) | {
        "name": name,
        "fault": " ".join((FAULTS[name].__doc__ or "").split()),
        "sha256": {file: hashlib.sha256(content).hexdigest() for file, content in graphs.items()},
    }
    text = (json.dumps(card, indent=2) + "\n").encode()
    write_files((folder / name / file, content) for file, content in [*graphs.items(), ("model.json", text)])
    return folder / name


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for one folder each")
    folder = parser.parse_args().output
    for name in FAULTS:
        print(make(name, folder))


if __name__ == "__main__":
    main()
