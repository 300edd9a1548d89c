"""`load_ivm7b`: from files to a model that answers, with a plan of its memory made first."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ivm.models.ivm7b.filling import fill
from ivm.models.ivm7b.folder import is_folder, read_parts
from ivm.models.ivm7b.hub import IVM, Source
from ivm.models.ivm7b.model import Ivm7b
from ivm.models.ivm7b.parts import Parts, gather
from ivm.models.ivm7b.placement import Placement, check_encoder, check_quantize, find_device, find_dtype
from ivm.models.ivm7b.plan import plan
from ivm.models.ivm7b.reading import Reader

_LOG = logging.getLogger(__name__)


def load_ivm7b(
    source: Source = "ivm-7b",
    *,
    sam: Source | None = None,
    llava: Source | None = None,
    device: str = "auto",
    dtype: str = "auto",
    low_gpu_memory: bool = False,
    quantize: str | None = None,
    encoder: str = "torch",
) -> Ivm7b:
    """Load the paper's model; its plan of memory is logged before any weight is read.

    Args:
        source: IVM's own checkpoint file, a folder that `ivm convert` wrote, or "ivm-7b" for the hub's released one.
        sam: SAM's original `.pth`, a Hugging Face folder or hub id; None for `facebook/sam-vit-huge`.
        llava: LLaVA's folder or hub id; None for `llava-hf/llava-1.5-7b-hf`.
        device: "auto" takes CUDA where there is one, else the CPU; or any device of PyTorch.
        dtype: of SAM and LLaVA: "float32", "float16", "bfloat16"; "auto" takes float32 where LLaVA is stored so, else
            float16 on a GPU and bfloat16 on a CPU.
        low_gpu_memory: leave SAM's and LLaVA's weights in their files (memory-mapped), and bring each module's to the
            device when it is its turn; slower, and the device needs little memory.
        quantize: "int8" for the language model's projections.
        encoder: what runs SAM's image encoder, "torch", or on a CPU "openvino", which is faster; its graph
            is made once a checkpoint, in the folder `openvino` of the cache (`IVM_CACHE`, else `~/.cache/ivm`).

    Returns:
        A `MaskModel`; its `plan` says what is where.

    Raises:
        CheckpointError: a file is damaged, unsafe, of another architecture, or they do not go together.
        FetchError: something is not here and cannot be downloaded.
        DeviceError: the device or dtype is not to be had here.
        ModelMemoryError: it does not fit into the device's free memory.
        OptionError: an option has another value.
        MissingExtraError: OpenVINO is asked for and not installed.
        OutputError: OpenVINO's graph cannot be kept in the cache.
    """
    check_quantize(quantize, low_gpu_memory)
    place = find_device(device)
    check_encoder(encoder, place, low_gpu_memory)
    parts = find_parts(source, sam, llava)
    stored = next(w.dtype for name, w in parts.weights.items() if name.endswith("embed_tokens.weight"))
    precision = find_dtype(dtype, stored, place)
    placement = Placement(device=place, dtype=precision, quantize=quantize, offload=low_gpu_memory, encoder=encoder)
    made = plan(parts.weights, parts.config, placement)
    _LOG.info("IVM-7B in memory:\n%s", made.text())
    made.check()
    reader = Reader.open(parts.processor, parts.network.llava.config.image_token_id)
    fill(parts.network, parts.weights, placement)
    return Ivm7b(parts.network, reader, device=placement.device, dtype=placement.dtype, plan=made)


def find_parts(source: Source, sam: Source | None = None, llava: Source | None = None) -> Parts:
    """Find and check all weights, in whichever form; see `load_ivm7b`."""
    if is_folder(Path(source)):
        return read_parts(Path(source))
    return gather(IVM if os.fspath(source) == "ivm-7b" else source, sam=sam, llava=llava)
