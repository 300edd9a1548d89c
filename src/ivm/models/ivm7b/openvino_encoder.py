"""SAM's image encoder on OpenVINO: the same network, on a CPU faster than in PyTorch.

PyTorch exports the graph, OpenVINO converts it, once a checkpoint: the result stays in the cache, under a name made
from every weight, so that it can never stand for other weights. It is float32 there, and is read memory-mapped; the
precision is chosen when it is compiled.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ivm.core.errors import CheckpointError, DeviceError, DiskFullError, OutputError
from ivm.core.extras import optional
from ivm.core.files import cache_folder, fresh_folder
from ivm.models.ivm7b.weights import Stored

GRAPH = "image_encoder.xml"
"""In a folder of the cache, beside `image_encoder.bin` with the weights."""

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_LAYOUT = 1
"""Counts up when what is kept changes its form."""


class ImageFeatures(NamedTuple):
    """As transformers' encoder returns them."""

    last_hidden_state: Tensor
    """(1, C, H, W) float32."""


class OpenVinoEncoder(nn.Module):
    """Takes the place of SAM's image encoder in the network."""

    def __init__(self, compiled: Any) -> None:
        super().__init__()
        self._compiled = compiled

    @classmethod
    def open(cls, encoder: Any, weights: Mapping[str, Stored], dtype: torch.dtype) -> OpenVinoEncoder:
        """Compile the graph of an encoder; convert it first where the cache does not hold it.

        Args:
            encoder: transformers' own, whose parameters may be on "meta", and are there afterwards.
            weights: exactly its tensors, by its names.
            dtype: of weights and activations while it runs.

        Raises:
            DeviceError: OpenVINO does not compute in this precision on this CPU.
            OutputError: the graph cannot be written into the cache; DiskFullError where there is too little space.
            CheckpointError: the graph in the cache is damaged.
        """
        openvino = optional("openvino")
        folder = cache_folder("openvino") / _name(encoder, weights)
        if not (folder / GRAPH).is_file():
            _convert(encoder, weights, folder)
        wanted = _PRECISIONS[dtype]
        options = {
            "INFERENCE_PRECISION_HINT": wanted,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        try:
            compiled = openvino.Core().compile_model(folder / GRAPH, "CPU", options)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-160:]
            raise CheckpointError(
                f"OpenVINO cannot read its graph in {folder} ({reason}): remove that folder"
            ) from None
        # Asked for what the CPU has not, OpenVINO takes something near it and says nothing.
        if (found := compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()) != wanted:
            raise DeviceError(
                f"OpenVINO computes in {found} where {wanted} is asked for, on this CPU: use another dtype, or "
                "encoder='torch'"
            )
        return cls(compiled)

    def forward(self, pixel_values: Tensor) -> ImageFeatures:
        """Encode a picture (1, 3, S, S) of any float dtype."""
        # A request of its own for each call, so that threads do not meet in one.
        request = self._compiled.create_infer_request()
        (features,) = request.infer([pixel_values.float().numpy()]).values()
        return ImageFeatures(torch.from_numpy(features.copy()))


class _Features(nn.Module):
    """An encoder that returns its features alone: a graph has no named outputs."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values: Tensor) -> Tensor:
        features: Tensor = self.encoder(pixel_values=pixel_values).last_hidden_state
        return features


def _name(encoder: Any, weights: Mapping[str, Stored]) -> str:
    """A name for what a conversion gives: from the sizes, every weight, and the versions of who converts."""
    versions = [optional(package).__version__ for package in ("openvino", "torch", "transformers")]
    about = [_LAYOUT, versions, encoder.config.to_json_string()]
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=16)
    for name, stored in sorted(weights.items()):
        digest.update(f"{name} {stored.dtype} {stored.shape}".encode())
        digest.update(stored.read().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _convert(encoder: Any, weights: Mapping[str, Stored], folder: Path) -> None:
    """Write an encoder's graph into a folder, whole or not at all."""
    nbytes = 4 * sum(stored.numel for stored in weights.values())
    try:
        with fresh_folder(folder) as fresh:
            if (free := shutil.disk_usage(fresh).free) < 1.05 * nbytes:
                raise DiskFullError(
                    f"OpenVINO's graph of SAM takes {nbytes / 1e9:.1f} GB in {folder.parent}, where "
                    f"{free / 1e9:.1f} GB are free: free some, or name another folder in IVM_CACHE"
                )
            graph = _exported(encoder, weights)
            optional("openvino").save_model(graph, fresh / GRAPH, compress_to_fp16=False)
            # The weights in float32 are of no more use, and exported programs refer to themselves.
            del graph
            encoder.to("meta")
            gc.collect()
    except OutputError:
        if not (folder / GRAPH).is_file():  # else another process was quicker
            raise


def _exported(encoder: Any, weights: Mapping[str, Stored]) -> Any:
    """OpenVINO's graph of an encoder, for pictures (1, 3, S, S) float32."""
    encoder.load_state_dict({name: stored.read().float() for name, stored in weights.items()}, assign=True)
    side = encoder.config.image_size
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)  # PyTorch's, of itself
        program = torch.export.export(_Features(encoder), (torch.zeros(1, 3, side, side),))
        graph = optional("openvino").convert_model(program)
    graph.reshape([1, 3, side, side])
    return graph
