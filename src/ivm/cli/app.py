"""All commands: each is a file of its own, registered here."""

from __future__ import annotations

import typer

from ivm.cli import convert, data, demo, doctor, eval, export, label, mask, mcp, models, proxy, robot, serve, train
from ivm.cli.options import Debug, Version

app = typer.Typer(
    name="ivm",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    epilog="ivm doctor says what works here; docs/errors.md has the exit codes and what helps.",
)


@app.callback()
def every_command(version: Version = False, debug: Debug = False) -> None:
    """Keep what an instruction needs in a picture, mask the rest."""


app.command("mask", epilog=mask.EXAMPLES)(mask.mask)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.add_typer(eval.app, name="eval")
app.add_typer(data.app, name="data")
app.add_typer(label.app, name="label")
app.command("train")(train.train)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("proxy", epilog=proxy.EXAMPLES)(proxy.proxy)
app.command("mcp", epilog=mcp.EXAMPLES)(mcp.mcp)
app.command("demo")(demo.demo)
app.add_typer(robot.app, name="robot")
