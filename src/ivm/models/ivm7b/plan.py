"""What a model will take before anything is read: what is where, how many bytes, and whether that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from ivm.core.errors import ModelMemoryError
from ivm.models.ivm7b.config import Ivm7bConfig
from ivm.models.ivm7b.network import TRAINED
from ivm.models.ivm7b.placement import Placement
from ivm.models.ivm7b.weights import Stored

GIB = 2**30
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLine:
    """One part of the model."""

    part: str
    place: str
    """The device, or "files" for weights that are read when their turn comes."""
    dtype: str
    nbytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """All parts, and what answering takes on top."""

    device: str
    lines: tuple[PlanLine, ...]
    free: int
    """Bytes to be had on the device before loading."""

    @property
    def needed(self) -> int:
        """Bytes on the device."""
        return sum(line.nbytes for line in self.lines if line.place == self.device)

    def text(self) -> str:
        """The plan as a table for people."""
        rows = [(line.part, line.place, line.dtype, f"{line.nbytes / GIB:.2f} GiB") for line in self.lines]
        rows.append((f"needed on {self.device}", "", "", f"{self.needed / GIB:.2f} GiB"))
        rows.append((f"free on {self.device}", "", "", f"{self.free / GIB:.2f} GiB"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows
        )

    def check(self) -> None:
        """Refuse what cannot fit, which is better than being killed half way.

        Raises:
            ModelMemoryError: more is needed than is free.
        """
        if self.needed > self.free:
            raise ModelMemoryError(
                f"IVM-7B needs {self.needed / GIB:.1f} GiB on {self.device} as asked for, {self.free / GIB:.1f} GiB "
                "are free: use quantize='int8', a 16-bit dtype or low_gpu_memory=True, or free some"
            )


def plan(
    weights: Mapping[str, Stored], config: Ivm7bConfig, placement: Placement, free: int | None = None
) -> MemoryPlan:
    """Add up what a model takes.

    Args:
        weights: of the whole network, by its names.
        config: its sizes.
        placement: where they go.
        free: bytes to be had; None asks the machine.
    """
    device = str(placement.device)
    sums: dict[tuple[str, str, str], int] = {}
    for name, stored in weights.items():
        dtype = placement.dtype_of(name, stored)
        place = "files" if placement.offloads(name) else device
        key = _part(name, placement), place, str(dtype).removeprefix("torch.")
        # An int8 row has a float32 scale.
        extra = 4 * stored.shape[0] if dtype == torch.int8 else 0
        sums[key] = sums.get(key, 0) + stored.numel * dtype.itemsize + extra
    lines = [PlanLine(part=part, place=place, dtype=dtype, nbytes=n) for (part, place, dtype), n in sums.items()]
    lines += _working(weights, config, placement)
    return MemoryPlan(device=device, lines=tuple(lines), free=free_memory(placement.device) if free is None else free)


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still take on a device; a container's limit counts."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = int(psutil.virtual_memory().available)
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such limit
        return available
    return min(available, limit - used + int(stat.get("inactive_file", 0)))


def _part(name: str, placement: Placement) -> str:
    if ".lora_" in name:
        return "adapters"
    if TRAINED.match(name):
        return "projector and mask decoder"
    if name.startswith("image_encoder."):
        return "SAM image encoder" + (", OpenVINO" if placement.encoder == "openvino" else "")
    return "language model" if name.startswith("llava.language_model.") else "CLIP image encoder"


def _working(weights: Mapping[str, Stored], config: Ivm7bConfig, placement: Placement) -> list[PlanLine]:
    """What is alive while a picture is read: SAM's global attention, the kept prefix, the largest module in turn."""
    sam, text, vision = config.sam, config.llava["text_config"], config.llava["vision_config"]
    cells = (sam["image_size"] // sam["patch_size"]) ** 2
    tokens = (vision["image_size"] // vision["patch_size"]) ** 2 + 8
    size = placement.dtype.itemsize
    layers, width = text.get("num_hidden_layers", 32), text.get("hidden_size", 4096)
    # PyTorch holds scores, their bias, and the product of both; OpenVINO works in place. Both were measured.
    copies = 1.5 if placement.encoder == "openvino" else 3
    alive = {
        "reading a picture": int(copies * sam["num_attention_heads"] * cells**2 * size),
        "one picture kept": 2 * layers * tokens * width * size,
    }
    if placement.offload:
        largest = max((stored.numel for name, stored in weights.items() if placement.offloads(name)), default=0)
        alive["the module whose turn it is"] = 2 * largest * size
    dtype = str(placement.dtype).removeprefix("torch.")
    return [PlanLine(part=part, place=str(placement.device), dtype=dtype, nbytes=n) for part, n in alive.items()]
