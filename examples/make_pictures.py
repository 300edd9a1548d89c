"""Render the pictures of this folder again: `python examples/make_pictures.py` (needs the extra [train])."""

from pathlib import Path

from PIL import Image

from ivm.data.tabletop.scene import SceneOptions, Thing, render

THINGS = (
    ("pan", "silver"), ("plate", "green"), ("cup", "red"), ("duck", "yellow"), ("pepper", "yellow"),
    ("block", "wooden"), ("bowl", "blue"), ("eggplant", "purple"), ("chili pepper", "red"), ("cheese", "yellow"),
    ("cup", "blue"), ("banana", "yellow"), ("apple", "red"),
)  # fmt: skip
SEEDS = {"tabletop.jpg": 22, "robot.jpg": 28}

if __name__ == "__main__":
    for name, seed in SEEDS.items():
        scene = render((77, seed), SceneOptions(width=640, height=480), wanted=[Thing(*thing) for thing in THINGS])
        Image.fromarray(scene.image).save(Path(__file__).parent / name, quality=92)
