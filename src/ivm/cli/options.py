"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ivm.cli.completion import model_names, one_of
from ivm.core.errors import OptionError, ThresholdError

PICTURES = {
    "soft": "soft",
    "hard": "hard",
    "blur": "blur_image",
    "highlight": "highlight_image",
    "crop-blur": "cropped_blur_img",
    "crop": "cropped_highlight_img",
    "alpha": "alpha_image",
    "gray": "grayscale_image",
    "inpaint": "inpaint_image",
    "heatmap": "heatmap_image",
}
"""Short name of each picture, and its key in a result."""

PAPER = tuple(PICTURES.values())[:7]
"""The seven pictures of the paper."""

SHEET = "sheet"


def _show_version(wanted: bool) -> None:
    if wanted:
        from ivm import __version__

        print(f"ivm {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH",
        help="A model of the zoo (ivm models), or a checkpoint.",
        autocompletion=model_names,
    ),
]
Sam = Annotated[
    str | None,
    typer.Option(
        "--sam",
        metavar="ID|PATH",
        help="SAM for ivm-7b (a hub id, a folder, the .pth file) or for an expert (a hub id or a folder). "
        "Without it the zoo's; clipseg and florence2 make masks without.",
        show_default=False,
    ),
]
Llava = Annotated[
    str | None,
    typer.Option(
        "--llava",
        metavar="ID|PATH",
        help="LLaVA for ivm-7b: a hub id or a folder. Without it the zoo's.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="torch|openvino",
        help="What runs the image encoder of ivm-7b; on a CPU openvino is faster.",
        autocompletion=one_of("torch", "openvino"),
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        "--quantize",
        metavar="int8",
        help="Keep the language model of ivm-7b in 8 bits: half the memory.",
        show_default=False,
        autocompletion=one_of("int8"),
    ),
]
LowGpuMemory = Annotated[
    bool,
    typer.Option("--low-gpu-memory", help="Leave the weights of ivm-7b in their files until their turn comes; slow."),
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="auto|float32|bfloat16|float16",
        help="Precision in which models other than ivm-nano run.",
        autocompletion=one_of("auto", "float32", "bfloat16", "float16"),
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda",
        help="Where the model runs.",
        autocompletion=one_of("auto", "cpu", "cuda"),
    ),
]
Threshold = Annotated[
    str, typer.Option("--threshold", "-t", metavar="NUMBER", help="From 0 to 1: keep what the heatmap gives more.")
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="paper|v1",
        help="How the mask is grown and softened: as in the paper, or as in v1.0.",
        autocompletion=one_of("paper", "v1"),
    ),
]
FillColor = Annotated[
    str | None,
    typer.Option("--fill-color", metavar="COLOR", help='What replaces the rest: "white", "#808080" or "128,128,128".'),
]
Blur = Annotated[int | None, typer.Option("--blur", metavar="PIXELS", help="Size of the blur, odd; 201 without it.")]
Dilate = Annotated[
    int | None, typer.Option("--dilate", metavar="PIXELS", help="How far the mask is grown, odd; 21 without it.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Questions that the model answers at once.")]
Scores = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write all scores there, as JSON.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same one draws the same again; another one, others.")]


class RendererName(StrEnum):
    """Who draws tables."""

    fast = "fast"
    mujoco = "mujoco"


Renderer = Annotated[
    RendererName,
    typer.Option("--renderer", help="What draws tables: fast, or mujoco, with its own shadows and highlights."),
]


def threshold_of(text: str) -> float:
    """Read `--threshold`.

    Raises:
        ThresholdError: not a number in [0, 1].
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise ThresholdError(f"The threshold must be a number from 0 to 1, not {text!r}: 0.5 is usual")
    return value


def color_of(text: str) -> tuple[int, int, int]:
    """Read a colour: a CSS name ("white"), "#rrggbb" or "red,green,blue".

    Raises:
        OptionError: none of these.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(f"rgb({text})" if "," in text and "(" not in text else text)[:3]
    except ValueError:
        raise OptionError(f"{text!r} is no colour: use a name such as white, #rrggbb, or red,green,blue") from None


def style_of(preset: str, fill_color: str | None, blur: int | None, dilate: int | None) -> dict[str, Any]:
    """The style that the options mean, holding only what was given.

    Raises:
        OptionError: an option is outside its range, or not one of the preset's.
    """
    from ivm.masking.style import make_style, style_options

    style = style_options(preset, None if fill_color is None else color_of(fill_color), blur, dilate)
    make_style(**style)
    return style


def picture_of(name: str) -> str:
    """The key of a picture called by its short name or by the key itself.

    Raises:
        OptionError: there is no such picture.
    """
    if name in PICTURES.values() or name == SHEET:
        return name
    if name not in PICTURES:
        raise OptionError(f"There is no picture {name!r}: use {', '.join([*PICTURES, SHEET])}")
    return PICTURES[name]


def pictures_of(style: str, only: Sequence[str] | None) -> list[str]:
    """The pictures to write: `--only` these, or the paper's seven, the style's and the contact sheet.

    Raises:
        OptionError: there is no picture of that name.
    """
    chosen = [picture_of(name) for name in only] if only else [*PAPER, picture_of(style), SHEET]
    return list(dict.fromkeys(chosen))
