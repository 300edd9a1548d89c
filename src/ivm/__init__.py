"""Instruction-guided Visual Masking: keep what an instruction needs, mask the rest (arXiv 2405.19783).

    import ivm

    model = ivm.load()
    result = model("table.jpg", "pick up the red cup")
    result["highlight_image"], result.found, result.bbox

Names are imported when they are first used, so `import ivm` alone is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ivm.core.errors import BatchError, ImageError, InputError, IvmError, ModelError, OutputError
    from ivm.core.images import load_image
    from ivm.core.model import MaskModel, Prediction
    from ivm.inference.masker import Masker
    from ivm.inference.zoo import load
    from ivm.masking import MaskResult

__version__ = "0.1.0"
__all__ = [
    "BatchError",
    "ImageError",
    "InputError",
    "IvmError",
    "MaskModel",
    "MaskResult",
    "Masker",
    "ModelError",
    "OutputError",
    "Prediction",
    "load",
    "load_image",
]

_HOME = {
    **dict.fromkeys(("BatchError", "ImageError", "InputError", "IvmError", "ModelError", "OutputError"), "core.errors"),
    **dict.fromkeys(("MaskModel", "Prediction"), "core.model"),
    "load_image": "core.images",
    "MaskResult": "masking",
    "Masker": "inference.masker",
    "load": "inference.zoo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ivm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
