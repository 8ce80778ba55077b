"""`lockstep deliveries`: what was given up, sent once more."""

from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table

from lockstep.cli.respond.session import the_one
from lockstep.cli.respond.who import AsOption, name_of
from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import fail, out
from lockstep.ports import Broker
from lockstep.response.command import ReplayDelivery
from lockstep.settings import load_settings


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="The beginning of each id")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Everything that was given up, with --to")] = False,
    to: Annotated[str | None, typer.Option("--to", help="Of this receiver or address alone")] = None,
    who: AsOption = None,
    broker: BrokerOption = None,
) -> None:
    """Send deliveries that were given up once more, with the ids that they had."""
    from lockstep.adapters.outbound.dead_deliveries import MOST_REPLAYED, Dead, DeadDeliveries, to_destination
    from lockstep.app import utc_now
    from lockstep.text.rfc3339 import rfc3339_of

    if bool(ids) == dead or (dead and to is None):
        fail("which ones? name their ids, or --dead --to RECEIVER; `lockstep dead deliveries` lists them")
    at, by = rfc3339_of(utc_now()), name_of(who)

    def deed(row: Dead) -> ReplayDelivery:
        receiver = row["destination"].get("receiver", "")
        return ReplayDelivery(id=uuid4().hex, by=by, way="cli", at=at, delivery_id=row["id"], receiver=receiver)

    async def act(opened: Broker) -> list[Any]:
        letters = DeadDeliveries(opened)
        known = {row["id"]: row for row in await letters.all()}
        chosen = list(known.values()) if to is None else to_destination(known.values(), to)
        if to is not None and not chosen:
            names = ", ".join(sorted({row["destination"].get("receiver", "") for row in known.values()})) or "nobody"
            fail(f"nothing was given up that was for '{to}'; there is something for {names}", 1)
        if ids:
            one, listed = "no delivery that was given up", "lockstep dead deliveries"
            of = [row["id"] for row in chosen]
            chosen = [known[the_one(number, of, one=one, many="deliveries", listed=listed)] for number in ids]
        await letters.replay(chosen, deed)
        return chosen

    sent = with_broker(load_settings(broker=broker), act)
    count = min(len(sent), MOST_REPLAYED)
    table = Table(title=f"{count:,} {'delivery' if count == 1 else 'deliveries'} sent once more")
    for name in ("id", "receiver", "rule", "state"):
        table.add_column(name, overflow="fold")
    for row in sent[:MOST_REPLAYED]:
        table.add_row(row["id"], row["destination"].get("receiver", ""), row["rule"], row["state"])
    out.print(table)
    if len(sent) > MOST_REPLAYED:
        out.print(f"{len(sent) - MOST_REPLAYED:,} more wait; give the command again", markup=False, highlight=False)
