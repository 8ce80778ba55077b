"""The command line: parse, call, print, exit code. Heavy parts are imported by the command that needs them."""

import asyncio
import base64
import gc
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from lockstep import VERSION
from lockstep.errors import LockstepError
from lockstep.settings import Settings, load_settings
from lockstep.tools.terminal import Terminal, styled

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])
dead_app = typer.Typer(no_args_is_help=True, help="What could not be counted or delivered")
notify_app = typer.Typer(no_args_is_help=True, help="Messages to people")
convert_app = typer.Typer(no_args_is_help=True, help="Other people's data into events")
app.add_typer(dead_app, name="dead")
app.add_typer(notify_app, name="notify")
app.add_typer(convert_app, name="convert")

out = Terminal()
err = Terminal(stderr=True)
T = TypeVar("T")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

BrokerOption = Annotated[str | None, typer.Option(help="sqlite:///FILE or kafka://HOST:PORT")]
RulesOption = Annotated[Path | None, typer.Option(help="Folder of rule files")]


def main() -> None:
    """Run the command line; errors of ours are one line and exit code 2."""
    try:
        app()
    except LockstepError as error:
        _fail(str(error))


def _fail(message: str, code: int = 2) -> NoReturn:
    err.print(styled(("lockstep:", "red"), f" {message}"), soft_wrap=True)
    raise SystemExit(code)


def _with_broker(settings: Settings, act: Callable[[Any], Awaitable[T]], *, looks: bool = False) -> T:
    """looks: what only looks makes no file. "0 alerts" from a file that nobody ever wrote would be a false comfort."""
    from lockstep.adapters import logs
    from lockstep.adapters.stream import open_broker
    from lockstep.app import utc_now

    logs.configure(settings.log_format, "warning")  # to standard error: on the other one, programs read our answer
    if looks and settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import path_of

        path, _ = path_of(settings.broker)
        if not path.exists():
            _fail(f"{path}: there is no such file; name the broker with --broker, or begin with `lockstep serve`")

    async def run() -> T:
        broker = open_broker(settings, clock=utc_now, patience_s=settings.broker_patience)
        await broker.start()
        try:
            return await act(broker)
        finally:
            await broker.stop()

    return asyncio.run(run())


def _bar(description: str) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn(description, markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events", markup=False),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


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
    output: Annotated[str, typer.Option("--format", help="text, json, sarif or github")] = "text",
    kept: Annotated[
        str | None, typer.Option(help="How long events are kept, `7d`; default: LOCKSTEP_RETENTION where it is set")
    ] = None,
) -> None:
    """Look for every fault in rule files: where, what, the way out."""
    from lockstep.app import utc_now
    from lockstep.tools.check import fault_formats as faults
    from lockstep.tools.check.check import check as run
    from lockstep.tools.check.check import exit_code

    if output not in faults.FORMATS:
        _fail(f"--format: '{output}' is unknown; write one of {', '.join(faults.FORMATS)}")
    _collect_rarely()
    report = run(paths, kept_s=_kept_s(kept), today=utc_now().astimezone(load_settings().zone).date())
    sources = faults.Sources()
    if output == "json":
        sys.stdout.write(faults.as_json(report.faults, sources) + "\n")
    elif output == "sarif":
        sys.stdout.write(faults.as_sarif(report.faults) + "\n")
    elif output == "github":
        sys.stdout.write(faults.as_github(report.faults))
    else:
        for line in faults.shown(report.faults, sources):
            out.print(line, soft_wrap=True)
        errors, warnings = len(report.errors), len(report.faults) - len(report.errors)
        said = (
            f"{_many(report.rules, 'rule')} in {_many(report.files, 'file')}: "
            f"{_many(errors, 'error')}, {_many(warnings, 'warning')}"
        )
        out.print(styled((said, "red" if errors else "green")))
        if report.faults:
            out.print(f"`lockstep explain {report.faults[0].code}` says more, with an example")
    raise SystemExit(exit_code(report, strict=strict))


