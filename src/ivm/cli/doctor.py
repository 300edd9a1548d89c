"""`ivm doctor`: what works on this machine, and the line that mends the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ivm.cli.console import emit
from ivm.cli.options import Debug, Json
from ivm.core.errors import InstallError

if TYPE_CHECKING:
    from ivm.core.checkup import Check

STYLES = {"works": "green", "missing": "yellow", "broken": "bold red"}


def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Ask the hub whether it answers; else nothing is sent.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what works on this machine, and the line that mends what does not.

    Looks at Python, the packages of each extra, the machine, OpenGL, video and the hub's settings; ivm-nano is loaded
    and masks a small picture. What is missing is no failure; exit with 7 if the base install does not work.

    Example: ivm doctor --json
    """
    from ivm import __version__

    checks = _checks(online)
    broken = [check for check in checks if check.state == "broken"]
    if as_json:
        told = {"version": __version__, "works": not broken, "checks": [check.to_json() for check in checks]}
        emit(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _show(checks)
    if broken:
        names = ", ".join(check.name for check in broken)
        raise InstallError(f"The base install does not work ({names}): {broken[0].remedy}")


def _checks(online: bool) -> list[Check]:
    """Everything, in the order in which it is told."""
    from importlib.util import find_spec

    from ivm.cli import doctor_probes
    from ivm.core.checkup import check_hub, check_machine, check_packages, check_python

    needs = {"drawing": "mujoco", "torch": "torch"}
    names = [name for name in doctor_probes.PROBES if name not in needs or find_spec(needs[name])]
    with doctor_probes.running(names) as processes:
        base, *extras = check_packages()
        checks = [check_python(), base, check_machine()]
        hub = check_hub(online=online)
        for name, process in processes.items():
            checks += doctor_probes.found(name, process)
    return [*checks, *extras, hub]


def _show(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for check in checks:
        told = Text(check.told)
        if check.remedy is not None:
            told.append(f"\n→ {check.remedy}", style="bold")
        table.add_row(Text(check.state, style=STYLES[check.state]), Text(check.name), told)
    Console(highlight=False).print(table)
