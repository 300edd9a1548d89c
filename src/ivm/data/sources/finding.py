"""Which layout a folder has, read from what lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from ivm.core.errors import OptionError, RecordError
from ivm.data.boxes import BoxKind
from ivm.data.record import SourceKind
from ivm.data.sources.base import Source

Layout = Literal[
    "shards", "original", "coco", "refcoco", "reasonseg", "manifest", "object-maps", "class-maps", "cutouts", "video"
]


def layout_of(place: Path) -> Layout:
    """Say which layout a folder or file has.

    Raises:
        RecordError: there is nothing, or nothing that is known.
    """
    if place.is_file():
        if place.suffix in (".tar", ".jsonl"):
            return "shards" if place.suffix == ".tar" else "original"
        if place.suffix == ".p" or place.name.startswith("refs"):
            return "refcoco"
        if place.suffix == ".json":
            return "coco"
    elif place.is_dir():
        signs: list[tuple[Layout, bool]] = [
            ("shards", any(place.glob("*.tar"))),
            ("manifest", (place / "manifest.json").is_file()),
            ("class-maps", (place / "meta.json").is_file() and (place / "masks").is_dir()),
            ("cutouts", (place / "index.json").is_file() and (place / "rgba").is_dir()),
            ("object-maps", (place / "index.json").is_file() and (place / "instances").is_dir()),
            ("refcoco", any(place.glob("refs*"))),
            ("video", (place / "images").is_dir() and (place / "masks").is_dir()),
            ("original", any(place.rglob("*.jsonl"))),
            ("reasonseg", any(path.with_suffix(".jpg").is_file() for path in place.glob("*.json"))),
        ]
        for layout, there in signs:
            if there:
                return layout
    else:
        raise RecordError(f"There is no file or folder '{place}': check the path")
    raise RecordError(
        f"'{place}' is of no layout that is known here: give one with --layout, of {', '.join(get_args(Layout))}"
    )


def open_source(
    place: str | Path,
    *,
    layout: Layout | None = None,
    roots: Mapping[str, Path] | None = None,
    boxes: BoxKind = "padded",
    drawn_by: SourceKind | None = None,
) -> Source:
    """Open a data set.

    Args:
        place: its folder, or its file of annotations.
        layout: None finds it out.
        roots: folders of pictures; "" is the one for pictures without a name of their own, as COCO needs it.
        boxes: see `OriginalSource`.
        drawn_by: see `OriginalSource`.

    Raises:
        RecordError: it is not there, or not of that layout.
        OptionError: the layout needs a folder of pictures, and none was given.
    """
    path, roots = Path(place), dict(roots or {})
    layout = layout or layout_of(path)
    if layout == "shards":
        from ivm.data.sources.shards import ShardSource

        return ShardSource(path)
    if layout == "original":
        from ivm.data.sources.original import OriginalSource

        return OriginalSource(path, roots=roots, boxes=boxes, drawn_by=drawn_by)
    if layout in ("coco", "refcoco"):
        return _of_coco(path, layout, roots)
    return _of_folder(path, layout)


def _of_coco(path: Path, layout: str, roots: Mapping[str, Path]) -> Source:
    if "" not in roots:
        raise OptionError("COCO's annotations name pictures that lie elsewhere: say where with --images FOLDER")
    if layout == "coco":
        from ivm.data.sources.coco import CocoSource

        return CocoSource(path, roots[""])
    from ivm.data.sources.referring import ReferringSource

    references = path if path.is_file() else sorted(path.glob("refs*"))[0]
    return ReferringSource(references, references.parent / "instances.json", roots[""])


def _of_folder(path: Path, layout: Layout) -> Source:
    from ivm.data.sources import folders, objects, reasonseg

    match layout:
        case "manifest":
            return objects.ManifestSource(path)
        case "object-maps":
            return folders.ObjectMapSource(path)
        case "class-maps":
            return folders.ClassMapSource(path)
        case "cutouts":
            return folders.CutoutSource(path)
        case "reasonseg":
            return reasonseg.ReasonSegSource(path)
    return folders.VideoSource(path)
