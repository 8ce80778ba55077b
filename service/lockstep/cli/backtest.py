"""`lockstep backtest` and `lockstep suggest`: rules on past events."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.shared.arguments import RulesOption, moment
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import err, fail, many, out, share_bar
from lockstep.cli.shared.process import collect_rarely
from lockstep.settings import load_settings
from lockstep.tools.terminal import styled


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

    collect_rarely()
    settings = load_settings()
    plan = _usable(load_rules(rules, zone=settings.zone), str(rules), quiet=as_json)
    other = None
    if against is not None:
        from lockstep.tools.backtest.revision import load_version

        other = _usable(load_version(against, rules, zone=settings.zone), against, quiet=True)
    working = working_hours or settings.working_hours
    hours = _hours(working)
    windows = None if labels is None else rp.read_windows(labels, settings.zone)
    end = moment(until)
    files = [*(events or []), *(more or [])]
    if other is not None and any(str(f) == "-" for f in files):
        fail("--against reads the events twice, standard input can be read once; name a file")
    roles = {series.source for p in (plan, other) if p is not None for series in p.series}
    history = timedelta(seconds=max(history_s(r) for p in (plan, other) if p is not None for r in p.rules))
    with _events(files, broker, since, roles, history) as (replay_files, sources, begin):
        before = None
        with share_bar("replaying") as progress:
            result = bt.backtest(
                plan, replay_files, zone=settings.zone, since=begin, until=end, progress=progress, watch=not as_json
            )
        if other is not None:
            with share_bar(f"replaying {against}") as progress:
                before = bt.backtest(other, replay_files, zone=settings.zone, since=begin, until=end, progress=progress)
    _say_refused(result)
    if as_json:
        for transition in result.transitions:
            sys.stdout.write(bt.json_line(transition) + "\n")
    if result.shortfall and (as_json or not result.is_judged):
        fail(result.shortfall, 1)
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
            fail(f"--html {html}: {error.strerror}; name a file that can be written")
    for view in views(report, result.curves, zone=settings.zone, changes=changes, working=working, width=out.width):
        out.print(view)
    refused = f", {result.bad:,} refused" if result.bad else ""
    duplicates = f", {result.duplicates:,} came twice" if result.duplicates else ""
    unknown = f", {result.unknown:,} of an unknown type" if result.unknown else ""
    between = ""
    if result.first is not None and result.last is not None:
        first, last = (time_text(moment.isoformat(), settings.zone) for moment in (result.first, result.last))
        between = f" from {first} to {last}"
    out.print(f"{many(result.events, 'event')}{between}{refused}{duplicates}{unknown}")
    if html is not None:
        out.print(f"the report is in {html}")
    if result.shortfall:
        fail(result.shortfall, 1)


def _usable(loaded: Any, name: str, *, quiet: bool) -> Any:
    for fault in loaded.faults:
        if fault.level == "error" or not quiet:
            err.print(str(fault), soft_wrap=True)
    if loaded.errors or not loaded.plan.rules:
        fail(f"{name} cannot be used as it is; see `lockstep check {name}`", 1)
    return loaded.plan


def _hours(text: str) -> list[Any]:
    from lockstep.rule.language.quantity import hours

    try:
        return [hours(part) for part in text.split(";") if part.strip()]
    except ValueError as error:
        fail(f"working hours: {error}")


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
            fail("no events; name files with --events, or a broker with --broker")
        if since is not None:
            fail("--since goes with --broker; for files use the rules' own history, or --until")
        yield files, files[0].name if len(files) == 1 else f"{len(files)} files", None
        return
    from lockstep.adapters.stream.sqlite import path_of
    from lockstep.app import utc_now
    from lockstep.rule.language.quantity import duration_s
    from lockstep.tools.backtest.spool import spool

    if files:
        fail("--events and --broker; name one of them")
    settings = load_settings(broker=broker)
    if settings.is_sqlite and not path_of(settings.broker)[0].exists():
        fail(f"{settings.broker}: there is no such file")
    try:
        begin = None if since is None else utc_now() - timedelta(seconds=duration_s(since))
    except ValueError as error:
        fail(f"--since: {error}")
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        with share_bar("reading the broker") as progress:
            spooled = with_broker(
                settings,
                lambda b: spool(b, settings.topics, Path(folder), since=begin, history=history, progress=progress),
            )
        for role in sorted(roles & spooled.missing.keys()):
            said = f"topic '{spooled.missing[role]}' does not exist on this broker: rules that read it see nothing"
            err.print(styled(("lockstep:", "yellow"), f" {said}"), soft_wrap=True)
        yield (
            spooled.files,
            f"the topics of {settings.broker.partition(':')[0]}" + ("" if since is None else f", last {since}"),
            begin,
        )


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

    collect_rarely()
    settings = load_settings(rules=rules)
    for option, value, known in (("--kind", kind, sg.KINDS), ("--direction", direction, ("above", "below"))):
        if value is not None and value not in known:
            fail(f"{option}: '{value}' is not known; write {' or '.join(known)}")
    try:
        asked = sg.Asked(measure, tuple(by or ()), kind, direction, window_of(window), per_week, name)
    except ValueError as error:
        fail(f"--window: {error}")
    files = [*events, *(more or [])]
    if any(str(f) == "-" for f in files):
        fail("the events are read twice, standard input can be read once; name a file")
    with share_bar("trying candidates") as progress:
        suggestion = sg.suggest(asked, settings.rules, files, zone=settings.zone, progress=progress)
    _say_refused(suggestion.seen)
    sys.stdout.write(suggestion.text)


def _say_refused(replay: Any) -> None:
    """Why events were refused, and first of all when these are most of them."""
    if replay.shortfall:
        err.print(replay.shortfall, style="bold red", soft_wrap=True)
    for refusal in replay.refused:
        err.print(str(refusal), soft_wrap=True)
    unnamed = replay.bad - sum(refusal.count for refusal in replay.refused)
    if unnamed:
        err.print(f"{unnamed:,} more events were refused for other reasons")