def _kept_s(text: str | None) -> int | None:
    """How long events are kept, where somebody has said so: the default of the setting says nothing of your topics."""
    from lockstep.rule.language.quantity import duration_s

    if text is None:
        settings = load_settings()
        return round(settings.retention) if "retention" in settings.model_fields_set else None
    try:
        return duration_s(text)
    except ValueError as error:
        _fail(f"--kept: {error}")


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="A rule, an alert's id, or a code such as LS104")],
    labels: Annotated[list[str] | None, typer.Option("--labels", help="sku=A-1; may be given several times")] = None,
    at: Annotated[str | None, typer.Option(help="With --events: as things were at this event time")] = None,
    events: Annotated[list[Path] | None, typer.Option(help="Files of CloudEvents; without: ask the service")] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    rules: RulesOption = None,
    url: Annotated[str | None, typer.Option(help="Of a worker; default: LOCKSTEP_HTTP_HOST and _PORT")] = None,
    broker: BrokerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Say why an alert fires, or why it does not; or what a code of `lockstep check` means."""
    from lockstep.adapters.explain_answer import labels_from
    from lockstep.tools import explain_command as ex

    if re.fullmatch(r"(?i)LS[0-9]+", what):
        _explain_code(what)
        return
    settings = load_settings(rules=rules, broker=broker)
    wanted = labels_from(labels or [])
    if events:
        plan = _usable_plan(settings.rules)
        with _share("replaying") as told:
            answer = ex.explain_events(
                plan,
                [*events, *(more or [])],
                what,
                wanted,
                zone=settings.zone,
                at=_moment(at, "--at"),
                progress=told,
            )
    else:
        if at is not None:
            _fail("--at needs the past: add --events FILE; a service knows its present only")
        asked = url or settings.url()
        token = None if settings.api_token is None else settings.api_token.get_secret_value()
        live = ex.explain_live(asked, token, what, wanted)
        answer = live if live is not None else _told_last(settings, what, wanted, asked)
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    for part in ex.shown(answer, settings.zone):
        out.print(part)


def _usable_plan(rules: Path) -> Any:
    from lockstep.adapters.rule_files import load_rules

    loaded = load_rules(rules)
    for fault in loaded.errors:
        err.print(str(fault), soft_wrap=True)
    if not loaded.plan.rules:
        _fail(f"{rules} cannot be used as it is; see `lockstep check {rules}`", 1)
    return loaded.plan


def _told_last(settings: Settings, what: str, wanted: dict[str, str], url: str) -> dict[str, Any]:
    """Nobody answers: what the service published last is on the broker, what it would say now is not."""
    from lockstep.adapters.explain_answer import from_refusals, from_transitions, named
    from lockstep.adapters.follow import AlertBoard
    from lockstep.app import utc_now
    from lockstep.notify.self_alerts import REFUSED

    async def act(opened: Any) -> list[Any]:
        board = AlertBoard(opened, clock=utc_now)
        await board.refresh()
        return board.alerts(every=True)

    told = _with_broker(settings, act)
    rule, labels = named(what, wanted, {t.rule for t in told}, told)
    found = [t for t in told if t.rule == rule and all(t.labels.get(n) == v for n, v in labels.items())]
    err.print(f"no worker answers at {url}: this is what was published last")
    if rule == REFUSED:
        return from_refusals(told, labels, settings.zone)
    return from_transitions(rule, found)


def _explain_code(code: str) -> None:
    from rich.syntax import Syntax

    from lockstep.tools.check.codes import explanation

    explained = explanation(code.upper())
    out.print(styled((f"{explained.code}: {explained.title}\n", "bold")))
    out.print(explained.text)
    for said, colour, example in (("wrong", "red", explained.bad), ("right", "green", explained.good)):
        if example:
            out.print(styled((f"\nSo it is {said}:\n", colour)))
            # To be copied: cut off or wrapped at the width of the window it would be another rule, or none.
            shown = Syntax("", "yaml", theme="ansi_dark", background_color="default").highlight(example.rstrip())
            shown.rstrip()
            out.print(shown, soft_wrap=True)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _collect_rarely() -> None:
    """Histories and caches are many objects without cycles; looking through them often costs a seventh of the time."""
    gc.set_threshold(200_000, 50, 100)


def _moment(text: str | None, option: str = "--until") -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"{option}: '{text}' is no time; write 2026-11-24T09:30:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _share(description: str) -> Iterator[Callable[[int, float | None], None]]:
    """A bar that is told how many events came and which part of all is done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(description, total=None, events=0)
        events = 0

        def told(count: int, done: float | None) -> None:
            nonlocal events
            events += count
            bar.update(task, total=None if done is None else 1.0, completed=done or 0.0, events=events)

        yield told


