"""What `ivm eval objects` does: read, ask, print, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ivm import __version__
from ivm.core.files import write_files
from ivm.evaluation.grounding import PHRASES, Grounding, answer_all
from ivm.evaluation.objects import read_objects
from ivm.evaluation.report import Origin, print_report, to_json, weights_of
from ivm.evaluation.sheet import draw_sheet, draw_tile
from ivm.inference.masker import Masker
from ivm.masking.saving import encoded

if TYPE_CHECKING:
    from rich.console import Console


def evaluate_folders(
    masker: Masker,
    folders: Sequence[Path],
    *,
    phrases: Sequence[str] = PHRASES,
    threshold: float = 0.5,
    json_file: Path | None = None,
    json_to: Callable[[str], None] | None = None,
    sheet_file: Path | None = None,
    command: str = "",
    console: Console,
) -> Grounding:
    """Evaluate a model on folders of labelled objects, print the report and write what is asked for.

    Args:
        masker: the model.
        folders: each with a manifest, see `read_objects`.
        phrases: see `answer_all`.
        threshold: see `answer_all`.
        json_file: gets everything as JSON.
        json_to: is called with the same, after the report is printed.
        sheet_file: gets a PNG of all answers, the worst first.
        command: the line that a person would type to get the same, told in the report.
        console: for the report; progress goes to stderr.

    Raises:
        RecordError: a folder has no usable manifest.
        ImageError: a picture or mask cannot be used.
        OptionError: a phrase has no {}.
        ThresholdError: the threshold is not a number in [0, 1].
        OutputError: a file cannot be written.
    """
    from rich.console import Console
    from rich.progress import track

    objects = [one for folder in folders for one in read_objects(folder)]
    answers = answer_all(masker, objects, phrases=phrases, threshold=threshold)
    scores, tiles = [], []
    total, aside = len(objects) * len(phrases), Console(stderr=True)
    hidden = not aside.is_terminal
    for answered in track(answers, "Asking", total=total, console=aside, transient=True, disable=hidden):
        scores.append(answered.score)
        if sheet_file is not None:
            tiles.append(draw_tile(answered))
    result = Grounding(tuple(scores))
    origin = Origin(
        command=command,
        version=__version__,
        model=masker.model.name,
        weights=weights_of(masker),
        threshold=threshold,
        phrases=tuple(phrases),
    )
    print_report(result, origin, console)
    text = json.dumps(to_json(result, origin), indent=1, ensure_ascii=False)
    files = [] if json_file is None else [(json_file, text.encode())]
    if sheet_file is not None:
        files.append((sheet_file, encoded(draw_sheet(tiles), ".png")))
    write_files(files)
    if json_to is not None:
        json_to(text)
    return result
