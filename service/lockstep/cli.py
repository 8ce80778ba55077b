"""The command line: parse, call, print, exit code. Heavy parts are imported by the command that needs them."""

import asyncio
import base64
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lockstep import VERSION
from lockstep.errors import LockstepError
from lockstep.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])
dead_app = typer.Typer(no_args_is_help=True, help="What could not be counted or delivered")
notify_app = typer.Typer(no_args_is_help=True, help="Messages to people")
convert_app = typer.Typer(no_args_is_help=True, help="Other people's data into events")
app.add_typer(dead_app, name="dead")
app.add_typer(notify_app, name="notify")
app.add_typer(convert_app, name="convert")

out = Console()
err = Console(stderr=True)
T = TypeVar("T")

BrokerOption = Annotated[str | None, typer.Option(help="sqlite:///FILE or kafka://HOST:PORT")]
RulesOption = Annotated[Path | None, typer.Option(help="Folder of rule files")]


def main() -> None:
    """Run the command line; errors of ours are one line and exit code 2."""
    try:
        app()
    except LockstepError as error:
        _fail(str(error))


def _fail(message: str, code: int = 2) -> NoReturn:
    err.print(f"[red]lockstep:[/red] {escape(message)}", soft_wrap=True)
    raise SystemExit(code)


def _with_broker(settings: Settings, act: Callable[[Any], Awaitable[T]], *, looks: bool = False) -> T:
    """looks: what only looks makes no file. "0 alerts" from a file that nobody ever wrote would be a false comfort."""
    from lockstep.adapters.stream import open_broker
    from lockstep.app import utc_now

    if looks and settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import path_of

        path, _ = path_of(settings.broker)
        if not path.exists():
            _fail(f"{path}: there is no such file; name the broker with --broker, or begin with `lockstep serve`")

    async def run() -> T:
        broker = open_broker(settings, clock=utc_now)
        await broker.start()
        try:
            return await act(broker)
        finally:
            await broker.stop()

    return asyncio.run(run())


def _bar(description: str) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn(description),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )


@app.command()
def version() -> None:
    """Say which version this is."""
    out.print(VERSION)