def _hours(text: str) -> list[Any]:
    from lockstep.rule.language.quantity import hours

    try:
        return [hours(part) for part in text.split(";") if part.strip()]
    except ValueError as error:
        _fail(f"working hours: {error}")


@contextmanager
def _events(
    files: list[Path], broker: str | None, since: str | None, roles: set[str], history: timedelta
) -> Iterator[tuple[list[Path], str, datetime | None]]:
    """The files to replay, what to call them, and since when it is not history: those that were named, or what the
    broker's topics hold.

    roles: of the topics that the rules read; one that is missing on the broker is said. history: what the rules need
    before `since`.
    """
    if broker is None:
        if not files:
            _fail("no events; name files with --events, or a broker with --broker")
        if since is not None:
            _fail("--since goes with --broker; for files use the rules' own history, or --until")
        yield files, files[0].name if len(files) == 1 else f"{len(files)} files", None
        return
    from lockstep.adapters.stream.sqlite import path_of
    from lockstep.app import utc_now
    from lockstep.rule.language.quantity import duration_s
    from lockstep.tools.backtest.spool import spool

    if files:
        _fail("--events and --broker; name one of them")
    settings = load_settings(broker=broker)
    if settings.is_sqlite and not path_of(settings.broker)[0].exists():
        _fail(f"{settings.broker}: there is no such file")
    try:
        begin = None if since is None else utc_now() - timedelta(seconds=duration_s(since))
    except ValueError as error:
        _fail(f"--since: {error}")
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        with _share("reading the broker") as told:
            found = _with_broker(
                settings, lambda b: spool(b, settings.topics, Path(folder), since=begin, history=history, progress=told)
            )
        for role in sorted(roles & found.missing.keys()):
            said = f"topic '{found.missing[role]}' does not exist on this broker: rules that read it see nothing"
            err.print(styled(("lockstep:", "yellow"), f" {said}"), soft_wrap=True)
        yield (
            found.files,
            f"the topics of {settings.broker.partition(':')[0]}" + ("" if since is None else f", last {since}"),
            begin,
        )


def _usable(loaded: Any, name: str, *, quiet: bool) -> Any:
    for fault in loaded.faults:
        if fault.level == "error" or not quiet:
            err.print(str(fault), soft_wrap=True)
    if loaded.errors or not loaded.plan.rules:
        _fail(f"{name} cannot be used as it is; see `lockstep check {name}`", 1)
    return loaded.plan


@app.command("test")
def rule_tests(
    paths: Annotated[list[Path], typer.Argument(help="Folders of rules, rule files or files of tests")],
    only: Annotated[str | None, typer.Option("-k", help="Only tests whose name or file contains this")] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Say what the tests leave open")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the results to this file, as JUnit")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Run them again whenever a file changes")] = False,
) -> None:
    """Run the tests of rules: stories of events, with what the rules should say of them."""
    from lockstep.tools.ruletest import rerun as watching

    zone = load_settings().zone

    def once() -> int:
        return _tested(paths, zone, only, coverage=coverage, junit=junit)

    if not watch:
        raise SystemExit(once())
    code: int | None = None
    with suppress(KeyboardInterrupt):  # also in the middle of a run
        for _ in watching.changes(paths):
            if code is not None:
                out.rule()
            code = once()
            out.print(styled(("waiting for a file to change; Ctrl-C ends", "dim")))
    raise SystemExit(INTERRUPTED if code is None else code)


