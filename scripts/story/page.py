"""The page of the story: what each command is, took, printed and wrote; one file that needs no other."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from ivm import __version__

from . import showing
from .plan import Step
from .running import Done

TITLE = "From nothing to a masked robot: the paper's chain in one run"
LEAD = (
    "A small world is rendered and labelled by a machine whose experts are partly wrong. A small model goes on "
    "learning from its labels, each weighed by a discriminator (DWSL); it is exported, measured against the same model "
    "without the weights, and masks a robot's pictures. Every number and picture here was written by the command "
    "beside it. Everything is small on purpose: the story shows that the chain holds, not how good models can get."
)
COPY = """
for (const button of document.querySelectorAll("button")) button.addEventListener("click", async () => {
  const code = button.previousElementSibling;
  try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; }
  catch { getSelection().selectAllChildren(code); button.textContent = "Selected"; }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
"""
SHOWS: Mapping[str, Callable[[Done], str]] = {
    "look": lambda _: showing.samples("people.html"),
    "label": lambda _: showing.labelling(),
    "labels": lambda _: showing.samples("labels.html"),
    "train after": lambda _: showing.learning(),
    "eval after": lambda _: showing.models(),
    "diff": lambda done: showing.difference(done.printed),
    "mask": lambda _: showing.masked(),
    "rollout masked": lambda _: showing.rollout(),
}
"""What a step's results look like, by its name."""


def page(steps: Sequence[Step], found: Sequence[Done]) -> str:
    """Return the page.

    Args:
        steps: of the story, all of them done.
        found: what is kept of each.
    """
    style = Path(__file__).with_name("story.css").read_text(encoding="utf-8")
    wall, cpu = sum(one.wall_s for one in found), sum(one.cpu_s for one in found)
    printed = {step.name: done.printed for step, done in zip(steps, found, strict=True)}
    body, chapter = [], ""
    for step, done in zip(steps, found, strict=True):
        if step.chapter != chapter:
            chapter = step.chapter
            body.append(f"<h2>{escape(chapter)}</h2>")
        body.append(_step(step, done))
    about = (
        f"{len(steps)} commands, {wall / 60:.1f} minutes in all ({cpu / 60:.1f} of CPU), {found[-1].date} UTC, "
        f"ivm {__version__}, Python {platform.python_version()}, {platform.machine()}. To have it again: make story"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(TITLE)}</title><style>{style}</style></head><body><main><h1>{escape(TITLE)}</h1>"
        f'<p>{escape(LEAD)}</p>{showing.headline(printed["diff"])}<p class="quiet">{escape(about)}</p>'
        f"{''.join(body)}</main><script>{COPY}</script></body></html>\n"
    )


def _step(step: Step, done: Done) -> str:
    printed = (
        f'<details><summary>What it printed</summary><pre tabindex="0">{escape(done.printed.strip())}</pre></details>'
        if done.printed.strip()
        else ""
    )
    shown = SHOWS[step.name](done) if step.name in SHOWS else ""
    return (
        f'<section class="step"><p>{escape(step.says)}</p><div class="line"><code>{escape(step.command)}</code>'
        f'<button type="button" aria-label="Copy the command">Copy</button></div>'
        f'<p class="took">{done.wall_s:.0f} s, {done.cpu_s:.0f} s of CPU</p>{shown}{printed}</section>'
    )
