"""One HTML page of an experiment: tables of success with intervals, what they say, and rollouts to look at."""

from __future__ import annotations

import base64
import html
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ivm.core.files import write_files
from ivm.robotics.levels import LEVELS
from ivm.robotics.study import Cell, Study
from ivm.robotics.verdict import verdicts

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto }
th, td { padding: .35em .8em; text-align: left }
th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd } td.n { text-align: right }
small { color: #666 } figure { display: inline-block; margin: .5em 0; vertical-align: top }
img { max-width: min(22em, 100%) }
"""


def write_page(study: Study, path: str | Path) -> Path:
    """Write the page, also of a run that is not finished; what is missing is said.

    Args:
        study: the experiment.
        path: of the HTML file; pictures are inside it, videos lie in the experiment's folder.

    Raises:
        OutputError: it cannot be written.
    """
    cells = study.cells()
    write_files([(Path(path), page(study, cells).encode())])
    return Path(path)


def page(study: Study, cells: Sequence[Cell]) -> str:
    """Return the page's text."""
    recipe = study.recipe
    wanted = recipe.episodes * recipe.repeats * len(recipe.seeds)
    done = sum(len(cell.outcomes) for cell in cells)
    all_of_it = wanted * len(recipe.arms) * len(recipe.levels)
    state = "" if done >= all_of_it else f"<p><b>Not finished:</b> {done} of {all_of_it} episodes are done.</p>"
    says = "".join(f"<li>{html.escape(one)}</li>" for one in verdicts(cells, recipe.arms[0].name))
    arms = "".join(_arm_row(study, arm.name) for arm in recipe.arms)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Masks in front of a robot policy</title>
<style>{_STYLE}</style><h1>Masks in front of a robot policy</h1>
<p>Success of language-conditioned behaviour cloning on the simulated table; {recipe.demonstrations} demonstrations,
tasks {html.escape(", ".join(recipe.verbs))}, mask model {html.escape(recipe.model)}, {len(recipe.seeds)} seed(s) of
training, up to {wanted} episodes a cell, 95 % intervals of Wilson. All arms work on the same episodes.</p>{state}
<h2>Success</h2>{_table(study, cells, overlap=False)}
<ul>{says}</ul>
<h2>How masks fit</h2><p>Mean overlap of what was kept of the things with what the task needs, frame by frame.</p>
{_table(study, cells, overlap=True)}
<h2>Arms</h2><table><tr><th>arm<th>masks<th>fill<th>trained</tr>{arms}</table>
<h2>Rollouts</h2><p>Left the camera's picture with what is kept in colour, right what the policy sees.</p>
{_films(study)}
<p><small>{html.escape(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))}</small></p></html>
"""


def _table(study: Study, cells: Sequence[Cell], *, overlap: bool) -> str:
    found = {(cell.arm, cell.level): cell for cell in cells}
    levels = study.recipe.levels
    head = "".join(f"<th title='{html.escape(str(LEVELS[level]))}'>{level}" for level in levels)
    rows = []
    for arm in study.recipe.arms:
        if overlap and arm.fill == "none":
            continue
        columns = []
        for level in levels:
            cell = found.get((arm.name, level))
            if cell is None:
                columns.append("<td class=n>–")
            elif overlap:
                columns.append(f"<td class=n>{'–' if cell.overlap is None else f'{cell.overlap:.2f}'}")
            else:
                rate = cell.rate
                more = f"[{rate.low:.2f}, {rate.high:.2f}] n={rate.episodes}"
                columns.append(f"<td class=n><b>{rate.mean:.2f}</b> <small>{more}</small>")
        rows.append(f"<tr><td>{arm.name}{''.join(columns)}</tr>")
    return f"<table><tr><th>arm{head}</tr>{''.join(rows)}</table>"


def _arm_row(study: Study, name: str) -> str:
    arm = study.recipe.arm(name)
    trained = (
        f"as {arm.train_as}" if arm.train_as else ("with painted tables" if arm.augment else "on its own pictures")
    )
    return f"<tr><td>{name}<td>{arm.masks}<td>{arm.fill}<td>{trained}</tr>"


def _films(study: Study) -> str:
    figures = []
    for level in study.recipe.levels:
        for arm in study.recipe.arms:
            for number in range(study.recipe.videos):
                video = study.film(arm.name, level, number)
                strip = video.with_suffix(".jpg")
                if strip.is_file():
                    data = base64.b64encode(strip.read_bytes()).decode()
                    figures.append(
                        f"<figure><img src='data:image/jpeg;base64,{data}' alt=''><figcaption>{arm.name}, {level} "
                        f"<small>{video.name}</small></figcaption></figure>"
                    )
    return "".join(figures)
