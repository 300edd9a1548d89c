"""`ivm mask`: the arguments of the main command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivm.cli.completion import one_of
from ivm.cli.mask_many import mask_many
from ivm.cli.mask_one import mask_one
from ivm.cli.options import (
    PICTURES,
    SHEET,
    BatchSize,
    Blur,
    Debug,
    Device,
    Dilate,
    Dtype,
    Encoder,
    FillColor,
    Json,
    Llava,
    LowGpuMemory,
    Model,
    Preset,
    Quantize,
    Quiet,
    Sam,
    Threshold,
    picture_of,
    pictures_of,
    style_of,
    threshold_of,
)
from ivm.cli.request import Request

Picture = Annotated[
    str,
    typer.Argument(
        metavar="PICTURE",
        help="A picture, - for one on standard input, a folder of pictures, or a .jsonl file whose lines are "
        '{"image": path, "instruction": text}.',
        show_default=False,
    ),
]
Instruction = Annotated[
    str | None,
    typer.Argument(
        metavar="INSTRUCTION",
        help='What to keep, or the task that needs it: "the red cup", "pick up the red cup". '
        "A .jsonl file may bring its own.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Folder for the results; - writes the picture of --style as PNG to standard output. "
        "Without it: ivm-out/NAME for a picture, ivm-out for many.",
        show_default=False,
    ),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        "-s",
        metavar="NAME",
        help="The picture that -o - writes: highlight, blur, crop, crop-blur, alpha, gray, inpaint, heatmap, soft "
        "or hard. gray, inpaint (other things taken away) and heatmap are added to the files when named here.",
        autocompletion=one_of(*PICTURES),
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Write only this picture, named as for --style, or sheet; may be repeated.",
        show_default=False,
        autocompletion=one_of(*PICTURES, SHEET),
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what an earlier run of many pictures has done.")]

EXAMPLES = """
Examples:

  ivm mask table.jpg "pick up the red cup"

  ivm mask table.jpg "the duck" -o out --threshold 0.3 --fill-color black

  curl -s https://example.org/table.jpg | ivm mask - "the pan" -o - --style crop > pan.png

  ivm mask photos/ "the red cup" -o masked

  ivm mask questions.jsonl -o masked --json > results.jsonl
"""


def mask(
    picture: Picture,
    instruction: Instruction = None,
    output: Output = None,
    threshold: Threshold = "0.5",
    preset: Preset = "paper",
    style: Style = "highlight",
    only: Only = None,
    model: Model = "ivm-nano",
    sam: Sam = None,
    llava: Llava = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    encoder: Encoder = "torch",
    quantize: Quantize = None,
    low_gpu_memory: LowGpuMemory = False,
    fill_color: FillColor = None,
    blur: Blur = None,
    dilate: Dilate = None,
    batch_size: BatchSize = 16,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Mask what an instruction does not need, in one picture or in many.

    Writes the paper's seven pictures, sheet.png and summary.json. Many run in batches; the same command goes on later.
    """
    request = Request(
        picture=picture,
        instruction=instruction,
        output=output,
        threshold=threshold_of(threshold),
        style=style_of(preset, fill_color, blur, dilate),
        shown=picture_of(style),
        pictures=pictures_of(style, only),
        model=model,
        loading={
            "sam": sam,
            "llava": llava,
            "device": device,
            "dtype": dtype,
            "encoder": encoder,
            "quantize": quantize,
            "low_gpu_memory": low_gpu_memory,
        },
        as_json=as_json,
        quiet=quiet,
    )
    if picture != "-" and (Path(picture).is_dir() or picture.endswith(".jsonl")):
        mask_many(request, batch_size=batch_size, overwrite=overwrite)
    else:
        mask_one(request)