def _tested(paths: list[Path], zone: Any, only: str | None, *, coverage: bool, junit: Path | None) -> int:
    """Run the tests once and say what came of them; the exit code."""
    from lockstep.tools.check import fault_formats as faults
    from lockstep.tools.ruletest import results as report
    from lockstep.tools.ruletest.coverage import gaps
    from lockstep.tools.ruletest.runner import run
    from lockstep.tools.ruletest.suite import load_suite

    begun = time.perf_counter()
    suite = load_suite(paths, zone)
    for line in faults.shown(suite.faults, faults.Sources()):
        out.print(line, soft_wrap=True)
    outcomes = [run(t) for t in suite.tests if only is None or only.lower() in f"{t.path} {t.name}".lower()]
    if outcomes:
        out.print(report.table(outcomes))
    failed = [o for o in outcomes if not o.passed]
    for outcome in failed:
        out.print()
        out.print(report.explained(outcome), soft_wrap=True)
    left = gaps(suite.rules, outcomes) if coverage else []
    for gap in left:
        out.print(styled(("not covered:", "yellow"), f" {gap}"), soft_wrap=True)
    if junit is not None:
        junit.write_bytes(report.junit(outcomes, left))
    if only is not None and not outcomes and not suite.faults:
        out.print(f"no test contains '{only}'")
        return 2
    said = f"{_many(len(outcomes), 'test')}, {len(failed)} failed" + (
        f", {_many(len(left), 'gap')}" if coverage else ""
    )
    wrong = bool(failed or suite.errors)
    out.print(styled((said, "red" if wrong else "green"), f" in {time.perf_counter() - begun:.2f} s"))
    return 2 if suite.errors else 1 if failed else 0


@app.command()
def backtest(
    rules: Annotated[Path, typer.Argument(help="Rule file or folder")],
    events: Annotated[
        list[Path] | None,
        typer.Option(help="Files of CloudEvents, one a line or an array, .gz too; - is standard input"),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    broker: Annotated[
        str | None, typer.Option(help="Instead of files: what the topics of sqlite:///FILE or kafka://HOST:PORT hold")
    ] = None,
    since: Annotated[str | None, typer.Option(help="With --broker: tell of the last 7d, 12h, … alone")] = None,
    until: Annotated[str | None, typer.Option(help="Judge everything up to this event time")] = None,
    against: Annotated[
        str | None, typer.Option(help="Another version to compare with: a folder, a file, or a Git commit like HEAD~1")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="What really was wrong, for precision and recall: CSV (start,end,rule,…) or YAML"),
    ] = None,
    working_hours: Annotated[
        str | None, typer.Option(help="Outside of these an alert would have woken you, 'Mon-Fri 08:00-18:00; Sat …'")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one page for a browser")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One transition a line")] = False,
) -> None:
    """Say what the rules would have told, had they watched these events."""
    from lockstep.adapters.rule_files import load_rules
    from lockstep.rule.language.lint.warnings import history_s
    from lockstep.tools.backtest import replay as bt
    from lockstep.tools.report import report as rp

    _collect_rarely()
    settings = load_settings()
    plan = _usable(load_rules(rules), str(rules), quiet=as_json)
    other = None
    if against is not None:
        from lockstep.tools.backtest.revision import load_version

        other = _usable(load_version(against, rules), against, quiet=True)
    working = working_hours or settings.working_hours
    hours = _hours(working)
    windows = None if labels is None else rp.read_windows(labels, settings.zone)
    end = _moment(until)
    files = [*(events or []), *(more or [])]
    if other is not None and any(str(f) == "-" for f in files):
        _fail("--against reads the events twice, standard input can be read once; name a file")
    roles = {series.source for p in (plan, other) if p is not None for series in p.series}
    history = timedelta(seconds=max(history_s(r) for p in (plan, other) if p is not None for r in p.rules))
    with _events(files, broker, since, roles, history) as (found, sources, begin):
        before = None
        with _share("replaying") as told:
            result = bt.backtest(
                plan, found, zone=settings.zone, since=begin, until=end, progress=told, watch=not as_json
            )
        if other is not None:
            with _share(f"replaying {against}") as told:
                before = bt.backtest(other, found, zone=settings.zone, since=begin, until=end, progress=told)
    _say_refused(result)
    if as_json:
        for transition in result.transitions:
            sys.stdout.write(bt.json_line(transition) + "\n")
    if result.shortfall and (as_json or not result.is_judged):
        _fail(result.shortfall, 1)
    if as_json:
        return
    from lockstep.text.figures import time_text
    from lockstep.tools.report.terminal_tables import views

    said = bt.episodes(result.transitions)
    report = rp.make_report(plan, result, said, zone=settings.zone, working=hours, windows=windows)
    changes = None if before is None else rp.compare(bt.episodes(before.transitions), said)
    if html is not None:
        from lockstep.tools.report.page import Shown, page

        shown = Shown(str(rules), sources, working, against)
        text = page(report, plan, result.curves, shown, zone=settings.zone, changes=changes)
        try:
            html.write_text(text, encoding="utf-8")
        except OSError as error:
            _fail(f"--html {html}: {error.strerror}; name a file that can be written")
    for view in views(report, result.curves, zone=settings.zone, changes=changes, working=working, width=out.width):
        out.print(view)
    refused = f", {result.bad:,} refused" if result.bad else ""
    duplicates = f", {result.duplicates:,} came twice" if result.duplicates else ""
    unknown = f", {result.unknown:,} of an unknown type" if result.unknown else ""
    between = ""
    if result.first is not None and result.last is not None:
        first, last = (time_text(moment.isoformat(), settings.zone) for moment in (result.first, result.last))
        between = f" from {first} to {last}"
    out.print(f"{_many(result.events, 'event')}{between}{refused}{duplicates}{unknown}")
    if html is not None:
        out.print(f"the report is in {html}")
    if result.shortfall:
        _fail(result.shortfall, 1)


