"""Which tensor goes where in which precision: what a person asked for, checked against what the machine has."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from ivm.core.errors import DeviceError, OptionError
from ivm.core.extras import optional
from ivm.models.ivm7b.network import TRAINED
from ivm.models.ivm7b.weights import Stored

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
QUANTIZE = (None, "int8")
ENCODERS = ("torch", "openvino")

_LINEAR = re.compile(r"llava\.language_model\.layers\.\d+\.(self_attn|mlp)\..*weight$")
"""The language model's projections, nine tenths of all values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a network's tensors go."""

    device: torch.device
    """Where it computes."""
    dtype: torch.dtype
    """Of SAM's and LLaVA's weights and activations."""
    quantize: str | None = None
    """"int8" for the language model's projections, or None."""
    offload: bool = False
    """Whether SAM's and LLaVA's weights stay in their files, and come to the device one module at a time."""
    encoder: str = "torch"
    """What runs SAM's image encoder: "torch", or "openvino" on a CPU."""

    def dtype_of(self, name: str, stored: Stored) -> torch.dtype:
        """Precision of a tensor; what IVM trained is small and stays in float32."""
        if TRAINED.match(name):
            return torch.float32
        return torch.int8 if self.quantizes(name, stored) else self.dtype

    def quantizes(self, name: str, stored: Stored) -> bool:
        """Whether a tensor becomes int8."""
        return self.quantize == "int8" and len(stored.shape) == 2 and bool(_LINEAR.match(name)) and ".lora_" not in name

    def offloads(self, name: str) -> bool:
        """Whether a tensor stays in its file."""
        return self.offload and name.startswith(("image_encoder.", "llava."))


def find_device(device: str) -> torch.device:
    """Return the device that a text names; "auto" takes CUDA where there is one, else the CPU.

    Raises:
        DeviceError: PyTorch knows no such device, or the machine has none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise DeviceError(f"There is no device {device!r} for PyTorch here: use device='cpu'") from error
    if found.type == "meta":
        raise DeviceError("The device 'meta' computes nothing: use device='cpu'")
    return found


def find_dtype(dtype: str, stored: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the precision that a text names.

    Args:
        dtype: "float32", "float16" or "bfloat16"; "auto" takes float32 where LLaVA's weights are stored so, else the
            16 bits that the device is quick with: float16 on a GPU, bfloat16 on a CPU.
        stored: of LLaVA's weights.
        device: where it computes.

    Raises:
        OptionError: another text.
        DeviceError: the device cannot compute so.
    """
    if dtype == "auto":
        if stored == torch.float32:
            return stored
        return torch.bfloat16 if device.type == "cpu" else torch.float16
    if dtype not in DTYPES:
        raise OptionError(f"The dtype is 'auto', {', '.join(map(repr, DTYPES))}, not {dtype!r}")
    if dtype == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceError("This GPU does not compute in bfloat16: use dtype='float16'")
    return DTYPES[dtype]


def check_quantize(quantize: str | None, offload: bool) -> None:
    """Check the option `quantize`.

    Raises:
        OptionError: it is unknown, or does not go together with offloading.
    """
    if quantize not in QUANTIZE:
        raise OptionError(f"quantize is 'int8' or None, not {quantize!r}")
    if quantize and offload:
        raise OptionError(
            "quantize='int8' keeps the weights on the device, low_gpu_memory=True does not: choose one of them"
        )


def check_encoder(encoder: str, device: torch.device, offload: bool) -> None:
    """Check the option `encoder`.

    Raises:
        OptionError: it is unknown, or does not go together with the device or with offloading.
        MissingExtraError: OpenVINO is asked for and not installed.
    """
    if encoder not in ENCODERS:
        raise OptionError(f"encoder is {' or '.join(map(repr, ENCODERS))}, not {encoder!r}")
    if encoder == "torch":
        return
    optional("openvino")
    if device.type != "cpu":
        raise OptionError(f"encoder='openvino' runs on the CPU, not on {device}: use device='cpu' or encoder='torch'")
    if offload:
        raise OptionError(
            "encoder='openvino' keeps SAM's weights in memory, low_gpu_memory=True does not: choose one of them"
        )
