"""Opens what a recipe says is to be labelled."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ivm.core.errors import OptionError, RecipeError
from ivm.core.extras import optional
from ivm.labeling.task import ListedTasks, RecordTasks, TaskSource

_SCENE_KEYS = ("scenes", "questions", "seed", "width", "height")


def open_tasks(told: object, base: Path) -> TaskSource:
    """Open a source.

    Args:
        told: `{"path": ..., "layout": ..., "images": ...}`, or `{"scenes": {...}}` with arguments of `SceneSource`.
        base: folder that relative paths begin at.

    Raises:
        RecipeError: it is neither, or a value is impossible.
        RecordError: the data set cannot be read.
        MissingExtraError: scenes are to be rendered, and numba is not installed.
    """
    match told:
        case {"scenes": dict(scenes), **others} if not others and set(scenes) <= set(_SCENE_KEYS):
            from ivm.data.sources.scenes import SceneSource

            optional("numba", extra="data")
            try:
                return RecordTasks(SceneSource(**{"scenes": 100, **scenes}))
            except (OptionError, TypeError) as error:
                raise RecipeError(f"The recipe's scenes: {error}") from None
        case {"path": str(path), **others} if set(others) <= {"layout", "images"}:
            return _open_path(base / path, others.get("layout"), others.get("images"), base)
    raise RecipeError(
        f"The recipe's source must have path (with layout and images if need be), or scenes with some of "
        f"{', '.join(_SCENE_KEYS)}, not {told!r}"
    )


def _open_path(path: Path, layout: object, images: object, base: Path) -> TaskSource:
    from ivm.data.sources.finding import Layout, open_source

    if layout is not None and layout not in get_args(Layout):
        raise RecipeError(f"The recipe's layout must be one of {', '.join(get_args(Layout))}, not {layout!r}")
    if path.suffix == ".jsonl" and layout is None:
        return ListedTasks(path)
    roots = {"": base / str(images)} if images is not None else {}
    return RecordTasks(open_source(path, layout=layout, roots=roots))  # type: ignore[arg-type]