def _say_refused(replay: Any) -> None:
    """Why events were refused, and first of all when these are most of them."""
    if replay.shortfall:
        err.print(replay.shortfall, style="bold red", soft_wrap=True)
    for refusal in replay.refused:
        err.print(str(refusal), soft_wrap=True)
    unnamed = replay.bad - sum(refusal.count for refusal in replay.refused)
    if unnamed:
        err.print(f"{unnamed:,} more events were refused for other reasons")


@app.command()
def suggest(
    measure: Annotated[str, typer.Argument(help="Name of a measure of your rule files")],
    events: Annotated[list[Path], typer.Option(help="Files of CloudEvents, one a line or an array, .gz too")],
    more: Annotated[list[Path] | None, typer.Argument(help="Further files of events")] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="One alert for each value of this label; may be given often")
    ] = None,
    rules: RulesOption = None,
    kind: Annotated[
        str | None, typer.Option(help="threshold, spike or absence; default: what fits the history")
    ] = None,
    direction: Annotated[str | None, typer.Option(help="above or below; default: above, for a level below")] = None,
    window: Annotated[str, typer.Option(help="Window of a flow; day or week are those of the calendar")] = "1h",
    per_week: Annotated[float, typer.Option(min=0, help="Speak at most so often a week")] = 1.0,
    name: Annotated[str | None, typer.Option(help="Name of the rule")] = None,
) -> None:
    """Propose the numbers of a rule from history, as YAML to paste, with what it would have told."""
    from lockstep.rule.language.quantity import window as window_of
    from lockstep.tools import suggest as sg

    _collect_rarely()
    settings = load_settings(rules=rules)
    for option, value, known in (("--kind", kind, sg.KINDS), ("--direction", direction, ("above", "below"))):
        if value is not None and value not in known:
            _fail(f"{option}: '{value}' is not known; write {' or '.join(known)}")
    try:
        asked = sg.Asked(measure, tuple(by or ()), kind, direction, window_of(window), per_week, name)
    except ValueError as error:
        _fail(f"--window: {error}")
    files = [*events, *(more or [])]
    if any(str(f) == "-" for f in files):
        _fail("the events are read twice, standard input can be read once; name a file")
    with _share("trying candidates") as told:
        found = sg.suggest(asked, settings.rules, files, zone=settings.zone, progress=told)
    _say_refused(found.seen)
    sys.stdout.write(found.text)


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="Files of CloudEvents, one a line or an array; - is stdin")],
    broker: BrokerOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad events out instead of stopping")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Move all times together, so that the newest event happens now: to try rules")
    ] = False,
) -> None:
    """Publish events from files, and say what became of each."""
    from lockstep.adapters.ingest.receipts import IN_WORDS, Outcome, Receipts
    from lockstep.app import utc_now
    from lockstep.tools.send import send_files
    from lockstep.worker.topics import prepare

    settings = load_settings(broker=broker)

    async def act(opened: Any) -> Any:
        await prepare(settings, opened)
        receipts = Receipts(opened, clock=utc_now, chunk_size=settings.chunk_size, future_limit_s=settings.future_limit)
        with _bar("sending") as bar:
            task = bar.add_task("", total=None)
            return await send_files(
                files,
                receipts,
                settings.topics,
                progress=lambda n: bar.update(task, advance=n),
                skip_bad=skip_bad,
                now=utc_now() if now else None,
            )

    report = _with_broker(settings, act)
    for fault in report.faults:
        err.print(fault, soft_wrap=True)
    out.print(f"{_many(report.sent, 'event')} sent")
    if report.outcomes.keys() - {Outcome.ACCEPTED}:
        table = Table(box=None)
        for name in ("what became of them", "events", "where and why"):
            table.add_column(name, justify="right" if name == "events" else "left", overflow="fold")
        for outcome in [o for o in Outcome if report.outcomes[o]]:
            count, places = report.outcomes[outcome], report.places[outcome]
            where = "" if outcome is Outcome.ACCEPTED else ", ".join(places) + (", …" if count > len(places) else "")
            parts = [part for part in (where, report.details[outcome]) if part]
            table.add_row(IN_WORDS[outcome], f"{count:,}", ": ".join(parts))
        out.print(table)
    if report.faults and not skip_bad:
        _fail("stopped at a bad event; mend it, or use --skip-bad (what was sent counts once when it is sent again)", 1)
    if report.outcomes[Outcome.FUTURE]:
        _fail("what is ahead of the clock does not count; check the sender's clock, or use --now to try things out", 1)


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
            err.print(f"{name} is not what the models say; run `lockstep schema`")
        raise SystemExit(1 if wrong else 0)
    for name in write(folder):
        out.print(name)


