"""`lockstep oncall`: who is on call, and who stands in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from lockstep.cli.respond.alert_commands import ForOption, UntilOption
from lockstep.cli.respond.session import Boards, head, say, the_one, until_text, with_boards
from lockstep.cli.respond.who import AsOption
from lockstep.cli.shared.arguments import BrokerOption, RulesOption, moment
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import fail, many, out
from lockstep.notify.oncall.schedules import Schedule
from lockstep.ports import Broker
from lockstep.response.command import Answer, EndOverride, PutOverride
from lockstep.response.standing import Override
from lockstep.settings import Settings, load_settings


def show(
    days: Annotated[int, typer.Option(help="How many days of shifts are shown", min=0, max=60)] = 0,
    rules: RulesOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say who is on call now, until when, and who is next."""
    from lockstep.adapters.rule_files import load_routes
    from lockstep.app import utc_now
    from lockstep.text.figures import time_text
    from lockstep.text.time_units import DAY_S

    settings = load_settings(rules=rules, broker=broker)
    schedules = load_routes(settings.rules).schedules
    if not all(schedule.is_whole for schedule in schedules.values()):
        schedules = _with_what_was_fetched(settings)

    async def act(boards: Boards) -> list[Override]:
        overrides: list[Override] = boards.responses.overrides(every=True)
        return overrides

    overrides = with_boards(settings, act)
    now = utc_now().timestamp()

    def at(moment_s: float | None) -> str:
        return "" if moment_s is None else time_text(datetime.fromtimestamp(moment_s, UTC).isoformat(), settings.zone)

    table = Table(title=many(len(schedules), "schedule"))
    for column in ("schedule", "on call", "until", "next"):
        table.add_column(column, overflow="fold")
    for name, schedule in sorted(schedules.items()):
        change = schedule.next_change(now, overrides)
        following = "" if change is None else schedule.on_call(change, overrides) or "nobody"
        table.add_row(name, schedule.on_call(now, overrides) or "nobody", at(change), following)
    out.print(table)
    if days:
        shifts = Table(title=many(days, "day"))
        for column in ("schedule", "from", "until", "on call"):
            shifts.add_column(column, overflow="fold")
        for name, schedule in sorted(schedules.items()):
            for shift in schedule.shifts(now, now + days * DAY_S, overrides):
                shifts.add_row(name, at(shift.start), at(shift.end), shift.who or "nobody")
        out.print(shifts)


def _with_what_was_fetched(settings: Settings) -> Mapping[str, Schedule]:
    """The schedules in force: calendars that are fetched have come to the service, and not to this folder."""
    from lockstep.adapters.rulebook import RuleBook
    from lockstep.app import utc_now

    async def read(broker: Broker) -> Mapping[str, Schedule]:
        book = RuleBook(broker, settings.rules, clock=utc_now, zone=settings.zone)
        await book.refresh()
        return book.loaded()[1].schedules

    return with_broker(settings, read, looks=True)


def stand_in(
    schedule: Annotated[str, typer.Argument(help="Its name in routing.yml")],
    receiver: Annotated[str, typer.Argument(help="The receiver that is on call instead")],
    lasting: ForOption = None,
    until: UntilOption = None,
    starts: Annotated[str | None, typer.Option(help="From when on; default: now")] = None,
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Have somebody stand in for whoever is on call."""
    from lockstep.app import utc_now
    from lockstep.text.rfc3339 import rfc3339_of

    now = utc_now()
    begins = moment(starts, "--starts") or now
    ends = until_text(lasting, moment(until), begins)
    if ends is None:
        fail("until when? give --for 8h or --until TIME")
    common = head(who, now)
    override = Override(
        id=uuid4().hex[:12], schedule=schedule, who=receiver, starts=rfc3339_of(begins), ends=ends, by=common["by"]
    )

    async def act(boards: Boards) -> Answer:
        return await boards.give(PutOverride(override=override, **common))

    say(with_boards(load_settings(broker=broker), act))
    out.print(f"its id is {override.id}", markup=False, highlight=False)


def overrides(broker: BrokerOption = None) -> None:
    """List who stands in now or later."""
    from lockstep.text.figures import time_text

    settings = load_settings(broker=broker)

    async def act(boards: Boards) -> list[Override]:
        known: list[Override] = boards.responses.overrides()
        return known

    known = with_boards(settings, act)
    table = Table(title=many(len(known), "override"))
    for column in ("id", "schedule", "on call instead", "from", "until", "said by"):
        table.add_column(column, overflow="fold")
    for o in known:
        starts, ends = (time_text(text, settings.zone) for text in (o.starts, o.ends))
        table.add_row(o.id, o.schedule, o.who, starts, ends, o.by)
    out.print(table)


def end(
    override: Annotated[str, typer.Argument(help="The beginning of its id")],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Have whoever stands in no longer do so."""
    from lockstep.app import utc_now

    now = utc_now()

    async def act(boards: Boards) -> Answer:
        ids = (o.id for o in boards.responses.overrides())
        listed = "lockstep oncall overrides"
        number = the_one(override, ids, one="nobody who stands in", many="overrides", listed=listed)
        return await boards.give(EndOverride(override_id=number, **head(who, now)))

    say(with_boards(load_settings(broker=broker), act))
