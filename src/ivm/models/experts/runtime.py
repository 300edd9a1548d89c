"""Where and in which precision an expert runs, and how PyTorch's errors become ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ivm.core.errors import DeviceError, ModelError

_DTYPES = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """A device and a dtype that were seen to be there."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto") -> Runtime:
        """Take what is asked for, or refuse.

        Args:
            device: "auto" takes CUDA where there is some; else "cpu", "cuda", "cuda:1", "mps".
            dtype: "auto" is float32: experts are small, and their thresholds were set in it.

        Raises:
            DeviceError: the device is not to be had here, or the dtype is unknown.
        """
        if dtype not in _DTYPES:
            raise DeviceError(f"An expert computes in {', '.join(_DTYPES)}, not in {dtype!r}")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            place = torch.device(device)
            torch.empty(1, device=place).cpu()  # a name alone says nothing about the machine
        except (RuntimeError, AssertionError, NotImplementedError):
            raise DeviceError(f"There is no device {device!r} here: use device='auto' or 'cpu'") from None
        return cls(device=place, dtype=_DTYPES[dtype])


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Compute without gradients; what goes wrong inside a network is told in one sentence.

    Raises:
        ModelError: out of memory, or the network does not take what its processor makes.
    """
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError:
        raise ModelError(f"{name} does not fit into the GPU's memory: use a smaller batch, or device='cpu'") from None
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name} could not run: {reason}") from error
