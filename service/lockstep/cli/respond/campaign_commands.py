"""`lockstep campaign`: what is planned and what it is answered; operations confirm that or object."""

from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from lockstep.cli.respond.session import Boards, head, say, with_boards
from lockstep.cli.respond.who import AsOption
from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.output import fail, many, out
from lockstep.response.command import Answer, ReplyToPlan
from lockstep.response.standing import PlanStanding
from lockstep.settings import load_settings

NameArgument = Annotated[str, typer.Argument(help="The campaign's name")]


def show(broker: BrokerOption = None) -> None:
    """List the campaigns with what each was answered, and what each team is to do."""
    from lockstep.shop.plans.plan_words import headline, standing_to_dos

    settings = load_settings(broker=broker)

    async def act(boards: Boards) -> list[PlanStanding]:
        plans: list[PlanStanding] = boards.responses.plans()
        return plans

    plans = with_boards(settings, act)
    table = Table(title=many(len(plans), "campaign"))
    for column in ("answer", "marketing", "operations"):
        table.add_column(column, overflow="fold")
    for p in plans:
        marketing, operations = standing_to_dos(p, settings.zone)
        table.add_row(p.headline or headline(p.campaign, p.verdict), marketing, operations)
    out.print(table)


def confirm(
    campaign: NameArgument,
    note: Annotated[str, typer.Option(help="What to say with it")] = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say that the answer is right: of a yes that operations can do it, of another one that it is to be changed."""
    _reply(campaign, "confirmed", note, who, broker)


def object_(
    campaign: NameArgument,
    note: Annotated[str, typer.Option(help="Why, so that marketing knows what to do")],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say that the answer is wrong, and why: of a yes as it cannot be done, of another one as it runs as planned."""
    _reply(campaign, "objected", note, who, broker)


def _reply(
    campaign: str, reply: Literal["confirmed", "objected"], note: str, who: str | None, broker: str | None
) -> None:
    from lockstep.app import utc_now

    common: dict[str, Any] = dict(head(who, utc_now()))

    async def act(boards: Boards) -> Answer:
        standing = boards.responses.plan(campaign)
        if standing is None:
            fail(f"no campaign '{campaign}' was answered yet; `lockstep campaign list` has those that were", 1)
        number = standing.number
        return await boards.give(ReplyToPlan(campaign=campaign, number=number, reply=reply, note=note, **common))

    say(with_boards(load_settings(broker=broker), act))
