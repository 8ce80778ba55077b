"""`lockstep action`: what somebody is to do, as reports list it."""

from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from lockstep.cli.respond.session import Boards, head, say, with_boards
from lockstep.cli.respond.who import AsOption
from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.output import fail, many, out
from lockstep.response.command import AddAction, Answer, AssignAction, CloseAction, Command
from lockstep.response.standing import Action
from lockstep.settings import load_settings

IdArgument = Annotated[str, typer.Argument(help="The beginning of its id")]


def add(
    text: Annotated[str, typer.Argument(help="What is to be done")],
    to: Annotated[str, typer.Option(help="Whose it is; default: nobody's yet")] = "",
    due: Annotated[str, typer.Option(help="The day by which, 2026-12-04")] = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Have somebody do something, and see it in the reports until it is closed."""
    from lockstep.app import utc_now

    common = head(who, utc_now())
    action = Action(id=uuid4().hex[:12], text=text, assignee=to, due=due)

    async def act(boards: Boards) -> Answer:
        return await boards.give(AddAction(action=action, **common))

    say(with_boards(load_settings(broker=broker), act))
    out.print(f"its id is {action.id}", markup=False, highlight=False)


def show(
    every: Annotated[bool, typer.Option("--all", help="Those that are closed, too")] = False,
    broker: BrokerOption = None,
) -> None:
    """List what is to be done, the oldest first."""
    from lockstep.text.figures import time_text

    settings = load_settings(broker=broker)

    async def act(boards: Boards) -> list[Action]:
        actions: list[Action] = boards.responses.actions(every)
        return actions

    known = with_boards(settings, act)
    table = Table(title=many(len(known), "action"))
    for column in ("id", "what", "who", "by", "since", "from", "closed"):
        table.add_column(column, overflow="fold")
    for a in known:
        since = time_text(a.created_at, settings.zone) if a.created_at else ""
        closed = "" if a.closed_at is None else f"{time_text(a.closed_at, settings.zone)}, {a.closed_by}"
        table.add_row(a.id, a.text, a.assignee or "nobody yet", a.due, since, a.about or f"added by {a.by}", closed)
    out.print(table)


def assign(
    action: IdArgument,
    to: Annotated[str, typer.Argument(help="Whose it is from now on")],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Give an action to somebody."""
    from lockstep.app import utc_now

    common = head(who, utc_now())
    _give(action, lambda number: AssignAction(action_id=number, to=to, **common), broker)


def close(
    action: IdArgument,
    note: Annotated[str, typer.Option(help="What to say with it")] = "",
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Say that an action is done, or dropped."""
    from lockstep.app import utc_now

    common = head(who, utc_now())
    _give(action, lambda number: CloseAction(action_id=number, note=note, **common), broker)


def _give(action: str, command: Callable[[str], Command], broker: str | None) -> None:
    """Give the command that is made of the id of the one open action that is meant."""

    async def act(boards: Boards) -> Answer:
        known = [a.id for a in boards.responses.actions() if a.id.startswith(action)]
        if len(known) != 1:
            said = "no open action" if not known else f"{len(known)} open actions"
            fail(f"{said} begins with '{action}'; `lockstep action list` has them", 1)
        return await boards.give(command(known[0]))

    say(with_boards(load_settings(broker=broker), act))