@app.command()
def serve(
    broker: BrokerOption = None,
    rules: RulesOption = None,
    http_host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    http_port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, send nothing")] = False,
) -> None:
    """Watch the shop: read events, judge rules, tell the teams."""
    from lockstep.adapters import logs
    from lockstep.app import serve as run

    settings = load_settings(broker=broker, rules=rules, http_host=http_host, http_port=http_port)
    logs.configure(settings.log_format, settings.log_level)
    _collect_rarely()
    raise SystemExit(asyncio.run(run(settings, dry_run=dry_run)))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files or folders")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings give exit code 3")] = False,
    output: Annotated[Literal["text", "json"], typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Look for every fault in rule files: where, what, the way out."""
    from lockstep.tools.check import check as run
    from lockstep.tools.check import exit_code

    report = run(paths)
    if output == "json":
        out.print_json(json.dumps([vars(f) for f in report.faults]))
    else:
        for fault in report.faults:
            colour = "red" if fault.level == "error" else "yellow"
            out.print(f"[{colour}]{escape(str(fault))}[/{colour}]", soft_wrap=True, highlight=False)
        errors, warnings = len(report.errors), len(report.faults) - len(report.errors)
        said = (
            f"{_many(report.rules, 'rule')} in {_many(report.files, 'file')}: "
            f"{_many(errors, 'error')}, {_many(warnings, 'warning')}"
        )
        out.print(f"[{'red' if errors else 'green'}]{said}[/]", highlight=False)
    raise SystemExit(exit_code(report, strict=strict))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _collect_rarely() -> None:
    """Histories and caches are many objects without cycles; looking through them often costs a seventh of the time."""
    gc.set_threshold(200_000, 50, 100)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"--until: '{text}' is no time; write 2026-11-24T09:30:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command()
def backtest(
    rules: Annotated[Path, typer.Argument(help="Rule file or folder")],
    events: Annotated[list[Path], typer.Option(help="Files of CloudEvents, one a line, .gz too; - is standard input")],
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    until: Annotated[str | None, typer.Option(help="Judge everything up to this event time")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One transition a line")] = False,
) -> None:
    """Say what the rules would have told, had they watched these events."""
    from lockstep.rule.load import load_rules
    from lockstep.tools import backtest as bt

    _collect_rarely()
    settings = load_settings()
    loaded = load_rules(rules)
    for fault in loaded.faults:
        if fault.level == "error" or not as_json:
            err.print(escape(str(fault)), soft_wrap=True, highlight=False)
    if loaded.errors or not loaded.plan.rules:
        _fail(f"{rules} cannot be used as it is; see `lockstep check {rules}`", 1)
    files = [*events, *(more or [])]
    with _bar("replaying") as bar:
        task = bar.add_task("", total=None)
        result = bt.backtest(
            loaded.plan,
            files,
            zone=settings.zone,
            until=_moment(until),
            progress=lambda n: bar.update(task, advance=n),
        )
    for place, reason in result.refused:
        err.print(f"{escape(place)}: refused: {escape(reason)}", soft_wrap=True, highlight=False)
    if as_json:
        for transition in result.transitions:
            sys.stdout.write(bt.json_line(transition) + "\n")
        return
    _show_episodes(bt.episodes(result.transitions), settings)
    refused = f", {result.bad} refused" if result.bad else ""
    duplicates = f", {result.duplicates} came twice" if result.duplicates else ""
    out.print(f"{result.events:,} events from {result.first} to {result.last}{refused}{duplicates}", highlight=False)


def _show_episodes(episodes: list[Any], settings: Settings) -> None:
    from lockstep.notify.message import number_text, time_text

    table = Table(title="Episodes", header_style="bold")
    for name in ("began", "lasted", "severity", "rule", "labels"):
        table.add_column(name)
    table.add_column("value", justify="right")
    table.add_column("usual", justify="right")
    fired = [e for e in episodes if e.fired is not None]
    colours = {"critical": "red", "warning": "yellow", "info": "blue"}
    for e in fired:
        lasted = "goes on"
        if e.ended is not None:
            lasted = str(datetime.fromisoformat(e.ended) - datetime.fromisoformat(e.fired))
        table.add_row(
            time_text(e.fired, settings.zone),
            lasted,
            f"[{colours[e.severity]}]{e.severity}[/]",
            e.rule,
            escape(", ".join(e.labels.values()) or "the whole shop"),
            number_text(e.value),
            "" if e.baseline is None else number_text(e.baseline),
        )
    out.print(table)
    counts: dict[str, int] = {}
    for e in fired:
        counts[e.rule] = counts.get(e.rule, 0) + 1
    most = max(counts.values(), default=0)
    for rule, count in sorted(counts.items(), key=lambda item: -item[1]):
        out.print(f"{rule:32} {'█' * max(1, round(30 * count / most))} {count}", highlight=False)
    pending = len(episodes) - len(fired)
    out.print(f"{_many(len(fired), 'episode')} fired, {pending} ended before they did", highlight=False)


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="Files of CloudEvents, one a line or an array; - is stdin")],
    broker: BrokerOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad events out instead of stopping")] = False,
) -> None:
    """Publish events from files."""
    from lockstep.app import prepare
    from lockstep.tools.send import send_files

    settings = load_settings(broker=broker)

    async def act(opened: Any) -> Any:
        await prepare(settings, opened)
        with _bar("sending") as bar:
            task = bar.add_task("", total=None)
            return await send_files(
                files, opened, settings.topics, progress=lambda n: bar.update(task, advance=n), skip_bad=skip_bad
            )

    report = _with_broker(settings, act)
    for fault in report.faults:
        err.print(escape(fault), soft_wrap=True, highlight=False)
    out.print(f"{_many(report.sent, 'event')} sent", highlight=False)
    if report.faults and not skip_bad:
        _fail("stopped at a bad event; mend it, or use --skip-bad (what was sent counts once when it is sent again)", 1)


@app.command()
def schema(
    folder: Annotated[Path, typer.Option(help="Folder of the schemas")] = Path("schemas"),
    check_only: Annotated[bool, typer.Option("--check", help="Only say what differs")] = False,
) -> None:
    """Write the published schemas and the example of settings, or check that they are up to date."""
    from lockstep.tools.schema import differences, write

    if check_only:
        wrong = differences(folder)
        for name in wrong:
            err.print(f"{name} is not what the models say; run `lockstep schema`", highlight=False)
        raise SystemExit(1 if wrong else 0)
    for name in write(folder):
        out.print(name, highlight=False)


@dead_app.command("events")
def dead_events(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """List the events that could not be counted, with their reason."""
    from lockstep.dead import TOPIC, DeadEvent, parse_dead

    async def act(opened: Any) -> list[DeadEvent]:
        found: dict[tuple[str, int, int, str], DeadEvent] = {}
        if not await opened.describe([TOPIC]):
            return []
        for partition, (start, end) in (await opened.bounds(TOPIC)).items():
            async for batch in opened.read(TOPIC, partition, start, end):
                for i, value in enumerate(batch.values):
                    try:
                        dead = parse_dead(value, batch.headers[i] if batch.headers else None)
                    except (KeyError, ValueError):
                        continue
                    found[dead.topic, dead.partition, dead.offset, dead.reason] = dead
        return list(found.values())

    dead = _with_broker(load_settings(broker=broker), act, looks=True)
    if as_json:
        for d in dead:
            row = {**{k: getattr(d, k) for k in ("topic", "partition", "offset", "reason", "detail")}}
            row["value"] = None if d.value is None else base64.b64encode(d.value).decode()
            sys.stdout.write(json.dumps(row) + "\n")
        return
    table = Table(title=_many(len(dead), "dead event"))
    for name in ("topic", "partition", "offset", "reason", "detail", "value"):
        table.add_column(name, overflow="fold")
    for d in dead[-200:]:
        shown = "" if d.value is None else d.value[:120].decode("utf-8", "replace")
        table.add_row(d.topic, str(d.partition), str(d.offset), d.reason, escape(d.detail), escape(shown))
    out.print(table)


@dead_app.command("deliveries")
def dead_deliveries(broker: BrokerOption = None) -> None:
    """List the deliveries that were given up."""
    from lockstep.deliver import DEAD_DELIVERIES

    async def act(opened: Any) -> list[dict[str, Any]]:
        found = []
        if not await opened.describe([DEAD_DELIVERIES]):
            return []
        for partition, (start, end) in (await opened.bounds(DEAD_DELIVERIES)).items():
            async for batch in opened.read(DEAD_DELIVERIES, partition, start, end):
                found += [json.loads(v) for v in batch.values if v is not None]
        return found

    dead = _with_broker(load_settings(broker=broker), act, looks=True)
    table = Table(title=f"{len(dead):,} dead {'delivery' if len(dead) == 1 else 'deliveries'}")
    for name in ("id", "receiver", "rule", "state", "attempts", "reason", "last error"):
        table.add_column(name, overflow="fold")
    for d in dead[-200:]:
        receiver = d["destination"]["receiver"]
        table.add_row(
            d["id"], receiver, d["rule"], d["state"], str(d["attempts"]), d["reason"], escape(d["last_error"])
        )
    out.print(table)


@app.command()
def alerts(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """Show what is pending or firing now, since when, with its numbers."""
    from lockstep.adapters.follow import AlertBoard
    from lockstep.app import utc_now
    from lockstep.notify.message import number_text, time_text
    from lockstep.tools.backtest import json_line

    settings = load_settings(broker=broker)

    async def act(opened: Any) -> list[Any]:
        board = AlertBoard(opened, clock=utc_now)
        await board.refresh()
        return board.alerts()

    found = _with_broker(settings, act, looks=True)
    if as_json:
        for transition in found:
            sys.stdout.write(json_line(transition) + "\n")
        return
    table = Table(title=_many(len(found), "alert"))
    for name in ("since", "state", "severity", "rule", "labels", "value", "usual or limit"):
        table.add_column(name)
    for t in found:
        usual = t.baseline if t.baseline is not None else t.limit
        state = "pending" if t.state.value == "pending" else "firing"
        labels = escape(", ".join(t.labels.values()) or "the whole shop")
        since = time_text(t.started_at, settings.zone)
        table.add_row(since, state, t.severity, t.rule, labels, number_text(t.value), number_text(usual))
    out.print(table)


@notify_app.command("test")
def notify_test(
    receiver: Annotated[str, typer.Argument(help="Name of a receiver in routing.yml")], rules: RulesOption = None
) -> None:
    """Send a marked test message to a receiver."""
    from lockstep.adapters.dispatch import send_test
    from lockstep.app import build_channels, load_routes, utc_now

    settings = load_settings(rules=rules)
    routing = load_routes(settings.rules)

    async def act() -> list[tuple[str, str]]:
        channels = build_channels(settings, os.environ)
        try:
            return await send_test(receiver, routing, channels, clock=utc_now, zone=settings.zone)
        finally:
            for channel in channels.values():
                await channel.close()

    results = asyncio.run(act())
    for where, failure in results:
        out.print(f"{escape(where)}: {'sent' if not failure else escape(failure)}", highlight=False)
    if any(failure for _, failure in results):
        raise SystemExit(1)


@convert_app.command("retail")
def convert_retail(csv: Annotated[Path, typer.Argument(help="CSV of the UCI Online Retail data, .gz too")]) -> None:
    """Turn order lines of the Online Retail data into events on standard output."""
    from lockstep.tools.retail import convert

    for event in convert(csv):
        sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")


@app.command()
def demo(
    speed: Annotated[float, typer.Option(help="Seconds that the shown two weeks take")] = 5.0,
) -> None:
    """Replay six weeks of a real shop and watch the alerts being decided."""
    from lockstep.tools.demo.run import run_demo

    raise SystemExit(asyncio.run(run_demo(seconds=speed)))
