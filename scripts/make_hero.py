"""Draw the picture at the head of the README: `python scripts/make_hero.py` (after `pip install .`)."""

from pathlib import Path

from PIL import Image

import ivm
from ivm.masking.sheet import Panel, draw_sheet

ROOT = Path(__file__).parents[1]
INSTRUCTION = "put the cheese in the blue bowl"
PANELS = {
    "image": "the picture",
    "heatmap_image": "heatmap",
    "highlight_image": "highlight: the rest white",
    "blur_image": "blur",
    "inpaint_image": "inpaint: other things taken away",
    "alpha_image": "alpha: the rest transparent",
}

if __name__ == "__main__":
    result = ivm.load()(ROOT / "examples" / "tabletop.jpg", INSTRUCTION)
    panels = [Panel(title=title, picture=getattr(result, name)) for name, title in PANELS.items()]
    sheet = draw_sheet(panels, INSTRUCTION, "ivm-nano on a rendered table, nothing retouched", 1440, 480 / 640)
    Image.fromarray(sheet).save(ROOT / "docs" / "images" / "hero.png", optimize=True)