@dead_app.command("events")
def dead_events(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """List the events that could not be counted, with their reason."""
    from lockstep.measure.dead_events import TOPIC, DeadEvent, parse_dead

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
        table.add_row(d.topic, str(d.partition), str(d.offset), d.reason, d.detail, shown)
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
        table.add_row(d["id"], receiver, d["rule"], d["state"], str(d["attempts"]), d["reason"], d["last_error"])
    out.print(table)


@app.command()
def alerts(
    broker: BrokerOption = None, as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False
) -> None:
    """Show what is pending or firing now, since when, with its numbers."""
    from lockstep.adapters.follow import AlertBoard
    from lockstep.adapters.promises import unread_events
    from lockstep.app import utc_now
    from lockstep.tools.backtest.replay import json_line
    from lockstep.tools.report.terminal_tables import alerts_table
    from lockstep.worker.topics import SAMPLES

    settings = load_settings(broker=broker)

    async def act(opened: Any) -> tuple[list[Any], int]:
        board = AlertBoard(opened, clock=utc_now)
        await board.refresh()
        return board.alerts(), await unread_events(opened, SAMPLES, settings.topics.values(), now=utc_now())

    found, unread = _with_broker(settings, act, looks=True)
    if unread:
        said = f"{_many(unread, 'event')} not read yet: no `lockstep serve` runs on this broker; start one"
        err.print(styled(("lockstep:", "yellow"), f" {said}"), soft_wrap=True)
    if as_json:
        for transition in found:
            sys.stdout.write(json_line(transition) + "\n")
        return
    out.print(alerts_table(found, settings.zone))


@notify_app.command("test")
def notify_test(
    receiver: Annotated[str, typer.Argument(help="Name of a receiver in routing.yml")], rules: RulesOption = None
) -> None:
    """Send a marked test message to a receiver."""
    from lockstep.adapters.channel_table import build_channels
    from lockstep.adapters.dispatch import send_test
    from lockstep.adapters.rule_files import load_routes
    from lockstep.app import utc_now

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
        out.print(f"{where}: {failure or 'sent'}")
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
    speed: Annotated[float, typer.Option(help="Seconds that the shown two weeks take")] = 4.0,
) -> None:
    """Replay six weeks of a real shop and watch the alerts being decided."""
    from lockstep.tools.demo.run import run_demo

    raise SystemExit(asyncio.run(run_demo(seconds=speed)))
