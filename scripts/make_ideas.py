"""Draw the pictures of docs/ideas.md: `python scripts/make_ideas.py` (after `pip install .`)."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import ivm
from ivm.masking import MaskResult
from ivm.masking.sheet import Panel, draw_sheet

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
TABLETOP = ROOT / "examples" / "tabletop.jpg"


def draw(name: str, panels: dict[str, np.ndarray], title: str, note: str) -> None:
    """Write a sheet as a JPEG small enough for a page."""
    sheet = draw_sheet([Panel(title=title, picture=made) for title, made in panels.items()], title, note, 1200, 0.75)
    Image.fromarray(sheet).save(IMAGES / name, quality=82, optimize=True)


def ghost(mask: np.ndarray) -> np.ndarray:
    """A mask in [0, 1] as a grey picture."""
    return np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2)


def moved(result: MaskResult) -> MaskResult:
    """The same picture with the mask at another place, drawn from a fixed seed: the control of a paired trial."""
    mask = result.soft > result.threshold
    random = np.random.default_rng(zlib.crc32(b"elsewhere"))
    shift = [int(random.integers(size // 4, size // 2)) for size in mask.shape]
    return MaskResult.from_heatmap(result.image, np.roll(mask, shift, axis=(0, 1)).astype(np.float32), 0.5)


if __name__ == "__main__":
    model = ivm.load()
    cup = model(TABLETOP, "pick up the red cup")
    bare = model(TABLETOP, "pick up the red cup", dilate_kernel_size=1)
    draw(
        "ideas-mask.jpg",
        {
            "the picture": cup.image,
            "soft: the heatmap": cup.heatmap_image,
            "above 0.5": ghost(bare.hard),
            "hard: grown, with a soft edge": ghost(cup.hard),
            "highlight without growing": bare.highlight_image,
            "highlight": cup.highlight_image,
        },
        "pick up the red cup",
        "ivm-nano on examples/tabletop.jpg; threshold 0.5, dilate 1 and 21 pixels",
    )
    draw(
        "ideas-controls.jpg",
        {
            "raw": cup.image,
            "masked": cup.highlight_image,
            "crop": cup.cropped_highlight_img,
            "control: at a random place": moved(cup).highlight_image,
            "control: asked another thing": model(TABLETOP, "the green plate").highlight_image,
        },
        "pick up the red cup",
        "what a model is shown for one question; the true boxes, where a benchmark has them, are one control more",
    )
