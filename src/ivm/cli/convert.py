"""`ivm convert SOURCE`: put IVM-7B's scattered weights into one folder that loads fast."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug, Llava, Sam


class Dtype(StrEnum):
    """Precisions to write."""

    auto = "auto"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="IVM's checkpoint, for example IVM-V1.0.bin, or ivm-7b for the released one."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the model; made.")],
    sam: Sam = None,
    llava: Llava = None,
    merge: Annotated[bool, typer.Option(help="Add the adapters to the language model's weights.")] = True,
    dtype: Annotated[Dtype, typer.Option(help="Precision of SAM's and LLaVA's weights; auto keeps it.")] = Dtype.auto,
    debug: Debug = False,
) -> None:
    """Write IVM-7B as one folder of safetensors with config, processor files and a model card.

    Example: ivm convert IVM-V1.0.bin --sam sam_vit_h_4b8939.pth --llava llava-1.5-7b-hf/ -o ivm-7b
    """
    from ivm.core.extras import require

    require("torch", "transformers", "peft", "accelerate", "safetensors", extra="full")
    from ivm.models.ivm7b.convert import convert as write
    from ivm.models.ivm7b.load import find_parts

    folder = write(find_parts(source, sam, llava), output, merge=merge, dtype=dtype.value)
    emit(f"Converted to {folder}. To use it: ivm mask PICTURE INSTRUCTION --model {folder}")
