"""`lockstep silence`: hear nothing of some alerts for a while."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table

from lockstep.cli.respond.alert_commands import ForOption, UntilOption
from lockstep.cli.respond.session import Boards, head, say, the_one, until_text, with_boards
from lockstep.cli.respond.who import AsOption
from lockstep.cli.shared.arguments import BrokerOption, moment
from lockstep.cli.shared.output import fail, many, out
from lockstep.errors import CommandError
from lockstep.response.command import Answer, EndSilence, PutSilence
from lockstep.response.standing import Silence
from lockstep.settings import load_settings

MatchersArgument = Annotated[
    list[str],
    typer.Argument(metavar="MATCHER...", help="""All must be met: sku=A-1, 'sku=~"KEY-.*"', severity!=critical"""),
]


def add(
    matchers: MatchersArgument,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why")],
    lasting: ForOption = None,
    until: UntilOption = None,
    starts: Annotated[str | None, typer.Option(help="From when on; default: now")] = None,
    rrule: Annotated[str, typer.Option(help="How it recurs: FREQ=WEEKLY;BYDAY=SA")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone in which it recurs; default: the shop's")] = "",
    tell: Annotated[bool, typer.Option("--tell", help="People hear when it begins and ends")] = False,
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Make a silence: people hear nothing of the alerts that it matches."""
    from lockstep.app import utc_now
    from lockstep.text.rfc3339 import rfc3339_of

    now = utc_now()
    begins = moment(starts, "--starts") or now
    ends = until_text(lasting, moment(until), begins)
    if ends is None:
        fail("until when? give --for 2h or --until TIME")
    _read(matchers)
    common = head(who, now)
    silence = Silence(
        id=uuid4().hex[:12],
        matchers=tuple(matchers),
        starts=rfc3339_of(begins),
        ends=ends,
        author=common["by"],
        comment=comment,
        rrule=rrule,
        zone=zone,
        told=tell,
    )

    async def act(boards: Boards) -> Answer:
        return await boards.give(PutSilence(silence=silence, **common))

    say(with_boards(load_settings(broker=broker), act))
    out.print(f"its id is {silence.id}", markup=False, highlight=False)


def show(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over")] = False,
    broker: BrokerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One a line")] = False,
) -> None:
    """List the silences that hold or will."""
    import msgspec

    from lockstep.app import utc_now
    from lockstep.notify.quiet.silences import stretch_of
    from lockstep.text.figures import time_text

    settings = load_settings(broker=broker)

    async def act(boards: Boards) -> list[Silence]:
        silences: list[Silence] = boards.responses.silences(every=every)
        return silences

    silences = with_boards(settings, act)
    if as_json:
        for silence in silences:
            sys.stdout.write(json.dumps(msgspec.to_builtins(silence)) + "\n")
        return
    now = utc_now().timestamp()
    table = Table(title=many(len(silences), "silence"))
    for column in ("id", "state", "until", "matchers", "author", "comment"):
        table.add_column(column, overflow="fold")
    for silence in silences:
        try:
            stretch = stretch_of(silence, now, settings.zone)
        except CommandError:
            stretch = None
        state, until = "over", silence.ended_at or silence.ends
        if stretch is not None:
            state = "holds" if stretch.begin <= now else "waits"
            until = datetime.fromtimestamp(stretch.end, UTC).isoformat()
        table.add_row(
            silence.id,
            state,
            time_text(until, settings.zone),
            ", ".join(silence.matchers),
            silence.author,
            silence.comment,
        )
    out.print(table)


def end(
    silence: Annotated[str, typer.Argument(help="The beginning of its id")],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """End a silence now; what still fires is told."""
    from lockstep.app import utc_now

    now = utc_now()

    async def act(boards: Boards) -> Answer:
        ids = (s.id for s in boards.responses.silences())
        listed = "lockstep silence list"
        number = the_one(silence, ids, one="no silence that holds or will", many="silences", listed=listed)
        return await boards.give(EndSilence(silence_id=number, **head(who, now)))

    say(with_boards(load_settings(broker=broker), act))


def preview(matchers: MatchersArgument, broker: BrokerOption = None) -> None:
    """Say what a silence would hit now, and would have hit in the last week; changes nothing."""
    from lockstep.adapters.rule_files import load_rules
    from lockstep.app import utc_now
    from lockstep.errors import RuleError
    from lockstep.notify.quiet.preview import LOOKS_BACK
    from lockstep.notify.quiet.preview import preview as previewed
    from lockstep.transition import decode

    settings = load_settings(broker=broker)
    read = _read(matchers)
    try:
        teams = {rule.name: rule.teams for rule in load_rules(settings.rules).plan.rules}
    except RuleError:  # no folder here: matchers on `team` meet nothing then
        teams = {}
    now = utc_now()

    async def act(boards: Boards) -> Any:
        published = map(decode, boards.responses.published_since(now - LOOKS_BACK))
        return previewed(read, [*boards.alerts.open(), *published], lambda t: teams.get(t.rule, ()), now=now)

    seen = with_boards(settings, act)
    out.print(seen.sentence, markup=False, highlight=False)
    for remark in seen.remarks:
        out.print(remark, markup=False, highlight=False)
    for narrowing in seen.narrowing:
        if not narrowing.matches:
            out.print(f"{narrowing.matcher} alone matches nothing", markup=False, highlight=False)
    if not seen.hits:
        return
    table = Table()
    for column in ("fires", "severity", "rule", "labels", "times"):
        table.add_column(column, overflow="fold")
    for hit in seen.hits:
        labels = " ".join(f"{name}={value}" for name, value in sorted(hit.labels.items()))
        table.add_row("now" if hit.fires else "", hit.severity, hit.rule, labels, f"{hit.times:,}")
    out.print(table)


def _read(matchers: list[str]) -> Any:
    from lockstep.notify.quiet.matchers import parse_matchers

    try:
        return parse_matchers(matchers)
    except CommandError as error:
        fail(str(error))
