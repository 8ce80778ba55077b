"""`lockstep token`: who may ask the API what."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from lockstep.cli.respond.who import AsOption, name_of
from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import err, many, out
from lockstep.ports import Broker
from lockstep.settings import load_settings


class RoleChoice(StrEnum):
    """The roles that a token may have."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    EDITOR = "editor"
    ADMIN = "admin"


def add(
    name: Annotated[str, typer.Argument(help="Of the person or program, as it stands in the audit")],
    role: Annotated[
        RoleChoice,
        typer.Option(help="viewer reads, responder acts on alerts, editor publishes events and reloads rules"),
    ],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Make a token for the API; it is shown once."""
    from lockstep.adapters.http.token_book import TokenBook
    from lockstep.app import utc_now
    from lockstep.worker.required_topics import topic_specs

    settings = load_settings(broker=broker)

    async def act(opened: Broker) -> str:
        await opened.declare(topic_specs(settings))  # before the first `lockstep serve`, too
        return await TokenBook(opened).add(name, role.value, by=name_of(who), at=utc_now())

    token = with_broker(settings, act)
    sys.stdout.write(token + "\n")
    sys.stdout.flush()
    said = f"{name} is {role.value}; this is shown once, and every worker takes it now: Authorization: Bearer TOKEN"
    err.print(said, soft_wrap=True)


def show(broker: BrokerOption = None) -> None:
    """List the tokens: names and roles."""
    from lockstep.adapters.http.token_book import StoredToken, TokenBook

    async def act(opened: Broker) -> list[StoredToken]:
        book = TokenBook(opened)
        await book.refresh()
        return book.tokens()

    tokens = with_broker(load_settings(broker=broker), act, looks=True)
    table = Table(title=many(len(tokens), "token"))
    for column in ("name", "role", "made at", "made by"):
        table.add_column(column, overflow="fold")
    for token in tokens:
        table.add_row(token.name, token.role, token.made_at, token.made_by)
    out.print(table)


def remove(
    name: Annotated[str, typer.Argument(help="As `lockstep token list` has it")],
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Take a token back; every worker refuses it at once."""
    from lockstep.adapters.http.token_book import TokenBook
    from lockstep.app import utc_now

    async def act(opened: Broker) -> None:
        await TokenBook(opened).remove(name, by=name_of(who), at=utc_now())

    with_broker(load_settings(broker=broker), act, looks=True)
    out.print(f"the token of {name} is no longer taken")
