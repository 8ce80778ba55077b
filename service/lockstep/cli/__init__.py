"""The command line: parse, call, print, exit code. Heavy parts are imported by the command that needs them."""

from typing import Annotated

import typer

from lockstep import VERSION
from lockstep.cli import (
    alerts,
    backtest,
    check,
    convert,
    convert_rules,
    demo,
    events,
    explain,
    importing,
    init,
    rules,
    schema,
    serve,
    sources,
)
from lockstep.cli.reports import report_commands
from lockstep.cli.respond import (
    action_commands,
    alert_commands,
    campaign_commands,
    delivery_commands,
    on_call_commands,
    on_call_plan,
    routes,
    silence_commands,
    timeline_command,
    token_commands,
)
from lockstep.cli.shared.output import fail, out
from lockstep.errors import LockstepError

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])
dead_app = typer.Typer(no_args_is_help=True, help="What could not be counted or delivered")
notify_app = typer.Typer(no_args_is_help=True, help="Messages to people")
convert_app = typer.Typer(cls=convert.FilesOrCommand, help="A shop's own files into events")
token_app = typer.Typer(no_args_is_help=True, help="Who may ask the API what")
delivery_app = typer.Typer(no_args_is_help=True, help="What was to be sent")
silence_app = typer.Typer(no_args_is_help=True, help="Hear nothing of some alerts for a while")
campaign_app = typer.Typer(no_args_is_help=True, help="What marketing plans, and what operations say")
action_app = typer.Typer(no_args_is_help=True, help="What somebody is to do")
on_call_app = typer.Typer(no_args_is_help=True, help="Who is on call, and who stands in")
app.add_typer(dead_app, name="dead")
app.add_typer(notify_app, name="notify")
app.add_typer(convert_app, name="convert")
app.add_typer(silence_app, name="silence")
app.add_typer(on_call_app, name="oncall")
app.add_typer(action_app, name="action")
app.add_typer(campaign_app, name="campaign")
app.add_typer(token_app, name="token")
app.add_typer(delivery_app, name="deliveries")


def main() -> None:
    """Run the command line; errors of ours are one line and exit code 2."""
    try:
        app()
    except LockstepError as error:
        fail(str(error))


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(VERSION, highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is")
    ] = False,
) -> None:
    pass


@app.command()
def version() -> None:
    """Say which version this is."""
    out.print(VERSION)


# In the order in which `lockstep --help` lists them.
app.command()(init.init)
app.command()(serve.serve)
app.command()(check.check)
app.command()(rules.rules)
app.command()(rules.packs)
app.command()(explain.explain)
app.command()(routes.route)
app.command("test")(check.rule_tests)
app.command()(backtest.backtest)
app.command()(backtest.suggest)
app.command()(events.send)
app.command("import")(importing.import_files)
app.command()(sources.sources)
app.command()(schema.schema)
app.command()(report_commands.report)
app.command()(alerts.alerts)
app.command()(alert_commands.ack)
app.command()(alert_commands.unack)
app.command()(alert_commands.assign)
app.command()(alert_commands.note)
app.command()(alert_commands.snooze)
app.command()(alert_commands.close)
app.command()(alert_commands.why)
app.command()(timeline_command.timeline)
app.command()(demo.demo)
app.command("demo-service", hidden=True)(demo.demo_service)
dead_app.command("events")(events.dead_events)
dead_app.command("deliveries")(events.dead_deliveries)
notify_app.command("test")(alerts.notify_test)
convert_app.command(convert.FILES)(convert.convert_files)
convert_app.command(convert_rules.RULES)(convert_rules.convert_rules)
token_app.command("add")(token_commands.add)
token_app.command("list")(token_commands.show)
token_app.command("remove")(token_commands.remove)
delivery_app.command("replay")(delivery_commands.replay)
silence_app.command("add")(silence_commands.add)
silence_app.command("list")(silence_commands.show)
silence_app.command("end")(silence_commands.end)
silence_app.command("preview")(silence_commands.preview)
on_call_app.command("show")(on_call_commands.show)
on_call_app.command("plan")(on_call_plan.plan)
on_call_app.command("override")(on_call_commands.stand_in)
on_call_app.command("overrides")(on_call_commands.overrides)
on_call_app.command("end")(on_call_commands.end)
campaign_app.command("list")(campaign_commands.show)
campaign_app.command("confirm")(campaign_commands.confirm)
campaign_app.command("object")(campaign_commands.object_)
action_app.command("add")(action_commands.add)
action_app.command("list")(action_commands.show)
action_app.command("assign")(action_commands.assign)
action_app.command("close")(action_commands.close)
