"""Pages for a browser, each one file that needs no other: samples with their masks, and plots of a data set."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

import cv2
import numpy as np

from ivm.core.errors import IvmError
from ivm.core.model import RGBImage
from ivm.data.coding import Mask, encode_picture
from ivm.data.faults import Fault
from ivm.data.record import Record
from ivm.data.sources.base import Item, Source

WIDTH = 360
"""Of a sample on the page."""

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 1160px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)); gap: 1.5rem; }
figure { margin: 0; } img { width: 100%; display: block; border-radius: 4px; }
figcaption { margin-top: .4rem; overflow-wrap: anywhere; } small, .quiet { color: #777; }
.plain { display: none; } figure:hover .plain { display: block; } figure:hover .masked { display: none; }
.fault { border-left: 4px solid #c33; padding-left: .7rem; }
svg { display: block; max-width: 100%; } svg text { font-size: 12px; fill: currentColor; } rect { fill: #3a7bd5; }
"""


def sample_page(title: str, items: Iterable[Item]) -> str:
    """A page of samples: what is needed in colour, the rest dimmed; the pointer over a picture shows it as it is.

    Args:
        title: of the page.
        items: as a source yields them; broken ones are told in their place.
    """
    return _page(title, f'<div class="samples">{"".join(map(_figure, items))}</div>')


def random_items(source: Source, count: int, seed: int) -> Iterator[Item]:
    """Yield items of a source in random order, of several records that one item holds only a few.

    Args:
        source: is read where the drawing falls, not from the start.
        count: how many, at most.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(source))[:count]
    a_place = -(-count // len(chosen))
    left = count
    for number in chosen:
        inside = list(source.read(int(number), int(number) + 1))
        for which in sorted(rng.permutation(len(inside))[: min(a_place, left)]):
            left -= 1
            yield inside[which]


def plot_page(title: str, summary: Sequence[tuple[str, str]], plots: Mapping[str, Mapping[str, int]]) -> str:
    """A page of bar charts.

    Args:
        title: of the page.
        summary: pairs of a name and what to say of it, told above the plots.
        plots: counts by label, by the title of the plot.
    """
    told = "".join(f"<tr><td>{escape(name)}</td><td><b>{escape(value)}</b></td></tr>" for name, value in summary)
    charts = "".join(f"<h2>{escape(name)}</h2>{_bars(counts)}" for name, counts in plots.items())
    return _page(title, f"<table>{told}</table>{charts}")


def overlay(image: RGBImage, mask: Mask) -> RGBImage:
    """Show what is needed as it is and outlined, the rest dark and grey.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32) * 0.45
    share = mask[..., None].astype(np.float32) / 255
    shown = np.ascontiguousarray((image * share + grey * (1 - share)).astype(np.uint8))
    outlines, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shown, outlines, -1, (255, 220, 0), 1)
    return shown


def _figure(item: Item) -> str:
    if isinstance(item, Fault):
        return f'<figure class="fault">{escape(str(item))}</figure>'
    try:
        image, mask = item.pixels()
    except IvmError as error:
        return f'<figure class="fault">{escape(item.uuid)}: {escape(str(error))}</figure>'
    size = (WIDTH, max(1, round(WIDTH * image.shape[0] / image.shape[1])))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    small_mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    return (
        f'<figure><img class="masked" src="{_embedded(overlay(small, small_mask))}" alt="">'
        f'<img class="plain" src="{_embedded(small)}" alt="">{_caption(item, mask)}</figure>'
    )


def _caption(record: Record, mask: Mask) -> str:
    texts = " · ".join(escape(text) for text in record.instructions)
    share = f"{mask.mean() / 2.55:.1f} % needed" if record.present else "not in the picture"
    about = f"{record.uuid}, {mask.shape[1]}x{mask.shape[0]}, {share}, {record.source}, {record.license}"
    return f"<figcaption><b>{texts}</b><br><small>{escape(about)}</small></figcaption>"


def _embedded(image: RGBImage) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encode_picture(image)).decode("ascii")


def _bars(counts: Mapping[str, int]) -> str:
    most = max(counts.values(), default=0) or 1
    rows = []
    for number, (label, count) in enumerate(counts.items()):
        y = number * 20
        rows.append(
            f'<text x="170" y="{y + 14}" text-anchor="end">{escape(label[:28])}</text>'
            f'<rect x="178" y="{y + 3}" width="{count / most * 560:.1f}" height="14"></rect>'
            f'<text x="{184 + count / most * 560:.1f}" y="{y + 14}">{count:,}</text>'
        )
    return f'<svg width="840" height="{len(counts) * 20}" role="img">{"".join(rows)}</svg>'


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
