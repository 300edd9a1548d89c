"""What a recipe of IVM-7B says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ivm.core.errors import RecipeError
from ivm.training.checks import check_choice, check_flag, check_number
from ivm.training.record_source import RecordSettings
from ivm.training.settings import RunSettings

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
PACKAGES = ("transformers", "accelerate", "peft")
"""What IVM-7B needs beside the extra [train]: the extra [full] has them."""


@dataclass(frozen=True, kw_only=True)
class Ivm7bRecipe(RunSettings):
    """Everything that decides a training run of IVM-7B: frozen SAM, LLaVA with adapters, projector and decoder.

    Attributes:
        start: IVM's own checkpoint or a folder of `ivm convert --no-merge` to begin with; None begins with untrained
            adapters, projector and decoder, as the paper does.
        sam: SAM's `.pth`, a folder or hub id; None for the zoo's.
        llava: a folder or hub id; None for the zoo's.
        dtype: of the frozen weights; what is trained is always float32.
        lora_rank: of new adapters.
        lora_dropout: odds with which an adapter's input is dropped.
        checkpointing: work activations of the language model out anew in the backward pass, which saves most memory.
        sam_cache: folder for the features of the frozen SAM, so that a picture goes through it once; needs pictures
            that are not augmented.
    """

    processes: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    ema: float = 0.0
    start: str | None = None
    sam: str | None = None
    llava: str | None = None
    dtype: Dtype = "auto"
    lora_rank: int = 8
    lora_dropout: float = 0.05
    checkpointing: bool = True
    sam_cache: str | None = None

    def __post_init__(self) -> None:
        """Check keys and ranges.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        super().__post_init__()
        for name in ("start", "sam", "llava", "sam_cache"):
            if not isinstance(getattr(self, name), str | None):
                raise RecipeError(f"The recipe's {name} must be a text, not {getattr(self, name)!r}")
        check_choice("dtype", self.dtype, get_args(Dtype))
        check_number("lora_rank", self.lora_rank, 1, whole=True)
        check_number("lora_dropout", self.lora_dropout, 0, 0.999)
        check_flag("checkpointing", self.checkpointing)
        settings = self.record_settings()
        if settings is None:
            raise RecipeError("A recipe of ivm-7b needs records to train on")
        if self.sam_cache is not None and not _same_each_time(settings):
            raise RecipeError(
                "The recipe's sam_cache needs pictures that are the same each time: set scale to [1, 1], mirror and "
                "light of its records to 0"
            )

    def data(self) -> RecordSettings:
        """Return which data sets are read."""
        settings = self.record_settings()
        assert settings is not None, "checked at birth"
        return settings


def _same_each_time(settings: RecordSettings) -> bool:
    return min(settings.scale) == 1 and settings.mirror == 0 and settings.light == 0
