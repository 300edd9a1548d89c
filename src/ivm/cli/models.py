"""`ivm models`: the model zoo's table."""

from __future__ import annotations

from ivm.cli.console import emit
from ivm.cli.options import Debug, Json


def models(as_json: Json = False, debug: Debug = False) -> None:
    """List the models, what each needs, and where it comes from."""
    import dataclasses
    import json

    from ivm.inference.zoo import ZOO

    if as_json:
        emit(json.dumps([dataclasses.asdict(model) for model in ZOO], indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what", "size", "licence", "needs", "from", box=box.SIMPLE_HEAD)
    for model in ZOO:
        needs = f"ivm[{model.extra}]" if model.extra else "nothing more"
        if not model.available:
            needs += "; not in this version"
        table.add_row(model.name, model.summary, model.size, model.license, needs, model.origin)
    # Cells are data, not markup: "[full]" must stay.
    Console(markup=False).print(table)
