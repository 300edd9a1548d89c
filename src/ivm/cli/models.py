"""`ivm models`: the model zoo's table, and fetching what is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivm.cli.completion import model_names
from ivm.cli.console import emit
from ivm.cli.options import Debug, Json

if TYPE_CHECKING:
    from ivm.core.hub import HubPart
    from ivm.inference.catalogue import Presence, ZooModel

app = typer.Typer(invoke_without_command=True)


@app.callback()
def models(context: typer.Context, as_json: Json = False, debug: Debug = False) -> None:
    """List the models, or fetch one.

    What each is good for and needs, where its weights come from, and whether they are here.

    Example: ivm models --json
    """
    if context.invoked_subcommand is not None:
        return
    from ivm.inference.catalogue import ZOO, presence

    rows = [(model, presence(model)) for model in ZOO]
    if as_json:
        emit(json.dumps([_record(*row) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 3, 1, 0))
    for model, found in rows:
        needs = f"needs {model.memory} of memory" + (f" and ivm[{model.extra}]" if model.extra else "")
        lines = (model.task, f"{model.size}; {needs}; {model.license}", model.origin, _here(model, found))
        table.add_row(model.name, "\n".join(lines))
    # Cells are data, not markup: "[full]" must stay.
    Console(markup=False, highlight=False).print(table)


@app.command("fetch")
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model of the zoo, or a hub id owner/name of one of its parts.",
            autocompletion=model_names,
        ),
    ],
    debug: Debug = False,
) -> None:
    """Download a model's weights into the hub's cache, or check those that are there; run it again to go on.

    HF_HUB_CACHE names another cache, HF_ENDPOINT another hub.

    Example: ivm models fetch owlv2
    """
    from ivm.core.extras import optional

    parts = _parts(name)
    if not parts:
        emit(f"{name} ships in the package: there is nothing to fetch")
        return
    optional("huggingface_hub", extra="full")
    from ivm.models.fetch import fetch as fetch_part

    for part in parts:
        emit(f"{part.repository}: {fetch_part(part)}")


def _parts(name: str) -> tuple[HubPart, ...]:
    from ivm.core.hub import CONFIG, WEIGHTS, HubPart, is_repository
    from ivm.inference.catalogue import ZOO, find_model

    if not is_repository(name):
        return find_model(name).parts
    known = [part for model in ZOO for part in model.parts if part.repository == name]
    return (known[0] if known else HubPart(repository=name, needs=(CONFIG, WEIGHTS)),)


def _record(model: ZooModel, found: Presence) -> dict[str, Any]:
    """A model as JSON."""
    return {
        "name": model.name,
        "type": model.type,
        "task": model.task,
        "size": model.size,
        "memory": model.memory,
        "license": model.license,
        "extra": model.extra,
        "origin": model.origin,
        "repositories": [part.repository for part in model.parts],
        "here": found.here,
        "where": found.where,
        "missing": found.missing,
    }


def _here(model: ZooModel, found: Presence) -> str:
    """Whether a model's weights are here, and else what is missing of which part."""
    if found.here:
        return "here: in the hub cache" if model.parts else "here: embedded"
    if not model.parts:
        return "not here: the package is damaged, install it again"
    lacking = []
    for part in model.parts:
        if missing := found.missing.get(part.repository):
            partly = len(missing) < len(part.needs)
            lacking.append(f"{', '.join(missing)} of {part.repository}" if partly else f"all of {part.repository}")
    return f"not here: {'; '.join(lacking)}; to get it: ivm models fetch {model.name}"
